# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The declaration of identities in a checked form: who shall exist, with which groups, roles and tokens.

A key that is left out, or null, is left untouched on the object: here it is None. Secrets stay outside; only whether
there is a password is kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._model.expiry import parse_expire
from ansible_collections.pve.audit.plugins.module_utils._model.names import normal_path, split_list
from ansible_collections.pve.audit.plugins.module_utils._model.texts import plain_text

TEXTS = ("firstname", "lastname", "email", "comment")
SECTIONS = ("people", "groups", "roles", "service_accounts")
PERSON, SERVICE, BREAK_GLASS = "person", "service account", "break-glass account"


@dataclass(frozen=True)
class Grant:
    """A role on a path."""

    path: str
    role: str
    propagate: bool
    place: str


@dataclass(frozen=True)
class TokenWish:
    """A token of a service account. `expire` in epoch seconds, 0 is never, None is left out."""

    id: str
    comment: str | None
    expire: int | None
    privsep: bool | None
    roles: tuple[Grant, ...] | None
    place: str


@dataclass(frozen=True)
class UserWish:
    """An account. `kind` is one of PERSON, SERVICE, BREAK_GLASS; `state` present, disabled, absent or None."""

    userid: str
    kind: str
    place: str
    state: str | None = None
    texts: tuple[tuple[str, str], ...] = ()
    groups: tuple[str, ...] | None = None
    expire: int | None = None
    password: str | None = None
    unix: bool = False
    roles: tuple[Grant, ...] | None = ()
    tokens: tuple[TokenWish, ...] | None = ()

    def __repr__(self) -> str:
        """Without the password."""
        return f"UserWish({self.userid}, {self.kind}, {self.place})"


@dataclass(frozen=True)
class GroupWish:
    """A group with its roles."""

    id: str
    comment: str | None
    roles: tuple[Grant, ...] | None
    place: str


@dataclass(frozen=True)
class RoleWish:
    """A role; `privs` None: left as they are."""

    id: str
    privs: tuple[str, ...] | None
    place: str


@dataclass(frozen=True)
class Declaration:
    """All that is declared. `managed`: the sections that are given, also when empty."""

    users: tuple[UserWish, ...]
    groups: tuple[GroupWish, ...]
    roles: tuple[RoleWish, ...]
    shared_accounts: tuple[str, ...]
    undeclared: str
    token_max_days: int
    token_privsep: bool
    password_min_length: int
    tfa_realms: tuple[tuple[str, str], ...]
    managed: frozenset[str]

    @cached_property
    def break_glass(self) -> str | None:
        """The id of the break-glass account."""
        return next((wish.userid for wish in self.users if wish.kind == BREAK_GLASS), None)

    @property
    def grants(self) -> Iterator[Grant]:
        """All roles that are granted to anybody."""
        tokens = (token.roles for wish in self.users for token in wish.tokens or ())
        for grants in (*(group.roles for group in self.groups), *(wish.roles for wish in self.users), *tokens):
            yield from grants or ()

    def of_kind(self, kind: str) -> frozenset[str]:
        """The ids of the accounts of one kind."""
        return self._kinds.get(kind, frozenset())

    @cached_property
    def _kinds(self) -> dict[str, frozenset[str]]:
        return {
            kind: frozenset(wish.userid for wish in self.users if wish.kind == kind)
            for kind in (PERSON, SERVICE, BREAK_GLASS)
        }


def read_declaration(raw: Mapping[str, Any], mistakes: list[str]) -> Declaration:
    """The declaration; what cannot be read is added to `mistakes`, one sentence each, and counts as left out."""
    reader = _Reader(str(raw.get("realm") or "pve"), mistakes)
    unknown = sorted(set(raw) - _KEYS)
    mistakes += [f"{name} is unknown: use one of {', '.join(sorted(_KEYS))}" for name in unknown]
    policy, passwords = raw.get("token_policy") or {}, raw.get("password_policy") or {}
    return Declaration(
        users=tuple(reader.users(raw)),
        groups=tuple(reader.groups(raw.get("groups"))),
        roles=tuple(reader.roles(raw.get("roles"))),
        shared_accounts=tuple(str(name) for name in raw.get("shared_accounts") or ()),
        undeclared=str(raw.get("undeclared") or "report"),
        token_max_days=_number(policy.get("max_days"), 365),
        token_privsep=policy.get("privsep") is not False,
        password_min_length=_number(passwords.get("min_length"), 12),
        tfa_realms=tuple((str(realm), str(kind)) for realm, kind in (raw.get("tfa_realms") or {}).items()),
        managed=frozenset(name for name in SECTIONS if raw.get(name) is not None),
    )


_KEYS = {
    *SECTIONS,
    "realm",
    "break_glass",
    "shared_accounts",
    "undeclared",
    "token_policy",
    "password_policy",
    "tfa_realms",
}


def _rows(value: Any, name: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for number, row in enumerate(value or ()):
        yield f"{name}[{number}]", row if isinstance(row, Mapping) else {}


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _number(value: Any, default: int) -> int:
    return default if value is None else int(value)


class _Reader:
    """Reads entries and remembers the default realm and the mistakes."""

    def __init__(self, realm: str, mistakes: list[str]) -> None:
        self._realm = realm
        self._mistakes = mistakes

    def users(self, raw: Mapping[str, Any]) -> Iterator[UserWish]:
        for place, row in _rows(raw.get("people"), "people"):
            yield self._user(place, row, PERSON)
        for place, row in _rows(raw.get("service_accounts"), "service_accounts"):
            yield self._user(place, row, SERVICE)
        if raw.get("break_glass"):
            yield self._user("break_glass", raw["break_glass"], BREAK_GLASS)

    def _user(self, place: str, row: Mapping[str, Any], kind: str) -> UserWish:
        name, realm = _text(row.get("id")), _text(row.get("realm")) or self._realm
        if "@" in name and not row.get("realm"):
            self._mistakes.append(
                f"{place}.id {name!r} holds an @: write the name only, and the realm in {place}.realm"
            )
            name, _at, realm = name.rpartition("@")
        password = row.get("password")
        state = row.get("state")
        return UserWish(
            userid=f"{name}@{realm}",
            kind=kind,
            place=place,
            state="present" if kind == BREAK_GLASS else None if state is None else str(state),
            texts=tuple((key, plain_text(str(row[key]))) for key in TEXTS if row.get(key) is not None),
            groups=self.names(row.get("groups")),
            expire=0 if kind == BREAK_GLASS else self._expire(f"{place}.expire", row.get("expire")),
            password=str(password) if password else None,
            unix=bool(row.get("unix")),
            roles=() if kind == PERSON else self._own_roles(place, row, kind),
            tokens=() if kind != SERVICE else self._tokens(place, row.get("tokens")),
        )

    def _own_roles(self, place: str, row: Mapping[str, Any], kind: str) -> tuple[Grant, ...] | None:
        if kind == BREAK_GLASS:
            return (Grant("/", "Administrator", True, place),)
        return self._grants(place, row.get("roles"))

    def _tokens(self, place: str, value: Any) -> tuple[TokenWish, ...] | None:
        if value is None:
            return None
        return tuple(
            TokenWish(
                id=_text(row.get("id")),
                comment=None if row.get("comment") is None else plain_text(str(row["comment"])),
                expire=self._expire(f"{at}.expire", row.get("expire")),
                privsep=row.get("privsep"),
                roles=self._grants(at, row.get("roles")),
                place=at,
            )
            for at, row in _rows(value, f"{place}.tokens")
        )

    def groups(self, value: Any) -> Iterator[GroupWish]:
        for place, row in _rows(value, "groups"):
            comment = None if row.get("comment") is None else plain_text(str(row["comment"]))
            yield GroupWish(_text(row.get("id")), comment, self._grants(place, row.get("roles")), place)

    def roles(self, value: Any) -> Iterator[RoleWish]:
        for place, row in _rows(value, "roles"):
            yield RoleWish(_text(row.get("id")), self.names(row.get("privs")), place)

    def _grants(self, place: str, value: Any) -> tuple[Grant, ...] | None:
        if value is None:
            return None
        return tuple(
            Grant(self._path(at, row.get("path")), _text(row.get("role")), row.get("propagate") is not False, at)
            for at, row in _rows(value, f"{place}.roles")
        )

    def _path(self, place: str, value: Any) -> str:
        try:
            return normal_path(f"{place}.path", _text(value))
        except InputError as error:
            self._mistakes.append(str(error))
            return _text(value)

    def names(self, value: Any) -> tuple[str, ...] | None:
        if value is None:
            return None
        found = split_list(value) if isinstance(value, str) else [str(name) for name in value]
        return tuple(dict.fromkeys(name for name in found if name))

    def _expire(self, place: str, value: Any) -> int | None:
        if value is None:
            return None
        try:
            return parse_expire(value)
        except InputError as error:
            self._mistakes.append(f"{place}: {str(error).removeprefix('expire: ')}")
            return None
