# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Instants as people read them: in their own zone, always with the offset."""

from __future__ import annotations

from datetime import datetime, timedelta

from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._model.time import rfc3339, to_epoch, zone

LAYOUT = "%Y-%m-%d %H:%M:%S %:z"


def local_time(text: str | None, timezone: str, layout: str = LAYOUT) -> str:
    """An RFC 3339 text in the zone: `2026-11-23 18:40:33 +01:00`. None and the empty text give the empty text.

    `layout` is that of strftime, and `%:z` (the offset with a colon) works in every Python.
    Raises InputError for a text that is no time, an unknown zone and an empty or broken layout.
    """
    if not text:
        return ""
    moment = datetime.fromtimestamp(to_epoch(text), zone(timezone))
    offset = moment.strftime("%z")
    try:
        return moment.strftime(layout.replace("%:z", f"{offset[:3]}:{offset[3:5]}"))
    except (ValueError, AttributeError):
        raise InputError(f"{layout!r} is not a layout of strftime") from None


def full_days(days: int, timezone: str, now: str) -> dict[str, str]:
    """The last `days` whole days before today in the zone, as `{"since", "until"}` in RFC 3339: midnight to midnight.

    A day on which the clocks change has 23 or 25 hours.
    Raises InputError when `days` is not a whole number from 1 to 3660.
    """
    if isinstance(days, bool) or not isinstance(days, int) or not 1 <= days <= 3660:
        raise InputError(f"{days!r} is not a number of days from 1 to 3660")
    tz = zone(timezone)
    today = datetime.fromtimestamp(to_epoch(now), tz).replace(
        hour=0, minute=0, second=0, microsecond=0, tzinfo=None, fold=0
    )
    since = (today - timedelta(days=days)).replace(tzinfo=tz)
    return {"since": rfc3339(since.timestamp()), "until": rfc3339(today.replace(tzinfo=tz).timestamp())}
