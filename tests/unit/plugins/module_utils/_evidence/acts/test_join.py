# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One act for what several sources saw: counts of acts, and who did them, on recordings and on made-up lines."""

from __future__ import annotations

import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.pve.audit.plugins.filter.events import events
from ansible_collections.pve.audit.plugins.module_utils._evidence.acts.join import unite_events
from ansible_collections.pve.audit.plugins.module_utils._model.event import Event, get_field

SCENARIOS = Path(__file__).resolve().parents[4] / "data" / "scenarios"
NODES = {f"pve{number}": [f"10.99.77.1{number}", f"fd99:77::1{number}"] for number in (1, 2, 3)}


@cache
def recorded(scenario: str) -> list[Event]:
    """The events of all files of all nodes of a recording."""
    found: list[Event] = []
    for folder in sorted((SCENARIOS / scenario / "nodes").iterdir()):
        lines = (folder / "access.log").read_text().splitlines()
        records = gzip.decompress((folder / "journal.json.gz").read_bytes()).decode().splitlines()
        tasks = (folder / "tasks" / "index").read_text().splitlines()
        found += events(lines, source="access", node=folder.name)
        found += events([json.loads(record) for record in records], source="journal")
        found += events(tasks, source="task")
    return found


def truth(scenario: str) -> list[dict[str, Any]]:
    """What was really done, one row for each action."""
    return [json.loads(line) for line in (SCENARIOS / scenario / "truth.jsonl").read_text().splitlines()]


def destroyed(found: list[Event]) -> list[str]:
    """The tasks of guests that were destroyed, as often as they are counted."""
    return sorted(
        get_field(event, "pve.upid") or ""
        for event in found
        if event["event"].get("action") == "guest.destroy" and event["event"].get("outcome") == "success"
    )


@pytest.mark.parametrize("nodes", [NODES, None], ids=["given", "learned"])
@pytest.mark.parametrize("scenario", ["revenge", "busy-day"])
def test_a_guest_that_three_sources_saw_destroyed_counts_once(
    scenario: str, nodes: dict[str, list[str]] | None
) -> None:
    rows = [row for row in truth(scenario) if row["kind"] == "guest.destroy" and row["upid"] and row["outcome"] == "OK"]
    united = unite_events(recorded(scenario), nodes)
    assert destroyed(united) == sorted(row["upid"] for row in rows)
    addresses = {get_field(event, "pve.upid"): get_field(event, "source.ip") for event in united}
    through_api = [row for row in rows if row["channel"] in ("gui_ticket", "api_token")]
    assert {row["upid"]: addresses[row["upid"]] for row in through_api} == {
        row["upid"]: row["client_ip"] for row in through_api
    }


def test_events_of_one_source_stay_as_they_are() -> None:
    tasks = [event for event in recorded("revenge") if event["event"]["dataset"] == "pve.task"]
    assert unite_events(tasks) == tasks


def test_no_event_is_changed_in_place_and_none_is_lost() -> None:
    before = json.dumps(recorded("busy-day"))
    united = unite_events(recorded("busy-day"), NODES)
    assert json.dumps(recorded("busy-day")) == before
    ids = {event["event"]["id"] for event in united}
    witnesses = {one for event in united for one in get_field(event, "pve.witnesses") or ()}
    assert ids | witnesses == {event["event"]["id"] for event in recorded("busy-day")}
