# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Recordings of a genuine cluster through the whole playbook: API, events, windows, findings, log texts, report."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Ansible, Played, connection
from tests.lab.recorded import load_files
from tests.lab.simulator import running_simulator

DATA = Path(__file__).parent / "data"
TRUTH = Path(__file__).parents[1] / "unit" / "data" / "scenarios"

# When each scenario was played, from its meta.json.
PLAYED = {
    "revenge": ("2026-11-23T17:39:20Z", "2026-11-23T17:41:54Z"),
    "busy-day": ("2026-11-23T17:41:56Z", "2026-11-23T17:46:08Z"),
}
# The logs were cut at the first task of the scenario, a second after its start; the cluster goes on listing older ones.
PROVES = {"revenge": ("begins_late", "records_missing"), "busy-day": ("begins_late",)}


def truth(scenario: str) -> list[dict[str, Any]]:
    """What was really done and left a task."""
    rows = [json.loads(line) for line in (TRUTH / scenario / "truth.jsonl").read_text(encoding="utf-8").splitlines()]
    return [row for row in rows if row["upid"]]


def destroyed(rows: list[dict[str, Any]]) -> dict[str, set[int]]:
    """Who really destroyed more than five guests, and which."""
    result: dict[str, set[int]] = {}
    for row in rows:
        if row["kind"] == "guest.destroy" and row["outcome"] == "OK":
            result.setdefault(row["task_user"].partition("!")[0], set()).add(int(row["object"]))
    return {user: guests for user, guests in result.items() if len(guests) > 5}


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Played]:
    """Each scenario is played once."""

    @cache
    def audit(scenario: str) -> Played:
        since, until = PLAYED[scenario]
        with running_simulator(cluster=load_files(DATA / f"{scenario}.json.gz"), unauthorized_delay=0.1) as lab:
            return Ansible(tmp_path_factory.mktemp(scenario)).play(
                "pve.audit.audit", connection(lab), pve_audit_report_since=since, pve_audit_report_until=until
            )

    return audit


@pytest.mark.parametrize("scenario", sorted(PLAYED))
def test_report_of_a_genuine_cluster_tells_the_truth(audited: Callable[[str], Played], scenario: str) -> None:
    played = audited(scenario)
    assert played.status == 0, played.output
    report, rows = played.report(), truth(scenario)
    rows_of_coverage = report["coverage"]["nodes"]
    assert {tuple(reason["code"] for reason in row["reasons"]) for row in rows_of_coverage} == {PROVES[scenario]}
    assert all(row["from"] == row["oldest"] for row in rows_of_coverage)
    assert {event["event"]["id"] for event in report["events"]} == {row["upid"] for row in rows}
    mass = [finding for finding in report["findings"] if finding["rule"] == "mass-guest-deletion"]
    assert {finding["group"]["user.account"]: set(finding["values"]) for finding in mass} == destroyed(rows)
    actors = Counter(row["task_user"] for row in rows)
    assert {row["actor"]: row["events"] for row in report["summary"]["by_actor"]} == actors
    assert all(log["complete"] and log["lines"] for log in report["logs"]) and report["logs"]
    page = (played.folder / "pve-audit-report.html").read_text(encoding="utf-8")
    assert all(f"{guest}" in page for guests in destroyed(rows).values() for guest in guests)


def test_revenge_is_one_finding(audited: Callable[[str], Played]) -> None:
    critical = [finding for finding in audited("revenge").report()["findings"] if finding["severity"] == "CRITICAL"]
    assert [finding["group"] for finding in critical] == [{"user.account": "dario@pve"}]
    assert {501, 504, 505, 506, 507, 508, 509, 510, 511, 512} <= set(critical[0]["values"])
