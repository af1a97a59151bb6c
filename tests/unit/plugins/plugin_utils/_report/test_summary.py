# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report's model: counted once, in the right zone, and never 'nothing happened' where nothing was seen."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from ansible_collections.pve.audit.plugins.filter.events import events as events_of
from ansible_collections.pve.audit.plugins.module_utils._model.coverage import SOURCES_OF_EVIDENCE, Coverage
from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._model.finding import Finding
from ansible_collections.pve.audit.plugins.module_utils._model.time import rfc3339, to_epoch
from ansible_collections.pve.audit.plugins.plugin_utils._report.summary import summarise
from tests.steps import count_steps

SINCE, UNTIL = "2026-11-16T00:00:00Z", "2026-11-23T00:00:00Z"
WHOLE = Coverage("pve1", start=to_epoch(SINCE), end=to_epoch(UNTIL), records=1)
OFFLINE = Coverage("pve2", reasons=[{"code": "node_offline", "message": "the node is offline"}])


def part(code: str, since: str = SINCE) -> Coverage:
    """A node that was seen from `since` on, with a doubt."""
    return replace(WHOLE, start=to_epoch(since), reasons=[{"code": code, "message": "m"}])


def seen(source: str, node: str = "pve1") -> Coverage:
    """A source that was seen whole on a node."""
    return replace(WHOLE, node=node, source=source)


def call(number: int, user: str | None = "mallory@pve", ip: str = "192.0.2.9", **more: Any) -> dict[str, Any]:
    """A call of the access log, refused unless `more` says otherwise."""
    result = event(number, user=user, **{"outcome": "failure", "action": "access.user.modify", **more})
    result["event"] |= {"id": f"access:{number}", "dataset": "pve.access"}
    del result["pve"]["upid"], result["pve"]["status"]
    return {**result, "source": {"ip": ip}, "http": {"response": {"status_code": 403}}}


def event(
    number: int = 1, at: str | None = "2026-11-20T10:00:00Z", user: str | None = "alice@pve", **more: Any
) -> dict[str, Any]:
    """An event; `more` overrides action, outcome, severity, status, state, node, object, kind."""
    head = {"id": f"UPID:{number}", "kind": more.get("kind", "event"), "dataset": "pve.task"}
    head |= {"action": more.get("action", "guest.start"), "outcome": more.get("outcome", "success")}
    pve = {"upid": f"UPID:{number}", "severity": more.get("severity", "low"), "state": more.get("state", "ok")}
    pve |= {"status": more.get("status", "OK"), "object": more.get("object", "100")}
    result: dict[str, Any] = {"event": head, "pve": pve, "host": {"name": more.get("node", "pve1")}}
    if at:
        result["@timestamp"] = at
    if user:
        result["user"] = {"id": user}
    return result


def finding(severity: str = "HIGH", event_ids: tuple[str, ...] = ("UPID:1",)) -> Finding:
    """A finding of one moment."""
    moment = "2026-11-20T10:00:00Z"
    return Finding(
        id=f"r-{severity}",
        rule="r",
        title="A rule",
        severity=severity,
        sentence="It happened.",
        start=moment,
        end=moment,
        count=1,
        total=1,
        values=[],
        group={},
        nodes=[],
        event_ids=list(event_ids),
    )


def summary(
    events: list[Any],
    findings: Any = (),
    coverage: Any = (WHOLE,),
    zone: str = "UTC",
    since: str | None = SINCE,
) -> dict[str, Any]:
    """The summary of the usual week."""
    return summarise(events, findings, coverage, since=since, until=UNTIL, now=UNTIL, timezone=zone)


VERDICTS = [
    ([], [], [WHOLE], "no_events"),
    ([], [], [WHOLE, OFFLINE], "no_events"),
    ([], [], [OFFLINE], "blind"),
    ([], [], [], "blind"),
    ([event()], [], [WHOLE], "no_findings"),
    ([event()], [], [OFFLINE], "no_findings"),
    ([event()], [finding()], [WHOLE], "findings"),
    ([event()], [finding()], [OFFLINE], "findings"),
]


@pytest.mark.parametrize(("events", "findings", "coverage", "verdict"), VERDICTS)
def test_verdict(events: Any, findings: Any, coverage: Any, verdict: str) -> None:
    assert summary(events, findings, coverage)["verdict"] == verdict


COVERAGES = [
    ("whole", [WHOLE], True, [], {"from": SINCE, "until": UNTIL}),
    ("offline", [WHOLE, OFFLINE], False, [("pve2", "node_offline", [(SINCE, UNTIL)])], None),
    (
        "turned",
        [part("ring_turned", "2026-11-18T00:00:00Z")],
        False,
        [("pve1", "ring_turned", [(SINCE, "2026-11-18T00:00:00Z")])],
        {"from": "2026-11-18T00:00:00Z", "until": UNTIL},
    ),
    (
        "seen to its edges and still in doubt",
        [part("corrupt_records")],
        False,
        [("pve1", "corrupt_records", [])],
        {"from": SINCE, "until": UNTIL},
    ),
    (
        "complete by its own word",
        [replace(WHOLE, end=to_epoch("2026-11-19T00:00:00Z"))],
        False,
        [("pve1", "part_of_period", [("2026-11-19T00:00:00Z", UNTIL)])],
        {"from": SINCE, "until": "2026-11-19T00:00:00Z"},
    ),
    ("none at all", [], False, [(None, "no_coverage", [(SINCE, UNTIL)])], None),
]


@pytest.mark.parametrize(("name", "rows", "complete", "gaps", "seen"), COVERAGES, ids=[row[0] for row in COVERAGES])
def test_coverage(name: str, rows: Any, complete: bool, gaps: Any, seen: Any) -> None:
    found = summary([], coverage=rows)["coverage"]
    assert found["complete"] is complete
    assert [
        (gap["node"], gap["code"], [(p["from"], p["until"]) for p in gap["missing"]]) for gap in found["gaps"]
    ] == gaps
    assert found["seen"] == seen


OTHERS = ["pve.access", "pve.auth", "linux.auth", "pve.config"]
# Coverage, events, then source, complete, its nodes, those not seen whole, records; and what was not looked at.
SOURCES: list[tuple[str, list[Coverage], list[Any], list[Any], list[Any]]] = [
    ("none", [], [event()], [], [(name, [], int(name == "pve.task")) for name in ("pve.task", *OTHERS)]),
    ("task log", [WHOLE], [], [("pve.task", True, ["pve1"], [], 0)], [(name, [], 0) for name in OTHERS]),
    (
        "task log with a gap",
        [WHOLE, OFFLINE],
        [event()],
        [("pve.task", False, ["pve1", "pve2"], ["pve2"], 1)],
        [(name, [], 0) for name in OTHERS],
    ),
    (
        "access log of one node",
        [WHOLE, seen("pve.task", "pve2"), seen("pve.access")],
        [event(), call(2)],
        [("pve.task", True, ["pve1", "pve2"], [], 1), ("pve.access", False, ["pve1"], [], 1)],
        [("pve.access", ["pve2"], 1), *((name, [], 0) for name in OTHERS[1:])],
    ),
    (
        "access log without coverage",
        [WHOLE],
        [call(2)],
        [("pve.task", True, ["pve1"], [], 0)],
        [("pve.access", [], 1), *((name, [], 0) for name in OTHERS[1:])],
    ),
    (
        "all",
        [seen(name) for name in SOURCES_OF_EVIDENCE],
        [],
        [(name, True, ["pve1"], [], 0) for name in SOURCES_OF_EVIDENCE],
        [],
    ),
]


@pytest.mark.parametrize(("name", "rows", "events", "looked", "unlooked"), SOURCES, ids=[row[0] for row in SOURCES])
def test_a_source_was_looked_at_where_a_row_says_so(
    name: str, rows: Any, events: Any, looked: Any, unlooked: Any
) -> None:
    covered = summary(events, coverage=rows)["coverage"]
    sources = covered["sources"]
    keys = ("source", "complete", "nodes", "incomplete", "records")
    assert [tuple(row[key] for key in keys) for row in sources["looked_at"]] == looked
    assert [(row["source"], row["nodes"], row["records"]) for row in sources["not_looked_at"]] == unlooked
    assert all(row["shows"] and row["look"] for row in sources["not_looked_at"])
    assert covered["complete"] is (bool(looked) and all(row[1] for row in looked))
    gaps = [(gap["source"], gap["node"]) for gap in covered["gaps"] if gap["code"] == "not_looked_at"]
    assert gaps == [(source, node) for source, nodes, _records in unlooked for node in nodes]


def lost(
    node: str | None, log: str = "journal", kind: str = "event", dataset: str | None = "linux.log"
) -> dict[str, Any]:
    """A log that says of itself that it lost something, or with another kind a record that cannot be read."""
    return {
        "event": {"id": f"{node}{log}{kind}", "kind": kind, "dataset": dataset, "outcome": "failure"},
        "host": {"name": node} if node else {},
        "pve": {"log": log},
    }


def hole(what: str) -> dict[str, Any]:
    """The archive lacks something, as its forwarder says."""
    return {**lost("pve1", dataset="pve.archive"), "pve": {"object": what, "log": "archive"}}


LINES = ("pve.access", "linux.auth")
# An event, and the codes of the rows of each source and node then.
DOUBTS = [
    (lost("pve1"), {("linux.auth", "pve1"): ["records_missing"]}),
    (lost("pve1", "syslog"), {("linux.auth", "pve1"): ["records_missing"]}),
    (lost("pve1", "audit"), {}),
    ({**lost("pve1", "syslog"), "pve": {"log": "syslog", "cursor": "s=1;i=1"}}, {}),
    (lost("pve3"), {}),
    (lost(None), {("linux.auth", node): ["records_missing"] for node in ("pve1", "pve2")}),
    (lost("pve2", kind="pipeline_error", dataset="pve.access"), {("pve.access", "pve2"): ["corrupt_records"]}),
    (lost("pve1", kind="pipeline_error", dataset="pve.task"), {("pve.task", "pve1"): ["corrupt_records"]}),
    (lost("pve1", kind="pipeline_error", dataset=None), {(source, "pve1"): ["corrupt_records"] for source in LINES}),
    (lost("pve1", kind="pipeline_error", dataset="pve.archive"), {(one, "pve1"): ["corrupt_records"] for one in LINES}),
    (hole("journal_hole"), {("linux.auth", "pve1"): ["records_missing"]}),
    (hole("access.log"), {("pve.access", "pve1"): ["records_missing"]}),
    (hole("task_gap"), {("pve.task", "pve1"): ["records_missing"]}),
    (hole("file_gone"), {(source, "pve1"): ["records_missing"] for source in LINES}),
]  # fmt: skip


@pytest.mark.parametrize(("told", "codes"), DOUBTS)
def test_records_that_tell_of_missing_ones_make_their_source_incomplete(told: Any, codes: Any) -> None:
    rows = [seen(source, node) for source in ("pve.task", "pve.access", "linux.auth") for node in ("pve1", "pve2")]
    model = summary([told], coverage=rows)
    found = {(row["source"], row["node"]): [reason["code"] for reason in row["reasons"]]
             for row in model["coverage"]["nodes"] if row["reasons"]}  # fmt: skip
    assert found == codes
    assert model["coverage"]["complete"] is not bool(codes)
    assert model["refused"] == [], "a log is no person who was refused"


def test_a_damaged_record_is_told_once() -> None:
    told = lost("pve1", kind="pipeline_error", dataset="pve.task")
    [gap] = summary([told], coverage=[part("corrupt_records")])["coverage"]["gaps"]
    assert gap["message"] == "m"


@pytest.mark.parametrize(
    ("events", "counted"),
    [
        ([], 3),
        ([lost("pve1", kind="pipeline_error", dataset="pve.task")], 3),
        ([lost("pve2", kind="pipeline_error", dataset="pve.task")], 4),
        ([lost("pve1", kind="pipeline_error", dataset="pve.access")], 4),
    ],
)
def test_damaged_records_are_counted_as_whoever_collected_them_counted(events: list[Any], counted: int) -> None:
    """The API shows nothing of them, so that they are no events; those of a file are both, and count once."""
    model = summary(events, coverage=[replace(part("corrupt_records"), damaged=3)])
    assert model["totals"]["corrupt"] == counted


def test_a_source_is_seen_from_the_last_begin_to_the_first_end() -> None:
    rows = [WHOLE, replace(part("ring_turned", "2026-11-18T00:00:00Z"), node="pve2")]
    [row] = summary([], coverage=rows)["coverage"]["sources"]["looked_at"]
    assert (row["from"], row["until"]) == ("2026-11-18T00:00:00Z", UNTIL)


SILENT = "refused (HTTP 200, told by the length of the answer)"


def test_refused_attempts_are_told_by_who_from_where_and_what() -> None:
    silent = {**call(2), "http": {"response": {"status_code": 200}}}
    events = [call(1), silent, call(3, ip="192.0.2.10"), call(4, user=None, action="access.authenticate")]
    model = summary([*events, event(5, outcome="failure", status="no space")])
    assert [(row["count"], row["actor"], row["ip"], row["action"], row["reasons"]) for row in model["refused"]] == [
        (
            2,
            "mallory@pve",
            "192.0.2.9",
            "access.user.modify",
            ["HTTP 403", SILENT],
        ),
        (1, None, "192.0.2.9", "access.authenticate", ["HTTP 403"]),
        (1, "mallory@pve", "192.0.2.10", "access.user.modify", ["HTTP 403"]),
    ]
    assert (model["totals"]["refused"], model["totals"]["failed"]) == (4, 1)
    assert [row["reason"] for row in model["failures"]] == ["no space"]
    assert ("mallory@pve", 3, 3) in [(row["actor"], row["events"], row["failures"]) for row in model["by_actor"]]


def test_what_two_sources_saw_is_one_act_of_two_records() -> None:
    upid = "UPID:pve1:000005E3:0007C336:6B047AC4:qmdestroy:510:dario@pve:"
    task = {"upid": upid, "node": "pve1", "starttime": 0x6B047AC4, "endtime": 0x6B047AC5, "type": "qmdestroy",
            "id": "510", "user": "dario@pve", "status": "OK"}  # fmt: skip
    at = datetime.fromtimestamp(0x6B047AC4, UTC).strftime("%d/%m/%Y:%H:%M:%S +0000")
    line = f'192.0.2.7 - dario@pve [{at}] "DELETE /api2/json/nodes/pve1/qemu/510 HTTP/1.1" 200 {len(upid) + 11}'
    model = summary(events_of([task, line], node="pve1"), coverage=[WHOLE, seen("pve.access")])
    assert (model["totals"]["events"], model["totals"]["destroyed"], model["totals"]["tasks"]) == (2, 1, 1)
    assert [(row["actor"], row["events"]) for row in model["by_actor"]] == [("dario@pve", 1)]
    assert [row["ip"] for row in model["critical"]] == ["192.0.2.7"]
    assert [row["records"] for row in model["coverage"]["sources"]["looked_at"]] == [1, 1]


def destroyed(*addresses: str) -> list[Any]:
    """A destroyed guest as its task, and a call for it from each address in the same second."""
    upid = "UPID:pve1:000005E3:0007C336:6B047AC4:qmdestroy:510:dario@pve:"
    task = {"upid": upid, "node": "pve1", "starttime": 0x6B047AC4, "endtime": 0x6B047AC5, "type": "qmdestroy",
            "id": "510", "user": "dario@pve", "status": "OK"}  # fmt: skip
    at = datetime.fromtimestamp(0x6B047AC4, UTC).strftime("%d/%m/%Y:%H:%M:%S +0000")
    call_of = f'[{at}] "DELETE /api2/json/nodes/pve1/qemu/510 HTTP/1.1" 200 {len(upid) + 11}'
    return [task, *(f"{address} - dario@pve {call_of}" for address in addresses)]


WHO = [
    ([], "likely", None, ["Dario"]),
    (["192.0.2.7"], "certain", "192.0.2.7", ["Dario (192.0.2.7)"]),
    (["192.0.2.7", "192.0.2.8"], "ambiguous", None, ["Dario (192.0.2.7)", "Dario (192.0.2.8)"]),
]


@pytest.mark.parametrize(("addresses", "confidence", "ip", "candidates"), WHO)
def test_a_grave_action_says_who_from_where_and_how_sure(
    addresses: list[str], confidence: str, ip: str | None, candidates: list[str]
) -> None:
    events = events_of(destroyed(*addresses), node="pve1")
    known: Any = {"nodes": {"pve1": ["192.0.2.1"]}, "people": {"dario@pve": "Dario"}}
    mine = finding(event_ids=(events[0]["event"]["id"],))
    model = summarise(events, [mine], [WHOLE], since=SINCE, until=UNTIL, now=UNTIL, **known)
    [row] = [one for one in model["critical"] if one["id"] == mine.event_ids[0]]
    assert (row["actor"], row["confidence"], row["ip"], row["candidates"]) == ("dario@pve", confidence, ip, candidates)
    assert model["who"][row["id"]]["confidence"] == confidence
    assert model["behind"] == {mine.id: {"candidates": candidates, "confidence": {confidence: 1}}}
    # What was before the period tells who, and is not counted.
    task, *calls = events
    late = summarise([task], [mine], [WHOLE], since=SINCE, until=UNTIL, now=UNTIL, before=calls, **known)
    assert late["critical"] == [row]
    assert (late["totals"]["events"], [row["events"] for row in late["by_actor"]]) == (1, [1])


def test_calls_that_only_read_are_counted_and_no_activity() -> None:
    reads = [call(1, outcome="success", action="api.read"), call(2, outcome="failure", action="api.read")]
    model = summary(reads)
    assert (model["totals"]["reads"], model["totals"]["events"]) == (1, 2)
    assert [row["events"] for row in model["by_actor"]] == [1]
    assert model["coverage"]["sources"]["not_looked_at"][0]["records"] == 2


def test_totals_count_an_event_once_and_drop_nothing() -> None:
    events = [
        event(1),
        event(1),
        event(2, outcome="failure", state="error", status="VM 7 is locked"),
        event(3, outcome="unknown", state="running"),
        event(4, outcome="unknown", state="unknown"),
        event(5, action="guest.destroy", severity="critical"),
        event(6, action="guest.destroy", severity="critical", outcome="failure"),
        event(7, action="other", severity="medium", state="warning"),
        event(8, at=None, user=None, kind="pipeline_error"),
    ]
    assert summary(events)["totals"] == {
        "events": 8,
        "tasks": 7,
        "failed": 2,
        "warnings": 1,
        "unknown": 1,
        "running": 1,
        "destroyed": 1,
        "corrupt": 1,
        "unclassified": 1,
        "undated": 1,
        "actors": 1,
        "refused": 0,
        "reads": 0,
    }


ZONES = [
    ("UTC", "2026-11-22T23:30:00Z", 6, 23),
    ("Europe/Berlin", "2026-11-22T23:30:00Z", 0, 0),
    ("Asia/Kolkata", "2026-11-22T18:31:00Z", 0, 0),
    ("America/New_York", "2026-11-23T03:00:00Z", 6, 22),
    ("Europe/Berlin", "2026-10-25T00:30:00Z", 6, 2),
    ("Europe/Berlin", "2026-10-25T01:30:00Z", 6, 2),
    ("UTC", "2026-11-20T10:00:00.123456Z", 4, 10),
    ("UTC", "2026-11-20T10:00:00+02:00", 4, 8),
    ("Europe/Berlin", "2026-11-20T10:00:00", 4, 11),
]


@pytest.mark.parametrize(("zone", "at", "weekday", "hour"), ZONES)
def test_hours_are_those_of_the_zone(zone: str, at: str, weekday: int, hour: int) -> None:
    model = summary([event(1, at=at)], zone=zone)
    assert model["matrix"][weekday][hour] == model["by_hour"][hour] == model["by_weekday"][weekday] == 1
    assert sum(model["by_hour"]) == sum(model["by_weekday"]) == 1


def test_actors_and_root() -> None:
    events = [
        event(1, user="root@pam"),
        event(2, user="root@pam!ci"),
        event(3),
        event(4, outcome="failure"),
        event(5, user=None),
    ]
    model = summary(events)
    assert [(row["actor"], row["events"], row["failures"], row["share"]) for row in model["by_actor"]] == [
        ("alice@pve", 2, 1, 0.5),
        ("root@pam", 1, 0, 0.25),
        ("root@pam!ci", 1, 0, 0.25),
    ]
    assert model["root"] == {"events": 2, "tokens": 1, "of": 4, "share": 0.5}


def test_failures_that_differ_in_numbers_only_are_one_row() -> None:
    events = [event(i, outcome="failure", status=f"VM {100 + i} is locked", object=str(100 + i)) for i in range(3)]
    events.append(event(9, outcome="failure", status="timeout"))
    rows = summary(events)["failures"]
    assert [(row["count"], row["reason"], row["objects"]) for row in rows] == [
        (3, "VM 100 is locked", ["100", "101", "102"]),
        (1, "timeout", ["100"]),
    ]


def test_grave_actions_are_listed_newest_first_and_their_logs_wanted() -> None:
    events = [
        event(1, at="2026-11-20T10:00:00Z", severity="high"),
        event(2, at="2026-11-21T10:00:00Z", severity="critical", outcome="failure"),
        event(3, outcome="failure"),
        event(4),
    ]
    model = summary(events, [finding(event_ids=("UPID:4", "access:1"))])
    assert [row["id"] for row in model["critical"]] == ["UPID:2", "UPID:1"]
    assert model["upids_of_interest"] == ["UPID:4", "UPID:2", "UPID:1", "UPID:3"]


def test_time_line_places_findings_and_gaps() -> None:
    model = summary([], [finding("CRITICAL"), finding("LOW")], [WHOLE, OFFLINE], "Europe/Berlin")
    line = model["timeline"]
    assert [item["severity"] for item in line["findings"]] == ["CRITICAL", "LOW"]
    assert line["findings"][0]["start"] == pytest.approx((4 * 24 + 10) / (7 * 24), abs=1e-4)
    assert [row["missing"] for row in line["nodes"]] == [[], [[0.0, 1.0]]]
    assert [tick["time"] for tick in line["ticks"]][:2] == ["2026-11-16T23:00:00Z", "2026-11-17T23:00:00Z"]
    assert model["findings"]["worst"] == "CRITICAL"


def test_an_unbounded_period_starts_with_the_first_thing_known() -> None:
    model = summary([event(1, at="2026-11-01T00:00:00Z")], since=None)
    assert model["period"]["since"] is None
    assert model["timeline"]["since"] == "2026-11-01T00:00:00Z"
    assert model["coverage"]["complete"], "of what there is"


BAD: list[tuple[dict[str, Any], str]] = [
    ({"timezone": "Mars/Base"}, "time zone 'Mars/Base' is unknown"),
    ({"since": "yesterday"}, "'yesterday' is not an RFC 3339 time"),
    ({"events": [event(1, at="noon")]}, "'noon' is not an RFC 3339 time"),
    (
        {"coverage": [WHOLE, seen("pve.acces")]},
        "item 2 of the coverage has the source 'pve.acces': take one of",
    ),
]


@pytest.mark.parametrize(("change", "message"), BAD)
def test_bad_input_is_one_clear_sentence(change: dict[str, Any], message: str) -> None:
    options: dict[str, Any] = {
        "events": [],
        "findings": [],
        "coverage": [],
        "since": SINCE,
        "until": UNTIL,
        "now": UNTIL,
    }
    with pytest.raises(InputError, match=message):
        summarise(**{**options, **change})


@pytest.mark.parametrize("broken", [{"event": {}}, {"event": {"id": 7}, "pve": "x", "user": [], "host": None}])
def test_half_an_event_is_counted(broken: dict[str, Any]) -> None:
    assert summary([broken])["totals"]["events"] == 1


def test_work_grows_with_the_events_and_not_faster() -> None:
    events = [event(i, at=rfc3339(1795000000 + i * 5), user=f"u{i % 50}@pve") for i in range(2_000)]
    some, all_of_them = (count_steps(partial(summary, events[:count])) for count in (500, 2_000))
    assert all_of_them <= 4.6 * some
