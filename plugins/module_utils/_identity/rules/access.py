# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules about permissions, realms and guests: who holds too much, and what is left of those who are gone."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.pve.audit.plugins.module_utils._identity.access import ADMINISTRATOR, acl_object
from ansible_collections.pve.audit.plugins.module_utils._identity.administrators import way_to_administrator
from ansible_collections.pve.audit.plugins.module_utils._identity.rules.base import (
    Hit,
    IdentityFacts,
    IdentityRule,
    Row,
)
from ansible_collections.pve.audit.plugins.module_utils._model.names import ROOT, realm_of, split_token
from ansible_collections.pve.audit.plugins.module_utils._model.texts import counted, some


def _direct_grants(facts: IdentityFacts) -> Iterator[Hit]:
    for row in facts.identity["acl"]:
        if row["type"] != "user" or row["ugid"] == ROOT or not facts.policy.wants_details(row["ugid"]):
            continue
        if facts.complete("users") and facts.account(row["ugid"]) is None:
            continue  # acl-of-missing-object tells
        level = "MEDIUM" if row["roleid"] == ADMINISTRATOR else None
        text = f"{row['ugid']} has the role {row['roleid']} on {row['path']} directly, not through a group."
        yield Hit(acl_object(row), text, level)


def _too_many(facts: IdentityFacts) -> Iterator[Hit]:
    found = [name for name in facts.administrators if name not in facts.policy.break_glass]
    limit = facts.policy.max_administrators
    if len(found) > limit:
        yield Hit("/", f"{len(found)} accounts can do everything, {limit} are allowed: {some(found)}.")


def _climbers(facts: IdentityFacts) -> Iterator[Hit]:
    for name in facts.climbers:
        way = way_to_administrator(facts.directory, name)
        yield Hit(name, f"{name} is no administrator, but can become one alone, by {way}.")


def _dangling(facts: IdentityFacts) -> Iterator[Hit]:
    """Entries of users and groups stay in the file when those are gone; a new one of the same name gets them."""
    groups = {row["groupid"] for row in facts.identity["groups"]}
    for row in facts.identity["acl"]:
        if not _exists(facts, row, groups):
            text = f"the {row['type']} {row['ugid']} has the role {row['roleid']} on {row['path']}, but does not exist."
            yield Hit(acl_object(row), f"T{text[1:]}")


def _exists(facts: IdentityFacts, row: Row, groups: set[str]) -> bool:
    if row["type"] == "group":
        return row["ugid"] in groups
    owner, token = split_token(row["ugid"]) or (row["ugid"], None)
    account = facts.account(owner)
    return account is not None and (token is None or token in account.tokens)


def _ghost_members(facts: IdentityFacts) -> Iterator[Hit]:
    for group in facts.identity["groups"]:
        for userid in group["users"]:
            if facts.account(userid) is None:
                text = f"The group {group['groupid']} has the member {userid}, who does not exist."
                yield Hit(f"{group['groupid']} {userid}", text)


def _open_realms(facts: IdentityFacts) -> Iterator[Hit]:
    for row in facts.identity["realms"]:
        users = [one["userid"] for one in facts.active_users() if realm_of(one["userid"]) == row["realm"]]
        if row["type"] != "openid" and row["tfa_visible"] and not row["tfa"] and users:
            some_of = counted(len(users), "enabled user")
            text = f"The realm {row['realm']} asks for no second factor: a password is enough for its {some_of}."
            yield Hit(row["realm"], text)


def _left_behind(facts: IdentityFacts) -> Iterator[Hit]:
    for row in facts.identity["acl"]:
        kind, _slash, name = row["path"].strip("/").partition("/")
        if row["type"] == "user" and kind in ("vms", "pool") and name and facts.has_left(row["ugid"]):
            what = "guest" if kind == "vms" else "pool"
            text = f"{row['ugid']}, who may not log in any more, has the role {row['roleid']} on the {what} {name}."
            yield Hit(f"{what} {name}: {row['ugid']}", text)
    for guest, maker in sorted(facts.tally.makers.items()):
        others = facts.tally.users_of_guest.get(guest, set()) - {ROOT, maker}
        if facts.has_left(maker) and not any(not facts.has_left(other) for other in others):
            text = f"Guest {guest} was made by {maker}, who may not log in any more, and nobody else has used it since."
            yield Hit(f"guest {guest}", text)


def _no_tasks(facts: IdentityFacts) -> str | None:
    return None if facts.tally.tasks else "no tasks were given, so only permissions were looked at"


ACCESS_RULES = (
    IdentityRule(
        "direct-grant",
        "Permission of a user instead of a group",
        "LOW",
        "acl",
        "Grant the role to a group and make the user a member.",
        _direct_grants,
        needs=("acl",),
    ),
    IdentityRule(
        "too-many-administrators",
        "Too many administrators",
        "HIGH",
        "cluster",
        "Keep the role Administrator on / for the few who need it; give the others what their work needs.",
        _too_many,
        needs=("users", "groups", "roles", "acl"),
        partial=False,
    ),
    IdentityRule(
        "hidden-administrator",
        "Account that can make itself an administrator",
        "MEDIUM",
        "user",
        "Take Permissions.Modify and User.Modify away where the account does not need them; whoever may change all "
        "accounts may use any of them.",
        _climbers,
        needs=("users", "groups", "roles", "acl"),
        partial=False,
    ),
    IdentityRule(
        "acl-of-missing-object",
        "Permission of somebody who does not exist",
        "MEDIUM",
        "acl",
        "Remove the permission: whoever gets this name next gets the role with it.",
        _dangling,
        needs=("users", "groups", "acl"),
        partial=False,
    ),
    IdentityRule(
        "member-of-missing-user",
        "Group member who does not exist",
        "LOW",
        "group",
        "Remove the member: whoever gets this name next is in the group.",
        _ghost_members,
        needs=("users", "groups"),
        partial=False,
    ),
    IdentityRule(
        "realm-without-second-factor",
        "Realm that does not ask for a second factor",
        "LOW",
        "realm",
        "Have all users of the realm enrol TOTP, then require it for the realm; before that it locks them out.",
        _open_realms,
        needs=("realms", "users"),
    ),
    IdentityRule(
        "guest-of-leaver",
        "Guest of somebody who left",
        "MEDIUM",
        "guest",
        "Find the new owner, or remove the guest or the permission.",
        _left_behind,
        needs=("users", "acl"),
        missing=_no_tasks,
        missing_stops=False,
    ),
)
