# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the events tell about accounts: when they were last used, from where, and who made which guest."""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._model.event import Event, event_time, get_field
from ansible_collections.pve.audit.plugins.module_utils._model.names import ROOT, owner_of

_MAKES_GUEST = ("guest.create", "guest.restore")


@dataclass(frozen=True)
class Activity:
    """Events, and for which time they are whole. Times are epoch seconds; None: nobody says so.

    `logins_since`: from then on every login of every node is among them; `access_since`: every line of the access
    logs. `cluster_addresses`: the nodes' own addresses, None when they are not known."""

    events: Iterable[Event] = ()
    logins_since: float | None = None
    access_since: float | None = None
    cluster_addresses: frozenset[str] | None = None


@dataclass
class ActivityTally:
    """The events, counted. `used`: account or token to its last sign of life; `makers`: guest to who made it."""

    used: dict[str, float] = field(default_factory=dict)
    actions: Counter[str] = field(default_factory=Counter)
    calls: dict[str, list[tuple[float, str]]] = field(default_factory=dict)
    makers: dict[int, str] = field(default_factory=dict)
    users_of_guest: dict[int, set[str]] = field(default_factory=dict)
    tasks: int = 0


def tally_activity(events: Iterable[Event]) -> ActivityTally:
    """Count the events; those without a time or a user say nothing about an account."""
    tally = ActivityTally()
    for moment, who, event in sorted(_with_user(events), key=lambda item: item[0]):
        owner = owner_of(who)
        dataset = event["event"].get("dataset")
        if dataset in ("pve.access", "pve.auth", "pve.task") and event["event"].get("action") != "session.task.start":
            _note_use(tally, moment, who, owner, dataset, event)
        if dataset == "pve.task":
            _note_task(tally, owner, event)
    return tally


def _with_user(events: Iterable[Event]) -> Iterator[tuple[float, str, Event]]:
    for event in events:
        who, moment = get_field(event, "user.id"), event_time(event)
        if isinstance(who, str) and moment is not None:
            yield moment, who, event


def _note_use(tally: ActivityTally, moment: float, who: str, owner: str, dataset: str, event: Event) -> None:
    """A failed login proves nothing but that somebody typed the name. A task of root may be one of the system."""
    if dataset == "pve.auth" and event["event"].get("outcome") != "success":
        return
    if dataset != "pve.task" or who != ROOT:
        tally.used[who] = moment
    address = _address(get_field(event, "source.ip"))
    if dataset == "pve.access" and who == owner and address:
        tally.calls.setdefault(owner, []).append((moment, address))


def _note_task(tally: ActivityTally, owner: str, event: Event) -> None:
    tally.tasks += 1
    tally.actions[owner] += 1
    guest, action = get_field(event, "pve.vmid"), str(event["event"].get("action", ""))
    if not isinstance(guest, int) or event["event"].get("outcome") == "failure":
        return
    if action == "guest.destroy":
        tally.makers.pop(guest, None)
        tally.users_of_guest.pop(guest, None)
    elif action in _MAKES_GUEST:
        tally.makers[guest] = owner
        tally.users_of_guest[guest] = set()
    elif action.startswith("guest."):
        tally.users_of_guest.setdefault(guest, set()).add(owner)


def _address(value: Any) -> str | None:
    """The address in one spelling, or None for the host's own and for what is none."""
    try:
        found = ipaddress.ip_address(str(value))
    except ValueError:
        return None
    found = getattr(found, "ipv4_mapped", None) or found
    return None if found.is_loopback else str(found)


def concurrent_addresses(calls: Iterable[tuple[float, str]], window: float, ignored: frozenset[str]) -> set[str]:
    """Addresses that took turns: one was seen, then another, then the first again within `window` seconds.

    Somebody who moves from one network to another does not come back within minutes; two people do.
    """
    plain = {_address(address) for address in ignored}
    last: dict[str, float] = {}
    previous, found = "", set()
    for moment, address in calls:
        if address in plain:
            continue
        if previous not in ("", address) and moment - last.get(address, float("-inf")) <= window:
            found |= {previous, address}
        last[address], previous = moment, address
    return found


def covers(since: float | None, days: int, now: float) -> bool:
    """Whether what is whole from `since` on holds the last `days` days."""
    return since is not None and since <= now - days * 86400
