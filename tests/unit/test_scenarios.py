# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The main job on recordings of a genuine cluster: events, windows and findings against the truth of every action."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.pve.audit.plugins.filter.anomalies import anomalies
from ansible_collections.pve.audit.plugins.filter.events import events
from ansible_collections.pve.audit.plugins.filter.windows import windows
from ansible_collections.pve.audit.plugins.module_utils._model.event import Event

SCENARIOS = Path(__file__).parent / "data" / "scenarios"
NODES = ("pve1", "pve2", "pve3")


def recorded_events(scenario: str) -> list[Event]:
    """The events of the task lists of all nodes."""
    answers = [json.loads((SCENARIOS / scenario / "api" / f"nodes_{node}_tasks.json").read_text()) for node in NODES]
    return events([task for answer in answers for task in answer["data"]])


def recorded_truth(scenario: str) -> list[dict[str, Any]]:
    """What was really done, one row for each action."""
    return [json.loads(line) for line in (SCENARIOS / scenario / "truth.jsonl").read_text().splitlines()]


def destroyed(scenario: str) -> dict[str, list[tuple[int, int]]]:
    """The truth: for each account or token the guests it really destroyed, as (second, guest) in order of time."""
    result: dict[str, list[tuple[int, int]]] = {}
    for row in recorded_truth(scenario):
        if row["kind"] == "guest.destroy" and row["upid"] and row["outcome"] == "OK":
            result.setdefault(row["task_user"], []).append((row["t_start"] // 1000, int(row["object"])))
    return {user: sorted(rows) for user, rows in result.items()}


def mass(found: list[dict[str, Any]]) -> dict[str, set[int]]:
    """The findings of mass deletion: account to guests. Two findings of one account fail here."""
    rows = [(item["group"]["user.id"], set(item["values"])) for item in found if item["rule"] == "mass-guest-deletion"]
    assert len(dict(rows)) == len(rows)
    return dict(rows)


def test_the_revenge_is_one_critical_finding_with_exactly_its_guests() -> None:
    found = anomalies(recorded_events("revenge"))
    critical = [finding for finding in found if finding["severity"] == "CRITICAL"]
    assert [finding["group"] for finding in critical] == [{"user.id": "dario@pve"}]
    burst = {501, 504, 505, 506, 507, 508, 509, 510, 511, 512}
    own_test_machine = {534}  # forty seconds earlier, so within the ten minutes
    assert set(critical[0]["values"]) == burst | own_test_machine
    assert [vmid for _second, vmid in destroyed("revenge")["dario@pve"]] == critical[0]["values"]
    assert critical[0]["nodes"] == list(NODES)
    within_two_minutes = windows(
        recorded_events("revenge"),
        type="value_count",
        field="pve.vmid",
        timespan="70s",
        group_by=["user.name"],
        condition={"gt": 9},
        match={"event.action": "guest.destroy"},
        outcome="success",
    )
    assert [set(window["values"]) for window in within_two_minutes] == [burst]


def test_the_token_that_destroyed_exactly_five_is_no_finding() -> None:
    assert len(destroyed("revenge")["iac@pve!janitor"]) == 5
    assert not [item for item in anomalies(recorded_events("revenge")) if "iac@pve!janitor" in item["group"].values()]


@pytest.mark.parametrize("scenario", ["revenge", "busy-day", "cli-and-sudo"])
def test_mass_deletion_says_what_the_truth_says(scenario: str) -> None:
    """All scenarios are shorter than ten minutes, so the rule is: more than five distinct guests."""
    truth = {user: {vmid for _second, vmid in rows} for user, rows in destroyed(scenario).items()}
    assert mass(anomalies(recorded_events(scenario))) == {user: ids for user, ids in truth.items() if len(ids) > 5}


@pytest.mark.parametrize("scenario", ["revenge", "busy-day", "cli-and-sudo"])
def test_every_task_of_the_truth_is_an_event_with_the_right_meaning(scenario: str) -> None:
    kinds = {"guest.config": {"guest.config.modify"}, "guest.snapshot": {"guest.snapshot.create"}}
    kinds |= {"guest.backup": {"backup.create"}, "console": {"guest.console.open", "node.console.open"}}
    by_upid = {event["event"]["id"]: event for event in recorded_events(scenario)}
    rows = [row for row in recorded_truth(scenario) if row["upid"]]
    assert {row["upid"] for row in rows} == set(by_upid)
    for row in rows:
        event = by_upid[row["upid"]]
        assert event["event"]["action"] in kinds.get(row["kind"], {row["kind"]}), row
        assert event["user"]["id"] == row["task_user"]
        assert event["host"]["name"] == row["target_node"] or row["kind"] == "console"
        success = row["outcome"] == "OK" or row["outcome"].startswith("WARNINGS")
        assert event["event"]["outcome"] == ("success" if success else "failure"), row
