# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of the controls: each is whole, and has the tasks, switch, option and tags that belong to it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tools.controls import load, main

ROLES = Path(__file__).resolve().parents[3] / "roles"
DATA = load()
CONTROLS: list[dict[str, Any]] = DATA["controls"]
KEYS = {"id", "title", "sentence", "implements", "per", "iso", "gdpr", "evidence"}
ON_HOSTS = {"control", "hosts"}
# The playbook harden runs these, and the Molecule scenario the tests in their rows.
HARDENING = {"log_certificates", "node_logging", "log_collector"}
# The cluster is one plan and the certificates are one role: no tasks file and no switch for each control.
WHOLE = {"pve_audit_clusters", "main"}
OWN_TASKS = [row for row in CONTROLS if row["per"] == "drift" and WHOLE.isdisjoint({*row["hosts"], row["control"]})]


def read(role: str, name: str) -> Any:
    """A YAML file of a role."""
    return yaml.safe_load((ROLES / role / name).read_text(encoding="utf-8"))


def role_of(control: dict[str, Any]) -> str:
    """The role that implements a control of the drift check."""
    kind, role = str(control["implements"]).split()
    assert kind == "role"
    return role


def flat(tasks: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """All tasks, those in blocks too."""
    for task in tasks:
        yield from flat(task["block"]) if "block" in task else [task]


def name_of(control: dict[str, Any]) -> str:
    """The name of a test case."""
    return str(control["id"])


def test_no_role_is_left_out() -> None:
    listed = yaml.safe_load((ROLES / "audit_report/vars/compliance.yml").read_text(encoding="utf-8"))
    there = {file.parents[1].name for file in ROLES.glob("*/vars/controls.yml")}
    assert set(listed["pve_audit_report_control_roles"]) == there


def test_no_id_is_given_twice() -> None:
    assert len({control["id"] for control in CONTROLS}) == len(CONTROLS)


@pytest.mark.parametrize("control", CONTROLS, ids=name_of)
def test_row_is_whole(control: dict[str, Any]) -> None:
    tested = control["implements"].split()[-1] in HARDENING
    wanted = KEYS | (ON_HOSTS if control["per"] == "drift" else set()) | ({"test"} if tested else set())
    assert set(control) == wanted
    assert re.fullmatch(r"PVA-[A-Z]{3}-\d\d", control["id"])
    assert control["per"] in ("drift", "run")
    assert control["sentence"].endswith(".")
    for key in ("iso", "gdpr"):
        assert control[key], "it contributes to nothing"
        for one in control[key]:
            assert one["id"] in DATA[key]
            assert one["why"].endswith(".")
    assert all(set(one) - {"also"} == {"change", "shows"} for one in control.get("test", []))


@pytest.mark.parametrize("control", OWN_TASKS, ids=name_of)
def test_control_has_tasks_switch_option_and_tags(control: dict[str, Any]) -> None:
    role, name = role_of(control), control["control"]
    assert control in read(role, "vars/controls.yml")[f"pve_audit_{role}_controls"]
    switch = f"pve_audit_{role}_{name}_enabled"
    assert read(role, "defaults/main.yml")[switch] is True
    assert read(role, "meta/argument_specs.yml")["argument_specs"]["main"]["options"][switch]["type"] == "bool"
    assert (ROLES / role / "tasks" / f"{name}.yml").is_file()
    tasks = [task for task in flat(read(role, "tasks/main.yml")) if control["id"] in task.get("tags", [])]
    assert any(f"{name}.yml" in str(task) for task in tasks)
    for task in tasks:
        assert task["name"].startswith(f"{control['id']} ")
        assert task["tags"] == [f"collector_{name}" if role == "log_collector" else name, control["id"]]
        assert switch in str(task["when"])


@pytest.mark.parametrize("key", ["iso", "gdpr"])
def test_every_requirement_is_used_or_left_out(key: str) -> None:
    used = {one["id"] for control in CONTROLS for one in control[key]}
    assert sorted(set(DATA[key]) - used) == []


def test_the_page_is_current() -> None:
    assert main(["--check"]) == 0, "run: python -m tools.controls"


def test_it_promises_no_certificate() -> None:
    assert "no certificate" in DATA["note"]
