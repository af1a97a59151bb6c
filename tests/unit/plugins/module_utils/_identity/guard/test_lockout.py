# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock-out guard: every way to lock everybody out that we know is stopped, and what is right goes through."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from ansible_collections.pve.audit.plugins.module_utils._identity.access import directory_of
from ansible_collections.pve.audit.plugins.module_utils._identity.guard.credential import missing_privilege
from ansible_collections.pve.audit.plugins.module_utils._identity.guard.lockout import (
    Lockout,
    administrators_of,
    find_lockouts,
)
from ansible_collections.pve.audit.plugins.module_utils._identity.guard.people import GuardContext, check_nodes
from ansible_collections.pve.audit.plugins.module_utils._identity.plan.build import plan_identity
from ansible_collections.pve.audit.plugins.module_utils._identity.plan.declaration import SERVICE
from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from tests.unit.plugins.module_utils._identity.identities import (
    DAY,
    NOW,
    PRIVS,
    acl,
    as_automation,
    as_root,
    declared,
    fresh,
    realm,
    snapshot,
    token,
    user,
    working,
)

Identity = dict[str, Any]
Change = dict[str, Any]
Edit = Callable[[Identity], None]


def change(kind: str, action: str = "update", **options: Any) -> Change:
    """A change by hand."""
    phase = 7 if kind == "realm" else 12 if action in ("delete", "disable", "revoke") else 3
    what = options.get("userid") or options.get("groupid") or options.get("roleid") or options.get("realm") or ""
    sentence = f"{action.capitalize()} the {kind} {what}."
    return {"phase": phase, "object": kind, "id": what, "action": action, "options": options, "sentence": sentence}


def disable(userid: str) -> Change:
    """Disable a user."""
    return change("user", "disable", userid=userid, enabled=False)


def shrink(userid: str, **options: Any) -> Change:
    """Take something from a user."""
    return change("user", userid=userid, **options) | {"phase": 9}


def delete(userid: str) -> Change:
    """Delete a user."""
    return change("user", "delete", userid=userid, state="absent")


def newcomer(userid: str, password: bool = True, **options: Any) -> Change:
    """Create an administrator."""
    made = change("user", "create", userid=userid, **{"enabled": True, "groups": ["admins"], **options})
    return made | {"sets_password": password}


def grant(ugid: str, role: str, path: str = "/", kind: str = "group", propagate: bool = True) -> Change:
    """Give a role."""
    return change("acl", "grant", path=path, type=kind, ugid=ugid, roleid=role, propagate=propagate)


def revoke(ugid: str, role: str = "Administrator", kind: str = "group") -> Change:
    """Take a role on / away."""
    return change("acl", "revoke", path="/", type=kind, ugid=ugid, roleid=role, state="absent")


def row(identity: Identity, userid: str) -> dict[str, Any]:
    """A user of a snapshot."""
    found: dict[str, Any] = next(one for one in identity["users"] if one["userid"] == userid)
    return found


def without(*userids: str) -> Edit:
    """An edit: these users are not there."""

    def edit(identity: Identity) -> None:
        identity["users"] = [one for one in identity["users"] if one["userid"] not in userids]
        for group in identity["groups"]:
            group["users"] = [name for name in group["users"] if name not in userids]

    return edit


def has(userid: str, **values: Any) -> Edit:
    """An edit: the user has these values."""
    return lambda identity: row(identity, userid).update(values)


def plus(key: str, *rows: dict[str, Any]) -> Edit:
    """An edit: these rows are there as well."""
    return lambda identity: identity[key].extend(copy.deepcopy(list(rows)))


def moved(old: str, new: str) -> Edit:
    """An edit: the user is called otherwise."""

    def edit(identity: Identity) -> None:
        row(identity, old)["userid"] = new
        for group in identity["groups"]:
            group["users"] = [new if name == old else name for name in group["users"]]
        for entry in identity["acl"]:
            entry["ugid"] = new if entry["ugid"] == old else entry["ugid"]

    return edit


def hidden(kind: str) -> Edit:
    """An edit: the credential does not see all of this kind."""
    reason = {"code": "not_permitted", "message": f"the credential does not see all {kind}"}
    return lambda identity: identity["coverage"].update({kind: {"complete": False, "reasons": [reason]}})


def granted(ugid: str, role: str) -> Edit:
    """An edit: who had Administrator on / has another role there."""

    def edit(identity: Identity) -> None:
        for entry in identity["acl"]:
            if entry["ugid"] == ugid:
                entry["roleid"] = role

    return edit


def two(*edits: Edit) -> Identity:
    """Alice and bob are the only administrators besides break glass and the automation; then the edits."""
    identity = working()
    for edit in (without("admin@pve", "carol@ldap"), has("root@pam", enable=False), *edits):
        edit(identity)
    return identity


def factor(name: str, kind: str = "oath") -> Change:
    """Ask for a second factor."""
    return change("realm", realm=name, tfa=kind)


def with_ldap(*people: str, case: bool | None = True) -> Identity:
    """Alice, and people of a directory, are the administrators; root@pam still works."""
    more = [user(name, groups=["admins"]) for name in people]
    ldap = {**realm("ldap", "ldap"), "case_sensitive": case}
    return two(without("bob@pve"), has("root@pam", enable=True), plus("realms", ldap), plus("users", *more))


BOSS = {"roleid": "Boss", "privs": list(PRIVS), "special": False}
HARMLESS = [change("group", "create", groupid="new")]
START = [
    change("group", "create", groupid="admins"),
    newcomer("breakglass@pve", groups=[]),
    grant("breakglass@pve", "Administrator", kind="user"),
    grant("admins", "Administrator"),
]
ROBOT = user("terraform@pve", groups=["admins"], tokens=[token("ci")])
PAM_FACTS = {"pve1": {"unix_users": {"alice": {"usable_password": True}, "root": {"usable_password": True}}}}
DISABLED_ROOT = {"pve1": {"unix_users": {"root": {"usable_password": False}}}}


class Way(NamedTuple):
    """One way to lock people out: what stops it, and who must be named."""

    name: str
    rule: str
    who: str
    identity: Identity
    changes: list[Change]
    context: GuardContext = as_automation()


NO_ROOT = [disable("root@pam")]
WAYS = [
    Way("a twin by case", "administrators", "root@pam", with_ldap("carol@ldap", "Carol@ldap", case=False), NO_ROOT),
    Way("it may be a twin", "administrators", "root@pam", with_ldap("carol@ldap", "Carol@ldap", case=None), NO_ROOT),
    Way(
        "a twin is made",
        "administrators",
        "carol@ldap",
        with_ldap("carol@ldap", case=False),
        [newcomer("CAROL@ldap"), *NO_ROOT],
    ),
    Way(
        "a name beyond ASCII",
        "administrators",
        "root@pam",
        with_ldap("jos\u00e9@pve"),
        NO_ROOT,
        as_automation(people=frozenset({"alice@pve", "jos\u00e9@pve"})),
    ),
    Way(
        "a name that looks alike",
        "administrators",
        "root@pam",
        with_ldap("\u0430lice@pve"),
        NO_ROOT,
        as_automation(people=frozenset({"alice@pve", "\u0430lice@pve"})),
    ),
    Way(
        "nobody knows whether the directory has a new one",
        "administrators",
        "root@pam",
        with_ldap(),
        [newcomer("dan@ldap"), *NO_ROOT],
    ),
    Way(
        "the directory has somebody else",
        "administrators",
        "root@pam",
        with_ldap("carol@ldap"),
        NO_ROOT,
        as_automation(directory_users=frozenset({"dan@ldap"})),
    ),
    Way("disable one of two", "administrators", "bob@pve", two(), [disable("bob@pve")]),
    Way("delete one of two", "administrators", "bob@pve", two(), [delete("bob@pve")]),
    Way("delete both", "administrators", "alice@pve", two(), [delete("alice@pve"), delete("bob@pve")]),
    Way(
        "let one expire at once",
        "administrators",
        "bob@pve",
        two(),
        [change("user", userid="bob@pve", expire=str(NOW - 5))],
    ),
    Way(
        "let one expire within hours",
        "administrators",
        "bob@pve",
        two(),
        [change("user", userid="bob@pve", expire=str(NOW + 3600))],
    ),
    Way("one expires tonight anyway", "administrators", "bob@pve", two(has("bob@pve", expire=NOW + 60)), HARMLESS),
    Way(
        "take one out of the group",
        "administrators",
        "bob@pve",
        two(),
        [change("user", userid="bob@pve", groups=["ops"])],
    ),
    Way(
        "delete the group",
        "administrators",
        "alice@pve",
        two(),
        [change("group", "delete", groupid="admins", state="absent")],
    ),
    Way("revoke the group's role", "administrators", "alice@pve", two(), [revoke("admins")]),
    Way(
        "the group's role does not propagate any more",
        "administrators",
        "alice@pve",
        two(),
        [grant("admins", "Administrator", propagate=False)],
    ),
    Way("NoAccess on /", "administrators", "alice@pve", two(), [grant("admins", "NoAccess")]),
    Way("NoAccess on /access", "administrators", "alice@pve", two(), [grant("admins", "NoAccess", "/access")]),
    Way(
        "NoAccess on /access/groups, there only",
        "administrators",
        "alice@pve",
        two(),
        [grant("admins", "NoAccess", "/access/groups", propagate=False)],
    ),
    Way(
        "a lesser role of one's own beats the group",
        "administrators",
        "bob@pve",
        two(),
        [grant("bob@pve", "PVEAuditor", kind="user")],
    ),
    Way(
        "a lesser role on a deeper path replaces the great one",
        "administrators",
        "alice@pve",
        two(),
        [grant("admins", "PVEAdmin", "/access")],
    ),
    Way(
        "delete the role",
        "administrators",
        "alice@pve",
        two(plus("roles", BOSS), granted("admins", "Boss")),
        [change("role", "delete", roleid="Boss", state="absent")],
    ),
    Way(
        "the role loses a privilege",
        "administrators",
        "alice@pve",
        two(plus("roles", BOSS), granted("admins", "Boss")),
        [change("role", roleid="Boss", privs=[name for name in PRIVS if name != "Permissions.Modify"])],
    ),
    Way(
        "the realm of one is deleted",
        "administrators",
        "bob@corp",
        two(plus("realms", realm("corp", "pve")), moved("bob@pve", "bob@corp")),
        [change("realm", "delete", realm="corp", state="absent")],
    ),
    Way("the realm of one does not exist", "administrators", "bob@gone", two(moved("bob@pve", "bob@gone")), HARMLESS),
    Way(
        "the second is a service account",
        "administrators",
        "",
        two(),
        HARMLESS,
        as_automation(services=frozenset({"bob@pve"})),
    ),
    Way(
        "only tokens are left",
        "administrators",
        "alice@pve",
        two(has("alice@pve", tokens=[token("a")]), has("bob@pve", tokens=[token("b")])),
        [disable("alice@pve"), disable("bob@pve")],
    ),
    Way("break glass is the second", "administrators", "bob@pve", two(), [disable("bob@pve")], as_automation()),
    Way(
        "disable root before the others have a role",
        "administrators",
        "root@pam",
        two(has("root@pam", enable=True), has("bob@pve", enable=False)),
        [disable("root@pam"), change("user", userid="bob@pve", enabled=True)],
    ),
    Way(
        "swap in the wrong order",
        "administrators",
        "bob@pve",
        two(),
        [delete("bob@pve"), newcomer("dora@pve")],
    ),
    Way(
        "the new one gets no password",
        "administrators",
        "dora@pve",
        fresh(),
        [*START, newcomer("alice@pve"), newcomer("dora@pve", password=False), disable("root@pam")],
        as_root(),
    ),
    Way(
        "the new ones are created disabled",
        "administrators",
        "dora@pve",
        fresh(),
        [*START, newcomer("alice@pve"), newcomer("dora@pve", enabled=False), disable("root@pam")],
        as_root(),
    ),
    Way(
        "the new one is of realm pam without a Unix account",
        "administrators",
        "dora@pam",
        fresh(),
        [*START, newcomer("alice@pve"), newcomer("dora@pam"), disable("root@pam")],
        as_root(),
    ),
    Way(
        "the Unix account has no usable password on one node",
        "administrators",
        "bob@pam",
        two(moved("bob@pve", "bob@pam")),
        HARMLESS,
        as_automation(
            nodes={
                "pve1": {"unix_users": {"bob": {"usable_password": True}}},
                "pve2": {"unix_users": {"bob": {"usable_password": False}}},
            }
        ),
    ),
    Way(
        "the root password is locked",
        "administrators",
        "root@pam",
        two(has("root@pam", enable=True), without("bob@pve")),
        HARMLESS,
        as_automation(nodes=DISABLED_ROOT),
    ),
    Way(
        "one named person only",
        "administrators",
        "",
        fresh(),
        [*START, newcomer("alice@pve"), disable("root@pam")],
        as_root(),
    ),
    Way("nobody named at all", "administrators", "root@pam", fresh(), [*START, disable("root@pam")], as_root()),
    Way(
        "one is locked after wrong codes",
        "administrators",
        "bob@pve",
        two(has("bob@pve", tfa=["totp"], tfa_locked_until=NOW + DAY)),
        HARMLESS,
    ),
    Way(
        "one has only a locked TOTP",
        "administrators",
        "bob@pve",
        two(has("bob@pve", tfa=["totp"], totp_locked=True)),
        HARMLESS,
    ),
    Way(
        "all others need a directory",
        "local-administrator",
        "alice@pve",
        two(
            plus("users", user("carol@ldap", groups=["admins"]), user("dan@ldap", groups=["admins"])),
            without("bob@pve"),
        ),
        [disable("alice@pve")],
    ),
    Way("break glass is deleted", "break-glass", "breakglass@pve", working(), [delete("breakglass@pve")]),
    Way("break glass is disabled", "break-glass", "breakglass@pve", working(), [disable("breakglass@pve")]),
    Way(
        "break glass expires soon",
        "break-glass",
        "breakglass@pve",
        working(),
        [change("user", userid="breakglass@pve", expire=str(NOW + 30 * DAY))],
    ),
    Way(
        "break glass loses its role",
        "break-glass",
        "breakglass@pve",
        working(),
        [revoke("breakglass@pve", kind="user")],
    ),
    Way(
        "break glass needs a directory",
        "break-glass",
        "breakglass@ldap",
        two(moved("breakglass@pve", "breakglass@ldap")),
        HARMLESS,
        as_automation(break_glass="breakglass@ldap"),
    ),
    Way(
        "break glass is new and gets no password",
        "break-glass",
        "new@pve",
        working(),
        [newcomer("new@pve", password=False, groups=["admins"])],
        as_automation(break_glass="new@pve"),
    ),
    Way(
        "no break glass when something is taken away",
        "break-glass",
        "",
        working(),
        [disable("admin@pve")],
        as_automation(break_glass=None),
    ),
    Way("a factor for break glass, who has none", "second-factor", "breakglass@pve", working(), [factor("pve")]),
    Way("a factor for root, who has none", "second-factor", "root@pam", working(), [factor("pam")]),
    Way("a factor for bob, who has none", "second-factor", "bob@pve", working(), [factor("pve")]),
    Way(
        "a factor, and what bob has is another one",
        "second-factor",
        "bob@pve",
        two(has("bob@pve", tfa=["webauthn", "recovery"])),
        [factor("pve")],
    ),
    Way(
        "a factor, and bob's may not be seen",
        "second-factor",
        "bob@pve",
        two(has("bob@pve", tfa=None)),
        [factor("pve")],
    ),
    Way(
        "a factor for somebody who is just being created",
        "second-factor",
        "dora@pve",
        working(),
        [newcomer("dora@pve"), factor("pve")],
    ),
    Way(
        "a factor that needs a key",
        "second-factor",
        "alice@pve",
        working(),
        [factor("pve", "yubico")],
    ),
    Way("the owner of the token is disabled", "credential", "iac@pve!run", working(), [disable("iac@pve")]),
    Way("the owner of the token is deleted", "credential", "iac@pve!run", working(), [delete("iac@pve"), *HARMLESS]),
    Way(
        "the token is deleted",
        "credential",
        "iac@pve!run",
        working(),
        [change("token", "delete", userid="iac@pve", name="run", state="absent")],
    ),
    Way(
        "the token expires",
        "credential",
        "iac@pve!run",
        working(),
        [change("token", userid="iac@pve", name="run", expire=str(NOW + 60))],
    ),
    Way("the token's role is revoked", "credential", "iac@pve!run", working(), [revoke("iac@pve!run", kind="token")]),
    Way(
        "the owner's role is revoked",
        "credential",
        "iac@pve!run",
        working(),
        [revoke("iac@pve", kind="user"), *HARMLESS],
    ),
    Way(
        "the token gets privilege separation and has no role",
        "credential",
        "alice@pve!a",
        two(has("alice@pve", tokens=[token("a")])),
        [change("token", userid="alice@pve", name="a", privsep=True)],
        as_automation(user="alice@pve", token="a"),
    ),
    Way(
        "the credential may not do it in the first place",
        "credential",
        "iac@pve!run",
        two(granted("iac@pve!run", "PVEAuditor")),
        HARMLESS,
    ),
    Way(
        "root's own session disables root",
        "credential",
        "root@pam",
        fresh(),
        [*START, newcomer("alice@pve"), newcomer("bob@pve"), disable("root@pam")],
        as_root(),
    ),
    Way(
        "the session's realm begins to ask for a factor",
        "credential",
        "alice@pve",
        two(has("bob@pve", tfa=["totp"]), has("breakglass@pve", tfa=["totp"])),
        [factor("pve"), *HARMLESS],
        as_automation(user="alice@pve", token=None, services=frozenset({"iac@pve"})),
    ),
    Way(
        "the second is not declared as a person",
        "administrators",
        "terraform@pve",
        two(plus("users", ROBOT)),
        [disable("bob@pve")],
    ),
    Way(
        "nobody is declared as a person",
        "administrators",
        "bob@pve",
        two(),
        [disable("admin@pve")],
        as_automation(people=frozenset()),
    ),
    Way(
        "a robot is left when a grant costs the people their role",
        "administrators",
        "terraform@pve",
        two(plus("users", ROBOT, ROBOT | {"userid": "other@pve"})),
        [grant("alice@pve", "PVEAdmin", "/access", kind="user"), grant("bob@pve", "PVEAdmin", kind="user")],
    ),
    Way(
        "the owner of the token in use is not declared",
        "administrators",
        "iac@pve",
        two(),
        [disable("bob@pve")],
    ),
    Way(
        "a pam account without facts of the nodes",
        "administrators",
        "bob@pam",
        two(moved("bob@pve", "bob@pam")),
        HARMLESS,
    ),
    Way(
        "a new pam account gets its password on one node only",
        "administrators",
        "dora@pam",
        fresh(),
        [*START, newcomer("alice@pve"), newcomer("dora@pam"), disable("root@pam")],
        as_root(),
    ),
    Way(
        "a new pam account, and the nodes show no password",
        "administrators",
        "dora@pam",
        two(),
        [newcomer("dora@pam"), disable("bob@pve")],
        as_automation(nodes={"pve1": {"unix_users": {"dora": {"usable_password": False}}}}),
    ),
    Way(
        "the break-glass account is of realm pam, without facts",
        "break-glass",
        "breakglass@pam",
        two(moved("breakglass@pve", "breakglass@pam")),
        HARMLESS,
        as_automation(break_glass="breakglass@pam"),
    ),
    Way(
        "the root password is going to be locked",
        "administrators",
        "root@pam",
        two(has("root@pam", enable=True)),
        [disable("bob@pve")],
        as_automation(root_locked=True),
    ),
    Way(
        "the root password is going to be locked, and nothing else changes",
        "administrators",
        "root@pam",
        two(has("root@pam", enable=True), without("bob@pve")),
        [],
        as_automation(root_locked=True, nodes=PAM_FACTS),
    ),
    Way(
        "root with a locked password is the break-glass account",
        "break-glass",
        "root@pam",
        two(has("root@pam", enable=True)),
        [],
        as_automation(root_locked=True, break_glass="root@pam"),
    ),
    Way(
        "root's password is going to be locked without a break-glass account",
        "break-glass",
        "",
        two(),
        [],
        as_automation(root_locked=True, break_glass=None),
    ),
    Way(
        "root locks the password it has logged in with",
        "credential",
        "root@pam",
        two(has("root@pam", enable=True)),
        [],
        as_root(root_locked=True),
    ),
    Way(
        "let one expire in six days",
        "administrators",
        "bob@pve",
        two(),
        [change("user", userid="bob@pve", expire=str(NOW + 6 * DAY))],
    ),
    Way(
        "everybody expires within three months",
        "administrators",
        "alice@pve",
        two(has("alice@pve", expire=NOW + 89 * DAY)),
        [shrink("bob@pve", expire=str(NOW + 89 * DAY))],
    ),
    *(
        Way(
            f"bob's own {role} on {path}{'' if propagate else ', there only'}",
            "administrators",
            "bob@pve",
            two(),
            [grant("bob@pve", role, path, kind="user", propagate=propagate)],
        )
        for role in ("NoAccess", "PVEAuditor", "PVEAdmin")
        for path in ("/access", "/nodes", "/vms", "/storage", "/access/groups/ops", "/access/realm/pve")
        for propagate in (True, False)
        if role == "NoAccess" or path.startswith("/access")
    ),
    Way(
        "NoAccess on /vms for break glass",
        "break-glass",
        "breakglass@pve",
        two(),
        [grant("breakglass@pve", "NoAccess", "/vms", kind="user")],
    ),
    *(
        Way(f"{kind} may not be seen", "not-visible", kind, two(hidden(kind)), HARMLESS)
        for kind in ("users", "groups", "acl")
    ),
]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_way_to_lock_out_is_stopped(way: Way) -> None:
    before = copy.deepcopy(way.identity)
    found = [lockout for lockout in find_lockouts(way.identity, way.changes, way.context) if lockout.rule == way.rule]
    assert found
    named = {name for lockout in found for name in lockout.who}
    assert not way.who or way.who in named, found
    assert all(lockout.sentence.endswith(".") and lockout.as_dict()["who"] == list(lockout.who) for lockout in found)
    assert way.identity == before


def test_there_are_many_ways() -> None:
    assert len({way.name for way in WAYS}) == len(WAYS) >= 50


BEST = "Administrator"
TOKEN_ROOT = two(has("root@pam", enable=True, tokens=[token("ci")]))


class Plan(NamedTuple):
    """A legitimate plan."""

    name: str
    identity: Identity
    changes: list[Change]
    context: GuardContext = as_automation()


RIGHT = [
    Plan("twins by case where case counts", with_ldap("carol@ldap", "Carol@ldap"), NO_ROOT),
    Plan("one of a directory without case", with_ldap("carol@ldap", case=False), NO_ROOT),
    Plan(
        "a new one that the directory is known to have",
        with_ldap(),
        [newcomer("dan@ldap"), *NO_ROOT],
        as_automation(directory_users=frozenset({"dan@ldap"})),
    ),
    Plan("nothing to do, whatever the state", fresh(), [], as_root(break_glass=None)),
    Plan("a harmless change", working(), HARMLESS),
    Plan("adding needs no break glass", working(), [newcomer("dora@pve")], as_automation(break_glass=None)),
    Plan("disable a shared account and root", working(), [disable("admin@pve"), disable("root@pam")]),
    Plan("replace an administrator", two(), [newcomer("dora@pve"), delete("bob@pve")]),
    Plan(
        "a fresh cluster, root stays",
        fresh(),
        [*START, newcomer("alice@pve"), newcomer("bob@pve")],
        as_root(),
    ),
    Plan(
        "root is disabled by somebody else's token",
        two(has("root@pam", enable=True)),
        [disable("root@pam")],
    ),
    Plan(
        "a factor that everybody has",
        two(has("bob@pve", tfa=["totp", "recovery"]), has("breakglass@pve", tfa=["totp"])),
        [factor("pve")],
        as_automation(services=frozenset({"iac@pve"})),
    ),
    Plan(
        "an administrator becomes an operator of the guests too",
        two(),
        [grant("ops", "PVEVMAdmin", "/vms"), change("user", userid="bob@pve", groups=["ops"], groups_append=True)],
    ),
    Plan("a factor that is not asked for any more", working(), [factor("pve", "none")]),
    Plan(
        "a factor for a realm whose users all leave",
        two(has("root@pam", enable=True)),
        [factor("pam"), disable("root@pam")],
    ),
    Plan(
        "new persons of realm pam with passwords on the nodes",
        fresh(),
        [*START, newcomer("alice@pam"), newcomer("dora@pve")],
        as_root(nodes=PAM_FACTS),
    ),
    Plan(
        "a person of realm pam on all nodes",
        two(moved("alice@pve", "alice@pam")),
        HARMLESS,
        as_automation(nodes=PAM_FACTS),
    ),
    Plan(
        "persons of a directory beside one of our own",
        two(plus("users", user("carol@ldap", groups=["admins"]))),
        [disable("bob@pve")],
    ),
    Plan(
        "an expiry in a year",
        two(),
        [change("user", userid="bob@pve", expire=str(NOW + 365 * DAY))],
    ),
    Plan("one role becomes another one like it", two(plus("roles", BOSS)), [grant("admins", "Boss"), revoke("admins")]),
    Plan("more on a guest is no less elsewhere", two(), [grant("admins", "PVEVMAdmin", "/vms/100")]),
    Plan("NoAccess on a guest", two(), [grant("admins", "NoAccess", "/vms/100")]),
    *(
        Plan(f"NoAccess on {path}", two(), [grant("admins", "NoAccess", path)])
        for path in ("/nodes/pve1", "/storage/local", "/pool", "/access/groups/gone", "/access/realm/gone")
    ),
    *(
        Plan(f"NoAccess on {path} for others", two(), [grant("ops", "NoAccess", path)])
        for path in ("/access", "/nodes", "/vms", "/storage", "/access/groups/admins", "/access/realm/pve")
    ),
    *(
        Plan(f"Administrator once more on {path}, there only", two(), [grant("admins", BEST, path, propagate=False)])
        for path in ("/access", "/nodes", "/vms", "/access/realm/pve")
    ),
    Plan(
        "a group's lesser role, and one's own",
        two(),
        [grant("alice@pve", BEST, kind="user"), grant("alice@pve", BEST, "/vms", "user"), grant("ops", "NoAccess")],
    ),
    Plan(
        "who has logged in with a password is a person",
        two(has("breakglass@pve", tfa=["totp"])),
        [disable("admin@pve")],
        as_automation(user="alice@pve", token=None, people=frozenset({"bob@pve"})),
    ),
    Plan(
        "root is a person",
        two(has("root@pam", enable=True)),
        [disable("bob@pve")],
    ),
    Plan("other accounts count when nothing is taken away", two(), HARMLESS, as_automation(people=frozenset())),
    Plan(
        "the root password is locked, and two people stay",
        two(has("root@pam", enable=True)),
        [disable("root@pam")],
        as_automation(root_locked=True),
    ),
    Plan(
        "the root password is locked already",
        two(without("bob@pve")),
        [],
        as_automation(root_locked=True, nodes=DISABLED_ROOT, break_glass=None),
    ),
    Plan(
        "root's token is good when its password is locked", TOKEN_ROOT, HARMLESS, as_root(token="ci", root_locked=True)
    ),
    Plan(
        "one expires soon, and one does not",
        two(has("alice@pve", expire=NOW + 91 * DAY)),
        [shrink("bob@pve", expire=str(NOW + 8 * DAY))],
    ),
    Plan(
        "everybody expires within three months, and nothing is taken away",
        two(has("alice@pve", expire=NOW + 60 * DAY), has("bob@pve", expire=NOW + 60 * DAY)),
        HARMLESS,
    ),
    Plan("another token is deleted", two(), [change("token", "delete", userid="bob@pve", name="x", state="absent")]),
]


@pytest.mark.parametrize("plan", RIGHT, ids=lambda plan: plan.name)
def test_right_plan_goes_through(plan: Plan) -> None:
    assert find_lockouts(plan.identity, plan.changes, plan.context) == []


def guarded(identity: Identity, declaration: dict[str, Any], context: GuardContext) -> list[Lockout]:
    """Plan a declaration and guard it, as the module does."""
    plan = plan_identity(identity, declaration, NOW)
    return find_lockouts(identity, plan.changes, context)


def test_first_set_up_by_root_with_root_to_be_disabled_stops_and_says_what_to_do() -> None:
    declaration = declared(shared_accounts=["root@pam"])
    (found,) = guarded(fresh(), declaration, as_root(services=frozenset({"iac@pve"})))
    assert (found.rule, found.who) == ("credential", ("root@pam",))
    assert "Run first without the change that does this, then again with the account or token" in found.sentence
    assert "alice@pve" in found.sentence


def test_first_set_up_in_two_runs_goes_through() -> None:
    first = plan_identity(fresh(), declared(), NOW)
    services = first.wanted.of_kind(SERVICE)
    assert find_lockouts(fresh(), first.changes, as_root(services=services)) == []
    second = guarded(working(), declared(shared_accounts=["root@pam", "admin@pve"]), as_automation(services=services))
    assert second == []


def test_undeclared_automation_is_not_removed_by_its_own_token() -> None:
    found = guarded(working(), declared(service_accounts=[], undeclared="remove"), as_automation())
    assert {lockout.rule for lockout in found} == {"credential"}


# Why somebody is passed over, in words.
SAID: list[tuple[str, Identity, list[Change], GuardContext, str]] = [
    (
        "twins",
        with_ldap("carol@ldap", "Carol@ldap", case=False),
        NO_ROOT,
        as_automation(),
        "carol@ldap differs by case only from Carol@ldap, which the realm ldap does not tell apart, so that neither",
    ),
    (
        "a new one of a directory",
        with_ldap(),
        [newcomer("dan@ldap"), *NO_ROOT],
        as_automation(),
        "dan@ldap is new, and nothing tells that the directory behind the realm has this person: give directory_users",
    ),
    (
        "an undeclared account",
        two(plus("users", ROBOT)),
        [disable("bob@pve")],
        as_automation(services=frozenset({"iac@pve"})),
        "only alice@pve would be left; 2 are needed besides the break-glass account. "
        "Not counted: root@pam is disabled, terraform@pve is not declared as a person.",
    ),
    (
        "a pam account",
        two(moved("bob@pve", "bob@pam")),
        HARMLESS,
        as_automation(services=frozenset({"iac@pve"})),
        "Not counted: bob@pam is a pam account, and nothing tells whether it has a usable Unix password: give nodes, "
        "which the role named_users gathers",
    ),
    (
        "a locked root",
        two(has("root@pam", enable=True), without("bob@pve")),
        [],
        as_automation(root_locked=True, services=frozenset({"iac@pve"})),
        "Not counted: root@pam will have its Unix password locked.",
    ),
    (
        "nothing on the guests",
        two(),
        [grant("alice@pve", "NoAccess", "/vms", kind="user"), disable("admin@pve")],
        as_automation(services=frozenset({"iac@pve"})),
        "Not counted: alice@pve has no privilege on /vms",
    ),
    (
        "soon",
        two(has("alice@pve", expire=NOW + 60 * DAY), has("bob@pve", expire=NOW + 60 * DAY)),
        [disable("admin@pve")],
        as_automation(services=frozenset({"iac@pve"})),
        "At the end every administrator who can log in would expire within 90 days: alice@pve, bob@pve.",
    ),
]


@pytest.mark.parametrize("case", SAID, ids=lambda case: case[0])
def test_sentence_says_why_somebody_does_not_count(case: tuple[str, Identity, list[Change], GuardContext, str]) -> None:
    _name, identity, changes, context, expected = case
    sentences = [lockout.sentence for lockout in find_lockouts(identity, changes, context)]
    assert any(expected in sentence for sentence in sentences), sentences


def test_those_who_do_not_count_are_no_administrators_before_or_after() -> None:
    identity = two(plus("users", ROBOT))
    context = as_automation(services=frozenset({"iac@pve"}))
    both = ["alice@pve", "bob@pve"]
    assert administrators_of(identity, HARMLESS, context) == ([*both, "terraform@pve"], [*both, "terraform@pve"])
    assert administrators_of(identity, [disable("bob@pve")], context) == (both, ["alice@pve"])


@pytest.mark.parametrize("nodes", [{"pve1": None}, {"pve1": {}}, {"pve1": {"unix_users": {"a": True}}}])
def test_facts_of_another_shape_are_refused(nodes: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"nodes\.pve1 must be like"):
        check_nodes(nodes)


def test_what_stands_in_the_tables_is_whole() -> None:
    assert snapshot([])["users"] == [] and acl("/", "user", "a@pve", "X")["propagate"]


POOL = {
    "/vms/100": ["VM.Allocate", "VM.Audit", "VM.PowerMgmt"],
    "/pool/lab": ["VM.Allocate", "VM.Audit", "VM.PowerMgmt"],
}
ON_GUEST = grant("ops", "PVEVMAdmin", "/vms/100")
IN_POOL = acl("/pool/lab", "user", "lead@pve", "PVEVMAdmin")


@pytest.mark.parametrize(
    ("own", "entries", "missing"),
    [
        ({}, [IN_POOL], "Permissions.Modify on /vms/100"),
        (POOL, [IN_POOL], None),
        (POOL, [], "Permissions.Modify on /vms/100"),
        (POOL, [acl("/pool/lab", "user", "lead@pve", "PVEAuditor")], "Permissions.Modify on /vms/100"),
        (POOL, [IN_POOL, acl("/vms", "user", "lead@pve", "NoAccess")], "Permissions.Modify on /vms/100"),
        ({**POOL, "/vms/100": ["VM.Audit"]}, [IN_POOL], "Permissions.Modify on /vms/100"),
    ],
)
def test_rights_through_pools_count(own: dict[str, list[str]], entries: list[Any], missing: str | None) -> None:
    directory = directory_of(snapshot([user("lead@pve")], groups=["ops"], acl=entries))
    assert missing_privilege(directory, GuardContext("lead@pve", None, NOW, own=own), ON_GUEST) == missing
