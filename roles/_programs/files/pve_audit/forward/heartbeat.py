# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A line every minute that says: the forwarder lives, this is its state, and so far it has come.

It goes the way of all lines and is archived with them, so that the collector can tell a quiet node from a silent one.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from pve_audit.files import open_regular
from pve_audit.forward.source import Position, SourceLine
from pve_audit.wire import HEARTBEAT, Message

LONGEST_ERROR = 100
MACHINE_ID = Path("/etc/machine-id")
JOURNALS = ("/var/log/journal", "/run/log/journal")
# The head of a journal file (systemd, journal-def.h): its signature, and where the id of its numbers stands, which is
# `s=` of a cursor. A rotated journal hands it on, one that was removed has another.
SIGNATURE = b"LPKSHHRH"
NUMBERS = slice(72, 88)


class Reporting(Protocol):
    """What is said of a source."""

    name: str

    def backlog(self) -> dict[str, Any]:
        """Figures."""


class Heartbeat:
    """See source.Source. Beats are numbered within a `state`: a random name that lives as long as the positions do.

    `counts` are acknowledged lines by source since the start, `errors` what cannot be read at present.
    """

    name = HEARTBEAT

    def __init__(
        self,
        node: str,
        seconds: float,
        sources: Sequence[Reporting],
        counts: Mapping[str, int],
        errors: Mapping[str, str],
    ) -> None:
        self._node = node
        self._seconds = seconds
        self._sources = sources
        self._counts = counts
        self._errors = errors
        self._state = ""
        self._beat = 0
        self._acknowledged = 0
        self._due = 0.0
        self._moved: dict[str, tuple[Position, float]] = {}

    def open(self, position: Position, high_water: Position) -> None:
        """A beat is never repeated, so only the furthest position counts. A lost one is due at once."""
        known = high_water or position
        self._state = self._state or str(known.get("state", "")) or os.urandom(8).hex()
        self._acknowledged = max(self._acknowledged, int(known.get("beat", 0)))
        if self._acknowledged >= self._beat:
            self._beat = self._acknowledged
        else:
            self._due = 0.0

    def next(self, now: float) -> SourceLine | None:
        if now < self._due:
            return None
        self._due = now + self._seconds
        self._beat += 1
        figures = {source.name: self._figures(source) for source in self._sources}
        behind = max((self._behind(name, one, now) for name, one in figures.items()), default=0.0)
        params = {
            "state": self._state,
            "beat": str(self._beat),
            "journal": journal_id(),
            "every": f"{self._seconds:g}",
            "behind": f"{behind:.0f}",
            "broken": ",".join(sorted(name for name, one in figures.items() if "error" in one or "refused" in one)),
            "missing": ",".join(sorted(name for name, one in figures.items() if "missing" in one)),
        }
        text = json.dumps(figures, sort_keys=True)
        micros = time.time_ns() // 1000
        return SourceLine(Message(self._node, self.name, text, micros, "pve-audit-forward", params=params), self._beat)

    def _figures(self, source: Reporting) -> dict[str, Any]:
        error = self._errors.get(source.name)
        figures = {"lines": self._counts.get(source.name, 0), **source.backlog()}
        if "refused" in figures:
            figures["refused"] = len(figures["refused"])
        return figures | ({"error": error[:LONGEST_ERROR]} if error else {})

    def _behind(self, name: str, figures: Mapping[str, Any], now: float) -> float:
        """Seconds: of the journal the age of what waits, of files the time since their backlog moved or was empty."""
        if not figures.get("backlog_bytes"):
            self._moved.pop(name, None)
            return float(figures.get("behind_seconds", 0.0))
        mark = {"lines": figures["lines"]}
        before, since = self._moved.get(name, (mark, now))
        self._moved[name] = (mark, since if before == mark else now)
        return now - self._moved[name][1]

    def acknowledge(self, place: Any) -> None:
        self._acknowledged = max(self._acknowledged, int(place))

    def position(self) -> Position:
        return {"state": self._state, "beat": self._acknowledged} if self._acknowledged else {}

    def caught_up(self) -> bool:
        return True

    def backlog(self) -> dict[str, Any]:
        return {"state": self._state, "beat": self._acknowledged}

    def fileno(self) -> int | None:
        return None

    def close(self) -> None:
        """Nothing is held."""


def journal_id() -> str:
    """The id by which the system's journal numbers its entries; empty when it cannot be read."""
    try:
        machine = MACHINE_ID.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""
    for top in JOURNALS:
        try:
            with open(open_regular(f"{top}/{machine}/system.journal"), "rb") as stream:
                head = stream.read(NUMBERS.stop)
        except OSError:
            continue
        if head.startswith(SIGNATURE) and len(head) == NUMBERS.stop:
            return head[NUMBERS].hex()
    return ""
