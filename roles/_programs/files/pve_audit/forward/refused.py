# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a source that are not read, and why: told once, and shown in the status for as long as it is so."""

from __future__ import annotations

from typing import Any

SHOWN = 20
# Who makes and removes pipes all day is heard of no more than this often in a session.
MOST_TOLD = 200


class RefusedFiles:
    """A look round goes from `begin` to `end`; what was not refused in it again is forgotten then."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}
        self._again: set[str] = set()
        self._more = self._more_again = False
        self._told = 0

    def begin(self) -> None:
        """A look at all files begins."""
        self._again = set()
        self._more_again = False

    def end(self) -> None:
        """All files were looked at."""
        self._known = {path: why for path, why in self._known.items() if path in self._again}
        self._more = self._more_again

    def add(self, path: str, why: str) -> str | None:
        """Take note. Returns what is to be told, when it is news."""
        self._again.add(path)
        if self._known.get(path) == why:
            return None
        if path not in self._known and len(self._known) >= SHOWN:
            more, self._more, self._more_again = self._more, True, True
            return None if more else self._tell("is not the only one: more files are not read than can be named")
        self._known[path] = why
        return self._tell(f"is not read: it {why}")

    def _tell(self, text: str) -> str | None:
        self._told += 1
        return text if self._told <= MOST_TOLD else None

    def knows(self, path: str) -> bool:
        """Whether it is refused at present."""
        return path in self._known

    def forget(self) -> None:
        """Tell everything again."""
        self._known, self._more, self._told = {}, False, 0

    def figures(self) -> dict[str, Any]:
        """For the status file; empty when all is well."""
        if not self._known:
            return {}
        listed = [{"path": path, "why": why} for path, why in sorted(self._known.items())]
        return {"refused": listed, "refused_more": self._more}
