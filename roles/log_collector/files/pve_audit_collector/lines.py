# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An archived line: RFC 5424 with the structured data of the node's forwarder. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

SD_ID = "pveaudit@32473"
_HEADER = re.compile(r"<\d{1,3}>1 (\S+) (\S+) \S+ \S+ \S+ ")
_PARAM = re.compile(r' ([!#-<>-\\^-~]{1,32})="((?:\\.|[^"\\\]])*)"', re.DOTALL)
_ELEMENT = re.compile(r'\[[!#-<>-\\^-~]{1,32}(?: [!#-<>-\\^-~]{1,32}="(?:\\.|[^"\\\]])*")*\]', re.DOTALL)
_CURSOR = re.compile(r"s=([0-9a-f]{1,32});i=([0-9a-f]{1,16})(?:;|$)")
_ESCAPED = re.compile(r"#[0-3][0-7]{2}|\\x[0-9a-f]{2}")


@dataclass(frozen=True, slots=True)
class Line:
    """Of several elements or parameters of one name the first counts, as it did when the line was let in."""

    time: str
    host: str
    params: dict[str, str]
    text: str

    @property
    def sequence(self) -> tuple[str, int] | None:
        """The journal's id and the number of the entry in it."""
        found = _CURSOR.search(self.params.get("cursor", ""))
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
    def lengths(self) -> tuple[int, int]:
        """The least and the greatest number of bytes the line can have had in its file, with its line break."""
        if self.params.get("length", "").isascii() and self.params.get("length", "").isdigit():
            exact = int(self.params["length"])
            return exact, exact
        longest = len(self.text.encode("utf-8", "surrogateescape"))
        escapes = sum(len(found) - 1 for found in _ESCAPED.findall(self.text))
        cut = self.params.get("cut") == "true"
        return longest - escapes + (0 if cut else 1), longest + (0 if cut else 2)


def parse_line(raw: bytes) -> Line | None:
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
    return Line(header[1], header[2], params, text[end + 1 :])
