# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which connections have sent less than a hello, as ss(8) of iproute2 6.1 and 6.15 tells it."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from pve_audit.collector.handshakes import Connection, close_idle, quiet

ROWS = [
    ("0 0 192.0.2.1:20514 198.51.100.9:40000 cubic wscale:7,7 rto:201 segs_in:2", (20514, "198.51.100.9", 40000)),
    ("5 0 192.0.2.1:20514 198.51.100.9:40001 cubic bytes_received:599 segs_in:2", (20514, "198.51.100.9", 40001)),
    ("0 0 192.0.2.1:20514 198.51.100.9:40002 cubic bytes_received:600 segs_in:2", None),
    ("0 0 [::ffff:192.0.2.1]:20514 [::ffff:198.51.100.9]:40003 cubic", (20514, "::ffff:198.51.100.9", 40003)),
    ("0 0 [fe80::1]%eth0:20514 [fe80::2]%eth0:40004 cubic", (20514, "fe80::2", 40004)),
    ("State Recv-Q", None),
    ("0 0 *:20514 *:*", None),
    ("", None),
]


@pytest.mark.parametrize(("row", "expected"), ROWS)
def test_a_row_of_the_table(row: str, expected: tuple[int, str, int] | None) -> None:
    assert quiet(row) == ({Connection(*expected)} if expected else set())


def test_only_who_is_quiet_in_both_looks_is_closed() -> None:
    asked: list[list[str]] = []
    looks = iter(["\n".join(ROWS[place][0] for place in places) for places in ((0, 1), (1, 3))])

    def ss(arguments: Iterable[str]) -> str:
        asked.append(list(arguments))
        return next(looks) if "-K" not in asked[-1] else ""

    assert close_idle(["20514"], 0, ss) == [Connection(20514, "198.51.100.9", 40001)]
    assert [one[-1] for one in asked[2:]] == ["sport = :20514 and dst 198.51.100.9:40001"]


def test_without_listeners_nothing_is_asked() -> None:
    assert close_idle([], 0, lambda _arguments: pytest.fail("asked")) == []
