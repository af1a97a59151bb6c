# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each control has its tags, and is expected of the hosts that its row names."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.e2e.conftest import Ansible
from tools.controls import load

CONTROLS = [control for control in load()["controls"] if "hosts" in control]
HARDENED = [control for control in CONTROLS if control["implements"] != "role named_users"]
# None of them answers.
INVENTORY = """
all:
  vars: {ansible_connection: ssh, ansible_ssh_executable: ./ssh, ansible_ssh_retries: 0}
  children:
    pve_nodes: {hosts: {node1: , node2: }}
    log_collectors: {hosts: {logs1: }}
"""


@pytest.fixture
def site(ansible: Ansible) -> Ansible:
    """Two nodes and a collector that cannot be reached."""
    (ansible.folder / "hosts.yml").write_text(INVENTORY, encoding="utf-8")
    ssh = ansible.folder / "ssh"
    ssh.write_text("#!/bin/sh\nexit 255\n", encoding="utf-8")
    ssh.chmod(0o755)
    return ansible


def ids(controls: list[dict[str, Any]], *groups: str) -> list[str]:
    """The controls of some groups of hosts."""
    return [control["id"] for control in controls if set(groups) & set(control["hosts"])]


@pytest.mark.parametrize(
    ("playbook", "controls"),
    [("pve.audit.harden", HARDENED), ("pve.audit.named_users", [one for one in CONTROLS if one not in HARDENED])],
)
def test_each_control_has_its_tag(site: Ansible, playbook: str, controls: list[dict[str, Any]]) -> None:
    played = site.play(playbook, {}, "-i", "hosts.yml", "--list-tags")
    assert played.status == 0, played.output
    tags = {tag for tags in re.findall(r"TASK TAGS: \[(.*)\]", played.output) for tag in tags.split(", ")}
    assert set(ids(controls, "pve_nodes", "log_collectors")) <= tags


@pytest.mark.parametrize("tag", ["sudo", "PVA-LOG-08"])
def test_a_tag_runs_one_control(site: Ansible, tag: str) -> None:
    played = site.play("pve.audit.harden", {}, "-i", "hosts.yml", "--list-tasks", "--tags", tag)
    assert played.status == 0, played.output
    found = {line for line in played.output.splitlines() if "TAGS:" in line and "always" not in line}
    tasks = [line for line in found if "node_logging" in line]
    assert len(tasks) == 3, played.output
    assert all("PVA-LOG-08" in line for line in tasks)


@pytest.mark.parametrize("people", [{}, {"pve_audit_named_users_people": []}], ids=["undeclared", "declared"])
def test_a_host_that_does_not_answer_hides_none_of_its_controls(site: Ansible, people: dict[str, Any]) -> None:
    options = {"pve_audit_drift_fail": [], **people}
    played = site.play("pve.audit.drift", {}, "-i", "hosts.yml", **options)
    assert played.status == 0, played.output
    report = json.loads((site.folder / "pve-audit-drift" / "drift.json").read_text(encoding="utf-8"))
    rows = {node: [row["control"] for row in report["rows"] if row["node"] == node] for node in report["nodes"]}
    nodes = ids(CONTROLS if people else HARDENED, "pve_nodes")
    assert {node: rows[node] for node in ("node1", "node2", "logs1")} == {
        "node1": nodes, "node2": nodes, "logs1": ids(CONTROLS, "log_collectors")}  # fmt: skip
    hosts = [row for row in report["rows"] if row["node"] != "cluster"]
    assert {(row["state"], row["reason"]) for row in hosts} == {("unknown", "unreachable")}
