# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lines of one source of one node, counted, and what is to be said of them. Pure.

Nothing that a line claims of itself makes a finding go away: what may be filtered is said by the settings (`partial`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pve_audit.collector.quota import OWN
from pve_audit.collector.streams import EXAMPLES, FILE, JOURNAL, PATH, Key, Split, Splits, Stream
from pve_audit.wire import HEARTBEAT, ArchivedLine, parse_line, parse_part

MOST_STREAMS = 200_000
LONGEST_PATH = 4096
LONGEST_NAME = 64
# The source in which a node says that its task log forgot records before they were kept.
TASK_GAPS = "task-gaps"
_JOURNAL_FIELDS = ("loginuid", "pid", "comm", "unit")


@dataclass
class Tally:
    """One source. `partial`: it may be sent in part, or without numbers. `earlier`: a journal is known from before."""

    node: str
    source: str
    partial: bool = False
    lines: int = 0
    broken: int = 0
    broken_at: list[dict[str, Any]] = field(default_factory=list)
    noted: int = 0
    notes: list[dict[str, str]] = field(default_factory=list)
    unnumbered: int = 0
    filtered: int = 0
    left_out: int = 0
    damaged: list[tuple[str, str]] = field(default_factory=list)
    earlier: bool = False
    streams: dict[Key, Stream] = field(default_factory=dict)
    _splits: Splits = field(default_factory=Splits)
    _turn: dict[str, int] = field(default_factory=dict)
    _last: tuple[Key, int] | None = None

    def add(self, raw: bytes, file: str = "", number: int = 0) -> None:
        """Count one archived line; `file` and `number` say where it stands."""
        self.lines += 1
        line = parse_line(raw)
        why = "it is not a line of the forwarder" if line is None else self._count(line)
        if why:
            self.broken += 1
            if len(self.broken_at) < EXAMPLES:
                self.broken_at.append({"file": file, "line": number, "why": why})

    def _count(self, line: ArchivedLine) -> str:
        """Returns what is wrong with the line, or nothing."""
        if self.source == OWN:
            self._note(line, line.params.get("event", "event"))
            return ""
        if "cursor" in line.params:
            return self._add_entry(line)
        if "offset" in line.params:
            why = self._add_span(line)
        elif "note" in line.params:
            self._note(line, line.params["note"])
            return ""
        else:
            self.unnumbered += self.source != HEARTBEAT
            return ""
        if self.source == TASK_GAPS and not why:
            self._note(line, "task_gap")
        return why

    def _note(self, line: ArchivedLine, note: str) -> None:
        self.noted += 1
        if len(self.notes) < EXAMPLES:
            kept = {"node": self.node, "source": self.source, "time": line.time[:40], "note": note[:LONGEST_NAME]}
            self.notes.append({**kept, "text": line.text[:500]})

    def _add_entry(self, line: ArchivedLine) -> str:
        if line.sequence is None:
            return "its cursor has no number"
        self.filtered += line.params.get("filtered") == "true"
        key = Key(JOURNAL, line.sequence[0])
        origin = (line.text, line.time, *(line.params.get(name) for name in _JOURNAL_FIELDS))
        return self._take(key, line.sequence[1], 1, hash(origin), line)

    def _add_span(self, line: ArchivedLine) -> str:
        offset = line.offset
        fingerprint, inode = (line.params.get(name, "") for name in ("fingerprint", "inode"))
        path = line.params.get("file", "")
        if offset is None:
            return "its offset is no number"
        if max(len(fingerprint), len(inode)) > LONGEST_NAME or len(path) > LONGEST_PATH:
            return "the name of its file is too long"
        digest = hash(line.text)
        if fingerprint:
            return self._take(Key(FILE, fingerprint, inode), offset, line.longest, digest, line)
        if "part" in line.params:
            return "it is a part, and its file has no identity"
        turn = self._turn.get(path, 0)
        stream = self.streams.get(Key(PATH, path, str(turn)))
        if stream is not None and offset <= stream.at[-1]:
            if stream.holds(offset, digest):
                stream.repeated += 1
                return ""
            self._turn[path] = turn = turn + 1
        return self._take(Key(PATH, path, str(turn)), offset, line.longest, digest, line)

    def _take(self, key: Key, place: int, length: int, digest: int, line: ArchivedLine) -> str:
        if key not in self.streams and len(self.streams) >= MOST_STREAMS:
            self.left_out += 1
            return ""
        stream = self.streams.get(key)
        if stream is None:
            stream = self.streams[key] = Stream(line.params.get("file", ""))
        if "part" not in line.params:
            self._last = None
            stream.add(place, length, digest)
            return ""
        part = parse_part(line.params["part"])
        if part is None:
            return "its part is not a number of another number"
        if key.kind == FILE and part[0] < part[1]:
            length = len(line.text.encode("utf-8", "surrogateescape"))  # only the last one has the line break
        self._last = key, place
        done = self._splits.take(key, place, part, (digest, length))
        if isinstance(done, str):
            return done
        if done is not None:
            length = _length(key, done)
            stream.add(place, length if line.said_length is None else min(length, line.said_length), done.digest())
        self._leave(self._splits.spare())
        return ""

    def _leave(self, unfinished: Iterable[tuple[Key, int, Split]]) -> None:
        for key, place, split in unfinished:
            self.streams[key].leave(place, _length(key, split), split)

    def finish(self, growing: bool = False) -> None:
        """To be called after the last line: what still waits for parts will not get them.

        But for the last line of a file that is `growing`.
        """
        rest = list(self._splits.spare(0))
        if growing and rest and (rest[-1][0], rest[-1][1]) == self._last:
            rest.pop()
        whole = {key: set(self.streams[key].at) for key, _place, _split in rest}
        # A repetition that was broken off is no loss: the whole line came before.
        self._leave(one for one in rest if one[1] not in whole[one[0]])
        self.streams = {key: stream for key, stream in self.streams.items() if stream.at}
        ends: dict[tuple[str, str], int] = {}
        for key, stream in self.streams.items():
            stream.begin = _begin(key, stream, ends)
            if stream.begin is None and key.kind != JOURNAL and stream.least == 0:
                stream.begin = 0
            ends[key.kind, key.name] = stream.end()

    def unexplained(self) -> set[Key]:
        """After `finish`: the streams of which it has to be known where they were before the first line."""
        open_ = {key for key, stream in self.streams.items() if stream.begin is None}
        return {key for key in open_ if key.kind != JOURNAL or not self.earlier}

    def learn(self, other: Tally) -> None:
        """Take from an earlier day where the streams were. Both are finished."""
        ends = {(key.kind, key.name): stream.end() for key, stream in other.streams.items()}
        for key in self.unexplained():
            self.streams[key].begin = _begin(key, self.streams[key], ends)
        self.earlier = self.earlier or any(key.kind == JOURNAL for key in other.streams)


def _length(key: Key, split: Split) -> int:
    return 1 if key.kind == JOURNAL else split.length()


def _begin(key: Key, stream: Stream, ends: Mapping[tuple[str, str], int]) -> int | None:
    """Where a stream has to begin, given where the same journal or file was before; None when it was not.

    A file that begins at 0, and one whose offsets went back, is another file with the same first line or name.
    """
    end = ends.get((key.kind, key.name))
    if end is None:
        return None
    anew = (key.kind == FILE and stream.least == 0) or (key.kind == PATH and stream.least < end)
    return 0 if anew else end
