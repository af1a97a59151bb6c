# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bytes of a log file, unpacked if need be, in bounded memory and up to a bound."""

from __future__ import annotations

import lzma
import os
import zlib
from collections.abc import Callable
from typing import Protocol

from pve_audit.files import UNPACKED_FLOOR, Refused, object_to_size, open_checked

CHUNK = 64 * 1024
# A file of xz says how much memory its reader needs; `xz -9` needs 65 MiB.
XZ_MEMORY = 100 * 1024 * 1024


class _Unpacker(Protocol):
    """As lzma.LZMADecompressor."""

    @property
    def eof(self) -> bool:
        """Whether the end was reached."""

    @property
    def unused_data(self) -> bytes:
        """What came behind the end."""

    @property
    def needs_input(self) -> bool:
        """Whether there is nothing more to give without more data."""

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """At most `max_length` bytes."""


class _Gzip:
    """One member of a gzip file."""

    def __init__(self) -> None:
        self._engine = zlib.decompressobj(31)

    @property
    def eof(self) -> bool:
        return self._engine.eof

    @property
    def unused_data(self) -> bytes:
        return self._engine.unused_data

    @property
    def needs_input(self) -> bool:
        return not self._engine.unconsumed_tail

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._engine.decompress(self._engine.unconsumed_tail + data, max_length)


_ENGINES: dict[str, Callable[[], _Unpacker]] = {
    ".gz": _Gzip,
    ".xz": lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, XZ_MEMORY),
}


def is_packed(path: str) -> bool:
    """By its name."""
    return os.path.splitext(path)[1] in _ENGINES


class LogBytes:
    """An open log file. Every method raises OSError, and Refused for what must not be read any further."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._handle = open_checked(path)
        self.stat = os.fstat(self._handle)
        self._make = _ENGINES.get(os.path.splitext(path)[1])
        self._engine = self._make() if self._make is not None else None
        self._done = 0

    def look(self) -> os.stat_result:
        """What it is now."""
        self.stat = os.fstat(self._handle)
        return self.stat

    def read(self, size: int) -> bytes:
        """Up to `size` of the next bytes; none at the present end, which in a packed file may be too early."""
        data = os.read(self._handle, size) if self._engine is None else self._unpacked(size)
        if len(data) == CHUNK and data.count(0) == CHUNK:
            raise Refused(self.path, "holds zeros in place of lines")
        return data

    def _unpacked(self, size: int) -> bytes:
        try:
            data = self._unpack(size)
        except (zlib.error, lzma.LZMAError) as error:
            raise Refused(self.path, f"cannot be unpacked: {error}") from None
        self._done += len(data)
        objection = object_to_size(self._done, self.stat.st_size, UNPACKED_FLOOR)
        if objection:
            raise Refused(self.path, f"unpacked, {objection}")
        return data

    def _unpack(self, size: int) -> bytes:
        while self._engine is not None:
            ended = self._engine.eof
            more = self._more(self._engine)
            if ended:
                # Zeros may follow, and another member.
                more = more.lstrip(b"\0")
                if self._make is None or not more:
                    return b""
                self._engine = self._make()
            data = self._engine.decompress(more, size)
            if data or (not more and self._engine.needs_input):
                return data
        return b""

    def _more(self, engine: _Unpacker) -> bytes:
        """Packed bytes: what a member that ended left, or what the file has where more is needed."""
        if engine.eof and engine.unused_data:
            return engine.unused_data
        return os.read(self._handle, CHUNK) if engine.eof or engine.needs_input else b""

    def skip(self, offset: int) -> None:
        """Go to this offset of the (unpacked) bytes, from the start."""
        if self._engine is None:
            os.lseek(self._handle, offset, os.SEEK_SET)
            return
        while offset > 0 and (data := self.read(min(CHUNK, offset))):
            offset -= len(data)

    def close(self) -> None:
        """Close the file."""
        os.close(self._handle)
