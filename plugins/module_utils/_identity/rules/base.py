# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an identity rule is, and what it gets to see."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from ansible_collections.pve.audit.plugins.module_utils._identity.access import Account, Directory, directory_of
from ansible_collections.pve.audit.plugins.module_utils._identity.activity import (
    Activity,
    ActivityTally,
    tally_activity,
)
from ansible_collections.pve.audit.plugins.module_utils._identity.administrators import (
    can_become_administrator,
    find_administrators,
    is_active,
)
from ansible_collections.pve.audit.plugins.module_utils._identity.policy import Policy
from ansible_collections.pve.audit.plugins.module_utils._model.names import ROOT, realm_of

Row = Mapping[str, Any]


class Hit(NamedTuple):
    """A rule applies to `object`. `severity` where it differs from the rule's."""

    object: str
    sentence: str
    severity: str | None = None


@dataclass(frozen=True)
class IdentityFacts:
    """All that rules are judged by. What costs time is worked out once, when it is first asked for."""

    identity: Mapping[str, Any]
    now: float
    policy: Policy
    activity: Activity

    @cached_property
    def directory(self) -> Directory:
        """The identity in a form that answers questions of privileges."""
        return directory_of(self.identity)

    @cached_property
    def tally(self) -> ActivityTally:
        """The events, counted."""
        return tally_activity(self.activity.events)

    @cached_property
    def administrators(self) -> list[str]:
        """Active users with all privileges on / and below it."""
        return find_administrators(self.directory, self.now)

    @cached_property
    def climbers(self) -> list[str]:
        """Active users who are none of these, but can give themselves the rights of one."""
        return find_administrators(self.directory, self.now, can_become_administrator)

    @cached_property
    def mighty(self) -> frozenset[str]:
        """Both: whoever has such an account has the cluster."""
        return frozenset((*self.administrators, *self.climbers))

    def complete(self, kind: str) -> bool:
        """Whether this kind of object was seen whole."""
        return bool(self.identity["coverage"][kind]["complete"])

    def account(self, userid: str) -> Account | None:
        """The account, or None when it does not exist or may not be seen."""
        return self.directory.users.get(userid)

    def active_users(self) -> Iterator[Row]:
        """Users that are enabled and not expired."""
        for row in self.identity["users"]:
            if is_active(row["expire"], self.now, row["enable"]):
                yield row

    def people(self) -> Iterator[Row]:
        """Active users of whom a name and an address are expected."""
        for row in self.active_users():
            if row["userid"] != ROOT and self.policy.wants_details(row["userid"]):
                yield row

    def has_left(self, userid: str) -> bool:
        """Disabled, expired or gone; gone counts only where all users were seen. root@pam is nobody who leaves."""
        account = self.account(userid)
        if userid == ROOT:
            return False
        return self.complete("users") if account is None else not is_active(account.expire, self.now, account.enable)

    def realm_type(self, userid: str) -> str:
        """The kind of the user's realm, empty when it is not known."""
        return str(self.directory.realms.get(realm_of(userid), {}).get("type", ""))


@dataclass(frozen=True)
class IdentityRule:
    """One rule. `needs`: kinds of object that must have been seen whole; with `partial` it runs on a part as well,
    and what it finds there is true. `missing` says why the rule cannot be answered whole although all was seen."""

    id: str
    title: str
    severity: str
    object_type: str
    remedy: str
    find: Callable[[IdentityFacts], Iterable[Hit]]
    needs: tuple[str, ...] = ("users",)
    partial: bool = True
    missing: Callable[[IdentityFacts], str | None] | None = None
    missing_stops: bool = True
