# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sliding windows over events, in the vocabulary of the Sigma correlation rules.

A *window* is every interval `[t - timespan, t]` that ends at the time of an event; both ends belong to it, so two
events exactly `timespan` apart are in one window. A window is measured once all events of its last instant are in it,
and it *matches* when its measure meets the condition. Matching windows that share an event are one result.

How odd input is treated, so that nobody has to guess:

* The order of the input does not matter. Results are sorted by start, then by group.
* Events with the same `event.id` are one event, as `unique_events` says. Events without an id are all counted.
* Events without a readable `@timestamp` cannot be placed and are left out.
* A missing `group_by` field is the value null, a group of its own, as in SQL.
* For `value_count`, an event without the field is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from operator import eq, ge, gt, le, lt
from typing import Any, NamedTuple

from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._model.event import (
    Event,
    event_time,
    field_getter,
    unique_events,
)
from ansible_collections.pve.audit.plugins.module_utils._model.time import parse_duration
from ansible_collections.pve.audit.plugins.module_utils._model.window import Window

TYPES = ("event_count", "value_count")

_OPERATORS: dict[str, Callable[[int, int], bool]] = {"gt": gt, "gte": ge, "lt": lt, "lte": le, "eq": eq}


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

    @property
    def least(self) -> int:
        """A window of fewer events than this cannot match, whatever they are."""
        floors = {"gt": 1, "gte": 0, "eq": 0}
        return max((limit + floors[name] for name, limit in self.condition if name in floors), default=0)


class Column(NamedTuple):
    """The countable events of one group, side by side: one list for each thing that is looked at often.

    `values` is empty for `event_count`.
    """

    times: list[float]
    values: list[Any]
    events: list[Event]


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
    names = _check_names(group_by)
    if type == "value_count" and (not isinstance(field, str) or not field):
        raise InputError("value_count needs `field`, the name of the field whose distinct values are counted")
    if type == "event_count" and field is not None:
        raise InputError("event_count counts events and takes no `field`: leave it out, or use value_count")
    return WindowRule(
        type=str(type),
        timespan=parse_duration(timespan),
        condition=_check_condition(condition),
        group_by=names,
        field=None if field is None else str(field),
    )


def _check_names(group_by: object) -> tuple[str, ...]:
    names = [group_by] if isinstance(group_by, str) else group_by
    if not isinstance(names, Sequence) or not all(isinstance(name, str) and name for name in names):
        raise InputError(f"group_by must be a list of field names such as ['user.name'], not {group_by!r}")
    return tuple(str(name) for name in names)


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
    single = len(rule.group_by) == 1
    windows = [
        window
        for key, column in _grouped(events, rule).items()
        for window in _windows_of_group(
            dict(zip(rule.group_by, (key,) if single else key, strict=True)), _sorted(column), rule
        )
    ]
    return sorted(windows, key=lambda window: (window.start, [str(value) for value in window.group.values()]))


def _grouped(events: Iterable[Event], rule: WindowRule) -> dict[Any, Column]:
    """The countable events of each group, without duplicates, as they come."""
    value_of = field_getter(rule.field) if rule.field else None
    key_of = _key_getter(rule.group_by)
    groups: dict[Any, Column] = {}
    for event in unique_events(events):
        value = None
        if value_of is not None and (value := _hashable(value_of(event))) is None:
            continue
        if (time := event_time(event)) is None:
            continue
        if (column := groups.get(key := key_of(event))) is None:
            column = groups[key] = Column([], [], [])
        times, values, members = column
        times.append(time)
        members.append(event)
        if value_of is not None:
            values.append(value)
    return groups


def _sorted(column: Column) -> Column:
    """The same column in order of time; events of one instant stay in the order they came in."""
    times, values, events = column
    if all(earlier <= later for earlier, later in pairwise(times)):
        return column
    order = sorted(range(len(times)), key=times.__getitem__)
    return Column([times[n] for n in order], [values[n] for n in order] if values else [], [events[n] for n in order])


def _key_getter(fields: tuple[str, ...]) -> Callable[[Event], Any]:
    """A function that gives an event's group: the value itself for one field, else a tuple."""
    getters = [field_getter(name) for name in fields]
    if len(getters) == 1:
        only = getters[0]
        return lambda event: _hashable(only(event))
    return lambda event: tuple([_hashable(getter(event)) for getter in getters])


def _hashable(value: Any) -> Any:
    """Values that cannot be compared by hash (lists, maps) are compared by their text."""
    return repr(value) if isinstance(value, (list, dict)) else value


def _windows_of_group(group: dict[str, Any], column: Column, rule: WindowRule) -> Iterator[Window]:
    """Merge the matching windows of one group, whose column is in order of time."""
    first = last = peak = -1
    for left, right, measure in _measured(column, rule):
        if not rule.matches(measure):
            continue
        if first >= 0 and left > last:
            yield _window(group, column, first, last, peak)
            first = -1
        if first < 0:
            first, peak = left, measure
        last, peak = right, max(peak, measure)
    if first >= 0:
        yield _window(group, column, first, last, peak)


def _measured(column: Column, rule: WindowRule) -> Iterator[tuple[int, int, int]]:
    """Every window that can match as (index of its first event, index of its last event, measure)."""
    measure = _distinct_values if rule.type == "value_count" else _event_counts
    least = rule.least
    for start, stop in _runs(column.times, rule.timespan):
        if stop - start >= least:
            yield from measure(column, rule.timespan, start, stop)


def _runs(times: list[float], span: int) -> Iterator[tuple[int, int]]:
    """Stretches of events of which each is at most `span` after the one before: no window reaches over a pause.

    Given as (index of the first event, index after the last one).
    """
    pauses = [n for n, (earlier, later) in enumerate(pairwise(times), 1) if later - earlier > span]
    yield from pairwise([0, *pauses, len(times)])


def _event_counts(column: Column, span: int, start: int, stop: int) -> Iterator[tuple[int, int, int]]:
    """The windows that end in the run, with their number of events."""
    times, left = column.times, start
    for right in range(start, stop):
        time = times[right]
        if right + 1 < stop and times[right + 1] == time:
            continue
        while times[left] < time - span:
            left += 1
        yield left, right, right - left + 1


def _distinct_values(column: Column, span: int, start: int, stop: int) -> Iterator[tuple[int, int, int]]:
    """The windows that end in the run, with their number of distinct values."""
    times, values, left = column.times, column.values, start
    inside: dict[Any, int] = {}
    for right in range(start, stop):
        time, value = times[right], values[right]
        inside[value] = inside.get(value, 0) + 1
        if right + 1 < stop and times[right + 1] == time:
            continue
        while times[left] < time - span:
            gone = values[left]
            if inside[gone] == 1:
                del inside[gone]
            else:
                inside[gone] -= 1
            left += 1
        yield left, right, len(inside)


def _window(group: dict[str, Any], column: Column, first: int, last: int, peak: int) -> Window:
    """The result for merged windows; values in order of their first appearance."""
    events = column.events[first : last + 1]
    return Window(
        group=group,
        start=events[0]["@timestamp"],
        end=events[-1]["@timestamp"],
        count=peak,
        total=len(events),
        values=list(dict.fromkeys(column.values[first : last + 1])),
        event_ids=[event["event"]["id"] for event in events if "id" in event["event"]],
        events=events,
    )
