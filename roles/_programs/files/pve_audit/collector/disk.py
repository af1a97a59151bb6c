# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How full the file system of the archive is, how long it lasts, and which node has used up its quota."""

from __future__ import annotations

import os
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from pve_audit.collector import room
from pve_audit.collector.manifest import Entry, read_entries
from pve_audit.collector.quota import read_unkept
from pve_audit.collector.settings import Settings

RATE_DAYS = 14
# For so long after its last line that was not kept a node is reported.
REPORT_SECONDS = 86400


def disk(settings: Settings, now: float) -> dict[str, Any]:
    """`state` is ok, warn or critical; `days_left` at the rate of the last closed days, None when there is no rate.

    Makes the reserve again when there is room for it; `reserve` says whether it is kept.
    """
    reserve = room.keep(settings)
    found = os.statvfs(settings.archive)
    total, free = found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize
    percent = _percent(found.f_blocks - found.f_bfree, found.f_blocks - found.f_bfree + found.f_bavail)
    inodes = _percent(found.f_files - found.f_ffree, found.f_files - found.f_ffree + found.f_favail)
    unkept = [asdict(one) for one in read_unkept(settings) if one.last > now - REPORT_SECONDS]
    worst = max(percent, inodes)
    critical = worst >= settings.disk_critical_percent or unkept or not reserve
    state = "critical" if critical else "warn" if worst >= settings.disk_warn_percent else "ok"
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
        "reserve": reserve,
        "unkept": unkept,
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
