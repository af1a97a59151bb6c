# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role's own choices, through the real ansible-playbook: formats, templates, limits, and when a play fails."""

from __future__ import annotations

from datetime import UTC, datetime
from time import time

from ansible_collections.pve.audit.plugins.filter.events import events
from ansible_collections.pve.audit.plugins.module_utils._model.time import rfc3339
from tests.e2e.conftest import Ansible, connection
from tests.lab.recorded import build_recorded
from tests.lab.simulator import Simulator, running_simulator

AUDIT = "pve.audit.audit"


def test_replaced_template_can_use_the_parts_of_the_role(ansible: Ansible, lab: Simulator) -> None:
    own = ansible.folder / "own.html.j2"
    own.write_text(
        "{% import 'html/macros.j2' as m with context %}\n<h1>{{ pve_audit_report_summary.verdict }}</h1>\n"
        "{% for f in pve_audit_report_findings %}<p>{{ m.severity(f.severity) }}{{ m.t(f.title) }}</p>{% endfor %}\n",
        encoding="utf-8",
    )
    played = ansible.play(
        AUDIT, connection(lab), pve_audit_report_html_template=str(own), pve_audit_report_formats=["html"]
    )
    assert played.status == 0, played.output
    page = (played.folder / "pve-audit-report.html").read_text(encoding="utf-8")
    assert page.startswith("<h1>findings</h1>")
    assert "Mass guest deletion</p>" in page
    assert [path.name for path in played.folder.iterdir()] == ["pve-audit-report.html"]


def test_fail_on_fails_after_the_report_is_written(ansible: Ansible, lab: Simulator) -> None:
    played = ansible.play(AUDIT, connection(lab), pve_audit_report_fail_on="critical")
    assert played.status == 2
    assert "Findings of severity critical or worse: mass-" in played.output
    assert played.report()["findings"]


def test_limits_and_a_name_of_its_own(ansible: Ansible, lab: Simulator) -> None:
    played = ansible.play(
        AUDIT,
        connection(lab),
        pve_audit_report_log_limit=2,
        pve_audit_report_html_max_rows=10,
        pve_audit_report_rules=[],
        pve_audit_report_extra_rules=[{"id": "mass-guest-deletion", "enabled": False}],
    )
    assert played.status == 0, played.output
    report = played.report()
    assert len(report["logs"]) == 2
    assert all(log["lines"] for log in report["logs"])
    assert "mass-guest-deletion" not in {finding["rule"] for finding in report["findings"]}
    page = (played.folder / "pve-audit-report.html").read_text(encoding="utf-8")
    assert "records are left out here" in page
    assert page.count("data-user=") == 10


def test_no_record_is_said_of_the_source_that_was_looked_at(ansible: Ansible) -> None:
    start = int(time()) - 9 * 86400
    before = f"UPID:pve1:00000001:00000001:{start:08X}:aptupdate::root@pam: {start:08X} OK\n"
    with running_simulator(cluster=build_recorded({"pve1/tasks/index": before})) as quiet:
        played = ansible.play(AUDIT, connection(quiet), pve_audit_report_language="de")
    assert played.status == 0, played.output
    assert played.report()["summary"]["verdict"] == "no_events"
    assert "Task-Log: im Gesehenen kein Eintrag des Zeitraums. Nicht angesehen: Zugriffs-Log, " in played.output


def test_an_emptied_log_is_not_called_quiet(ansible: Ansible) -> None:
    with running_simulator(nodes=1, tasks_per_node=0) as emptied:
        played = ansible.play(AUDIT, connection(emptied), pve_audit_report_strict=True)
    assert played.status == 2, played.output
    assert played.report()["summary"]["verdict"] == "blind"
    assert "the task log of pve1 holds no finished task: a new node, or its log was removed" in played.output


def test_a_new_node_can_be_accepted_and_is_told_all_the_same(ansible: Ansible) -> None:
    first = int(time()) - 86400
    index = f"UPID:pve1:00000001:00000001:{first:08X}:startall::root@pam: {first:08X} OK\n"
    with running_simulator(cluster=build_recorded({"pve1/tasks/index": index})) as new:
        played = ansible.play(
            AUDIT, connection(new), pve_audit_report_strict=True, pve_audit_report_accept=["begins_late"]
        )
    assert played.status == 0, played.output
    assert [gap["code"] for gap in played.report()["coverage"]["gaps"]] == ["begins_late"]


def test_other_sources_take_part_where_coverage_says_that_they_were_looked_at(ansible: Ansible, lab: Simulator) -> None:
    now = time()
    at = datetime.fromtimestamp(now - 3600, UTC).strftime("%d/%m/%Y:%H:%M:%S +0000")
    old = datetime.fromtimestamp(now - 99 * 86400, UTC).strftime("%d/%m/%Y:%H:%M:%S +0000")
    call = '"DELETE /api2/json/access/users/bob@pve HTTP/1.1" 403 70'
    lines = [f"192.0.2.66 - mallory@pve [{when}] {call}" for when in (at, at, old)]
    played = ansible.play(
        AUDIT,
        connection(lab),
        pve_audit_report_extra_events=events(lines, node="pve1"),
        pve_audit_report_extra_coverage=[
            {
                "node": "pve1",
                "source": "pve.access",
                "complete": True,
                "from": rfc3339(now - 8 * 86400),
                "until": rfc3339(now + 3600),
            }
        ],
        pve_audit_report_strict=True,
        pve_audit_report_required_sources=["pve.task", "pve.auth"],
        pve_audit_report_known_oldest={"pve3": "2020-01-01T00:00:00Z"},
    )
    report = played.report()
    summary = report["summary"]
    [row] = [row for row in summary["refused"] if row["actor"] == "mallory@pve"]
    assert (row["ip"], row["action"], row["count"]) == ("192.0.2.66", "access.user.delete", 2)
    assert [row["failures"] for row in summary["by_actor"] if row["actor"] == "mallory@pve"] == [2]
    assert {row["source"]: row["nodes"] for row in report["coverage"]["sources"]["not_looked_at"]} == {
        "pve.access": ["pve2", "pve3"],
        "pve.auth": [],
        "linux.auth": [],
        "pve.config": [],
    }
    times = [event["@timestamp"] for event in report["events"]]
    assert times == sorted(times, reverse=True)
    page = (played.folder / "pve-audit-report.html").read_text(encoding="utf-8")
    assert "lie outside the period and were left out: 1" in page
    assert played.status == 2
    assert "pve.access of pve2 was not looked at" in played.output
    assert "pve.auth is required and was not looked at" in played.output
    assert "records_missing" in {gap["code"] for gap in report["coverage"]["gaps"] if gap["node"] == "pve3"}


def test_strict_forgives_what_is_accepted(ansible: Ansible, lab: Simulator) -> None:
    asked = {"pve_audit_report_since": "4000d", "pve_audit_report_strict": True, "pve_audit_report_formats": ["json"]}
    played = ansible.play(AUDIT, connection(lab), **asked)
    assert played.status == 2 and "the task log of pve1 begins at" in played.output
    played = ansible.play(AUDIT, connection(lab), pve_audit_report_accept=["begins_late"], **asked)
    assert played.status == 0, played.output
    assert not played.report()["coverage"]["complete"], "forgiven, and told all the same"


def test_a_wrong_choice_is_told_before_anything_is_fetched(ansible: Ansible) -> None:
    for variable, value, told in (
        ("pve_audit_report_language", "fr", "value of pve_audit_report_language must be one of"),
        ("pve_audit_report_timezone", "Mars/Base", "time zone 'Mars/Base' is unknown"),
        ("pve_audit_report_name", "../../etc/report", "without a directory"),
    ):
        played = ansible.play(AUDIT, {}, **{variable: value})
        assert played.status == 2, played.output
        assert told in played.output
        assert "Traceback" not in played.output
        assert not played.folder.exists()
