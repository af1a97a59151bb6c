# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What time the nodes say it is: the time stamps in the newest lines that they sent."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pve_audit.collector.quota import OWN
from pve_audit.collector.store import DamagedError, DayFile, day_files, open_text, read_lines
from pve_audit.wire import parse_line

TAIL_BYTES = 256 * 1024
TAIL_LINES = 50


def node_clocks(archive: Path, now: float) -> dict[str, float | None]:
    """Epoch seconds by node, for those nodes that sent until the newest day or the one before it.

    None for a node whose newest lines say no time. Files of days that are yet to come are left out: the clock of the
    collector was wrong when they were made.
    """
    tomorrow = datetime.fromtimestamp(now, UTC).date() + timedelta(days=1)
    newest: dict[str, list[DayFile]] = {}
    for file in day_files(archive):
        if file.source == OWN:
            continue  # it has the time of the collector
        known = newest.get(file.node)
        if file.day > tomorrow or (known and file.day < known[0].day):
            continue
        newest[file.node] = [*(known if known and known[0].day == file.day else []), file]
    last = max((files[0].day for files in newest.values()), default=tomorrow)
    active = {node: files for node, files in newest.items() if files[0].day >= last - timedelta(days=1)}
    return {node: max(_stamps(files), default=None) for node, files in active.items()}


def _stamps(files: Iterable[DayFile]) -> list[float]:
    found = [parse_time(line.time) for file in files for raw in _tail(file) if (line := parse_line(raw)) is not None]
    return [one for one in found if one is not None]


def _tail(file: DayFile) -> list[bytes]:
    """The last lines of a file; none of one that cannot be read."""
    try:
        if file.kind == "closed":
            return list(deque(read_lines(file.path), TAIL_LINES))
        with open_text(file.path) as stream:
            stream.seek(max(0, stream.seek(0, os.SEEK_END) - TAIL_BYTES))
            return stream.read(TAIL_BYTES).split(b"\n")[-TAIL_LINES:]
    except (DamagedError, OSError):
        return []


def parse_time(text: str) -> float | None:
    """An RFC 3339 time stamp as epoch seconds; None for anything else."""
    try:
        moment = datetime.fromisoformat(text[:40])
        return moment.timestamp() if moment.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None
