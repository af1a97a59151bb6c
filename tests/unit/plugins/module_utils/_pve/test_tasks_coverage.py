# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a ring proves, and that nobody makes it prove more by taking records away."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.pve.audit.plugins.module_utils._model.coverage import Coverage
from ansible_collections.pve.audit.plugins.module_utils._pve.ring import read_ring
from ansible_collections.pve.audit.plugins.module_utils._pve.tasks_coverage import (
    LONGEST_SILENCE,
    Proofs,
    Question,
    judge_ring,
)

NOW = 1_795_455_600
DAY = 86_400


def record(number: int, end: float, status: str = "OK") -> dict[str, Any]:
    """A finished task that started when it ended."""
    upid = f"UPID:pve1:{number:08X}:00001000:{int(end):08X}:qmstart:100:alice@pve:"
    made = {"upid": upid, "node": "pve1", "starttime": int(end), "endtime": int(end), "type": "qmstart", "id": "100"}
    return {**made, "pid": number, "pstart": 4096, "user": "alice@pve", "status": status}


def daily(days: int, until: float = NOW) -> list[dict[str, Any]]:
    """One record a day, the oldest `days` days before `until`, the newest at it."""
    return [record(day, until - day * DAY) for day in range(days + 1)]


def long_ring(days: float, count: int = 700) -> list[dict[str, Any]]:
    """A ring of more than 50,000 bytes, so one that has turned."""
    return [record(n, NOW - n * days * DAY / count) for n in range(count + 1)]


def judge(records: list[dict[str, Any]], question: Question, proofs: Proofs) -> Coverage:
    """The coverage of a ring of these records."""
    return judge_ring("pve1", read_ring(records, lambda _record: False), question, proofs)


def codes(entry: Coverage) -> list[str]:
    """The codes of its reasons."""
    return [reason["code"] for reason in entry.reasons]


HOLE = [*daily(1), *daily(9)[4:]]  # nothing for three days
UP = 400 * DAY
WEEK, MONTH, EVER = NOW - 7 * DAY, NOW - 28 * DAY, None

# ring, since, uptime (None: not known), reasons, start
SEEN: list[tuple[list[dict[str, Any]], float | None, float | None, list[str], float | None]] = [
    # the ring reaches back to the beginning
    (daily(8), WEEK, None, [], WEEK),
    (daily(7), WEEK, None, [], WEEK),
    (daily(7), WEEK, UP, [], WEEK),
    (long_ring(8), WEEK, UP, [], WEEK),
    # it does not, and was never full
    (daily(3), WEEK, None, ["begins_late"], NOW - 3 * DAY),
    (daily(3), WEEK, 3 * DAY + 600, ["begins_late"], NOW - 3 * DAY),
    (daily(3), WEEK, UP, ["begins_late", "gap"], NOW - 3 * DAY),
    (long_ring(8, 300), MONTH, None, ["begins_late"], NOW - 8 * DAY),
    ([record(1, NOW - 60)], WEEK, None, ["begins_late"], NOW - 60),
    # it does not, as the node has overwritten what was before
    (long_ring(8), MONTH, None, ["ring_turned"], NOW - 8 * DAY),
    (long_ring(8), MONTH, UP, ["ring_turned"], NOW - 8 * DAY),
    # it holds nothing
    ([], WEEK, None, ["empty"], None),
    ([], WEEK, 600, ["empty"], None),
    ([], WEEK, UP, ["empty", "gap"], None),
    ([], EVER, None, ["empty"], None),
    # everything that is still there, unless there was more
    (daily(3), EVER, None, [], NOW - 3 * DAY),
    (daily(3), EVER, 3 * DAY + 600, [], NOW - 3 * DAY),
    (daily(3), EVER, UP, ["begins_late", "gap"], NOW - 3 * DAY),
    (long_ring(8), EVER, UP, ["ring_turned"], NOW - 8 * DAY),
    (long_ring(8), EVER, 600, [], NOW - 8 * DAY),
    (long_ring(8), EVER, None, [], NOW - 8 * DAY),
    # a node that runs records a task each day; whether it did before its last start, nobody can say
    (HOLE, WEEK, UP, ["gap"], WEEK),
    (HOLE, WEEK, 3 * DAY, ["gap"], WEEK),
    (HOLE, WEEK, 600, ["gap"], WEEK),
    (HOLE, WEEK, None, ["gap"], WEEK),
    (HOLE, EVER, None, ["gap"], NOW - 9 * DAY),
    (HOLE, NOW - DAY, UP, [], NOW - DAY),
    ([record(n, row["endtime"], "x" * 400) for n, row in enumerate(HOLE * 12)], WEEK, UP, ["gap"], WEEK),
    # until now, if it says for how long it runs
    (daily(9)[2:], WEEK, UP, ["gap"], WEEK),
    (daily(9)[2:], WEEK, 600, ["gap"], WEEK),
    (daily(9)[2:], WEEK, None, [], WEEK),
    (daily(9)[2:], NOW - 3600, UP, ["gap"], NOW - 3600),
    (daily(9)[1:], WEEK, UP, [], WEEK),
]


@pytest.mark.parametrize(("ring", "since", "uptime", "reasons", "start"), SEEN)
def test_from_when_on_a_ring_was_seen(
    ring: list[dict[str, Any]], since: float | None, uptime: float | None, reasons: list[str], start: float | None
) -> None:
    entry = judge(ring, Question(since), Proofs(NOW, None if uptime is None else NOW - uptime))
    assert (codes(entry), entry.start) == (reasons, start)
    assert entry.end == (None if "empty" in reasons else NOW)


# ring, since, until, reasons, what was seen
Seen = tuple[float | None, float | None]
INTERVALS: list[tuple[list[dict[str, Any]], float | None, float | None, list[str], Seen]] = [
    (daily(9), WEEK, NOW - DAY, [], (WEEK, NOW - DAY)),
    (HOLE, WEEK, NOW - 3 * DAY - 600, [], (WEEK, NOW - 3 * DAY - 600)),
    (HOLE, NOW - 2 * DAY, NOW - 2 * DAY + 60, ["gap"], (NOW - 2 * DAY, NOW - 2 * DAY + 60)),
    (daily(9), WEEK, NOW + DAY, ["future"], (WEEK, NOW)),
    (daily(9), EVER, NOW + DAY, ["future"], (NOW - 9 * DAY, NOW)),
    (daily(9), MONTH, NOW - 20 * DAY, ["begins_late"], (None, None)),
    (daily(9), EVER, NOW - 20 * DAY, ["begins_late"], (None, None)),
    (long_ring(8), MONTH, NOW - 20 * DAY, ["ring_turned"], (None, None)),
    ([], WEEK, NOW + DAY, ["empty", "future"], (None, None)),
]


@pytest.mark.parametrize(("ring", "since", "until", "reasons", "seen"), INTERVALS)
def test_what_lies_before_the_ring_or_in_the_future_was_not_seen(
    ring: list[dict[str, Any]],
    since: float | None,
    until: float | None,
    reasons: list[str],
    seen: Seen,
) -> None:
    entry = judge(ring, Question(since, until), Proofs(NOW))
    assert (codes(entry), (entry.start, entry.end)) == (reasons, seen)


def listed(*records: dict[str, Any]) -> dict[str, float]:
    """Records as the cluster lists them."""
    return {row["upid"]: row["endtime"] for row in records}


@pytest.mark.parametrize(
    ("ring", "proofs", "told"),
    [
        (daily(9), Proofs(NOW, listed=listed(*daily(9))), None),
        (daily(9)[1:], Proofs(NOW, listed=listed(*daily(3))), "1 finished task that the cluster .* is not in the task"),
        (
            daily(9)[3:],
            Proofs(NOW, listed=listed(*daily(3))),
            "^3 finished tasks .*, the oldest ended at 2026-11-21T17:40:00Z, are not in the task log of pve1",
        ),
        (daily(9), Proofs(NOW, known_oldest=NOW - 9 * DAY), None),
        (daily(9), Proofs(NOW, known_oldest=NOW - DAY), None),
        (daily(9), Proofs(NOW, known_oldest=NOW - 10 * DAY), "begins at 2026-11-14T17:40:00Z, and reached back to"),
        (long_ring(8), Proofs(NOW, known_oldest=NOW - 10 * DAY), None),
        ([], Proofs(NOW, known_oldest=NOW - 10 * DAY), "the task log of pve1 is empty, and reached back to"),
    ],
)
def test_records_that_must_be_there(ring: list[dict[str, Any]], proofs: Proofs, told: str | None) -> None:
    reasons = [row for row in judge(ring, Question(WEEK), proofs).reasons if row["code"] == "records_missing"]
    assert [row["code"] for row in reasons] == ([] if told is None else ["records_missing"])
    for row in reasons:
        assert told is not None and re.search(told, row["message"])


def test_for_running_tasks_it_does_not_matter_what_the_ring_holds() -> None:
    assert judge([], Question(WEEK, finished=False), Proofs(NOW, NOW - UP)).complete


MOMENTS = st.integers(NOW - 40 * DAY, NOW)
LONG_STATUS = "x" * 400  # a ring of more than 94 such records has turned


def evenly(count: int, seconds: int) -> list[int]:
    """So many ends, one every so many seconds, the newest first."""
    return [NOW - step * seconds for step in range(count)]


RINGS = st.lists(MOMENTS, max_size=30) | st.builds(evenly, st.integers(60, 130), st.integers(600, DAY // 2))
QUESTIONS = st.builds(Question, st.none() | MOMENTS, st.none() | st.integers(NOW - 20 * DAY, NOW + DAY)).filter(
    lambda asked: asked.since is None or asked.until is None or asked.since <= asked.until
)


def contained(inner: Coverage, outer: Coverage) -> bool:
    """True when all that `inner` calls seen, `outer` calls seen."""
    if inner.start is None and inner.end is None:
        return True
    assert inner.start is not None and inner.end is not None
    return outer.start is not None and outer.end is not None and outer.start <= inner.start and inner.end <= outer.end


@settings(max_examples=500, deadline=None)
@given(
    ends=RINGS,
    kept=st.randoms(use_true_random=False),
    share=st.sampled_from([0.0, 0.0, 0.05, 0.9]),
    cut=st.none() | MOMENTS | st.integers(NOW - 3 * DAY, NOW),
    question=QUESTIONS,
    boot=st.none() | st.just(NOW - 60) | st.integers(NOW - 60 * DAY, NOW - 60),
    known=st.none() | st.just(NOW - 41 * DAY) | st.just(NOW) | MOMENTS,
    by_cluster=st.sampled_from([0, 0, 1]),
)
def test_taking_records_away_never_makes_it_more_complete(
    ends: list[int],
    kept: Any,
    share: float,
    cut: int | None,
    question: Question,
    boot: int | None,
    known: int | None,
    by_cluster: int,
) -> None:
    """Neither single records nor all before a moment: `index.1`, the first part of `index`, what a thief picked out."""
    records = [record(number, end, LONG_STATUS) for number, end in enumerate(ends)]
    left = [row for row in records if (cut is None or row["endtime"] > cut) and kept.random() >= share]
    proofs = Proofs(NOW, boot, listed(*records[:by_cluster]), known)
    before, after = judge(records, question, proofs), judge(left, question, proofs)
    # Without a start of the interval an answer speaks of what is there, which is less now.
    shorter = question.since is None and after.start != before.start
    # A node that does not say since when it runs is not asked for the time after its newest record, only for holes.
    unasked = boot is None and codes(before) == ["gap"]
    assert before.complete or not after.complete or shorter or unasked
    assert contained(after, before)
    lost = set(codes(before)) - set(codes(after))
    # What told of the time before a later start is now part of what was not seen.
    assert lost <= {"ring_turned", "begins_late", "gap"}
    assert not lost or not after.complete or shorter or unasked


@pytest.mark.parametrize(
    ("ring", "uptime", "told"),
    [
        (
            HOLE,
            9 * DAY,
            "from 2026-11-19T17:40:00Z to 2026-11-22T17:40:00Z (3 d), although it has run since 2026-11-14T",
        ),
        (
            HOLE,
            600,
            "(3 d), and a node that runs records a task each day (aptupdate): it was off, records were removed, ",
        ),
        (HOLE[2:], 9 * DAY, "(4 d), although it has run since"),
        (HOLE[1:], 600, "(3 d), and a node that"),
        ([*HOLE, record(99, NOW - 20 * DAY)], 600, "(11 d), and once more, and a node that"),
        (
            [*HOLE, record(98, NOW - 20 * DAY), record(99, NOW - 29 * DAY)],
            600,
            "(11 d), and 2 times more, and a node that",
        ),
    ],
)
def test_a_silence_is_told_with_what_may_be_its_cause(ring: list[dict[str, Any]], uptime: float, told: str) -> None:
    [reason] = [row for row in judge(ring, Question(EVER), Proofs(NOW, NOW - uptime)).reasons if row["code"] == "gap"]
    assert told in reason["message"]


def test_the_daily_task_has_its_random_delay() -> None:
    """1:00 one day and 6:00 the next are 29 hours, and apt takes a while."""
    assert judge([record(1, NOW - 29.9 * 3600), *daily(9, NOW - 29.9 * 3600)], Question(WEEK), Proofs(NOW, 0)).complete
    assert LONGEST_SILENCE > 29 * 3600
