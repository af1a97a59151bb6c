# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`--pure=tables`: what no version of Ansible or Python can change is tested in full in one environment only.

In the other one the pure rooms keep their tables; their generated cases, and the tests of the simulator, are left out.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.test_architecture import PURE_ROOMS

UNIT = Path(__file__).parent


def pytest_addoption(parser: pytest.Parser) -> None:
    """The option of `make unit`."""
    parser.addoption("--pure", choices=["full", "tables"], default="full", help="how much of the pure rooms is tested")


@pytest.hookimpl(trylast=True)  # after Hypothesis has marked its tests
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is tested in full elsewhere, and say how much."""
    if config.getoption("pure") == "full":
        return
    left = [
        item for item in items if is_left_out(item.path, generated=item.get_closest_marker("hypothesis") is not None)
    ]
    config.hook.pytest_deselected(items=left)
    items[:] = [item for item in items if item not in set(left)]


def is_left_out(file: Path, *, generated: bool) -> bool:
    """Whether a test of this file needs no second environment."""
    parts = file.relative_to(UNIT).parts
    return parts[0] == "lab" or (generated and parts[0] == "plugins" and "/".join(parts[1:3]) in PURE_ROOMS)
