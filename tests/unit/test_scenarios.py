# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The main job on recordings of a genuine cluster: events, windows and findings against the truth of every action."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.pve.audit.plugins.filter.anomalies import anomalies
from ansible_collections.pve.audit.plugins.filter.events import events
from ansible_collections.pve.audit.plugins.filter.summary import summary_filter
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


def destroyed_by_account(scenario: str) -> dict[str, set[int]]:
    """The truth for people: an account with all its tokens."""
    result: dict[str, set[int]] = {}
    for user, rows in destroyed(scenario).items():
        result.setdefault(account(user), set()).update(vmid for _second, vmid in rows)
    return result


def made(scenario: str) -> set[tuple[str, int]]:
    """The truth: which account made which guest."""
    rows = [row for row in recorded_truth(scenario) if row["kind"] == "guest.create" and row["outcome"] == "OK"]
    return {(account(row["task_user"]), int(row["object"])) for row in rows}


def account(user: str) -> str:
    """The user without a token."""
    return user.partition("!")[0]


Mass = dict[str, tuple[set[int], str]]


def mass(found: list[dict[str, Any]]) -> Mass:
    """The findings of mass deletion: account to guests and severity. Two findings of one account fail here."""
    mine = [item for item in found if item["rule"] == "mass-guest-deletion"]
    rows = {item["group"]["user.account"]: (set(item["values"]), item["severity"]) for item in mine}
    assert len(rows) == len(mine)
    return rows


def test_the_revenge_is_one_critical_finding_with_exactly_its_guests() -> None:
    found = anomalies(recorded_events("revenge"))
    critical = [finding for finding in found if finding["severity"] == "CRITICAL"]
    assert [finding["group"] for finding in critical] == [{"user.account": "dario@pve"}]
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


def test_two_tokens_of_one_account_are_one_finding_that_weighs_less_when_the_account_made_the_guests() -> None:
    assert len(destroyed("revenge")["iac@pve!janitor"]) == 5
    (found,) = [item for item in anomalies(recorded_events("revenge")) if item["group"] == {"user.account": "iac@pve"}]
    assert found["actors"] == ["iac@pve!janitor", "iac@pve!terraform"]
    assert (found["count"], found["young"], found["severity"]) == (6, 5, "LOW")


def everything(scenario: str) -> list[Event]:
    """The events of all sources of all nodes."""
    found = recorded_events(scenario)
    for node in NODES:
        folder = SCENARIOS / scenario / "nodes" / node
        found += events((folder / "access.log").read_text().splitlines(), source="access", node=node)
        with gzip.open(folder / "journal.json.gz", "rt") as journal:
            found += events([json.loads(line) for line in journal], source="journal", node=node)
    return found


def test_all_sources_together_show_each_step_of_the_revenge() -> None:
    found = {(item["rule"], *item["group"].values()) for item in anomalies(everything("revenge"))}
    assert found == {
        ("mass-guest-deletion", "dario@pve"),
        ("login-from-new-address", "dario@pve", "10.99.77.27"),
        ("logins-from-two-addresses", "dario@pve"),
        ("new-token", "dario@pve"),
        ("backup-weakened", "dario@pve"),
        ("firewall-weakened", "dario@pve"),
        # lena took rights from dario, and put right what he had done
        ("rights-changed", "lena@pve"),
        ("backup-weakened", "lena@pve"),
        # programs and other people, in the same minutes
        ("mass-guest-deletion", "iac@pve"),
        ("mass-guest-deletion-together",),
        ("root-pam-use", "root@pam"),
        ("messages-lost", "pve3"),
    }


def test_what_all_did_together_is_told_once() -> None:
    (together,) = [item for item in anomalies(recorded_events("revenge")) if not item["group"]]
    assert together["severity"] == "LOW"
    assert len(together["related"]) == 2
    assert set(together["values"]) == set().union(*destroyed_by_account("revenge").values())


def test_access_log_alone_shows_the_mass_deletion_too() -> None:
    """Its lines say that the calls were accepted, not that they worked: the finding says so."""
    logs = {node: (SCENARIOS / "revenge" / "nodes" / node / "access.log").read_text().splitlines() for node in NODES}
    found = anomalies([event for node, lines in logs.items() for event in events(lines, "access", node)])
    by_account = {item["group"].get("user.account"): item for item in found if item["rule"] == "mass-guest-deletion"}
    assert set(by_account["dario@pve"]["values"]) == {vmid for _second, vmid in destroyed("revenge")["dario@pve"]}
    assert "nobody can say from the logs whether it worked" in str(by_account["dario@pve"])


@pytest.mark.parametrize("scenario", ["revenge", "busy-day", "cli-and-sudo"])
def test_mass_deletion_says_what_the_truth_says(scenario: str) -> None:
    """All scenarios are shorter than ten minutes, so the rule is: more than five distinct guests, that are not new."""
    known, expected = made(scenario), Mass()
    for user, guests in destroyed_by_account(scenario).items():
        old = {guest for guest in guests if (user, guest) not in known}
        if len(guests) > 5:
            expected[user] = guests, "CRITICAL" if len(old) > 5 else "LOW"
    assert mass(anomalies(recorded_events(scenario))) == expected


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


def test_everybody_whose_calls_were_refused_stands_in_the_report_with_each_of_them() -> None:
    """One account of this day had all of its changes refused: it has no task, and no other sign of it in a task log."""
    report = summary_filter(everything("busy-day"), now="2026-11-24T00:00:00Z")
    refused: Counter[str] = Counter()
    for row in report["refused"]:
        refused[row["actor"]] += row["count"]
    rows = recorded_truth("busy-day")
    assert refused == Counter(row["actor"] for row in rows if (row.get("api_status") or 0) >= 400 and not row["upid"])
    actors = {row["actor"]: row["failures"] for row in report["by_actor"]}
    assert actors["eva@pve"] == refused["eva@pve"] == 18
    assert "eva@pve" not in {event["user"]["id"] for event in recorded_events("busy-day")}
