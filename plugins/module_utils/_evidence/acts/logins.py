# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logins: the journal has the user and no address, access.log the address and no user.

A success is in the journal in the second in which access.log has the call, or in the one before. A failure is in the
journal at once, with the address, and in access.log three seconds later. Renewals of a ticket look like logins; but a
browser that renews its ticket has asked for something a few seconds before.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from ansible_collections.pve.audit.plugins.module_utils._evidence.acts.addresses import Addresses
from ansible_collections.pve.audit.plugins.module_utils._evidence.acts.groups import Group
from ansible_collections.pve.audit.plugins.module_utils._evidence.acts.lines import Line
from ansible_collections.pve.audit.plugins.module_utils._model.act import AMBIGUOUS, CERTAIN, LIKELY, UNKNOWN, Candidate
from ansible_collections.pve.audit.plugins.module_utils._model.event import Event, event_time, get_field
from ansible_collections.pve.audit.plugins.module_utils._parse.facts import LINUX_AUTH
from ansible_collections.pve.audit.plugins.module_utils._parse.messages import ACTION_AUTHENTICATE

LOGIN, RENEWAL_OR_LOGIN = "access.login", "access.login_or_renewal"
_TICKET = 2 * 3600  # how long a ticket can be renewed [PVE::AccessControl $ticket_lifetime]
_SECOND_FACTOR = 600  # seconds in which people answer one
_SUCCESS = range(2)  # seconds from the journal's line to that of access.log
_FAILURE = range(6)


@dataclass(slots=True)
class Trails:
    """When each user was seen from each address, in order of the log."""

    seconds: dict[tuple[str, str], list[int]] = field(default_factory=lambda: defaultdict(list))

    def note(self, line: Line) -> None:
        """One line of access.log, reads too."""
        if line.user is not None and line.ip is not None:
            seen = self.seconds[line.user, line.ip]
            if not seen or seen[-1] != line.second:
                seen.append(line.second)

    def sort(self) -> None:
        """Put all in order of time, when everything is noted."""
        for seen in self.seconds.values():
            seen.sort()

    def known(self, user: str, ip: str) -> bool:
        """True when the user was seen from the address at any time."""
        return (user, ip) in self.seconds

    def active(self, user: str, ip: str, second: int) -> bool:
        """True when the user's browser there had a ticket: it asked for something in the two hours before."""
        seen = self.seconds.get((user, ip), [])
        place = bisect_left(seen, second)
        return place > 0 and second - seen[place - 1] <= _TICKET

    def between(self, user: str, ip: str, first: int, second: int) -> bool:
        """True when something was asked for from the first second on, before the second one."""
        seen = self.seconds.get((user, ip), [])
        place = bisect_left(seen, first)
        return place < len(seen) and seen[place] < second


def join_logins(
    others: Iterable[Event], tickets: list[Line], refused: list[Line], trails: Trails, known: Addresses
) -> list[Group]:
    """An act for each login, renewal and refused ticket, with all lines that saw it."""
    events = [event for event in others if event["event"].get("action") == ACTION_AUTHENTICATE]
    events.sort(key=_time)
    groups = sorted(_without_doubles(events), key=lambda group: _time(group.lead))
    good, turned_away = _Queue(line for line in tickets if not _failed(line)), _Queue(refused)
    bad = _Turns(((line.node, line.ip), float(line.second), line) for line in tickets if _failed(line))
    for group in groups:
        if group.lead["event"].get("outcome") == "success":
            _join_success(group, good, trails)
        elif get_field(group.lead, "source.ip") is not None:
            _join_failure(group, bad, known)
        else:
            _join_refusal(group, turned_away)
    _join_behind_proxy(groups, tickets)
    _find_first_factors(groups, trails)
    used = {id(group.line) for group in groups}
    return groups + [_lonely_ticket(line) for line in tickets if id(line) not in used]


_SMALLEST = 200  # bytes; a ticket alone is longer


def _find_first_factors(groups: Iterable[Group], trails: Trails) -> None:
    """A success that was never used before the same user tried again from there is the right password alone, before
    the second factor: the journal has the same words for it."""
    last: dict[tuple[str, str], Group] = {}
    for group in groups:
        user, ip = group.candidates[0]["user"], group.candidates[0]["ip"]
        if user is None or ip is None or len(group.candidates) > 1:
            continue
        before = last.get((user, ip))
        last[user, ip] = group
        if before is not None and before.renamed == LOGIN and before.lead["event"].get("outcome") == "success":
            start, end = int(_time(before.lead)), int(_time(group.lead))
            if end - start <= _SECOND_FACTOR and not trails.between(user, ip, start, end):
                before.renamed = RENEWAL_OR_LOGIN


def _failed(line: Line) -> bool:
    return line.refused or (line.size is not None and line.size < _SMALLEST)


class _Queue:
    """Lines by node and second, each given away once."""

    def __init__(self, lines: Iterable[Line]) -> None:
        self.lines: dict[tuple[str, int], list[Line]] = defaultdict(list)
        self.used: set[int] = set()
        for line in lines:
            self.lines[line.node, line.second].append(line)

    def near(self, event: Event, span: range) -> list[Line]:
        """All lines of the event's node within the span of seconds after it, given away or not."""
        time, node = event_time(event), get_field(event, "host.name") or ""
        return [] if time is None else [line for add in span for line in self.lines.get((node, int(time) + add), ())]

    def take(self, group: Group, near: list[Line], fits: Callable[[Line], bool]) -> Line | None:
        """The first of the lines that fits and was not given away."""
        line = next((line for line in near if id(line) not in self.used and fits(line)), None)
        if line is not None:
            self.used.add(id(line))
            group.take(line)
        return line


T = TypeVar("T")


class _Turns(Generic[T]):
    """Things by key in order of time, each given away once to askers that come in order of time as well."""

    def __init__(self, things: Iterable[tuple[tuple[object, ...], float, T]]) -> None:
        self.waiting: dict[tuple[object, ...], list[tuple[float, T]]] = defaultdict(list)
        for key, time, thing in sorted(things, key=lambda row: row[1], reverse=True):
            self.waiting[key].append((time, thing))

    def next(self, key: tuple[object, ...], earliest: float, latest: float) -> T | None:
        """The first one in a span of time; all before it are gone."""
        row = self.waiting.get(key, [])
        while row and row[-1][0] < earliest:
            row.pop()
        return row.pop()[1] if row and row[-1][0] <= latest else None


def _without_doubles(events: list[Event]) -> list[Group]:
    """A failed login of a user of the realm pam is told twice: by pvedaemon, and by PAM."""
    groups = [Group(event, [event]) for event in events if event["event"].get("dataset") != LINUX_AUTH]
    failures = [group for group in groups if group.lead["event"].get("outcome") == "failure"]
    turns = _Turns((_who(group.lead), _time(group.lead), group) for group in failures)
    for event in events:
        if event["event"].get("dataset") == LINUX_AUTH:
            told = turns.next(_who(event), _time(event) - 1, _time(event) + _DOUBLE)
            if told is not None:
                told.add(event)
            else:
                groups.append(Group(event, [event]))
    return groups


_DOUBLE = 4.0  # seconds; PAM may wait before it answers


def _time(event: Event) -> float:
    return event_time(event) or 0.0


def _who(event: Event) -> tuple[object, ...]:
    return get_field(event, "host.name"), get_field(event, "user.id"), get_field(event, "source.ip")


def _join_success(group: Group, good: _Queue, trails: Trails) -> None:
    user = get_field(group.lead, "user.id")
    near = good.near(group.lead, _SUCCESS)
    addresses = list(dict.fromkeys(line.ip for line in near if line.ip is not None))
    seen = [ip for ip in addresses if user is not None and trails.known(user, ip)]
    line = good.take(group, near, lambda line: line.ip in (seen or addresses))
    chosen = seen if len(addresses) > 1 and seen else addresses
    group.candidates = [_candidate(user, ip) for ip in chosen] or [_candidate(user, None)]
    group.confidence = LIKELY if len(group.candidates) == 1 else AMBIGUOUS
    if len(addresses) == 1 and seen and line is not None and line.proven:
        group.confidence = CERTAIN
    ip = chosen[0] if len(chosen) == 1 and line is not None else None
    group.renamed = LOGIN if _is_fresh(user, ip, int(_time(group.lead)), trails) else RENEWAL_OR_LOGIN


def _is_fresh(user: str | None, ip: str | None, time: int, trails: Trails) -> bool:
    """Whether nothing came from this user and address before."""
    return user is not None and ip is not None and not trails.active(user, ip, time)


def _join_failure(group: Group, bad: _Turns[Line], known: Addresses) -> None:
    """The journal has the address itself. The user is whatever was typed."""
    ip, node, second = get_field(group.lead, "source.ip"), get_field(group.lead, "host.name") or "", _time(group.lead)
    line = bad.next((node, ip), int(second), int(second) + _FAILURE[-1])
    if line is not None:
        group.take(line)
    own = known.node_of(ip, node) is not None
    group.candidates = [_candidate(get_field(group.lead, "user.id"), None if own else ip)]
    group.confidence = UNKNOWN if own else CERTAIN
    group.renamed = LOGIN


def _join_behind_proxy(groups: list[Group], tickets: list[Line]) -> None:
    """Failures of which access.log has another address than the journal.

    With PROXY_REAL_IP_HEADER the journal names the reverse proxy, which then never stands in access.log. Both addresses
    are named, as another client may have failed in the same seconds.
    """
    used, seen = {id(group.line) for group in groups}, {(line.node, line.ip) for line in tickets}
    left = _Turns(
        ((line.node,), float(line.second), line)
        for line in tickets
        if _failed(line) and line.ip is not None and id(line) not in used
    )
    for group in groups:
        ip, node = get_field(group.lead, "source.ip"), get_field(group.lead, "host.name") or ""
        if group.confidence != CERTAIN or group.line is not None or ip is None or (node, ip) in seen:
            continue
        second = int(_time(group.lead))
        if (line := left.next((node,), second, second + _FAILURE[-1])) is not None:
            group.take(line)
            group.candidates.insert(0, _candidate(get_field(group.lead, "user.id"), line.ip))
            group.confidence = AMBIGUOUS


def _join_refusal(group: Group, refused: _Queue) -> None:
    """A ticket or token that is refused: the journal has no address, and access.log no user."""
    near = refused.near(group.lead, _FAILURE)
    near = [line for line in near if line.second == near[0].second]
    addresses = list(dict.fromkeys(line.ip for line in near))
    refused.take(group, near, lambda _line: True)
    user = get_field(group.lead, "user.id")
    group.candidates = [_candidate(user, ip) for ip in addresses] or [_candidate(user, None)]
    group.confidence = UNKNOWN if user is None else LIKELY if len(addresses) == 1 else AMBIGUOUS
    if user is not None and not addresses:
        group.confidence = LIKELY


def _lonely_ticket(line: Line) -> Group:
    group = Group(line.event, [], confidence=UNKNOWN, candidates=[_candidate(None, line.ip)])
    group.take(line)
    return group


def _candidate(user: str | None, ip: str | None) -> Candidate:
    return {"user": user, "person": None, "ip": ip, "channel": "gui"}
