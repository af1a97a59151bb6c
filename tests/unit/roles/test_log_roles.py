# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes and collector look for the programs where they are installed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from ansible_collections.pve.audit.plugins.module_utils._module.remote_syslog_options import SPEC

ROLES = Path(__file__).resolve().parents[3] / "roles"


def load(role: str, name: str) -> Any:
    return yaml.safe_load((ROLES / role / name).read_text(encoding="utf-8"))


def test_the_programs_lie_where_the_roles_look_for_them() -> None:
    path = load("_programs", "vars/main.yml")["pve_audit_programs_path"]
    nodes = load("node_logging", "vars/main.yml")
    program = nodes["pve_audit_node_logging_program"]
    assert program.replace("{{ pve_audit_node_logging_lib }}", nodes["pve_audit_node_logging_lib"]) == path
    assert f" {path} " in load("log_collector", "vars/main.yml")["pve_audit_log_collector_tool"]
    assert SPEC["program"]["default"] == path
