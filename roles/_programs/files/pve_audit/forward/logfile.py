# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One form of a log file on disk: who it is, and its lines with their offsets."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
from dataclasses import dataclass

from pve_audit.files import FLOOR, Refused, object_to_size
from pve_audit.forward.unpack import CHUNK, LogBytes, is_packed

LONGEST_LINE = 1024 * 1024
FIRST_LINE = 1024


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


def identify(path: str, by_name: bool) -> FileIdentity | None:
    """Who this file is; None when it is gone or has no first line yet.

    `by_name`: the name is part of the fingerprint, for files that are not renamed and may begin alike.

    Raises OSError when it cannot be read, and Refused.
    """
    try:
        file = LogBytes(path)
    except FileNotFoundError:
        return None
    with contextlib.closing(file):
        first = file.read(FIRST_LINE)
        while len(first) < FIRST_LINE and (more := file.read(FIRST_LINE - len(first))):
            first += more
    end = first.find(b"\n")
    if end < 0 and len(first) < FIRST_LINE:
        return None
    stem = os.path.splitext(path)[0] if is_packed(path) else path
    salt = stem.encode(errors="surrogateescape") + b"\n" if by_name else b""
    fingerprint = hashlib.sha256(salt + first[: end if end >= 0 else FIRST_LINE]).hexdigest()[:16]
    return FileIdentity(path, file.stat.st_ino, fingerprint, file.stat.st_size, file.stat.st_mtime_ns, is_packed(path))


class LogFile:
    """Reads whole lines from `offset` on. The open handle survives renaming and deletion."""

    def __init__(self, identity: FileIdentity, offset: int) -> None:
        """Raises OSError, and Refused; FileNotFoundError when the file was swapped since it was identified."""
        self.key = identity.key
        self.path = identity.path
        self.size = identity.size
        self.modified = identity.modified
        self.packed = identity.packed
        self.offset = offset
        self.idle = False
        self.ended = False
        self.given_up = False
        self._buffer = bytearray()
        self._bytes = LogBytes(identity.path)
        try:
            if self._bytes.stat.st_ino != identity.inode:
                raise FileNotFoundError(errno.ENOENT, "another file is there now", identity.path)
            self._bytes.skip(offset)
        except OSError:
            self._bytes.close()
            raise

    def look(self) -> None:
        """See whether it has grown. Raises Refused when it is no longer to be read."""
        found = self._bytes.look()
        self.idle = self.given_up or (self.idle and (found.st_size, found.st_mtime_ns) == (self.size, self.modified))
        self.size, self.modified = found.st_size, found.st_mtime_ns
        objection = object_to_size(found.st_size, found.st_blocks * 512, FLOOR)
        if objection:
            raise Refused(self.path, objection)

    def is_deleted(self) -> bool:
        """Whether nothing but our handle leads to it."""
        return self._bytes.look().st_nlink == 0

    def give_up(self) -> None:
        """Read no further. Acknowledged lines count."""
        self.given_up = self.idle = True
        self._buffer.clear()

    def next(self) -> tuple[int, bytes, bool] | None:
        """(offset of the line, its bytes, whether it was cut because it is too long), or None at the present end.

        Raises OSError, and Refused.
        """
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
        data = self._bytes.read(CHUNK)
        self._buffer += data
        self.idle = not data
        return bool(data)

    def at_end(self) -> bool:
        """Whether everything that is there was returned by `next` (a last line without its end does not count)."""
        return self.idle and self._buffer.find(b"\n") < 0 and len(self._buffer) < LONGEST_LINE

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
        self._bytes.close()
