# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal as a source: reads `journalctl -o json`, and knows where it stands by the journal's own cursor.

First everything that is there is read, then journalctl follows. `--follow` alone would be wrong: since systemd 250 it
means `--boot` as well (and in 252 not even `--boot=all` changes that), and what was written before a reboot would be
skipped. So it is only used once the newest entry that was read is one of this boot.
`--cursor` is used, which shows the entry of the cursor again, and not `--after-cursor`: that one silently skips the
next entry when the entry of the cursor is gone (systemd 252, journalctl.c). So a gap is seen and reported.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from pathlib import Path
from typing import Any

from pve_audit.forward.settings import JournalSpec
from pve_audit.forward.source import Position, SourceLine, remark
from pve_audit.wire import Message

LONGEST_ENTRY = 16 * 1024 * 1024
KEPT_OF_HUGE = 128 * 1024
CHUNK = 256 * 1024
RESTART_SECONDS = 2.0
POLL_SECONDS = 1.0
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
UNSET_LOGINUID = "4294967295"
ROOT_UID = "0"
FIELDS = "MESSAGE,PRIORITY,SYSLOG_FACILITY,SYSLOG_IDENTIFIER,SYSLOG_PID,_PID,_COMM,_SYSTEMD_UNIT"
FIELDS += ",_AUDIT_LOGINUID,_AUDIT_SESSION,_UID,_EXE,LEADER"
# A quote inside a value is always written \", so this cannot match inside a hostile message.
_CURSOR = re.compile(rb'"__CURSOR"\s*:\s*"([^"\\]+)"')
_TIME = re.compile(rb'"__REALTIME_TIMESTAMP"\s*:\s*"(\d+)"')
_SEQUENCE = re.compile(r"(?:^|;)s=([0-9a-f]+);i=([0-9a-f]+)(?:;|$)")

Entry = dict[str, Any]


class JournalSource:
    """See source.Source. The place of a line is (cursor, microseconds of the entry)."""

    name = "journal"

    def __init__(self, spec: JournalSpec, node: str) -> None:
        self._spec = spec
        self._node = node
        self._process: subprocess.Popen[bytes] | None = None
        self._lines = LineBuffer()
        self._read: tuple[str, int] = ("", 0)
        self._furthest: tuple[str, int] = ("", 0)
        self._fresh = False
        self._following = False
        self._complete = False
        self._acknowledged: tuple[str, int] = ("", 0)
        self._high_water: tuple[str, int] = ("", 0)
        self._retry_at = 0.0
        self._idle = False
        self._waiting_since = 0

    def open(self, position: Position, high_water: Position) -> None:
        self.close()
        self._acknowledged = _place_of(position)
        self._high_water = _place_of(high_water)
        self._read = self._acknowledged
        self._furthest = self._high_water
        self._complete = False
        self._idle = False
        self._waiting_since = 0
        self._retry_at = 0.0

    def next(self, now: float) -> SourceLine | None:
        """Raises OSError when journalctl cannot be started."""
        if self._process is None:
            if now < self._retry_at:
                return None
            self._start(now)
        filled = False
        while True:
            raw = self._lines.take()
            if raw is not None:
                line = self._line(raw)
                if line is not None:
                    return line
            elif filled:
                return None
            else:
                filled = True
                self._fill(now)

    def acknowledge(self, place: Any) -> None:
        self._acknowledged = place
        self._waiting_since = 0 if place == self._read else place[1]

    def position(self) -> Position:
        cursor, micros = self._acknowledged
        return {"cursor": cursor, "time": micros} if cursor else {}

    def caught_up(self) -> bool:
        return self._acknowledged[0] == self._high_water[0] or self._acknowledged[1] > self._high_water[1]

    def backlog(self) -> dict[str, Any]:
        """`behind_seconds` is the age of the oldest entry that waits, 0 at the end of the journal."""
        figures: dict[str, Any] = self.position()
        if self._waiting_since:
            figures["behind_seconds"] = max(0, time.time_ns() // 1000 - self._waiting_since) / 1e6
        elif self._idle:
            figures["behind_seconds"] = 0.0
        return figures

    def fileno(self) -> int | None:
        return None if self._process is None or self._process.stdout is None else self._process.stdout.fileno()

    def close(self) -> None:
        """End journalctl: while nothing can be sent it would keep deleted journal files open."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            if self._process.stdout is not None:
                self._process.stdout.close()
        self._process = None
        self._lines = LineBuffer()

    def _start(self, now: float) -> None:
        """Start journalctl where reading stopped, also after it has died of itself."""
        self._following = self._complete and self._in_this_boot()
        command = [*self._spec.command, *(["--follow", "--no-tail"] if self._following else [])]
        command += ["--all", "--quiet", "--no-pager", "--output=json"]
        command += [
            f"--output-fields={FIELDS}",
            *([f"--cursor={self._read[0]}"] if self._read[0] else []),
            *self._spec.matches,
        ]
        self._furthest = max(self._furthest, self._read, key=lambda place: place[1])
        self._fresh = True
        self._retry_at = now + RESTART_SECONDS
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        os.set_blocking(self._process.stdout.fileno(), False)  # type: ignore[union-attr]

    def _fill(self, now: float) -> None:
        """Read what journalctl has written, without waiting."""
        try:
            data = os.read(self.fileno() or 0, CHUNK)
        except BlockingIOError:
            self._idle = self._following
            return
        if data:
            self._idle = False
            self._lines.feed(data)
        else:
            self._ended(now)

    def _ended(self, now: float) -> None:
        """journalctl has written everything, and may follow or has to look again; or it has died.

        Raises OSError for the latter; it is started again after a while.
        """
        status = self._process.wait() if self._process is not None else 1
        self._complete = self._idle = status == 0 and not self._following
        self.close()
        if not self._complete:
            self._retry_at = now + RESTART_SECONDS
            raise OSError(f"{self._spec.command[0]} ended with status {status}")
        self._retry_at = now if self._in_this_boot() else now + POLL_SECONDS

    def _in_this_boot(self) -> bool:
        """Whether the last entry read is one of this boot."""
        try:
            boot = BOOT_ID.read_text(encoding="ascii").strip().replace("-", "")
        except OSError:
            return False
        return f";b={boot};" in self._read[0]

    def _line(self, raw: bytes) -> SourceLine | None:
        entry = parse_entry(raw)
        cursor, micros = str(entry.get("__CURSOR", "")), _number(entry.get("__REALTIME_TIMESTAMP"), 0)
        fresh, self._fresh = self._fresh, False
        before, self._read = self._read, (cursor, micros) if cursor else self._read
        if fresh and cursor == before[0]:
            return None
        if fresh and not self._spec.matches and is_gap(self._furthest, (cursor, micros)):
            self._lines.put_back(raw)
            return self._gap(micros)
        self._waiting_since = self._waiting_since or micros
        return SourceLine(message_of(entry, self._node, filtered=bool(self._spec.matches)), self._read)

    def _gap(self, micros: int) -> SourceLine:
        after = self._furthest[0]
        lost = f"the journal no longer holds the entry after {after}: entries between it and the next may be missing"
        return SourceLine(remark(self._node, "journal_hole", lost, micros, after=after))


class LineBuffer:
    """Lines out of chunks; of a line longer than LONGEST_ENTRY only both ends are kept."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._searched = 0
        self._ready: list[bytes] = []

    def feed(self, data: bytes) -> None:
        """Add what was read."""
        self._buffer += data
        if len(self._buffer) > LONGEST_ENTRY and b"\n" not in self._buffer:
            del self._buffer[KEPT_OF_HUGE:-KEPT_OF_HUGE]
            self._searched = 0

    def take(self) -> bytes | None:
        """The next whole line without its end."""
        if self._ready:
            return self._ready.pop()
        end = self._buffer.find(b"\n", self._searched)
        if end < 0:
            self._searched = len(self._buffer)
            return None
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        self._searched = 0
        return line

    def put_back(self, line: bytes) -> None:
        """Return it first from the next `take`."""
        self._ready.append(line)


def parse_entry(raw: bytes) -> Entry:
    """One line of journalctl. One that is not JSON still is a line: its text is kept, and its cursor if it shows."""
    try:
        entry = json.loads(raw)
        if isinstance(entry, dict):
            return entry
    except (ValueError, RecursionError):
        pass
    found: Entry = {"MESSAGE": list(raw[:KEPT_OF_HUGE]), "pve_audit_note": "unreadable_entry"}
    for name, pattern in (("__CURSOR", _CURSOR), ("__REALTIME_TIMESTAMP", _TIME)):
        hits = pattern.findall(raw)
        if hits:
            found[name] = hits[-1].decode("ascii", "replace")
    return found


def message_of(entry: Entry, node: str, filtered: bool = False) -> Message:
    """The entry as a message; values that are missing, of another type or repeated are taken as they come."""
    loginuid = _text(entry.get("_AUDIT_LOGINUID"))
    session = _text(entry.get("_AUDIT_SESSION"))
    uid = _text(entry.get("_UID"))
    pid = _text(entry.get("_PID"))
    comm = _text(entry.get("_COMM"))
    params = {
        "cursor": _text(entry.get("__CURSOR")),
        "pid": pid,
        "comm": comm,
        "loginuid": "" if loginuid == UNSET_LOGINUID else loginuid,
        "session": "" if session == UNSET_LOGINUID else session,
        "leader": _text(entry.get("LEADER")),
        "unit": _text(entry.get("_SYSTEMD_UNIT")),
        # Who wrote it, where it was not root: anybody can write in the name of any program.
        "uid": "" if uid == ROOT_UID else uid,
        "exe": "" if uid == ROOT_UID else _text(entry.get("_EXE")),
        "filtered": "true" if filtered else "",
        "note": _text(entry.get("pve_audit_note")) or ("" if "MESSAGE" in entry else "no_message"),
    }
    return Message(
        node=node,
        source="journal",
        text=_text(entry.get("MESSAGE")),
        micros=_number(entry.get("__REALTIME_TIMESTAMP"), 0),
        app=_text(entry.get("SYSLOG_IDENTIFIER")) or comm,
        procid=pid or _text(entry.get("SYSLOG_PID")),
        facility=_number(entry.get("SYSLOG_FACILITY"), 3),
        severity=_number(entry.get("PRIORITY"), 6),
        params={name: value[:1024] for name, value in params.items() if value},
    )


def is_gap(last: tuple[str, int], found: tuple[str, int]) -> bool:
    """Whether entries may be missing between the furthest (cursor, time) that is known and the first that is found.

    Within one run of sequence numbers that is certain; when journald has begun a new one, only time is left to go by.
    """
    if not last[0]:
        return False
    before, after = _SEQUENCE.search(last[0]), _SEQUENCE.search(found[0])
    if before is None or after is None or before[1] != after[1]:
        return found[1] > last[1]
    return int(after[2], 16) > int(before[2], 16) + 1


def _text(value: Any) -> str:
    """A field as text: journalctl writes bytes as a list of numbers, and a repeated field as a list of both."""
    if value is None:
        return ""
    if not isinstance(value, list):
        return str(value)
    if all(isinstance(byte, int) and 0 <= byte <= 255 for byte in value):
        return bytes(value).decode("utf-8", "backslashreplace")
    return "\n".join(_text(one) for one in value)


def _number(value: Any, default: int) -> int:
    text = _text(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else default


def _place_of(position: Position) -> tuple[str, int]:
    return (str(position.get("cursor", "")), int(position.get("time", 0)))
