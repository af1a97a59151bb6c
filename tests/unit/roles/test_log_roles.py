# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The roles log_collector and log_certificates: options, controls and documents agree with each other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from ansible_collections.pve.audit.plugins.module_utils._module.remote_syslog_options import SPEC

ROLES = Path(__file__).resolve().parents[3] / "roles"


def load(role: str, name: str) -> Any:
    return yaml.safe_load((ROLES / role / name).read_text(encoding="utf-8"))


def test_each_control_has_a_switch_a_file_a_tag_and_an_id() -> None:
    controls = load("log_collector", "vars/controls.yml")["pve_audit_log_collector_controls"]
    assert [control["id"] for control in controls] == [
        f"PVA-COL-{number:02d}" for number in range(1, len(controls) + 1)
    ]
    block = load("log_collector", "tasks/main.yml")[2]["block"]
    defaults = load("log_collector", "defaults/main.yml")
    for control, task in zip(controls, block, strict=True):
        assert task["name"] == f"{control['id']} {control['title']}"
        assert task["ansible.builtin.import_tasks"] == f"{control['name']}.yml"
        assert task["tags"] == [f"collector_{control['name']}", control["id"]]
        assert task["when"] == f"pve_audit_log_collector_{control['name']}_enabled"
        assert task["when"] in defaults
        assert (ROLES / "log_collector" / "tasks" / f"{control['name']}.yml").is_file()
        assert control["sentence"].endswith(".")


def test_the_programs_lie_where_the_roles_look_for_them() -> None:
    path = load("_programs", "vars/main.yml")["pve_audit_programs_path"]
    nodes = load("node_logging", "vars/main.yml")
    program = nodes["pve_audit_node_logging_program"]
    assert program.replace("{{ pve_audit_node_logging_lib }}", nodes["pve_audit_node_logging_lib"]) == path
    assert f" {path} " in load("log_collector", "vars/main.yml")["pve_audit_log_collector_tool"]
    assert SPEC["program"]["default"] == path
