# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files a source should look at now, and who they are; and which of them must not be read."""

from __future__ import annotations

import errno
import glob
import os
from collections.abc import Callable, Collection, Iterator
from typing import Any

from pve_audit.forward.done import DoneFiles, name_of
from pve_audit.forward.finder import Found, Matches, forms
from pve_audit.forward.logfile import FileIdentity, identify
from pve_audit.forward.refused import RefusedFiles

FULL_SECONDS = 300.0
# The newest of very many forms of a file are read.
MOST_FORMS = 2000
# How many of a pattern are looked at again soon since they were not ready, and how many that are new are taken at a
# time.
MOST_UNREADY = 256
MOST_NEW = 64
# Files that were read in part and given up, by fingerprint.
MOST_GIVEN_UP = 100


class Candidates:
    """`tell` gets the path and the sentence of each refusal that is news."""

    def __init__(self, path: str, done: DoneFiles, tell: Callable[[str, str], None]) -> None:
        self.pattern = Matches(path) if glob.has_magic(path) else None
        self.refused = RefusedFiles()
        self._path = path
        self._done = done
        self._tell = tell
        self._given_up: dict[str, str] = {}
        self.start_over()

    def start_over(self) -> None:
        """Look at everything anew, and tell everything again."""
        self.refused.forget()
        self._next_full = 0.0
        self._seen: dict[str, tuple[tuple[int, ...], FileIdentity]] = {}
        self._unready: list[str] = []
        self._found: list[Found] = []
        self._sweep: Iterator[Found] | None = None
        self._there: set[bytes] | None = None
        if self.pattern is not None:
            self.pattern.forget()

    @property
    def complete(self) -> bool:
        """Whether all files were looked at since the last time that this was so."""
        return self._sweep is None

    def look(self, opened: Collection[str], now: float) -> list[FileIdentity]:
        """Those that are ready, oldest first; `opened` are always among them. Raises OSError."""
        self._found = self._forms() if self.pattern is None else self._matches(self.pattern, opened, now)
        ready = [one for one in map(self._identify, self._found) if one is not None]
        for one in ready:
            if one.fingerprint in self._given_up:
                self.refuse(one.path, self._given_up[one.fingerprint])
        return sorted(ready, key=lambda one: one.modified)

    def settle(self, opened: Collection[str]) -> None:
        """The end of a look. Those of a pattern that were not ready are looked at again the next time."""
        self._seen = {one.path: self._seen[one.path] for one in self._found if one.path in self._seen}
        if self.pattern is None:
            self.refused.end()
            return
        left = [one.path for one in self._found if one.stat is not None and one.path not in opened]
        unready = [path for path in left if self._done.find(name_of(path)) is None and not self.refused.knows(path)]
        self._unready = unready[:MOST_UNREADY]

    def attempt(self, path: str, action: Callable[[], Any]) -> Any:
        """The result, or None when this file is gone or not to be read. Raises OSError when none can be read."""
        try:
            return action()
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM):
                raise
            self.refuse(error.filename or path, error.strerror or str(error))
            return None

    def refuse(self, path: str, why: str) -> None:
        """Take note, and tell when it is news."""
        text = self.refused.add(path, why)
        if text:
            self._tell(path, text)

    def give_up(self, path: str, fingerprint: str, why: str) -> None:
        """A file that is refused from now on, although it may look well."""
        if len(self._given_up) < MOST_GIVEN_UP:
            self._given_up[fingerprint] = why
        self.refuse(path, why)

    def _forms(self) -> list[Found]:
        """All forms of the file, at each look."""
        self.refused.begin()
        found: list[Found] = self.attempt(self._path, lambda: forms(self._path)) or []
        if len(found) > MOST_FORMS:
            self.refuse(f"{self._path}.*", f"is {len(found)} files, more than {MOST_FORMS}: only the newest are read")
        return found[:MOST_FORMS]

    def _matches(self, pattern: Matches, opened: Collection[str], now: float) -> list[Found]:
        """Of the files of a pattern those that are open, those that were not ready, and some more."""
        found = {path: Found(path, _stat(path)) for path in (*opened, *self._unready)}
        most = len(found) + max(1, MOST_NEW - len(opened))
        if self._sweep is None:
            self._begin(pattern, now)
        for one in self._sweep or ():
            if self._is_news(one):
                found.setdefault(one.path, Found(one.path, one.stat or _stat(one.path)))
            if len(found) >= most:
                return list(found.values())
        self._end(pattern)
        return list(found.values())

    def _begin(self, pattern: Matches, now: float) -> None:
        full = now >= self._next_full
        if full:
            self._next_full = now + FULL_SECONDS
            self.refused.begin()
        self._there = set() if full else None
        self._sweep = pattern.sweep(full)

    def _end(self, pattern: Matches) -> None:
        self._sweep = None
        for path, why in pattern.refused.items():
            self.refuse(path, why)
        if self._there is not None:
            self._done.sweep(self._there)
            self.refused.end()

    def _is_news(self, found: Found) -> bool:
        """Whether a file of a pattern is not known as finished, as it is."""
        name = name_of(found.path)
        if self._there is not None:
            self._there.add(name)
        done = self._done.find(name)
        if done is None:
            return True
        if done.fingerprint in self._given_up:
            self.refuse(found.path, self._given_up[done.fingerprint])
        return found.stat is not None and (done.size, done.modified) != _figures(found.stat)[:2]

    def _identify(self, found: Found) -> FileIdentity | None:
        """Who it is, from memory when it has not changed."""
        if found.stat is None:
            return None
        figures = _figures(found.stat)
        seen = self._seen.get(found.path)
        if seen is not None and seen[0] == figures:
            return seen[1]
        by_name = self.pattern is not None
        one: FileIdentity | None = self.attempt(found.path, lambda: identify(found.path, by_name))
        if one is not None:
            self._seen[found.path] = (figures, one)
        return one


def _stat(path: str) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except OSError:
        return None


def _figures(found: os.stat_result) -> tuple[int, ...]:
    """What changes with a file."""
    return (found.st_size, max(0, found.st_mtime_ns), found.st_ino, found.st_nlink, found.st_mode, found.st_uid)
