# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One form of a log file on disk: who it is, and its lines with their offsets."""

from __future__ import annotations

import gzip
import hashlib
import lzma
import os
from dataclasses import dataclass
from typing import IO

LONGEST_LINE = 1024 * 1024
FIRST_LINE = 1024
CHUNK = 64 * 1024
_OPENERS = {".gz": gzip.open, ".xz": lzma.open}


@dataclass(frozen=True, slots=True)
class FileIdentity:
    """What a look at a file shows. `packed`: compressed, `size` is then that of the compressed file."""

    path: str
    inode: int
    fingerprint: str
    size: int
    modified: int
    packed: bool

    @property
    def key(self) -> str:
        """`inode:fingerprint`."""
        return f"{self.inode}:{self.fingerprint}"


def identify(path: str, inodes: set[int], watermark: int, by_name: bool) -> FileIdentity | None:
    """Who this file is; None when it is gone, has no first line yet, cannot be unpacked, or was finished before.

    `by_name`: the name is part of the fingerprint, for files that are not renamed and may begin alike.

    Raises OSError when it cannot be read.
    """
    try:
        stat = os.stat(path)
        if stat.st_size == 0 or (stat.st_mtime_ns <= watermark and stat.st_ino not in inodes):
            return None
        with open_log(path) as handle:
            first = handle.read(FIRST_LINE)
    except (FileNotFoundError, gzip.BadGzipFile, lzma.LZMAError, EOFError):
        return None
    end = first.find(b"\n")
    if end < 0 and len(first) < FIRST_LINE:
        return None
    stem = os.path.splitext(path)[0] if _packed(path) else path
    salt = stem.encode(errors="surrogateescape") + b"\n" if by_name else b""
    fingerprint = hashlib.sha256(salt + first[: end if end >= 0 else FIRST_LINE]).hexdigest()[:16]
    return FileIdentity(path, stat.st_ino, fingerprint, stat.st_size, stat.st_mtime_ns, _packed(path))


def _packed(path: str) -> bool:
    return os.path.splitext(path)[1] in _OPENERS


def open_log(path: str) -> IO[bytes]:
    """The (unpacked) bytes. Raises OSError."""
    opener = _OPENERS.get(os.path.splitext(path)[1])
    return opener(path, "rb") if opener else open(path, "rb", buffering=0)  # type: ignore[operator]


class LogFile:
    """Reads whole lines from `offset` on. The open handle survives renaming and deletion."""

    def __init__(self, identity: FileIdentity, offset: int) -> None:
        self.key = identity.key
        self.path = identity.path
        self.size = identity.size
        self.modified = identity.modified
        self.offset = offset
        self.idle = False
        self.ended = False
        self._buffer = bytearray()
        self._handle = open_log(identity.path)
        self._handle.seek(offset)

    def next(self) -> tuple[int, bytes, bool] | None:
        """(offset of the line, its bytes, whether it was cut because it is too long), or None at the present end."""
        if self.idle:
            return None
        start = self.offset
        end = self._buffer.find(b"\n")
        while end < 0 and len(self._buffer) < LONGEST_LINE:
            searched = len(self._buffer)
            if not self._read():
                return None
            end = self._buffer.find(b"\n", searched)
        length = min(end + 1 if end >= 0 else LONGEST_LINE, LONGEST_LINE)
        line = bytes(self._buffer[:length])
        del self._buffer[:length]
        self.offset += length
        return start, line, not line.endswith(b"\n")

    def _read(self) -> bool:
        """Get more; at the end there is nothing to do until somebody sets `idle` back."""
        try:
            data = self._handle.read(CHUNK)
        except EOFError:
            data = b""  # a compressed file that is not complete yet
        self._buffer += data
        self.idle = not data
        return bool(data)

    def at_end(self) -> bool:
        """Whether everything that is there was returned by `next` (a last line without its end does not count)."""
        return self._buffer.find(b"\n") < 0 and len(self._buffer) < LONGEST_LINE and not self._read()

    def take_rest(self) -> tuple[int, bytes, bool] | None:
        """The last line without its end, as from `next`."""
        if not self._buffer:
            return None
        start, line = self.offset, bytes(self._buffer)
        self._buffer.clear()
        self.offset += len(line)
        return start, line, True

    def close(self) -> None:
        """Close the file."""
        self._handle.close()
