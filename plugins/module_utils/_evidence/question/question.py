# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which acts are asked for. Who may have done an act counts as well as who did it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._model.act import Act
from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._model.event import event_time
from ansible_collections.pve.audit.plugins.module_utils._model.names import owner_of
from ansible_collections.pve.audit.plugins.module_utils._model.severity import SEVERITIES
from ansible_collections.pve.audit.plugins.module_utils._parse.lines import client_ip

# Where a path of the API begins that names an object of one type.
_PATHS: dict[str, tuple[str, ...]] = {
    "/access/users/": ("user",),
    "/access/groups/": ("group",),
    "/access/roles/": ("role",),
    "/access/domains/": ("realm",),
    "/pools/": ("pool",),
    "/storage/": ("storage",),
    "/vms/": ("guest",),
}


@dataclass(frozen=True)
class Question:
    """What an act must have; empty and None are no condition. Times are epoch seconds."""

    since: float | None = None
    until: float | None = None
    account: str = ""
    person: str = ""
    vmid: int | None = None
    object: str = ""
    address: str = ""
    actions: tuple[str, ...] = ()
    severities: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()

    @classmethod
    def read(cls, params: Mapping[str, Any], since: float | None, until: float | None) -> Question:
        """From options. Raises InputError that names the option."""
        address = str(params.get("address") or "")
        ip = client_ip(address) if address else ""
        if ip is None:
            raise InputError(f"address: {address!r} is no IP address: give one such as 192.0.2.7, no name and no net")
        severities = tuple(params.get("severities") or ())
        if wrong := sorted(set(severities) - set(SEVERITIES)):
            raise InputError(f"severities: {', '.join(wrong)} unknown: use {', '.join(SEVERITIES)}")
        account = str(params.get("account") or "")
        if account and "@" not in account:
            raise InputError(f"account: {account!r} has no realm: write it as name@pve, or ask for a person")
        return cls(
            since=since,
            until=until,
            account=account,
            person=str(params.get("person") or ""),
            vmid=params.get("vmid"),
            object=str(params.get("object") or ""),
            address=ip,
            actions=tuple(params.get("actions") or ()),
            severities=severities,
        )

    def fits(self, act: Act) -> bool:
        """Whether the act is asked for."""
        return (
            self._in_time(act)
            and self._who(act)
            and self._what(act)
            and (not self.address or self.address in _addresses(act))
        )

    def _in_time(self, act: Act) -> bool:
        time = event_time(act)
        if time is None:
            return True
        return not (self.since is not None and time < self.since) and not (self.until is not None and time > self.until)

    def _who(self, act: Act) -> bool:
        users = {one["user"] for one in act["attribution"]["candidates"]} | {act["user"]["id"]}
        names = {user for user in users if user} | {owner_of(user) for user in users if user}
        persons = {one["person"] for one in act["attribution"]["candidates"]} | {act["person"]}
        if self.account and self.account not in names:
            return False
        return not self.person or self.person in persons or self.person in {name.split("@")[0] for name in names}

    def _what(self, act: Act) -> bool:
        facts, action = act["pve"], str(act["event"]["action"])
        if self.vmid is not None and facts["vmid"] != self.vmid:
            return False
        if self.severities and facts["severity"] not in self.severities:
            return False
        if self.actions and not any(action == one or action.startswith(f"{one}.") for one in self.actions):
            return False
        return not self.object or _is_object(self.object, facts)


def _addresses(act: Act) -> set[str | None]:
    return {one["ip"] for one in act["attribution"]["candidates"]} | {act["source"]["ip"]}


def _is_object(wanted: str, facts: Mapping[str, Any]) -> bool:
    """By its name, or by a path such as /access/users/alice@pve."""
    name = facts["object"]
    if name is None:
        return False
    if not wanted.startswith("/"):
        return bool(name == wanted)
    types = next((types for path, types in _PATHS.items() if wanted.startswith(path)), None)
    return wanted in (name, f"/{name}") or (
        wanted.endswith(f"/{name}") and (types is None or facts["object_type"] in types)
    )


def pick(acts: Iterable[Act], question: Question) -> list[Act]:
    """The acts that are asked for, in their order."""
    return [act for act in acts if question.fits(act)]
