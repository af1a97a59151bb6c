# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Log files as a source: followed through rotation by rename, copytruncate, compression, and several at once.

A file is known by its inode and by a fingerprint of its first line, so a reused inode is not taken for the old file,
and a compressed or copied one is. All forms of the file in its directory (`access.log`, `access.log.1`,
`access.log.2.gz`, `access.log-20261123`) are read, oldest first. A form that was read to its end and did not change
for an hour is forgotten; `watermark` is the newest modification time among the forgotten.
"""

from __future__ import annotations

import glob
import os
import time
from dataclasses import dataclass
from typing import Any

from pve_audit.forward.logfile import FileIdentity, LogFile, identify
from pve_audit.forward.settings import FileSpec
from pve_audit.forward.source import Position, SourceLine, remark
from pve_audit.wire import Message

KEEP_SECONDS = 3600
SETTLE_SECONDS = 5.0
FACILITY_LOCAL0 = 16


@dataclass(frozen=True, slots=True)
class FileOffset:
    """Everything of the file `key` before `offset` is acknowledged."""

    key: str
    offset: int


class FileSource:
    """See source.Source.

    A position is {"watermark": nanoseconds, "files": {"inode:fingerprint": offset}, "ended": [keys of finished forms]}.
    """

    def __init__(self, spec: FileSpec, node: str, poll_seconds: float) -> None:
        self.name = spec.name
        self._spec = spec
        self._pattern = glob.has_magic(spec.path)
        self._node = node
        self._poll = poll_seconds
        self._files: dict[str, LogFile] = {}
        self._acknowledged: dict[str, int] = {}
        self._high_water: Position = {}
        self._watermark = 0
        self._next_scan = 0.0
        self._missed = False
        self._unsettled: dict[str, tuple[float, FileIdentity]] = {}
        self._waiting: list[SourceLine] = []

    def open(self, position: Position, high_water: Position) -> None:
        self.close()
        self._watermark = int(position.get("watermark", 0))
        self._acknowledged = {str(key): int(offset) for key, offset in position.get("files", {}).items()}
        self._high_water = high_water
        self._next_scan = 0.0
        self._missed = False
        self._waiting = []

    def next(self, now: float) -> SourceLine | None:
        """Raises OSError when the directory or a file cannot be read."""
        if now >= self._next_scan:
            self._next_scan = now + self._poll
            self._scan(now)
        if self._waiting:
            return self._waiting.pop(0)
        for file in self._files.values():
            found = file.next()
            if found is not None:
                return self._line(file, *found)
        return None

    def acknowledge(self, place: Any) -> None:
        if place.key in self._files:
            self._acknowledged[place.key] = place.offset

    def position(self) -> Position:
        ended = [key for key, file in self._files.items() if file.ended]
        return {"watermark": self._watermark, "files": dict(self._acknowledged), "ended": ended}

    def caught_up(self) -> bool:
        """A file that is no longer there cannot be waited for."""
        wanted = self._high_water.get("files", {})
        return all(self._acknowledged[key] >= offset for key, offset in wanted.items() if key in self._files)

    def backlog(self) -> dict[str, Any]:
        """Bytes not yet acknowledged; of a compressed file the compressed size is all that is known."""
        waiting = sum(max(0, file.size - self._acknowledged.get(key, 0)) for key, file in self._files.items())
        return {"backlog_bytes": waiting, "files": len(self._files)}

    def fileno(self) -> int | None:
        return None

    def close(self) -> None:
        for file in self._files.values():
            file.close()
        self._files = {}
        self._unsettled = {}

    def _paths(self) -> list[str]:
        """All forms of the file."""
        forms = set(glob.glob(self._spec.path) if self._pattern else [self._spec.path])
        if not self._pattern:
            for end in (".*", "-*"):
                forms.update(glob.glob(glob.escape(self._spec.path) + end))
        return sorted(path for path in forms if os.path.isfile(path))

    def _scan(self, now: float) -> None:
        """Find new, renamed, truncated and vanished forms. Raises OSError."""
        inodes = {int(key.partition(":")[0]) for key in (*self._acknowledged, *self._files)}
        found = [identify(path, inodes, self._watermark, self._pattern) for path in self._paths()]
        forms = sorted((one for one in found if one is not None), key=lambda form: form.modified)
        present = {one.key for one in forms}
        for one in forms:
            if one.key in self._files:
                self._refresh(one)
            else:
                self._adopt(one, present, now)
        self._files = dict(sorted(self._files.items(), key=lambda item: item[1].modified))
        self._finish(present)
        self._miss(forms)

    def _refresh(self, one: FileIdentity) -> None:
        file = self._files[one.key]
        if not one.packed and one.size < file.offset:
            file.close()
            self._start(one, file.offset)
        else:
            file.path, file.size, file.modified = one.path, one.size, one.modified
            file.idle = False

    def _adopt(self, one: FileIdentity, present: set[str], now: float) -> None:
        """Start reading a form that is not open: where it was left, under this or a former inode, else from its start.

        A rotated form that nobody knows may still be in the making (a copy, a compressed copy): it has to rest first.
        """
        if one.key in self._acknowledged:
            self._start(one, self._acknowledged[one.key])
            return
        ending = f":{one.fingerprint}"
        former = [key for key in self._acknowledged if key not in present and key.endswith(ending)]
        if former:
            old = self._files.pop(former[0], None)
            if old is not None:
                old.close()
            self._start(one, self._acknowledged.pop(former[0]))
        elif self._settled(one, now):
            self._start(one, 0)

    def _settled(self, one: FileIdentity, now: float) -> bool:
        if not one.packed and (self._pattern or one.path == self._spec.path):
            return True
        since, before = self._unsettled.get(one.path, (now, one))
        if before != one:
            since = now
        self._unsettled[one.path] = (since, one)
        return now - since >= SETTLE_SECONDS

    def _start(self, one: FileIdentity, offset: int) -> None:
        """Open the form at this offset. Raises OSError."""
        if not one.packed and one.size < offset:
            self._note("file_shrank", one.path, f"had {offset} bytes read and has {one.size} now: it is read again")
            offset = 0
        self._unsettled.pop(one.path, None)
        self._files[one.key] = LogFile(one, offset)
        self._acknowledged[one.key] = offset

    def _finish(self, present: set[str]) -> None:
        """Drop forms that are read and acknowledged to their end and will not grow any more."""
        newest = max((file.modified for file in self._files.values()), default=0)
        limit = (time.time() - KEEP_SECONDS) * 1e9
        for key, file in list(self._files.items()):
            read = file.at_end() and self._acknowledged[key] == file.offset
            file.ended = read and file.modified < newest
            if not read or (key in present and file.modified >= min(newest, limit)):
                continue
            rest = file.take_rest()
            if rest is not None:
                self._waiting.append(self._line(file, *rest))
                continue
            if key in present:
                self._watermark = max(self._watermark, file.modified)
            self._files.pop(key).close()
            del self._acknowledged[key]

    def _miss(self, forms: list[FileIdentity]) -> None:
        """Forget positions of files that are nowhere; speak of those that were not read to their end, once."""
        there = {one.fingerprint for one in forms} | {_fingerprint(key) for key in self._files}
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
        params = {
            "file": file.path if self._pattern else self._spec.path,
            "inode": inode,
            "fingerprint": fingerprint,
            "offset": str(start),
            **({"cut": "true"} if cut else {}),
        }
        message = Message(
            node=self._node,
            source=self.name,
            text=raw.rstrip(b"\r\n").decode("utf-8", "backslashreplace"),
            micros=time.time_ns() // 1000,
            app=self._spec.tag or self.name,
            facility=FACILITY_LOCAL0,
            params=params,
        )
        return SourceLine(message, FileOffset(file.key, file.offset))


def _fingerprint(key: str) -> str:
    return key.partition(":")[2]
