# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What came of one journal or one file: where each line was, how long it was, and whether it came twice. Pure.

The lines are those of the host that is judged by them: what is kept of each is bounded.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice, pairwise
from typing import NamedTuple

EXAMPLES = 20
MOST_RUNS = 1000
# Parts of split lines that wait for the others; honest ones come one after the other.
MOST_PARTS = 100_000
JOURNAL, FILE, PATH = "journal", "file", "path"


class Key(NamedTuple):
    """A journal by its id; a file by fingerprint and inode or, as rsyslog sends it, by path and turn."""

    kind: str
    name: str
    second: str = ""


class Runs(NamedTuple):
    """What `Stream.examine` found: the first runs that are missing, and counts."""

    missing: list[tuple[int, int]]
    missing_count: int
    duplicates: int
    altered: int
    altered_at: list[int]


@dataclass(slots=True)
class Split:
    """A line that came in parts: digest and length of each."""

    total: int
    parts: dict[int, tuple[int, int]] = field(default_factory=dict)

    def digest(self) -> int:
        return hash(tuple(sorted(self.parts.items())))

    def length(self) -> int:
        return sum(length for _digest, length in self.parts.values())

    def lost(self) -> list[str]:
        """The first parts that did not come, as `2/3`."""
        numbers = (number for number in range(1, self.total + 1) if number not in self.parts)
        return [f"{number}/{self.total}" for number in islice(numbers, EXAMPLES)]


@dataclass(slots=True)
class Stream:
    """16 bytes for each line, in the order in which they came: place, length, and a digest of the text.

    The digest is Python's own hash, with a secret of this process: nobody can make another text with the same.
    `begin` is where the stream is known to have been before, None when nothing of it is known.
    """

    path: str = ""
    begin: int | None = None
    at: array[int] = field(default_factory=lambda: array("Q"))
    length: array[int] = field(default_factory=lambda: array("I"))
    digest: array[int] = field(default_factory=lambda: array("I"))
    repeated: int = 0
    unfinished: int = 0
    lost_parts: dict[int, list[str]] | None = None

    def add(self, place: int, length: int, digest: int) -> None:
        self.at.append(place)
        self.length.append(min(length, 0xFFFFFFFF))
        self.digest.append(digest & 0xFFFFFFFF)

    def holds(self, place: int, digest: int) -> bool:
        """Whether this line came before. The places must be in order."""
        index = bisect_left(self.at, place)
        return index < len(self.at) and self.at[index] == place and self.digest[index] == digest & 0xFFFFFFFF

    def leave(self, place: int, length: int, split: Split) -> None:
        """Parts of a line are missing."""
        self.unfinished += 1
        self.lost_parts = self.lost_parts if self.lost_parts is not None else {}
        if len(self.lost_parts) < EXAMPLES:
            self.lost_parts[place] = split.lost()
        self.add(place, length, split.digest())

    @property
    def least(self) -> int:
        """The first place."""
        return min(self.at)

    def end(self) -> int:
        """The place after the furthest line."""
        return max(place + length for place, length in zip(self.at, self.length, strict=True))

    def examine(self) -> Runs:
        """The places from `begin`, or else the first, to the last that no line covers, and lines that came again."""
        missing: list[tuple[int, int]] = []
        count, duplicates, altered = 0, self.repeated, 0
        altered_at: list[int] = []
        last, digest, end = -1, 0, self.begin
        for index in self._order():
            place = self.at[index]
            if place == last:
                duplicates += 1
                if self.digest[index] != digest:
                    altered += 1
                    altered_at += [place] if len(altered_at) < EXAMPLES else []
            elif end is not None and place > end:
                count += place - end
                missing += [(end, place - 1)] if len(missing) < MOST_RUNS else []
            if place != last:
                last, digest = place, self.digest[index]
            end = max(place if end is None else end, place + self.length[index])
        return Runs(missing, count, duplicates, altered, altered_at)

    def _order(self) -> Iterator[int] | list[int]:
        if all(left <= right for left, right in pairwise(self.at)):
            return iter(range(len(self.at)))
        return sorted(range(len(self.at)), key=self.at.__getitem__)


@dataclass(slots=True)
class Splits:
    """Lines that wait for more of their parts."""

    waiting: OrderedDict[tuple[Key, int], Split] = field(default_factory=OrderedDict)
    count: int = 0

    def take(self, key: Key, place: int, part: tuple[int, int], figures: tuple[int, int]) -> Split | str | None:
        """The line when it has all parts, or None; a sentence when this part does not fit to the others."""
        number, total = part
        split = self.waiting.setdefault((key, place), Split(total))
        if split.total != total:
            return f"it is in {total} parts, and was in {split.total}"
        known = split.parts.setdefault(number, figures)
        if known[0] != figures[0]:
            return f"part {number}/{total} came before with another text"
        self.count += known is figures
        if len(split.parts) < total:
            return None
        return self._pop((key, place))

    def _oldest(self) -> tuple[Key, int]:
        return next(iter(self.waiting))

    def _pop(self, where: tuple[Key, int]) -> Split:
        split = self.waiting.pop(where)
        self.count -= len(split.parts)
        return split

    def spare(self, most: int = MOST_PARTS) -> Iterator[tuple[Key, int, Split]]:
        """Take out the oldest lines until no more than `most` parts wait."""
        while self.count > most or len(self.waiting) > most or (most == 0 and self.waiting):
            oldest = self._oldest()
            yield *oldest, self._pop(oldest)
