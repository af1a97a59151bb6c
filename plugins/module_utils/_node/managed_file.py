# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One file of the node that we own: compared before it is written, written whole or not at all, and undone on failure.

A new content is first written beside the old file, flushed to disk, shown to a validator, and only then renamed over
the old one. The rename is atomic, so that a reader (and a crash) sees the old or the new content, never a part.
"""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import stat
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError

# Gets the path of the candidate; raises AuditError when it must not take the old file's place.
Validator = Callable[[str], None]


@dataclass(frozen=True)
class FileState:
    """What lies at a path. `mtime_ns` is for putting a file back as it was, it is never compared."""

    content: bytes
    mode: int
    uid: int
    gid: int
    mtime_ns: int = 0


@dataclass(frozen=True)
class Wanted:
    """What should lie at a path. `owner` and `group` are names or numbers; None leaves them as they are."""

    path: str
    content: bytes
    mode: int = 0o644
    owner: str | None = None
    group: str | None = None


def read_state(path: str) -> FileState | None:
    """The regular file at `path`, or None when nothing is there.

    Raises InputError for anything but a regular file: a symbolic link is never followed or replaced.
    """
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(found.st_mode):
        raise InputError(f"{path} is not a regular file; move it away first")
    with open(path, "rb") as stream:
        content = stream.read()
    return FileState(content, stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid, found.st_mtime_ns)


def differences(wanted: Wanted, found: FileState | None) -> list[str]:
    """What has to change, out of `absent`, `content`, `mode`, `owner`, `group`; empty when all is as it should be."""
    if found is None:
        return ["absent"]
    checks = {
        "content": found.content == wanted.content,
        "mode": found.mode == wanted.mode,
        "owner": wanted.owner is None or found.uid == resolve_user(wanted.owner),
        "group": wanted.group is None or found.gid == resolve_group(wanted.group),
    }
    return [name for name, good in checks.items() if not good]


def resolve_user(name: str) -> int:
    """The uid of a name or number. Raises InputError when the node knows no such user."""
    try:
        return int(name) if name.isdigit() else pwd.getpwnam(name).pw_uid
    except KeyError:
        raise InputError(f"the node has no user {name!r}") from None


def resolve_group(name: str) -> int:
    """The gid of a name or number. Raises InputError when the node knows no such group."""
    try:
        return int(name) if name.isdigit() else grp.getgrnam(name).gr_gid
    except KeyError:
        raise InputError(f"the node has no group {name!r}") from None


def write_file(wanted: Wanted, validate: Validator | None = None) -> FileState | None:
    """Put `wanted` in place, and return what was there before (for `restore_file`).

    `validate` gets the path of the candidate, in the same directory with the right owner and mode. When it raises, the
    old file has not been touched and the candidate is gone.
    """
    before = read_state(wanted.path)
    uid = resolve_user(wanted.owner) if wanted.owner is not None else -1
    gid = resolve_group(wanted.group) if wanted.group is not None else -1
    with candidate_file(wanted.path, wanted.content, wanted.mode, uid, gid) as candidate:
        if validate is not None:
            validate(candidate)
        os.rename(candidate, wanted.path)
    sync_directory(wanted.path)
    return before


def remove_file(path: str) -> FileState | None:
    """Remove the file, and return what was there, or None when nothing was."""
    before = read_state(path)
    if before is not None:
        os.unlink(path)
        sync_directory(path)
    return before


def restore_file(path: str, before: FileState | None) -> None:
    """Undo `write_file` or `remove_file`: the same bytes, mode, owner and time again."""
    if before is None:
        remove_file(path)
        return
    with candidate_file(path, before.content, before.mode, before.uid, before.gid) as candidate:
        if before.mtime_ns:
            os.utime(candidate, ns=(before.mtime_ns, before.mtime_ns))
        os.rename(candidate, path)
    sync_directory(path)


@contextlib.contextmanager
def candidate_file(path: str, content: bytes, mode: int, uid: int = -1, gid: int = -1) -> Iterator[str]:
    """A flushed file beside `path`, gone afterwards unless it was renamed.

    The name ends in `.dpkg-tmp`: no `*.conf` include reads it, and logrotate and sudo pass over it. It must not start
    with a dot, because logrotate's `*.dpkg-tmp` does not match hidden files and logrotate would read them.
    """
    handle, name = tempfile.mkstemp(prefix=f"{os.path.basename(path)}.", suffix=".dpkg-tmp", dir=os.path.dirname(path))
    try:
        with os.fdopen(handle, "wb") as stream:
            os.fchown(stream.fileno(), uid, gid)
            os.fchmod(stream.fileno(), mode)
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        yield name
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)


def sync_directory(path: str) -> None:
    """Make a rename or removal of `path` last through a power cut."""
    handle = os.open(os.path.dirname(path) or ".", os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def show_diff(path: str, before: bytes | None, after: bytes | None) -> dict[str, str]:
    """The diff of Ansible: both texts, empty for a file that is not there."""
    return {
        "before_header": path if before is not None else f"{path} (absent)",
        "after_header": path if after is not None else f"{path} (absent)",
        "before": (before or b"").decode("utf-8", "replace"),
        "after": (after or b"").decode("utf-8", "replace"),
    }
