# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The convention on which the drift check rests: every task that can change something registers its result.

The playbook drift.yml gathers the variables ROLE_result_NAME after each control; what is not registered is not seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROLES = Path(__file__).resolve().parents[3] / "roles"
HARDENING = ("log_certificates", "log_collector", "named_users", "node_logging")
# Modules that change nothing on a host.
READ_ONLY = set(
    """assert debug fail import_tasks include_role include_tasks include_vars meta set_fact slurp stat find
    pve.audit.node_logging_info""".split()
)
KEYWORDS = set(
    """apply args become block changed_when check_mode delegate_to diff environment failed_when ignore_errors loop
    loop_control name no_log notify register rescue always retries run_once tags until delay vars when""".split()
)


class Loader(yaml.SafeLoader):
    """Ansible's own tags (!unsafe) are not needed here."""


def tasks_of(data: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """All tasks, those in blocks too."""
    for task in data or []:
        inner = [one for key in ("block", "rescue", "always") for one in task.get(key, [])]
        if inner:
            yield from tasks_of(inner)
        else:
            yield task


def changing(task: dict[str, Any]) -> bool:
    """Whether a task may report a change."""
    (module,) = set(task) - KEYWORDS
    short = module.removeprefix("ansible.builtin.")
    if task.get("changed_when") is False:
        return False
    return short not in READ_ONLY or "changed_when" in task


def cases() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Role, file and task."""
    for role in (*HARDENING, "_programs"):
        for file in sorted((ROLES / role / "tasks").glob("*.yml")):
            if file.name.startswith("api"):  # the cluster's side: drift_cluster.yml reads its plan instead
                continue
            for task in tasks_of(yaml.load(file.read_text(encoding="utf-8"), Loader)):
                if changing(task):
                    yield role, file.name, task


@pytest.mark.parametrize(
    ("role", "file", "task"), [pytest.param(*case, id=f"{case[0]}-{case[1]}-{case[2]['name']}") for case in cases()]
)
def test_a_changing_task_registers_its_result(role: str, file: str, task: dict[str, Any]) -> None:
    assert task.get("register", "").startswith(f"pve_audit_{role.lstrip('_')}_result_"), f"{file}: {task['name']}"


def test_no_name_is_used_twice() -> None:
    names = [task["register"] for _role, _file, task in cases() if "register" in task]
    assert len(names) == len(set(names))


def inclusions(file: Path) -> Iterator[tuple[str, bool]]:
    """The files that a tasks file includes, and whether it does so in a loop."""
    for task in tasks_of(yaml.load(file.read_text(encoding="utf-8"), Loader)):
        found = next((task[key] for key in task if key.endswith(("include_tasks", "import_tasks"))), None)
        if found is not None:
            yield (found["file"] if isinstance(found, dict) else found), "loop" in task


@pytest.mark.parametrize("role", HARDENING)
def test_no_result_takes_the_place_of_another(role: str) -> None:
    """A file that is included twice, or in a loop, registers its results under the same names each time."""
    for file in sorted((ROLES / role / "tasks").glob("*.yml")):
        if file.name.startswith("api"):
            continue
        names = [name for name, _loop in inclusions(file) if "{{" not in name]
        assert len(names) == len(set(names)), file
        assert not [name for name, loop in inclusions(file) if loop], file


def test_only_reading_tasks_are_run_in_check_mode() -> None:
    """`check_mode: false` in a role would touch a host during the drift check unless it only reads."""
    for role, file, task in cases():
        assert task.get("check_mode") is not False, f"{role}/{file}: {task['name']}"


@pytest.mark.parametrize("role", HARDENING)
def test_the_role_knows_that_the_drift_check_is_a_check(role: str) -> None:
    """`ansible_check_mode` is about the command line; the drift check sets check mode in the play."""
    wanted = "{{ ansible_check_mode or pve_audit_drift_running | default(false) }}"
    assert yaml.safe_load((ROLES / role / "vars/main.yml").read_text())[f"pve_audit_{role}_check"] == wanted
    for file in sorted((ROLES / role).rglob("*.yml")):
        if file.name != "argument_specs.yml" and file.parent.name != "vars":
            assert "ansible_check_mode" not in file.read_text(encoding="utf-8"), file
