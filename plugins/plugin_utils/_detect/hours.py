# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Working hours: which events happened outside of them.

Working hours are data: a time zone, and one or more rows of weekdays and spans of the wall clock.

    {"days": ["mon", "tue", "wed", "thu", "fri"], "spans": ["07:00-12:00", "13:00-19:00"], "holidays": ["2026-12-25"]}

A span includes its start and excludes its end. A span over midnight (`22:00-06:00`) belongs to the day it starts on:
with weekdays Monday to Friday, Saturday 02:00 is inside and Monday 02:00 is not. On a holiday no span starts. The wall
clock is that of the time zone, so a span keeps its local hours when daylight-saving time begins or ends.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._model.event import Event, event_time
from ansible_collections.pve.audit.plugins.module_utils._model.time import zone

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DEFAULT_HOURS: dict[str, Any] = {"days": list(DAYS[:5]), "spans": ["07:00-19:00"], "holidays": []}

_DAY = 24 * 60
_SPAN = re.compile(r"(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})")


@dataclass(frozen=True)
class WorkingHours:
    """Checked working hours. `spans[weekday]` holds (start, end) in minutes since midnight; end may pass midnight."""

    tz: tzinfo
    spans: tuple[tuple[tuple[int, int], ...], ...]
    holidays: frozenset[date]

    def contains(self, epoch: float) -> bool:
        """True when the instant lies within the working hours."""
        local = datetime.fromtimestamp(epoch, self.tz)
        minute = local.hour * 60 + local.minute
        today = local.date()
        yesterday = today - timedelta(days=1)
        return self._within(today, minute) or self._within(yesterday, minute + _DAY)

    def _within(self, day: date, minute: int) -> bool:
        if day in self.holidays:
            return False
        return any(start <= minute < end for start, end in self.spans[day.weekday()])


def working_hours(hours: object = None, timezone: str = "UTC") -> WorkingHours:
    """Check working hours given as data: one row, or a list of rows for different weekdays.

    Raises InputError that names the part that cannot be used.
    """
    rows = [DEFAULT_HOURS] if hours is None else [hours] if isinstance(hours, Mapping) else hours
    if not isinstance(rows, Sequence) or isinstance(rows, str) or not rows:
        raise InputError(f"working hours must be a map with days and spans, or a list of such maps, not {hours!r}")
    week: list[list[tuple[int, int]]] = [[] for _day in DAYS]
    holidays: set[date] = set()
    for row in map(_checked_row, rows):
        spans = [_span(text) for text in _texts(row, "spans", DEFAULT_HOURS["spans"])]
        for day in _texts(row, "days", DEFAULT_HOURS["days"]):
            week[_weekday(day)].extend(spans)
        holidays.update(_holiday(text) for text in _texts(row, "holidays", []))
    return WorkingHours(zone(timezone), tuple(tuple(spans) for spans in week), frozenset(holidays))


def _checked_row(row: object) -> Mapping[str, Any]:
    if not isinstance(row, Mapping):
        raise InputError(f"a row of working hours must be a map with days and spans, not {row!r}")
    if unknown := sorted(str(key) for key in set(row) - {"days", "spans", "holidays"}):
        raise InputError(f"working hours know days, spans and holidays, not {', '.join(unknown)}")
    return row


def _texts(row: Mapping[str, Any], key: str, default: list[str]) -> list[str]:
    """A list of texts below `key`; YAML may have made dates of some."""
    value = row.get(key, default)
    if isinstance(value, (str, date)):
        return [str(value)]
    if not isinstance(value, Sequence):
        raise InputError(f"working hours: {key} must be a list, not {value!r}")
    return [str(item) for item in value]


def _weekday(text: str) -> int:
    word = text.strip().lower()[:3]
    if word not in DAYS:
        raise InputError(f"working hours: day {text!r} is unknown: use {', '.join(DAYS)}")
    return DAYS.index(word)


def _span(text: str) -> tuple[int, int]:
    match = _SPAN.fullmatch(text.strip())
    numbers = [int(part) for part in match.groups()] if match else []
    if numbers:
        start, end = numbers[0] * 60 + numbers[1], numbers[2] * 60 + numbers[3]
        if start < _DAY and end <= _DAY and numbers[1] < 60 and numbers[3] < 60 and start != end:
            return start, end if end > start else end + _DAY
    raise InputError(
        f"working hours: span {text!r} is not of the form 07:00-19:00 (up to 24:00; over midnight as 22:00-06:00)"
    )


def _holiday(text: str) -> date:
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        raise InputError(f"working hours: holiday {text!r} is not a date such as 2026-12-25") from None


def outside_hours(events: Iterable[Event], hours: WorkingHours) -> list[Event]:
    """The events outside the working hours, in the order given. Those without a time cannot be placed: left out."""
    result = []
    for event in events:
        time = event_time(event)
        if time is not None and not hours.contains(time):
            result.append(event)
    return result
