# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the report rests on: saved logs without the API, or the API with the journals of the nodes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ansible_collections.pve.audit.plugins.filter.events import events
from tests.e2e.conftest import Ansible, connection
from tests.lab.simulator import Simulator

AUDIT = "pve.audit.audit"
REVENGE = Path(__file__).parents[1] / "unit" / "data" / "scenarios" / "revenge" / "nodes"
COPY: dict[str, Any] = {
    "pve_audit_report_evidence": "copy",
    "pve_audit_report_evidence_path": str(REVENGE),
    "pve_audit_report_since": "2026-11-23T17:40:00Z",
    "pve_audit_report_until": "2026-11-23T18:00:00Z",
    "pve_audit_report_people": {"dario@pve": "Dario"},
}


def test_saved_logs_need_no_api_and_say_who_from_where_how_sure(ansible: Ansible) -> None:
    played = ansible.play(AUDIT, {}, **COPY)
    assert played.status == 0, played.output
    report = played.report()
    destroyed = [row for row in report["summary"]["critical"] if row["action"] == "guest.destroy"]
    by_dario = [row for row in destroyed if row["actor"] == "dario@pve"]
    assert {(row["person"], row["ip"]) for row in by_dario} == {("Dario", "10.99.77.27")}
    assert "certain" in {row["confidence"] for row in by_dario}
    assert {row["person"] for row in destroyed if row["actor"] != "dario@pve"} == {None}
    # Changes without a task are among the grave actions.
    silent = [row for row in report["summary"]["critical"] if row["action"].startswith("access.")]
    assert silent
    assert all(row["upid"] is None and row["confidence"] for row in silent)
    assert report["summary"]["period"]["since"] == COPY["pve_audit_report_since"]
    assert {row["source"] for row in report["coverage"]["sources"]["looked_at"]} == {
        "pve.task", "pve.access", "pve.auth", "linux.auth",
    }  # fmt: skip
    assert "Dario, 10.99.77.27, certain" in played.output
    # What lies before the period is not counted.
    assert all(event["@timestamp"] >= COPY["pve_audit_report_since"] for event in report["events"])


def test_a_node_that_the_copy_lacks_is_no_all_clear(ansible: Ansible) -> None:
    played = ansible.play(AUDIT, {}, **{**COPY, "pve_audit_report_nodes": ["pve1", "pve9"]})
    assert played.status == 2
    assert "pve_audit_report_nodes names pve9" in played.output


def test_an_archive_needs_its_place(ansible: Ansible) -> None:
    played = ansible.play(AUDIT, {}, pve_audit_report_evidence="archive")
    assert played.status == 2
    assert "say in pve_audit_report_evidence_path where it lies" in played.output


def test_the_api_shows_journals_to_who_may_read_them(ansible: Ansible, lab: Simulator) -> None:
    played = ansible.play(AUDIT, connection(lab), pve_audit_report_evidence="api")
    assert played.status == 0, played.output
    sources = played.report()["coverage"]["sources"]
    assert {"pve.task", "pve.auth", "linux.auth"} == {row["source"] for row in sources["looked_at"]}
    assert "pve.access" in {row["source"] for row in sources["not_looked_at"]}
    # This token has no Sys.Syslog: that is said, and no failure.
    gaps = {(gap["source"], gap["code"]) for gap in played.report()["coverage"]["gaps"]}
    assert gaps == {("pve.auth", "not_permitted"), ("linux.auth", "not_permitted")}


def test_administrators_are_those_that_the_cluster_knows(ansible: Ansible, lab: Simulator) -> None:
    at = (datetime.now(UTC) - timedelta(days=1)).replace(hour=2)
    told: list[Any] = []
    for name in ("alice@pve", "ops@pve"):
        auth = f"{at:%Y-%m-%dT%H:%M:%S+00:00} pve1 pvedaemon[1234]: <root@pam> successful auth for user '{name}'"
        call = f'192.0.2.66 - {name} [{at:%d/%m/%Y:%H:%M:%S +0000}] "POST /api2/json/access/ticket HTTP/1.1" 200 800'
        told += events([auth], source="journal", node="pve1") + events([call], source="access", node="pve1")
    played = ansible.play(
        AUDIT,
        connection(lab),
        pve_audit_report_identity=True,
        pve_audit_report_extra_events=told,
    )
    assert played.status == 0, played.output
    rule = "administrator-login-outside-hours"
    found = [one["group"]["user.account"] for one in played.report()["findings"] if one["rule"] == rule]
    assert found == ["alice@pve"]
