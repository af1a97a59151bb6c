# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a cluster where everybody is root@pam to named users, as the documentation tells it; interruptions too."""

from __future__ import annotations

import copy
import json
import stat
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
import yaml

from tests.e2e.conftest import Ansible, Played
from tests.lab.simulator import Simulator

ROOT, ALICE, BOB, GLASS = "S3CRET-root-pw", "S3CRET-alice-pw", "S3CRET-bob-pw", "S3CRET-glass-pw"
SECRETS = (ROOT, ALICE, BOB, GLASS)
DECLARED: dict[str, Any] = {
    "pve_audit_named_users_roles": [{"id": "Operator", "privs": ["VM.Audit", "VM.PowerMgmt"]}],
    "pve_audit_named_users_groups": [
        {"id": "admins", "comment": "Administrators", "roles": [{"path": "/", "role": "Administrator"}]},
        {"id": "operators", "roles": [{"path": "/vms", "role": "Operator"}]},
    ],
    "pve_audit_named_users_people": [
        {"id": "alice", "email": "alice@example.org", "groups": ["admins"], "password": ALICE},
        {"id": "bob", "email": "bob@example.org", "groups": ["admins"], "password": BOB},
        {"id": "carol", "email": "carol@example.org", "groups": ["operators"], "expire": date(2037, 6, 30)},
    ],
    "pve_audit_named_users_service_accounts": [
        {
            "id": "backup",
            "tokens": [{"id": "nightly", "expire": "2027-06-30", "roles": [{"path": "/vms", "role": "Operator"}]}],
        }
    ],
    "pve_audit_named_users_break_glass": {"id": "glass", "password": GLASS},
}
CLOSED = DECLARED | {"pve_audit_named_users_shared_accounts": ["root@pam"]}
NODE_AWAY = "pve_nodes: {hosts: {pve1: {ansible_host: 127.0.0.1, ansible_port: 1}}}\n"
FRESH = "user:root@pam:1:0:::\n"

Start = Callable[..., Simulator]


@pytest.fixture
def cluster(start_simulator: Start) -> Simulator:
    """Only root@pam, with its password."""
    return start_simulator(tasks_per_node=0, user_cfg=FRESH, passwords={"root@pam": ROOT})


def as_user(lab: Simulator, user: str, password: str) -> dict[str, str]:
    """The environment of somebody who logs in with a password."""
    return {
        "PROXMOX_HOST": lab.host,
        "PROXMOX_PORT": str(lab.port),
        "PROXMOX_USER": user,
        "PROXMOX_PASSWORD": password,
        "PROXMOX_CA_PATH": str(lab.ca_path),
    }


def play(ansible: Ansible, lab: Simulator, user: str, password: str, declared: dict[str, Any], *more: str) -> Played:
    """Run the playbook for the cluster alone, which needs no nodes; whatever it prints, no secret is in it."""
    file = ansible.folder / "declared.yml"
    file.write_text(yaml.safe_dump(declared), encoding="utf-8")  # with a date that nobody has put in quotes
    arguments = ("-vvv", "--diff", "--tags", "api", f"-e@{file}", *more)
    played = ansible.play("pve.audit.named_users", as_user(lab, user, password), *arguments)
    secrets = [*lab.cluster.secrets.values(), *SECRETS]
    # What ansible-playbook got on its own command line is not this collection's.
    shown = "\n".join(line for line in played.output.splitlines() if not line.startswith("ansible-playbook"))
    assert not [secret for secret in secrets if secret in shown]
    return played


def changed(played: Played) -> int:
    """How many tasks changed something."""
    recap = next(line for line in played.output.splitlines() if line.startswith("localhost ") and "changed=" in line)
    return int(recap.split("changed=")[1].split()[0])


def test_from_root_to_named_users(ansible: Ansible, cluster: Simulator) -> None:
    before = cluster.user_config()
    stopped = play(ansible, cluster, "root@pam", ROOT, CLOSED)
    assert stopped.status != 0
    assert "Nothing was changed." in stopped.output, stopped.output
    assert "root@pam" in stopped.output
    assert cluster.user_config() == before

    looked = play(ansible, cluster, "root@pam", ROOT, DECLARED, "--check")
    assert looked.status == 0, looked.output
    assert "alice@pve" in looked.output
    assert changed(looked) > 0
    assert cluster.user_config() == before

    made = play(ansible, cluster, "root@pam", ROOT, DECLARED)
    assert made.status == 0, made.output
    secret = ansible.folder / "pve-audit-tokens" / "backup@pve!nightly"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert secret.read_text().strip() == cluster.cluster.secrets["backup@pve!nightly"]
    assert stat.S_IMODE(secret.parent.stat().st_mode) == 0o700

    again = play(ansible, cluster, "root@pam", ROOT, DECLARED)
    assert (again.status, changed(again)) == (0, 0), again.output

    closed = play(ansible, cluster, "alice@pve", ALICE, CLOSED)
    assert closed.status == 0, closed.output
    assert not cluster.cluster.users.users["root@pam"].enable

    last = play(ansible, cluster, "bob@pve", BOB, CLOSED)
    assert (last.status, changed(last)) == (0, 0), last.output


def test_a_break_glass_account_that_does_not_open_stops_before_anything_is_taken(
    ansible: Ansible, cluster: Simulator
) -> None:
    assert play(ansible, cluster, "root@pam", ROOT, DECLARED).status == 0
    wrong = copy.deepcopy(CLOSED)
    wrong["pve_audit_named_users_break_glass"]["password"] = "S3CRET-not-this-one"
    before = cluster.user_config()
    stopped = play(ansible, cluster, "alice@pve", ALICE, wrong)
    assert stopped.status != 0
    assert "The break-glass account glass@pve cannot log in" in stopped.output
    assert cluster.user_config() == before


def lose_quorum_after(lab: Simulator, asked: int) -> Callable[[], None]:
    """The cluster answers some writes and then has no quorum; the result brings it back."""
    whole, left = type(lab.cluster), [asked]

    def quorate(_cluster: Any) -> bool:
        left[0] -= 1
        return left[0] >= 0

    lab.cluster.__class__ = type("LosesQuorum", (whole,), {"__slots__": (), "quorate": property(quorate)})

    def mend() -> None:
        lab.cluster.__class__ = whole

    return mend


@pytest.mark.parametrize("asked", [3, 11])
def test_an_interrupted_run_is_finished_by_the_next(ansible: Ansible, cluster: Simulator, asked: int) -> None:
    assert play(ansible, cluster, "root@pam", ROOT, DECLARED).status == 0
    wanted = cluster.user_config()
    cluster.reset()
    mend = lose_quorum_after(cluster, asked)
    broken = play(ansible, cluster, "root@pam", ROOT, DECLARED)
    assert broken.status != 0, broken.output
    mend()
    assert cluster.cluster.users.users["root@pam"].enable
    assert FRESH != cluster.user_config() != wanted
    finished = play(ansible, cluster, "root@pam", ROOT, DECLARED)
    assert finished.status == 0, finished.output
    assert cluster.user_config() == wanted


def test_drift_names_what_differs_in_the_cluster_and_touches_nothing(ansible: Ansible, cluster: Simulator) -> None:
    assert play(ansible, cluster, "root@pam", ROOT, DECLARED).status == 0

    def drift() -> dict[str, list[str]]:
        """The controls of the cluster that are not as declared, each with the sentences about it."""
        (ansible.folder / "hosts.yml").write_text(NODE_AWAY, encoding="utf-8")
        arguments = ("-i", "hosts.yml", f"-e@{ansible.folder / 'declared.yml'}", "-e", '{"pve_audit_drift_fail": []}')
        played = ansible.play("pve.audit.drift", as_user(cluster, "root@pam", ROOT), *arguments)
        assert played.status == 0, played.output
        report = json.loads((ansible.folder / "pve-audit-drift" / "drift.json").read_text(encoding="utf-8"))
        rows = [row for row in report["rows"] if row["node"] == "cluster"]
        assert [row["control"] for row in rows] == [f"PVA-IDN-0{number}" for number in range(1, 7)]
        assert {row["state"] for row in report["rows"] if row["node"] != "cluster"} == {"unknown"}
        assert {row["control"] for row in rows if row["state"] == "off"} == {"PVA-IDN-01", "PVA-IDN-06"}
        differ = [row for row in rows if row["state"] not in ("ok", "off")]
        return {row["control"]: [change["diff"] for change in row["changes"]] for row in differ}

    assert drift() == {}
    users = cluster.cluster.users.users
    users["alice@pve"].groups.clear()
    cluster.cluster.users.groups["admins"].users.pop("alice@pve")
    users["glass@pve"].enable = 0
    users["mallory@pve"] = copy.deepcopy(users["bob@pve"])
    before = cluster.user_config()
    found = drift()
    assert set(found) == {"PVA-IDN-02", "PVA-IDN-03"}
    assert "mallory@pve" in "".join(found["PVA-IDN-03"])
    assert "alice@pve" in "".join(found["PVA-IDN-03"])
    assert cluster.user_config() == before


SET_UP = """\
user:root@pam:1:0::::::
user:alice@pve:1:0::::::
user:bob@pve:1:0::::::
user:glass@pve:1:0::::::
user:left@pve:1:0::::::
user:jörg@pve:1:0::::::
user:dora@ldap:1:0::::::
user:Dora@ldap:1:0::::::
group:admins:alice@pve,bob@pve,dora@ldap:Administrators:
acl:1:/:@admins,glass@pve:Administrator:
acl:1:/vms:jörg@pve:PVEVMAdmin:
"""
REALMS = """\
pam: pam

pve: pve

ldap: ldap
\tserver1 192.0.2.40
\tbase_dn dc=lab
\tuser_attr uid
\tcase-sensitive 0
"""


@pytest.fixture
def used(start_simulator: Start) -> Simulator:
    """A cluster with people, one of whom has a name that Proxmox VE cannot change."""
    return start_simulator(
        tasks_per_node=0,
        user_cfg=SET_UP,
        domains_cfg=REALMS,
        passwords={"root@pam": ROOT, "alice@pve": ALICE, "bob@pve": BOB, "glass@pve": GLASS},
    )


def declared(*people: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A declaration of these people besides alice."""
    return {
        "pve_audit_named_users_groups": DECLARED["pve_audit_named_users_groups"][:1],
        "pve_audit_named_users_people": [{"id": "alice", "groups": ["admins"]}, *people],
        "pve_audit_named_users_break_glass": DECLARED["pve_audit_named_users_break_glass"],
        **{f"pve_audit_named_users_{name}": value for name, value in more.items()},
    }


IS_BOB = {"id": "bob", "groups": ["admins"]}


def test_a_leaver_who_cannot_be_changed_holds_nobody_else_up(ansible: Ansible, used: Simulator) -> None:
    leavers = [{"id": name, "state": "absent"} for name in ("jörg", "left")]
    for _run in range(2):
        played = play(ansible, used, "alice@pve", ALICE, declared(IS_BOB, *leavers))
        assert played.status == 0, played.output
        assert "use pveum user modify or pveum user delete on a node" in " ".join(played.output.split())
    assert "left@pve" not in used.cluster.users.users and "j\u00f6rg@pve" in used.cluster.users.users


@pytest.mark.parametrize(
    "attempt",
    [
        declared({"id": "dora", "realm": "ldap", "groups": ["admins"]}, shared_accounts=["root@pam", "bob@pve"]),
        declared({"id": "ghost", "realm": "ldap", "groups": ["admins"]}, shared_accounts=["root@pam", "bob@pve"]),
        declared({"id": "\u0430lice", "groups": ["admins"]}, shared_accounts=["root@pam", "bob@pve"]),
        declared(IS_BOB, groups=[{"id": "admins", "roles": [{"path": "/access", "role": "NoAccess"}]}]),
        declared({**IS_BOB, "email": "no mail"}, {"id": "new", "groups": ["admins"]}),
    ],
    ids=["a twin", "a ghost", "a look-alike", "no access", "a mistake that only Proxmox VE would find"],
)
def test_what_would_lock_out_changes_nothing(ansible: Ansible, used: Simulator, attempt: dict[str, Any]) -> None:
    before = used.user_config()
    played = play(ansible, used, "alice@pve", ALICE, attempt)
    assert played.status != 0
    assert "PLAY [Ask the guard]" in played.output, played.output
    assert used.user_config() == before
