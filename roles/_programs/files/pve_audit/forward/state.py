# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was acknowledged, when, and where to start again after the connection was lost.

A collector that died may have acknowledged lines that it had not written. So the positions of the last
`resend_seconds` are kept as checkpoints, and a new connection starts at the newest one that is older than that. The
age of a checkpoint counts from the FIRST acknowledgement of its lines, so a connection that breaks again and again
still moves on.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pve_audit.files import write_atomic
from pve_audit.forward.source import Position

VERSION = 1
CHECKPOINTS = 10

# Source name -> its position.
Positions = dict[str, Position]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Everything up to `positions` was acknowledged at `at` (monotonic seconds)."""

    at: float
    positions: Positions


class State:
    """The checkpoints of one pipeline and their file."""

    def __init__(self, path: Path, resend_seconds: float) -> None:
        self._path = path
        self._resend = resend_seconds
        self._checkpoints: list[Checkpoint] = [Checkpoint(float("-inf"), {})]
        self._changed = False
        self._saved = float("-inf")

    @property
    def high_water(self) -> Positions:
        """The furthest position that was ever acknowledged."""
        return self._checkpoints[-1].positions

    def load(self, now: float) -> str | None:
        """Read the file; the time since it was written does not make a checkpoint older.

        Returns a sentence when there is a file that cannot be used; everything is then sent from the start.
        """
        try:
            data = json.loads(self._path.read_text(encoding="utf-8"))
            points = [Checkpoint(now - float(one["age"]), _positions(one["positions"])) for one in data["checkpoints"]]
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError) as error:
            return f"the state {self._path} cannot be used ({error}): everything is sent again from the start"
        if points:
            self._checkpoints = points
        return None

    def record(self, positions: Positions, now: float) -> None:
        """Take note of an acknowledged position; call it as often as you like."""
        last = self._checkpoints[-1]
        if positions == last.positions:
            return
        spacing = max(1.0, self._resend / CHECKPOINTS)
        previous = self._checkpoints[-2].at if len(self._checkpoints) > 1 else float("-inf")
        if last.at - previous < spacing and len(self._checkpoints) > 1:
            self._checkpoints[-1] = Checkpoint(now, positions)
        else:
            self._checkpoints.append(Checkpoint(now, positions))
        self._prune(now)
        self._changed = True

    def _prune(self, now: float) -> None:
        while len(self._checkpoints) > 1 and self._checkpoints[1].at <= now - self._resend:
            del self._checkpoints[0]

    def resume(self, lost_at: float) -> Positions:
        """Where to start again when the collector may have died at `lost_at`."""
        sure = [one for one in self._checkpoints if one.at <= lost_at - self._resend]
        return (sure[-1] if sure else self._checkpoints[0]).positions

    def save(self, now: float) -> None:
        """Write the file when something changed. Raises OSError, and then the old file remains."""
        self._prune(now)
        young = len(self._checkpoints) > 1 and now - self._saved > self._resend
        if not self._changed and not young:
            return
        oldest = now - 10 * self._resend - 86400
        points = [{"age": now - max(one.at, oldest), "positions": one.positions} for one in self._checkpoints]
        write_atomic(self._path, json.dumps({"version": VERSION, "checkpoints": points}).encode())
        self._changed = False
        self._saved = now


def _positions(data: Any) -> Positions:
    if not isinstance(data, dict) or not all(isinstance(position, dict) for position in data.values()):
        raise ValueError("positions are not objects")
    return data
