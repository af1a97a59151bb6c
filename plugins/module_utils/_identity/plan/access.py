# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The changes of roles, groups, realms and permissions that a declaration asks for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._identity.access import NO_ACCESS, acl_object
from ansible_collections.pve.audit.plugins.module_utils._identity.change import (
    Change,
    Phase,
    Undeclared,
    change,
)
from ansible_collections.pve.audit.plugins.module_utils._identity.plan.declaration import (
    BREAK_GLASS,
    Declaration,
    Grant,
    GroupWish,
)
from ansible_collections.pve.audit.plugins.module_utils._model.names import ROOT
from ansible_collections.pve.audit.plugins.module_utils._model.texts import plain_text

Found = Iterator[Change | Undeclared]


def plan_roles(wanted: Declaration, identity: Mapping[str, Any]) -> Found:
    """Roles gain privileges first and lose them last."""
    existing = {row["roleid"]: set(row["privs"]) for row in identity["roles"]}
    for role in wanted.roles:
        if role.id not in existing:
            options: dict[str, Any] = {"roleid": role.id, "privs": list(role.privs or ()), "state": "present"}
            yield change(Phase.ROLE_GAIN, "role", role.id, "create", options, f"Create the role {role.id}.")
        elif role.privs is not None:
            yield from _changed_role(role.id, set(role.privs), existing[role.id])
    declared, named = {role.id for role in wanted.roles}, {grant.role for grant in wanted.grants}
    for row in identity["roles"]:
        if not row["special"] and row["roleid"] not in declared:
            yield from _not_declared("role", row["roleid"], row["roleid"] in named, wanted, Phase.ROLE_SHRINK)


def _changed_role(name: str, wanted: set[str], existing: set[str]) -> Found:
    gained, lost = sorted(wanted - existing), sorted(existing - wanted)
    if gained:
        options = {"roleid": name, "privs": gained, "append": True, "state": "present"}
        text = f"Add {', '.join(gained)} to the role {name}."
        yield change(Phase.ROLE_GAIN, "role", name, "update", options, text)
    if lost:
        options = {"roleid": name, "privs": sorted(wanted), "append": False, "state": "present"}
        text = f"Take {', '.join(lost)} out of the role {name}."
        yield change(Phase.ROLE_SHRINK, "role", name, "update", options, text)


def _not_declared(kind: str, name: str, named: bool, wanted: Declaration, phase: Phase) -> Found:
    """A role or group that exists and is not declared; `named`: the declaration uses it."""
    why = f" in {kind}s; it stays, as the declaration names it" if named else ""
    yield Undeclared(kind, name, f"The {kind} {name} is not declared{why}.")
    if wanted.undeclared == "remove" and f"{kind}s" in wanted.managed and not named:
        options = {f"{kind}id": name, "state": "absent"}
        yield change(phase, kind, name, "delete", options, f"Delete the {kind} {name}.")


def plan_groups(wanted: Declaration, identity: Mapping[str, Any]) -> Found:
    """Groups and their comments; members belong to the users."""
    existing = {row["groupid"]: row for row in identity["groups"]}
    for group in wanted.groups:
        yield from _group(group, existing.get(group.id))
    declared = {group.id for group in wanted.groups}
    named = {name for wish in wanted.users for name in wish.groups or ()}
    for name in existing:
        if name not in declared:
            yield from _not_declared("group", name, name in named, wanted, Phase.GROUP_DELETE)


def _group(group: GroupWish, row: Mapping[str, Any] | None) -> Found:
    options: dict[str, Any] = {"groupid": group.id, "state": "present"}
    if group.comment is not None:
        options["comment"] = group.comment
    if row is None:
        yield change(Phase.GROUP, "group", group.id, "create", options, f"Create the group {group.id}.")
    elif group.comment not in (None, plain_text(row.get("comment", ""))):
        text = f"Change the comment of the group {group.id}."
        yield change(Phase.GROUP, "group", group.id, "update", options, text)


def plan_realms(wanted: Declaration, identity: Mapping[str, Any]) -> Found:
    """The second factor that realms ask for."""
    existing = {row["realm"]: row["tfa"] or "none" for row in identity["realms"]}
    for realm, kind in wanted.tfa_realms:
        if existing.get(realm, kind) != kind:
            text = (
                f"Stop asking for a second factor in the realm {realm}."
                if kind == "none"
                else f"Ask for a second factor ({kind}) in the realm {realm}."
            )
            yield change(Phase.REALM, "realm", realm, "update", {"realm": realm, "tfa": kind}, text)


def plan_acl(wanted: Declaration, identity: Mapping[str, Any]) -> Found:
    """Permissions of declared groups, service accounts, their tokens and the break-glass account.

    Declared persons have permissions through groups only, so those of their own are undeclared.
    """
    existing = {(row["type"], row["ugid"], row["path"], row["roleid"]): row for row in identity["acl"]}
    declared: set[tuple[str, str, str, str]] = set()
    judged: set[tuple[str, str]] = set()
    for kind, ugid, grants in _owners(wanted):
        if grants is None:
            continue
        judged.add((kind, ugid))
        for grant in grants:
            key = (kind, ugid, grant.path, grant.role)
            declared.add(key)
            yield from _grant(kind, ugid, grant, existing.get(key))
    gone = {wish.userid for wish in wanted.users if wish.state == "absent"}
    for key, row in existing.items():
        if key not in declared and key[:2] in judged and not (key[0] == "user" and key[1] in gone):
            yield from _undeclared_grant(row, wanted)


def _owners(wanted: Declaration) -> Iterator[tuple[str, str, tuple[Grant, ...] | None]]:
    for group in wanted.groups:
        yield "group", group.id, group.roles
    for wish in wanted.users:
        if wish.userid == ROOT and wish.kind == BREAK_GLASS:
            continue  # is Administrator without an entry
        if wish.state in (None, "present"):
            yield "user", wish.userid, wish.roles
        for token in wish.tokens or () if wish.state != "absent" else ():
            yield "token", f"{wish.userid}!{token.id}", token.roles


def _grant(kind: str, ugid: str, grant: Grant, row: Mapping[str, Any] | None) -> Found:
    if row is not None and row["propagate"] == grant.propagate:
        return
    wanted = {
        "path": grant.path,
        "type": kind,
        "ugid": ugid,
        "roleid": grant.role,
        "propagate": grant.propagate,
    }
    below = "" if grant.propagate else ", there only"
    text = f"Grant {grant.role} on {grant.path} to the {kind} {ugid}{below}."
    phase = Phase.TOKEN_GRANT if kind == "token" else Phase.GRANT
    if grant.role == NO_ACCESS or (row is not None and not grant.propagate):
        phase = Phase.REVOKE
    yield change(phase, "acl", acl_object(wanted), "grant", {**wanted, "state": "present"}, text)


def _undeclared_grant(row: Mapping[str, Any], wanted: Declaration) -> Found:
    name = acl_object(row)
    text = f"the {row['type']} {row['ugid']} has the role {row['roleid']} on {row['path']}"
    yield Undeclared("acl", name, f"T{text[1:]}, which is not declared.")
    if wanted.undeclared == "remove":
        options = {key: row[key] for key in ("path", "type", "ugid", "roleid")}
        text = f"Take {row['roleid']} on {row['path']} from the {row['type']} {row['ugid']}."
        yield change(Phase.REVOKE, "acl", name, "revoke", {**options, "state": "absent"}, text)
