# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A playbook that would look at nobody fails, with one sentence: Ansible alone skips its plays and ends with 0."""

from __future__ import annotations

import pytest

from tests.e2e.conftest import Ansible

INVENTORY = """
all:
  children:
    pve_nodes: {hosts: {pve1: {ansible_host: 192.0.2.1}}}
    log_collectors: {hosts: {logs1: {ansible_host: 192.0.2.2}}}
    web: {hosts: {web1: {ansible_host: 192.0.2.3}}}
"""
EMPTY = "all:\n  children:\n    pve_nodes: {}\n    web: {hosts: {web1: {ansible_host: 192.0.2.3}}}\n"
NO_NODES = "nobody in the group pve_nodes"
LIMIT = ("-i", "hosts.yml", "--limit", "web1")


@pytest.mark.parametrize(
    ("playbook", "arguments", "said"),
    [
        ("drift", (), NO_NODES),
        ("drift", ("-i", "empty.yml"), NO_NODES),
        ("drift", LIMIT, "--limit leaves none of pve1, logs1"),
        ("harden", ("-i", "empty.yml"), NO_NODES),
        ("harden", LIMIT, "--limit leaves none of pve1, logs1"),
        ("harden", ("-i", "empty.yml", "--tags", "PVA-LOG-03"), NO_NODES),
        ("verify_logging", (), "nobody in the group pve_nodes and nobody in log_collectors"),
        ("verify_logging", LIMIT, "--limit leaves none of pve1"),
        ("verify_logging", ("-i", "hosts.yml", "--limit", "logs1"), "--limit leaves none of pve1"),
        (
            "who",
            ("-i", "hosts.yml", "-e", "vmid=1", "-e", "from_nodes=true", "--limit", "pve1"),
            "--limit leaves out localhost, where the answers are put together",
        ),
        ("named_users", (), NO_NODES),
        ("named_users", ("-i", "hosts.yml", "--limit", "pve1"), "--limit leaves out localhost, where the guard asks"),
        ("audit", LIMIT, "--limit leaves none of localhost"),
        ("weekly_report", LIMIT, "--limit leaves none of localhost"),
        ("identity_report", LIMIT, "--limit leaves none of localhost"),
        ("spot_check", LIMIT, "--limit leaves none of localhost"),
    ],
)
def test_nobody_is_a_failure(ansible: Ansible, playbook: str, arguments: tuple[str, ...], said: str) -> None:
    for name, text in (("hosts.yml", INVENTORY), ("empty.yml", EMPTY)):
        (ansible.folder / name).write_text(text, encoding="utf-8")
    played = ansible.play(f"pve.audit.{playbook}", {}, *arguments)
    assert played.status == 2, played.output
    assert said in " ".join(played.output.split())


@pytest.mark.parametrize(
    ("playbook", "variable", "meant"),
    [
        ("audit", "pve_audit_report_sinc", "pve_audit_report_since"),
        ("spot_check", "pve_audit_spot_chek_action", "pve_audit_spot_check_action"),
    ],
)
def test_a_misspelt_variable_is_refused(ansible: Ansible, playbook: str, variable: str, meant: str) -> None:
    played = ansible.play(f"pve.audit.{playbook}", {}, "-e", f"{variable}=1d")
    assert played.status == 2, played.output
    assert f"{variable} is no variable of pve.audit, did you mean {meant}?" in " ".join(played.output.split())
