# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The finder of gaps against a plain oracle."""

from __future__ import annotations

import itertools
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pve_audit.collector.gaps import Tally, missing_bytes, missing_numbers, report
from tests.unit.roles._programs.collector.conftest import entry, span


@given(st.lists(st.integers(0, 300), max_size=200))
def test_missing_numbers_are_those_of_the_oracle(numbers: list[int]) -> None:
    missing, duplicates = missing_numbers(numbers)
    found = {number for start, end in missing for number in range(start, end + 1)}
    whole = set(range(min(numbers), max(numbers) + 1)) if numbers else set()
    assert found == whole - set(numbers)
    assert duplicates == len(numbers) - len(set(numbers))
    assert all(end + 1 < start for (_, end), (start, _) in itertools.pairwise(missing))


@given(st.lists(st.integers(1, 40), min_size=1, max_size=60), st.data())
def test_missing_bytes_are_those_of_the_lost_lines(lengths: list[int], data: st.DataObject) -> None:
    offsets = [sum(lengths[:number]) for number in range(len(lengths))]
    kept = data.draw(st.sets(st.integers(0, len(lengths) - 1), min_size=1))
    again = data.draw(st.lists(st.sampled_from(sorted(kept))))
    order = data.draw(st.permutations([*kept, *again]))
    missing, duplicates = missing_bytes([(offsets[one], lengths[one], lengths[one]) for one in order])
    found = {byte for start, end in missing for byte in range(start, end + 1)}
    lost = [one for one in range(min(kept), max(kept)) if one not in kept]
    assert found == {byte for one in lost for byte in range(offsets[one], offsets[one] + lengths[one])}
    assert duplicates == len(again)


def tally_of(*lines: bytes, source: str = "journal") -> dict[str, Any]:
    tally = Tally()
    for line in lines:
        tally.add("pve1", source, line + b"\n")
    return report(tally)


def test_a_journal_with_a_gap_and_a_duplicate() -> None:
    result = tally_of(*(entry(number) for number in (16, 17, 17, 20, 22)), entry(5, journal="bb"))
    first, second = result["journals"]
    assert not result["complete"]
    assert (first["first"], first["last"], first["duplicates"], first["missing"]) == (16, 22, 1, [[18, 19], [21, 21]])
    assert (second["journal"], second["missing"]) == ("bb", [])


def test_a_journal_that_is_sent_in_part_proves_nothing() -> None:
    assert tally_of(entry(1), entry(9, more=' filtered="true"'))["complete"]


def test_parts_of_a_split_line_are_one_line() -> None:
    parts = [entry(7, more=f' part="{part}/3"') for part in (1, 2, 3)]
    assert tally_of(entry(6), *parts, entry(8))["complete"]
    lost = tally_of(entry(6), parts[0], parts[2], entry(8))
    assert not lost["complete"]
    assert lost["journals"][0]["missing_parts"] == {"7": ["2/3"]}


def test_a_file_with_a_lost_line() -> None:
    lines = ["GET /one", "GET /two", "GET /three"]
    offsets = [0, 9, 18]
    whole = [span(offset, text) for offset, text in zip(offsets, lines, strict=True)]
    assert tally_of(*whole, source="access.log")["complete"]
    lost = tally_of(whole[0], whole[2], source="access.log")
    assert not lost["complete"]
    start, end = lost["files"][0]["missing"][0]
    assert 9 <= start <= 10 and end == 17


def test_an_escaped_character_is_no_gap() -> None:
    """rsyslog and the forwarder write a control character as four."""
    assert tally_of(span(0, "tab#011here"), span(9, "next"), source="access.log")["complete"]


def test_what_cannot_be_read_is_counted() -> None:
    result = tally_of(b"torn li", entry(1))
    assert result["unreadable"] == 1
    assert not result["complete"]
