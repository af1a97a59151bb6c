# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role's promises that hold without a node: options equal defaults, and each control has all it needs."""

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


def test_control_ids_are_in_order() -> None:
    assert [control["id"] for control in CONTROLS] == [f"PVA-LOG-{number:02}" for number in range(1, len(CONTROLS) + 1)]


@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control["control"])
def test_control_has_file_switch_state_and_tags(control: dict[str, str]) -> None:
    name = control["control"]
    defaults = load("defaults/main.yml")
    assert defaults[f"{PREFIX}{name}_enabled"] is True
    assert defaults[f"{PREFIX}{name}_state"] == "{{ pve_audit_node_logging_state }}"
    assert (ROLE / "tasks" / f"{name}.yml").exists()
    (task,) = [task for task in load("tasks/main.yml") if task.get("ansible.builtin.import_tasks") == f"{name}.yml"]
    assert task["tags"] == [name, control["id"]]
    assert task["when"] == f"{PREFIX}{name}_enabled | bool"
    assert f"{PREFIX}{name}_state" in (ROLE / "tasks" / f"{name}.yml").read_text(encoding="utf-8")
    assert control["sentence"] in (ROLE / "README.md").read_text(encoding="utf-8")
