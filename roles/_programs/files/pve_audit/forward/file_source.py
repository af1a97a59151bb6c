# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Log files as a source: followed through rotation by rename, copytruncate, compression, and several at once.

A file is known by a fingerprint of its first line (with its name, for a pattern), and two that begin alike by their
inodes. So a reused inode is not taken for the old file, and a compressed or copied one is. All forms of the file in its
directory (`access.log`, `access.log.1`, `access.log.2.gz`, `access.log-20261123`) are read, oldest first. A form that
was read to its end and did not change for an hour is closed and remembered, see done.py.

What is no regular file, belongs to somebody else or unpacks to too much is not read (`files.open_checked`), and told.
"""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from pve_audit.forward.candidates import Candidates
from pve_audit.forward.done import Done, DoneFiles, name_of
from pve_audit.forward.logfile import FileIdentity, LogFile
from pve_audit.forward.settings import FileSpec
from pve_audit.forward.source import Position, SourceLine, remark
from pve_audit.wire import Message

# What may take more bytes in the message than in the file, so that its length has to be said.
_ESCAPED = re.compile(rb"[\x00-\x1f\x7f-\xff]")
KEEP_SECONDS = 3600
SETTLE_SECONDS = 5.0
# Files that are open at a time, and how many of them may be at their end.
MOST_OPEN = 64
MOST_IDLE = 32
# A look round may take one part in this many of the time.
IDLE_SHARE = 25
FACILITY_LOCAL0 = 16


@dataclass(frozen=True, slots=True)
class FileOffset:
    """Everything of the file `key` before `offset` is acknowledged."""

    key: str
    offset: int


class FileSource:
    """See source.Source.

    A position is {"done": number of the next finished file, "files": {"inode:fingerprint": offset}, "ended": [keys of
    files that will not grow]}.
    """

    def __init__(self, spec: FileSpec, node: str, poll_seconds: float, done: Path) -> None:
        self.name = spec.name
        self._spec = spec
        self._node = node
        self._poll = poll_seconds
        self._done = DoneFiles(done)
        self._candidates = Candidates(spec.path, self._done, partial(self._note, "file_refused"))
        self._pattern = self._candidates.pattern
        self._start_over({}, {})

    def open(self, position: Position, high_water: Position) -> None:
        self.close()
        self._start_over(position, high_water)
        self._done.load(int(position.get("done", 0)), int(high_water.get("done", 0)))

    def _start_over(self, position: Position, high_water: Position) -> None:
        self._files: dict[str, LogFile] = {}
        self._acknowledged = {str(key): int(offset) for key, offset in position.get("files", {}).items()}
        self._high_water = high_water
        # Of a state before there was done.py.
        self._watermark = int(position.get("watermark", 0))
        self._next_scan = 0.0
        self._missed = False
        self._unsettled: dict[str, tuple[float, FileIdentity]] = {}
        self._waiting: list[SourceLine] = []

    def next(self, now: float) -> SourceLine | None:
        """Raises OSError when the directory cannot be read."""
        if now >= self._next_scan:
            start = time.thread_time()
            self._scan(now)
            self._next_scan = now + max(self._poll, IDLE_SHARE * (time.thread_time() - start))
        if self._waiting:
            return self._waiting.pop(0)
        for file in self._files.values():
            try:
                found = file.next()
            except OSError as error:
                self._give_up(file, error)
                continue
            if found is not None:
                return self._line(file, *found)
        return self._waiting.pop(0) if self._waiting else None

    def acknowledge(self, place: Any) -> None:
        if place.key in self._files:
            self._acknowledged[place.key] = place.offset

    def position(self) -> Position:
        ended = [key for key, file in self._files.items() if file.ended]
        return {"done": self._done.saved, "files": dict(self._acknowledged), "ended": ended}

    def caught_up(self) -> bool:
        """A file that is no longer there cannot be waited for."""
        wanted = self._high_water.get("files", {})
        return all(self._acknowledged[key] >= offset for key, offset in wanted.items() if key in self._files)

    def backlog(self) -> dict[str, Any]:
        """Bytes not yet acknowledged; of a compressed file the compressed size is all that is known.

        `missing` is told of a file that is not there; the forwarder waits for it.
        """
        waiting = sum(max(0, file.size - self._acknowledged.get(key, 0)) for key, file in self._files.items())
        figures = {"backlog_bytes": waiting, "files": len(self._files) + len(self._done)}
        missing = {"missing": True} if self._pattern is None and not os.path.lexists(self._spec.path) else {}
        return figures | missing | self._candidates.refused.figures()

    def fileno(self) -> int | None:
        return None

    def close(self) -> None:
        for file in self._files.values():
            file.close()
        self._files = {}
        self._candidates.start_over()

    def _scan(self, now: float) -> None:
        """Find new, renamed, truncated and vanished forms. Raises OSError."""
        ready = self._candidates.look(self._opened(), now)
        present = {one.key for one in ready}
        for one in ready:
            if one.key in self._files:
                self._refresh(one)
            elif len(self._files) < MOST_OPEN:
                adopt = partial(self._adopt, one, present, now)
                self._candidates.attempt(one.path, adopt)
        self._candidates.settle(self._opened())
        self._files = dict(sorted(self._files.items(), key=lambda item: item[1].modified))
        self._finish(present)
        if self._candidates.complete and len(self._files) < MOST_OPEN:
            self._miss({one.fingerprint for one in ready})
        self._done.save()

    def _opened(self) -> set[str]:
        return {file.path for file in self._files.values()}

    def _refresh(self, one: FileIdentity) -> None:
        file = self._files[one.key]
        if not one.packed and one.size < file.offset:
            self._start(one, file.offset)
        else:
            file.path = one.path
            self._look(file)

    def _look(self, file: LogFile) -> None:
        try:
            file.look()
        except OSError as error:
            self._give_up(file, error)

    def _give_up(self, file: LogFile, error: OSError) -> None:
        """Read this file no further until it changes."""
        file.give_up()
        self._candidates.give_up(file.path, _fingerprint(file.key), error.strerror or str(error))

    def _adopt(self, one: FileIdentity, present: set[str], now: float) -> None:
        """Start reading a form that is not open: where it was left, under this or a former inode, else from its start.

        A rotated form that nobody knows may still be in the making (a copy, a compressed copy): it has to rest first.
        """
        if one.key in self._acknowledged:
            self._start(one, self._acknowledged[one.key])
            return
        ending = f":{one.fingerprint}"
        former = [key for key in self._acknowledged if key not in present and key.endswith(ending)]
        done = self._known(one)
        if former:
            old = self._files.pop(former[0], None)
            if old is not None:
                old.close()
            self._start(one, self._acknowledged.pop(former[0]))
        elif done is not None:
            if done.size != one.size:
                self._start(one, done.offset)
            elif done.modified != one.modified or self._done.find(name_of(one.path)) != done:
                self._done.add(one.path, replace(done, modified=one.modified))
        elif self._settled(one, now):
            self._start(one, 0)

    def _known(self, one: FileIdentity) -> Done | None:
        """What is remembered of the file, under this name or (if it is none of a pattern) another one."""
        done = self._done.find(name_of(one.path))
        if done is not None and done.fingerprint == one.fingerprint:
            return done
        if self._pattern is not None:
            return None
        done = self._done.find_fingerprint(one.fingerprint)
        if done is None and one.modified <= self._watermark:
            done = Done(one.fingerprint, 0 if one.packed else one.size, one.size, one.modified)
        return done

    def _settled(self, one: FileIdentity, now: float) -> bool:
        if not one.packed and (self._pattern is not None or one.path == self._spec.path):
            return True
        since, before = self._unsettled.get(one.path, (now, one))
        if before != one:
            since = now
        self._unsettled[one.path] = (since, one)
        return now - since >= SETTLE_SECONDS

    def _start(self, one: FileIdentity, offset: int) -> None:
        """Open the form at this offset. Raises OSError."""
        former = self._files.pop(one.key, None)
        if former is not None:
            former.close()
        if not one.packed and one.size < offset:
            self._note("file_shrank", one.path, f"had {offset} bytes read and has {one.size} now: it is read again")
            offset = 0
        self._unsettled.pop(one.path, None)
        self._files[one.key] = LogFile(one, offset)
        self._acknowledged[one.key] = offset

    def _finish(self, present: set[str]) -> None:
        """Close forms that are read and acknowledged to their end and will not grow any more."""
        newest = max((file.modified for file in self._files.values()), default=0)
        limit = (time.time() - KEEP_SECONDS) * 1e9
        spare = len(self._files) - MOST_IDLE
        for number, (key, file) in enumerate(list(self._files.items())):
            if key not in present and file.is_deleted():
                self._look(file)
            read = file.at_end() and self._acknowledged[key] == file.offset
            file.ended = read and file.modified < newest
            grows = number >= spare and file.modified >= min(newest, limit) and not file.given_up
            if read and not (key in present and grows):
                self._end(key, file, key in present)

    def _end(self, key: str, file: LogFile, present: bool) -> None:
        """Send a last line without a break, or close the file; what is still there is remembered as done."""
        rest = file.take_rest()
        if rest is not None:
            self._waiting.append(self._line(file, *rest))
            return
        if present:
            self._done.add(file.path, Done(_fingerprint(key), file.offset, file.size, file.modified))
        self._files.pop(key).close()
        del self._acknowledged[key]

    def _miss(self, there: set[str]) -> None:
        """Forget positions of files that are nowhere; speak of those that were not read to their end, once."""
        there = there | {_fingerprint(key) for key in self._files}
        for key in [key for key in self._acknowledged if key not in self._files and _fingerprint(key) not in there]:
            del self._acknowledged[key]
        if self._missed:
            return
        self._missed = True
        ended = self._high_water.get("ended", [])
        for key, offset in self._high_water.get("files", {}).items():
            if key not in ended and _fingerprint(key) not in there:
                lost = f"(inode {key.partition(':')[0]}) is gone: lines after byte {offset} may be missing"
                self._note("file_gone", self._spec.path, lost)

    def _note(self, note: str, path: str, text: str) -> None:
        micros = time.time_ns() // 1000
        self._waiting.append(SourceLine(remark(self._node, note, f"{path} {text}", micros, file=path)))

    def _line(self, file: LogFile, start: int, raw: bytes, cut: bool) -> SourceLine:
        inode, _colon, fingerprint = file.key.partition(":")
        text = raw.removesuffix(b"\n").removesuffix(b"\r")
        params = {
            "file": self._spec.path if self._pattern is None else file.path,
            "inode": inode,
            "fingerprint": fingerprint,
            "offset": str(start),
            **({"cut": "true"} if cut else {}),
            **({"length": str(len(raw))} if _ESCAPED.search(text) else {}),
        }
        message = Message(
            node=self._node,
            source=self.name,
            text=text.decode("utf-8", "backslashreplace"),
            micros=time.time_ns() // 1000,
            app=self._spec.tag or self.name,
            facility=FACILITY_LOCAL0,
            params=params,
        )
        return SourceLine(message, FileOffset(file.key, file.offset))


def _fingerprint(key: str) -> str:
    return key.partition(":")[2]
