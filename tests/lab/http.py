# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A request and an answer, without the network."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass, field
from email.utils import formatdate

JSON_TYPE = "application/json;charset=UTF-8"
COMPRESS_ABOVE = 1024


_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def compact(data: object) -> str:
    """JSON without spaces, characters as they are, as PVE writes it."""
    return _ENCODER.encode(data)


@dataclass(frozen=True, slots=True)
class Request:
    """`path` is the undecoded path, `headers` have lower-case names."""

    method: str
    path: str
    query: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    def accepts_gzip(self) -> bool:
        """The client can read gzip (PVE only looks for the word)."""
        return "gzip" in self.headers.get("accept-encoding", "")


@dataclass(slots=True)
class Answer:
    """`packed` is the gzip form of `body`, made when first needed; `delay` in seconds before it is sent."""

    status: int
    reason: str
    body: bytes = b""
    content_type: str | None = JSON_TYPE
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    compress: bool = True
    packed: bytes | None = None

    def _content(self, accept_gzip: bool) -> tuple[bytes, bool]:
        if not (accept_gzip and self.compress and len(self.body) > COMPRESS_ABOVE):
            return self.body, False
        if self.packed is None:
            self.packed = gzip.compress(self.body, compresslevel=1)
        return self.packed, True

    def encode(self, *, accept_gzip: bool, keep_alive: bool, head: bool = False) -> bytes:
        """The bytes on the wire. An answer without a body has no Content-Length and closes, as in PVE (AnyEvent.pm)."""
        content, packed = self._content(accept_gzip)
        date = formatdate(usegmt=True)
        reason = self.reason.split("\n", 1)[0]
        lines = [
            f"HTTP/1.1 {self.status} {reason}",
            "Cache-Control: max-age=0",
            f"Connection: {'Keep-Alive' if keep_alive else 'close'}",
            f"Date: {date}",
            "Pragma: no-cache",
            "Server: pve-api-daemon/3.0",
            f"Expires: {date}",
        ]
        if self.content_type:
            lines.append(f"Content-Type: {self.content_type}")
        lines.extend(f"{name}: {value}" for name, value in self.headers.items())
        if packed:
            lines.append("Content-Encoding: gzip")
        if content or keep_alive:
            lines.append(f"Content-Length: {len(content)}")
        wire = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")
        return wire if head else wire + content
