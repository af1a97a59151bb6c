# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The time of a line: with an offset or in a zone, with a year or without one."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone, tzinfo

from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._model.time import rfc3339, rfc3339_us

ISO = r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))?(Z|[+-]\d\d:?\d\d)?"
# The name of a month is any word here: those of other languages are told from lines that are something else.
TRADITIONAL = r"([^\s\d:<>\[\]()\"'|]{2,9}| ?\d\d?[月월]) ([ \d]\d) (\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?"
_MONTHS = {
    name: number
    for number, name in enumerate(
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"], 1
    )
}
_DAY = 86400
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Lines of one second may be written out of order; a step back by more is one of the clock.
_DISORDER = 10.0


@dataclass
class _Order:
    """Where the lines of one host have got to, and whether they go on in time, as far as seen."""

    last: float
    forward: bool = False
    backward: bool = False

    @property
    def tells(self) -> bool:
        """Whether a step back of the time of day must be one of the clock: not where the newest line comes first."""
        return self.forward and not self.backward

    def step(self, moment: float) -> None:
        """Note the instant of the next line."""
        self.forward = self.forward or moment > self.last + _DISORDER
        self.backward = self.backward or moment < self.last - _DISORDER
        self.last = moment


@dataclass
class WallClock:
    """The instants of lines that tell a time of day in `tz` without its offset, in the order of the lines.

    In the hour that the clock shows twice a line belongs to the second pass when its host's line before it is later
    than the first pass allows, and the lines went on in time so far. Where the order does not tell, it is the first
    pass, and a note says so.
    """

    tz: tzinfo = UTC
    _orders: dict[str, _Order] = field(default_factory=dict)

    @property
    def changes(self) -> bool:
        """Whether it may be set back, so that each line matters for the next one."""
        return not isinstance(self.tz, timezone)

    def instant(self, host: str, wall: datetime) -> tuple[datetime, str]:
        """The instant of a time without offset on a host, and a note, empty when there is no doubt."""
        first, second = (wall.replace(tzinfo=self.tz, fold=fold) for fold in (0, 1))
        early, late = first.timestamp(), second.timestamp()
        order = self._orders.setdefault(host, _Order(early))
        chosen, note = first, ""
        if early < late and early + _DISORDER < order.last <= late + _DISORDER and order.tells:
            chosen = second
        elif early != late:
            often = "twice" if early < late else "never"
            note = f"the clocks in {self.tz} showed {wall:%Y-%m-%d %H:%M:%S} {often}: read as {rfc3339(early)}"
        order.step(chosen.timestamp())
        return chosen, note


def iso_time(parts: tuple[str | None, ...], host: str, clock: WallClock) -> tuple[str, str]:
    """RFC 3339 in UTC, and a note, of the groups of `ISO`. Raises InputError."""
    text, fraction, offset = parts[:3]
    try:
        moment = datetime.fromisoformat(f"{text}{offset or ''}")
        moment, note = (moment, "") if moment.tzinfo else clock.instant(host, moment)
        return _instant(moment, fraction), note
    except (ValueError, OverflowError, OSError):
        raise InputError(f"{text!r} is not a possible time") from None


def traditional_time(
    parts: tuple[str | None, ...], host: str, clock: WallClock, reference: float | None
) -> tuple[str, str]:
    """The same of the groups of `TRADITIONAL`, in the newest year not later than `reference` (epoch) and a day."""
    month, day, hour, minute, second, fraction = (part or "" for part in parts[:6])
    if reference is None:
        raise InputError("the line has no year: give a reference time")
    if month not in _MONTHS:
        raise InputError(
            f"{month!r} is no English month: collect with LC_ALL=C, or with `journalctl -o json` or `-o short-iso`"
        )
    latest = reference + _DAY
    try:
        newest = datetime.fromtimestamp(latest, clock.tz).year
    except (ValueError, OverflowError, OSError):
        raise InputError(f"the reference time {reference!r} is not possible") from None
    for year in range(newest, newest - 9, -1):
        try:
            wall = datetime(year, _MONTHS[month], int(day), int(hour), int(minute), int(second))
            if wall.replace(tzinfo=clock.tz).timestamp() <= latest:
                moment, note = clock.instant(host, wall)
                return _instant(moment, fraction or None), note
        except (ValueError, OverflowError):
            continue
    raise InputError(f"'{month} {day} {hour}:{minute}:{second}' is not a possible time")


def _instant(moment: datetime, fraction: str | None) -> str:
    seconds = (moment - _EPOCH) // timedelta(seconds=1)
    if fraction is None:
        return rfc3339(seconds)
    return rfc3339_us(seconds * 1_000_000 + int(fraction[:6].ljust(6, "0")))
