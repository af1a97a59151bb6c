# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a source that were sent to their end, so that 50,000 of them cost neither handles nor room in the state.

Records of 48 bytes, each with a number that only grows. A position in the state names the number up to which it holds:
an older position makes the newer records void, and their files are sent again.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pve_audit.files import write_atomic
from pve_audit.forward.unpack import is_packed

_RECORD = struct.Struct(">8s8sQQQQ")
# Records of files that are gone are dropped when they are more than this, and more than a quarter.
LITTER = 1000


@dataclass(frozen=True, slots=True)
class Done:
    """Sent up to `offset` when the file had this size and modification time."""

    fingerprint: str
    offset: int
    size: int
    modified: int
    number: int = 0


def name_of(path: str) -> bytes:
    """What a path is known by here, the same when it was compressed."""
    stem = os.path.splitext(path)[0] if is_packed(path) else path
    return hashlib.sha256(stem.encode(errors="surrogateescape")).digest()[:8]


class DoneFiles:
    """In memory and in a file; nothing is lost without the file but time, files are sent again then."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._records: dict[bytes, bytes] = {}
        self._fresh: list[bytes] = []
        self._whole = False
        self._next = 1
        self.saved = 0
        """The number before which all records are in the file."""

    def __len__(self) -> int:
        return len(self._records)

    def load(self, upto: int, highest: int) -> None:
        """Start with the records before number `upto`; `highest` is the highest number that was ever used."""
        try:
            data = self._path.read_bytes()
        except OSError:
            data = b""
        self._records = {}
        for raw in _RECORD.iter_unpack(data[: len(data) - len(data) % _RECORD.size]):
            if raw[5] < upto:
                self._records[raw[0]] = _RECORD.pack(*raw)[8:]
            highest = max(highest, raw[5] + 1)
        self._next = max(highest, 1)
        self._fresh, self._whole = [], len(self._records) * _RECORD.size != len(data)
        self.saved = upto if self._whole else self._next

    def find(self, name: bytes) -> Done | None:
        """The record of a path."""
        raw = self._records.get(name)
        if raw is None:
            return None
        _name, fingerprint, *numbers = _RECORD.unpack(name + raw)
        return Done(fingerprint.hex(), *numbers)

    def find_fingerprint(self, fingerprint: str) -> Done | None:
        """The record of a file under whatever name; for sources of few files."""
        wanted = bytes.fromhex(fingerprint)
        hits = [name for name, raw in self._records.items() if raw.startswith(wanted)]
        found = [one for name in hits if (one := self.find(name)) is not None]
        return max(found, key=lambda one: one.number, default=None)

    def add(self, path: str, done: Done) -> None:
        """Remember; `done.number` does not matter."""
        name = name_of(path)
        raw = _RECORD.pack(
            name, bytes.fromhex(done.fingerprint), done.offset, done.size, max(0, done.modified), self._next
        )
        self._next += 1
        self._records[name] = raw[8:]
        self._fresh.append(raw)

    def sweep(self, there: Iterable[bytes]) -> None:
        """Only these names are still there: forget the others, when it is worth it."""
        kept = {name: self._records[name] for name in there if name in self._records}
        gone = len(self._records) - len(kept)
        if gone > LITTER and gone > len(self._records) // 4:
            self._records, self._whole = kept, True

    def save(self) -> None:
        """Write what is new. Raises OSError, and then goes on from memory and tries again."""
        if self._whole:
            write_atomic(self._path, b"".join(name + raw for name, raw in self._records.items()))
        elif self._fresh:
            handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            with open(handle, "wb", buffering=0) as stream:
                data = b"".join(self._fresh)
                self._whole = True  # a part of it may be written: the next time all is
                if stream.write(data) != len(data):
                    raise OSError(28, "the disk is full", str(self._path))
                os.fsync(stream.fileno())
        self._fresh, self._whole = [], False
        self.saved = self._next
