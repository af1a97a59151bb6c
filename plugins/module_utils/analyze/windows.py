# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sliding windows over events, in the vocabulary of the Sigma correlation rules.

A *window* is every interval `[t - timespan, t]` that ends at the time of an event; both ends belong to it, so two
events
exactly `timespan` apart are in one window. A window is measured once all events of its last instant are in it, and it
*matches* when its measure meets the condition. Matching windows that share an event are one result.

How odd input is treated, so that nobody has to guess:

* The order of the input does not matter. Results are sorted by start, then by group.
* Events with the same `event.id` are one event; the first one given counts. Events without an id are all counted.
* Events without a readable `@timestamp` cannot be placed and are left out.
* A missing `group_by` field is the value null, a group of its own, as in SQL.
* For `value_count`, an event without the field is left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from operator import eq, ge, gt, itemgetter, le, lt
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils.model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils.model.event import Event, field_getter
from ansible_collections.pve.audit.plugins.module_utils.model.time import parse_duration

TYPES = ("event_count", "value_count")

_OPERATORS: dict[str, Callable[[int, int], bool]] = {"gt": gt, "gte": ge, "lt": lt, "lte": le, "eq": eq}

Row = tuple[float, Any, Event]  # time, value (None for event_count), event


@dataclass(frozen=True)
class WindowRule:
    """One checked rule. Build it with `window_rule`, which explains what is wrong with bad input."""

    type: str
    timespan: int
    condition: tuple[tuple[str, int], ...]
    group_by: tuple[str, ...] = ()
    field: str | None = None

    def matches(self, measure: int) -> bool:
        """True when the measure of a window meets every part of the condition."""
        return all(_OPERATORS[name](measure, limit) for name, limit in self.condition)


@dataclass
class Window:
    """Merged matching windows of one group: its events lie in `rows[first:last + 1]` of the group."""

    group: dict[str, Any]
    start: str
    end: str
    count: int
    total: int
    values: list[Any]
    event_ids: list[str]
    events: list[Event] = field(repr=False)

    def as_dict(self) -> dict[str, Any]:
        """The public form, without the events themselves."""
        return {
            "group": self.group,
            "start": self.start,
            "end": self.end,
            "count": self.count,
            "total": self.total,
            "values": self.values,
            "event_ids": self.event_ids,
        }


def window_rule(
    type: object,
    timespan: object,
    condition: object,
    group_by: object = (),
    field: object = None,
) -> WindowRule:
    """Check the parts of a rule. Raises InputError that names the part that cannot be used."""
    if type not in TYPES:
        raise InputError(f"type {type!r} is unknown: use one of {', '.join(TYPES)}")
    names = [group_by] if isinstance(group_by, str) else group_by
    if not isinstance(names, Sequence) or not all(isinstance(name, str) and name for name in names):
        raise InputError(f"group_by must be a list of field names such as ['user.name'], not {group_by!r}")
    if type == "value_count" and (not isinstance(field, str) or not field):
        raise InputError("value_count needs `field`, the name of the field whose distinct values are counted")
    if type == "event_count" and field is not None:
        raise InputError("event_count counts events and takes no `field`: leave it out, or use value_count")
    return WindowRule(
        type=str(type),
        timespan=parse_duration(timespan),
        condition=_check_condition(condition),
        group_by=tuple(str(name) for name in names),
        field=None if field is None else str(field),
    )


def _check_condition(condition: object) -> tuple[tuple[str, int], ...]:
    """`{"gt": 5}` as checked pairs."""
    if not isinstance(condition, Mapping) or not condition:
        raise InputError(f"condition must be a comparison such as {{'gt': 5}}, not {condition!r}")
    pairs = []
    for name, limit in condition.items():
        if name not in _OPERATORS:
            raise InputError(f"condition {name!r} is unknown: use one of {', '.join(_OPERATORS)}")
        if isinstance(limit, bool) or not isinstance(limit, int):
            raise InputError(f"condition {name!r} needs a whole number, not {limit!r}")
        pairs.append((str(name), int(limit)))
    return tuple(pairs)


def find_windows(events: Iterable[Event], rule: WindowRule) -> list[Window]:
    """The merged matching windows of `events` under `rule`, sorted by start and group.

    Costs one sort of the events and one pass over them: O(n log n).
    """
    windows = [
        window
        for key, rows in _grouped_rows(events, rule).items()
        for window in _windows_of_group(dict(zip(rule.group_by, key, strict=True)), rows, rule)
    ]
    return sorted(windows, key=lambda window: (window.start, [str(value) for value in window.group.values()]))


def _grouped_rows(events: Iterable[Event], rule: WindowRule) -> dict[tuple[Any, ...], list[Row]]:
    """The countable events of each group, without duplicates, sorted by time."""
    value_of = field_getter(rule.field) if rule.field else None
    key_of = _key_getter(rule.group_by)
    seen: set[str] = set()
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for event in events:
        value = None
        if value_of is not None and (value := _hashable(value_of(event))) is None:
            continue
        time = event_time(event)
        if time is None:
            continue
        identity = event["event"].get("id")
        if identity is not None:
            if identity in seen:
                continue
            seen.add(identity)
        rows = groups.get(key := key_of(event))
        if rows is None:
            groups[key] = [(time, value, event)]
        else:
            rows.append((time, value, event))
    for rows in groups.values():
        rows.sort(key=itemgetter(0))
    return groups


def event_time(event: Event) -> float | None:
    """The event's `@timestamp` as epoch seconds, or None when it has none that can be read."""
    try:
        moment = datetime.fromisoformat(event["@timestamp"])
    except (KeyError, TypeError, ValueError):
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _key_getter(fields: tuple[str, ...]) -> Callable[[Event], tuple[Any, ...]]:
    """A function that gives an event's group."""
    getters = [field_getter(name) for name in fields]
    if len(getters) == 1:
        only = getters[0]
        return lambda event: (_hashable(only(event)),)
    return lambda event: tuple(_hashable(getter(event)) for getter in getters)


def _hashable(value: Any) -> Any:
    """Values that cannot be compared by hash (lists, maps) are compared by their text."""
    return repr(value) if isinstance(value, (list, dict)) else value


def _windows_of_group(group: dict[str, Any], rows: list[Row], rule: WindowRule) -> Iterator[Window]:
    """Merge the matching windows of one group."""
    first = last = peak = -1
    for left, right, measure in _measured(rows, rule):
        if not rule.matches(measure):
            continue
        if first >= 0 and left > last:
            yield _window(group, rows[first : last + 1], peak, rule)
            first = -1
        if first < 0:
            first, peak = left, measure
        last, peak = right, max(peak, measure)
    if first >= 0:
        yield _window(group, rows[first : last + 1], peak, rule)


def _measured(rows: list[Row], rule: WindowRule) -> Iterator[tuple[int, int, int]]:
    """Every window as (index of its first row, index of its last row, measure)."""
    span, last = rule.timespan, len(rows) - 1
    inside: Counter[Any] = Counter()
    count_values = rule.type == "value_count"
    left = 0
    for right, (time, value, _event) in enumerate(rows):
        if count_values:
            inside[value] += 1
        if right < last and rows[right + 1][0] == time:
            continue
        while rows[left][0] < time - span:
            if count_values:
                _remove(inside, rows[left][1])
            left += 1
        yield left, right, len(inside) if count_values else right - left + 1


def _remove(inside: Counter[Any], value: Any) -> None:
    """Take one occurrence out; a value that is no longer there does not count."""
    if inside[value] == 1:
        del inside[value]
    else:
        inside[value] -= 1


def _window(group: dict[str, Any], rows: list[Row], peak: int, rule: WindowRule) -> Window:
    """The result for the rows of merged windows; values in order of their first appearance."""
    events = [event for _time, _value, event in rows]
    return Window(
        group=group,
        start=events[0]["@timestamp"],
        end=events[-1]["@timestamp"],
        count=peak,
        total=len(events),
        values=list(dict.fromkeys(value for _time, value, _event in rows)) if rule.field else [],
        event_ids=[event["event"]["id"] for event in events if "id" in event["event"]],
        events=events,
    )
