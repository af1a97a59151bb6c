# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who could log in and repair things: the judgement of one account in one state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils.analyze.identity_access import (
    ROOT,
    Account,
    Directory,
    is_administrator,
    is_live,
)
from ansible_collections.pve.audit.plugins.module_utils.model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils.model.time import rfc3339

LOCAL_TYPES = ("pam", "pve")
_HOUR, _DAY = 3600, 86400
_FACTOR = {"oath": "totp", "yubico": "yubico"}


@dataclass(frozen=True)
class Ground:
    """What the guard knows besides the directory.

    `user` and `token` (its name, or None): the credential in use. `break_glass`: user id or None. `services`: accounts
    that are no people; `people`: those declared as such. The owner of the token in use counts only as one of these:
    whether a program's account has a password cannot be seen. `unix`: accounts that are declared with a Unix account.
    `nodes`: {node: {"unix_users": {name: {"usable_password": bool}}}}. Whoever expires within `min_hours_left` hours
    does not count, and the break-glass account must last `break_glass_min_days` days. `now` is in epoch seconds."""

    user: str
    token: str | None
    now: float
    break_glass: str | None = None
    services: frozenset[str] = frozenset()
    people: frozenset[str] = frozenset()
    unix: frozenset[str] = frozenset()
    nodes: Mapping[str, Any] = field(default_factory=dict)
    min_hours_left: int = 24
    break_glass_min_days: int = 90

    @property
    def credential(self) -> str:
        """The name of the credential in use, `user@realm` or `user@realm!token`."""
        return f"{self.user}!{self.token}" if self.token else self.user

    def is_person(self, userid: str) -> bool:
        """Whether the account may be one of the administrators that are needed."""
        if userid in self.services or userid == self.break_glass:
            return False
        return userid in self.people or userid != self.user or self.token is None


def check_nodes(nodes: Mapping[str, Any]) -> None:
    """Raises InputError for facts of another shape."""
    for node, facts in nodes.items():
        users = facts.get("unix_users") if isinstance(facts, Mapping) else None
        if not isinstance(users, Mapping) or not all(isinstance(one, Mapping) for one in users.values()):
            raise InputError(f"nodes.{node} must be like unix_users: {{alice: {{usable_password: true}}}}")


def login_obstacle(directory: Directory, userid: str, ground: Ground) -> str | None:
    """Why the person cannot be relied on to log in, in a few words; None when nothing speaks against it."""
    account = directory.users.get(userid)
    if account is None:
        return "does not exist"
    name, _at, realm = userid.rpartition("@")
    row = directory.realms.get(realm)
    if row is None:
        return f"belongs to the realm {realm}, which does not exist"
    return (
        _time_obstacle(account, ground)
        or _password_obstacle(account, userid, name, str(row["type"]), ground)
        or factor_obstacle(directory, userid, ground.now)
    )


def _time_obstacle(account: Account, ground: Ground) -> str | None:
    if not account.enable:
        return "is disabled"
    if not is_live(account, ground.now):
        return f"expired at {rfc3339(account.expire)}"
    if account.expire and account.expire < ground.now + ground.min_hours_left * _HOUR:
        return f"expires at {rfc3339(account.expire)}, within {ground.min_hours_left} hours"
    return None


def _password_obstacle(account: Account, userid: str, name: str, kind: str, ground: Ground) -> str | None:
    if kind == "pve" and account.created and not account.password:
        return "is new and gets no password"
    if kind != "pam":
        return None
    without = [node for node, facts in sorted(ground.nodes.items()) if not _has_unix_password(facts, name)]
    if not without and (ground.nodes or userid == ROOT):
        return None
    declared = userid in ground.unix
    if declared and (account.password if account.created else not ground.nodes):
        return None
    if declared and account.created:
        return "is new and gets no password"
    if not ground.nodes:
        return "is a pam account, and nothing says that it has a Unix account with a password"
    return f"has no Unix account with a usable password on {', '.join(without)}"


def _has_unix_password(facts: Mapping[str, Any], name: str) -> bool:
    return bool(facts["unix_users"].get(name, {}).get("usable_password"))


def factor_obstacle(directory: Directory, userid: str, now: float) -> str | None:
    """What the realm asks for, and the locks after wrong codes (AccessControl.pm authenticate_2nd_new_do)."""
    account, row = directory.users[userid], directory.realms.get(userid.rpartition("@")[2], {})
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


def administrators(directory: Directory, ground: Ground) -> list[str]:
    """People with all privileges who can log in. The break-glass account is none of them: it is for emergencies."""
    return sorted(
        name
        for name in directory.users
        if ground.is_person(name)
        and login_obstacle(directory, name, ground) is None
        and is_administrator(directory, name)
    )


def local_only(directory: Directory, names: list[str]) -> list[str]:
    """Those that need no server but the cluster itself."""
    return [name for name in names if directory.realms.get(name.rpartition("@")[2], {}).get("type") in LOCAL_TYPES]


def break_glass_obstacle(directory: Directory, ground: Ground) -> str | None:
    """Why the break-glass account would not help; None when it would."""
    userid = ground.break_glass
    if userid is None:
        return "is not declared"
    obstacle = login_obstacle(directory, userid, ground)
    if obstacle:
        return obstacle
    if not local_only(directory, [userid]):
        return "belongs to a realm that needs a server of its own"
    account = directory.users[userid]
    if account.expire and account.expire < ground.now + ground.break_glass_min_days * _DAY:
        return f"expires at {rfc3339(account.expire)}, within {ground.break_glass_min_days} days"
    if not is_administrator(directory, userid):
        return "does not have all privileges of the role Administrator on /"
    return None
