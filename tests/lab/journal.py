# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node's journal, for /journal and /syslog."""

from __future__ import annotations

import json
import threading
import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable
from typing import Any

Entry = dict[str, Any]


def _short_time(seconds: float) -> str:
    return time.strftime("%b %d %H:%M:%S", time.gmtime(seconds))


def _message(entry: Entry) -> str:
    """The text; journald gives what is no UTF-8 as a list of bytes."""
    message = entry.get("MESSAGE", "")
    return bytes(message).decode("latin-1") if isinstance(message, list) else str(message)


def _prefix(entry: Entry) -> str:
    name = entry.get("SYSLOG_IDENTIFIER") or entry.get("_COMM") or "unknown"
    pid = entry.get("SYSLOG_PID") or entry.get("_PID")
    tag = f"{name}[{pid}]" if pid else name
    return f"{_short_time(entry_time(entry))} {entry.get('_HOSTNAME', '')} {tag}: "


def short_line(entry: Entry) -> str:
    """The entry as mini-journalreader prints it, in UTC; line breaks in the message stay."""
    return _prefix(entry) + _message(entry)


def short_lines(entry: Entry) -> list[str]:
    """The lines `journalctl -o short` prints for an entry: the message's further lines are indented."""
    prefix = _prefix(entry)
    first, *more = _message(entry).split("\n")
    return [prefix + first, *(" " * len(prefix) + line for line in more)]


def entry_time(entry: Entry) -> float:
    """Seconds since the epoch."""
    return int(entry["__REALTIME_TIMESTAMP"]) / 1_000_000


def parse_journal(text: str) -> list[Entry]:
    """The output of `journalctl -o json`."""
    return [json.loads(line) for line in text.splitlines() if line.strip()]


class Journal:
    """Entries in time order; `source` is called when they are first needed."""

    def __init__(self, source: Callable[[], Iterable[Entry]] | None = None) -> None:
        self._source = source
        self._entries: list[Entry] | None = None
        self._times: list[float] = []
        self._lock = threading.Lock()

    def entries(self) -> list[Entry]:
        """All entries."""
        with self._lock:
            return self._read()

    def _read(self) -> list[Entry]:
        if self._entries is None:
            entries = list(self._source()) if self._source else []
            self._times = [entry_time(entry) for entry in entries]
            self._entries = entries
        return self._entries

    def append(self, node: str, fields: Entry) -> None:
        """Write an entry now."""
        with self._lock:
            known = self._read()
            stamp, number = int(time.time() * 1_000_000), len(known) + 1
            entry = {
                "__CURSOR": f"s=5b{number:030x};i={number:x};b={'0' * 32};m={number:x};t={stamp:x};x={number:016x}",
                "__REALTIME_TIMESTAMP": str(stamp),
                "__MONOTONIC_TIMESTAMP": str(number * 1000),
                "_BOOT_ID": "0" * 32,
                "_HOSTNAME": node,
                **fields,
            }
            self._times = [*self._times, stamp / 1_000_000]
            self._entries = [*known, entry]

    def between(self, since: float | None, until: float | None) -> list[Entry]:
        """Entries with since <= time <= until."""
        entries = self.entries()
        low = bisect_left(self._times, since) if since is not None else 0
        high = bisect_right(self._times, until) if until is not None else len(entries)
        return entries[low:high]

    def after_cursor(self, cursor: str) -> list[Entry] | None:
        """Entries from the one with this cursor on; None for an unknown cursor."""
        entries = self.entries()
        for index, entry in enumerate(entries):
            if entry.get("__CURSOR") == cursor:
                return entries[index:]
        return None
