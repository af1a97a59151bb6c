# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fail loudly when the room for logs is short, and give up a reserve, so that the last lines can still be written.

Below `--warn-percent` of free space (or inodes) a warning goes to the journal; below `--fail-percent` a critical one,
the reserve file is deleted, and the status is 1, so that the unit is failed. The reserve is made again when there is
room.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from pve_audit.files import write_atomic
from pve_audit.say import CRITICAL, say

MIB = 1024 * 1024


@dataclass(frozen=True)
class Room:
    """Free space and inodes of the file system of `path`; a file system without a number of inodes has 100 percent."""

    path: str
    free: int
    free_percent: float
    inodes_percent: float

    @property
    def least(self) -> float:
        """The smaller one of both."""
        return min(self.free_percent, self.inodes_percent)


def measure(path: str) -> Room:
    """What a user without privileges could still write. Raises OSError."""
    found = os.statvfs(path)
    inodes = 100 * found.f_favail / found.f_files if found.f_files else 100.0
    free = 100 * found.f_bavail / found.f_blocks if found.f_blocks else 0.0
    return Room(path, found.f_bavail * found.f_frsize, round(free, 1), round(inodes, 1))


def assess(rooms: list[Room], warn: float, fail: float) -> tuple[int, list[str]]:
    """The journal level (6 all well, 4 warning, 2 critical) and a sentence for each file system that is short."""
    short = [room for room in rooms if room.least < warn]
    sentences = [
        f"{'NO ROOM FOR LOGS' if room.least < fail else 'little room for logs'} in {room.path}:"
        f" {room.free_percent} % free ({room.free // MIB} MiB), {room.inodes_percent} % of the inodes"
        for room in short
    ]
    if any(room.least < fail for room in short):
        return 2, sentences
    return (4 if short else 6), sentences


def keep_reserve(path: Path, size: int, level: int, free: int, total: int, warn: float) -> str | None:
    """Make or delete the reserve file; returns a sentence when it did. Raises OSError.

    It is made only when there is enough room with it too, otherwise it would come and go.
    """
    there = path.stat().st_size if path.exists() else 0
    if there and (level == 2 or not size):
        path.unlink()
        return f"the reserve {path} ({there // MIB} MiB) was given up" if level == 2 else None
    if size and there != size and level == 6 and total and 100 * (free - size) / total >= warn:
        path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        try:
            os.posix_fallocate(handle, 0, size)
        except OSError:
            path.unlink()
            raise
        finally:
            os.close(handle)
    return None


def check(paths: list[str], warn: float, fail: float, reserve: Path, size: int) -> tuple[int, list[Room]]:
    """One check; returns the level and what was measured. Raises OSError."""
    rooms = [measure(path) for path in paths]
    level, sentences = assess(rooms, warn, fail)
    for sentence in sentences:
        say(level, sentence)
    place = os.statvfs(paths[0])
    done = keep_reserve(reserve, size, level, rooms[0].free, place.f_blocks * place.f_frsize, warn)
    if done:
        say(CRITICAL, done)
    return level, rooms


def main(arguments: list[str]) -> int:
    """Run as a service: status 1 when room is short, or cannot be measured."""
    parser = argparse.ArgumentParser(prog="pve_audit disk-guard", description="Fail when the room for logs is short.")
    parser.add_argument("--warn-percent", type=float, default=20)
    parser.add_argument("--fail-percent", type=float, default=10)
    parser.add_argument("--reserve-mib", type=int, default=64)
    parser.add_argument("--reserve", type=Path, default=Path("/var/log/pve-audit/reserve"))
    parser.add_argument("--status", type=Path, default=Path("/run/pve-audit/disk.json"))
    parser.add_argument("paths", nargs="+")
    options = parser.parse_args(arguments)
    try:
        level, rooms = check(
            options.paths, options.warn_percent, options.fail_percent, options.reserve, options.reserve_mib * MIB
        )
        options.status.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        state = {"checked": time.time(), "level": level, "rooms": [asdict(room) for room in rooms]}
        write_atomic(options.status, json.dumps(state).encode(), 0o640, durable=False)
    except OSError as error:
        say(CRITICAL, f"the room for logs cannot be checked: {error}")
        return 1
    return 1 if level == 2 else 0
