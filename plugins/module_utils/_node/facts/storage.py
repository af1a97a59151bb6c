# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much room the logs have, and for how many days it lasts at the rate that was measured."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass

from ansible_collections.pve.audit.plugins.module_utils._node.facts.mounts import file_system
from ansible_collections.pve.audit.plugins.module_utils._node.facts.node import DAY, NodeSnapshot, Part, available, utc

LOGS = "/var/log"
JOURNAL = "/var/log/journal"
# What was written in the last days tells the rate; less than this many hours of it tell nothing.
WINDOW_DAYS = 14
LEAST_HOURS = 12
_ROTATED = re.compile(r"(?:\.\d+|-\d{8}[-\d]*)(?:\.(?:gz|xz|zst|bz2))?$")
_COMPRESSED = re.compile(r"\.(?:gz|xz|zst|bz2)$")


@dataclass(frozen=True)
class LogFile:
    """A file below /var/log: how much room it takes, and when it was written last."""

    path: str
    used: int
    modified: float


def storage(node: NodeSnapshot) -> Part:
    """Free space of the file system of /var/log and `days_left`, with `days_left_how` or `days_left_reason`."""
    space = os.statvfs(node.path(LOGS))
    free = space.f_bavail * space.f_frsize
    total = space.f_blocks * space.f_frsize
    system = file_system(node, LOGS)
    facts = available(
        path=LOGS,
        total=total,
        free=free,
        free_percent=round(100 * free / total, 1) if total else None,
        inodes_free_percent=round(100 * space.f_favail / space.f_files, 1) if space.f_files else None,
        filesystem=system.kind,
        in_memory=system.in_memory,
        guard=node.json("/run/pve-audit/disk.json"),
    )
    rate, how, reason = growth(list(log_files(node.path(LOGS), space_device(node.path(LOGS)))), node.now)
    facts.update(
        bytes_per_day=rate,
        days_left=round(free / rate, 1) if rate else None,
        days_left_how=how,
        days_left_reason=reason,
    )
    return facts


def space_device(path: str) -> int:
    """The file system of a path."""
    return os.stat(path).st_dev


def log_files(top: str, device: int) -> Iterator[LogFile]:
    """All regular files below `top` on the same file system. What vanishes meanwhile is passed over."""
    for folder, folders, names in os.walk(top):
        folders[:] = [name for name in folders if _device(os.path.join(folder, name)) == device]
        for name in names:
            path = os.path.join(folder, name)
            try:
                found = os.lstat(path)
            except OSError:
                continue
            if stat.S_ISREG(found.st_mode):
                yield LogFile(path, found.st_blocks * 512, found.st_mtime)


def _device(path: str) -> int | None:
    try:
        return os.lstat(path).st_dev
    except OSError:
        return None


def growth(files: list[LogFile], now: float) -> tuple[int | None, str | None, str | None]:
    """Bytes a day, how that was computed, and, when it is not known, why.

    A file that was finished in the window (rotated, or an archived journal) was filled in it, and takes the room that
    it will take for good. The oldest of them only ends a period that began before, so that it sets the start and does
    not count. Files still being written are left out: nobody knows since when they are.
    """
    start = now - WINDOW_DAYS * DAY
    done = sorted(
        (file for file in files if _finished(file) and start <= file.modified <= now), key=lambda f: f.modified
    )
    if len(done) < 2:
        return None, None, f"fewer than 2 log files were finished in the last {WINDOW_DAYS} days"
    hours = (now - done[0].modified) / 3600
    if hours < LEAST_HOURS:
        return None, None, f"the oldest finished log file of these days is {hours:.1f} hours old, not {LEAST_HOURS}"
    first = done[0].modified
    counted = [file for file in done if file.modified > first + 1]
    used = sum(file.used for file in counted)
    if not used:
        return None, None, "no log file was finished after the first one of the window"
    how = (
        f"{used} bytes on disk in {len(counted)} rotated and archived journal files, finished since {utc(first)}"
        f" ({hours / 24:.1f} days)"
    )
    return round(used * 24 / hours), how, None


def _finished(file: LogFile) -> bool:
    name = os.path.basename(file.path)
    if name.endswith((".journal", ".journal~")):
        return "@" in name
    return bool(_ROTATED.search(name) or _COMPRESSED.search(name))
