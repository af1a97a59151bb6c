# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who could log in and repair things: the judgement of one account in one state."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._identity.access import Account, Directory
from ansible_collections.pve.audit.plugins.module_utils._identity.administrators import (
    has_all_privileges,
    is_active,
    is_administrator,
    lost_privilege,
)
from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._model.limits import LOCAL_TYPES
from ansible_collections.pve.audit.plugins.module_utils._model.names import ROOT, realm_of
from ansible_collections.pve.audit.plugins.module_utils._model.time import rfc3339
from ansible_collections.pve.audit.plugins.module_utils._model.visible import safe_text

NEEDED = 2
LASTING_DAYS = 90
_HOUR, _DAY = 3600, 86400
_FACTOR = {"oath": "totp", "yubico": "yubico"}
_NO_FACTS = (
    "is a pam account, and nothing tells whether it has a usable Unix password: give nodes, which the role named_users "
    "gathers"
)


@dataclass(frozen=True)
class GuardContext:
    """What the guard knows besides the directory.

    `user` and `token` (its name, or None): the credential in use. `break_glass`: user id or None. `services`: accounts
    that are no people; `people`: those declared as such. The owner of the token in use counts only as one of these:
    whether a program's account has a password cannot be seen. `strict`: something is taken away, and then nobody
    counts but declared people, root@pam, and who has just logged in with a password. `root_locked`: the run will lock
    the Unix password of root. `nodes`: {node: {"unix_users": {name: {"usable_password": bool}}}}. Whoever expires
    within `min_hours_left` hours does not count, and the break-glass account must last `break_glass_min_days` days.
    `directory_users`: the people that directories outside are known to have, None when nobody says so. `own`: the
    privileges that the credential has before the changes, by path, pools included. `now` is in epoch seconds."""

    user: str
    token: str | None
    now: float
    break_glass: str | None = None
    services: frozenset[str] = frozenset()
    people: frozenset[str] = frozenset()
    nodes: Mapping[str, Any] = field(default_factory=dict)
    root_locked: bool = False
    min_hours_left: int = 168
    break_glass_min_days: int = 90
    strict: bool = False
    directory_users: frozenset[str] | None = None
    own: Mapping[str, Collection[str]] = field(default_factory=dict)

    @property
    def credential(self) -> str:
        """The name of the credential in use, `user@realm` or `user@realm!token`."""
        return f"{self.user}!{self.token}" if self.token else self.user

    @property
    def locks_root(self) -> bool:
        """Whether the run takes the Unix password of root away; not when it is known to be gone on every node."""
        users = [facts["unix_users"] for facts in self.nodes.values()]
        there = not users or any(names.get("root", {}).get("usable_password", True) for names in users)
        return self.root_locked and there

    def is_candidate(self, userid: str) -> bool:
        """Whether the account is neither a program's nor the break-glass account."""
        return userid not in self.services and userid != self.break_glass

    def is_person(self, userid: str) -> bool:
        """Whether the account may be one of the administrators that are needed."""
        if not self.is_candidate(userid):
            return False
        if userid in self.people or userid == ROOT:
            return True
        return self.token is None if userid == self.user else not self.strict


def check_nodes(nodes: Mapping[str, Any]) -> None:
    """Raises InputError for facts of another shape."""
    for node, facts in nodes.items():
        users = facts.get("unix_users") if isinstance(facts, Mapping) else None
        if not isinstance(users, Mapping) or not all(isinstance(one, Mapping) for one in users.values()):
            raise InputError(f"nodes.{node} must be like unix_users: {{alice: {{usable_password: true}}}}")


def login_obstacle(directory: Directory, userid: str, context: GuardContext) -> str | None:
    """Why the person cannot be relied on to log in, in a few words; None when nothing speaks against it."""
    account = directory.users.get(userid)
    if account is None:
        return "does not exist"
    name, _at, realm = userid.rpartition("@")
    row = directory.realms.get(realm)
    if row is None:
        return f"belongs to the realm {realm}, which does not exist"
    return (
        name_obstacle(directory, userid)
        or _time_obstacle(account, context)
        or _directory_obstacle(account, userid, str(row["type"]), context)
        or _password_obstacle(account, userid, name, str(row["type"]), context)
        or factor_obstacle(directory, userid, context.now)
    )


def name_obstacle(directory: Directory, userid: str) -> str | None:
    """Why Proxmox VE lets nobody in under this name, or why nobody can tell who it is; None when the name is good.

    In a realm without case it refuses everybody whose name another account has in other letters. [lookup_username]
    """
    if safe_text(userid) != userid:
        return "has a name that hides characters or passes for another"
    if not userid.isascii():
        return "has letters beyond ASCII in the name, with which Proxmox VE lets nobody in"
    realm = realm_of(userid)
    sensitive = directory.realms.get(realm, {}).get("case_sensitive", True)
    twins = () if sensitive else sorted(directory.twins(userid))
    if not twins:
        return None
    how = "does not tell" if sensitive is False else "may not tell"
    return f"differs by case only from {twins[0]}, which the realm {realm} {how} apart, so that neither gets in"


def _directory_obstacle(account: Account, userid: str, kind: str, context: GuardContext) -> str | None:
    """Whether a directory outside still has the person cannot be asked; who has just logged in is known."""
    if kind in (*LOCAL_TYPES, "") or (userid == context.user and context.token is None):
        return None
    if context.directory_users is not None:
        return None if userid in context.directory_users else "is not among directory_users"
    if account.created:
        return (
            "is new, and nothing tells that the directory behind the realm has this person: give directory_users, or "
            "make the account in a run before the one that takes something away"
        )
    return None


def unproven(directory: Directory, names: Sequence[str], context: GuardContext) -> list[str]:
    """People on whom it depends whether somebody can log in, and of whom the directory may have lost track.

    Empty when there are enough without them.
    """
    local = local_only(directory, names)
    if len(local) >= NEEDED or context.directory_users is not None:
        return []
    return [name for name in names if name not in local and not (name == context.user and context.token is None)]


def unknown_passwords(directory: Directory, names: Sequence[str], context: GuardContext) -> list[str]:
    """People on whom it depends whether somebody can log in, and of whom the API does not show whether they have a
    password: the accounts of realms of type pve that were there before. Empty when there are enough without them.
    """
    unknown = [
        name
        for name in names
        if name in directory.users
        and directory.realms.get(realm_of(name), {}).get("type") == "pve"
        and not (name == context.user and context.token is None)
    ]
    return unknown if len(names) - len(unknown) < NEEDED else []


def _time_obstacle(account: Account, context: GuardContext) -> str | None:
    if not account.enable:
        return "is disabled"
    if not is_active(account.expire, context.now):
        return f"expired at {rfc3339(account.expire)}"
    if not is_active(account.expire, context.now + context.min_hours_left * _HOUR):
        return f"expires at {rfc3339(account.expire)}, within {context.min_hours_left} hours"
    return None


def _password_obstacle(account: Account, userid: str, name: str, kind: str, context: GuardContext) -> str | None:
    """A password of the realm pam is one of Unix, on each node its own: Proxmox VE sets it on one node only."""
    if kind == "pve" and account.created and not account.password:
        return "is new and gets no password"
    if kind != "pam":
        return None
    if userid == ROOT and context.root_locked:
        return "will have its Unix password locked"
    if not context.nodes:
        return None if userid == ROOT else _NO_FACTS
    without = [node for node, facts in sorted(context.nodes.items()) if not _has_unix_password(facts, name)]
    return f"has no Unix account with a usable password on {', '.join(without)}" if without else None


def _has_unix_password(facts: Mapping[str, Any], name: str) -> bool:
    return bool(facts["unix_users"].get(name, {}).get("usable_password"))


def factor_obstacle(directory: Directory, userid: str, now: float) -> str | None:
    """What the realm asks for, and the locks after wrong codes (AccessControl.pm authenticate_2nd_new_do)."""
    account, row = directory.users[userid], directory.realms.get(realm_of(userid), {})
    required = row.get("tfa")
    if row.get("type") == "openid":
        return None
    if account.tfa_locked_until > now:
        return f"is locked out of second factors until {rfc3339(account.tfa_locked_until)}"
    factors = account.tfa
    if required:
        wanted = _FACTOR.get(required, required)
        if factors is None:
            return f"must have the second factor {wanted}, and it may not be seen whether there is one"
        if wanted not in factors:
            return f"must have the second factor {wanted} and has none"
    if account.totp_locked and (required == "oath" or factors is None or factors <= {"totp"}):
        return "is locked out of TOTP after wrong codes"
    return None


def is_helper(directory: Directory, userid: str, context: GuardContext) -> bool:
    """A person with all privileges who can log in. The break-glass account is none: it is for emergencies."""
    return (
        context.is_person(userid)
        and login_obstacle(directory, userid, context) is None
        and is_administrator(directory, userid)
    )


def can_repair(directory: Directory, userid: str, now: float) -> bool:
    """An administrator against whom nothing speaks that a single change can see, a missing Unix password aside."""
    return (
        is_administrator(directory, userid)
        and name_obstacle(directory, userid) is None
        and factor_obstacle(directory, userid, now) is None
    )


def administrators(directory: Directory, context: GuardContext) -> list[str]:
    """All people who are such, sorted."""
    return sorted(name for name in directory.users if is_helper(directory, name, context))


def disqualified(directory: Directory, context: GuardContext) -> dict[str, str]:
    """Accounts with all privileges on / that are yet none of the above, each with the reason in a few words."""
    found = {}
    for name in sorted(directory.users):
        if context.is_candidate(name) and has_all_privileges(directory, name):
            lost = lost_privilege(directory, name)
            undeclared = None if context.is_person(name) else "is not declared as a person"
            reason = undeclared or login_obstacle(directory, name, context) or (f"has no {lost}" if lost else None)
            if reason:
                found[name] = reason
    return found


def lasting(directory: Directory, names: Sequence[str], now: float) -> list[str]:
    """Those who do not expire within LASTING_DAYS days."""
    until = now + LASTING_DAYS * _DAY
    return [name for name in names if is_active(directory.users[name].expire, until)]


def local_only(directory: Directory, names: Sequence[str]) -> list[str]:
    """Those that need no server but the cluster itself."""
    return [name for name in names if directory.realms.get(realm_of(name), {}).get("type") in LOCAL_TYPES]


def break_glass_obstacle(directory: Directory, context: GuardContext) -> str | None:
    """Why the break-glass account would not help; None when it would."""
    userid = context.break_glass
    if userid is None:
        return "is not declared"
    obstacle = login_obstacle(directory, userid, context)
    if obstacle:
        return obstacle
    if not local_only(directory, [userid]):
        return "belongs to a realm that needs a server of its own"
    account = directory.users[userid]
    if not is_active(account.expire, context.now + context.break_glass_min_days * _DAY):
        return f"expires at {rfc3339(account.expire)}, within {context.break_glass_min_days} days"
    if not has_all_privileges(directory, userid):
        return "does not have all privileges of the role Administrator on /"
    lost = lost_privilege(directory, userid)
    return f"has no {lost}" if lost else None
