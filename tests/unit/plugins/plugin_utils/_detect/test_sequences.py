# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sequences: specified cases as a table, and an oracle that tries every choice of events."""

from __future__ import annotations

from itertools import pairwise, product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.pve.audit.plugins.module_utils._model.event import Event
from ansible_collections.pve.audit.plugins.module_utils._model.time import rfc3339, to_epoch
from ansible_collections.pve.audit.plugins.plugin_utils._detect.windows import find_windows, window_rule

T0 = 1_795_455_600
FAILED = {"name": "failed", "match": {"event.action": "login"}, "outcome": "failure"}
LOGIN = {"name": "login", "match": {"event.action": "login"}, "outcome": "success"}
TOKEN = {"name": "token", "match": {"event.action": "token"}}
ANYTHING = {"name": "anything", "match": {"event.action": "*"}}
FIVE_FAILED = {**FAILED, "condition": {"gte": 5}}


def seen(*rows: tuple[int, str], user: str = "a") -> list[Event]:
    """Events from (second, what): `F` a failed login, `S` one that worked, `T` a token made."""
    kinds = {"F": ("login", "failure"), "S": ("login", "success"), "T": ("token", "success")}
    return [
        {
            "@timestamp": rfc3339(T0 + second),
            "event": {"id": f"{user}{number}", "action": kinds[what][0], "outcome": kinds[what][1]},
            "user": {"account": user},
        }
        for number, (second, what) in enumerate(rows)
    ]


def failures(*seconds: int, user: str = "a") -> list[Event]:
    """Failed logins."""
    return seen(*[(second, "F") for second in seconds], user=user)


def rule(kind: str, *steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A rule of ten seconds for each account."""
    return {"type": kind, "timespan": "10s", "group_by": ["user.account"], "rules": list(steps), **more}


ORDERED = rule("temporal_ordered", FAILED, LOGIN)
TOGETHER = rule("temporal", FAILED, LOGIN, TOKEN)
BREAK_IN = rule("temporal_ordered", FIVE_FAILED, LOGIN)

# name, events, rule, expected [(first second, last second, steps, number of events, names of the steps)]
CASES: list[tuple[str, list[Event], dict[str, Any], list[tuple[Any, ...]]]] = [
    ("nothing", [], ORDERED, []),
    ("in order", seen((0, "F"), (5, "S")), ORDERED, [(0, 5, 2, 2, ["failed", "login"])]),
    ("the other way round", seen((0, "S"), (5, "F")), ORDERED, []),
    ("the other way round is together", seen((0, "S"), (5, "F")), rule("temporal", FAILED, LOGIN),
     [(0, 5, 2, 2, ["login", "failed"])]),
    ("exactly the timespan", seen((0, "F"), (10, "S")), ORDERED, [(0, 10, 2, 2, ["failed", "login"])]),
    ("a second too long", seen((0, "F"), (11, "S")), ORDERED, []),
    ("at one instant each may be the first", seen((3, "S"), (3, "F")), ORDERED, [(3, 3, 2, 2, ["failed", "login"])]),
    ("one event is not a sequence", seen((0, "S")), rule("temporal_ordered", LOGIN, ANYTHING), []),
    ("of two at one instant the second is taken for the step that has no other", seen((0, "F"), (0, "S")),
     rule("temporal_ordered", ANYTHING, FAILED), [(0, 0, 2, 2, ["anything", "failed"])]),
    ("one event may be together with itself", seen((0, "S")), rule("temporal", LOGIN, ANYTHING),
     [(0, 0, 2, 1, ["login", "anything"])]),
    ("what was before the sequence is not of it", seen((0, "S"), (2, "F"), (4, "S")), ORDERED,
     [(2, 4, 2, 2, ["failed", "login"])]),
    ("three steps", seen((0, "F"), (1, "T"), (2, "S")), TOGETHER, [(0, 2, 3, 3, ["failed", "token", "login"])]),
    ("two of three", seen((0, "F"), (1, "T")), TOGETHER, []),
    ("two of three are enough", seen((0, "F"), (1, "T")), rule("temporal", FAILED, LOGIN, TOKEN, condition={"gte": 2}),
     [(0, 1, 2, 2, ["failed", "token"])]),
    ("each account by itself", [*seen((0, "F")), *seen((5, "S"), user="b")], ORDERED, []),
    ("all accounts together", [*seen((0, "F")), *seen((5, "S"), user="b")], {**ORDERED, "group_by": []},
     [(0, 5, 2, 2, ["failed", "login"])]),
    ("five failures, then a login", seen(*[(n, "F") for n in range(5)], (9, "S")), BREAK_IN,
     [(0, 9, 2, 6, ["failed", "login"])]),
    ("four failures", seen(*[(n, "F") for n in range(4)], (9, "S")), BREAK_IN, []),
    ("a login among them, none after", seen(*[(n, "F") for n in range(4)], (4, "S"), (5, "F")), BREAK_IN, []),
    ("the failures have their own timespan", seen(*[(n, "F") for n in (0, 1, 2, 3, 9)], (18, "S")), BREAK_IN,
     [(0, 18, 2, 6, ["failed", "login"])]),
    ("an event twice is one failure", [*seen(*[(n, "F") for n in range(4)], (6, "S")), *failures(0)], BREAK_IN, []),
    ("one break-in goes on", seen(*[(n, "F") for n in range(5)], (6, "S"), (7, "F"), (8, "S")), BREAK_IN,
     [(0, 8, 2, 8, ["failed", "login"])]),
]  # fmt: skip


@pytest.mark.parametrize(("events", "given_rule", "expected"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_sequences(events: list[Event], given_rule: dict[str, Any], expected: list[tuple[Any, ...]]) -> None:
    found = find_windows(events, window_rule(**given_rule))
    assert [(to_epoch(w.start) - T0, to_epoch(w.end) - T0, w.count, w.total, w.values) for w in found] == expected


ROWS = st.lists(st.tuples(st.integers(0, 40), st.sampled_from("FST"), st.sampled_from("ab")), max_size=16)
MEETS = {"failed": "F", "login": "S", "token": "T", "anything": "FST"}


def matched_ends(rows: list[tuple[int, str, str]], span: int, steps: list[str], ordered: bool) -> set[tuple[str, int]]:
    """By definition: the account and last second of every window that matches, each choice of events tried."""
    result = set()
    for user in "ab":
        mine = [(number, second, what) for number, (second, what, who) in enumerate(rows) if who == user]
        for end in {second for _number, second, what in mine if any(what in MEETS[step] for step in steps)}:
            inside = [row for row in mine if end - span <= row[1] <= end]
            choices = product(*[[row for row in inside if row[2] in MEETS[step]] for step in steps])
            if any(not ordered or _follows(choice) for choice in choices):
                result.add((user, end))
    return result


def _follows(choice: tuple[tuple[int, int, str], ...]) -> bool:
    return all(one[1] <= other[1] and one[0] != other[0] for one, other in pairwise(choice))


@settings(max_examples=2000)
@given(
    ROWS,
    st.integers(1, 15),
    st.lists(st.sampled_from(sorted(MEETS)), min_size=2, max_size=3, unique=True),
    st.booleans(),
)
def test_equals_the_oracle(rows: list[tuple[int, str, str]], span: int, steps: list[str], ordered: bool) -> None:
    known = {"failed": FAILED, "login": LOGIN, "token": TOKEN, "anything": ANYTHING}
    kind = "temporal_ordered" if ordered else "temporal"
    made = window_rule(kind, span, None, ["user.account"], None, [known[step] for step in steps])
    events = [event for number, (second, what, user) in enumerate(rows) for event in seen((second, what), user=user)]
    for number, event in enumerate(events):
        event["event"]["id"] = f"e{number}"
    ends = matched_ends(rows, span, steps, ordered)
    found = find_windows(events, made)
    spans = [(w.group["user.account"], to_epoch(w.start) - T0, to_epoch(w.end) - T0) for w in found]
    assert all(any(user == who and first <= end <= last for who, first, last in spans) for user, end in ends)
    assert all((who, last) in ends for who, _first, last in spans)
