# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a node's task log proves: from when to when it was seen, and why not more.

A ring proves only what it holds. Whoever may write to a node may shorten its ring, so no judgement here ever gets
milder because records are missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from ansible_collections.pve.audit.plugins.module_utils._model.coverage import Coverage
from ansible_collections.pve.audit.plugins.module_utils._model.time import human_duration, rfc3339
from ansible_collections.pve.audit.plugins.module_utils._pve.ring import Ring

# PVE renames `index` to `index.1` once it has passed 50,000 bytes, so a ring that has turned at least once holds more
# than that. Lines the API does not show (ids with a colon or a blank, corrupt ones) are allowed a tenth of it.
_RING_HAS_TURNED = 45_000

# pve-daily-update starts a task `aptupdate` each day between 1:00 and 6:00, and at boot when it missed one, and each
# boot leaves a `startall`: a node that runs ends a task every 29 hours. [pve-daily-update.timer, pve-guests.service]
LONGEST_SILENCE = 30 * 3600


@dataclass(frozen=True)
class Question:
    """What the coverage is asked for: an interval in epoch seconds, open where None.

    `finished` is False when only running tasks are wanted, for which it does not matter what the ring still holds.
    """

    since: float | None = None
    until: float | None = None
    finished: bool = True


@dataclass(frozen=True)
class Proofs:
    """What shows beside its ring what a node must have. Times are epoch seconds; None and empty say nothing.

    `asked_at`: when the ring was asked. `boot`: the node has run since. `listed`: finished tasks of the node that the
    cluster lists, UPID to end. `known_oldest`: the end of the oldest record at an earlier look.
    """

    asked_at: float
    boot: float | None = None
    listed: Mapping[str, float] = field(default_factory=dict)
    known_oldest: float | None = None


def judge_ring(node: str, ring: Ring, question: Question, proofs: Proofs) -> Coverage:
    """The coverage of a ring that was shown whole.

    It starts at the end of the oldest record, or at the start of the interval if that is later. Without a start of the
    interval the answer is about what is there, and only what proves that there was more makes it incomplete.
    """
    entry = Coverage(node, oldest=ring.oldest, records=ring.records, start=question.since)
    entry.end = proofs.asked_at if question.until is None else min(question.until, proofs.asked_at)
    if question.finished:
        _judge_beginning(entry, ring, question, proofs)
        if silences := _silences(ring, question, proofs):
            entry.add_reason("gap", _silence_sentence(node, silences, proofs.boot))
    for message in _missing(node, ring, proofs):
        entry.add_reason("records_missing", message)
    if question.until is not None and question.until > proofs.asked_at:
        entry.add_reason(
            "future",
            f"the interval ends at {rfc3339(question.until)}, and {node} was asked at {rfc3339(proofs.asked_at)}",
        )
    if entry.start is not None and entry.end is not None and entry.start > entry.end:
        entry.start = entry.end = None
    return entry


def _turned(ring: Ring) -> bool:
    """True when the ring is so long that it may have overwritten its oldest records."""
    return ring.index_bytes >= _RING_HAS_TURNED


def _judge_beginning(entry: Coverage, ring: Ring, question: Question, proofs: Proofs) -> None:
    """Where the ring begins, and whether that is too late. A record enters the ring when its task ends."""
    oldest = ring.oldest
    if oldest is None:
        entry.start = entry.end = None
        entry.add_reason(
            "empty", f"the task log of {entry.node} holds no finished task: a new node, or its log was removed"
        )
        return
    late = _begins_too_late(oldest, entry.end, question, proofs)
    if late or question.since is None:
        entry.start = oldest
    if late and _turned(ring):
        entry.add_reason(
            "ring_turned",
            f"the task log of {entry.node} reaches back to {rfc3339(oldest)} only, older records are overwritten",
        )
    elif late:
        entry.add_reason(
            "begins_late",
            f"the task log of {entry.node} begins at {rfc3339(oldest)}, nothing shows what was before: a new node, "
            "a quiet one, or records removed",
        )


def _begins_too_late(oldest: float, end: float | None, question: Question, proofs: Proofs) -> bool:
    """Whether a part of what is asked for lies before the oldest record, or certainly lay there.

    That a ring has turned does not count by itself: one that was cut in between would no longer show it.
    """
    if question.since is not None:
        return oldest > question.since
    ran_before = proofs.boot is not None and oldest - proofs.boot > LONGEST_SILENCE
    return ran_before or (end is not None and oldest > end)


def _silences(ring: Ring, question: Question, proofs: Proofs) -> list[tuple[float, float]]:
    """The times that lie in the interval and are too long for a node that ran and recorded nothing."""
    boot, asked_at = proofs.boot, proofs.asked_at
    moments: list[float] = sorted(end for end in ring.ends.values() if end < asked_at)
    if boot is not None:
        moments.append(asked_at)
        if not _turned(ring):  # what a ring that turned held before its oldest record is overwritten, not missing
            moments.insert(0, min(boot, moments[0]))
    return [
        (start, end)
        for start, end in pairwise(moments)
        if end - start > LONGEST_SILENCE and _lies_in(start, end, question, asked_at)
    ]


def _lies_in(start: float, end: float, question: Question, asked_at: float) -> bool:
    """True when too much of a silence lies in the interval, or all of the interval in the silence."""
    since = 0.0 if question.since is None else question.since
    until = asked_at if question.until is None else min(question.until, asked_at)
    return min(end, until) - max(start, since) > LONGEST_SILENCE or (start <= since and end >= until)


def _silence_sentence(node: str, silences: list[tuple[float, float]], boot: float | None) -> str:
    """All silences in one sentence, which names the longest."""
    start, end = max(silences, key=lambda silence: silence[1] - silence[0])
    more = {1: "", 2: ", and once more"}.get(len(silences), f", and {len(silences) - 1} times more")
    told = f"{node} recorded nothing from {rfc3339(start)} to {rfc3339(end)} ({human_duration(end - start)}){more}"
    daily = "a node that runs records a task each day (aptupdate)"
    if boot is not None and boot <= start:
        ran = f"although it has run since {rfc3339(boot)} and {daily}"
        return f"{told}, {ran}: records were removed, or pve-daily-update does not run"
    return f"{told}, and {daily}: it was off, records were removed, or pve-daily-update does not run"


def _missing(node: str, ring: Ring, proofs: Proofs) -> Iterator[str]:
    """Why records must be gone that the ring did not overwrite itself, one sentence for each proof."""
    gone = {upid: end for upid, end in proofs.listed.items() if upid not in ring.ranks}
    if gone:
        count = "1 finished task" if len(gone) == 1 else f"{len(gone)} finished tasks"
        yield (
            f"{count} that the cluster still lists, the oldest ended at {rfc3339(min(gone.values()))}, "
            f"{'is' if len(gone) == 1 else 'are'} not in the task log of {node}: records were removed or damaged"
        )
    known = proofs.known_oldest
    if known is None or _turned(ring):
        return
    if ring.oldest is None or ring.oldest > known:
        begins = "is empty" if ring.oldest is None else f"begins at {rfc3339(ring.oldest)}"
        yield (
            f"the task log of {node} {begins}, and reached back to {rfc3339(known)} at an earlier look without having "
            "been full since: records were removed"
        )
