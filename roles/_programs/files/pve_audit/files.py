# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are written whole or not at all, opened only where they are regular files, and locked by one program.

A directory that another user owns is hostile to a program of root: a name in it may be a pipe, a link to a secret, or
something else a moment later. So what lies there is opened by `open_checked` alone.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from pathlib import Path

# A file may claim FLOOR bytes, and unpack to UNPACKED_FLOOR, or to RATIO times what it takes on the disk. Access logs
# pack to about 1:20, zeros to 1:1000. Some file systems say late what a file takes.
FLOOR = 64 * 1024 * 1024
UNPACKED_FLOOR = 4 * 1024 * 1024
RATIO = 100
_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
_KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a pipe",
    stat.S_IFLNK: "a link",
    stat.S_IFSOCK: "a socket",
    stat.S_IFBLK: "a device",
    stat.S_IFCHR: "a device",
}


class Refused(OSError):
    """A file that is there and is not to be read. `strerror` says why: "is a pipe"."""

    def __init__(self, path: Path | str, why: str) -> None:
        super().__init__(errno.EPERM, why, str(path))


def write_atomic(path: Path, content: bytes, mode: int = 0o600, durable: bool = True) -> None:
    """Replace the file: write beside it, flush, rename. Raises OSError, and then leaves the old one and no litter.

    `durable`: it outlives a power cut once this returns.
    """
    candidate = path.with_name(f".{path.name}.new")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with open(os.open(candidate, flags, mode), "wb") as stream:
            stream.write(content)
            stream.flush()
            if durable:
                os.fsync(stream.fileno())
        os.rename(candidate, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(candidate)
        raise
    if durable:
        sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Make a rename or removal in `path` last through a power cut."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def open_regular(path: Path | str, flags: int = os.O_RDONLY, mode: int = 0o600, dir_fd: int | None = None) -> int:
    """A descriptor of a regular file. A link is not followed, and a pipe does not block. Raises OSError."""
    handle = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, mode, dir_fd=dir_fd)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return handle


def open_checked(path: Path | str, dir_fd: int | None = None) -> int:
    """A descriptor to read a file that somebody else may have put there. Raises OSError, and Refused.

    It is a regular file, has no second name, and takes about the room on the disk that it claims. It belongs to root or
    the owner of its directory; in a directory of root, where not everybody writes, to anybody. No link counts below a
    directory that others than root write.
    """
    folder, name = os.path.split(path)
    parent = open_directory(folder, dir_fd)
    try:
        handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC, dir_fd=parent)
        objection = object_to(os.fstat(handle), os.fstat(parent))
        if objection:
            os.close(handle)
            raise Refused(path, objection)
        return handle
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO, errno.ENODEV):
            raise Refused(path, "is a link" if error.errno == errno.ELOOP else "is not a regular file") from None
        error.filename = str(path)
        raise
    finally:
        os.close(parent)


def read_tail(handle: int, most: int) -> tuple[bytes, int]:
    """The last `most` bytes of a file, from the start of a line when they are not all; and how many are left out."""
    size = os.fstat(handle).st_size
    left = max(0, size - most)
    data = b""
    while len(data) < most and (more := os.pread(handle, most - len(data), left + len(data))):
        data += more
    if not left:
        return data, 0
    start = data.find(b"\n") + 1
    return data[start:], left + start


def object_to(found: os.stat_result, folder: os.stat_result) -> str | None:
    """Why this file, which lies in this directory, is not to be read, or None."""
    if not stat.S_ISREG(found.st_mode):
        return f"is {_KINDS.get(stat.S_IFMT(found.st_mode), 'no file')}"
    guarded = folder.st_uid in (0, os.geteuid()) and not folder.st_mode & 0o002
    if not guarded and found.st_uid not in (0, os.geteuid(), folder.st_uid):
        return f"belongs to the user {found.st_uid}, and not to root or the owner of the directory"
    if found.st_nlink > 1:
        return "has a second name (a hard link)"
    return object_to_size(found.st_size, found.st_blocks * 512, FLOOR)


def object_to_size(size: int, room: int, floor: int) -> str | None:
    """Why so many bytes that take so much room on the disk are not to be read, or None."""
    if size > max(floor, RATIO * room):
        return f"claims {size} bytes and takes {room} on the disk"
    return None


def open_directory(path: Path | str, dir_fd: int | None = None) -> int:
    """A descriptor (O_PATH) of a directory, on the way to which no link of others was followed. Raises OSError."""
    parts = Path(path).parts
    handle = os.open(parts[0] if parts else ".", _FOLDER, dir_fd=dir_fd)
    for number, part in enumerate(parts[1:], 2):
        found = os.fstat(handle)
        ours = found.st_uid in (0, os.geteuid()) and not found.st_mode & 0o022
        try:
            below = os.open(part, _FOLDER | (0 if ours else os.O_NOFOLLOW), dir_fd=handle)
        except NotADirectoryError:
            raise Refused(os.path.join(*parts[:number]), "is no directory, or a link to one") from None
        finally:
            os.close(handle)
        handle = below
    return handle


@contextlib.contextmanager
def exclusive_lock(path: Path, wait: bool = True) -> Iterator[None]:
    """Hold the lock of a directory, or of a file that is made if need be.

    Raises OSError, and BlockingIOError when somebody else holds it and nobody is to wait.
    """
    flags = os.O_RDONLY | os.O_DIRECTORY if path.is_dir() else os.O_RDWR | os.O_CREAT
    handle = os.open(path, flags | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield
    finally:
        os.close(handle)
