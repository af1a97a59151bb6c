# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Times, users, severities and coverage of the model."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.pve.audit.plugins.module_utils._model import time as times
from ansible_collections.pve.audit.plugins.module_utils._model.coverage import Coverage, incomplete_sentence
from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._model.event import get_field, require_events
from ansible_collections.pve.audit.plugins.module_utils._model.finding import check_severity, finding_id


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("90s", 90),
        ("10m", 600),
        ("36h", 129_600),
        ("7d", 604_800),
        ("2w", 1_209_600),
        ("1h30m", 5400),
        (600, 600),
        ("6", 6),
    ],
)
def test_durations(value: object, seconds: int) -> None:
    assert times.parse_duration(value) == seconds


@pytest.mark.parametrize("value", ["", "m", "-5m", "5 m", "5y", "5m!", "10M", 0, -1, True, None, 1.5, [], "٣m"])
def test_what_is_no_duration(value: object) -> None:
    with pytest.raises(InputError, match="is not a length of time: write it as 90s, 10m, 36h, 7d or 2w"):
        times.parse_duration(value)


@given(st.integers(0, 253_402_300_799))
def test_rfc3339_and_back(epoch: int) -> None:
    assert times.to_epoch(times.rfc3339(epoch)) == epoch


def test_microseconds() -> None:
    assert times.rfc3339_us(1_795_452_098_185_390) == "2026-11-23T16:41:38.185390Z"


@pytest.mark.parametrize("epoch", [-1, 253_402_300_800, 1e18])
def test_years_nobody_can_write(epoch: float) -> None:
    with pytest.raises(InputError, match="outside the years"):
        times.rfc3339(epoch)


@given(st.text(max_size=30))
def test_any_text_is_an_instant_or_one_clear_sentence(text: str) -> None:
    try:
        times.parse_instant(text, now=1e9)
    except InputError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (104, "1 min 44 s"),
        (3600, "1 h"),
        (11_100, "3 h 5 min"),
        (187_200, "2 d 4 h"),
    ],
)
def test_lengths_for_people(seconds: float, text: str) -> None:
    assert times.human_duration(seconds) == text


def test_fields() -> None:
    event = {"user": {"name": "alice"}, "tags": ["a"]}
    assert get_field(event, "user.name") == "alice"
    assert [get_field(event, path) for path in ("user.name.first", "tags.a", "nothing", "user.nothing")] == [None] * 4


@pytest.mark.parametrize("value", [None, "text", {"tasks": []}, 7, [{}], [{"event": "x"}], [None]])
def test_what_is_no_list_of_events(value: Any) -> None:
    with pytest.raises(InputError, match=r"pve\.audit\.events"):
        require_events(value)


def test_severities() -> None:
    assert [check_severity(word) for word in ("critical", "High", "informational")] == ["CRITICAL", "HIGH", "INFO"]
    with pytest.raises(InputError, match="severity 'urgent' is unknown: use one of CRITICAL"):
        check_severity("urgent")


def test_finding_ids_tell_rule_group_and_start_apart() -> None:
    ids = {finding_id(rule, {"user.id": user}, start) for rule in "ab" for user in "cd" for start in ("1", "2")}
    assert len(ids) == 8
    assert finding_id("a", {"x": 1, "y": 2}, "1") == finding_id("a", {"y": 2, "x": 1}, "1")


def test_coverage_is_complete_until_there_is_a_reason() -> None:
    entry = Coverage("pve1", start=0, end=10, oldest=5, records=3)
    assert entry.as_dict() == {
        "node": "pve1",
        "source": "pve.task",
        "complete": True,
        "from": "1970-01-01T00:00:00Z",
        "until": "1970-01-01T00:00:10Z",
        "oldest": "1970-01-01T00:00:05Z",
        "records": 3,
        "reasons": [],
    }
    assert incomplete_sentence([entry]) == ""
    entry.add_reason("ring_turned", "reaches back to noon only")
    assert not entry.complete
    assert incomplete_sentence([entry, Coverage("pve2")]) == "Not everything was seen. pve1: reaches back to noon only"
