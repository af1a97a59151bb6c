# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which lines of an access log decide something, told from their bytes: most are reads that nobody has to parse.

Every line that changes something, is refused, or is damaged is kept. Of the reads of one client and user those stay
that prove where the user was: the first in ten minutes (of a token, in a day), and the first after each login from
there. In a small log all stay.
"""

from __future__ import annotations

from collections.abc import Collection

_REQUEST = b'] "'
_READS = (b"GET ", b"HEAD ", b"OPTIONS ")
_TICKET = b"/access/ticket"
# How much of [23/11/2026:02:13:05 is the same for so long.
_DAY, _TEN_MINUTES = 12, 17


class AccessSieve:
    """Keeps state over the lines of one node, in order of time. `days` are dates as the log writes them, or empty."""

    def __init__(self, *, thin: bool, days: Collection[bytes] = ()) -> None:
        self._thin = thin
        self._days = frozenset(days)
        self._seen: dict[bytes, bytes] = {}

    def wants(self, line: bytes) -> bool:
        """Whether the line has to be parsed. It may be carried in a line of the archive."""
        request = line.find(_REQUEST)
        if request < 0 or (begin := line.rfind(b" [", 0, request)) < 0:
            return True
        if self._days and line[begin + 2 : begin + 12] not in self._days:
            return False
        if not self._thin:
            return True
        start = line.rfind(b"] ", 0, begin) + 2 if line.startswith(b"<") else 0
        head = line[start:begin]
        if not line.startswith(_READS, request + 3):
            self._forget(head, line)
            return True
        if line.find(_REQUEST, request + 3) >= 0 or b"\0" in line or b'" 401 ' in line:
            return True
        return self._is_first(head, line, begin)

    def _forget(self, head: bytes, line: bytes) -> None:
        """After a login the next read of each user from this address counts anew."""
        if _TICKET in line:
            client = head[: head.find(b" ") + 1]
            for one in [one for one in self._seen if one.startswith(client)]:
                del self._seen[one]

    def _is_first(self, head: bytes, line: bytes, begin: int) -> bool:
        """Whether it is the first of its client and user in ten minutes; of a token, which never logs in, in a day."""
        bucket = line[begin + 1 : begin + (_DAY if b"!" in head else _TEN_MINUTES)]
        if self._seen.get(head) == bucket or head.endswith(b" -"):
            return False
        self._seen[head] = bucket
        return True
