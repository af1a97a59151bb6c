# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every line that a genuine cluster wrote is read, or counted as broken. The numbers are those of the recordings."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from ansible_collections.pve.audit.plugins.module_utils._model.event import Event
from ansible_collections.pve.audit.plugins.module_utils._parse.access import parse_access
from ansible_collections.pve.audit.plugins.module_utils._parse.index import parse_index
from ansible_collections.pve.audit.plugins.module_utils._parse.journal import parse_journal_line, parse_journal_record
from ansible_collections.pve.audit.plugins.module_utils._parse.lines import EventIds
from ansible_collections.pve.audit.plugins.module_utils._parse.task import parse_task, task_event

from .recordings import CORPUS, SCENARIOS, api_tasks, read_lines, read_records, scenario_tasks

REFERENCE = 1795456000.0
# node, file: tasks, corrupt, repeated, blank
INDEXES = {
    ("pve1", "index"): (336, 0, 0, 0),
    ("pve1", "index.1"): (621, 0, 0, 0),
    ("pve1", "active"): (25, 0, 0, 0),
    ("pve2", "index"): (65, 4, 2, 1),
    ("pve2", "index.1"): (625, 0, 0, 0),
    ("pve2", "active"): (25, 0, 0, 0),
}
# node: lines, success, failure, unknown
ACCESS = {"pve1": (2377, 1504, 868, 5), "pve2": (78, 67, 11, 0)}
# node, file: lines, events, broken
JOURNALS = {
    ("pve1", "journal.json"): (2044, 344, 0),
    ("pve1", "journal.short-iso"): (2048, 342, 2),
    ("pve1", "syslog"): (2014, 339, 0),
    ("pve1", "syslog.rfc3339"): (2014, 339, 0),
    ("pve1", "auth.log"): (7, 7, 0),
    ("pve2", "journal.json"): (773, 25, 0),
    ("pve2", "journal.short-iso"): (773, 25, 0),
    ("pve2", "syslog"): (757, 22, 0),
    ("pve2", "syslog.rfc3339"): (757, 22, 0),
    ("pve2", "auth.log"): (6, 6, 0),
}


def journal_events(node: str, name: str) -> list[Event | None]:
    """All lines of a recorded journal, read."""
    ids = EventIds()
    if name == "journal.json":
        return [parse_journal_record(record, node, ids) for record in read_records(CORPUS / node / name)]
    lines = read_lines(CORPUS / node / name)
    return [parse_journal_line(line, node, ids, reference=REFERENCE) for line in lines]


@pytest.mark.parametrize(("node", "name"), INDEXES)
def test_index(node: str, name: str) -> None:
    lines = read_lines(CORPUS / node / name)
    result = parse_index(lines, node)
    assert (len(result.tasks), len(result.corrupt), result.repeated, result.blank) == INDEXES[node, name]
    assert result.lines == len(lines)
    assert {task_event(task)["host"]["name"] for task in result.tasks} == {node}


@pytest.mark.parametrize("node", ACCESS)
def test_access(node: str) -> None:
    events = list(parse_access(read_lines(CORPUS / node / "access.log"), node))
    count = Counter(event["event"]["outcome"] for event in events)
    assert (len(events), count["success"], count["failure"], count["unknown"]) == ACCESS[node]
    assert {event["event"]["kind"] for event in events} == {"event"}
    assert len({event["event"]["id"] for event in events}) == len(events)
    assert {event["source"]["ip"] for event in events if ":" not in event["source"]["ip"]}
    assert not any("::ffff" in event["source"]["ip"] for event in events)


@pytest.mark.parametrize(("node", "name"), JOURNALS)
def test_journal(node: str, name: str) -> None:
    read = journal_events(node, name)
    kinds = Counter(event["event"]["kind"] for event in read if event)
    assert (len(read), kinds["event"], kinds["pipeline_error"]) == JOURNALS[node, name]


@pytest.mark.parametrize("name", ["syslog", "syslog.rfc3339", "journal.short-iso"])
def test_all_forms_of_a_journal_tell_the_same(name: str) -> None:
    def essence(event: Event) -> Any:
        return (
            event["@timestamp"][:19],
            event["event"]["action"],
            event["event"]["outcome"],
            event.get("user", {}).get("id"),
        )

    def known(node_events: list[Event | None]) -> list[Event]:
        """Without what the journal says of itself, which it does not hand on."""
        about = ((event, event["event"]) for event in node_events if event)
        return [event for event, head in about if head["kind"] == "event" and head["dataset"] != "linux.log"]

    one, other = (Counter(map(essence, known(journal_events("pve2", form)))) for form in ("journal.json", name))
    assert one == other


def test_api_and_index_give_equal_events() -> None:
    files = {
        task["upid"]: task
        for node in ("pve1", "pve2")
        for name in ("index.1", "index")
        for task in parse_index(read_lines(CORPUS / node / name), node).tasks
    }
    compared = 0
    for record in api_tasks()["node"]:
        task = parse_task(record)
        if "status" in task and task["state"] != "running" and task["upid"] in files:
            assert task_event(record) == task_event(files[task["upid"]])
            compared += 1
    assert compared == 1642


def test_the_api_hides_what_its_decoder_refuses() -> None:
    seen = {parse_task(record)["upid"] for record in api_tasks()["node"]}
    tasks = [
        task
        for node in ("pve1", "pve2")
        for name in ("index.1", "index")
        for task in parse_index(read_lines(CORPUS / node / name), node).tasks
    ]
    hidden = [task for task in tasks if task["upid"] not in seen]
    assert [task["id"] for task in hidden if ":" in task["id"]] == ["pve1:local", "pve1:local"]


def test_the_list_of_the_cluster_agrees_with_those_of_the_nodes() -> None:
    nodes = {parse_task(record)["upid"]: parse_task(record) for record in api_tasks()["node"]}
    states: Counter[str] = Counter()
    for record in api_tasks()["cluster"]:
        task = parse_task(record)
        states[task["state"]] += 1
        other = nodes.get(task["upid"])
        if other is not None and other["state"] == task["state"]:
            assert task_event(task) == task_event(other)
    assert states["running"] > 0


@pytest.mark.parametrize("name", ["revenge", "busy-day"])
def test_scenario_tasks_are_those_of_the_truth(name: str) -> None:
    truth = {row["upid"]: row for row in read_records(SCENARIOS / name / "truth.jsonl") if row["upid"]}
    from_api = {task["upid"]: task_event(task) for task in scenario_tasks(name)}
    from_files = {}
    for node in ("pve1", "pve2", "pve3"):
        result = parse_index(read_lines(SCENARIOS / name / "nodes" / node / "tasks" / "index"), node)
        assert not result.corrupt
        from_files.update({task["upid"]: task_event(task) for task in result.tasks})
    assert from_api == from_files
    assert set(from_api) == set(truth)
    for upid, event in from_api.items():
        assert event["user"]["id"] == truth[upid]["task_user"]
        assert event["pve"]["status"] == truth[upid]["outcome"]
        assert event["host"]["name"] == truth[upid]["target_node"]


@pytest.mark.parametrize(("name", "lines"), [("revenge", 531), ("busy-day", 1239)])
def test_scenario_access_lines_hold_every_call_of_the_truth(name: str, lines: int) -> None:
    ids = EventIds()
    events = [
        event
        for node in ("pve1", "pve2", "pve3")
        for event in parse_access(read_lines(SCENARIOS / name / "nodes" / node / "access.log"), node, ids)
    ]
    assert len(events) == lines
    assert {event["event"]["kind"] for event in events} == {"event"}
    seen = Counter(
        (event["host"]["name"], event["http"]["request"]["method"], event["url"]["path"], event["source"]["ip"])
        for event in events
    )
    rows = [row for row in read_records(SCENARIOS / name / "truth.jsonl") if row["path"].startswith("/api2/")]
    for row in rows:
        assert seen[row["entry_node"], row["method"], row["path"].partition("?")[0], row["client_ip"]]


def test_sudo_lines_name_the_person() -> None:
    found: Counter[tuple[str, str, str]] = Counter()
    persons = set()
    for node in ("pve1", "pve2", "pve3"):
        for record in read_records(SCENARIOS / "cli-and-sudo" / "nodes" / node / "journal.json"):
            event = parse_journal_record(record, node, EventIds())
            if event is None:
                continue
            found[event["event"]["action"], event["event"]["outcome"], event["pve"]["channel"]] += 1
            if event["event"]["action"] == "session.sudo.command":
                assert "COMMAND" not in event["process"]["command_line"]
                assert event["pve"]["loginuid"] >= 1000
                persons.add(event["user"]["id"])
    assert persons == {"jonas@pam", "mirko@pam", "opal@pam", "quinn@pam", "tessa@pam"}
    assert found == {
        ("access.authenticate", "success", "unknown"): 3,
        ("guest.config.modify", "unknown", "cli"): 1,
        ("guest.config.modify", "unknown", "unknown"): 3,
        ("logging.messages.lost", "failure", "unknown"): 2,
        ("session.open", "success", "cli"): 32,
        ("session.open", "success", "unknown"): 34,
        ("session.ssh.close", "success", "unknown"): 34,
        ("session.ssh.open", "success", "unknown"): 34,
        ("session.sudo.command", "failure", "cli"): 2,
        ("session.sudo.command", "success", "cli"): 32,
        ("session.task.end", "success", "api_token"): 42,
        ("session.task.end", "success", "cli"): 35,
        ("session.task.end", "success", "unknown"): 7,
        ("session.task.start", "unknown", "api_token"): 42,
        ("session.task.start", "unknown", "cli"): 35,
        ("session.task.start", "unknown", "unknown"): 7,
    }
