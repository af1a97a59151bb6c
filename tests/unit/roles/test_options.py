# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each option of each role has one default, a description, and its place in the README or in docs/controls.md."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
SPECS = sorted((ROOT / "roles").glob("*/meta/argument_specs.yml"))
CONTROLS = (ROOT / "docs" / "controls.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("file", SPECS, ids=lambda file: file.parents[1].name)
def test_argument_specs_equal_the_defaults(file: Path) -> None:
    role = file.parents[1]
    options = yaml.safe_load(file.read_text(encoding="utf-8"))["argument_specs"]["main"]["options"]
    defaults = yaml.safe_load((role / "defaults" / "main.yml").read_text(encoding="utf-8"))
    assert {name: option["default"] for name, option in options.items()} == defaults
    assert all(option["description"] for option in options.values())
    if role.name.startswith("_"):
        return  # internal: whoever includes it reads the specification
    pages = (role / "README.md").read_text(encoding="utf-8") + CONTROLS
    assert [name for name in options if f"`{name}`" not in pages] == []
