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

from pve_audit.collector.settings import COMPONENT, Settings
from pve_audit.files import open_regular
from pve_audit.wire import format_seconds, parse_line

OTHER = "other"
REPORT_SECONDS = 60.0
Tell = Callable[[str], None]


def check_origin(node: str, raw: bytes) -> tuple[str, str]:
    """(source, "") for a line that the node may send, ("", reason) for one that claims to come from somewhere else."""
    line = parse_line(raw)
    if line is None:
        return "", "the line does not say which node and source it is from"
    claimed = line.params.get("node", "")
    if claimed != node:
        return "", f"the line claims the node {claimed!r}"
    if line.host != node and not line.host.startswith(f"{node}."):
        return "", f"the line claims the host {line.host!r}"
    source = line.params.get("source", "")
    return source if COMPONENT.fullmatch(source) else OTHER, ""


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
    _open: OrderedDict[str, OpenFile] = field(default_factory=OrderedDict)
    _day: str = ""
    _synced: float = 0.0
    _refused: dict[tuple[str, str, str], int] = field(default_factory=dict)
    _told: float = 0.0

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
            self._write(self._place(node, source), raw + b"\n")
        else:
            self._reject(node or "", listener, address, reason, text)
        self._sync_now_and_then()

    def _place(self, node: str, source: str) -> str:
        path = f"{self.settings.archive}/{node}/{source}/{self._day}.log"
        if path in self._open or source == OTHER:
            return path
        directory = Path(path).parent
        if not directory.is_dir():
            sources = len(list(directory.parent.iterdir())) if directory.parent.is_dir() else 0
            if sources >= self.settings.max_sources:
                return f"{self.settings.archive}/{node}/{OTHER}/{self._day}.log"
        return path

    def _reject(self, node: str, listener: str, address: str, reason: str, raw: str) -> None:
        path = Path(self.settings.rejected) / f"{self._day}.jsonl"
        moment = format_seconds(self.clock())
        note = {"time": moment, "peer": node, "listener": listener, "address": address, "reason": reason, "raw": raw}
        self._refused[node, address, reason] = self._refused.get((node, address, reason), 0) + 1
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_size > self.settings.rejected_max_bytes:
                return
        self._write(str(path), json.dumps(note).encode() + b"\n")

    def _write(self, path: str, line: bytes) -> None:
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
        """To be called about once a second: closes yesterday's files, syncs, tells who was rejected."""
        self._turn_day()
        self._sync_now_and_then()
        if self._refused and not 0 <= self.clock() - self._told < REPORT_SECONDS:
            for (node, address, reason), count in list(self._refused.items())[:20]:
                self.tell(f"rejected {count} lines of the peer {node or '?'} at {address}: {reason!r:.200}")
            self._refused.clear()
            self._told = self.clock()

    def close(self) -> None:
        """Sync and close all files."""
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
