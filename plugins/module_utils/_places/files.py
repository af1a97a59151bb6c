# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of a place as streams of lines. The place may belong to somebody hostile: a name in it may be a link to a
secret, a pipe that never answers, or a few bytes that unpack to the size of the disk.
"""

from __future__ import annotations

import contextlib
import gzip
import lzma
import os
import stat
import zlib
from collections.abc import Iterator
from typing import IO, NamedTuple, cast

LONGEST_LINE = 1 << 18
# What a packed file may unpack to: FLOOR bytes, or RATIO times what it has. Access logs pack to about 1:20.
FLOOR = 64 * 1024 * 1024
RATIO = 200
_BLOCK = 1 << 20
_DAMAGED = (OSError, EOFError, lzma.LZMAError, zlib.error)
_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_KINDS = {
    stat.S_IFDIR: "is a directory",
    stat.S_IFIFO: "is a pipe",
    stat.S_IFLNK: "is a link",
    stat.S_IFSOCK: "is a socket",
    stat.S_IFBLK: "is a device",
    stat.S_IFCHR: "is a device",
}


class UnreadableError(Exception):
    """A file that is there and is not read, or not to its end. The text completes a sentence that begins with it."""


class Root(NamedTuple):
    """Where a place begins.

    `live`: it is a node's own file system, where root may have made links to folders, and where a folder that others
    write holds names that they chose.
    """

    path: str
    live: bool = False


class Entry(NamedTuple):
    """A name in a directory: its path below the place, and what lies there; `kind` is `file`, `folder` or a reason."""

    path: str
    name: str
    kind: str
    size: int
    modified: float


def list_folder(root: Root, folder: str = "") -> list[Entry]:
    """What lies in a folder of the place, by name. Empty when there is no such folder. Links are not followed."""
    try:
        handle = _open_folder(root, folder)
    except OSError:
        return []
    readable = -1
    try:
        readable = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=handle)
        return sorted(_entry(folder, name, handle) for name in os.listdir(readable))
    except OSError:
        return []
    finally:
        os.close(handle)
        if readable >= 0:
            os.close(readable)


def _entry(folder: str, name: str, handle: int) -> Entry:
    path = os.path.join(folder, name)
    try:
        found = os.stat(name, dir_fd=handle, follow_symlinks=False)
    except OSError as error:
        return Entry(path, name, error.strerror or "cannot be looked at", 0, 0.0)
    if stat.S_ISREG(found.st_mode):
        return Entry(path, name, "file", found.st_size, found.st_mtime)
    if stat.S_ISDIR(found.st_mode):
        return Entry(path, name, "folder", 0, found.st_mtime)
    return Entry(path, name, _KINDS.get(stat.S_IFMT(found.st_mode), "is no file"), 0, found.st_mtime)


def _open_folder(root: Root, folder: str) -> int:
    """A descriptor of a folder below the place, on the way to which no link of others was followed. Raises OSError."""
    handle = os.open(root.path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    for part in filter(None, folder.split("/")):
        try:
            guarded = root.live and _is_guarded(handle)
            below = os.open(part, _FOLDER & ~os.O_NOFOLLOW if guarded else _FOLDER, dir_fd=handle)
        finally:
            os.close(handle)
        handle = below
    return handle


def _is_guarded(folder: int) -> bool:
    """Whether only root, or we, can put a name into the folder."""
    found = os.fstat(folder)
    return found.st_uid in (0, os.geteuid()) and not found.st_mode & 0o022


@contextlib.contextmanager
def open_file(root: Root, path: str) -> Iterator[IO[bytes]]:
    """The unpacked content of a regular file below the place. Raises UnreadableError."""
    folder, name = os.path.split(path)
    try:
        parent = _open_folder(root, folder)
        try:
            handle = os.open(name, _FILE, dir_fd=parent)
            chosen = root.live and not _is_guarded(parent)
        finally:
            os.close(parent)
    except OSError as error:
        raise UnreadableError(f"cannot be opened: {error.strerror}") from None
    with open(handle, "rb") as raw:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise UnreadableError(_KINDS.get(stat.S_IFMT(found.st_mode), "is no file"))
        if chosen and found.st_nlink > 1:
            raise UnreadableError("has a second name (a hard link)")
        stream = _unpacked(raw, name)
        try:
            yield stream
        finally:
            if stream is not raw:
                stream.close()


def same_content(root: Root, one: str, other: str) -> bool:
    """Whether two files hold the same, unpacked. False where one cannot be read whole."""
    try:
        with open_file(root, one) as first, open_file(root, other) as second:
            left = min(_limit(first), _limit(second))
            while left > 0:
                mine, its = first.read(_BLOCK), second.read(_BLOCK)
                if mine != its:
                    return False
                if not mine:
                    return True
                left -= len(mine)
    except (UnreadableError, *_DAMAGED):
        pass
    return False


def _unpacked(raw: IO[bytes], name: str) -> IO[bytes]:
    """By what the file begins with, as its name may be anything."""
    start = raw.read(6)
    raw.seek(0)
    if start.startswith(b"\x1f\x8b"):
        return cast("IO[bytes]", gzip.GzipFile(fileobj=raw))
    if start.startswith(b"\xfd7zXZ\x00"):
        return lzma.LZMAFile(raw)
    if name.endswith((".zst", ".bz2")):
        raise UnreadableError("is packed in a way that cannot be read here: unpack it first")
    return raw


def read_lines(root: Root, path: str) -> Iterator[tuple[int, bytes]]:
    """The lines of a file with their numbers, without line feeds. Of a line that is too long its first part.

    Raises UnreadableError, when a file is damaged after the last line that can be read.
    """
    with open_file(root, path) as stream:
        yield from numbered_lines(stream, _limit(stream))


def numbered_lines(stream: IO[bytes], limit: float = float("inf")) -> Iterator[tuple[int, bytes]]:
    """The lines of a stream with their numbers, without line feeds.

    What a line has beyond LONGEST_LINE is left out, and is no line of its own.

    Raises UnreadableError, when it is damaged, or longer than `limit` bytes, after the last line that can be read.
    """
    number = total = 0
    while True:
        try:
            line = rest = stream.readline(LONGEST_LINE)
            total += len(line)
            while len(rest) == LONGEST_LINE and not rest.endswith(b"\n") and total <= limit:
                rest = stream.readline(LONGEST_LINE)
                total += len(rest)
        except _DAMAGED as error:
            raise UnreadableError(f"is damaged behind line {number}: {error}") from None
        if not line:
            return
        number += 1
        if total > limit:
            raise UnreadableError(f"unpacks to more than {limit} bytes, and is not read behind line {number}")
        yield number, line.rstrip(b"\n")


def _limit(stream: IO[bytes]) -> float:
    raw = getattr(stream, "fileobj", None) or getattr(stream, "_fp", None)
    if raw is None:
        return float("inf")
    return max(FLOOR, RATIO * os.fstat(raw.fileno()).st_size)
