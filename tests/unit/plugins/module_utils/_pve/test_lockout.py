# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A single change by a module cannot lock everybody out: it is refused, and the cluster stays byte for byte the same.

Each attempt is made on a small cluster of its own: root@pam is disabled, and alice is the only administrator, through
the group admins. bob operates guests.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError, NoQuorumError
from ansible_collections.pve.audit.plugins.module_utils._module.identity_options import plan_options
from ansible_collections.pve.audit.plugins.module_utils._pve.credentials import Credentials
from ansible_collections.pve.audit.plugins.module_utils._pve.session import Session
from ansible_collections.pve.audit.plugins.modules import acl, group, identity_plan, realm, role, token, user
from tests.lab.identity import restore, save
from tests.lab.simulator import Simulator, running_simulator
from tests.lab.tfa import TfaEntry, TfaUser
from tests.lab.usercfg import parse_user_config
from tests.lab.usercfg_write import render_user_config

Record = dict[str, Any]

CONFIG = """\
user:root@pam:0:0::::::
user:alice@pve:1:0::::::
user:bob@pve:1:0::::::
user:carol@pve:1:0::::::
group:admins:alice@pve::
group:operators:bob@pve::
role:Own:Permissions.Modify,Sys.Modify:
acl:1:/:@admins:Administrator:
acl:1:/vms:@operators:PVEVMAdmin:
acl:1:/:carol@pve:PVEAuditor:
"""
DOMAINS = """\
pam: pam
\tcomment Linux PAM standard authentication

pve: pve
\tcomment Proxmox VE authentication server

ldap: ldap
\tserver1 192.0.2.40
\tbase_dn dc=lab
\tuser_attr uid
\tcase-sensitive 0
"""
ALICE = "alice@pve"


@pytest.fixture(scope="module")
def running() -> Iterator[Simulator]:
    """One cluster for all tests of this file."""
    passwords = dict.fromkeys(("root@pam", ALICE, "bob@pve", "carol@pve"), "lab-password")
    with running_simulator(
        nodes=1, tasks_per_node=0, unauthorized_delay=0.0, user_cfg=CONFIG, domains_cfg=DOMAINS, passwords=passwords
    ) as simulator:
        yield simulator


@pytest.fixture
def lab(running: Simulator) -> Iterator[Simulator]:
    """The cluster, put back afterwards."""
    saved = save(running.cluster)
    yield running
    restore(running.cluster, saved)


def login(lab: Simulator, token_id: str | None = None, account: str = ALICE) -> Session:
    """As alice, or with one of alice's tokens."""
    secret = lab.cluster.secrets[f"{ALICE}!{token_id}"] if token_id else None
    given = {"token_id": token_id, "token_secret": secret} if token_id else {"password": "lab-password"}
    where: Record = {"host": lab.host, "port": lab.port, "ca_path": str(lab.ca_path), "timeout": 5.0, "user": account}
    return Session(Credentials(**where, **given), sleep=lambda _seconds: None)


def attempt(
    lab: Simulator, module: ModuleType, given: Record, check_mode: bool = False, token_id: str | None = None
) -> Any:
    """The module's work as alice."""
    options: dict[str, Record] = module.OPTIONS
    params = {name: given.get(name, one.get("default")) for name, one in options.items()}
    return module.ensure(login(lab, token_id), params, check_mode)


ADMINS = {"type": "group", "ugid": "admins"}
LOCKOUTS: list[tuple[ModuleType, Record, str]] = [
    (group, {"groupid": "admins", "state": "absent"}, "nobody"),
    (acl, {"path": "/", **ADMINS, "roleid": "Administrator", "state": "absent"}, "nobody"),
    (acl, {"path": "/", **ADMINS, "roleid": "Administrator", "propagate": False}, "nobody"),
    (acl, {"path": "/access", **ADMINS, "roleid": "NoAccess"}, "nobody"),
    (acl, {"path": "/access/groups", **ADMINS, "roleid": "PVEAuditor"}, "nobody"),
    (acl, {"path": "/access/realm", **ADMINS, "roleid": "NoAccess"}, "nobody"),
    (acl, {"path": "/access/groups/admins", **ADMINS, "roleid": "NoAccess"}, "nobody"),
    (acl, {"path": "/access/realm/pve", **ADMINS, "roleid": "NoAccess"}, "nobody"),
    (acl, {"path": "/", **ADMINS, "roleid": "NoAccess"}, "nobody"),
    (acl, {"path": "/", "type": "user", "ugid": ALICE, "roleid": "NoAccess"}, "nobody"),
    (acl, {"path": "/", "type": "user", "ugid": ALICE, "roleid": "PVEAuditor"}, "nobody"),
    (acl, {"path": "/access", "type": "user", "ugid": ALICE, "roleid": "Own"}, "nobody"),
    (acl, {"path": "/nodes", **ADMINS, "roleid": "NoAccess"}, "nobody"),
    (acl, {"path": "/vms", "type": "user", "ugid": ALICE, "roleid": "NoAccess"}, "nobody"),
    (realm, {"realm": "pve", "tfa": "oath"}, "the realm pve would lock out 3 users: alice@pve must have"),
    (realm, {"realm": "pve", "tfa": "yubico", "tfa_yubico_id": "1", "tfa_yubico_key": "k"}, "would lock out 3 users"),
]


@pytest.mark.parametrize(("module", "given", "sentence"), LOCKOUTS)
def test_refused_and_nothing_changed(lab: Simulator, module: ModuleType, given: Record, sentence: str) -> None:
    before = save(lab.cluster)
    with pytest.raises(InputError, match=sentence) as caught:
        attempt(lab, module, given)
    assert "set allow_lockout: true" in str(caught.value) and "\n" not in str(caught.value)
    made, _result = attempt(lab, module, given, check_mode=True)
    assert made.changed and any(sentence in one for one in made.warnings)
    assert save(lab.cluster) == before
    made, _result = attempt(lab, module, {**given, "allow_lockout": True})
    assert made.changed and not made.warnings
    assert save(lab.cluster) != before


HARMLESS: list[tuple[ModuleType, Record]] = [
    (group, {"groupid": "operators", "state": "absent"}),
    (group, {"groupid": "admins", "comment": "x"}),
    (acl, {"path": "/vms", "type": "group", "ugid": "operators", "roleid": "PVEVMAdmin", "state": "absent"}),
    (acl, {"path": "/vms/100", "type": "user", "ugid": ALICE, "roleid": "NoAccess"}),
    (acl, {"path": "/", "type": "user", "ugid": "bob@pve", "roleid": "Administrator"}),
    (acl, {"path": "/access", "type": "user", "ugid": "bob@pve", "roleid": "NoAccess"}),
    (role, {"roleid": "Own", "privs": ["Sys.Audit"]}),
    (role, {"roleid": "Own", "state": "absent"}),
    (realm, {"realm": "pve", "comment": "x"}),
]


@pytest.mark.parametrize(("module", "given"), HARMLESS)
def test_what_locks_nobody_out_is_made(lab: Simulator, module: ModuleType, given: Record) -> None:
    made, _result = attempt(lab, module, given)
    assert made.changed and not made.warnings


def test_a_role_that_makes_the_administrator_is_guarded(lab: Simulator) -> None:
    """alice's rights come from a role of her own, which counts before that of her group."""
    roles = {row["roleid"]: row["privs"] for row in login(lab).get("access", "roles")}
    attempt(lab, role, {"roleid": "Chief", "privs": sorted(roles["Administrator"].split(","))})
    attempt(lab, acl, {"path": "/", "type": "user", "ugid": ALICE, "roleid": "Chief"})
    before = save(lab.cluster)
    with pytest.raises(InputError, match="nobody whom alice@pve can see could manage the cluster"):
        attempt(lab, role, {"roleid": "Chief", "privs": ["VM.Audit"]})
    assert save(lab.cluster) == before
    made, _result = attempt(lab, role, {"roleid": "Chief", "state": "absent"})
    assert made.changed, "once the own role is gone, that of the group counts again"


def test_only_who_has_no_second_factor_is_named(lab: Simulator) -> None:
    entry = TfaEntry("totp-1", "totp", "phone", 1_790_000_000, True, "", "JBSWY3DPEHPK3PXP")
    lab.cluster.tfa["carol@pve"] = TfaUser([entry])
    with pytest.raises(InputError, match="2 users: alice@pve must have the second factor totp and has none, bob@pve"):
        attempt(lab, realm, {"realm": "pve", "tfa": "oath"})


# What more stands in user.cfg: people who look like another administrator and are none.
NOBODY_ELSE = {
    "nobody": [],
    "twins by case": [
        "user:dora@ldap:1:0::::::",
        "user:Dora@ldap:1:0::::::",
        "group:twins:dora@ldap,Dora@ldap::",
        "acl:1:/:@twins:Administrator:",
    ],
    "beyond ASCII": ["user:jos\u00e9@pve:1:0::::::", "acl:1:/:jos\u00e9@pve:Administrator:"],
    "a Cyrillic letter": ["user:\u0430lice@pve:1:0::::::", "acl:1:/:\u0430lice@pve:Administrator:"],
    "disabled and expired": [
        "user:old@pve:0:0::::::",
        "user:ex@pve:1:99::::::",
        "acl:1:/:old@pve,ex@pve:Administrator:",
    ],
    "no right on access": [
        "user:half@pve:1:0::::::",
        "acl:1:/:half@pve:Administrator:",
        "acl:1:/access:half@pve:NoAccess:",
    ],
    "only a token": ["user:api@pve:1:0::::::", "token:api@pve!tk:0:1::", "acl:1:/:api@pve!tk:Administrator:"],
}
OF_ALICE: list[tuple[ModuleType, Record]] = [
    (user, {"userid": ALICE, "state": "absent", "allow_self": True}),
    (user, {"userid": ALICE, "enabled": False, "allow_self": True}),
    (user, {"userid": ALICE, "expire": "2020-01-01", "allow_self": True}),
    (user, {"userid": ALICE, "groups": [], "allow_self": True}),
    (user, {"userid": ALICE, "groups": ["operators"], "allow_self": True}),
    (group, {"groupid": "admins", "state": "absent"}),
    (acl, {"path": "/access", **ADMINS, "roleid": "NoAccess"}),
]


@pytest.mark.parametrize("more", NOBODY_ELSE.values(), ids=NOBODY_ELSE)
@pytest.mark.parametrize(("module", "given"), OF_ALICE)
def test_the_last_administrator_stays_whoever_looks_like_another(
    lab: Simulator, module: ModuleType, given: Record, more: list[str]
) -> None:
    lab.cluster.users = parse_user_config((CONFIG + "\n".join(more)).encode().decode("latin-1"))
    lab.cluster.identity_changed()
    before = render_user_config(lab.cluster.users)
    with pytest.raises(InputError, match=r"nobody (whom alice@pve can see )?could manage the cluster"):
        attempt(lab, module, given)
    assert render_user_config(lab.cluster.users) == before


OWN_TOKEN = {"userid": ALICE, "name": "run"}
OWN: list[tuple[ModuleType, Record, str | None]] = [
    (user, {"userid": ALICE, "state": "absent"}, None),
    (user, {"userid": ALICE, "enabled": False}, "run"),
    (user, {"userid": ALICE, "expire": "2020-01-01"}, "run"),
    (user, {"userid": ALICE, "groups": []}, None),
    (user, {"userid": ALICE, "groups": ["operators"]}, "run"),
    (token, {**OWN_TOKEN, "state": "absent"}, "run"),
    (token, {**OWN_TOKEN, "expire": "2020-01-01"}, "run"),
    (token, {**OWN_TOKEN, "privsep": True}, "run"),
    (group, {"groupid": "admins", "state": "absent"}, "run"),
    (acl, {"path": "/access", **ADMINS, "roleid": "NoAccess"}, "run"),
    (acl, {"path": "/", "type": "user", "ugid": ALICE, "roleid": "PVEAuditor"}, None),
]


@pytest.mark.parametrize(("module", "given", "token_id"), OWN)
def test_nobody_saws_off_the_own_branch(
    lab: Simulator, module: ModuleType, given: Record, token_id: str | None
) -> None:
    """There is another administrator, and yet the credential in use would be closed or could not go on."""
    attempt(lab, acl, {"path": "/", "type": "user", "ugid": "bob@pve", "roleid": "Administrator"})
    attempt(lab, token, {**OWN_TOKEN, "privsep": False})
    before = save(lab.cluster)
    with pytest.raises(InputError, match=r"set allow_(self|lockout): true"):
        attempt(lab, module, given, token_id=token_id)
    assert save(lab.cluster) == before


ADMIN = {"id": "admins", "roles": [{"path": "/", "role": "Administrator"}]}
GLASS = {"break_glass": {"id": "glass", "password": "lab-password"}, "groups": [ADMIN]}
BOTH = [{"id": name, "groups": ["admins"]} for name in ("alice", "bob")]
PLANS: list[tuple[str, Record]] = [
    ("administrators", {**GLASS, "people": [{"id": "alice", "state": "absent"}, BOTH[1]]}),
    ("administrators", {**GLASS, "people": [{"id": "alice", "groups": ["operators"]}, BOTH[1]]}),
    ("administrators", {**GLASS, "people": [BOTH[0]], "undeclared": "remove"}),
    ("administrators", {**GLASS, "service_accounts": [{"id": "alice", "groups": ["admins"]}], "people": [BOTH[1]]}),
    (
        "administrators",
        {**GLASS, "people": [BOTH[0], {"id": "ghost", "realm": "ldap", "groups": ["admins"]}], "undeclared": "disable"},
    ),
    (
        "administrators",
        {**GLASS, "people": [{"id": "dan", "realm": "pam", "groups": ["admins"]}], "shared_accounts": [ALICE]},
    ),
    ("administrators", {**GLASS, "people": BOTH, "groups": [{"id": "admins", "roles": []}], "undeclared": "remove"}),
    (
        "administrators",
        {**GLASS, "people": BOTH, "groups": [{"id": "admins", "roles": [{"path": "/access", "role": "NoAccess"}]}]},
    ),
    ("second-factor", {**GLASS, "people": BOTH, "tfa_realms": {"pve": "oath"}}),
    ("break-glass", {"people": BOTH, "groups": [ADMIN], "shared_accounts": ["carol@pve"]}),
    ("break-glass", {**GLASS, "people": BOTH, "break_glass": {"id": "glass"}, "shared_accounts": ["carol@pve"]}),
    (
        "credential",
        {
            **GLASS,
            "people": [*BOTH, {"id": "carol", "groups": ["admins"]}],
            "shared_accounts": [],
            "tfa_realms": {"pve": "oath"},
        },
    ),
]


@pytest.mark.parametrize(("rule", "declaration"), PLANS)
def test_a_plan_that_locks_out_is_stopped(lab: Simulator, rule: str, declaration: Record) -> None:
    before = save(lab.cluster)
    defaults = {name: one.get("default") for name, one in plan_options().items()}
    params = {**defaults, "declaration": declaration, "api_user": ALICE, "api_token_id": None}
    result = identity_plan.plan(login(lab), params, time.time(), lambda _warning: None)
    assert rule in {lockout["rule"] for lockout in result["lockouts"]}
    assert save(lab.cluster) == before


def test_the_own_account_is_found_by_other_letters(lab: Simulator) -> None:
    """A realm without case lets ALICE in as alice: the plan that closes alice cuts off who makes it."""
    lab.cluster.realms = {**lab.cluster.realms, "pve": {**lab.cluster.realms["pve"], "case-sensitive": 0}}
    defaults = {name: one.get("default") for name, one in plan_options().items()}
    declaration = {**GLASS, "people": [{"id": "bob", "groups": ["admins"]}], "shared_accounts": [ALICE]}
    for given in (ALICE, "ALICE@pve"):
        params = {**defaults, "declaration": declaration, "api_user": given, "api_token_id": None}
        result = identity_plan.plan(login(lab, account=given), params, time.time(), lambda _warning: None)
        assert ("credential", [ALICE]) in [(one["rule"], one["who"]) for one in result["lockouts"]], given


def test_no_plan_is_made_without_quorum(lab: Simulator) -> None:
    lab.cluster.quorate = False
    try:
        with pytest.raises(NoQuorumError, match="nothing is planned: the node that answers has no quorum"):
            identity_plan.plan(login(lab), {"declaration": {}}, 0.0, lambda _warning: None)
    finally:
        lab.cluster.quorate = True
