# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much a node may write in a day, and what of it was not kept.

One rsyslogd serves all nodes in one thread: a line that is refused holds up every node. So what is beyond the quota is
acknowledged, counted and not kept. A source stops when it has as much as is left for all others of its node, so that
a flood in one log does not silence the next one.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from pve_audit.collector.settings import Settings
from pve_audit.files import write_atomic
from pve_audit.wire import Message, encode, format_seconds

# Where the collector's own lines about a node lie. No node can write there.
OWN = "collector"
NOTICE_SECONDS = 3600.0
# Below this a short disk limits nobody: lines wait with their nodes then, which loses less.
LEAST = 64 << 20


@dataclass(slots=True)
class Unkept:
    """Lines of a node's source and day that were not kept. Times in epoch seconds; `told` is what a notice said."""

    day: str
    node: str
    source: str
    quota: int
    first: float
    last: float
    lines: int = 0
    size: int = 0
    told: int = 0
    told_at: float = 0.0

    def notice(self, now: float) -> bytes:
        """A line for the archive of the node."""
        numbers = {"quota": self.quota, "lines": self.lines, "bytes": self.size}
        times = {"first": format_seconds(self.first), "last": format_seconds(self.last)}
        params = {"event": "quota", "of": self.source, "day": self.day, **times}
        params |= {name: str(number) for name, number in numbers.items()}
        text = f"the quota of {self.day} is used up: {self.lines} lines of {self.source} were received and not kept"
        message = Message(self.node, OWN, text, int(now * 1e6), app="pve-audit-collector", severity=2, params=params)
        return b"".join(encode(message, 1 << 16))


@dataclass
class Quota:
    """What each node has used of its day, by the files that lie there, and what was not kept, over restarts."""

    settings: Settings
    clock: Callable[[], float]
    unkept: dict[tuple[str, str, str], Unkept] = field(default_factory=dict)
    _day: str = ""
    _used: dict[str, dict[str, int]] = field(default_factory=dict)
    _limits: dict[str, int] = field(default_factory=dict)
    _dirty: bool = False

    def __post_init__(self) -> None:
        self.unkept = {(one.day, one.node, one.source): one for one in read_unkept(self.settings)}

    def turn(self, day: str) -> None:
        """Begin a day. The one before is still told of, older ones are forgotten."""
        self._day = day
        self._used.clear()
        self._limits.clear()
        before = (datetime.fromisoformat(day) - timedelta(days=1)).date().isoformat()
        self.unkept = {key: one for key, one in self.unkept.items() if one.day >= before}

    def keeps(self, node: str, source: str, size: int) -> bool:
        """Whether a line of `size` bytes may be written; if not it is counted."""
        if node not in self._used:
            self._used[node] = self._sizes(node)
            share = room_for_one(self.settings)
            self._limits[node] = min(self.settings.quota_bytes, sum(self._used[node].values()) + share)
        used = self._used[node]
        limit = self._limits[node]
        key = (self._day, node, source)
        if key not in self.unkept and used.get(source, 0) + sum(used.values()) + 2 * size <= limit:
            return True
        now = self.clock()
        found = self.unkept.setdefault(key, Unkept(*key, quota=limit, first=now, last=now))
        found.lines, found.size, found.last = found.lines + 1, found.size + size, now
        self._dirty = True
        return False

    def add(self, node: str, source: str, size: int) -> None:
        """A line was written."""
        used = self._used[node]
        used[source] = used.get(source, 0) + size

    def due(self, everything: bool = False) -> Iterator[Unkept]:
        """What a notice is to be written of now: what has grown, at once or in the hour since, or `everything`."""
        for one in self.unkept.values():
            late = not 0 <= self.clock() - one.told_at < NOTICE_SECONDS
            if one.lines > one.told and (everything or late):
                one.told_at = self.clock()
                yield one

    def tell(self, one: Unkept) -> None:
        """The notice was written."""
        one.told = one.lines
        self._dirty = True

    def save(self) -> None:
        """Write the counts down. Raises OSError."""
        if self._dirty:
            content = json.dumps([asdict(one) for one in self.unkept.values()]).encode()
            write_atomic(self.settings.unkept, content + b"\n", 0o640, durable=False)
            self._dirty = False

    def _sizes(self, node: str) -> dict[str, int]:
        sizes: dict[str, int] = {}
        for path in Path(self.settings.archive, node).glob(f"*/{self._day}.*"):
            with contextlib.suppress(FileNotFoundError):
                sizes[path.parent.name] = sizes.get(path.parent.name, 0) + path.lstat().st_size
        sizes.pop(OWN, None)
        return sizes


def room_for_one(settings: Settings) -> int:
    """A node's part of half of what is free: days of flooding take ever less of a disk, and never all of it."""
    found = os.statvfs(settings.archive)
    nodes = max(1, len(set(settings.listeners.values())))
    return max(LEAST, found.f_bavail * found.f_frsize // (2 * nodes))


def read_unkept(settings: Settings) -> list[Unkept]:
    """What was written down; nothing for a file that is not there or not ours."""
    try:
        return [Unkept(**one) for one in json.loads(settings.unkept.read_bytes())]
    except (OSError, ValueError, TypeError):
        return []
