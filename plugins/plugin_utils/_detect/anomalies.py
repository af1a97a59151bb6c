# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The findings that rules make of events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter

from ansible_collections.pve.audit.plugins.module_utils._model.event import Event, get_field
from ansible_collections.pve.audit.plugins.module_utils._model.finding import Finding, finding_id, sort_findings
from ansible_collections.pve.audit.plugins.module_utils._model.severity import FINDING_SEVERITIES
from ansible_collections.pve.audit.plugins.module_utils._model.time import human_duration, to_epoch
from ansible_collections.pve.audit.plugins.module_utils._model.visible import safe_text
from ansible_collections.pve.audit.plugins.module_utils._model.window import Window
from ansible_collections.pve.audit.plugins.plugin_utils._detect.history import Creations
from ansible_collections.pve.audit.plugins.plugin_utils._detect.rules import DetectionRule
from ansible_collections.pve.audit.plugins.plugin_utils._detect.windows import find_windows

_LISTED_VALUES = 20
_TOLD = "LOW"


@dataclass(frozen=True)
class _Told:
    """A finding with what it was made of; `full` when it has the severity of its rule."""

    finding: Finding
    window: Window
    full: bool


@dataclass(frozen=True)
class _Light:
    """Events that weigh less, by their `id()`: the young guests' ones, and those that findings told already."""

    young: frozenset[int]
    told: frozenset[int]

    def __bool__(self) -> bool:
        return bool(self.young or self.told)

    def holds(self, event: Event) -> bool:
        """Whether the event does not count for the full severity."""
        return id(event) in self.young or id(event) in self.told


def find_anomalies(events: Sequence[Event], rules: Iterable[DetectionRule]) -> list[Finding]:
    """The findings of all rules, worst first.

    A rule with `told_by` comes after those that it names. Where its condition holds without what they told at full
    severity, it has its own; else it is LOW, and left out when they have told all of it.
    """
    creations: Creations | None = None
    actions = _by_action(events)
    found: dict[str, list[_Told]] = {}
    for rule in sorted(rules, key=lambda rule: bool(rule.told_by)):
        if rule.lower is not None and creations is None:
            creations = Creations(events)
        earlier = [one for name in rule.told_by for one in found.get(name, ())]
        kept = _candidates(actions, rule)
        for test in rule.keep:
            kept = list(filter(test, kept))
        for sieve in rule.sieves:
            kept = sieve(kept, events)
        found[rule.id] = list(_findings(rule, kept, creations, earlier))
    return sort_findings(one.finding for told in found.values() for one in told)


_Placed = list[tuple[int, Event]]


def _by_action(events: Sequence[Event]) -> dict[str | None, _Placed]:
    """The events of each action, with their places."""
    found: dict[str | None, _Placed] = {}
    for place, event in enumerate(events):
        found.setdefault(event["event"].get("action"), []).append((place, event))
    return found


def _candidates(actions: Mapping[str | None, _Placed], rule: DetectionRule) -> list[Event]:
    """The events that the rule may keep, in the order of the input."""
    lists = [placed for action, placed in actions.items() if rule.acts(action)]
    placed = lists[0] if len(lists) == 1 else sorted(chain.from_iterable(lists), key=itemgetter(0))
    return [event for _place, event in placed]


def _findings(
    rule: DetectionRule, kept: list[Event], creations: Creations | None, earlier: list[_Told]
) -> Iterator[_Told]:
    windows = find_windows(kept, rule.window)
    if not windows:
        return
    light = _light(rule, kept, creations, earlier)
    grave = None
    if light:
        heavy = find_windows([event for event in kept if not light.holds(event)], rule.window)
        grave = {id(event) for window in heavy for event in window.events}
    owners = _owners(earlier)
    for window in windows:
        full = grave is None or any(id(event) in grave for event in window.events)
        if full or any(id(event) not in owners for event in window.events):
            yield _Told(_finding(rule, window, full, light.young, owners), window, full)


def _light(rule: DetectionRule, kept: list[Event], creations: Creations | None, earlier: list[_Told]) -> _Light:
    young: frozenset[int] = frozenset()
    if rule.lower is not None and creations is not None:
        within = rule.lower.made_within
        young = frozenset(id(event) for event in kept if creations.is_young(event, within))
    return _Light(young, frozenset(id(event) for one in earlier if one.full for event in one.window.events))


def _owners(earlier: list[_Told]) -> dict[int, list[str]]:
    """By `id()` of an event the ids of the findings that told it."""
    owners: dict[int, list[str]] = {}
    for one in earlier:
        for event in one.window.events:
            owners.setdefault(id(event), []).append(one.finding.id)
    return owners


def _finding(
    rule: DetectionRule, window: Window, full: bool, young: frozenset[int], owners: dict[int, list[str]]
) -> Finding:
    told = [owners[id(event)] for event in window.events if id(event) in owners]
    nodes = sorted({str(event["host"]["name"]) for event in window.events if event.get("host", {}).get("name")})
    actors = sorted({str(user) for event in window.events if (user := get_field(event, "user.id")) is not None})
    guests = {get_field(event, "pve.vmid") for event in window.events if id(event) in young}
    return Finding(
        id=finding_id(rule.id, window.group, window.start),
        rule=rule.id,
        title=rule.title,
        severity=rule.severity if full else _lowered(rule),
        type=rule.window.type,
        sentence=" ".join([_sentence(rule, window, nodes), *_remarks(rule, window, len(guests), len(told))]),
        start=window.start,
        end=window.end,
        count=window.count,
        total=window.total,
        values=window.values,
        group=window.group,
        nodes=nodes,
        event_ids=window.event_ids,
        actors=actors,
        young=len(guests),
        unknown=_unknown(window),
        related=sorted(set(chain.from_iterable(told))),
        remedy=rule.remedy,
    )


def _lowered(rule: DetectionRule) -> str:
    """The severity of a finding that weighs less, which is never above the rule's own."""
    lower = _TOLD if rule.lower is None else rule.lower.severity
    return max(lower, rule.severity, key=FINDING_SEVERITIES.index)


def _sentence(rule: DetectionRule, window: Window, nodes: list[str]) -> str:
    """`dario@pve: Mass guest deletion: 10 within 1 min 44 s (501, 504, ...) on pve1, pve2.`"""
    who = ", ".join(safe_text(value) for value in window.group.values() if value is not None)
    length = to_epoch(window.end) - to_epoch(window.start)
    number = len(window.values) if rule.window.field else window.total
    when = f" within {human_duration(length)}" if length else ""
    listed = f" ({_listed(window.values)})" if window.values else ""
    where = f" on {', '.join(map(safe_text, nodes))}" if nodes else ""
    return f"{who + ': ' if who else ''}{rule.title}: {number}{when}{listed}{where}{_by(window)}."


def _by(window: Window) -> str:
    """Who did it, with the number of events of each, where the group does not say it."""
    if any(name.startswith("user.") for name in window.group):
        return ""
    accounts = [get_field(event, "user.account") for event in window.events]
    numbers = Counter(str(account) for account in accounts if account is not None)
    counted = [f"{name} ({number})" for name, number in numbers.items()]
    return f" by {_listed(counted)}" if counted else ""


def _listed(values: Sequence[object]) -> str:
    shown = ", ".join(safe_text(value) for value in values[:_LISTED_VALUES])
    more = len(values) - _LISTED_VALUES
    return f"{shown} and {more} more" if more > 0 else shown


def _unknown(window: Window) -> int:
    """The number of events of which no log tells whether they worked."""
    return sum(event["event"].get("outcome") == "unknown" for event in window.events)


def _remarks(rule: DetectionRule, window: Window, young: int, told: int) -> Iterator[str]:
    """Sentences on what makes the finding weigh less, and on what is not known of it."""
    if young and rule.lower is not None:
        before = human_duration(rule.lower.made_within)
        yield f"{young} of the guests had been made by the same account at most {before} before."
    if told:
        yield f"{told} of the {window.total} events are told by other findings too."
    if unknown := _unknown(window):
        yield f"Of {unknown} nobody can say from the logs whether it worked."
