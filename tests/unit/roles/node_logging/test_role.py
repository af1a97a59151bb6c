# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way back of each control of this role."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from jinja2.nativetypes import NativeEnvironment

from ansible_collections.pve.audit.plugins.module_utils._node.facts.logging import JUDGED

ROLE = Path(__file__).resolve().parents[4] / "roles" / "node_logging"
PREFIX = "pve_audit_node_logging_"


def load(name: str) -> Any:
    """A YAML file of the role."""
    return yaml.safe_load((ROLE / name).read_text(encoding="utf-8"))


# The controls that also look at the node, and the part that they look at.
DRIFT = {
    "access_log": "access_log",
    "clock": "clock",
    "journald": "journald",
    "remote_syslog": "forwarder",
    "task_log": "tasks",
}
CONTROLS: list[dict[str, str]] = load("vars/controls.yml")[f"{PREFIX}controls"]


@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control["control"])
def test_control_has_a_state(control: dict[str, str]) -> None:
    name = control["control"]
    assert load("defaults/main.yml")[f"{PREFIX}{name}_state"] == "{{ pve_audit_node_logging_state }}"
    assert f"{PREFIX}{name}_state" in (ROLE / "tasks" / f"{name}.yml").read_text(encoding="utf-8")


FOUND: list[tuple[dict[str, Any], str, list[str]]] = [
    ({"clock": {"available": True, "problems": []}}, "clock", []),
    ({"clock": {"available": True, "problems": ["it is off"]}}, "clock", ["it is off"]),
    ({"tasks": {"available": False, "reason": "no records"}}, "tasks", ["no records"]),
    ({"failed": True, "msg": "no python"}, "journald", ["no python"]),
    ({}, "access_log", ["it could not be looked at"]),
]


@pytest.mark.parametrize(("found", "part", "problems"), FOUND)
def test_what_was_not_looked_at_is_a_problem(found: dict[str, Any], part: str, problems: list[str]) -> None:
    template: Any = NativeEnvironment().from_string(load("vars/main.yml")[f"{PREFIX}problems"])
    assert template.render({f"{PREFIX}found": found})[part] == problems


def test_the_drift_check_looks_at_all_that_is_judged() -> None:
    tasks = {task["name"]: task for task in load("tasks/preflight.yml")}
    assert set(tasks["Look at what there is"]["pve.audit.node_logging_info"]["parts"]) == set(JUDGED)
    used = {name: (ROLE / "tasks" / f"{name}.yml").read_text(encoding="utf-8") for name in DRIFT}
    assert {name for name, text in used.items() if f"{PREFIX}problems.{DRIFT[name]} " in text} == set(DRIFT)
    assert set(DRIFT.values()) == set(JUDGED)
