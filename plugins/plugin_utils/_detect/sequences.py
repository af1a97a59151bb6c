# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kinds of things that happen within one window, together or one after the other, as Sigma's temporal correlations say.

A *hit* is that a step was seen once: one event, or the window of a step that counts, at its last event. A window ends
at a hit and reaches back `span` seconds, both ends inside. It holds together when enough different steps are in it; it
is in order when its steps are met one after the other, each at a hit that is not earlier than the one before and is
another event: of two things at the same instant nobody knows which was first.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from ansible_collections.pve.audit.plugins.module_utils._model.event import Event


class Hit(NamedTuple):
    """A step that was seen at `time` (epoch seconds): in `events[first : last + 1]`, the last of which has the time."""

    time: float
    step: int
    events: Sequence[Event]
    first: int
    last: int


def together(hits: Sequence[Hit], span: int) -> Iterator[tuple[int, int, int]]:
    """Every window of `hits`, which are in order of time: its first and last hit, and the number of its steps."""
    inside: dict[int, int] = {}
    left = 0
    for right, hit in enumerate(hits):
        inside[hit.step] = inside.get(hit.step, 0) + 1
        if right + 1 < len(hits) and hits[right + 1].time == hit.time:
            continue
        while hits[left].time < hit.time - span:
            gone = hits[left].step
            inside[gone] -= 1
            if not inside[gone]:
                del inside[gone]
            left += 1
        yield left, right, len(inside)


def in_order(hits: Sequence[Hit], span: int, steps: int) -> Iterator[tuple[int, int, int]]:
    """Every window in which all steps come in their order: where the sequence begins, the last hit, and `steps`."""
    places: list[list[int]] = [[] for _step in range(steps)]
    for place, hit in enumerate(hits):
        places[hit.step].append(place)
    for left, right, met in together(hits, span):
        if met == steps and (first := _begin(hits, places, left, right)) is not None:
            yield first, right, steps


def _begin(hits: Sequence[Hit], places: list[list[int]], left: int, right: int) -> int | None:
    """The place of the first step, when the others follow it up to `right`. Each is taken as early as possible."""
    for place in _earliest(hits, places[0], left, right, None):
        if _goes_on(hits, places[1:], place, right):
            return place
    return None


def _goes_on(hits: Sequence[Hit], places: list[list[int]], previous: int, right: int) -> bool:
    if not places:
        return True
    found = _earliest(hits, places[0], _first_at(hits, hits[previous].time), right, hits[previous])
    return any(_goes_on(hits, places[1:], place, right) for place in found)


def _earliest(hits: Sequence[Hit], step: list[int], left: int, right: int, but: Hit | None) -> list[int]:
    """Where a step is seen first between two places, at another event than `but`.

    Two places at one instant, where there are two: the one that the next step needs itself may be the first of them.
    """
    found: list[int] = []
    for number in range(bisect_left(step, left), len(step)):
        place = step[number]
        if place > right or len(found) == 2 or (found and hits[place].time > hits[found[0]].time):
            break
        if but is None or not _is_same(hits[place], but):
            found.append(place)
    return found


def _is_same(one: Hit, other: Hit) -> bool:
    """Whether both were seen at the same event."""
    return one.events[one.last] is other.events[other.last]


def events_of(hits: Iterable[Hit], steps: int) -> Iterator[Event]:
    """The events of hits, which are in order of time; each once, but for one that is of several steps."""
    done = [0] * steps
    for hit in hits:
        yield from hit.events[max(hit.first, done[hit.step]) : hit.last + 1]
        done[hit.step] = hit.last + 1


def _first_at(hits: Sequence[Hit], time: float) -> int:
    """The place of the first hit at `time` or later."""
    return bisect_left(hits, time, key=lambda hit: hit.time)
