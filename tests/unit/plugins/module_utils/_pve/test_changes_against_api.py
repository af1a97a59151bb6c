# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The changing modules against the simulated API, over real TLS: each change tried, made, made again; each refusal."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack
from types import ModuleType
from typing import Any

import pytest

from ansible_collections.pve.audit.plugins.module_utils._model import errors
from ansible_collections.pve.audit.plugins.module_utils._pve.change import Change
from ansible_collections.pve.audit.plugins.module_utils._pve.credentials import Credentials
from ansible_collections.pve.audit.plugins.module_utils._pve.session import Session
from ansible_collections.pve.audit.plugins.module_utils._pve.tokens import ensure_token
from ansible_collections.pve.audit.plugins.module_utils._pve.users import read_user
from ansible_collections.pve.audit.plugins.modules import acl, group, metric_server, realm, role, token, user
from tests.lab.identity import restore, save
from tests.lab.simulator import Simulator, running_simulator
from tests.lab.tfa import TfaEntry, TfaUser

Record = dict[str, Any]

SECRET = "s3cret-word"
ROOT = {"user": "root@pam", "password": "lab-password"}


@pytest.fixture(scope="module")
def running() -> Iterator[Simulator]:
    """One cluster for all tests of this file."""
    choices: Record = {
        "unauthorized_delay": 0.0,
        "no_quorum_delay": 0.0,
        "metric_listeners": ("192.0.2.1:8086", "192.0.2.1:4318"),
    }
    with running_simulator(nodes=1, tasks_per_node=0, **choices) as simulator:
        yield simulator


@pytest.fixture
def lab(running: Simulator) -> Iterator[Simulator]:
    """The cluster, put back afterwards."""
    saved = save(running.cluster)
    yield running
    restore(running.cluster, saved)


def login(running: Simulator, who: Record | str = ROOT["user"]) -> Session:
    """A session as root@pam, as a user with the lab's password, or with a token."""
    name = str(who)
    given: Record = {"user": name, "password": "lab-password"}
    if "!" in name:
        account, token_id = name.split("!")
        given = {"user": account, "token_id": token_id, "token_secret": running.cluster.secrets[name]}
    return Session(
        Credentials(host=running.host, port=running.port, ca_path=str(running.ca_path), timeout=5.0, **given),
        sleep=lambda _seconds: None,
    )


def run(session: Session, module: ModuleType, given: Record, check_mode: bool = False) -> tuple[Change, Record]:
    """The module's work with these options, and defaults for the others."""
    options: dict[str, Record] = module.OPTIONS
    assert set(given) <= set(options)
    params = {name: given.get(name, spec.get("default")) for name, spec in options.items()}
    made, result = module.ensure(session, params, check_mode)
    return made, result


CHANGES: list[tuple[ModuleType, Record]] = [
    (user, {"userid": "new@pve"}),
    (
        user,
        {
            "userid": "new@pve",
            "firstname": "Çağ",
            "comment": 'line 1\nline 2, a: colon % and "quotes"',
            "groups": ["admins", "team"],
            "expire": "2037-06-30",
            "password": SECRET,
        },
    ),
    (user, {"userid": "dave@pve", "enabled": True}),
    (user, {"userid": "bob@ldap", "enabled": False}),
    (user, {"userid": "bob@ldap", "groups": []}),
    (user, {"userid": "bob@ldap", "groups": ["admins"], "groups_append": True}),
    (user, {"userid": "bob@ldap", "email": "", "comment": "", "lastname": "Łoś"}),
    (user, {"userid": "root@pam", "email": "x@example.com"}),
    (user, {"userid": "iac@pve", "state": "absent"}),
    (user, {"userid": "new@pve", "comment": "  spaces around ", "firstname": "0"}),
    (user, {"userid": "bob@ldap", "comment": " 0", "lastname": " Baker  Jr "}),
    (user, {"userid": "bob@ldap", "groups": [""]}),
    (user, {"userid": "ops@pve", "password": SECRET, "update_password": "always"}),
    (token, {"userid": "alice@pve", "name": "ci", "expire": "2037-06-30", "comment": "c"}),
    (token, {"userid": "alice@pve", "name": "cli", "privsep": True}),
    (token, {"userid": "iac@pve", "name": "terraform", "comment": "0", "privsep": False}),
    (token, {"userid": "iac@pve", "name": "new", "comment": " c "}),
    (token, {"userid": "iac@pve", "name": "terraform", "comment": "", "expire": "100000005"}),
    (token, {"userid": "svc@pve", "name": "backup", "state": "absent"}),
    (group, {"groupid": "new", "comment": "c"}),
    (group, {"groupid": "team", "comment": "c"}),
    (group, {"groupid": "auditors", "comment": "0"}),
    (group, {"groupid": "new", "comment": " c "}),
    (group, {"groupid": "team", "state": "absent"}),
    (role, {"roleid": "Op", "privs": ["VM.PowerMgmt", "VM.Audit"]}),
    (role, {"roleid": "LogReader", "privs": ["VM.Audit"], "append": True}),
    (role, {"roleid": "LogReader", "privs": []}),
    (role, {"roleid": "LogReader", "state": "absent"}),
    (acl, {"path": "/vms/", "type": "user", "ugid": "alice@pve", "roleid": "PVEAuditor"}),
    (acl, {"path": "vms", "type": "token", "ugid": "svc@pve!backup", "roleid": "PVEVMAdmin", "propagate": False}),
    (acl, {"path": "/", "type": "group", "ugid": "auditors", "roleid": "PVEAuditor", "state": "absent"}),
    (realm, {"realm": "pve", "tfa": "oath", "tfa_step": 60, "allow_lockout": True}),
    (realm, {"realm": "ldap", "comment": "", "default": True}),
    (realm, {"realm": "ldap", "comment": " the people  "}),
    (metric_server, {"id": "graph", "type": "graphite", "server": "192.0.2.1", "path": "a.b"}),
    (
        metric_server,
        {
            "id": "influx",
            "type": "influxdb",
            "server": "192.0.2.1",
            "port": 8086,
            "influxdbproto": "https",
            "token": SECRET,
            "verify_certificate": False,
        },
    ),
    (
        metric_server,
        {"id": "otel", "type": "opentelemetry", "server": "192.0.2.1", "otel_headers": {"Authorization": SECRET}},
    ),
]


@pytest.mark.parametrize(
    ("module", "given"), CHANGES, ids=lambda part: part.__name__ if isinstance(part, ModuleType) else ""
)
def test_tried_made_and_made_again(lab: Simulator, module: ModuleType, given: Record) -> None:
    session = login(lab)
    before = save(lab.cluster)
    tried, _result = run(session, module, given, check_mode=True)
    assert save(lab.cluster) == before
    made, result = run(session, module, given)
    again, same = run(session, module, given)
    assert tried.changed and made.changed and not again.changed
    assert tried.diff() == made.diff() and made.diff()["before"] != made.diff()["after"]
    assert again.diff() == {"before": {}, "after": {}} and again.before == made.after
    assert SECRET not in str((tried.diff(), made.diff(), result, same))


def test_what_is_left_out_stays(lab: Simulator) -> None:
    session = login(lab)
    leaver = {
        "userid": "iac@pve",
        "enabled": False,
        "expire": "100000001",
        "email": "i@example.com",
        "groups": ["team"],
    }
    run(session, user, leaver)
    before = lab.cluster.users.users["iac@pve"]
    run(session, user, {"userid": "iac@pve", "comment": "x"})
    after = lab.cluster.users.users["iac@pve"]
    assert (after.enable, after.expire, after.texts["email"], after.tokens) == (
        0,
        100000001,
        "i@example.com",
        before.tokens,
    )
    assert "iac@pve" in lab.cluster.users.groups["team"].users
    assert lab.cluster.secrets["iac@pve!terraform"]
    run(session, group, {"groupid": "team", "comment": "x"})
    assert "iac@pve" in lab.cluster.users.groups["team"].users
    run(session, role, {"roleid": "LogReader"})
    assert set(lab.cluster.users.roles["LogReader"]) == {"Sys.Audit", "Sys.Syslog"}


def test_a_new_token_works_and_its_secret_is_given_once(lab: Simulator) -> None:
    given = {"userid": "alice@pve", "name": "ci", "privsep": False}
    made, result = run(login(lab), token, given)
    secret = result["token"]["value"]
    assert secret == lab.cluster.secrets["alice@pve!ci"]
    assert secret not in str(made.diff())
    assert "value" not in run(login(lab), token, given)[1]["token"]
    assert "value" not in run(login(lab, "alice@pve!ci"), token, given)[1]["token"]
    grants = [{"path": "/vms", "type": "token", "ugid": "alice@pve!ci", "roleid": "PVEAuditor"}]
    run(login(lab), acl, grants[0])
    regenerated, renewed = run(login(lab), token, {**given, "regenerate": True})
    assert regenerated.changed and renewed["token"]["value"] not in (secret, None)
    assert not run(login(lab), acl, grants[0])[0].changed


def test_a_password_is_tried_before_it_is_set(lab: Simulator) -> None:
    session, given = login(lab), {"userid": "ops@pve", "update_password": "always"}
    assert not run(session, user, {**given, "password": "lab-password"})[0].changed
    changed, _result = run(session, user, {**given, "password": SECRET})
    assert changed.diff()["after"] == {"password": "(new value, not shown)"}
    assert lab.cluster.passwords["ops@pve"] == SECRET
    assert not run(session, user, {**given, "password": SECRET})[0].changed
    assert not run(session, user, {**given, "password": "other-word", "update_password": "on_create"})[0].changed


def test_a_second_factor_need_not_be_answered(lab: Simulator) -> None:
    """PVE asks for it only after the right password."""
    session = login(lab)
    lab.cluster.tfa = {"ops@pve": TfaUser([TfaEntry("one", "totp", code="123456")])}
    given = {"userid": "ops@pve", "password": "lab-password", "update_password": "always"}
    assert not run(session, user, given)[0].changed
    assert run(session, user, {**given, "password": SECRET})[0].changed
    assert not run(session, user, {**given, "password": SECRET})[0].changed


def test_what_goes_with_an_object(lab: Simulator) -> None:
    session = login(lab)
    run(session, role, {"roleid": "LogReader", "state": "absent"})
    run(session, token, {"userid": "svc@pve", "name": "backup", "state": "absent"})
    run(session, group, {"groupid": "admins", "state": "absent"})
    left = session.get("access", "acl")
    assert left and not {row["ugid"] for row in left} & {"syslog@pve", "svc@pve!backup", "admins"}


def test_without_quorum(lab: Simulator) -> None:
    session = login(lab)
    lab.cluster.quorate = False
    try:
        assert not run(session, user, {"userid": "dave@pve", "enabled": False})[0].changed
        with pytest.raises(errors.RefusedError, match=r"cannot change the user dave@pve: .* 500 .*no quorum"):
            run(session, user, {"userid": "dave@pve", "enabled": True})
    finally:
        lab.cluster.quorate = True


def test_a_metric_server_that_cannot_be_reached(lab: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lab.cluster, "metric_listeners", frozenset())
    given: dict[str, Any] = {"id": "influx", "type": "influxdb", "server": "192.0.2.9", "port": 8086, "token": SECRET}
    given["influxdbproto"] = "http"
    with pytest.raises(errors.RefusedError, match=r"cannot create the metric server influx: .* 500 .*192\.0\.2\.9"):
        run(login(lab), metric_server, given)
    otel = {"id": "otel", "type": "opentelemetry", "server": "192.0.2.9", "port": 4318, "enabled": False}
    with pytest.raises(errors.RefusedError, match=r"see that something listens on 192\.0\.2\.9 port 4318"):
        run(login(lab), metric_server, otel)
    assert run(login(lab), metric_server, {**given, "enabled": False})[0].changed
    assert lab.cluster.metric_secrets["influx"] == SECRET
    always = {"id": "influx", "update_token": "always"}
    assert run(login(lab), metric_server, {**always, "token": "n3w"})[0].changed
    assert lab.cluster.metric_secrets["influx"] == "n3w"
    assert run(login(lab), metric_server, {**always, "token": ""})[0].changed
    assert "influx" not in lab.cluster.metric_secrets
    assert not run(login(lab), metric_server, {"id": "influx", "enabled": False, "port": 8086})[0].changed


def test_a_token_may_try_a_password_but_not_set_one(lab: Simulator) -> None:
    given = {"userid": "ops@pve", "password": "lab-password", "update_password": "always"}
    assert not run(login(lab, "alice@pve!cli"), user, given)[0].changed
    with pytest.raises(errors.InputError, match="cannot be changed with an API token"):
        run(login(lab, "alice@pve!cli"), user, {**given, "password": SECRET, "comment": "never sent"})
    assert "never sent" not in str(lab.cluster.users.users["ops@pve"])


def test_who_is_not_root_confirms_a_new_password(lab: Simulator) -> None:
    given = {"userid": "ops@pve", "password": SECRET, "update_password": "always"}
    assert run(login(lab, "alice@pve"), user, given)[0].changed
    assert lab.cluster.passwords["ops@pve"] == SECRET


class OldApi:
    """A Proxmox VE that does not know a parameter yet; it keeps what it was sent."""

    user, uses_token, token = "alice@pve", False, None

    def __init__(self, unknown: str) -> None:
        self.unknown = unknown
        self.sent: list[Record] = []

    def get(self, *_path: str, **_params: Any) -> Any:
        return [{"userid": "alice@pve", "tokens": [{"tokenid": "cli", "privsep": 1, "expire": 0}]}]

    def accepts_login(self, _userid: str, _password: str) -> bool:
        return False

    def change_password(self, _userid: str, _password: str) -> None:
        raise AssertionError

    def write(
        self,
        _method: str,
        _path: Collection[str],
        params: Mapping[str, Any],
        *,
        what: str,
        secrets: Collection[str] = (),
    ) -> Any:
        self.sent.append(dict(params))
        if self.unknown in params:
            raise errors.RefusedError(f"cannot {what}", 400, {self.unknown: "property is not defined in schema"})


def test_older_versions_do_not_regenerate() -> None:
    api = OldApi("regenerate")
    params = {"userid": "alice@pve", "name": "cli", "state": "present", "regenerate": True}
    with pytest.raises(errors.RefusedError, match=r"before access control 9\.1.* delete the token"):
        ensure_token(api, {**dict.fromkeys(token.OPTIONS), **params}, check_mode=False, now=0.0)
    assert api.sent == [{"regenerate": 1}]


def test_older_versions_want_no_confirmation(monkeypatch: pytest.MonkeyPatch, lab: Simulator) -> None:
    session, api = login(lab, "alice@pve"), OldApi("confirmation-password")
    monkeypatch.setattr(session, "write", api.write)
    session.change_password("ops@pve", SECRET)
    sent = {"userid": "ops@pve", "password": SECRET}
    assert api.sent == [{**sent, "confirmation-password": "lab-password"}, sent]


def test_the_password_of_a_disabled_user_is_left(lab: Simulator) -> None:
    session, given = login(lab), {"userid": "ops@pve", "password": SECRET, "update_password": "always"}
    made, _result = run(session, user, {**given, "enabled": False})
    again, _result = run(session, user, given)
    assert made.changed and not again.changed
    assert "could not be tried" not in str(made.warnings) and "could not be tried" in again.warnings[0]
    opened, _result = run(session, user, {**given, "enabled": True})
    assert opened.changed and not run(session, user, {**given, "enabled": True})[0].changed


@pytest.mark.parametrize(
    ("required", "factors", "who", "step"),
    [
        ("type=oath", None, "root@pam", "left"),
        ("type=oath", TfaUser([TfaEntry("one", "totp", code="123456", enable=False)]), "root@pam", "left"),
        ("type=oath", TfaUser([TfaEntry("one", "totp", code="123456")]), "root@pam", "set"),
        ("type=oath", None, "alice@pve!cli", "left"),
        ("type=yubico,id=1,key=x", None, "root@pam", "set"),
        (None, None, "root@pam", "set"),
    ],
)
def test_a_refused_login_without_the_second_factor_of_the_realm(
    lab: Simulator, required: str | None, factors: TfaUser | None, who: str, step: str
) -> None:
    lab.cluster.realms = {**lab.cluster.realms, "pve": {**lab.cluster.realms["pve"], "tfa": required}}
    lab.cluster.tfa = {"ops@pve": factors} if factors else {}
    given = {"userid": "ops@pve", "password": SECRET, "update_password": "always"}
    session = login(lab, who)
    made, _result = run(session, user, given)
    again, _result = run(session, user, given)
    assert made.changed is (step == "set") and not again.changed
    assert lab.cluster.passwords["ops@pve"] == (SECRET if step == "set" else "lab-password")
    for change in (made, again):
        assert ("without one the right password is refused too" in str(change.warnings)) is (step == "left")
        assert SECRET not in str(change.warnings)


CLOSED_SELF: list[tuple[str, ModuleType, Record, str]] = [
    ("alice@pve!cli", user, {"userid": "alice@pve", "enabled": False}, "account .* would be disabled"),
    ("alice@pve", user, {"userid": "alice@pve", "expire": "2001-01-01"}, "account .* would be expired at once"),
    ("alice@pve!cli", user, {"userid": "alice@pve", "state": "absent"}, "account .* would be deleted"),
    ("alice@pve!cli", token, {"userid": "alice@pve", "name": "cli", "state": "absent"}, "token .* would be deleted"),
    (
        "alice@pve!cli",
        token,
        {"userid": "alice@pve", "name": "cli", "expire": "2001-01-01"},
        "token .* expired at once",
    ),
]


@pytest.mark.parametrize("check_mode", [True, False])
@pytest.mark.parametrize(("who", "module", "given", "sentence"), CLOSED_SELF)
def test_the_own_account_is_closed_only_when_asked_to(
    lab: Simulator, who: str, module: ModuleType, given: Record, sentence: str, check_mode: bool
) -> None:
    before = save(lab.cluster)
    with pytest.raises(errors.InputError, match=rf"{sentence}.*allow_self: true"):
        run(login(lab, who), module, given, check_mode)
    assert save(lab.cluster) == before
    assert run(login(lab, who), module, {**given, "allow_self": True}, check_mode)[0].changed
    assert (save(lab.cluster) == before) is check_mode


def test_others_and_other_tokens_may_be_closed(lab: Simulator) -> None:
    assert run(login(lab, "alice@pve"), token, {"userid": "alice@pve", "name": "cli", "state": "absent"})[0].changed
    assert run(login(lab, "alice@pve"), user, {"userid": "alice@pve", "expire": "2037-01-01", "comment": "x"})[
        0
    ].changed
    assert run(login(lab, "alice@pve"), user, {"userid": "dario@pve", "enabled": False})[0].changed


def test_the_last_administrator_stays(lab: Simulator) -> None:
    session = login(lab, "alice@pve!cli")
    for name in ("root@pam", "dario@pve"):
        assert run(session, user, {"userid": name, "enabled": False})[0].changed
    last: list[Record] = [{"enabled": False}, {"expire": "2001-01-01"}, {"state": "absent"}, {"groups": []}]
    before = save(lab.cluster)
    for closed in last:
        given = {**closed, "userid": "alice@pve", "allow_self": True}
        tried, _result = run(session, user, given, check_mode=True)
        assert tried.changed and "last enabled administrator" in tried.warnings[0]
        with pytest.raises(
            errors.InputError, match=r"^alice@pve is the last enabled administrator that alice@pve can see"
        ):
            run(session, user, given)
        assert save(lab.cluster) == before


@pytest.mark.parametrize("check_mode", [True, False])
@pytest.mark.parametrize(
    ("module", "given", "sentence"),
    [
        (user, {"userid": "a/b@pve"}, "userid 'a/b@pve' is not the name of a user"),
        (user, {"userid": "a/b@pve", "state": "absent"}, "userid 'a/b@pve' is not the name of a user"),
        (user, {"userid": "new@pve", "groups": ["a/b"]}, "groups 'a/b' is not the name of a group"),
        (group, {"groupid": "a/b"}, "groupid 'a/b' is not the name of a group"),
        (group, {"groupid": "a/b", "state": "absent"}, "groupid 'a/b' is not the name of a group"),
        (token, {"userid": "alice@pve", "name": "x"}, "name 'x' is not the name of a token"),
        (token, {"userid": "alice", "name": "ci"}, "userid 'alice' is not the name of a user"),
        (role, {"roleid": "pveMine", "privs": []}, "roleid 'pveMine' cannot be created"),
        (role, {"roleid": "a/b"}, "roleid 'a/b' is not the name of a role"),
        (
            acl,
            {"path": "/vms:7", "type": "group", "ugid": "admins", "roleid": "Administrator"},
            "path '/vms:7' has characters that no path has",
        ),
        (acl, {"path": "/", "type": "token", "ugid": "svc@pve", "roleid": "PVEAdmin"}, "not the full name of a token"),
        (
            acl,
            {"path": "/", "type": "user", "ugid": "root@pam", "roleid": "PVEAdmin"},
            "root@pam is always Administrator",
        ),
        (realm, {"realm": "a/b"}, "there is no realm a/b"),
        (realm, {"realm": "pve", "tfa": "oath", "tfa_digits": 4}, "tfa_digits must be from 6 to 8"),
        (metric_server, {"id": "a/b", "type": "graphite", "server": "x"}, "id 'a/b' is not a name"),
        (user, {"userid": "new@pve", "expire": "20270630"}, "is this a date"),
        (user, {"userid": "new@nosuch"}, "userid names the realm nosuch, which does not exist: ldap, pam, pve do"),
        (user, {"userid": "new@pve", "password": "x" * 65}, "password is longer than the 64 characters"),
        (user, {"userid": "j\u00f6rg@pve"}, "userid 'j\u00f6rg@pve' has letters beyond ASCII"),
        (
            user,
            {"userid": "\u0430lice@pve"},
            r"userid is '.u0430lice@pve', which hides characters or passes for another",
        ),
        (user, {"userid": "ali\u200bce@pve"}, r"userid is 'ali.u200bce@pve', which hides characters"),
        (user, {"userid": "ali\x1bce@pve"}, r"userid is 'ali.x1bce@pve', which hides characters"),
        (user, {"userid": "new@pve", "email": "a b@lab.test"}, "email 'a b@lab.test' is no address"),
        (user, {"userid": "bob@ldap", "email": "a@lab_test"}, "email 'a@lab_test' is no address"),
        (user, {"userid": "bob@ldap", "email": "a" * 250 + "@x.de"}, "email has 255 characters: .* at most 254"),
        (user, {"userid": "bob@ldap", "comment": "c" * 2049}, "comment has 2049 characters: .* at most 2048"),
        (user, {"userid": "bob@ldap", "firstname": "c" * 1025}, "firstname has 1025 characters: .* at most 1024"),
        (user, {"userid": "bob@ldap", "lastname": "c" * 1025}, "lastname has 1025 characters: .* at most 1024"),
        (group, {"groupid": "0"}, "groupid '0' cannot be used: Proxmox VE forgets a group of this name"),
        (group, {"groupid": "new", "comment": "c" * 70_000}, "more than fits into a request"),
        (role, {"roleid": "0"}, "roleid '0' cannot be used: Proxmox VE forgets a role of this name"),
        (role, {"roleid": "Op", "privs": ["VM.Monitor"]}, "VM.Monitor, which is no .*: use VM.GuestAgent.Audit"),
        (role, {"roleid": "Op", "privs": ["vm.audit"], "append": True}, "privs names vm.audit, which is no privilege"),
        (token, {"userid": "alice@pve", "name": "ci", "comment": "\u20ac" * 7000}, "more than fits into a request"),
        (realm, {"realm": "pve", "comment": "c" * 4097}, "comment has 4097 characters: .* at most 4096"),
        (metric_server, {"id": "new", "type": "graphite", "server": "a b", "port": 1}, "server 'a b' is neither"),
        (
            metric_server,
            {"id": "new", "type": "graphite", "server": "a", "port": 65536},
            "port is 65536: .* 1 to 65535",
        ),
    ],
)
def test_what_cannot_be_is_known_in_check_mode(
    lab: Simulator, module: ModuleType, given: Record, sentence: str, check_mode: bool
) -> None:
    before = save(lab.cluster)
    with pytest.raises(errors.InputError, match=sentence):
        run(login(lab), module, given, check_mode)
    assert save(lab.cluster) == before


@pytest.mark.parametrize("check_mode", [True, False])
@pytest.mark.parametrize(
    ("case_sensitive", "name"), [(0, "BOB@ldap"), (1, "BOB@ldap"), (0, "rob@ldap"), (0, "OPS@pve")]
)
def test_no_second_account_that_differs_by_case_only(
    lab: Simulator, case_sensitive: int, name: str, check_mode: bool
) -> None:
    """Proxmox VE refuses it in a realm without case, in check mode nobody asks it; there is bob@ldap, and ops@pve."""
    lab.cluster.realms = {**lab.cluster.realms, "ldap": {"type": "ldap", "case-sensitive": case_sensitive}}
    if case_sensitive or name != "BOB@ldap":
        assert run(login(lab), user, {"userid": name}, check_mode)[0].changed
        return
    with pytest.raises(errors.InputError, match=r"the realm ldap does not tell .* case, and there is bob@ldap"):
        run(login(lab), user, {"userid": name}, check_mode)


def test_the_own_account_is_known_by_its_name_in_the_cluster(lab: Simulator) -> None:
    """A realm without case lets BOB@lower in as bob@lower; he may not close that account under himself."""
    lab.cluster.realms = {**lab.cluster.realms, "lower": {"type": "pve", "case-sensitive": 0}}
    run(login(lab), user, {"userid": "bob@lower", "password": "lab-password"})
    run(login(lab), acl, {"path": "/", "type": "user", "ugid": "bob@lower", "roleid": "Administrator"})
    session = login(lab, "BOB@lower")
    assert session.user == "bob@lower"
    with pytest.raises(errors.InputError, match="bob@lower is the account that this module is logged in with"):
        run(session, user, {"userid": "bob@lower", "enabled": False})


def test_a_grant_for_root_is_always_absent(lab: Simulator) -> None:
    given = {"path": "/", "type": "user", "ugid": "root@pam", "roleid": "PVEAdmin", "state": "absent"}
    assert not run(login(lab), acl, given)[0].changed


TOKEN_CANNOT = {"userid": "ops@pve", "password": SECRET, "update_password": "always"}
NEW_GRANT = {"path": "/vms", "type": "user", "ugid": "ops@pve", "roleid": "PVEAuditor"}
REFUSALS: list[tuple[str, ModuleType, Record, type[errors.AuditError], str]] = [
    ("root@pam", user, {"userid": "root@pam", "state": "absent"}, errors.InputError, "enabled and without its tokens"),
    (
        "root@pam",
        user,
        {"userid": "carl"},
        errors.InputError,
        "userid 'carl' is not the name of a user: write it with the realm",
    ),
    ("root@pam", user, {"userid": ""}, errors.InputError, "userid '' is not the name of a user"),
    ("root@pam", user, {"userid": "new@pve", "expire": "soon"}, errors.InputError, "expire: 'soon' is no date"),
    (
        "root@pam",
        user,
        {"userid": "new@pve", "password": "abc"},
        errors.InputError,
        "password is shorter than 8 characters",
    ),
    (
        "root@pam",
        user,
        {"userid": "new@ldap", "password": SECRET},
        errors.InputError,
        "the realm ldap keeps its passwords elsewhere",
    ),
    ("root@pam", user, {"userid": "new@pve", "groups": ["nosuch"]}, errors.RefusedError, "create .* 500 .*nosuch"),
    ("root@pam", user, {"userid": "ops@pve", "groups": ["nosuch"]}, errors.RefusedError, "change .* 500 .*nosuch"),
    ("root@pam", user, {"userid": "ops@pve", "groups": ["a,b"]}, errors.InputError, "groups 'a,b' is not one name"),
    ("root@pam", user, {"userid": "ops@pve", "email": "no-mail"}, errors.InputError, "email 'no-mail' is no address"),
    (
        "audit@pve!report",
        user,
        {"userid": "new@pve"},
        errors.ForbiddenError,
        "create .* not permitted .403 .*Realm.AllocateUser",
    ),
    (
        "audit@pve!report",
        user,
        {"userid": "ops@pve", "enabled": False},
        errors.ForbiddenError,
        "change the user ops@pve",
    ),
    (
        "audit@pve!report",
        user,
        {"userid": "ops@pve", "state": "absent"},
        errors.ForbiddenError,
        "delete the user ops@pve",
    ),
    (
        "nopriv@pve!np",
        user,
        {"userid": "ops@pve", "state": "absent"},
        errors.ForbiddenError,
        "the user ops@pve cannot be read",
    ),
    ("nopriv@pve!np", user, {"userid": "ops@pve"}, errors.ForbiddenError, "nothing is known about it"),
    ("alice@pve!cli", user, TOKEN_CANNOT, errors.InputError, "cannot be changed with an API token"),
    ("root@pam", token, {"userid": "nobody@pve", "name": "ci"}, errors.InputError, "there is no user nobody@pve"),
    (
        "root@pam",
        token,
        {"userid": "alice@pve", "name": "1x"},
        errors.InputError,
        "name '1x' is not the name of a token",
    ),
    ("root@pam", token, {"userid": "alice@pve", "name": "alice@pve!x"}, errors.InputError, "more than the name"),
    (
        "audit@pve!report",
        token,
        {"userid": "ops@pve", "name": "ci"},
        errors.ForbiddenError,
        "create the token ops@pve!ci",
    ),
    (
        "nopriv@pve!np",
        token,
        {"userid": "alice@pve", "name": "cli"},
        errors.ForbiddenError,
        "user alice@pve cannot be read",
    ),
    ("root@pam", group, {"groupid": "g!1"}, errors.InputError, "groupid 'g!1' is not the name of a group"),
    ("audit@pve!report", group, {"groupid": "new"}, errors.ForbiddenError, "create the group new: .*Group.Allocate"),
    ("nopriv@pve!np", group, {"groupid": "new", "state": "absent"}, errors.ForbiddenError, "group new cannot be read"),
    ("root@pam", role, {"roleid": "PVEAuditor", "privs": []}, errors.InputError, "PVEAuditor is built into"),
    (
        "root@pam",
        role,
        {"roleid": "Administrator", "state": "absent"},
        errors.InputError,
        "Administrator is built into",
    ),
    ("root@pam", role, {"roleid": "PVEMine"}, errors.InputError, "roleid 'PVEMine' cannot be created"),
    (
        "root@pam",
        role,
        {"roleid": "Op", "privs": ["No.Such"]},
        errors.InputError,
        "privs names No.Such, which is no privilege of this Proxmox VE",
    ),
    ("audit@pve!report", role, {"roleid": "Op"}, errors.ForbiddenError, "create the role Op: .*Sys.Modify"),
    (
        "root@pam",
        acl,
        {**NEW_GRANT, "ugid": "nobody@pve"},
        errors.RefusedError,
        "grant PVEAuditor on /vms .* 500 .*nobody@pve",
    ),
    ("root@pam", acl, {**NEW_GRANT, "roleid": "NoSuch"}, errors.RefusedError, "grant NoSuch on /vms .* 500 .*NoSuch"),
    ("root@pam", acl, {**NEW_GRANT, "path": "/nosuch:x"}, errors.InputError, "path '/nosuch:x' has characters"),
    (
        "root@pam",
        acl,
        {**NEW_GRANT, "path": "/nosuch/x"},
        errors.RefusedError,
        "400 path: invalid ACL path '/nosuch/x'",
    ),
    ("root@pam", acl, {**NEW_GRANT, "path": ""}, errors.InputError, "path is empty"),
    (
        "root@pam",
        acl,
        {**NEW_GRANT, "type": "token", "ugid": "ops@pve!xy"},
        errors.RefusedError,
        "500 .*no such token 'xy'",
    ),
    ("audit@pve!report", acl, NEW_GRANT, errors.ForbiddenError, "grant .*Permissions.Modify"),
    ("nopriv@pve!np", acl, {**NEW_GRANT, "state": "absent"}, errors.ForbiddenError, "grants on /vms cannot be read"),
    ("root@pam", realm, {"realm": "nosuch"}, errors.InputError, "no realm nosuch, only ldap, pam, pve"),
    (
        "audit@pve!report",
        realm,
        {"realm": "pve", "tfa": "oath", "allow_lockout": True},
        errors.ForbiddenError,
        "change the realm pve: .*Realm.Allocate",
    ),
    ("nopriv@pve!np", realm, {"realm": "pve"}, errors.ForbiddenError, "realm pve cannot be read"),
    ("root@pam", metric_server, {"id": "new"}, errors.InputError, "type is missing"),
    ("nopriv@pve!np", metric_server, {"id": "new", "state": "absent"}, errors.ForbiddenError, "403|not permitted"),
    (
        "audit@pve!report",
        metric_server,
        {"id": "graph", "type": "graphite", "server": "192.0.2.1"},
        errors.ForbiddenError,
        "create the metric server graph: .*Sys.Modify",
    ),
]


@pytest.mark.parametrize(("who", "module", "given", "error", "sentence"), REFUSALS)
def test_refused_in_one_sentence(
    lab: Simulator, who: str, module: ModuleType, given: Record, error: type[errors.AuditError], sentence: str
) -> None:
    before = save(lab.cluster)
    with pytest.raises(error, match=sentence) as caught:
        run(login(lab, who), module, given)
    text = str(caught.value)
    assert "\n" not in text and SECRET not in text and len(text) < 500
    assert save(lab.cluster) == before


def test_what_is_not_there_is_absent(lab: Simulator) -> None:
    """Whoever may look, sees that there is nothing to do, whatever a deletion would have been answered."""
    absent: list[tuple[ModuleType, Record]] = [
        (user, {"userid": "nobody@pve"}),
        (user, {"userid": "nobody@nosuch"}),
        (token, {"userid": "nobody@pve", "name": "x"}),
        (token, {"userid": "alice@pve", "name": "x"}),
        (group, {"groupid": "nosuch"}),
        (role, {"roleid": "nosuch"}),
        (acl, NEW_GRANT),
        (metric_server, {"id": "nosuch"}),
    ]
    for who in ("root@pam", "alice@pve!cli", "audit@pve!report"):
        for module, given in absent:
            made, result = run(login(lab, who), module, {**given, "state": "absent"})
            assert not made.changed and not any(result.values())


def test_a_write_is_never_sent_twice(lab: Simulator) -> None:
    session = login(lab)
    assert run(session, group, {"groupid": "new"})[0].changed
    with pytest.raises(errors.RefusedError, match="cannot create the group new: Proxmox VE answered 500"):
        session.write("POST", ("access", "groups"), {"groupid": "new"}, what="create the group new")


def test_after_a_break_nobody_knows() -> None:
    with running_simulator(nodes=1, tasks_per_node=0, unauthorized_delay=0.0) as gone, ExitStack() as stack:
        session = login(gone, "alice@pve!cli")
        gone.stop()
        stack.enter_context(
            pytest.raises(
                errors.ConnectError, match="whether it was able to create the group x is not known: run it again"
            )
        )
        session.write("POST", ("access", "groups"), {"groupid": "x"}, what="create the group x")


def test_who_may_change_one_group_names_it(lab: Simulator) -> None:
    """Proxmox VE answers 403 to a change of a member that does not name the group; it changes no membership."""
    root = login(lab)
    run(root, user, {"userid": "lead@pve", "password": "lab-password"})
    run(root, user, {"userid": "member@pve", "groups": ["team", "admins"]})
    run(root, role, {"roleid": "Lead", "privs": ["User.Modify"]})
    run(root, acl, {"path": "/access/groups/team", "type": "user", "ugid": "lead@pve", "roleid": "Lead"})
    lead = login(lab, "lead@pve")
    made, result = run(lead, user, {"userid": "member@pve", "comment": "of the team", "enabled": False})
    assert made.changed and result["user"]["comment"] == "of the team"
    assert read_user(root, "member@pve")["groups"] == ["admins", "team"]
    assert not read_user(root, "member@pve")["enable"]
    with pytest.raises(errors.ForbiddenError, match="change the user member@pve"):
        run(lead, user, {"userid": "member@pve", "groups": ["admins"]})
    with pytest.raises(errors.ForbiddenError, match="the user alice@pve cannot be read"):
        run(lead, user, {"userid": "alice@pve", "comment": "x"})
