# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role named_users: options, controls, plan and documents agree with each other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.pve.audit.plugins.module_utils._identity.plan import controls as identity_controls
from ansible_collections.pve.audit.plugins.module_utils._module.identity_options import plan_options

ROLE = Path(__file__).resolve().parents[3] / "roles" / "named_users"


def load(name: str) -> Any:
    return yaml.safe_load((ROLE / name).read_text(encoding="utf-8"))


def controls(side: str) -> dict[str, dict[str, Any]]:
    """The controls of one side, by id."""
    found = load("vars/controls.yml")["pve_audit_named_users_controls"]
    return {control["id"]: control for control in found if control["side"] == side}


def test_the_readme_names_every_control() -> None:
    readme = (ROLE / "README.md").read_text(encoding="utf-8")
    assert [name for name in (*controls("api"), *controls("unix")) if name not in readme] == []


def test_the_plan_knows_the_controls_of_the_cluster() -> None:
    known = {value for value in vars(identity_controls).values() if str(value).startswith("PVA-")}
    assert known == set(controls("api"))


def test_the_whole_declaration_can_be_given() -> None:
    assert set(load("vars/main.yml")["pve_audit_named_users_given"]) == set(plan_options()["declaration"]["options"])


@pytest.mark.parametrize("control", controls("unix").values(), ids=lambda control: str(control["id"]))
def test_each_control_of_a_node_has_a_switch_a_file_and_a_tag(control: dict[str, Any]) -> None:
    assert f"pve_audit_named_users_{control['control']}_enabled" in load("defaults/main.yml")
    assert (ROLE / "tasks" / f"{control['control']}.yml").is_file()
    tags = [task.get("tags", []) for task in load("tasks/main.yml")]
    assert [control["control"], control["id"]] in tags
