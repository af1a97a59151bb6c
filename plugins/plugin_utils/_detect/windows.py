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

`temporal` and `temporal_ordered` look at steps in place of a number, see `sequences`. A step is a test of events, or a
rule of its own that counts them. The measure is the number of different steps; all of them, when nothing else is said.
The events of the result are those of the steps, and may begin before the window when a step counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
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
from ansible_collections.pve.audit.plugins.plugin_utils._detect.match import Predicate, field_filters
from ansible_collections.pve.audit.plugins.plugin_utils._detect.sequences import Hit, events_of, in_order, together

COUNTS = ("event_count", "value_count")
SEQUENCES = ("temporal", "temporal_ordered")
TYPES = (*COUNTS, *SEQUENCES)

_OPERATORS: dict[str, Callable[[int, int], bool]] = {"gt": gt, "gte": ge, "lt": lt, "lte": le, "eq": eq}


@dataclass(frozen=True)
class WindowRule:
    """One checked rule. Build it with `window_rule`, which explains what is wrong with bad input."""

    type: str
    timespan: int
    condition: tuple[tuple[str, int], ...]
    group_by: tuple[str, ...] = ()
    field: str | None = None
    steps: tuple[Step, ...] = ()

    def matches(self, measure: int) -> bool:
        """True when the measure of a window meets every part of the condition."""
        return all(_OPERATORS[name](measure, limit) for name, limit in self.condition)

    @property
    def least(self) -> int:
        """A window of fewer events than this cannot match, whatever they are."""
        floors = {"gt": 1, "gte": 0, "eq": 0}
        return max((limit + floors[name] for name, limit in self.condition if name in floors), default=0)


@dataclass(frozen=True)
class Step:
    """A thing that a sequence asks for: events that pass all tests, each of them or, with `counts`, as `rule` says."""

    name: str
    keep: tuple[Predicate, ...]
    rule: WindowRule
    counts: bool


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
    condition: object = None,
    group_by: object = (),
    field: object = None,
    rules: object = None,
) -> WindowRule:
    """Check the parts of a rule. Raises InputError that names the part that cannot be used."""
    if type not in TYPES:
        raise InputError(f"type {type!r} is unknown: use one of {', '.join(TYPES)}")
    names = _check_names(group_by)
    span = parse_duration(timespan)
    if type in SEQUENCES:
        return _sequence_rule(str(type), span, condition, names, field, rules)
    if rules is not None:
        raise InputError(f"{type} takes no `rules`: leave them out, or use one of {', '.join(SEQUENCES)}")
    if type == "value_count" and (not isinstance(field, str) or not field):
        raise InputError("value_count needs `field`, the name of the field whose distinct values are counted")
    if type == "event_count" and field is not None:
        raise InputError("event_count counts events and takes no `field`: leave it out, or use value_count")
    return WindowRule(
        type=str(type),
        timespan=span,
        condition=_check_condition(condition),
        group_by=names,
        field=None if field is None else str(field),
    )


def _sequence_rule(
    type: str, span: int, condition: object, names: tuple[str, ...], field: object, rules: object
) -> WindowRule:
    if field is not None:
        raise InputError(f"{type} counts steps and takes no `field`: leave it out")
    if not isinstance(rules, Sequence) or isinstance(rules, str) or len(rules) < 2:
        raise InputError(f"{type} needs `rules`, a list of two or more steps with name and match, not {rules!r}")
    steps = tuple(_check_step(data, span, names) for data in rules)
    if len({step.name for step in steps}) < len(steps):
        raise InputError("two steps of `rules` have one name: give each step its own")
    if condition is None:
        condition = {"gte": len(steps)}
    elif type == "temporal_ordered":
        raise InputError("temporal_ordered asks for all steps and takes no `condition`: leave it out")
    return WindowRule(type, span, _check_condition(condition), names, None, steps)


_STEP_KEYS = frozenset({"name", "match", "exclude", "outcome", "type", "timespan", "condition", "field"})


def _check_step(data: object, span: int, group_by: tuple[str, ...]) -> Step:
    """One step; without `condition` each event is one, and without `timespan` it counts in that of the whole."""
    if not isinstance(data, Mapping) or not isinstance(data.get("name"), str) or not data["name"]:
        raise InputError(f"a step of `rules` must be a map with name and match, not {data!r}")
    name = data["name"]
    if unknown := sorted(str(key) for key in set(data) - _STEP_KEYS):
        raise InputError(f"step {name}: unknown key {', '.join(unknown)}; a step knows {', '.join(sorted(_STEP_KEYS))}")
    counts = data.get("condition") is not None
    try:
        kind = data.get("type", "event_count")
        if kind not in COUNTS:
            raise InputError(f"type {kind!r} is unknown: use one of {', '.join(COUNTS)}")
        condition = data["condition"] if counts else {"gte": 1}
        rule = window_rule(kind, data.get("timespan", span), condition, group_by, data.get("field"))
        return Step(name, tuple(field_filters(data)), rule, counts)
    except InputError as error:
        raise InputError(f"step {name}: {error}") from None


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
    windows = _windows_of_steps(unique_events(events), rule) if rule.steps else _counted_windows(events, rule)
    return sorted(windows, key=lambda window: (window.start, [str(value) for value in window.group.values()]))


def _counted_windows(events: Iterable[Event], rule: WindowRule) -> Iterator[Window]:
    for key, column in _grouped(events, rule).items():
        yield from _windows_of_group(_group(rule, key), _sorted(column), rule)


def _group(rule: WindowRule, key: Any) -> dict[str, Any]:
    return dict(zip(rule.group_by, (key,) if len(rule.group_by) == 1 else key, strict=True))


def _windows_of_steps(events: list[Event], rule: WindowRule) -> Iterator[Window]:
    groups: dict[Any, list[Hit]] = {}
    for place, step in enumerate(rule.steps):
        kept = [event for event in events if all(test(event) for test in step.keep)]
        for key, column in _grouped(kept, step.rule).items():
            groups.setdefault(key, []).extend(_hits(place, _sorted(column), step))
    for key, hits in groups.items():
        hits.sort(key=lambda hit: (hit.time, hit.step))
        yield from _sequences_of_group(_group(rule, key), hits, rule)


def _hits(place: int, column: Column, step: Step) -> Iterator[Hit]:
    """Where a step is seen; what counts is seen at the last event of each of its windows."""
    if not step.counts:
        yield from (Hit(time, place, column.events, number, number) for number, time in enumerate(column.times))
        return
    for left, right, measure in _measured(column, step.rule):
        if step.rule.matches(measure):
            yield Hit(column.times[right], place, column.events, left, right)


def _sequences_of_group(group: dict[str, Any], hits: list[Hit], rule: WindowRule) -> Iterator[Window]:
    ordered = rule.type == "temporal_ordered"
    found = in_order(hits, rule.timespan, len(rule.steps)) if ordered else together(hits, rule.timespan)
    for first, last, peak in _merged(found, rule):
        inside = hits[first : last + 1]
        events = list({id(event): event for event in events_of(inside, len(rule.steps))}.values())
        unplaced = Column([event_time(event) or 0.0 for event in events], [], events)
        names = list(dict.fromkeys(rule.steps[hit.step].name for hit in inside))
        yield replace(_window(group, _sorted(unplaced), 0, len(events) - 1, peak), values=names)


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
    for first, last, peak in _merged(_measured(column, rule), rule):
        yield _window(group, column, first, last, peak)


def _merged(windows: Iterable[tuple[int, int, int]], rule: WindowRule) -> Iterator[tuple[int, int, int]]:
    """Those that match, as (first place, last place, highest measure); windows that share a place are one."""
    first = last = peak = -1
    for left, right, measure in windows:
        if not rule.matches(measure):
            continue
        if first >= 0 and left > last:
            yield first, last, peak
            first = -1
        if first < 0:
            first, peak = left, measure
        last, peak = right, max(peak, measure)
    if first >= 0:
        yield first, last, peak


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
