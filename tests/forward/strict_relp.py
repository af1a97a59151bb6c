# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A strict RELP collector for the tests of the forwarder: it checks every byte, and fails in the ways it is told to."""

from __future__ import annotations

import re
import socket
import threading
import time
from dataclasses import dataclass, field

_HEADER = re.compile(rb"(\d{1,9}) ([a-z]+) (\d+)([ \n])")


@dataclass
class Misbehaviour:
    """What goes wrong: each counts messages over all connections."""

    drop_after: tuple[int, ...] = ()  # close the connection instead of answering this message
    refuse: tuple[int, ...] = ()  # answer 500
    silent_from: int | None = None  # never answer again on this connection, once
    late: float = 0.0  # seconds before each answer
    reverse: int = 0  # answer in groups of so many, the last one first
    hang_up_at_open: int = 0  # connections that are closed before the session is open


@dataclass
class StrictRelp:
    """`messages` are the acknowledged ones, `received` all; `mistakes` must stay empty."""

    plan: Misbehaviour = field(default_factory=Misbehaviour)
    messages: list[bytes] = field(default_factory=list)
    received: list[bytes] = field(default_factory=list)
    mistakes: list[str] = field(default_factory=list)
    connections: int = 0
    closed_politely: int = 0

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def end(self) -> None:
        """Close everything."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            connection.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _address = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            if self.connections > self.plan.hang_up_at_open:
                self._session(connection)
        except (OSError, EOFError):
            pass
        finally:
            connection.close()

    def _session(self, connection: socket.socket) -> None:
        stream = connection.makefile("rb")
        number, command, data = self._frame(stream)
        if (number, command) != (1, b"open") or b"relp_version=0\n" not in data or b"commands=syslog" not in data:
            self.mistakes.append(f"bad open: {number} {command!r} {data!r}")
        answer = b"200 OK\nrelp_version=0\nrelp_software=strict\ncommands=syslog"
        connection.sendall(b"%d rsp %d %s\n" % (number, len(answer), answer))
        waiting: list[tuple[int, bytes]] = []
        expected = 2
        silent = False
        while True:
            number, command, data = self._frame(stream)
            if number != expected:
                self.mistakes.append(f"number {number} instead of {expected}")
            expected += 1
            if command == b"close":
                self.closed_politely += 1
                return
            if command != b"syslog":
                self.mistakes.append(f"command {command!r}")
            self.received.append(data)
            count = len(self.received)
            if count in self.plan.drop_after:
                return
            if count == self.plan.silent_from:
                self.plan.silent_from, silent = None, True
            if not silent:
                waiting.append((number, data))
                if len(waiting) >= max(1, self.plan.reverse):
                    self._answer(connection, waiting)

    def _answer(self, connection: socket.socket, waiting: list[tuple[int, bytes]]) -> None:
        time.sleep(self.plan.late)
        for number, data in reversed(waiting):
            refused = len(self.received) in self.plan.refuse
            if not refused:
                self.messages.append(data)
            connection.sendall(b"%d rsp %s\n" % (number, b"9 500 error" if refused else b"6 200 OK"))
        waiting.clear()

    def _frame(self, stream: object) -> tuple[int, bytes, bytes]:
        """One frame, every byte as the protocol has it. Raises EOFError."""
        read = stream.read  # type: ignore[attr-defined]
        header = b""
        while not _HEADER.fullmatch(header):
            byte = read(1)
            if not byte:
                raise EOFError
            header += byte
            if len(header) > 60:
                self.mistakes.append(f"bad header {header!r}")
                raise EOFError
        found = _HEADER.fullmatch(header)
        assert found
        length = int(found[3])
        if found[4] == b"\n":
            return int(found[1]), found[2], b""
        data = read(length)
        if len(data) < length:
            raise EOFError
        if read(1) != b"\n":
            self.mistakes.append("a frame does not end where it says")
        return int(found[1]), found[2], data
