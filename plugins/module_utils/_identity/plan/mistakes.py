# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mistakes in a declaration, each as one sentence with its place. Nothing is planned before there are none."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._identity.access import ADMINISTRATOR
from ansible_collections.pve.audit.plugins.module_utils._identity.plan.declaration import (
    BREAK_GLASS,
    PERSON,
    SERVICE,
    Declaration,
    Grant,
    TokenWish,
    UserWish,
)
from ansible_collections.pve.audit.plugins.module_utils._model.limits import (
    LOCAL_TYPES,
    disguised_texts,
    password_mistakes,
    text_mistakes,
)
from ansible_collections.pve.audit.plugins.module_utils._model.names import (
    ROOT,
    Kind,
    name_mistake,
    new_name_mistake,
    realm_of,
    reserved_role_mistake,
    unknown_path,
    unknown_privileges,
)
from ansible_collections.pve.audit.plugins.module_utils._model.time import rfc3339

STATES = ("present", "disabled", "absent")
UNDECLARED = ("report", "disable", "remove")
FACTORS = ("none", "oath", "yubico")

_UNIX = re.compile(r"[a-z_][a-z0-9_-]{0,31}")


def find_mistakes(wanted: Declaration, identity: Mapping[str, Any], now: float) -> list[str]:
    """All mistakes, in the order of the declaration; empty when it can be planned."""
    known = _Known(wanted, identity)
    found: list[str] = []
    for wish in wanted.users:
        found += _user(wish, wanted, known, now)
    found += _repeated((wish.userid, wish.place) for wish in wanted.users)
    found += _twins(wanted, known)
    for group in wanted.groups:
        found += _name("group", f"{group.place}.id", group.id)
        found += _new_name("group", f"{group.place}.id", group.id, known.existing_groups)
        found += text_mistakes("group", {"comment": group.comment}, f"{group.place}.")
        found += _grants(group.roles or (), known)
    found += _repeated((group.id, group.place) for group in wanted.groups)
    found += _roles(wanted, known)
    found += _shared(wanted)
    found += _realm_factors(wanted, known)
    if wanted.undeclared not in UNDECLARED:
        found.append(f"undeclared is {wanted.undeclared!r}: use one of {', '.join(UNDECLARED)}")
    if wanted.token_max_days < 0:
        found.append("token_policy.max_days must be at least 0; 0 sets no limit")
    return found


def find_doubts(wanted: Declaration) -> list[str]:
    """What is well formed and yet may be refused, or is not what it looks like, one sentence each."""
    found = [unknown_path(f"{grant.place}.path", grant.path) for grant in wanted.grants]
    for wish in wanted.users:
        found += disguised_texts(dict(wish.texts), f"{wish.place}.")
        for token in wish.tokens or ():
            found += disguised_texts({"comment": token.comment}, f"{token.place}.")
    for group in wanted.groups:
        found += disguised_texts({"comment": group.comment}, f"{group.place}.")
    return [sentence for sentence in found if sentence]


class _Known:
    """The names that may be used: those that exist, and those that are declared."""

    def __init__(self, wanted: Declaration, identity: Mapping[str, Any]) -> None:
        self.existing_groups = {row["groupid"] for row in identity["groups"]}
        self.groups = self.existing_groups | {group.id for group in wanted.groups}
        self.special = {row["roleid"] for row in identity["roles"] if row["special"]}
        self.existing_roles = {row["roleid"] for row in identity["roles"]}
        self.roles = self.existing_roles | {role.id for role in wanted.roles}
        self.realms = {row["realm"]: row for row in identity["realms"]}
        self.users = {row["userid"] for row in identity["users"]}
        self.privs = {priv for row in identity["roles"] if row["roleid"] == ADMINISTRATOR for priv in row["privs"]}
        self.tokens = {f"{row['userid']}!{token['tokenid']}" for row in identity["users"] for token in row["tokens"]}


def _repeated(items: Any) -> Iterator[str]:
    first: dict[str, str] = {}
    for name, place in items:
        if name in first:
            yield f"{place} declares {name} again: it is {first[name]} already"
        first.setdefault(name, place)


def _name(kind: Kind, place: str, name: str) -> Iterator[str]:
    if mistake := name_mistake(kind, place, name):
        yield mistake


def _new_name(kind: Kind, place: str, name: str, existing: Collection[str]) -> Iterator[str]:
    if name not in existing and (mistake := new_name_mistake(kind, place, name)):
        yield mistake


def _twins(wanted: Declaration, known: _Known) -> Iterator[str]:
    """Proxmox VE makes no second account that differs by case only, in a realm without case. [User.pm create_user]"""
    first = {name.lower(): name for name in sorted(known.users)}
    for wish in wanted.users:
        other = first.setdefault(wish.userid.lower(), wish.userid)
        if other == wish.userid or wish.userid in known.users or wish.state == "absent":
            continue
        if known.realms.get(realm_of(wish.userid), {}).get("case_sensitive") is False:
            yield (
                f"{wish.place}.id cannot be made as {wish.userid}: the realm {realm_of(wish.userid)} does not tell "
                f"upper from lower case, and there is {other}"
            )


def _user(wish: UserWish, wanted: Declaration, known: _Known, now: float) -> Iterator[str]:
    yield from _user_id(wish, known)
    yield from text_mistakes("user", dict(wish.texts), f"{wish.place}.")
    yield from _state(wish, known, now)
    yield from _password(wish, wanted, known)
    yield from _grants(wish.roles or (), known)
    yield from _repeated((token.id, token.place) for token in wish.tokens or ())
    for token in wish.tokens or ():
        yield from _token(token, wanted, known, now)
    if wish.kind == BREAK_GLASS:
        yield from _break_glass(wish, known)


def _user_id(wish: UserWish, known: _Known) -> Iterator[str]:
    name, _at, realm = wish.userid.rpartition("@")
    mistakes = [*_name("account", f"{wish.place}.id", name), *_name("realm", f"{wish.place}.realm", realm)]
    yield from mistakes or _name("user", f"{wish.place}.id", wish.userid)
    if wish.state != "absent":
        yield from _new_name("user", f"{wish.place}.id", wish.userid, known.users)
    if not mistakes and realm not in known.realms:
        yield f"{wish.place}.realm names the realm {realm}, which does not exist: {_list(known.realms)} do"
    if wish.unix and not _UNIX.fullmatch(name):
        yield f"{wish.place}.id {name!r} cannot be a Unix account: use lower-case letters, digits, - and _"
    if wish.userid == ROOT and wish.kind != BREAK_GLASS:
        yield f"{wish.place}: {ROOT} is nobody in particular and cannot be declared as a {wish.kind}"


def _state(wish: UserWish, known: _Known, now: float) -> Iterator[str]:
    if wish.state not in (None, *STATES):
        yield f"{wish.place}.state is {wish.state!r}: use one of {', '.join(STATES)}"
    for group in wish.groups or ():
        if group not in known.groups:
            yield f"{wish.place}.groups names the group {group}, which neither exists nor is declared in groups"
    if wish.expire and wish.expire <= now and wish.state in (None, "present"):
        yield (
            f"{wish.place}.expire lies in the past ({rfc3339(wish.expire)}): "
            "choose a later date, or state: disabled for somebody who left"
        )


def _list(names: Any) -> str:
    return ", ".join(sorted(names))


def _realm_type(known: _Known, userid: str) -> str:
    return str(known.realms.get(realm_of(userid), {}).get("type", ""))


def _password(wish: UserWish, wanted: Declaration, known: _Known) -> Iterator[str]:
    if wish.password is not None:
        realm, kind = realm_of(wish.userid), _realm_type(known, wish.userid)
        yield from password_mistakes(f"{wish.place}.password", wish.password, wanted.password_min_length, realm, kind)


def _grants(grants: tuple[Grant, ...], known: _Known) -> Iterator[str]:
    for grant in grants:
        if grant.role not in known.roles:
            yield f"{grant.place}.role names the role {grant.role}, which neither exists nor is declared in roles"
    yield from _repeated((f"the role {grant.role} on {grant.path}", grant.place) for grant in grants)


def _token(token: TokenWish, wanted: Declaration, known: _Known, now: float) -> Iterator[str]:
    yield from _name("token name", f"{token.place}.id", token.id)
    yield from text_mistakes("token", {"comment": token.comment}, f"{token.place}.")
    if token.expire and token.expire <= now:
        yield f"{token.place}.expire lies in the past ({rfc3339(token.expire)}): choose a later date"
    yield from _token_policy(token, wanted, now)
    yield from _grants(token.roles or (), known)
    if token.roles and token.privsep is False:
        yield f"{token.place}.roles have no effect without privilege separation: set privsep to true, or drop them"


def _token_policy(token: TokenWish, wanted: Declaration, now: float) -> Iterator[str]:
    days = wanted.token_max_days
    if days and token.expire is not None and (not token.expire or token.expire > now + (days + 1) * 86400):
        until = rfc3339(token.expire) if token.expire else "never"
        yield f"{token.place}.expire ({until}) is later than the {days} days that token_policy.max_days allows"
    if wanted.token_privsep and token.privsep is False:
        yield f"{token.place}.privsep is false, but token_policy.privsep asks for privilege separation"


def _break_glass(wish: UserWish, known: _Known) -> Iterator[str]:
    kind = _realm_type(known, wish.userid)
    if kind and kind not in LOCAL_TYPES:
        yield (
            f"break_glass.realm {realm_of(wish.userid)} needs a server that may be down when it matters: "
            "use the realm pve or pam"
        )


def _roles(wanted: Declaration, known: _Known) -> Iterator[str]:
    for role in wanted.roles:
        yield from _name("role", f"{role.place}.id", role.id)
        if role.id in known.special:
            yield f"{role.place}.id {role.id} is a role of Proxmox VE itself: choose another name"
        elif role.id not in known.existing_roles and (reserved := reserved_role_mistake(f"{role.place}.id", role.id)):
            yield reserved
        yield from _new_name("role", f"{role.place}.id", role.id, known.existing_roles)
        yield from unknown_privileges(f"{role.place}.privs", role.privs or (), known.privs)
    yield from _repeated((role.id, role.place) for role in wanted.roles)


def _shared(wanted: Declaration) -> Iterator[str]:
    declared = {wish.userid: wish for wish in wanted.users}
    for number, name in enumerate(wanted.shared_accounts):
        place = f"shared_accounts[{number}]"
        yield from _name("user", place, name)
        if name in declared:
            wish = declared[name]
            what = {PERSON: "a person", SERVICE: "a service account"}.get(wish.kind, "the break-glass account")
            yield f"{place} would disable {name}, which is {what} in {wish.place}: take it out of one of them"
    yield from _repeated((name, f"shared_accounts[{n}]") for n, name in enumerate(wanted.shared_accounts))


def _realm_factors(wanted: Declaration, known: _Known) -> Iterator[str]:
    for realm, kind in wanted.tfa_realms:
        place = f"tfa_realms.{realm}"
        row = known.realms.get(realm)
        if kind not in FACTORS:
            yield f"{place} is {kind!r}: use one of {', '.join(FACTORS)}"
        if row is None:
            yield f"{place}: the realm {realm} does not exist: {_list(known.realms)} do"
        elif row["type"] == "openid":
            yield f"{place}: a realm of type openid leaves the second factor to its provider"
        elif kind == "yubico" and row["tfa"] != "yubico":
            yield f"{place}: yubico needs the id and key of its server: set it with the module pve.audit.realm first"
