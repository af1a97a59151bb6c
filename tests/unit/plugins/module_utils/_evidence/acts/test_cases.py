# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of made-up lines and the acts that they are: tests/unit/data/acts/cases.yml says what its columns mean."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.pve.audit.plugins.filter.attribute import attribute
from ansible_collections.pve.audit.plugins.filter.events import events
from ansible_collections.pve.audit.plugins.module_utils._evidence.acts.join import unite_events
from ansible_collections.pve.audit.plugins.module_utils._model.act import Act
from ansible_collections.pve.audit.plugins.module_utils._model.event import Event

CASES = yaml.safe_load(
    (Path(__file__).resolve().parents[4] / "data" / "acts" / "cases.yml").read_text(encoding="utf-8")
)
START = datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp()
NODES = {"pve1": "10.0.0.1", "pve2": "10.0.0.2", "pve3": "10.0.0.3"}
ENVELOPE = {"extjs": 23, "json": 11}


def clock(second: float, form: str) -> str:
    """A second of the case in a form of `strftime`."""
    return datetime.fromtimestamp(START + second, UTC).strftime(form)


def upids_of(case: dict[str, Any]) -> list[str]:
    """The UPIDs of the tasks of a case."""
    return [
        f"UPID:{node}:{number + 1:08X}:0007AF88:{int(START) + second:08X}:{kind}:{object_id}:{user}:"
        for number, (second, node, kind, object_id, user, _status) in enumerate(case.get("tasks", []))
    ]


def access_line(row: list[Any], upids: list[str]) -> str:
    """A row as a line of access.log."""
    second, address, user, call, status, length = row
    if isinstance(length, str):
        length = len(upids[int(length.split()[1])]) + ENVELOPE[call.split("/")[2]]
    return f'{address} - {user} [{clock(second, "%d/%m/%Y:%H:%M:%S +0000")}] "{call} HTTP/1.1" {status} {length}'


def record(node: str, row: list[Any], upids: list[str]) -> dict[str, Any]:
    """A row as a record of the journal."""
    second, program, message, *more = row
    ident, pid = program.rstrip("]").split("[")
    stamp = str(round((START + second) * 1_000_000))
    fields = {"__CURSOR": f"s={node};b=1;t={stamp};p={pid}", "__REALTIME_TIMESTAMP": stamp, "_HOSTNAME": node}
    return {**fields, "SYSLOG_IDENTIFIER": ident, "_PID": pid, "MESSAGE": message.format(*upids), **(more or [{}])[0]}


def text_line(node: str, row: list[Any], upids: list[str]) -> str:
    """A row as rsyslog writes it."""
    second, program, message = row
    return f"{clock(second, '%Y-%m-%dT%H:%M:%S.%f+00:00')} {node} {program}: {message.format(*upids)}"


def events_of(case: dict[str, Any]) -> list[Event]:
    """All events of a case."""
    upids = upids_of(case)
    rows = zip(upids, case.get("tasks", []), strict=True)
    found = events([f"{upid} {int(START) + row[0] + 1:08X} {row[5]}" for upid, row in rows])
    for node, lines in case.get("access", {}).items():
        found += events([access_line(row, upids) for row in lines], source="access", node=node)
    for node, lines in case.get("journal", {}).items():
        found += events([record(node, row, upids) for row in lines], source="journal")
    for node, lines in case.get("text", {}).items():
        found += events([text_line(node, row, upids) for row in lines], source="journal")
    return found


def shown(act: Act) -> dict[str, Any]:
    """What the table can compare."""
    told = act["attribution"]
    candidates = told["candidates"]
    return {
        "action": act["event"]["action"],
        "outcome": act["event"]["outcome"],
        "user": act["user"]["id"],
        "account": act["user"]["account"],
        "person": act["person"],
        "ip": act["source"]["ip"],
        "object": act["pve"]["object"],
        "channel": act["pve"]["channel"],
        "severity": act["pve"]["severity"],
        "confidence": told["confidence"],
        "from": [one["ip"] for one in candidates],
        "people": [one["person"] for one in candidates],
    }


@pytest.mark.parametrize("case", CASES, ids=[case["title"] for case in CASES])
def test_lines_are_these_acts(case: dict[str, Any]) -> None:
    found = events_of(case)
    nodes = None if case.get("nodes") is False else NODES
    acts = attribute(found, nodes, case.get("people"))
    left = [shown(act) for act in acts]
    for row in case["acts"]:
        wanted = {name: value for name, value in row.items() if name != "seen"}
        place = next(
            (n for n, act in enumerate(left) if all(act[name] == value for name, value in wanted.items())), None
        )
        assert place is not None, f"{wanted} is none of {left}"
        del left[place]
    assert not left


@pytest.mark.parametrize("case", CASES, ids=[case["title"] for case in CASES])
def test_each_act_counts_once_and_says_who_else_saw_it(case: dict[str, Any]) -> None:
    found = events_of(case)
    united = unite_events(found, None if case.get("nodes") is False else {node: [one] for node, one in NODES.items()})
    reads = [event for event in united if event["event"].get("action") == "api.read"]
    assert len(united) - len(reads) == len(case["acts"])
    ids = {event["event"]["id"] for event in found}
    seen = [
        len(ids & {event["event"]["id"], *event["pve"].get("witnesses", [])}) for event in united if event not in reads
    ]
    wanted = [row["seen"] for row in case["acts"] if "seen" in row]
    assert len(wanted) < len(case["acts"]) or sorted(seen) == sorted(wanted)
    grave = sorted(row["severity"] for row in case["acts"] if "severity" in row)
    assert len(grave) < len(case["acts"]) or sorted(event["pve"]["severity"] for event in united) == grave
    assert not any(event.get("source", {}).get("ip", "").startswith("10.0.0.") for event in united)


def test_who_was_behind_sudo_stands_in_the_event_that_is_counted() -> None:
    case = next(one for one in CASES if one["title"].startswith("the login uid names the person"))
    task = next(event for event in unite_events(events_of(case)) if event["event"]["action"] == "guest.destroy")
    assert (task["user"]["id"], task["pve"]["person"], task["source"]["ip"]) == ("root@pam", "tess", "192.0.2.9")
