# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Counting numbered lines of an archive."""

from __future__ import annotations

import json

import pytest

from tests.lab.faults.count import count, origin_of, origin_of_entry

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


def entry(number: int, cursor: str) -> str:
    """An entry of a received journal, as journalctl shows it."""
    return json.dumps({"__CURSOR": cursor, "MESSAGE": f"mark-{number:06d}"})


@pytest.mark.parametrize(
    ("cursors", "expected"),
    [
        (["s=1;i=1;b=1;m=1;t=1;x=1", "s=1;i=2;b=1;m=1;t=1;x=1"], (1, 2, 1, 0)),
        (["s=1;i=1;b=1;m=1;t=1;x=1", "s=2;i=1;b=1;m=2;t=1;x=1"], (1, 2, 0, 1)),
    ],
)
def test_count_of_received_entries(cursors: list[str], expected: tuple[int, ...]) -> None:
    """The collector numbers an entry anew each time that it arrives."""
    entries = [entry(1, cursor) for cursor in cursors]
    assert tuple(count(entries, "mark", origin_of_entry).values()) == expected


def test_an_origin_is_not_read_from_the_message() -> None:
    assert origin_of(line(1, 'comm="x"') + ' [pveaudit@32473 cursor="forged"]') == ""
    assert origin_of(line(1, r'comm="a\"]" cursor="c"')) == ' cursor="c"'
