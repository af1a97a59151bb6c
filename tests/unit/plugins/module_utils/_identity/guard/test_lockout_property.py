# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever passes the guard leaves two administrators after every change, by an independent account of the changes.

The changes are made on plain dictionaries here and judged by the simulator's permissions: nothing is shared with the
guard but the table of privileges.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ansible_collections.pve.audit.plugins.module_utils._identity.access import directory_of
from ansible_collections.pve.audit.plugins.module_utils._identity.guard.lockout import find_lockouts
from ansible_collections.pve.audit.plugins.module_utils._identity.guard.people import (
    GuardContext,
    administrators,
    break_glass_obstacle,
)
from ansible_collections.pve.audit.plugins.module_utils._identity.guard.state import apply_change
from ansible_collections.pve.audit.plugins.module_utils._identity.guard.walk import walk
from ansible_collections.pve.audit.plugins.module_utils._identity.plan.build import DeclarationError, plan_identity
from ansible_collections.pve.audit.plugins.module_utils._identity.plan.declaration import PERSON
from tests.lab.permissions import Permissions
from tests.lab.usercfg import parse_user_config
from tests.unit.plugins.module_utils._identity.identities import (
    DAY,
    NOW,
    PRIVS,
    acl,
    as_automation,
    declared,
    user,
    working,
)

Change = dict[str, Any]
PEOPLE = ("root@pam", "alice@pve", "bob@pve", "carol@ldap", "admin@pve", "new@pve")
STRICT_PEOPLE = ("alice@pve", "bob@pve", "carol@ldap", "pia@pam", "new@pve")
PATHS = ("/", "/access", "/access/groups", "/nodes", "/vms", "/storage", "/access/groups/ops", "/access/realm/pve")
TREES = ("/nodes", "/vms", "/storage")
ELSEWHERE = "/no/entry/names/this"
REPAIR = [
    *((path, "Permissions.Modify") for path in ("/access", "/access/groups", "/access/realm")),
    ("/access/groups", "User.Modify"),
    ("/access/realm", "Realm.AllocateUser"),
]


class Naive:
    """The identity as a user.cfg that is written anew for every question."""

    def __init__(self, identity: dict[str, Any]) -> None:
        self.enabled = {row["userid"]: row["enable"] for row in identity["users"]}
        self.realms = [row["realm"] for row in identity["realms"]]
        self.groups = {row["groupid"]: set(row["users"]) for row in identity["groups"]}
        self.acl = {(row["path"], row["type"], row["ugid"], row["roleid"]): row["propagate"] for row in identity["acl"]}
        self.password = dict.fromkeys(self.enabled, True)
        self.expire = dict.fromkeys(self.enabled, 0)

    def make(self, change: Change) -> None:
        """Make one change."""
        options = change["options"]
        gone = options.get("state") == "absent"
        if change["object"] == "user":
            self._user(options["userid"], options, gone, change)
        elif change["object"] == "group":
            if gone:
                del self.groups[options["groupid"]]
                self.acl = {key: flag for key, flag in self.acl.items() if key[1:3] != ("group", options["groupid"])}
            else:
                self.groups.setdefault(options["groupid"], set())
        elif change["object"] == "acl":
            key = tuple(options[name] for name in ("path", "type", "ugid", "roleid"))
            if gone:
                self.acl.pop(key, None)
            else:
                self.acl[key] = options["propagate"]

    def _user(self, name: str, options: dict[str, Any], gone: bool, change: Change) -> None:
        if gone:
            del self.enabled[name]
            self.acl = {key: flag for key, flag in self.acl.items() if key[1:3] != ("user", name)}
        elif name not in self.enabled:
            self.enabled[name] = True
            self.password[name] = bool(change.get("sets_password"))
            self.expire[name] = 0
        if not gone and "enabled" in options:
            self.enabled[name] = options["enabled"]
        if not gone and "expire" in options:
            self.expire[name] = int(options["expire"])
        for group, members in self.groups.items():
            if gone or ("groups" in options and not options.get("groups_append")):
                members.discard(name)
            if not gone and group in options.get("groups", ()):
                members.add(name)

    def administrators(self) -> set[str]:
        """People who can log in and repair everything."""
        lines = [f"user:{name}:{int(flag)}:0::::::" for name, flag in self.enabled.items()]
        lines += [f"group:{name}:{','.join(members)}::" for name, members in self.groups.items()]
        for (path, kind, ugid, role), flag in self.acl.items():
            lines.append(f"acl:{int(flag)}:{path}:{'@' if kind == 'group' else ''}{ugid}:{role}:")
        permissions = Permissions(parse_user_config("\n".join(lines)))
        below = [
            *((f"/access/groups/{name}", "User.Modify") for name in self.groups),
            *((f"/access/realm/{name}", "Realm.AllocateUser") for name in self.realms),
        ]
        needed = [*REPAIR, *below, *((path, "Permissions.Modify") for path, _priv in below)]
        return {
            name
            for name, flag in self.enabled.items()
            if flag
            and self.password[name]
            and not 0 < self.expire[name] < NOW + 7 * DAY
            and name in (*PEOPLE, *STRICT_PEOPLE)
            and all(priv in permissions.of(name, path) for path in ("/", ELSEWHERE) for priv in PRIVS)
            and all(priv in permissions.of(name, path) for path, priv in needed)
            and all(permissions.of(name, path) and permissions.of(name, f"{path}/1") for path in TREES)
        }


def _change(kind: str, phase: int, more: dict[str, Any], **options: Any) -> Change:
    return {"object": kind, "phase": phase, "id": "", "action": "update", "options": options, "sentence": "It."} | more


USERS = st.sampled_from(PEOPLE[:5])
SWITCH = st.builds(lambda name, flag: _change("user", 11, {}, userid=name, enabled=flag), USERS, st.booleans())
DELETE = st.builds(
    lambda name: _change("user", 12, {"action": "delete"}, userid=name, state="absent"),
    st.sampled_from(PEOPLE[1:5]),
)
MEMBER = st.builds(
    lambda name, groups, append: _change("user", 9, {}, userid=name, groups=groups, groups_append=append),
    st.sampled_from(PEOPLE[1:5]),
    st.lists(st.sampled_from(("admins", "ops")), unique=True),
    st.booleans(),
)
CREATE = st.builds(
    lambda password: _change(
        "user", 3, {"action": "create", "sets_password": password}, userid="new@pve", groups=["admins"], enabled=True
    ),
    st.booleans(),
)
GRANT = st.builds(
    lambda path, target, role, flag, state: _change(
        "acl", 4, {}, path=path, type=target[0], ugid=target[1], roleid=role, propagate=flag, state=state
    ),
    st.sampled_from(PATHS),
    st.sampled_from((("group", "admins"), ("group", "ops"), ("user", "alice@pve"), ("user", "bob@pve"))),
    st.sampled_from(("Administrator", "NoAccess", "PVEAuditor")),
    st.booleans(),
    st.sampled_from(("present", "present", "absent")),
)


EXPIRE = st.builds(
    lambda name, days: _change("user", 9, {}, userid=name, expire=str(NOW + days * DAY)),
    st.sampled_from(PEOPLE[1:5]),
    st.sampled_from((1, 6, 8, 60, 100)),
)
USABLE = st.sampled_from((None, True, False))


def possible(changes: list[Change], identity: dict[str, Any]) -> bool:
    """Proxmox VE would refuse what is done to somebody who is not there."""
    there = {row["userid"] for row in identity["users"]}
    for change in changes:
        name = change["options"].get("userid") or change["options"].get("ugid")
        if change["object"] == "user" and (change["action"] == "create") == (name in there):
            return False
        if change["object"] == "acl" and change["options"]["type"] == "user" and name not in there:
            return False
        if change["action"] == "create":
            there.add(name)
        elif change["action"] == "delete":
            there.remove(name)
    return True


def check(identity: dict[str, Any], changes: list[Change], context: GuardContext) -> bool:
    """If the guard lets the changes through, two administrators are left after each; True when it did."""
    if find_lockouts(identity, changes, context):
        return False
    naive = Naive(copy.deepcopy(identity))
    least = min(2, len(_counted(naive, context, changes)))
    for change in changes:
        naive.make(change)
        there = len(_counted(naive, context, changes))
        assert there >= least, change
        least = max(least, min(2, there))
    left = _counted(naive, context, changes)
    assert len(left) >= 2
    assert not _takes(changes) or any(not 0 < naive.expire[name] < NOW + 90 * DAY for name in left)
    return True


def _takes(changes: list[Change]) -> bool:
    return any(change["phase"] >= 7 for change in changes)


def _counted(naive: Naive, context: GuardContext, changes: list[Change]) -> set[str]:
    """Those of the administrators that the rules let count."""
    found = naive.administrators()
    if _takes(changes):
        found &= context.people | {"root@pam"}
    usable = [facts["unix_users"] for facts in context.nodes.values()]
    if context.root_locked or any(not users.get("root", {}).get("usable_password") for users in usable):
        found.discard("root@pam")
    if not usable or any(not users.get("pia", {}).get("usable_password") for users in usable):
        found.discard("pia@pam")
    return found


def with_few() -> dict[str, Any]:
    """Alice and bob are the only administrators besides break glass."""
    identity = working()
    identity["users"] = [row for row in identity["users"] if row["userid"] not in ("carol@ldap", "admin@pve")]
    for row in (*identity["users"], *identity["groups"]):
        if "enable" in row:
            row["enable"] = row["userid"] != "root@pam"
        else:
            row["users"] = [name for name in row["users"] if name in ("alice@pve", "bob@pve")]
    return identity


def _grant(path: str, group: str, role: str, propagate: bool) -> Change:
    options = {"path": path, "type": "group", "ugid": group, "roleid": role, "propagate": propagate}
    return _change("acl", 4, {}, **options, state="present")


# On the groups below only the lesser role is left, although no entry names them.
ONLY_THERE = [
    _grant("/access/groups", "admins", role, propagate)
    for role, propagate in (("Administrator", False), ("PVEAuditor", True))
]
# What ops has on / alone takes nothing from what admins has below.
OF_TWO_GROUPS = [
    *(_change("user", 9, {}, userid=f"{name}@pve", groups=["ops"], groups_append=True) for name in ("alice", "bob")),
    _grant("/", "ops", "Administrator", False),
]


def test_a_lesser_role_on_groups_that_no_entry_names_is_refused() -> None:
    assert not check(with_few(), ONLY_THERE, as_automation())


def test_a_role_of_two_groups_reaches_as_far_as_one_of_them() -> None:
    assert check(with_few(), OF_TWO_GROUPS, as_automation())


@settings(max_examples=600)
@given(
    changes=st.lists(st.one_of(SWITCH, DELETE, MEMBER, CREATE, GRANT), min_size=1, max_size=6),
    start=st.sampled_from((working, with_few)),
)
def test_any_changes_that_pass_leave_two_administrators(
    changes: list[Change], start: Callable[[], dict[str, Any]]
) -> None:
    identity = start()
    assume(possible(changes, identity))
    check(identity, changes, as_automation(services=frozenset({"iac@pve"})))


def with_pia() -> dict[str, Any]:
    """Few administrators, one of them of realm pam, and root is enabled."""
    identity = with_few()
    identity["users"].append(user("pia@pam", groups=["admins"]))
    identity["groups"][0]["users"].append("pia@pam")
    for row in identity["users"]:
        row["enable"] = True
    return identity


@settings(max_examples=300)
@given(
    changes=st.lists(st.one_of(SWITCH, DELETE, MEMBER, CREATE, GRANT, EXPIRE), max_size=4),
    start=st.sampled_from((working, with_few, with_pia)),
    people=st.lists(st.sampled_from(STRICT_PEOPLE), unique=True, min_size=1),
    root_locked=st.booleans(),
    usable=st.lists(st.tuples(USABLE, USABLE), max_size=2),
)
def test_only_those_who_are_known_to_be_people_are_relied_on(
    changes: list[Change],
    start: Callable[[], dict[str, Any]],
    people: list[str],
    root_locked: bool,
    usable: list[tuple[bool | None, bool | None]],
) -> None:
    identity = start()
    assume(possible(changes, identity) and (changes or root_locked))
    nodes = {
        f"pve{number}": {
            "unix_users": {
                name: {"usable_password": flag}
                for name, flag in zip(("root", "pia"), flags, strict=True)
                if flag is not None
            }
        }
        for number, flags in enumerate(usable)
    }
    context = as_automation(people=frozenset(people), root_locked=root_locked, nodes=nodes)
    if changes or context.locks_root:
        check(identity, changes, context)


@settings(max_examples=200)
@given(
    people=st.lists(st.sampled_from(("alice", "bob", "admin", "new")), unique=True, min_size=1),
    groups=st.lists(st.sampled_from(("admins", "ops")), unique=True),
    states=st.lists(st.sampled_from((None, "present", "disabled", "absent")), min_size=4, max_size=4),
    shared=st.lists(st.sampled_from(("root@pam", "admin@pve", "carol@ldap")), unique=True),
    undeclared=st.sampled_from(("report", "disable", "remove")),
)
def test_any_declaration_that_passes_leaves_two_administrators(
    people: list[str], groups: list[str], states: list[str | None], shared: list[str], undeclared: str
) -> None:
    rows = [
        {"id": name, "groups": groups, "state": state, "password": "a long password"}
        for name, state in zip(people, states, strict=False)
    ]
    identity = working()
    declaration = declared(people=rows, shared_accounts=shared, undeclared=undeclared)
    declaration["groups"].append({"id": "ops"})
    try:
        plan = plan_identity(identity, declaration, NOW)
    except DeclarationError:
        return
    context = as_automation(services=frozenset({"iac@pve"}), people=plan.wanted.of_kind(PERSON))
    if plan.changes:
        check(identity, plan.changes, context)
    assert [change["phase"] for change in plan.changes] == sorted(change["phase"] for change in plan.changes)


GROUP = st.builds(
    lambda name, gone: _change("group", 14, {}, groupid=name, **({"state": "absent"} if gone else {})),
    st.sampled_from(("admins", "ops", "one", "two")),
    st.booleans(),
)
ROLE = st.builds(lambda privs: _change("role", 14, {}, roleid="PVEAuditor", privs=privs), st.sampled_from((PRIVS, [])))
REALM = st.builds(
    lambda gone: _change("realm", 7, {}, realm="ldap", **gone), st.sampled_from(({"state": "absent"}, {"tfa": "oath"}))
)
TWIN = st.builds(
    lambda gone: _change("user", 3, {}, userid="Carol@ldap", **({"state": "absent"} if gone else {})), st.booleans()
)


def without_groups() -> dict[str, Any]:
    """One group only, which an entry names, and a realm without case."""
    identity = working()
    identity["groups"] = [row for row in identity["groups"] if row["groupid"] == "admins"]
    identity["acl"].append(acl("/access/groups/admins", "group", "admins", "PVEAuditor"))
    identity["realms"][2]["case_sensitive"] = False
    return identity


@settings(max_examples=600)
@given(
    changes=st.lists(st.one_of(SWITCH, DELETE, MEMBER, CREATE, GRANT, GROUP, ROLE, REALM, TWIN, EXPIRE), max_size=8),
    start=st.sampled_from((working, with_few, without_groups)),
)
def test_a_walk_judges_whom_a_change_concerns(changes: list[Change], start: Callable[[], dict[str, Any]]) -> None:
    identity, context = start(), as_automation()
    for made, step in enumerate(walk(identity, changes, context)):
        directory = directory_of(identity)
        for change in changes[:made]:
            apply_change(directory, change)
        assert list(step.people) == administrators(directory, context)
        assert step.break_glass == break_glass_obstacle(directory, context)
        assert step.made == made
