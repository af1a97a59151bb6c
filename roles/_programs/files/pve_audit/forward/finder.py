# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files there are: the rotated forms of one, or those that match a pattern. Directories may be hostile and huge.

Of a pattern, a directory is listed when it has changed, and all of them now and then: only the latter shows a file that
grew in a directory that did not change.
"""

from __future__ import annotations

import contextlib
import fnmatch
import glob
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pve_audit.files import Refused, open_directory

# A directory that was changed so shortly before it was listed may have changed again within one tick of its clock.
TICK_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Found:
    """A file that is there. `changed`: only that its directory was changed is known; else `stat` is of now."""

    path: str
    stat: os.stat_result | None = None


def _entries(folder: str) -> Iterator[os.DirEntry[str]]:
    """What is in a directory, by name. Nothing when it is not there. Raises OSError, and Refused."""
    try:
        handle = open_directory(folder)
    except FileNotFoundError:
        return
    try:
        listing = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=handle)
    finally:
        os.close(handle)
    try:
        with os.scandir(listing) as found:
            yield from sorted(found, key=lambda entry: entry.name)
    finally:
        os.close(listing)


def _rank(name: str, log: str) -> tuple[int, int, str]:
    """`access.log` first, then `.1`, ..., `.10.gz`, or the newest date; then what has no name of logrotate's."""
    found = re.fullmatch(r"(?:\.(\d{1,6})|-(\d{8,14}))?(?:\.\w+)?", name.removeprefix(log))
    if found is None or not (found[1] or found[2] or name == log):
        return (2, 0, name)
    return (0 if name == log else 1, int(found[1]) if found[1] else -int(found[2] or 0), name)


def forms(path: str) -> list[Found]:
    """The file, and what rotation made of it, the newest first. Raises OSError, and Refused."""
    folder, name = os.path.split(path)
    found = []
    for entry in _entries(folder):
        rotated = entry.name.startswith((f"{name}.", f"{name}-")) and not entry.is_dir(follow_symlinks=False)
        if rotated or entry.name == name:
            with contextlib.suppress(FileNotFoundError):
                found.append(Found(os.path.join(folder, entry.name), entry.stat(follow_symlinks=False)))
    return sorted(found, key=lambda one: _rank(os.path.basename(one.path), name))


class Matches:
    """The files of a pattern."""

    def __init__(self, pattern: str) -> None:
        self._parts = Path(pattern).parts[1:]
        self._seen: dict[str, int] = {}
        self._below: dict[str, list[str]] = {}
        self.refused: dict[str, str] = {}
        """Directories that are no directories, and why."""

    def forget(self) -> None:
        """List everything again."""
        self._seen, self._below = {}, {}

    def sweep(self, full: bool) -> Iterator[Found]:
        """Those in directories that have changed, or all, with their figures, when `full`. Raises OSError."""
        self.refused = {}
        yield from self._walk("/", self._parts, full)

    def _walk(self, folder: str, parts: tuple[str, ...], full: bool) -> Iterator[Found]:
        part, *rest = parts
        try:
            if rest:
                names = self._folders(folder, part) if glob.has_magic(part) else [part]
                for name in names:
                    yield from self._walk(os.path.join(folder, name), tuple(rest), full)
            else:
                yield from self._files(folder, part, full)
        except Refused as error:
            self.refused[folder] = str(error.strerror)

    def _folders(self, folder: str, part: str) -> list[str]:
        if self._unchanged(folder) and folder in self._below:
            return self._below[folder]
        modified = _modified(folder)
        names = [one.name for one in _entries(folder) if fnmatch.fnmatchcase(one.name, part) and _is_folder(one)]
        self._below[folder] = [name for name in names if part.startswith(".") or not name.startswith(".")]
        self._listed(folder, modified)
        return self._below[folder]

    def _files(self, folder: str, part: str, full: bool) -> Iterator[Found]:
        if not full and self._unchanged(folder):
            return
        modified = _modified(folder)
        for entry in _entries(folder):
            hidden = entry.name.startswith(".") and not part.startswith(".")
            if hidden or not fnmatch.fnmatchcase(entry.name, part) or entry.is_dir(follow_symlinks=False):
                continue
            with contextlib.suppress(FileNotFoundError):
                yield Found(os.path.join(folder, entry.name), entry.stat(follow_symlinks=False) if full else None)
        self._listed(folder, modified)

    def _unchanged(self, folder: str) -> bool:
        return folder in self._seen and self._seen[folder] == _modified(folder)

    def _listed(self, folder: str, modified: int) -> None:
        if abs(time.time() - modified / 1e9) > TICK_SECONDS:
            self._seen[folder] = modified
        else:
            self._seen.pop(folder, None)


def _modified(folder: str) -> int:
    try:
        return os.stat(folder).st_mtime_ns
    except OSError:
        return 0


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """A link to a directory counts as one here, so that it is refused and told, and not passed over."""
    return entry.is_symlink() or entry.is_dir(follow_symlinks=False)
