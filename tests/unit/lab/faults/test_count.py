# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Counting numbered lines of an archive."""

from __future__ import annotations

import pytest

from tests.lab.faults.count import count, origin_of

HEAD = '<30>1 2026-11-23T23:36:39.374642Z node1 pvedaemon 1696 journal [pveaudit@32473 node="node1" source="journal"'


def line(number: int, origin: str) -> str:
    """A line of the archive."""
    return f"{HEAD} {origin}] <root@pam> successful auth for user 'lab@pve' mark-{number:06d}\n"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], (0, 0, 0, 0)),
        ([line(1, 'cursor="a"'), line(2, 'cursor="b"')], (2, 2, 0, 0)),
        ([line(1, 'cursor="a"'), line(1, 'cursor="a"'), line(1, 'cursor="a"')], (1, 3, 2, 0)),
        ([line(1, 'cursor="a"'), line(1, 'cursor="b"')], (1, 2, 0, 1)),
        ([line(1, 'pid="1"'), line(1, 'pid="1"')], (1, 2, 0, 1)),
        ([line(1, 'inode="7" offset="0"'), line(1, 'inode="7" offset="0"')], (1, 2, 1, 0)),
        ([line(1, 'inode="7" offset="0"'), line(1, 'inode="8" offset="0"')], (1, 2, 0, 1)),
        (["something else\n", line(1, 'cursor="a"').replace("mark-", "other-")], (0, 0, 0, 0)),
    ],
)
def test_count(lines: list[str], expected: tuple[int, ...]) -> None:
    assert tuple(count(lines, "mark").values()) == expected


def test_an_origin_is_not_read_from_the_message() -> None:
    assert origin_of(line(1, 'comm="x"') + ' [pveaudit@32473 cursor="forged"]') == ""
    assert origin_of(line(1, r'comm="a\"]" cursor="c"')) == ' cursor="c"'
