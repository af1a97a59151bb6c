# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Moments as people write them, and as journalctl takes them (systemd.time(7))."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_UNITS = {"s": 1, "sec": 1, "second": 1, "m": 60, "min": 60, "minute": 60, "h": 3600, "hour": 3600, "d": 86400}
_UNITS |= {"day": 86400, "w": 604800, "week": 604800}
_SPAN = re.compile(r"([0-9]{1,9}) ?([a-z]+?)s?(?![a-z]) ?")
_DAYS = {"today": 0, "yesterday": 1}


def parse_moment(text: str, now: float) -> float:
    """Epoch seconds of `-1h`, `2 days ago`, `@1795000000`, `yesterday`, `2026-11-23`, `2026-11-23 10:00[:00][ UTC]`.

    What names no zone is UTC, as the days of the archive are. Raises ValueError.
    """
    text = text.strip()
    if re.fullmatch(r"@[0-9]{1,11}", text):
        return float(text[1:])
    if text == "now":
        return now
    if text.startswith("-") or text.endswith(" ago"):
        return now - _seconds(text.removeprefix("-").removesuffix(" ago").strip())
    if text in _DAYS:
        midnight = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        return (midnight - timedelta(days=_DAYS[text])).timestamp()
    moment = datetime.fromisoformat(text.removesuffix(" UTC"))
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _seconds(text: str) -> float:
    total, place = 0, 0
    while place < len(text):
        found = _SPAN.match(text, place)
        if found is None or found[2] not in _UNITS:
            raise ValueError(f"{text!r} is no span of time")
        total += int(found[1]) * _UNITS[found[2]]
        place = found.end()
    if not text:
        raise ValueError("there is no span of time")
    return float(total)
