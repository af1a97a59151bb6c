# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The short cut for records that are ruled out changes neither the answer nor the facts that coverage is made of."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ansible_collections.pve.audit.plugins.module_utils._pve.ring import Ring, read_ring
from ansible_collections.pve.audit.plugins.module_utils._pve.tasks import TaskFilter

T0 = 1_795_455_600


def record(number: int, kind: str, length: int | None) -> dict[str, Any]:
    """A record of the API; a running task has no length."""
    start = T0 + 10 * number
    upid = f"UPID:pve1:{number:08X}:00001000:{start:08X}:{kind}:100:alice@pve:"
    made = {"upid": upid, "node": "pve1", "pid": number, "pstart": 4096, "starttime": start, "type": kind, "id": "100"}
    made["user"] = "alice@pve"
    return {**made, "status": "RUNNING"} if length is None else {**made, "endtime": start + length, "status": "OK"}


def odd(made: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """The record with some fields changed; None takes a field away."""
    return {name: value for name, value in {**made, **change}.items() if value is not None}


CHANGES: list[dict[str, Any]] = [
    {},
    {"endtime": None},
    {"endtime": "1795455601"},
    {"endtime": 0},
    {"endtime": T0 - 5},
    {"endtime": T0 - 99_999},
    {"endtime": 7},
    {"status": None},
    {"status": 5},
    {"status": "O"},
    {"status": "failed\0\0"},
    {"status": "OKUPID:pve1:00000009:00001000:6B047AF9:qmdestroy:109:carol@pve: 6B047B00 OK"},
    {"status": "no lock: UPID:pve1:00000009:00001000:6B047AF9:qmdestroy:109:carol@pve: has it"},
    {"upid": "garbage"},
    {"upid": "UPID:pve1:00000001:00001000:6B047AF0:qmstart:caf\xc3\xa9:alice@pve:"},
    {"type": None},
]
KINDS = st.sampled_from(["qmstart", "qmdestroy"])
RECORDS = st.builds(
    odd, st.builds(record, st.integers(0, 6), KINDS, st.none() | st.integers(0, 30)), st.sampled_from(CHANGES)
)
MOMENTS = st.none() | st.integers(T0 - 5, T0 + 90)
FILTERS = st.builds(
    TaskFilter,
    types=st.sampled_from([frozenset(), frozenset({"qmdestroy"})]),
    since=MOMENTS,
    until=MOMENTS,
    running=st.sampled_from([None, True, False]),
)


def facts(ring: Ring) -> tuple[int, int | None, int]:
    """What coverage is made of."""
    return ring.records, ring.oldest, ring.broken


@settings(max_examples=500)
@given(st.lists(RECORDS | st.sampled_from([None, 5, []]), max_size=12), FILTERS)
@example([record(1, "qmstart", None), record(1, "qmstart", 5)], TaskFilter(since=T0 + 80))
@example([record(1, "qmstart", 5), record(1, "qmstart", None)], TaskFilter(since=T0 + 80))
def test_the_short_cut_changes_nothing(records: list[Any], wanted: TaskFilter) -> None:
    slow, fast = read_ring(records, lambda _record: False), read_ring(records, wanted.rules_out)
    assert facts(fast) == facts(slow)
    assert [task for task in fast.tasks.values() if wanted.wants(task)] == [
        task for task in slow.tasks.values() if wanted.wants(task)
    ]
    assert fast.index_bytes == slow.index_bytes


def test_a_record_behind_a_stump_is_a_task_and_the_stump_is_damage() -> None:
    glued = "OKUPID:pve1:00000009:00001000:6B047AF9:qmdestroy:109:carol@pve: 6B047B00 OK"
    ring = read_ring([odd(record(1, "qmstart", 5), {"status": glued})], lambda _record: False)
    assert [(task["user"], task["id"], task["state"]) for task in ring.tasks.values()] == [("carol@pve", "109", "ok")]
    assert ring.broken == 1


@pytest.mark.parametrize("missing", ["endtime", "status"])
def test_a_finished_record_without_its_end_is_damage(missing: str) -> None:
    ring = read_ring([odd(record(1, "qmstart", 5), {missing: None})], lambda _record: False)
    assert (ring.records, ring.broken) == (1, 1)


@pytest.mark.parametrize(("end", "broken"), [(7, 1), (T0 - 3591, 1), (T0 - 3590, 0), (T0 + 10, 0)])
def test_a_damaged_end_neither_hides_a_task_nor_makes_the_ring_older(end: int, broken: int) -> None:
    for wanted in (TaskFilter(since=T0), TaskFilter(types=frozenset({"qmdestroy"}))):
        ring = read_ring([odd(record(1, "qmstart", 5), {"endtime": end})], wanted.rules_out)
        assert (ring.oldest, ring.broken) == (T0 + 10, broken)
        assert len(ring.tasks) == (1 if wanted.since else broken)


def test_what_is_ruled_out_is_not_decoded() -> None:
    ring = read_ring([record(1, "qmstart", 5), record(2, "qmdestroy", 5)], TaskFilter(types=frozenset({"x"})).rules_out)
    assert (ring.tasks, ring.records, ring.oldest) == ({}, 2, T0 + 15)
