# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lines between node and collector, RFC 5424 both ways: text to bytes, and bytes to text. Pure.

Everything that comes from a log, or over the network, is hostile here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

SD_ID = "pveaudit@32473"
# The source by which the forwarder says that it lives.
HEARTBEAT = "heartbeat"
MIN_PART = 512
MOST_PARTS = 99_999
MOST_OFFSET = 1 << 62
_NOT_NAME = re.compile(r"[^!-~]")
_CONTROL = {code: f"#{code:03o}" for code in (*range(0x20), 0x7F)}
_SD_ESCAPES = {**_CONTROL, ord("\\"): "\\\\", ord('"'): '\\"', ord("]"): "\\]"}
_HEADER = re.compile(r"<\d{1,3}>1 (\S+) (\S+) \S+ \S+ \S+ ")
_PARAM = re.compile(r' ([!#-<>-\\^-~]{1,32})="((?:\\.|[^"\\\]])*)"', re.DOTALL)
_ELEMENT = re.compile(r'\[[!#-<>-\\^-~]{1,32}(?: [!#-<>-\\^-~]{1,32}="(?:\\.|[^"\\\]])*")*\]', re.DOTALL)
_CURSOR = re.compile(r"s=([0-9a-f]{1,32});i=([0-9a-f]{1,16})(?:;|$)")
_PART = re.compile(r"([0-9]{1,5})/([0-9]{1,5})")


@dataclass(frozen=True, slots=True)
class Message:
    """One log line with its origin; `params` are the values of the structured data, in order."""

    node: str
    source: str
    text: str
    micros: int
    app: str = ""
    procid: str = ""
    facility: int = 3
    severity: int = 6
    params: Mapping[str, str] = field(default_factory=dict)


def encode(message: Message, frame_bytes: int) -> list[bytes]:
    """The message as RFC 5424, in pieces of at most `frame_bytes`; those of a long text carry `part="2/3"`.

    Control characters become `#ooo` (octal), the way rsyslog writes them, so a line break cannot forge a line.
    """
    body = message.text.translate(_CONTROL).encode("utf-8", "backslashreplace")
    head = _head(message, "")
    if len(head) + 1 + len(body) <= frame_bytes:
        return [head + b" " + body]
    room = max(MIN_PART, frame_bytes - len(head) - len(f' part="{MOST_PARTS}/{MOST_PARTS}"') - 1)
    pieces = list(_split(body, room))
    return [_head(message, f"{number}/{len(pieces)}") + b" " + piece for number, piece in enumerate(pieces, 1)]


def _head(message: Message, part: str) -> bytes:
    params = {"node": message.node, "source": message.source, **message.params}
    if part:
        params["part"] = part
    data = "".join(f' {name}="{escape(value)}"' for name, value in params.items())
    facility = message.facility if 0 <= message.facility <= 23 else 3
    severity = message.severity if 0 <= message.severity <= 7 else 6
    names = (name_of(message.node, 255), name_of(message.app, 48), name_of(message.procid, 128))
    text = f"<{facility * 8 + severity}>1 {timestamp(message.micros)} {' '.join(names)} {name_of(message.source, 32)}"
    return f"{text} [{SD_ID}{data}]".encode("utf-8", "backslashreplace")


def escape(value: str) -> str:
    """A PARAM-VALUE: quote, backslash and bracket escaped (RFC 5424, 6.3.3), control characters as `#ooo`."""
    return value.translate(_SD_ESCAPES)


def name_of(value: str, longest: int) -> str:
    """A header field: printable ASCII without spaces, or `-` for nothing."""
    return _NOT_NAME.sub("_", value)[:longest] or "-"


def timestamp(micros: int) -> str:
    """Microseconds since the epoch as RFC 3339; `-` for a time that no calendar has."""
    try:
        moment = datetime.fromtimestamp(micros // 1_000_000, UTC).replace(microsecond=micros % 1_000_000)
    except (OverflowError, OSError, ValueError):
        return "-"
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ") if moment.year >= 1000 else "-"


def format_seconds(seconds: float) -> str:
    """Epoch seconds as RFC 3339 without a fraction."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _split(body: bytes, room: int) -> Iterator[bytes]:
    """Cut at UTF-8 borders."""
    start = 0
    while start < len(body):
        end = min(start + room, len(body))
        while end < len(body) and end > start + room - 4 and body[end] & 0xC0 == 0x80:
            end -= 1
        yield body[start:end]
        start = end


@dataclass(frozen=True, slots=True)
class ArchivedLine:
    """A line as the collector received it.

    Of several elements or parameters of one name the first counts, as it did when the line was let in.
    """

    time: str
    host: str
    params: dict[str, str]
    text: str

    @property
    def sequence(self) -> tuple[str, int] | None:
        """The journal's id and the number of the entry in it."""
        found = _CURSOR.match(self.params.get("cursor", ""))
        return (found[1], int(found[2], 16)) if found else None

    @property
    def place(self) -> str | None:
        """What identifies the line at its source: the cursor, or file, inode and offset."""
        if "cursor" in self.params:
            return self.params["cursor"]
        if "offset" in self.params:
            return ":".join(self.params.get(name, "") for name in ("file", "inode", "offset"))
        return None

    @property
    def offset(self) -> int | None:
        """Where in its file the line begins."""
        return parse_number(self.params.get("offset", ""), MOST_OFFSET)

    @property
    def said_length(self) -> int | None:
        """How many bytes the forwarder says the line had, which it does where characters were escaped."""
        return parse_number(self.params.get("length", ""), MOST_OFFSET)

    @property
    def longest(self) -> int:
        """How many bytes the line can have had in its file at most, with its line break: what it shows, or less."""
        shown = len(self.text.encode("utf-8", "surrogateescape")) + (0 if self.params.get("cut") == "true" else 2)
        return shown if self.said_length is None else min(shown, self.said_length)


def parse_number(text: str, most: int) -> int | None:
    """A number in ASCII digits, from 0 to `most`; None for anything else, however long."""
    if not (text.isascii() and text.isdigit() and len(text) <= 20):
        return None
    number = int(text)
    return number if number <= most else None


def parse_part(text: str) -> tuple[int, int] | None:
    """Number and total of a piece of a split line, as `encode` writes it."""
    found = _PART.fullmatch(text)
    if found is None:
        return None
    number, total = int(found[1]), int(found[2])
    return (number, total) if 1 <= number <= total and total > 1 else None


def parse_line(raw: bytes) -> ArchivedLine | None:
    """None for a line that is not RFC 5424 or does not begin its structured data with our element."""
    text = raw.decode("utf-8", "surrogateescape").rstrip("\n")
    header = _HEADER.match(text)
    start = f"[{SD_ID}"
    if header is None or not text.startswith((start + " ", start + "]"), header.end()):
        return None
    first = _ELEMENT.match(text, header.end())
    if first is None:
        return None
    params: dict[str, str] = {}
    for name, value in _PARAM.findall(first[0]):
        params.setdefault(name, re.sub(r'\\(["\\\]])', r"\1", value))
    end = first.end()
    while (more := _ELEMENT.match(text, end)) is not None:
        end = more.end()
    return ArchivedLine(header[1], header[2], params, text[end + 1 :])
