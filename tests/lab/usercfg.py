# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Users, groups, roles, tokens and the ACL tree as they stand in /etc/pve/user.cfg.

The text is read as latin-1, as PVE does: what was written as UTF-8 comes out twice encoded there too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

from tests.lab.names import is_simple_name, is_username, normalize_path, split_list, split_token
from tests.lab.roles import BUILTIN_ROLES, PRIVILEGES

_BLANKS = " \t\r\n\f\v"
_TEXT_FIELDS = ("firstname", "lastname", "email", "comment", "keys")


@dataclass(slots=True)
class Token:
    """An API token; `expire` is 0 for never."""

    privsep: int
    expire: int
    comment: str | None = None

    def info(self) -> dict[str, object]:
        """The form in API answers."""
        data: dict[str, object] = {"privsep": self.privsep, "expire": self.expire}
        if self.comment is not None:
            data["comment"] = self.comment
        return data


@dataclass(slots=True)
class User:
    """An account. `texts` holds only the fields that are set (`email` may be set and empty)."""

    enable: int = 1
    expire: int | None = None
    texts: dict[str, str] = field(default_factory=dict)
    groups: set[str] = field(default_factory=set)
    tokens: dict[str, Token] | None = None


@dataclass(slots=True)
class Group:
    """Members may name users that do not exist."""

    users: dict[str, None] = field(default_factory=dict)
    comment: str | None = None


@dataclass(slots=True)
class AclNode:
    """One path of the ACL tree: for each kind (`user`, `group`, `token`) id -> role -> propagate flag."""

    entries: dict[str, dict[str, dict[str, int]]] = field(default_factory=dict)
    children: dict[str, AclNode] = field(default_factory=dict)


@dataclass(slots=True)
class Pool:
    """A pool's guests and storages."""

    vms: set[str] = field(default_factory=set)
    storage: set[str] = field(default_factory=set)
    comment: str | None = None


def _decode(text: str) -> str:
    """Undo PVE's encode_text: UTF-8, then percent signs (pve-common Tools.pm)."""
    return unquote_to_bytes(text.encode("latin-1")).decode("utf-8", "replace")


@dataclass(slots=True)
class UserConfig:
    """The parsed user.cfg."""

    users: dict[str, User] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    roles: dict[str, frozenset[str]] = field(default_factory=lambda: dict(BUILTIN_ROLES))
    acl: AclNode = field(default_factory=AclNode)
    pools: dict[str, Pool] = field(default_factory=dict)

    def node(self, path: str) -> AclNode:
        """The ACL node of a normalised path, made when missing."""
        found = self.acl
        for part in filter(None, path.split("/")):
            found = found.children.setdefault(part, AclNode())
        return found

    def walk(self) -> Iterator[tuple[str, AclNode]]:
        """All ACL paths, sorted within each level, parents first."""

        def below(path: str, node: AclNode) -> Iterator[tuple[str, AclNode]]:
            yield path or "/", node
            for name in sorted(node.children):
                yield from below(f"{path}/{name}", node.children[name])

        yield from below("", self.acl)

    def token(self, user: str, token: str) -> Token | None:
        """A token, or None."""
        entry = self.users.get(user)
        return (entry.tokens or {}).get(token) if entry else None


def _read_user(config: UserConfig, data: list[str]) -> None:
    name, enable, expire, *texts = data + [""] * (8 - len(data))
    if not is_username(name) or not re.fullmatch(r"\d*", expire):
        return
    user = User(enable=1 if enable and enable != "0" else 0, expire=int(expire or 0))
    for key, value in zip(_TEXT_FIELDS, texts, strict=False):
        if value not in ("", "0") or (key == "email" and len(data) > 5):
            user.texts[key] = value if key in ("email", "keys") else _decode(value)
    config.users[name] = user


def _read_group(config: UserConfig, data: list[str]) -> None:
    name, members, comment = ([*data, "", "", ""])[:3]
    if not is_simple_name(name) or name == "0":
        return
    group = config.groups.setdefault(name, Group())
    if comment:
        group.comment = _decode(comment)
    for member in split_list(members):
        if is_username(member):
            group.users[member] = None
            if member in config.users:
                config.users[member].groups.add(name)


def _read_token(config: UserConfig, data: list[str]) -> None:
    name, expire, privsep, comment = ([*data, "", "", "", ""])[:4]
    parts = split_token(name)
    if not parts or parts[0] not in config.users or not re.fullmatch(r"\d*", expire):
        return
    user = config.users[parts[0]]
    user.tokens = user.tokens or {}
    flag = 1 if privsep and privsep != "0" else 0
    user.tokens[parts[1]] = Token(flag, int(expire or 0), _decode(comment) if comment else None)


def _acl_id(config: UserConfig, name: str) -> tuple[str, str] | None:
    if name.startswith("@"):
        return ("group", name[1:]) if is_simple_name(name[1:]) else None
    parts = split_token(name)
    if parts and config.token(*parts):
        return "token", name
    return ("user", name) if is_username(name) and not parts else None


def _read_acl(config: UserConfig, data: list[str]) -> None:
    propagate, path_text, names, roles = ([*data, "", "", "", ""])[:4]
    path = normalize_path(path_text)
    if path is None:
        return
    for role in split_list(roles):
        if role not in config.roles:
            continue
        for name in split_list(names):
            target = _acl_id(config, name)
            if target:
                kinds = config.node(path).entries.setdefault(target[0], {})
                kinds.setdefault(target[1], {})[role] = 1 if propagate and propagate != "0" else 0


def _read_role(config: UserConfig, data: list[str]) -> None:
    name, privs = ([*data, "", ""])[:2]
    if is_simple_name(name) and name != "0":
        known = config.roles.get(name, frozenset())
        config.roles[name] = known | {priv for priv in split_list(privs) if priv in PRIVILEGES}


def _read_pool(config: UserConfig, data: list[str]) -> None:
    """A guest is in one pool only, the first; the pools above a nested one are made."""
    name, comment, vms, storage = ([*data, "", "", "", ""])[:4]
    if not re.fullmatch(r"[A-Za-z0-9.\-_]+(/[A-Za-z0-9.\-_]+){0,2}", name):
        return
    pool = config.pools.setdefault(name, Pool())
    parent = name.rpartition("/")[0]
    while parent:
        config.pools.setdefault(parent, Pool())
        parent = parent.rpartition("/")[0]
    pool.comment = _decode(comment) if comment else pool.comment
    taken = {vmid for other in config.pools.values() for vmid in other.vms}
    pool.vms |= {str(int(vmid)) for vmid in split_list(vms) if re.fullmatch(r"\d+", vmid)} - taken
    pool.storage |= {store for store in split_list(storage) if re.fullmatch(r"(?i:[a-z][a-z0-9\-_.]*[a-z0-9])", store)}


_READERS = {
    "user": _read_user,
    "group": _read_group,
    "token": _read_token,
    "acl": _read_acl,
    "role": _read_role,
    "pool": _read_pool,
}


def parse_user_config(text: str) -> UserConfig:
    """Read user.cfg; lines PVE would ignore with a warning are ignored."""
    config = UserConfig()
    for line in text.split("\n"):
        fields = line.strip(_BLANKS).split(":")
        while fields and not fields[-1]:
            fields.pop()
        fields = [part.strip(_BLANKS) for part in fields]
        if fields and fields[0] in _READERS:
            _READERS[fields[0]](config, fields[1:])
    config.users.setdefault("root@pam", User())
    config.roles.update(BUILTIN_ROLES)
    return config
