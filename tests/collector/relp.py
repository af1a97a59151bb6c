# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small RELP client, and one for syslog over TLS."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

OFFER = b"relp_version=0\nrelp_software=test\ncommands=syslog"


def connect(port: int, pki: Path | None, name: str, timeout: float = 5.0, source: str = "127.0.0.1") -> socket.socket:
    """A connection with the certificate `name` (none when empty), or without TLS when there is no pki."""
    plain = socket.create_connection(("127.0.0.1", port), timeout, source_address=(source, 0))
    if pki is None:
        return plain
    context = ssl.create_default_context(cafile=str(pki / "ca.pem"))
    if name:
        context.load_cert_chain(str(pki / f"{name}.pem"), str(pki / f"{name}.key"))
    return context.wrap_socket(plain, server_hostname="collector")


class Relp:
    """One session. `send` returns the number of the frame, `answer` the number that was acknowledged."""

    def __init__(self, port: int, pki: Path | None, name: str, timeout: float = 5.0, source: str = "127.0.0.1") -> None:
        self.socket = connect(port, pki, name, timeout, source)
        self._stream = self.socket.makefile("rb")
        self._number = 0
        self._send(b"open", OFFER)
        self.answer()

    def _send(self, command: bytes, data: bytes) -> int:
        self._number += 1
        self.socket.sendall(b"%d %s %d %s\n" % (self._number, command, len(data), data))
        return self._number

    def send(self, line: bytes) -> int:
        return self._send(b"syslog", line)

    def answer(self) -> int:
        """Raises ConnectionError when the collector hangs up or refuses."""
        head = b""
        while head.count(b" ") < 3:
            byte = self._stream.read(1)
            if not byte:
                raise ConnectionError("the collector hung up")
            head += byte
            if head.endswith(b"\n"):
                raise ConnectionError(f"the collector says {head!r}")
        number, command, length, _ = head.split(b" ")
        data = self._stream.read(int(length) + 1)
        if command != b"rsp" or not data.startswith(b"200"):
            raise ConnectionError(f"the collector says {command!r} {data!r}")
        return int(number)

    def log(self, line: bytes) -> None:
        """Send, and wait for the acknowledgement."""
        number = self.send(line)
        assert self.answer() == number
