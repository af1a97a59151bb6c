# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""RELP, the client's side of the wire: frames, the window, acknowledgements. No sockets here.

A frame is `TXNR SP COMMAND SP DATALEN [SP DATA] LF`; the collector answers each with `TXNR rsp LEN 200 OK`.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass

from pve_audit import VERSION

LAST_NUMBER = 999_999_999
LONGEST_ANSWER = 64 * 1024
_HEADER = re.compile(rb"(\d{1,9}) ([a-zA-Z]{1,32}) (\d{1,9})([ \n])")
_OFFER = f"relp_version=0\nrelp_software=pve_audit_forward,{VERSION}\ncommands=syslog".encode()


class RelpError(Exception):
    """The other side does not speak RELP, or refuses."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame as received."""

    number: int
    command: str
    data: bytes


def encode_frame(number: int, command: str, data: bytes) -> bytes:
    """One frame for the wire."""
    return b"%d %s %d%s\n" % (number, command.encode(), len(data), b" " + data if data else b"")


def take_frame(buffer: bytearray) -> Frame | None:
    """Remove the first whole frame from the buffer. Raises RelpError for what can never become a frame."""
    found = _HEADER.match(buffer)
    if found is None:
        if len(buffer) > 64 or b"\n" in buffer:
            raise RelpError(f"the collector does not speak RELP, it sent {bytes(buffer[:40])!r}")
        return None
    length = int(found[3])
    if length > LONGEST_ANSWER:
        raise RelpError(f"the collector announced an answer of {length} bytes")
    start = found.end() if found[4] == b" " else found.end() - 1
    if length and found[4] == b"\n":
        raise RelpError("the collector sent an answer without its text")
    if len(buffer) < start + length + 1:
        return None
    if buffer[start + length] != 0x0A:
        raise RelpError("the collector sent an answer that is longer than announced")
    frame = Frame(int(found[1]), found[2].decode(), bytes(buffer[start : start + length]))
    del buffer[: start + length + 1]
    return frame


class Window:
    """What was sent and is not yet acknowledged, in order. `token` is whatever the caller wants back."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._number = 0
        self._sent: deque[tuple[int, object, float]] = deque()
        self._waiting: set[int] = set()

    def __len__(self) -> int:
        return len(self._sent)

    @property
    def full(self) -> bool:
        """Whether nothing more may be sent before an acknowledgement arrives."""
        return len(self._sent) >= self.size

    @property
    def oldest(self) -> float | None:
        """When the oldest unacknowledged frame was sent."""
        return self._sent[0][2] if self._sent else None

    def send(self, command: str, data: bytes, token: object, now: float) -> bytes:
        """The frame to put on the wire."""
        self._number = self._number % LAST_NUMBER + 1
        self._sent.append((self._number, token, now))
        self._waiting.add(self._number)
        return encode_frame(self._number, command, data)

    def acknowledge(self, frame: Frame) -> list[object]:
        """The tokens that are now done, in the order they were sent; answers may come in any order.

        Raises RelpError for a refusal, for an answer to nothing, and when the collector says goodbye.
        """
        if frame.command == "serverclose":
            raise RelpError("the collector closes the connection")
        if frame.command != "rsp":
            raise RelpError(f"the collector sent the command {frame.command!r}")
        if frame.data[:4].rstrip() != b"200":
            raise RelpError(f"the collector refused a message: {frame.data[:200].decode(errors='replace')}")
        if frame.number not in self._waiting:
            raise RelpError(f"the collector acknowledged number {frame.number}, which is not waiting")
        self._waiting.discard(frame.number)
        done: list[object] = []
        while self._sent and self._sent[0][0] not in self._waiting:
            done.append(self._sent.popleft()[1])
        return done


def offer() -> bytes:
    """The data of the `open` command."""
    return _OFFER


def check_offer(answer: bytes) -> None:
    """Raises RelpError unless the collector accepts messages."""
    if answer[:4].rstrip() != b"200":
        raise RelpError(f"the collector refused the session: {answer[:200].decode(errors='replace')}")
    commands = [line[9:].split(b",") for line in answer.split(b"\n") if line.startswith(b"commands=")]
    if not commands or b"syslog" not in commands[0]:
        raise RelpError("the collector offers no command to receive log messages")
