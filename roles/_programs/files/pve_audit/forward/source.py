# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every source of lines looks like to the pipeline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from pve_audit.wire import Message

# Where a source stands, as it goes into the state file. {} is "nothing was acknowledged yet".
Position = dict[str, Any]


@dataclass(frozen=True, slots=True)
class SourceLine:
    """A message, and the place after it (None for a remark of our own, which has no place in the source)."""

    message: Message
    place: Any = None


def remark(node: str, note: str, text: str, micros: int, **params: str) -> Message:
    """Something the collector should know about the lines themselves, for instance that some are gone."""
    return Message(node, "forward", text, micros, "pve-audit-forward", "", 3, 4, {"note": note, **params})


class Source(Protocol):
    """Lines from one place, in order. Reading ahead and acknowledging are two positions."""

    name: str

    def open(self, position: Position, high_water: Position) -> None:
        """Start reading after `position`. `high_water` is the furthest that was ever acknowledged, there or later."""

    def next(self, now: float) -> SourceLine | None:
        """The next line, or None when there is none at present. Waits for nothing but disks."""

    def acknowledge(self, place: Any) -> None:
        """The collector has everything up to this place, which came with a line."""

    def position(self) -> Position:
        """The acknowledged position."""

    def caught_up(self) -> bool:
        """Whether everything up to `high_water` was acknowledged (again)."""

    def backlog(self) -> dict[str, Any]:
        """Figures for the status file."""

    def fileno(self) -> int | None:
        """What to wait for, or None when looking now and then is enough."""

    def close(self) -> None:
        """Let go of files and processes."""
