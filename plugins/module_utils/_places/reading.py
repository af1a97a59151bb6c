# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of logs as events: read line by line, what decides nothing is left out, and each file tells its interval."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from ansible_collections.pve.audit.plugins.module_utils._evidence.found import Found, Hole
from ansible_collections.pve.audit.plugins.module_utils._evidence.read import classify_event, read_item
from ansible_collections.pve.audit.plugins.module_utils._evidence.registry import BY_NAME
from ansible_collections.pve.audit.plugins.module_utils._evidence.source import Context
from ansible_collections.pve.audit.plugins.module_utils._model.coverage import Coverage
from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._model.event import event_time
from ansible_collections.pve.audit.plugins.module_utils._model.time import rfc3339
from ansible_collections.pve.audit.plugins.module_utils._places.files import UnreadableError
from ansible_collections.pve.audit.plugins.module_utils._places.sieve import AccessSieve

# How long before the interval something may lie that decides who did it: a login, a shell, a task that runs long.
BEFORE = {"access": 3 * 3600, "journal": 7 * 86400, "task": 86400, "archive": 7 * 86400}
AFTER = 600
# A node writes into its journal at least once an hour (cron.hourly), and far more often as a rule.
LONGEST_SILENCE = 3 * 3600
# Lines of one log are in order, but for some seconds in which several processes wrote.
_OUT_OF_ORDER = 60
_CLAIMED = 86400
# How much earlier than the end of the interval a log may end that is written all the time.
SLACK = 900

_ACCESS_TIME = re.compile(rb" \[(\d\d)/(\d\d)/(\d{4}):(\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)\]")
_ISO_TIME = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:?\d\d)")
_MICROS = re.compile(rb'"__REALTIME_TIMESTAMP" ?: ?"(\d{1,17})"')
_BOOT = re.compile(rb'"_BOOT_ID" ?: ?"([0-9a-f]{32})"')


class Interval(NamedTuple):
    """What is asked for, in epoch seconds; None is without a bound."""

    since: float | None = None
    until: float | None = None

    def near(self, time: float | None, source: str) -> bool:
        """Whether something at this time may decide about something in the interval."""
        if time is None:
            return True
        early = self.since is not None and time < self.since - BEFORE[source]
        return not early and not (self.until is not None and time > self.until + AFTER)

    def days(self) -> list[bytes]:
        """The dates of lines of access.log that may matter, in any time zone; empty for all."""
        if self.since is None or self.until is None or self.until - self.since > 400 * 86400:
            return []
        try:
            day = datetime.fromtimestamp(self.since - BEFORE["access"] - 86400, UTC)
            last = datetime.fromtimestamp(self.until + AFTER + 86400, UTC)
        except (ValueError, OverflowError):  # at the ends of the calendar
            return []
        days = []
        while day.date() <= last.date():
            days.append(day.strftime("%d/%m/%Y").encode())
            day += timedelta(days=1)
        return days


Lines = Iterable[tuple[int, bytes]]


@dataclass
class Reader:
    """Reads the logs of one node and source. `named` is the source by its name, `record` what `Found` calls it."""

    found: Found
    node: str
    source: str
    named: str
    interval: Interval
    context: Context
    record: str = ""
    sieve: AccessSieve | None = None
    row: Coverage = field(init=False)
    first_damage: str = ""
    _last: float | None = None
    _boot: bytes = b""

    def __post_init__(self) -> None:
        """Begin the row of coverage."""
        self.row = Coverage(self.node, self.source)

    def read(self, file: str, lines: Callable[[], Lines]) -> None:
        """Read one file; files come in order of time. What cannot be read is a reason in the row."""
        try:
            self._read(file, lines())
        except UnreadableError as error:
            self.row.add_reason("unreadable", f"{file} of {self.node} {error}")

    def _read(self, file: str, lines: Lines) -> None:
        line, count = b"", 0
        self._last = None
        for number, line in lines:
            count += 1
            if count == 1 or self.named == "journal":
                self._see(line)
            if self.sieve is None or self.sieve.wants(line):
                self._take(line, file, number)
        self.row.records += count
        self._see(line)

    def _take(self, line: bytes, file: str, number: int) -> None:
        try:
            events = read_item(line, BY_NAME[self.named], self.context)
        except InputError:
            self.row.damaged += 1
            return
        for event in events:
            if event["event"].get("kind") == "pipeline_error":
                self.row.damaged += 1
                self.first_damage = self.first_damage or f"{file} line {number}: {event['error']['message']}"
                continue
            time = event_time(event)
            if self.named == "journal" and time is not None:
                self._span(time)
            classify_event(event)
            if self.interval.near(time, self.named):
                self.found.add(event, file, f"line {number}", self.record)
            else:
                self.found.note(event, self.record)
            if self.named == "task":
                self._see_task(event["event"].get("end"), event["event"].get("start"))

    def _see_task(self, end: str | None, start: str | None) -> None:
        for text in filter(None, (end, start)):
            self._span(datetime.fromisoformat(text).timestamp())
            break

    def _see(self, line: bytes) -> None:
        """Note the time of a line as it stands there, without parsing the line."""
        time, boot = time_of(line), b""
        if time is None:
            return
        if self.named == "journal" and (match := _BOOT.search(line)) is not None:
            boot = match[1]
        if self._last is not None:
            silent = bool(boot) and boot == self._boot and time - self._last > LONGEST_SILENCE
            if silent or time < self._last - _OUT_OF_ORDER:
                self.found.holes.append(Hole(self.node, self._last, time))
        self._boot, self._last = boot, time
        self._span(time)

    def _span(self, time: float) -> None:
        self.row.start = time if self.row.start is None else min(self.row.start, time)
        self.row.end = time if self.row.end is None else max(self.row.end, time)
        self.row.oldest = self.row.start


def time_of(line: bytes) -> float | None:
    """The time of a line of a log as it stands there, in epoch seconds, or None."""
    if line.startswith(b"{"):
        found = _MICROS.search(line)
        return int(found[1]) / 1e6 if found else None
    if (match := _ACCESS_TIME.search(line, 0, 4096)) is not None:
        day, month, year, hour, minute, second, _sign, hours, minutes = match.groups()
        text = b"%b-%b-%bT%b:%b:%b%b%b:%b" % (year, month, day, hour, minute, second, match[7], hours, minutes)
    elif (match := _ISO_TIME.search(line, 0, 64)) is not None:
        text = match[0]
    else:
        return None
    try:
        return datetime.fromisoformat(text.decode("ascii")).timestamp()
    except (ValueError, OverflowError):
        return None


def judge_row(
    reader: Reader, interval: Interval, what: str, *, live: bool = False, alive: float | None = None
) -> Coverage:
    """Say what the row does not show of the interval. `what` names the log; `live`: it was read where it is written.

    `alive`: until then the log is known to be whole, whatever its last line says.
    """
    row = reader.row
    name = f"{what} of {row.node}"
    if row.damaged:
        first = f", the first is {reader.first_damage}" if reader.first_damage else ""
        row.add_reason("corrupt_records", f"{row.damaged} lines of {name} cannot be read{first}")
    if row.start is None or row.end is None:
        if not row.reasons:
            row.add_reason("empty", f"{name} has no line")
        return row
    if interval.since is not None and row.start > interval.since:
        row.add_reason("begins_late", f"{name} begins at {rfc3339(row.start)} only")
    if alive is not None:
        # A record may claim any time. What lies after all other logs proves nothing of the time until then.
        row.end = alive if row.end > alive + _CLAIMED else max(row.end, alive)
    if live:
        now = reader.context.reference
        row.end = max(row.end, min(interval.until or row.end, now or row.end))
        if now is not None and interval.until is not None and interval.until > now + SLACK:
            row.add_reason("future", f"{name} cannot show what comes after {rfc3339(now)}")
    elif interval.until is not None and row.end < interval.until - SLACK:
        row.add_reason("ends_early", f"{name} ends at {rfc3339(row.end)} already")
    return row


def missing_row(node: str, source: str, what: str, place: str) -> Coverage:
    """The row of a log that is not there."""
    row = Coverage(node, source)
    row.add_reason("no_file", f"{place} has no {what} of {node}")
    return row


def by_rotation(names: Iterable[str]) -> Iterator[str]:
    """The names of a rotated log, oldest first: access.log.10.gz, access.log.2.gz, access.log.1, access.log."""

    def age(name: str) -> tuple[int, int, str]:
        number = re.search(r"\.(\d{1,4})(?:\.(?:gz|xz))?$", name)
        dated = re.search(r"-(\d{8})", name)
        if number is not None:
            return (1, -int(number[1]), name)
        return (0, 0, name) if dated is not None else (2, 0, name)

    yield from sorted(names, key=age)
