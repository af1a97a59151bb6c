# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Effective privileges of users and tokens, computed from an identity snapshot as Proxmox VE does.

On the way down a path the deepest level with an entry wins: there a token's entry beats a user's, a user's beats those
of all groups together, and entries that do not propagate count on their own path only. `NoAccess` beats every other
role of its level. A token with privilege separation has at most what its owner has. Pools are not looked at: they
add privileges on guests and storages only. Sources: pve-access-control PVE/AccessControl.pm roles(),
PVE/RPCEnvironment.pm permissions().
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._model.names import ROOT, split_token

NO_ACCESS = "NoAccess"
# Where a privilege on the object is enough to see and hand on permissions. [PVE::RPCEnvironment check_perm_modify]
OWNER_PRIVILEGES = {"/storage/": "Datastore.Allocate", "/vms/": "VM.Allocate", "/pool/": "Pool.Allocate"}
ADMINISTRATOR = "Administrator"


@dataclass
class ApiToken:
    """An API token; `expire` 0 is never."""

    privsep: bool
    expire: int


@dataclass
class Account:
    """A user. `tfa` None: not known. `created`: made by a plan; `password`: the plan gives it one."""

    enable: bool
    expire: int
    tokens: dict[str, ApiToken] = field(default_factory=dict)
    tfa: frozenset[str] | None = None
    totp_locked: bool = False
    tfa_locked_until: int = 0
    created: bool = False
    password: bool = False


@dataclass
class Directory:
    """An identity snapshot in a form that can be changed and asked. `acl`: path, kind, id, role to propagate.

    What is derived of it (who has an entry where, who is in which group, who differs by case only) is kept along, so
    that no question and no change goes through everybody. Change it by its methods only.
    """

    users: dict[str, Account] = field(default_factory=dict)
    groups: dict[str, set[str]] = field(default_factory=dict)
    roles: dict[str, frozenset[str]] = field(default_factory=dict)
    acl: dict[str, dict[str, dict[str, dict[str, bool]]]] = field(default_factory=dict)
    realms: dict[str, dict[str, Any]] = field(default_factory=dict)
    member_of: dict[str, set[str]] = field(default_factory=dict)
    named: dict[str, set[str]] = field(default_factory=dict)
    _places: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    _folded: dict[str, set[str]] = field(default_factory=dict)

    def add_user(self, name: str, account: Account) -> None:
        """Add a user, or put another account in place."""
        self.users[name] = account
        self._folded.setdefault(name.lower(), set()).add(name)

    def drop_user(self, name: str) -> None:
        """Take a user out, with memberships and ACL entries."""
        self.users.pop(name, None)
        self._folded.get(name.lower(), set()).discard(name)
        self.forget("user", name)
        for group in list(self.member_of.get(name, ())):
            self.leave(name, group)

    def twins(self, name: str) -> set[str]:
        """The other users whose names differ by upper and lower case only. [PVE::AccessControl lookup_username]"""
        return self._folded.get(name.lower(), set()) - {name}

    def join(self, name: str, group: str) -> None:
        """Put a user, who need not exist, into a group; a group that is not there is ignored."""
        if group in self.groups:
            self.groups[group].add(name)
            self.member_of.setdefault(name, set()).add(group)

    def leave(self, name: str, group: str) -> None:
        """Take a user out of a group."""
        self.groups.get(group, set()).discard(name)
        self.member_of.get(name, set()).discard(group)

    def drop_group(self, group: str) -> None:
        """Take a group out, with its ACL entries."""
        for name in list(self.groups.get(group, ())):
            self.leave(name, group)
        self.groups.pop(group, None)
        self.forget("group", group)

    def grant(self, path: str, kind: str, ugid: str, role: str, propagate: bool) -> None:
        """Add or change one ACL entry."""
        self.acl.setdefault(path, {}).setdefault(kind, {}).setdefault(ugid, {})[role] = propagate
        self._places.setdefault((kind, ugid), set()).add(path)
        tree, _slash, name = path.rpartition("/")
        if name:
            self.named.setdefault(tree, set()).add(path)

    def revoke(self, path: str, kind: str, ugid: str, role: str) -> None:
        """Take one ACL entry away, if it is there."""
        self.acl.get(path, {}).get(kind, {}).get(ugid, {}).pop(role, None)

    def forget(self, kind: str, ugid: str) -> None:
        """Take all ACL entries of a user, group or token away."""
        for path in self._places.pop((kind, ugid), ()):
            self.acl[path][kind].pop(ugid, None)

    def forget_role(self, role: str) -> None:
        """A role that is gone is ignored wherever it is granted (AccessControl.pm parse_user_config)."""
        self.roles.pop(role, None)
        for kinds in self.acl.values():
            for entries in kinds.values():
                for granted in entries.values():
                    granted.pop(role, None)


def directory_of(identity: Mapping[str, Any]) -> Directory:
    """The directory of a snapshot. Entries of roles and tokens that do not exist have no effect."""
    found = Directory(
        groups={row["groupid"]: set() for row in identity["groups"]},
        roles={row["roleid"]: frozenset(row["privs"]) for row in identity["roles"]},
        realms={row["realm"]: dict(row) for row in identity["realms"]},
    )
    for row in identity["users"]:
        found.add_user(row["userid"], _account(row))
        for group in row["groups"]:
            found.join(row["userid"], group)
    for row in identity["groups"]:
        for name in row["users"]:
            found.join(name, row["groupid"])
    for row in identity["acl"]:
        if row["roleid"] in found.roles:
            found.grant(row["path"], row["type"], row["ugid"], row["roleid"], row["propagate"])
    return found


def _account(row: Mapping[str, Any]) -> Account:
    return Account(
        enable=row["enable"],
        expire=row["expire"],
        tokens={token["tokenid"]: ApiToken(token["privsep"], token["expire"]) for token in row["tokens"]},
        tfa=None if row.get("tfa") is None else frozenset(row["tfa"]),
        totp_locked=row.get("totp_locked", False),
        tfa_locked_until=row.get("tfa_locked_until", 0),
    )


def acl_object(row: Mapping[str, Any]) -> str:
    """The name of an ACL entry in findings and plans: `/vms group:ops PVEVMUser`."""
    return f"{row['path']} {row['type']}:{row['ugid']} {row['roleid']}"


def privileges_of(directory: Directory, who: str, path: str, below: bool = False) -> dict[str, bool]:
    """Privilege to whether it propagates; a privilege that is there is granted. Empty for who does not exist.

    With `below`, what holds below the path where no entry names a path. The flag tells less than that: of a role that a
    user and a group have, or several groups, it is the flag of one of them.
    """
    if who == ROOT:
        return dict.fromkeys(directory.roles.get(ADMINISTRATOR, ()), True)
    owner_and_name = split_token(who)
    if owner_and_name is None:
        return _compiled(directory, who, path, below)
    owner, name = owner_and_name
    account = directory.users.get(owner)
    token = account.tokens.get(name) if account else None
    if token is None:
        return {}
    if not token.privsep:
        return privileges_of(directory, owner, path, below)
    own = _compiled(directory, who, path, below)
    if owner == ROOT:
        return own
    limit = privileges_of(directory, owner, path, below)
    return {name: flag and limit[name] for name, flag in own.items() if name in limit}


def _compiled(directory: Directory, who: str, path: str, below: bool) -> dict[str, bool]:
    found: dict[str, bool] = {}
    for role, propagate in roles_of(directory, who, path, below).items():
        for privilege in directory.roles.get(role, ()):
            found[privilege] = found.get(privilege, False) or propagate
    return found


def roles_of(directory: Directory, who: str, path: str, below: bool = False) -> dict[str, bool]:
    """The roles that count on a path, or below it, with their propagate flags."""
    roles: dict[str, bool] = {}
    levels = list(_levels(path))
    for level in levels:
        kinds = directory.acl.get(level)
        if kinds:
            roles = _roles_at(directory, kinds, who, level == levels[-1] and not below) or roles
    return {NO_ACCESS: roles[NO_ACCESS]} if NO_ACCESS in roles else roles


def _levels(path: str) -> Iterable[str]:
    yield "/"
    parts = [part for part in path.split("/") if part]
    for number in range(1, len(parts) + 1):
        yield "/" + "/".join(parts[:number])


def _roles_at(
    directory: Directory, kinds: Mapping[str, Mapping[str, Mapping[str, bool]]], who: str, final: bool
) -> dict[str, bool]:
    for kind in ("token", "user"):
        found = _counting(kinds.get(kind, {}).get(who, {}), final)
        if found:
            return found
    # Proxmox VE keeps the flag of the group that its hash yields last; here a role that reaches below says so.
    merged: dict[str, bool] = {}
    entries = kinds.get("group", {})
    for group in sorted(directory.member_of.get(who, set()) & entries.keys()):
        for role, flag in _counting(entries[group], final).items():
            merged[role] = merged.get(role, False) or flag
    return merged


def _counting(entry: Mapping[str, bool], final: bool) -> dict[str, bool]:
    return {role: propagate for role, propagate in entry.items() if final or propagate}


def has(directory: Directory, who: str, path: str, *names: str) -> bool:
    """All of the privileges."""
    granted = privileges_of(directory, who, path)
    return all(name in granted for name in names)
