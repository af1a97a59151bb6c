# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The identity modules end to end: a playbook, the simulated API, and what the modules say."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.conftest import Ansible, Played, connection
from tests.lab.simulator import Simulator, running_simulator

USER_CFG = """
user:root@pam:1:0::::::
token:root@pam!old:0:0::
user:alice@pve:1:0:Alice:Archer:alice@lab.test:::
user:bob@pve:1:0:Bob:Baker::::
user:breakglass@pve:1:0::::::
user:eve@gone:1:1577836800::::::
user:audit@pve:1:0::::::
token:audit@pve!report:0:1::
token:audit@pve!none:0:1::
user:iac@pve:1:0::::::
token:iac@pve!run:0:1::
group:admins:alice@pve,bob@pve::
group:audit:audit@pve::
acl:1:/:@admins:Administrator:
acl:1:/:breakglass@pve,iac@pve,iac@pve!run:Administrator:
acl:1:/:@audit,audit@pve!report:PVEAuditor:
"""

PLAY = """
- hosts: localhost
  gather_facts: false
  tasks:
    - name: Ask
      pve.audit.{module}: "{{{{ lookup('ansible.builtin.file', '{folder}/options.json') | from_json }}}}"
      register: answer
      ignore_errors: true
    - name: Keep the answer
      ansible.builtin.copy:
        content: "{{{{ answer | to_json }}}}"
        dest: "{folder}/answer.json"
        mode: "0600"
"""
APPLY = """
- hosts: localhost
  gather_facts: false
  tasks:
    - name: Make each change in its order
      ansible.builtin.include_tasks: "{folder}/change.yml"
      loop: "{{{{ lookup('ansible.builtin.file', '{folder}/changes.json') | from_json }}}}"
"""
KINDS = ("role", "group", "user", "acl", "token", "realm")
CHANGE = "".join(
    f"""
- name: Change a {kind}
  pve.audit.{kind}: >-
    {{{{ item.options | combine({{'password': 'a long password'}} if item.sets_password | default(false) else {{}}) }}}}
  when: item.object == '{kind}'
"""
    for kind in KINDS
)
PEOPLE = [
    {"id": "alice", "groups": ["admins"]},
    {"id": "bob", "groups": ["admins"], "email": "bob@lab.test"},
]
DECLARATION: dict[str, Any] = {
    "people": PEOPLE,
    "break_glass": {"id": "breakglass", "password": "a-very-secret-word"},
    "shared_accounts": ["root@pam"],
    "service_accounts": [{"id": "iac"}],
}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Simulator]:
    """A cluster with two administrators, one automation, and two read-only tokens."""
    with running_simulator(
        tasks_per_node=20, user_cfg=USER_CFG, passwords={"root@pam": "secret-root"}, unauthorized_delay=0.0
    ) as running:
        yield running


def ask(ansible: Ansible, environment: dict[str, str], module: str, **options: Any) -> tuple[dict[str, Any], Played]:
    """What a module answers, and everything that was printed."""
    (ansible.folder / "options.json").write_text(json.dumps(options), encoding="utf-8")
    played = ansible.play(PLAY.format(module=module, folder=ansible.folder), environment, "-v")
    assert played.status == 0, played.output
    assert "Traceback" not in played.output
    answer: dict[str, Any] = json.loads((ansible.folder / "answer.json").read_text(encoding="utf-8"))
    return answer, played


def test_identities_are_read_and_judged(ansible: Ansible, cluster: Simulator) -> None:
    before = cluster.user_config()
    answer, _played = ask(ansible, connection(cluster), "identity_info", policy={"service_accounts": ["iac@pve"]})
    assert not answer["changed"] and answer["summary"]["complete"]
    assert answer["summary"]["users"] == 7 and answer["summary"]["tokens"] == 4
    found = {(one["rule"], one["object"]) for one in answer["findings"]}
    assert {
        ("root-token", "root@pam!old"),
        ("shared-account", "root@pam"),
        ("user-without-email", "bob@pve"),
        ("user-of-missing-realm", "eve@gone"),
        ("expired-but-enabled", "eve@gone"),
        ("user-without-second-factor", "alice@pve"),
        ("token-without-expiry", "audit@pve!report"),
    } <= found
    assert "unused-token" in {row["rule"] for row in answer["not_checked"]}
    assert cluster.user_config() == before


def test_without_privileges_nothing_is_called_clean(ansible: Ansible, cluster: Simulator) -> None:
    answer, _played = ask(ansible, connection(cluster, "audit@pve!none"), "identity_info")
    assert answer["identity"]["users"] == [] and answer["findings"] == []
    assert not answer["summary"]["complete"]
    assert {"shared-account", "direct-grant", "root-token", "too-many-administrators"} <= {
        row["rule"] for row in answer["not_checked"]
    }


def test_events_tell_who_is_idle(ansible: Ansible, cluster: Simulator) -> None:
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 600))
    event = {
        "@timestamp": stamp,
        "event": {"kind": "event", "dataset": "pve.access", "action": "other", "outcome": "success"},
        "user": {"id": "alice@pve"},
        "source": {"ip": "192.0.2.1"},
        "pve": {},
    }
    answer, _played = ask(ansible, connection(cluster), "identity_info", events=[event], access_since="120d")
    idle = {one["object"] for one in answer["findings"] if one["rule"] == "inactive-user"}
    assert "bob@pve" in idle and "alice@pve" not in idle
    assert "root@pam!old" in {one["object"] for one in answer["findings"] if one["rule"] == "unused-token"}
    assert "concurrent-addresses" not in {row["rule"] for row in answer["not_checked"]}


def test_plan_that_locks_nobody_out(ansible: Ansible, cluster: Simulator) -> None:
    before = cluster.user_config()
    answer, played = ask(ansible, connection(cluster, "iac@pve!run"), "identity_plan", declaration=DECLARATION)
    assert [(one["action"], one["id"]) for one in answer["changes"]] == [
        ("update", "bob@pve"),
        ("disable", "root@pam"),
    ]
    assert answer["lockouts"] == [] and not answer["changed"]
    assert answer["administrators_before"] == ["alice@pve", "bob@pve", "root@pam"]
    assert answer["administrators_after"] == ["alice@pve", "bob@pve"]
    assert ("user", "audit@pve") in {(one["object"], one["id"]) for one in answer["undeclared"]}
    assert "a-very-secret-word" not in played.output and "a-very-secret-word" not in json.dumps(answer["changes"])
    assert cluster.user_config() == before


def test_plan_that_locks_out_fails_and_says_who(ansible: Ansible, cluster: Simulator) -> None:
    people = [PEOPLE[0], {"id": "bob", "state": "disabled"}]
    declaration = {**DECLARATION, "people": people}
    answer, _played = ask(ansible, connection(cluster, "iac@pve!run"), "identity_plan", declaration=declaration)
    assert answer["failed"] and answer["error_code"] == "lockout"
    assert answer["msg"].startswith("Nothing was changed. ") and "alice@pve" in answer["msg"]
    assert answer["lockouts"][0]["rule"] == "administrators"
    kept, _played = ask(
        ansible, connection(cluster, "iac@pve!run"), "identity_plan", declaration=declaration, fail_on_lockout=False
    )
    assert not kept.get("failed") and kept["lockouts"] == answer["lockouts"]


def test_root_that_would_disable_itself_is_told_what_to_do(ansible: Ansible, cluster: Simulator) -> None:
    environment = {key: value for key, value in connection(cluster).items() if not key.startswith("PROXMOX_TOKEN")} | {
        "PROXMOX_USER": "root@pam",
        "PROXMOX_PASSWORD": "secret-root",
    }
    answer, played = ask(ansible, environment, "identity_plan", declaration=DECLARATION)
    assert answer["error_code"] == "lockout"
    assert "Run first without the change that does this" in answer["msg"] and "secret-root" not in played.output


def test_credential_without_privileges_cannot_plan(ansible: Ansible, cluster: Simulator) -> None:
    answer, _played = ask(ansible, connection(cluster), "identity_plan", declaration=DECLARATION)
    assert answer["error_code"] == "lockout"
    assert "audit@pve!report, would have no User.Modify on /access/groups at change 1" in answer["msg"]


def test_mistakes_of_the_declaration(ansible: Ansible, cluster: Simulator) -> None:
    declaration = {"people": [{"id": "bob", "groups": ["nosuch"], "password": "too-short-x"}]}
    answer, played = ask(ansible, connection(cluster, "iac@pve!run"), "identity_plan", declaration=declaration)
    assert answer["error_code"] == "input" and len(answer["mistakes"]) == 2
    assert "people[0].groups names the group nosuch" in answer["msg"]
    assert "too-short-x" not in played.output


FIRST: dict[str, Any] = {
    "people": [
        {"id": "alice", "groups": ["admins"], "password": "a long password", "email": "alice@lab.test"},
        {"id": "bob", "groups": ["admins"], "password": "a long password", "expire": "2199-12-31"},
    ],
    "groups": [{"id": "admins", "comment": "those who may", "roles": [{"path": "/", "role": "Administrator"}]}],
    "roles": [{"id": "Operator", "privs": ["VM.Audit", "VM.PowerMgmt"]}],
    "break_glass": {"id": "breakglass", "password": "a long password"},
    "service_accounts": [
        {
            "id": "iac",
            "roles": [{"path": "/", "role": "Administrator"}],
            "tokens": [{"id": "run", "roles": [{"path": "/", "role": "Administrator"}]}],
        }
    ],
}


def as_root(lab: Simulator) -> dict[str, str]:
    """The environment that logs in as root with a password."""
    kept = {key: value for key, value in connection(lab).items() if not key.startswith("PROXMOX_TOKEN")}
    return kept | {"PROXMOX_USER": "root@pam", "PROXMOX_PASSWORD": "secret-root"}


def make(ansible: Ansible, environment: dict[str, str], changes: list[dict[str, Any]]) -> None:
    """Make the changes with the modules, as the role does."""
    (ansible.folder / "changes.json").write_text(json.dumps(changes), encoding="utf-8")
    (ansible.folder / "change.yml").write_text("---" + CHANGE, encoding="utf-8")
    played = ansible.play(APPLY.format(folder=ansible.folder), environment)
    assert played.status == 0, played.output


def test_first_set_up_in_two_runs_is_what_was_declared(ansible: Ansible) -> None:
    """Root makes the accounts, then the automation takes root away; each plan is empty when it was made."""
    with running_simulator(
        tasks_per_node=0,
        user_cfg="user:root@pam:1:0::::::\nuser:audit@pve:1:0::::::\ntoken:audit@pve!report:0:0::\n",
        passwords={"root@pam": "secret-root"},
        unauthorized_delay=0.0,
    ) as lab:
        root = as_root(lab)
        first, _played = ask(ansible, root, "identity_plan", declaration=FIRST)
        assert first["lockouts"] == [] and len(first["changes"]) == 11
        make(ansible, root, first["changes"])
        again, _played = ask(ansible, root, "identity_plan", declaration=FIRST)
        assert again["changes"] == []
        lab.cluster.secrets.setdefault("iac@pve!run", "")
        run = connection(lab, "iac@pve!run")
        second, _played = ask(ansible, run, "identity_plan", declaration={**FIRST, "shared_accounts": ["root@pam"]})
        assert [one["sentence"] for one in second["changes"]] == ["Disable the shared account root@pam."]
        make(ansible, run, second["changes"])
        assert not lab.cluster.users.users["root@pam"].enable
        last, _played = ask(ansible, run, "identity_plan", declaration={**FIRST, "shared_accounts": ["root@pam"]})
        assert last["changes"] == [] and last["administrators_after"] == ["alice@pve", "bob@pve"]
