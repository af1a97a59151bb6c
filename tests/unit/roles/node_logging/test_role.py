# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way back of each control of this role."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

ROLE = Path(__file__).resolve().parents[4] / "roles" / "node_logging"
PREFIX = "pve_audit_node_logging_"


def load(name: str) -> Any:
    """A YAML file of the role."""
    return yaml.safe_load((ROLE / name).read_text(encoding="utf-8"))


CONTROLS: list[dict[str, str]] = load("vars/controls.yml")[f"{PREFIX}controls"]


@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control["control"])
def test_control_has_a_state(control: dict[str, str]) -> None:
    name = control["control"]
    assert load("defaults/main.yml")[f"{PREFIX}{name}_state"] == "{{ pve_audit_node_logging_state }}"
    assert f"{PREFIX}{name}_state" in (ROLE / "tasks" / f"{name}.yml").read_text(encoding="utf-8")
