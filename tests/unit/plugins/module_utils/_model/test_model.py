# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Times, users, severities and coverage of the model."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.pve.audit.plugins.module_utils._model import time as times
from ansible_collections.pve.audit.plugins.module_utils._model.coverage import (
    SOURCES_OF_EVIDENCE,
    UNEXPLAINED,
    Coverage,
    incomplete_sentence,
    not_looked_at,
)
from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._model.event import (
    event_time,
    get_field,
    require_events,
    unique_events,
)
from ansible_collections.pve.audit.plugins.module_utils._model.finding import Finding, finding_id
from ansible_collections.pve.audit.plugins.module_utils._model.severity import check_severity
from ansible_collections.pve.audit.plugins.module_utils._model.shape import read_list


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


def unanswered(source: str) -> Coverage:
    """A row of a source that was asked in vain."""
    entry = Coverage("pve1", source)
    entry.add_reason("timed_out", "no answer")
    return entry


@pytest.mark.parametrize(
    ("coverage", "left"),
    [
        ([], ["pve.task", "pve.access", "pve.auth", "linux.auth", "pve.config"]),
        ([Coverage("pve1"), Coverage("pve2")], ["pve.access", "pve.auth", "linux.auth", "pve.config"]),
        ([unanswered("pve.auth"), Coverage("pve1")], ["pve.access", "linux.auth", "pve.config"]),
        ([Coverage("pve1", name) for name in SOURCES_OF_EVIDENCE], []),
        ([Coverage("pve1", "a source of somebody else")], list(SOURCES_OF_EVIDENCE)),
    ],
)
def test_a_source_without_a_row_was_not_looked_at(coverage: list[Coverage], left: list[str]) -> None:
    assert not_looked_at(coverage) == left


FINDING: dict[str, Any] = {
    "id": "r-1",
    "rule": "r",
    "title": "A rule",
    "severity": "HIGH",
    "type": "event_count",
    "sentence": "It happened.",
    "start": "2026-11-20T10:00:00Z",
    "end": "2026-11-20T10:00:00Z",
    "count": 1,
    "total": 2,
    "values": [100],
    "group": {"user.id": "alice@pve", "pve.token": None},
    "nodes": ["pve1"],
    "event_ids": ["UPID:1"],
    "actors": ["alice@pve!ci"],
    "young": 1,
    "unknown": 0,
    "related": ["r-2"],
    "remedy": "",
}
ROW: dict[str, Any] = Coverage("pve1", start=0, end=10, oldest=5, records=3).as_dict()


def without(data: dict[str, Any], *keys: str) -> dict[str, Any]:
    """The data without some keys."""
    return {key: value for key, value in data.items() if key not in keys}


@pytest.mark.parametrize(
    ("data", "made"),
    [
        (FINDING, FINDING),
        (without(FINDING, "type", "remedy"), FINDING),
        (without(FINDING, "actors", "young", "related"), {**FINDING, "actors": [], "young": 0, "related": []}),
        ({**FINDING, "link": "https://example.com", "count": "1"}, FINDING),
    ],
)
def test_a_finding_from_data_and_back(data: dict[str, Any], made: dict[str, Any]) -> None:
    assert list(Finding.from_dict(data).as_dict().items()) == list(made.items())


@pytest.mark.parametrize(
    ("data", "made"),
    [
        (ROW, ROW),
        (without(ROW, "source", "reasons", "oldest"), {**ROW, "oldest": None}),
        ({"node": "pve1", "complete": True}, Coverage("pve1").as_dict()),
        ({**ROW, "complete": False}, {**ROW, "complete": False, "reasons": [UNEXPLAINED]}),
        ({**ROW, "complete": "yes"}, {**ROW, "complete": False, "reasons": [UNEXPLAINED]}),
        ({**ROW, "from": "1970-01-01T01:00:00+01:00"}, ROW),
        ({**ROW, "damaged": 2}, {**ROW, "damaged": 2}),
        ({**ROW, "damaged": 0}, ROW),
    ],
)
def test_coverage_from_data_and_back(data: dict[str, Any], made: dict[str, Any]) -> None:
    assert Coverage.from_dict(data).as_dict() == made


WRONG: list[tuple[Any, Any, str]] = [
    (Finding, "text", "findings must be a list, not str"),
    (Finding, {}, "findings must be a list, not dict"),
    (Finding, [7], "item 1 of the findings is a int, not a finding: build findings with"),
    (Finding, [FINDING, {"id": "x"}], "item 2 of the findings (x) has no rule: build findings with"),
    *[(Finding, [without(FINDING, key)], f"(r-1) has no {key}: ") for key in ("group", "title", "nodes", "event_ids")],
    (Finding, [without(FINDING, "id")], "item 1 of the findings has no id: "),
    (Finding, [{**FINDING, "group": ["alice@pve"]}], "(r-1): group must be a map, not ['alice@pve']: "),
    (
        Finding,
        [{**FINDING, "severity": "HUGE"}],
        "must be one of CRITICAL, HIGH, MEDIUM, LOW, INFO, not 'HUGE'",
    ),
    (Finding, [{**FINDING, "severity": []}], "severity must be one of CRITICAL"),
    (Finding, [{**FINDING, "start": "noon"}], "start must be an RFC 3339 time such as"),
    (Finding, [{**FINDING, "count": -1}], "count must be a whole number, not -1"),
    (Finding, [{**FINDING, "count": True}], "count must be a whole number, not True"),
    (Finding, [{**FINDING, "nodes": "pve1"}], "nodes must be a list of texts, not 'pve1'"),
    (Finding, [{**FINDING, "values": {}}], "values must be a list, not {}"),
    (Finding, [{**FINDING, "title": None}], "title must be a text, not None"),
    (Coverage, [{"node": "pve1"}], "item 1 of the coverage is not a coverage row: take `coverage` of the module"),
    (Coverage, [ROW, None], "item 2 of the coverage is not a coverage row"),
    (Coverage, [{**ROW, "node": 7}], "item 1 of the coverage: node must be a text, not 7"),
    (Coverage, [{**ROW, "from": "noon"}], "from must be an RFC 3339 time"),
    (Coverage, [{**ROW, "reasons": ["x"]}], "reasons must be a list of maps with code and message, not ['x']"),
]


@pytest.mark.parametrize(("noun", "value", "sentence"), WRONG)
def test_a_wrong_shape_is_one_sentence(noun: Any, value: Any, sentence: str) -> None:
    name = "findings" if noun is Finding else "coverage"
    with pytest.raises(InputError) as error:
        read_list(value, name, noun.from_dict)
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "epoch"),
    [
        ("2026-11-23T17:40:33Z", 1_795_455_633.0),
        ("2026-11-23T17:40:33", 1_795_455_633.0),
        ("2026-11-23T18:40:33+01:00", 1_795_455_633.0),
        ("2026-11-23T17:40:33.500000Z", 1_795_455_633.5),
        ("2026-11-23T17:40:99Z", None),
        ("2026-13-23T17:40:33Z", None),
        ("noon", None),
        (None, None),
        (7, None),
    ],
)
def test_the_time_of_an_event(text: Any, epoch: float | None) -> None:
    assert event_time({"@timestamp": text}) == epoch
    assert event_time({}) is None


def record(identity: object, state: str = "ok", status: str | None = None, **about: Any) -> dict[str, Any]:
    """A record of a task."""
    facts = {"state": state} if status is None else {"state": state, "status": status}
    return {"event": {"id": identity, "kind": "event", "dataset": "pve.task"} | about, "pve": facts}


RUNNING, UNKNOWN, ENDED = record("a", "running", "RUNNING"), record("a", "unknown"), record("a", "unknown", end="x")
WHOLE, LATER = record("a", "ok", "OK", end="x"), record("a", "ok", "OK", end="y")
ACCESS, NAMELESS, BROKEN = record("b", dataset="pve.access"), record(None), record("a", kind="pipeline_error")


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ([], []),
        ([RUNNING, UNKNOWN], [UNKNOWN]),
        ([ENDED, UNKNOWN, RUNNING], [ENDED]),
        ([RUNNING, ACCESS, WHOLE], [WHOLE, ACCESS]),
        ([ENDED, WHOLE], [WHOLE]),
        ([WHOLE, LATER], [WHOLE]),
        ([BROKEN, WHOLE], [WHOLE]),
        ([ACCESS, record("b", dataset="pve.access")], [ACCESS]),
        ([NAMELESS, NAMELESS], [NAMELESS, NAMELESS]),
        ([record(7), record("")], [record(7), record("")]),
    ],
)
def test_of_two_records_of_one_event_the_one_that_tells_more_wins(given: list[Any], kept: list[Any]) -> None:
    assert unique_events(given) == kept


ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Casablanca")
BERLIN = times.zone("Europe/Berlin")
# A time of day, the instants for `since` and for `until`, and how often the clocks show it.
WALLS = [
    ("2026-10-25 02:30", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "comes twice"),
    ("2026-10-25T02:00:00", "2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z", "comes twice"),
    ("2026-10-25 03:00", "2026-10-25T02:00:00Z", "2026-10-25T02:00:00Z", ""),
    ("2026-03-29 02:30", "2026-03-29T00:30:00Z", "2026-03-29T01:30:00Z", "never comes"),
    ("2026-03-29 03:00", "2026-03-29T01:00:00Z", "2026-03-29T01:00:00Z", ""),
    ("2026-10-25T02:30:00+01:00", "2026-10-25T01:30:00Z", "2026-10-25T01:30:00Z", ""),
    ("2026-10-25", "2026-10-24T22:00:00Z", "2026-10-24T22:00:00Z", ""),
    ("1795456000", "2026-11-23T17:46:40Z", "2026-11-23T17:46:40Z", ""),
]


@pytest.mark.parametrize(("text", "since", "until", "often"), WALLS)
def test_a_doubtful_time_makes_the_interval_longer(text: str, since: str, until: str, often: str) -> None:
    read = [times.parse_instant(text, now=1e9, tz=BERLIN, latest=latest) for latest in (False, True)]
    assert [times.rfc3339(instant) for instant in read] == [since, until]
    doubt = times.doubtful_time(text, BERLIN)
    assert f" {often} in Europe/Berlin, " in doubt if often else not doubt


# The first second of a date where clocks change at midnight: it never comes in Cairo, and comes twice in Havana.
@pytest.mark.parametrize(
    ("text", "name", "instant"),
    [
        ("2026-04-24", "Africa/Cairo", "2026-04-23T22:00:00Z"),
        ("2026-11-01", "America/Havana", "2026-11-01T04:00:00Z"),
        ("2026-10-25", "Europe/Berlin", "2026-10-24T22:00:00Z"),
    ],
)
@pytest.mark.parametrize("latest", [False, True])
def test_a_date_is_its_first_second(text: str, name: str, instant: str, latest: bool) -> None:
    tz = times.zone(name)
    assert times.rfc3339(times.parse_instant(text, now=1e9, tz=tz, latest=latest)) == instant
    assert times.doubtful_time(text, tz) == ""


@given(st.datetimes(min_value=datetime(1990, 1, 1), max_value=datetime(2090, 1, 1)), st.sampled_from(ZONES))
def test_since_is_never_after_until(wall: datetime, name: str) -> None:
    tz = times.zone(name)
    early, late = (times.parse_instant(wall.isoformat(), now=1e9, tz=tz, latest=latest) for latest in (False, True))
    assert early <= late
    assert (early != late) is bool(times.doubtful_time(wall.isoformat(), tz))


@pytest.mark.parametrize("value", [20261124, "20261124", 2026, 202611, 202611240800, "99999999", -1, "4102444801", 1.5])
def test_a_number_that_may_be_a_date_is_refused(value: object) -> None:
    with pytest.raises(InputError, match="write a date as 2026-11-24"):
        times.parse_instant(value, now=1e9)


@pytest.mark.parametrize(
    ("value", "epoch"), [(0, 0), ("0", 0), (1795456000, 1795456000), ("1795456000.5", 1795456000.5)]
)
def test_an_epoch_is_taken(value: object, epoch: float) -> None:
    assert times.parse_instant(value, now=1e9) == epoch
