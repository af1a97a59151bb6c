# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Instants and durations: text to epoch seconds and back. No clock in here, callers pass `now`."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}

_DURATION = re.compile(r"(\d{1,9})([smhdw])", re.ASCII)
_EPOCH = re.compile(r"-?\d{1,12}(\.\d+)?", re.ASCII)
# Shorter and longer numbers are meant as something else: 2026, 20261124, 202611240800.
_LEAST_EPOCH, _MOST_EPOCH = 100_000_000, 4_102_444_800
_LATEST = 253402300799  # 9999-12-31T23:59:59Z, the last second datetime knows


def rfc3339(epoch: float) -> str:
    """Epoch seconds as UTC text in whole seconds: `2026-11-23T17:40:33Z`.

    Raises InputError for instants outside the years 1970 to 9999.
    """
    if not 0 <= epoch <= _LATEST:
        raise InputError(f"time {epoch!r} lies outside the years 1970 to 9999")
    return datetime.fromtimestamp(int(epoch), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def rfc3339_us(microseconds: int) -> str:
    """Epoch microseconds, as journald counts, as UTC text with six decimals."""
    seconds, fraction = divmod(microseconds, 1_000_000)
    return f"{rfc3339(seconds)[:-1]}.{fraction:06d}Z"


def to_epoch(text: str) -> float:
    """An RFC 3339 text as epoch seconds. Text without an offset is taken as UTC.

    Raises InputError when the text is not such a time.
    """
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        raise InputError(f"{text!r} is not an RFC 3339 time such as 2026-11-23T17:40:33Z") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.timestamp()


def parse_duration(value: object) -> int:
    """A length of time in seconds: an integer, or text such as `90s`, `10m`, `36h`, `7d`, `2w`, `1h30m`.

    Raises InputError for anything else, and for lengths that are not positive.
    """
    seconds = 0
    if isinstance(value, int) and not isinstance(value, bool):
        seconds = value
    elif isinstance(value, str):
        text = value.strip()
        parts = _DURATION.findall(text)
        if text.isascii() and text.isdigit() and len(text) < 12:
            seconds = int(text)
        elif parts and "".join(number + unit for number, unit in parts) == text:
            seconds = sum(int(number) * UNITS[unit] for number, unit in parts)
    if seconds <= 0:
        raise InputError(f"{value!r} is not a length of time: write it as 90s, 10m, 36h, 7d or 2w")
    return seconds


def zone(name: str) -> tzinfo:
    """The time zone of an IANA name such as `Europe/Berlin`.

    Raises InputError for a name the system's time zone data does not know.
    """
    if name in ("UTC", "Z"):
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError, TypeError):
        raise InputError(f"time zone {name!r} is unknown: use an IANA name such as Europe/Berlin") from None


def parse_instant(value: object, *, now: float, tz: tzinfo = UTC, latest: bool = False) -> float:
    """A point in time as epoch seconds.

    `value` is an epoch (0, or one from 1973 to 2100), a duration counted back from `now` (`7d`), `now`, a date (its
    first second in `tz`), or a date with a time (in `tz` unless it carries an offset). A time that the clocks of `tz`
    show twice, or never, is the earlier of the two instants that it can mean, or with `latest` the later.
    Raises InputError for anything else.
    """
    text = str(value).strip()
    if text == "now":
        return now
    if _EPOCH.fullmatch(text):
        return _read_epoch(text)
    if _DURATION.match(text) and "-" not in text:
        return max(0.0, now - parse_duration(text))
    moment = _moment(text)
    if moment.tzinfo is not None or _is_date(text):
        return (moment if moment.tzinfo else moment.replace(tzinfo=tz)).timestamp()
    instants = _meanings(moment, tz)
    return max(instants) if latest else min(instants)


def doubtful_time(value: object, tz: tzinfo) -> str:
    """A sentence when `value` is a time of day that the clocks of `tz` show twice or never, else nothing.

    Raises InputError as `parse_instant` does.
    """
    text = str(value).strip()
    if text == "now" or _EPOCH.fullmatch(text) or (_DURATION.match(text) and "-" not in text):
        return ""
    moment = _moment(text)
    if moment.tzinfo is not None or _is_date(text):
        return ""
    first, second = _meanings(moment, tz)
    if first == second:
        return ""
    often = "comes twice" if first < second else "never comes"
    low, high = sorted((first, second))
    return f"{text} {often} in {tz}, and may mean {rfc3339(low)} or {rfc3339(high)}: write it with its offset"


def _read_epoch(text: str) -> float:
    number = float(text)
    if number and not _LEAST_EPOCH <= number <= _MOST_EPOCH:
        raise InputError(
            f"{text!r} would be an epoch far from now, and is perhaps a date: write a date as 2026-11-24, "
            "or an epoch of ten digits"
        )
    return number


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise InputError(
            f"{text!r} is not a time: write a duration back from now (7d), a date (2026-11-01), "
            "a time (2026-11-01T08:00:00Z) or an epoch"
        ) from None


def _is_date(text: str) -> bool:
    """A date alone: its first second is one instant, also where midnight comes twice or never."""
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _meanings(wall: datetime, tz: tzinfo) -> tuple[float, float]:
    """The two instants that a time without offset can mean: the same one but where clocks change."""
    first, second = (wall.replace(tzinfo=tz, fold=fold).timestamp() for fold in (0, 1))
    return first, second


def human_duration(seconds: float) -> str:
    """A length of time for a sentence: `2 min 44 s`, `3 h 5 min`, `2 d 4 h`."""
    left = int(seconds)
    for (big, size), (small, part) in (
        (("d", 86400), ("h", 3600)),
        (("h", 3600), ("min", 60)),
        (("min", 60), ("s", 1)),
    ):
        if left >= size:
            rest = left % size // part
            return f"{left // size} {big}" + (f" {rest} {small}" if rest else "")
    return f"{left} s"
