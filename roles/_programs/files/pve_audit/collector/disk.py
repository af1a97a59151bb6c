# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How full the file system of the archive is, and how long it lasts."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from pve_audit.collector.manifest import Entry, read_entries
from pve_audit.collector.settings import Settings

RATE_DAYS = 14


def disk(settings: Settings, now: float) -> dict[str, Any]:
    """`state` is ok, warn or critical; `days_left` at the rate of the last closed days, None when there is no rate."""
    found = os.statvfs(settings.archive)
    total, free = found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize
    percent = _percent(found.f_blocks - found.f_bfree, found.f_blocks - found.f_bfree + found.f_bavail)
    inodes = _percent(found.f_files - found.f_ffree, found.f_files - found.f_ffree + found.f_favail)
    worst = max(percent, inodes)
    state = (
        "critical"
        if worst >= settings.disk_critical_percent
        else "warn"
        if worst >= settings.disk_warn_percent
        else "ok"
    )
    rate = daily_bytes(read_entries(settings.manifest)[0], datetime.fromtimestamp(now, UTC).date())
    return {
        "state": state,
        "archive": settings.archive,
        "bytes_total": total,
        "bytes_free": free,
        "percent_used": percent,
        "percent_inodes_used": inodes,
        "bytes_a_day": rate,
        "days_left": free // rate if rate else None,
        "open_bytes": sum(path.stat().st_size for path in Path(settings.archive).glob("*/*/*.log")),
    }


def daily_bytes(entries: list[Entry], today: date) -> int | None:
    """Bytes on disk that a day takes, over the last closed days."""
    since = (today - timedelta(days=RATE_DAYS)).isoformat()
    sizes: dict[str, int] = {}
    for entry in entries:
        if entry.get("kind") == "closed" and entry["day"] >= since:
            sizes[entry["day"]] = sizes.get(entry["day"], 0) + entry["file_bytes"]
    return sum(sizes.values()) // len(sizes) if sizes else None


def _percent(used: int, total: int) -> int:
    """Rounded up, so that the last byte counts; 0 for a file system that does not count."""
    return -(-100 * used // total) if total > 0 else 0
