# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The end of rsyslog's path: writes each line, and says OK only then (omprog with confirmMessages).

rsyslog's own omfile acknowledges lines that it could not write (measured: a full disk, a directory it may not write
to), because commitTransaction() in omfile.c drops the result of writeFile(). Here a line stays with the node then.
One line comes in as a JSON object: `input` (the listener, which lets in one node only), `address`, `raw`.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import selectors
import sys
import syslog
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pve_audit.collector import room
from pve_audit.collector.quota import OWN, Quota
from pve_audit.collector.settings import COMPONENT, Settings
from pve_audit.files import open_regular
from pve_audit.wire import format_seconds, parse_line

OTHER = "other"
REPORT_SECONDS = 60.0
# The room on the disk is looked at again after so many bytes, or a second.
ROOM_BYTES = 1 << 20
# Kinds of rejected lines that are counted at a time: who sends them chooses the words.
MAX_REASONS = 1000
Tell = Callable[[str], None]


def _alarm(text: str) -> None:
    syslog.syslog(syslog.LOG_CRIT, text)


def check_origin(node: str, raw: bytes) -> tuple[str, str]:
    """(source, "") for a line that the node may send, ("", reason) for one that claims to come from somewhere else."""
    line = parse_line(raw)
    if line is None:
        return "", "the line does not say which node and source it is from"
    claimed = line.params.get("node", "")
    if claimed != node:
        return "", f"the line claims the node {claimed!r:.200}"
    if line.host != node and not line.host.startswith(f"{node}."):
        return "", f"the line claims the host {line.host!r:.200}"
    source = line.params.get("source", "")
    return source if COMPONENT.fullmatch(source) and source != OWN else OTHER, ""


@dataclass(slots=True)
class OpenFile:
    """A file that is being written. `torn`: the last write stopped in the middle of a line."""

    handle: int
    torn: bool
    dirty: bool = False


@dataclass
class Writer:
    """Takes lines one by one; `take` raises OSError when a line was not written."""

    settings: Settings
    clock: Callable[[], float] = time.time
    tell: Tell = syslog.syslog
    alarm: Tell = _alarm
    _open: OrderedDict[str, OpenFile] = field(default_factory=OrderedDict)
    _day: str = ""
    _synced: float = 0.0
    _refused: dict[tuple[str, str, str], int] = field(default_factory=dict)
    _told: float = 0.0
    _unlooked: int = 0
    _looked: float = 0.0

    def __post_init__(self) -> None:
        self._quota = Quota(self.settings, self.clock)

    def take(self, record: bytes) -> None:
        """Put one line where it belongs."""
        data = json.loads(record.decode("utf-8", "surrogateescape"))
        listener, address, text = (str(data.get(name, "")) for name in ("input", "address", "raw"))
        raw = text.encode("utf-8", "surrogateescape").replace(b"\n", b"#012")
        self._turn_day()
        node = self.settings.listeners.get(listener)
        unknown = f"rsyslog has a listener {listener!r} that the settings do not know"
        source, reason = check_origin(node, raw) if node else ("", unknown)
        if node and source:
            self._keep(node, self._place(node, source), raw + b"\n")
        else:
            self._reject(node or "", listener, address, reason, text)
        self._sync_now_and_then()

    def _place(self, node: str, source: str) -> str:
        """The source under which the line is filed: its own, or `other` when the node has too many."""
        if source == OTHER or self._path(node, source) in self._open:
            return source
        directory = Path(self.settings.archive, node, source)
        if directory.is_dir():
            return source
        sources = len(list(directory.parent.iterdir())) if directory.parent.is_dir() else 0
        return source if sources < self.settings.max_sources else OTHER

    def _path(self, node: str, source: str) -> str:
        return f"{self.settings.archive}/{node}/{source}/{self._day}.log"

    def _keep(self, node: str, source: str, line: bytes) -> None:
        if self._quota.keeps(node, source, len(line)):
            self._write(self._path(node, source), line)
            self._quota.add(node, source, len(line))

    def _reject(self, node: str, listener: str, address: str, reason: str, raw: str) -> None:
        path = Path(self.settings.rejected) / f"{self._day}.jsonl"
        moment = format_seconds(self.clock())
        note = {"time": moment, "peer": node, "listener": listener, "address": address, "reason": reason, "raw": raw}
        key = (node, address, reason)
        if key not in self._refused and len(self._refused) >= MAX_REASONS:
            key = (node, address, "many reasons")
        self._refused[key] = self._refused.get(key, 0) + 1
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_size > self.settings.rejected_max_bytes:
                return
        self._write(str(path), json.dumps(note).encode() + b"\n")

    def _write(self, path: str, line: bytes) -> None:
        self._leave_room(len(line))
        file = self._opened(path)
        data = b"\n" + line if file.torn else line
        done = 0
        try:
            while done < len(data):
                done += os.write(file.handle, data[done:])
        finally:
            if done < len(data):
                file.torn = file.torn if done == 0 else data[done - 1 : done] != b"\n"
            else:
                file.torn = False
            file.dirty = file.dirty or done > 0

    def _leave_room(self, size: int) -> None:
        """Raises OSError for a line that would take the room by which days are closed and deleted."""
        self._unlooked += size
        if self._unlooked < ROOM_BYTES and 0 <= self.clock() - self._looked < 1.0:
            return
        if room.is_lacking(self.settings):
            self._unlooked = ROOM_BYTES
            raise OSError(errno.ENOSPC, "what is free is kept for closing and retention")
        self._unlooked, self._looked = 0, self.clock()

    def _opened(self, path: str) -> OpenFile:
        found = self._open.get(path)
        if found is not None:
            self._open.move_to_end(path)
            return found
        while len(self._open) >= max(1, self.settings.max_open_files):
            self._close(*self._open.popitem(last=False))
        Path(path).parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        new = not os.path.exists(path)
        handle = open_regular(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o640)
        size = os.fstat(handle).st_size
        torn = size > 0 and os.pread(handle, 1, size - 1) != b"\n"
        self._open[path] = file = OpenFile(handle, torn)
        if new:
            self._announce()
        return file

    def _announce(self) -> None:
        """Touch the file that systemd watches, so that the new one is made append-only at once."""
        with contextlib.suppress(OSError):
            Path(self.settings.runtime, "created").write_text(str(self.clock()))

    def _turn_day(self) -> None:
        day = datetime.fromtimestamp(self.clock(), UTC).strftime("%Y-%m-%d")
        if day != self._day:
            self.close()
            self._day = day
            self._quota.turn(day)

    def _sync_now_and_then(self) -> None:
        if self.clock() - self._synced >= self.settings.sync_seconds or self.clock() < self._synced:
            self.sync()

    def sync(self) -> None:
        """Bring what was written to the disk."""
        for file in self._open.values():
            if file.dirty:
                os.fdatasync(file.handle)
                file.dirty = False
        self._synced = self.clock()

    def idle(self) -> None:
        """To be called about once a second: closes yesterday's files, syncs, tells what was rejected or not kept."""
        self._turn_day()
        self._sync_now_and_then()
        self._tell_unkept()
        if self._refused and not 0 <= self.clock() - self._told < REPORT_SECONDS:
            for (node, address, reason), count in list(self._refused.items())[:20]:
                self.tell(f"rejected {count} lines of the peer {node or '?'} at {address}: {reason!r:.200}")
            self._refused.clear()
            self._told = self.clock()

    def _tell_unkept(self, everything: bool = False) -> None:
        """Say in the archive of a node what of it was not kept. A full disk only puts that off."""
        with contextlib.suppress(OSError):
            for one in self._quota.due(everything):
                if not one.told:
                    limit = f"its quota of {one.quota >> 20} MiB for {one.day} is used up"
                    self.alarm(f"{one.node}: {limit}, further lines of {one.source} are counted and not kept")
                self._write(self._path(one.node, OWN), one.notice(self.clock()) + b"\n")
                self._quota.tell(one)
            self._quota.save()

    def close(self) -> None:
        """Sync and close all files."""
        if self._day:
            self._tell_unkept(everything=True)
        while self._open:
            self._close(*self._open.popitem())

    def _close(self, _path: str, file: OpenFile) -> None:
        try:
            if file.dirty:
                os.fdatasync(file.handle)
        finally:
            os.close(file.handle)


def serve(settings: Settings, incoming: int = 0, outgoing: int = 1) -> int:
    """Speak omprog's protocol until the pipe ends: OK once ready, then one answer a line."""
    syslog.openlog("pve-audit-collector", syslog.LOG_PID, syslog.LOG_DAEMON)
    os.umask(0o027)
    writer = Writer(settings)
    os.write(outgoing, b"OK\n")
    selector = selectors.DefaultSelector()
    selector.register(incoming, selectors.EVENT_READ)
    buffer = b""
    last_idle = time.monotonic()
    while True:
        if time.monotonic() - last_idle >= 1.0 or not selector.select(timeout=1.0):
            last_idle = time.monotonic()
            _quietly(writer.idle)
            continue
        chunk = os.read(incoming, 1 << 20)
        if not chunk:
            _quietly(writer.close)
            return 0
        *lines, buffer = (buffer + chunk).split(b"\n")
        for line in lines:
            os.write(outgoing, answer(writer, line))


def answer(writer: Writer, line: bytes) -> bytes:
    """`OK`, or why rsyslog must offer the line again."""
    try:
        writer.take(line)
    except OSError as error:
        return f"Error: {error.strerror or error}\n".encode("utf-8", "replace")
    except ValueError as error:
        # Our own template made the line, so this is our fault; the line is not lost, the journal shows it.
        syslog.syslog(syslog.LOG_ERR, f"a record that is not JSON was passed over: {error}: {line[:2000]!r}")
    return b"OK\n"


def _quietly(action: Callable[[], Any]) -> None:
    try:
        action()
    except OSError as error:
        print(error, file=sys.stderr)
        syslog.syslog(syslog.LOG_ERR, f"the archive could not be written to disk: {error}")
