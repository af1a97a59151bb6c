# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing calls of /access and /cluster/metrics that no recording shows: texts and states as PVE's code gives them."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.lab.simulator import Simulator
from tests.lab.tfa import TfaEntry, TfaUser, totp
from tests.unit.lab.client import call

USER_CFG = """\
user:alice@pve:1:0:Alice::a@example.com:::
token:alice@pve!ci:0:1:pipeline:
user:amy@pve:1:0::::::
user:bob@pve:1:0::::::
user:carl@ldap:1:0::::::
user:Dora@ldap:1:0::::::
user:dorA@ldap:1:0::::::
user:opal@pam:1:0::::::
user:root@pam:1:0:::root@example.com:::
token:root@pam!auto:0:0::
user:vmadmin@pve:1:0::::::

group:admins:alice@pve:cluster admins:
group:team:amy@pve,bob@pve::

role:Reader:VM.Audit:

acl:1:/:@admins:Administrator:
acl:1:/access/groups/team:amy@pve:PVEUserAdmin:
acl:1:/access/realm/pve:amy@pve:PVEUserAdmin:
acl:0:/vms/100:vmadmin@pve:PVEVMAdmin:
acl:1:/vms/200:alice@pve!ci,bob@pve:Reader:
"""
DOMAINS_CFG = """\
pam: pam
\tcomment Unix

ldap: ldap
\tbase_dn dc=example,dc=com
\tserver1 192.0.2.30
\tuser_attr uid
\tcase-sensitive 0

secure: pve
"""
PASSWORDS = {"root@pam": "root-secret", "alice@pve": "alice-secret", "amy@pve": "amy-secret", "opal@pam": "opal-secret"}
Start = Callable[..., Simulator]
PARAMETERS = "Parameter verification failed."
DENIED = "Permission check failed"


@pytest.fixture
def running(start_simulator: Start) -> Simulator:
    """One node with these users."""
    return start_simulator(
        nodes=1, tasks_per_node=0, user_cfg=USER_CFG, domains_cfg=DOMAINS_CFG, passwords=dict(PASSWORDS)
    )


# (who, method, path, data, status, reason); the reason is the message's first line
REFUSED: list[tuple[str | None, str, str, dict[str, Any], int, str]] = [
    ("amy@pve", "PUT", "/access/users/alice@pve", {"comment": "x"}, 403, f"{DENIED} (/access/groups, User.Modify)"),
    ("amy@pve", "PUT", "/access/users/bob@pve", {"groups": "admins"}, 403,
     f"{DENIED} (/access/groups/admins, User.Modify)"),
    ("amy@pve", "DELETE", "/access/users/alice@pve", {}, 403, DENIED),
    ("amy@pve", "POST", "/access/users", {"userid": "x@pam"}, 403, f"{DENIED} (/access/realm/pam, Realm.AllocateUser)"),
    ("amy@pve", "POST", "/access/users", {"userid": "x@pve"}, 403, f"{DENIED} (/access/groups, User.Modify)"),
    ("bob@pve", "PUT", "/access/password", {"userid": "amy@pve", "password": "longenough"}, 403,
     f"{DENIED} (/access/realm/pve, Realm.AllocateUser)"),
    ("bob@pve", "PUT", "/access/password", {"userid": "bob@pve", "password": "longenough"}, 400, PARAMETERS),
    ("alice@pve", "PUT", "/access/password",
     {"userid": "root@pam", "password": "longenough", "confirmation-password": "alice-secret"}, 403, DENIED),
    ("alice@pve", "PUT", "/access/password",
     {"userid": "opal@pam", "password": "longenough", "confirmation-password": "alice-secret"}, 403, DENIED),
    ("alice@pve", "PUT", "/access/password",
     {"userid": "bob@pve", "password": "longenough", "confirmation-password": "wrong-one"}, 500, "invalid credentials"),
    ("vmadmin@pve", "PUT", "/access/acl", {"path": "/vms/101", "users": "bob@pve", "roles": "PVEVMUser"}, 403,
     f"{DENIED} (/vms/101, Permissions.Modify|VM.Allocate)"),
    ("vmadmin@pve", "PUT", "/access/acl", {"path": "/vms/100", "users": "bob@pve", "roles": "PVEVMUser"}, 500,
     "ACL update failed: 400 Parameter verification failed."),
    ("vmadmin@pve", "PUT", "/access/acl",
     {"path": "/vms/100", "users": "bob@pve", "roles": "PVEAdmin", "propagate": 0}, 500,
     "ACL update failed: 400 Parameter verification failed."),
    ("root@pam", "PUT", "/access/acl", {"path": "/vms/99", "users": "bob@pve", "roles": "PVEVMUser"}, 400, PARAMETERS),
    ("root@pam", "PUT", "/access/acl", {"path": "/vms", "tokens": "bob@pve!x1", "roles": "PVEVMUser"}, 500,
     "ACL update failed: no such token 'x1' for user 'bob@pve'"),
    ("root@pam", "PUT", "/access/users/alice@pve/token/ci", {"delete": "expire"}, 500,
     "updating token info failed: 400 Parameter verification failed."),
    ("root@pam", "PUT", "/access/users/bob@pve", {"groups": "team,nosuch", "comment": "x"}, 500,
     "update user failed: no such group 'nosuch'"),
    ("root@pam", "POST", "/access/users", {"userid": "CARL@ldap"}, 500,
     "create user failed: user 'carl@ldap' already exists"),
    ("root@pam", "POST", "/access/users", {"userid": "x@gone", "password": "longenough"}, 500,
     "create user failed: auth domain 'gone' does not exist"),
    (None, "POST", "/access/ticket", {"username": "dora@ldap", "password": "x"}, 500,
     "ambiguous case insensitive match of username 'dora@ldap', cannot safely grant access!"),
    (None, "POST", "/access/ticket", {"username": "carl@LDAP", "password": "x"}, 401, "authentication failure"),
    ("root@pam!auto", "POST", "/access/ticket", {"username": "root@pam", "password": "root-secret"}, 403,
     f"{DENIED} (URI '/access/ticket' not available with API token, need proper ticket."),
    ("root@pam", "POST", "/access/users", {"userid": "DORA@ldap"}, 500,
     "create user failed: user 'Dora@ldap' already exists"),
    ("root@pam", "PUT", "/access/roles/Nosuch", {"privs": "VM.Audit"}, 500,
     "update role failed: role 'Nosuch' does not exist"),
    ("root@pam", "POST", "/access/roles", {"roleid": "pvethings"}, 400, PARAMETERS),
    ("root@pam", "POST", "/access/roles", {"roleid": "NoAccess"}, 500,
     "create role failed: role 'NoAccess' already exists"),
    ("root@pam", "PUT", "/access/domains/pve", {}, 500, "update auth server failed: no options specified"),
    ("root@pam", "PUT", "/access/domains/pve", {"server1": "192.0.2.1"}, 500,
     "update auth server failed: unexpected property 'server1'"),
    ("root@pam", "PUT", "/access/domains/pve", {"tfa": "type=bogus"}, 400, PARAMETERS),
    ("root@pam", "PUT", "/access/domains/pve", {"comment": "x", "digest": "0" * 40}, 500,
     "update auth server failed: detected modified configuration - file changed by other user? Try again."),
    ("root@pam", "PUT", "/access/domains/nosuch", {"comment": "x"}, 500,
     "update auth server failed: cannot lookup undefined type! at /usr/share/perl5/PVE/API2/Domains.pm line 261."),
    ("root@pam", "POST", "/access/domains", {"realm": "r2", "type": "pam"}, 500,
     "add auth server failed: unable to create builtin type 'pam'"),
    ("root@pam", "POST", "/access/domains",
     {"realm": "r2", "type": "ldap", "server1": "192.0.2.1", "base_dn": "dc=x"}, 500,
     "add auth server failed: missing value for required option 'user_attr'"),
    ("root@pam", "POST", "/access/domains", {"realm": "r2", "type": "openid", "check-connection": 1}, 500,
     "add auth server failed: 'check-connection' parameter can only be set for realms of type 'ldap' or 'ad'"),
    ("root@pam", "GET", "/access/tfa/bob@pve/nosuch", {}, 404, "No such tfa entry 'nosuch'"),
    ("root@pam", "DELETE", "/access/tfa/bob@pve/nosuch", {}, 500, "no such entry"),
    ("root@pam!auto", "DELETE", "/access/tfa/bob@pve/nosuch", {}, 403,
     f"{DENIED} (URI '/access/tfa/bob@pve/nosuch' not available with API token, need proper ticket."),
    ("bob@pve", "POST", "/access/tfa/bob@pve", {"type": "recovery"}, 400, PARAMETERS),
    ("root@pam", "DELETE", "/cluster/metrics/server/nosuch", {}, 500,
     "cannot lookup undefined type! at /usr/share/perl5/PVE/API2/Cluster/MetricServer.pm line 295."),
    ("root@pam", "PUT", "/cluster/metrics/server/nosuch", {"server": "a", "port": 1}, 500, "no such server 'nosuch'"),
    ("root@pam", "POST", "/cluster/metrics/server/m1", {"type": "influxdb", "server": "a"}, 400, PARAMETERS),
    ("root@pam", "POST", "/cluster/metrics/server/m1",
     {"type": "influxdb", "server": "a b", "port": 1}, 400, PARAMETERS),
    ("root@pam", "POST", "/cluster/metrics/server/m1", {"type": "influxdb", "server": "a", "port": 1, "path": "x"}, 500,
     "unexpected property 'path'"),
]  # fmt: skip


@pytest.mark.parametrize(("who", "method", "path", "data", "status", "reason"), REFUSED)
def test_refusals(
    running: Simulator, who: str | None, method: str, path: str, data: dict[str, Any], status: int, reason: str
) -> None:
    """Status and first line of the message; nothing is changed."""
    before = running.user_config()
    got = call(running, method, path, data, who)
    assert (got.status, got.reason) == (status, reason)
    assert running.user_config() == before


def test_messages_with_parameters(running: Simulator) -> None:
    """The texts that name a parameter."""
    acl = call(
        running, "PUT", "/access/acl", {"path": "/vms/100", "users": "bob@pve", "roles": "PVEVMUser"}, "vmadmin@pve"
    )
    assert (
        acl.body["message"]
        .split("\n")[1]
        .startswith(
            "role: Cannot add role 'PVEVMUser' with propagation - requires 'Permissions.Modify' or propagated superset"
        )
    )
    tfa = call(running, "PUT", "/access/domains/pve", {"tfa": "digits=9"})
    assert tfa.body["errors"]["tfa"] == (
        "invalid format - format error\n"
        "tfa.digits: value must have a maximum value of 8\ntfa.type: property is missing and it is not optional\n"
    )
    password = call(running, "PUT", "/access/password", {"userid": "bob@pve", "password": "longenough"}, "bob@pve")
    assert password.body["errors"] == {"confirmation-password": "password is required to modify user"}


def test_only_what_is_given_changes(running: Simulator) -> None:
    """An update of one field leaves the others, the groups and the tokens."""
    before = call(running, "GET", "/access/users/alice@pve").data
    assert call(running, "PUT", "/access/users/alice@pve", {"comment": "a: b%\n"}).status == 200
    assert call(running, "GET", "/access/users/alice@pve").data == {**before, "comment": "a: b%\n"}
    assert "user:alice@pve:1:0:Alice::a@example.com:a%3A b%25%0A::\n" in running.user_config()


def test_what_goes_with_a_user(running: Simulator) -> None:
    """Memberships, tokens, ACL entries of user and token, the password and second factors."""
    running.cluster.tfa["alice@pve"] = TfaUser([TfaEntry("t", "totp", code="1")])
    assert call(running, "DELETE", "/access/users/alice@pve").status == 200
    assert "alice" not in running.user_config()
    assert "alice@pve" not in running.cluster.passwords
    assert running.cluster.tfa == {}
    assert call(running, "GET", "/access/groups/admins").data["members"] == []


def test_what_goes_with_groups_roles_and_tokens(running: Simulator) -> None:
    """Their ACL entries; and they do not come back with a new one of the same name."""
    for path in ("/access/groups/admins", "/access/roles/Reader", "/access/users/alice@pve/token/ci"):
        assert call(running, "DELETE", path).status == 200
    call(running, "POST", "/access/groups", {"groupid": "admins"})
    call(running, "POST", "/access/roles", {"roleid": "Reader", "privs": "VM.Audit"})
    call(running, "POST", "/access/users/alice@pve/token/ci")
    left = {(row["path"], row["ugid"]) for row in call(running, "GET", "/access/acl").data}
    assert left == {("/access/groups/team", "amy@pve"), ("/access/realm/pve", "amy@pve"), ("/vms/100", "vmadmin@pve")}


def test_root_is_refused_at_once_and_comes_back(running: Simulator) -> None:
    """Ticket, password and token of a disabled root@pam are refused; deleting it enables it, without tokens."""
    login = {"username": "root@pam", "password": "root-secret"}
    assert call(running, "POST", "/access/ticket", login, None).status == 200
    assert call(running, "PUT", "/access/users/root@pam", {"enable": 0}).status == 200
    assert call(running, "GET", "/version").status == 401
    assert call(running, "GET", "/version", who="root@pam!auto").status == 401
    assert call(running, "POST", "/access/ticket", login, None).status == 401
    assert call(running, "DELETE", "/access/users/root@pam", who="alice@pve").status == 200
    assert call(running, "GET", "/access/users/root@pam").data == {
        "enable": 1,
        "groups": [],
        "tokens": None,
    }


@pytest.mark.parametrize("change", [{"enable": 0}, {"expire": 1}])
def test_leavers_cannot_log_in(running: Simulator, change: dict[str, int]) -> None:
    """Disabled or expired: no login, no ticket, no token."""
    login = {"username": "alice@pve", "password": "alice-secret"}
    assert call(running, "POST", "/access/ticket", login, None).status == 200
    call(running, "PUT", "/access/users/alice@pve", change)
    assert call(running, "POST", "/access/ticket", login, None).status == 401
    assert call(running, "GET", "/version", who="alice@pve").status == 401
    assert call(running, "GET", "/version", who="alice@pve!ci").status == 401


def test_passwords(running: Simulator) -> None:
    """Set by an administrator, changed by the user; a new user has none."""
    confirmed = {"userid": "bob@pve", "password": "first-secret", "confirmation-password": "alice-secret"}
    assert call(running, "PUT", "/access/password", confirmed, "alice@pve").status == 200
    own = {"userid": "bob@pve", "password": "second-secret", "confirmation-password": "first-secret"}
    assert call(running, "PUT", "/access/password", own, "bob@pve").status == 200
    for password, status in (("first-secret", 401), ("second-secret", 200)):
        assert (
            call(running, "POST", "/access/ticket", {"username": "bob@pve", "password": password}, None).status
            == status
        )
    call(running, "POST", "/access/users", {"userid": "new@pve"})
    assert call(running, "POST", "/access/ticket", {"username": "new@pve", "password": "x"}, None).status == 401
    journal = [entry["MESSAGE"] for entry in running.cluster.nodes["pve1"].journal.entries()]
    assert "<root@pam> changed password for user 'bob@pve'" in journal
    assert "authentication failure; rhost=::ffff:127.0.0.1 user=new@pve msg=no password set" in journal


def test_tokens(running: Simulator) -> None:
    """The secret is given once, works, and stops with a new one."""
    made = call(running, "POST", "/access/users/bob@pve/token/t1", {"expire": 0, "comment": "c"}).data
    assert made["info"] == {"privsep": 1, "expire": "0", "comment": "c"}
    old = dict(running.cluster.secrets)
    assert old["bob@pve!t1"] == made["value"]
    assert call(running, "GET", "/version", who="bob@pve!t1").status == 200
    new = call(running, "PUT", "/access/users/bob@pve/token/t1", {"regenerate": 1, "comment": ""}).data
    assert (new["privsep"], new["expire"], "comment" in new, new["full-tokenid"]) == (1, 0, False, "bob@pve!t1")
    assert new["value"] != made["value"]
    assert call(running, "GET", "/access/users/bob@pve/token/t1").data == {"privsep": 1, "expire": 0}


def test_second_factors(running: Simulator) -> None:
    """Add, log in with, disable and delete; a realm that demands one locks out who has none."""
    secret = "JBSWY3DPEHPK3PXP"
    value = totp(secret, time.time())
    data = {"type": "totp", "description": "phone", "totp": f"otpauth://totp/x?secret={secret}", "value": value}
    login = {"username": "alice@pve", "password": "alice-secret"}
    entry = call(running, "POST", "/access/tfa/alice@pve", {**data, "password": "alice-secret"}, "alice@pve").data
    assert call(running, "GET", "/access/users/alice@pve").data["keys"] == "x"
    del data["description"]
    assert call(running, "POST", "/access/tfa/bob@pve", data).reason == "'description' is required for new entries"
    listed = call(running, "GET", "/access/tfa").data
    assert [(row["userid"], row["entries"][0]["type"], row["entries"][0]["id"]) for row in listed] == [
        ("alice@pve", "totp", entry["id"])
    ]
    half = call(running, "POST", "/access/ticket", login, None).data
    assert half["NeedTFA"] == 1
    assert "cap" not in half
    answer = {"username": "alice@pve", "password": f"totp:{value}", "tfa-challenge": half["ticket"]}
    assert "cap" in call(running, "POST", "/access/ticket", answer, None).data
    assert call(running, "POST", "/access/ticket", {**answer, "password": "totp:000000"}, None).status == 401
    assert call(running, "PUT", "/access/domains/pve", {"tfa": "type=oath"}).status == 200
    assert call(running, "GET", "/access/users/alice@pve/tfa?multiple=1").data == {"realm": "oath", "user": ["totp"]}
    assert {"realm": "pve", "tfa": "oath"}.items() <= call(running, "GET", "/access/domains").data[-1].items()
    assert (
        call(running, "POST", "/access/ticket", {"username": "amy@pve", "password": "amy-secret"}, None).status == 401
    )
    assert call(running, "DELETE", f"/access/tfa/alice@pve/{entry['id']}").status == 200
    assert call(running, "GET", "/access/tfa").data == []
    assert "keys" not in call(running, "GET", "/access/users/alice@pve").data


def test_realms(running: Simulator) -> None:
    """One default; an option is removed by name; the built-in realms come back."""
    call(running, "PUT", "/access/domains/pam", {"default": 1, "comment": "ünix"})
    call(running, "PUT", "/access/domains/ldap", {"default": 1, "port": 636})
    rows = {row["realm"]: row for row in call(running, "GET", "/access/domains").data}
    assert rows["pam"] == {"realm": "pam", "type": "pam", "comment": "ünix"}
    assert rows["ldap"] == {"realm": "ldap", "type": "ldap", "default": 1}
    call(running, "PUT", "/access/domains/ldap", {"delete": "port,default"})
    detail = call(running, "GET", "/access/domains/ldap").data
    del detail["digest"]
    assert detail == {
        "type": "ldap",
        "base_dn": "dc=example,dc=com",
        "server1": "192.0.2.30",
        "user_attr": "uid",
        "case-sensitive": 0,
    }
    call(running, "DELETE", "/access/domains/pam")
    assert call(running, "GET", "/access/domains/pam").data["comment"] == "Linux PAM standard authentication"


def test_metric_servers(running: Simulator) -> None:
    """Kept options have their types, a token is never shown, `disable 0` is not kept."""
    running.cluster.metric_listeners = frozenset(("192.0.2.9:8086",))
    path = "/cluster/metrics/server/m1"
    options = {"type": "influxdb", "server": "192.0.2.9", "port": 8086, "influxdbproto": "https", "token": "secret"}
    assert call(running, "POST", path, {**options, "verify-certificate": 0, "disable": 0}).status == 200
    kept = {"type": "influxdb", "server": "192.0.2.9", "port": 8086, "influxdbproto": "https", "verify-certificate": 0}
    assert call(running, "GET", path).data == kept
    assert running.cluster.metric_secrets == {"m1": "secret"}
    place = {"server": "192.0.2.9", "port": 8087}
    assert call(running, "PUT", path, {**place, "disable": 1, "delete": "verify-certificate,token"}).status == 200
    row = {"id": "m1", "disable": 1, "type": "influxdb", **place}
    assert call(running, "GET", "/cluster/metrics/server").data == [row]
    assert running.cluster.metric_secrets == {}
    running.cluster.metric_listeners = frozenset()
    refused = call(running, "PUT", path, {**place, "disable": 0})
    assert (refused.status, refused.reason) == (500, "500 Can't connect to 192.0.2.9:8087 (Connection refused)")
    running.cluster.metric_listeners = frozenset(("192.0.2.9:8087",))
    assert call(running, "PUT", path, {**place, "disable": 0}).status == 200
    assert (
        call(running, "PUT", path, {**place, "delete": "server"}).reason == "unable to delete required option 'server'"
    )
    assert call(running, "DELETE", path).status == 200


def test_a_metric_server_is_really_tried(running: Simulator) -> None:
    """Over TCP and HTTP, and OpenTelemetry even when it is disabled; UDP tells nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        place = {"server": "127.0.0.1", "port": listening.getsockname()[1]}
        tcp = {"type": "graphite", "proto": "tcp", **place}
        assert call(running, "POST", "/cluster/metrics/server/there", tcp).status == 200
    where = f"127.0.0.1:{place['port']}"
    for data, reason in (
        (tcp, f"couldn't create carbon socket [127.0.0.1]:{place['port']} - Connection refused"),
        ({"type": "influxdb", "influxdbproto": "http", **place}, f"500 Can't connect to {where} (Connection refused)"),
        ({"type": "opentelemetry", "disable": 1, **place},
         f"Connection test failed: 500 Can't connect to {where} (Connection refused) at"
         " /usr/share/perl5/PVE/Status/OpenTelemetry.pm line 707."),
        ({"type": "graphite", **place}, "OK"),
    ):  # fmt: skip
        assert call(running, "POST", "/cluster/metrics/server/gone", data).reason == reason


def test_no_quorum(running: Simulator) -> None:
    """Nothing can be written, each file by its own name."""
    running.cluster.quorate = False
    for method, path, data, reason in (
        ("POST", "/access/groups", {"groupid": "g"}, "create group failed: cfs-lock 'file-user_cfg' error: no quorum!"),
        ("PUT", "/access/domains/pve", {"comment": "x"},
         "update auth server failed: cfs-lock 'file-domains_cfg' error: no quorum!"),
        ("DELETE", "/cluster/metrics/server/m1", {}, "cfs-lock 'file-status_cfg' error: no quorum!"),
        ("PUT", "/access/password", {"userid": "bob@pve", "password": "longenough"},
         "cfs-lock 'file-priv_shadow_cfg' error: no quorum!"),
    ):  # fmt: skip
        assert call(running, method, path, data).reason == reason


def test_reset(running: Simulator) -> None:
    """Back to the start, with the permissions of then."""
    before = running.user_config()
    call(running, "DELETE", "/access/groups/admins")
    call(running, "PUT", "/access/password", {"userid": "bob@pve", "password": "longenough"})
    assert call(running, "GET", "/access/groups/team", who="alice@pve").status == 403
    running.reset()
    assert running.user_config() == before
    assert "bob@pve" not in running.cluster.passwords
    assert call(running, "GET", "/access/groups/team", who="alice@pve").status == 200


def test_many_writers(running: Simulator) -> None:
    """Calls at the same time lose nothing."""

    def write(number: int) -> int:
        made = call(running, "POST", "/access/users", {"userid": f"u{number}@pve", "groups": "team"}).status
        return made + call(running, "GET", "/access/users").status

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(write, range(24))) == {400}
    assert len(call(running, "GET", "/access/groups/team").data["members"]) == 26
