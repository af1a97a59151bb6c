# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Windows: specified cases as a table, and a quadratic oracle that shares no code with the real thing."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._model.event import Event
from ansible_collections.pve.audit.plugins.module_utils._model.time import rfc3339, to_epoch
from ansible_collections.pve.audit.plugins.plugin_utils._detect.windows import find_windows, window_rule

T0 = 1_795_455_600
TEN = 600


def event(second: int, vmid: Any = None, user: Any = "a", identity: str | None = None) -> Event:
    """An event `second` seconds after T0; None leaves a field out."""
    made: Event = {"@timestamp": rfc3339(T0 + second), "event": {"kind": "event"}}
    if identity is not None:
        made["event"]["id"] = identity
    if user is not None:
        made["user"] = {"name": user}
    if vmid is not None:
        made["pve"] = {"vmid": vmid}
    return made


def guests(*seconds: int, user: str = "a") -> list[Event]:
    """One event with a guest of its own at each second."""
    return [event(second, vmid=100 + n, user=user, identity=f"{user}{n}") for n, second in enumerate(seconds)]


# name, events, rule, expected [(group, start, end, count, total, values)]
MORE_THAN_FIVE = {
    "type": "value_count",
    "field": "pve.vmid",
    "timespan": "10m",
    "condition": {"gt": 5},
    "group_by": ["user.name"],
}
BUSY = {"type": "event_count", "timespan": "10m", "condition": {"gte": 2}}
A = {"user.name": "a"}
CASES: list[tuple[str, list[Event], dict[str, Any], list[tuple[Any, ...]]]] = [
    ("nothing", [], MORE_THAN_FIVE, []),
    ("exactly five is no alarm", guests(0, 1, 2, 3, 4), MORE_THAN_FIVE, []),
    ("six is", guests(0, 1, 2, 3, 4, 5), MORE_THAN_FIVE, [(A, 0, 5, 6, 6, [100, 101, 102, 103, 104, 105])]),
    (
        "six exactly the timespan apart",
        guests(0, 1, 2, 3, 4, TEN),
        MORE_THAN_FIVE,
        [(A, 0, TEN, 6, 6, list(range(100, 106)))],
    ),
    ("one second too long", guests(0, 1, 2, 3, 4, TEN + 1), MORE_THAN_FIVE, []),
    ("unsorted input", guests(5, 3, 1, 0, 2, 4), MORE_THAN_FIVE, [(A, 0, 5, 6, 6, [103, 102, 104, 101, 105, 100])]),
    ("equal timestamps", guests(7, 7, 7, 7, 7, 7), MORE_THAN_FIVE, [(A, 7, 7, 6, 6, list(range(100, 106)))]),
    ("six events of five guests", [*guests(0, 1, 2, 3, 4), event(5, 100, identity="x")], MORE_THAN_FIVE, []),
    ("the same event twice", [*guests(0, 1, 2, 3, 4), event(5, 199, identity="a0")], MORE_THAN_FIVE, []),
    (
        "events without id all count",
        [event(n, 100 + n) for n in range(6)],
        MORE_THAN_FIVE,
        [(A, 0, 5, 6, 6, list(range(100, 106)))],
    ),
    ("no value, not counted", [*guests(0, 1, 2, 3, 4), event(5)], MORE_THAN_FIVE, []),
    ("groups are judged on their own", [*guests(0, 1, 2), *guests(3, 4, 5, user="b")], MORE_THAN_FIVE, []),
    (
        "a missing group field is a group",
        [event(n, 100 + n, user=None) for n in range(6)],
        MORE_THAN_FIVE,
        [({"user.name": None}, 0, 5, 6, 6, list(range(100, 106)))],
    ),
    ("overlapping windows merge", guests(0, 500, 1000, 1500), BUSY, [({}, 0, 1500, 2, 4, [])]),
    (
        "windows that share no event do not",
        guests(0, 10, 5000, 5010),
        BUSY,
        [({}, 0, 10, 2, 2, []), ({}, 5000, 5010, 2, 2, [])],
    ),
    ("peak, not sum", guests(0, 1, 2, 590, 1180), BUSY, [({}, 0, 1180, 4, 5, [])]),
    ("lt counts whole instants", guests(0, 0, 0, 5000), {**BUSY, "condition": {"lt": 2}}, [({}, 5000, 5000, 1, 1, [])]),
    ("lte", guests(0, 0, 5000), {**BUSY, "condition": {"lte": 1}}, [({}, 5000, 5000, 1, 1, [])]),
    ("eq", guests(0, 0, 0, 5000, 5000), {**BUSY, "condition": {"eq": 2}}, [({}, 5000, 5000, 2, 2, [])]),
    (
        "two comparisons hold together",
        guests(0, 0, 5000),
        {**BUSY, "condition": {"gt": 0, "lt": 2}},
        [({}, 5000, 5000, 1, 1, [])],
    ),
    ("no time, not placed", [*guests(0), {"event": {}}, {"event": {}, "@timestamp": "soon"}], BUSY, []),
    (
        "other offsets are the same instant",
        [
            {"@timestamp": "2026-11-23T18:00:00+01:00", "event": {}},
            {"@timestamp": "2026-11-23T17:00:00.5Z", "event": {}},
        ],
        BUSY,
        [({}, to_epoch("2026-11-23T17:00:00Z") - T0, to_epoch("2026-11-23T17:00:00.5Z") - T0, 2, 2, [])],
    ),
]


@pytest.mark.parametrize(("events", "rule", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_windows(events: list[Event], rule: dict[str, Any], expected: list[tuple[Any, ...]]) -> None:
    found = find_windows(events, window_rule(**rule))
    seen = [(w.group, to_epoch(w.start) - T0, to_epoch(w.end) - T0, w.count, w.total, w.values) for w in found]
    assert seen == expected


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"type": "median"}, "type 'median' is unknown"),
        ({"timespan": "soon"}, "'soon' is not a length of time"),
        ({"timespan": 0}, "0 is not a length of time"),
        ({"timespan": True}, "True is not a length of time"),
        ({"condition": {}}, "condition must be a comparison"),
        ({"condition": {"above": 5}}, "condition 'above' is unknown"),
        ({"condition": {"gt": "5"}}, "needs a whole number, not '5'"),
        ({"condition": {"gt": True}}, "needs a whole number, not True"),
        ({"group_by": [1]}, "group_by must be a list of field names"),
        ({"field": None}, "value_count needs `field`"),
        ({"type": "event_count"}, "event_count counts events and takes no `field`"),
        ({"rules": []}, "value_count takes no `rules`"),
        ({"type": "temporal"}, "temporal counts steps and takes no `field`"),
        ({"type": "temporal", "field": None}, "temporal needs `rules`, a list of two or more steps"),
        ({"type": "temporal", "field": None, "rules": [{"name": "x"}]}, "needs `rules`, a list of two or more steps"),
        ({"type": "temporal", "field": None, "rules": [{}, {}]}, "a step of `rules` must be a map with name and match"),
        (
            {"type": "temporal", "field": None, "rules": [{"name": "x"}, {"name": "x"}]},
            "two steps of `rules` have one name",
        ),
        (
            {"type": "temporal", "field": None, "rules": [{"name": "x", "hours": "outside"}, {"name": "y"}]},
            "step x: unknown key hours",
        ),
        (
            {"type": "temporal", "field": None, "rules": [{"name": "x", "type": "temporal"}, {"name": "y"}]},
            "step x: type 'temporal' is unknown",
        ),
        (
            {"type": "temporal_ordered", "field": None, "rules": [{"name": "x"}, {"name": "y"}]},
            "temporal_ordered asks for all steps and takes no `condition`",
        ),
    ],
)
def test_bad_rule_is_one_clear_sentence(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match="^[^\n]*" + message.replace("(", r"\(") + "[^\n]*$"):
        window_rule(**{**MORE_THAN_FIVE, **change})


def oracle(rows: list[tuple[int, int | None, str]], span: int, kind: str, compare: Any) -> list[tuple[Any, ...]]:
    """Windows by definition, one group at a time: look at every instant, at every event, and merge sets that meet."""
    result = []
    for user in sorted({user for _t, _v, user in rows}):
        mine = [
            (n, t, v) for n, (t, v, who) in enumerate(rows) if who == user and (kind == "event_count" or v is not None)
        ]
        merged: list[tuple[set[int], int]] = []
        for instant in sorted({t for _n, t, _v in mine}):
            inside = [(n, t, v) for n, t, v in mine if instant - span <= t <= instant]
            measure = len({v for _n, _t, v in inside}) if kind == "value_count" else len(inside)
            if not compare(measure):
                continue
            members = {n for n, _t, _v in inside}
            if merged and merged[-1][0] & members:
                merged[-1] = (merged[-1][0] | members, max(merged[-1][1], measure))
            else:
                merged.append((members, measure))
        for members, peak in merged:
            times = [rows[n][0] for n in members]
            values = {rows[n][1] for n in members} if kind == "value_count" else set()
            result.append((min(times), user, max(times), peak, len(members), values))
    return sorted(result, key=lambda row: row[:2])


ROWS = st.lists(st.tuples(st.integers(0, 60), st.none() | st.integers(1, 6), st.sampled_from("ab")), max_size=40)
COMPARISONS = {
    "gt": lambda limit: lambda n: n > limit,
    "gte": lambda limit: lambda n: n >= limit,
    "lt": lambda limit: lambda n: n < limit,
    "lte": lambda limit: lambda n: n <= limit,
    "eq": lambda limit: lambda n: n == limit,
}


@settings(max_examples=1500)
@given(
    ROWS,
    st.integers(1, 20),
    st.sampled_from(["event_count", "value_count"]),
    st.sampled_from(sorted(COMPARISONS)),
    st.integers(0, 7),
)
def test_equals_the_oracle(
    rows: list[tuple[int, int | None, str]], span: int, kind: str, name: str, limit: int
) -> None:
    rule = window_rule(kind, span, {name: limit}, ["user.name"], "pve.vmid" if kind == "value_count" else None)
    events = [event(t, v, user, f"e{n}") for n, (t, v, user) in enumerate(rows)]
    found = [
        (int(to_epoch(w.start)) - T0, w.group["user.name"], int(to_epoch(w.end)) - T0, w.count, w.total, set(w.values))
        for w in find_windows(events, rule)
    ]
    assert sorted(found, key=lambda row: row[:2]) == oracle(rows, span, kind, COMPARISONS[name](limit))


@settings(max_examples=100)
@given(ROWS, st.randoms(use_true_random=False))
def test_order_of_input_does_not_matter(rows: list[tuple[int, int | None, str]], random: Any) -> None:
    rule = window_rule("event_count", 10, {"gte": 2}, ["user.name"])
    events = [event(t, v, user, f"e{n}") for n, (t, v, user) in enumerate(rows)]
    shuffled = random.sample(events, len(events))

    def shape(given_events: list[Event]) -> list[tuple[Any, ...]]:
        return [(w.group, w.start, w.end, w.count, set(w.event_ids)) for w in find_windows(given_events, rule)]

    assert shape(events) == shape(shuffled)
