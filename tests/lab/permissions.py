# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Effective privileges, and the permission expressions of API calls (pve-access-control RPCEnvironment.pm)."""

from __future__ import annotations

import re
from typing import Any

from tests.lab.errors import ApiError, perm_error, server_error
from tests.lab.names import BadName, is_username, normalize_path, split_list, split_token, verify_username
from tests.lab.schema import Call
from tests.lab.usercfg import AclNode, User, UserConfig

Privileges = dict[str, int]
TOP_PATHS = ("/", "/access", "/access/groups", "/nodes", "/pool", "/sdn", "/storage", "/vms")
_CAP_PATHS = ("/", "/nodes", "/access/groups", "/vms", "/storage", "/sdn", "/mapping")
_CAPS = {
    "vms": re.compile(r"VM\.|Permissions\.Modify"),
    "access": re.compile(r"(User|Group)\.|Permissions\.Modify"),
    "storage": re.compile(r"Datastore\.|Permissions\.Modify"),
    "nodes": re.compile(r"Sys\.|Permissions\.Modify"),
    "sdn": re.compile(r"SDN\.|Permissions\.Modify"),
    "dc": re.compile(r"Sys\.Audit|Sys\.Modify|SDN\."),
    "mapping": re.compile(r"Mapping\.|Permissions.Modify"),
}


class _Malformed(ApiError):
    """A malformed user name ends even an `or` of permission tests."""


def _roles_at(node: AclNode, kind: str, name: str, final: bool) -> dict[str, int]:
    roles = node.entries.get(kind, {}).get(name, {})
    return {role: flag for role, flag in roles.items() if final or flag}


class Permissions:
    """Effective privileges of users and tokens under one user.cfg. Answers are kept: make a new one after a change."""

    def __init__(self, config: UserConfig) -> None:
        self.config = config
        self._cache: dict[tuple[str, str], Privileges] = {}

    def _roles(self, who: str, path: str) -> dict[str, int]:
        """Roles with their propagate flags. A deeper path wins; token over user over groups."""
        token = split_token(who)
        if token:
            entry = self.config.token(*token)
            if entry is None:
                return {}
            if not entry.privsep:
                return self._roles(token[0], path)
        roles: dict[str, int] = {}
        node = self.config.acl
        parts = [""] if path == "/" else path.rstrip("/").split("/")
        for index, part in enumerate(parts):
            if part:
                node = node.children.get(part, AclNode())
            roles = self._roles_here(node, who, bool(token), index == len(parts) - 1) or roles
        return {"NoAccess": roles["NoAccess"]} if "NoAccess" in roles else roles

    def _roles_here(self, node: AclNode, who: str, is_token: bool, final: bool) -> dict[str, int]:
        """Which flag a role of several groups shows is left to the order of a hash in PVE: here one that propagates."""
        if is_token:
            return _roles_at(node, "token", who, final)
        direct = _roles_at(node, "user", who, final)
        if direct:
            return direct
        found: dict[str, int] = {}
        for group in node.entries.get("group", {}):
            if who in getattr(self.config.groups.get(group), "users", {}):
                for role, flag in _roles_at(node, "group", group, final).items():
                    found[role] = max(flag, found.get(role, 0))
        return found

    def _pool_roles(self, who: str, path: str) -> set[str]:
        kind, _, name = path.strip("/").partition("/")
        found: set[str] = set()
        for pool, members in self.config.pools.items():
            if name and name in {"vms": members.vms, "storage": members.storage}.get(kind, set()):
                found.update(self._roles(who, f"/pool/{pool}"))
        return found

    def _compile(self, who: str, path: str) -> Privileges:
        roles = dict(self._roles(who, path))
        pool_roles = self._pool_roles(who, path)
        if pool_roles and "NoAccess" not in roles:
            if "NoAccess" in pool_roles:
                roles = {"NoAccess": 0}
            for role in pool_roles:
                roles.setdefault(role, 0)
        privileges: Privileges = {}
        for role, flag in roles.items():
            for privilege in self.config.roles.get(role, frozenset()):
                privileges[privilege] = privileges.get(privilege) or flag
        return privileges

    def of(self, who: str, path: str) -> Privileges:
        """Privilege -> propagate flag; a privilege that is there is granted, whatever its flag."""
        if who == "root@pam":
            return dict.fromkeys(self.config.roles["Administrator"], 1)
        cached = self._cache.get((who, path))
        if cached is None:
            cached = self._cache[(who, path)] = self._of(who, path)
        return cached

    def _of(self, who: str, path: str) -> Privileges:
        token = split_token(who)
        if token is None:
            return self._compile(who, path) if is_username(who) else {}
        entry = self.config.token(*token)
        if entry is None:
            return {}
        owner = self.of(token[0], path)
        if not entry.privsep:
            return owner
        own = self._compile(who, path)
        if token[0] == "root@pam":
            return own
        return {name: 1 if owner[name] and flag else 0 for name, flag in own.items() if name in owner}

    def effective(self, who: str) -> dict[str, Privileges]:
        """All paths on which `who` has anything (top paths, ACL paths, pool members)."""
        paths = dict.fromkeys(TOP_PATHS)
        paths.update((path, None) for path, _ in self.config.walk())
        for pool in self.config.pools.values():
            paths.update((f"/vms/{vm}", None) for vm in pool.vms)
            paths.update((f"/storage/{name}", None) for name in pool.storage)
        return {path: privileges for path in paths if (privileges := self.of(who, path))}

    def capabilities(self, who: str) -> dict[str, Privileges]:
        """The `cap` of a login answer."""
        result: dict[str, Privileges] = {name: {} for name in _CAPS}
        for path in dict.fromkeys((*_CAP_PATHS, *(path for path, _ in self.config.walk()))):
            match = re.match(r"/(\w+)", path)
            top = match[1] if match else "dc"
            for privilege in self.of(who, path):
                if top == "pool":
                    targets = [area for area in ("vms", "storage") if _CAPS[area].match(privilege)]
                else:
                    targets = [top] if top in _CAPS and _CAPS[top].match(privilege) else []
                for area in targets:
                    result[area][privilege] = 1
        return result

    def has(self, who: str, path: str, *privileges: str) -> bool:
        """All of the privileges."""
        granted = self.of(who, path)
        return all(name in granted for name in privileges)

    def has_any(self, who: str, path: str, *privileges: str) -> bool:
        """One of the privileges."""
        granted = self.of(who, path)
        return any(name in granted for name in privileges)

    def require(self, who: str, path: str, *privileges: str) -> None:
        """403 naming the first missing privilege."""
        granted = self.of(who, path)
        for name in privileges:
            if name not in granted:
                raise perm_error(f"{path}, {name}")

    def require_any(self, who: str, path: str, *privileges: str) -> None:
        """403 naming all of them, when none is there."""
        if not self.has_any(who, path, *privileges):
            raise perm_error(f"{path}, {'|'.join(privileges)}")

    def existing_user(self, name: str) -> User:
        """The account, or PVE's 500."""
        try:
            verify_username(name)
        except BadName as error:
            raise server_error(str(error)) from error
        user = self.config.users.get(name)
        if user is None:
            raise server_error(f"no such user ('{name}')")
        return user

    @staticmethod
    def acl_privileges(path: str) -> list[str]:
        """Each of these privileges allows to change the ACL of this path."""
        extra = {"/storage/": "Datastore.Allocate", "/vms/": "VM.Allocate", "/pool/": "Pool.Allocate"}
        more = [priv for prefix, priv in extra.items() if path.startswith(prefix) and path != prefix]
        return ["Permissions.Modify", *more]

    def may_modify(self, who: str, path: str) -> bool:
        """May `who` change the ACL of this path?"""
        return self.has_any(who, path, *self.acl_privileges(path))

    def member_of_allowed_group(self, who: str, user: str, privileges: list[str]) -> bool:
        """Is `user` in a group on which `who` has one of the privileges?"""
        return any(
            user in group.users and self.has_any(who, f"/access/groups/{name}", *privileges)
            for name, group in self.config.groups.items()
        )


class PermissionCheck:
    """Evaluate a call's permission expression for one caller; 403 (or 500 for an unknown user) when it fails."""

    def __init__(self, permissions: Permissions, who: str | None) -> None:
        self._permissions = permissions
        self._who = who

    def call(self, call: Call, parameters: dict[str, Any]) -> None:
        """Check a call. Order as in PVE: world, no user, root@pam, all, the expression."""
        who = self._who
        if not who:
            if call.user == "world":
                return
            raise perm_error("user != null")
        if who == "root@pam":
            return
        if not call.has_permissions:
            raise perm_error("user != root@pam")
        if call.user == "all":
            return
        if not call.check:
            raise perm_error()
        self._run(call.check, who, parameters)

    def _run(self, check: list[Any], who: str, parameters: dict[str, Any]) -> None:
        kind = check[0]
        if kind == "and":
            for part in check[1:]:
                self._run(part, who, parameters)
        elif kind == "or":
            self._any_of(check[1:], who, parameters)
        elif kind == "perm":
            self._perm(check, who, parameters)
        elif kind == "userid-group":
            self._userid_group(check, who, parameters)
        elif kind == "userid-param":
            self._userid_param(check[1], who, parameters)
        elif kind == "perm-modify":
            path = normalize_path(str(parameters.get("path", "")))
            if path:
                self._permissions.require_any(who, path, *self._permissions.acl_privileges(path))

    def _any_of(self, parts: list[Any], who: str, parameters: dict[str, Any]) -> None:
        """A part that is an `and` ends the whole test when it fails: PVE does not pass on that it may fail."""
        for part in parts:
            try:
                self._run(part, who, parameters)
            except _Malformed:
                raise
            except ApiError:
                if part[0] == "and":
                    raise
                continue
            return
        raise perm_error()

    def _perm(self, check: list[Any], who: str, parameters: dict[str, Any]) -> None:
        _, template, privileges, *rest = check
        options = dict(zip(rest[::2], rest[1::2], strict=True))
        required = options.get("require_param")
        if required and parameters.get(required) is None:
            raise perm_error()
        filled = re.sub(r"\{([^}]+)\}", lambda m: str(parameters.get(m[1]) or "-"), template)
        path = normalize_path(filled) or ""
        test = self._permissions.require_any if options.get("any") else self._permissions.require
        test(who, path, *privileges)

    def _userid_group(self, check: list[Any], who: str, parameters: dict[str, Any]) -> None:
        _, privileges, *rest = check
        options = dict(zip(rest[::2], rest[1::2], strict=True))
        userid = str(parameters.get("userid", ""))
        existing = options.get("groups_param") != "create"
        if existing:
            self._permissions.existing_user(userid)
        if self._permissions.has_any(who, "/access/groups", *privileges):
            return
        if options.get("groups_param"):
            self._group_param(who, privileges, split_list(str(parameters.get("groups") or "")))
        if existing and not self._permissions.member_of_allowed_group(who, userid, privileges):
            raise perm_error()

    def _group_param(self, who: str, privileges: list[str], groups: list[str]) -> None:
        if not groups:
            raise perm_error(f"/access/groups, {'|'.join(privileges)}")
        for group in groups:
            self._permissions.require_any(who, f"/access/groups/{group}", *privileges)

    def _userid_param(self, test: str, who: str, parameters: dict[str, Any]) -> None:
        userid = str(parameters.get("userid", ""))
        try:
            _, _, realm = verify_username(userid)
        except BadName as error:
            raise _Malformed(500, f"{error}\n") from error
        if test == "self":
            self._permissions.existing_user(userid)
            if who != userid:
                raise perm_error()
        else:
            self._permissions.require(who, f"/access/realm/{realm}", test)
