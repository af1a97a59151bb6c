# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks as users run them: what they find, what they say when something is wrong, what they leave alone."""

from __future__ import annotations

import json
from time import time

import pytest

from ansible_collections.pve.audit.plugins.module_utils._model.time import rfc3339
from ansible_collections.pve.audit.plugins.plugin_utils._controls.drift import compare
from tests.e2e.conftest import Ansible, connection
from tests.lab.simulator import Simulator, running_simulator

AUDIT = "pve.audit.audit"

WITH_MODULE_DEFAULTS = """
- hosts: localhost
  gather_facts: false
  module_defaults:
    group/pve.audit.api:
      api_host: "{{ connection.PROXMOX_HOST }}"
      api_port: "{{ connection.PROXMOX_PORT }}"
      api_user: "{{ connection.PROXMOX_USER }}"
      api_token_id: "{{ connection.PROXMOX_TOKEN_ID }}"
      api_token_secret: "{{ connection.PROXMOX_TOKEN_SECRET }}"
      ca_path: "{{ connection.PROXMOX_CA_PATH }}"
  tasks:
    - pve.audit.tasks_info:
        since: 7d
        types: [qmdestroy]
        strict: true
      register: destroyed
    - pve.audit.task_log_info:
        upids: "{{ destroyed.tasks[:1] | map(attribute='upid') }}"
      register: texts
    - ansible.builtin.assert:
        that:
          - destroyed is not changed
          - destroyed.tasks | length >= 10
          - texts.logs | length == 1
"""


def test_audit_finds_the_mass_deletion(ansible: Ansible, lab: Simulator) -> None:
    played = ansible.play(AUDIT, connection(lab))
    assert played.status == 0, played.output
    report = played.report()
    found = [finding for finding in report["findings"] if finding["rule"] == "mass-guest-deletion"]
    assert [(finding["severity"], finding["count"]) for finding in found] == [("CRITICAL", 10)]
    assert report["coverage"]["complete"]
    assert {node["node"] for node in report["coverage"]["nodes"]} == {"pve1", "pve2", "pve3"}
    page = (played.folder / "pve-audit-report.html").read_text(encoding="utf-8")
    assert "Content-Security-Policy" in page
    assert connection(lab)["PROXMOX_TOKEN_SECRET"] not in played.output + page


def test_weekly_report(ansible: Ansible, lab: Simulator) -> None:
    played = ansible.play("pve.audit.weekly_report", connection(lab))
    assert played.status == 0, played.output
    assert len(list(played.folder.glob("pve-audit-week-*.html"))) == 1


def test_weekly_report_with_all_its_sections(ansible: Ansible, lab: Simulator) -> None:
    """Who is who, an action that was denied in the spot check, and the controls as the last drift check saw them."""
    sampled = ansible.play("pve.audit.spot_check", connection(lab), pve_audit_spot_check_since="400d")
    assert sampled.status == 0, sampled.output
    [questions] = ansible.folder.glob("pve-audit-spot-check/*/questions.json")
    question = json.loads(questions.read_text(encoding="utf-8"))["questions"][0]
    answered = ansible.play(
        "pve.audit.spot_check",
        connection(lab),
        pve_audit_spot_check_action="answer",
        pve_audit_spot_check_question=question["id"],
        pve_audit_spot_check_answer="denied",
        pve_audit_spot_check_by=question["asked"],
    )
    assert answered.status == 0, answered.output
    control = {"id": "PVA-LOG-06", "title": "The clock is right"}
    checks = [{"id": control["id"], "state": "checked", "message": "", "results": {"look": {"changed": False}}}]
    drift = compare([{"node": "pve1", "checks": checks}], [{"node": "pve1", "controls": [control]}], rfc3339(time()))
    (ansible.folder / "pve-audit-drift").mkdir()
    (ansible.folder / "pve-audit-drift" / "drift.json").write_text(json.dumps(drift), encoding="utf-8")

    played = ansible.play("pve.audit.weekly_report", connection(lab))
    assert played.status == 0, played.output
    [file] = played.folder.glob("pve-audit-week-????-??-??.json")
    report = json.loads(file.read_text(encoding="utf-8"))
    assert [found["severity"] for found in report["findings"] if found["rule"] == "spot-check-denied"] == ["CRITICAL"]
    assert report["identity"]["summary"]["users"] > 5
    states = {row["control"]: row["state"] for row in report["controls"]}
    assert states["PVA-REP-03"] == "ok"
    assert (states["PVA-LOG-06"], states["PVA-LOG-01"], states["PVA-IDN-07"]) == ("ok", "not_checked", "ok")
    page = file.with_suffix(".html").read_text(encoding="utf-8")
    assert 'id="identity"' in page
    assert 'id="compliance"' in page


def test_identity_report(ansible: Ansible, lab: Simulator) -> None:
    played = ansible.play("pve.audit.identity_report", connection(lab))
    assert played.status == 0, played.output
    report = json.loads((played.folder / "pve-audit-identity.json").read_text(encoding="utf-8"))
    assert "root-token" not in {found["rule"] for found in report["identity"]["findings"]}
    assert "token-without-expiry" in {found["rule"] for found in report["identity"]["findings"]}


def test_connection_from_module_defaults(ansible: Ansible, lab: Simulator) -> None:
    played = ansible.play(WITH_MODULE_DEFAULTS, {}, connection=connection(lab))
    assert played.status == 0, played.output


def test_german_report(ansible: Ansible, lab: Simulator) -> None:
    played = ansible.play(
        AUDIT, connection(lab), pve_audit_report_language="de", pve_audit_report_timezone="Europe/Berlin"
    )
    assert played.status == 0, played.output
    assert 'lang="de"' in (played.folder / "pve-audit-report.html").read_text(encoding="utf-8")


def test_check_mode_writes_nothing(ansible: Ansible, lab: Simulator) -> None:
    played = ansible.play(AUDIT, connection(lab), "--check")
    assert played.status == 0, played.output
    assert not played.folder.exists()


def test_node_that_is_off_hides_no_other(ansible: Ansible, ill_lab: Simulator) -> None:
    played = ansible.play(AUDIT, connection(ill_lab))
    assert played.status == 0, played.output
    nodes = played.report()["coverage"]["nodes"]
    codes = {node["node"]: [reason["code"] for reason in node["reasons"]] for node in nodes}
    # The hostile data has a damaged record on each node.
    assert codes == {"pve1": ["corrupt_records"], "pve2": ["node_unreachable"], "pve3": ["corrupt_records"]}
    assert {event["host"]["name"] for event in played.report()["events"]} == {"pve1", "pve3"}
    page = (played.folder / "pve-audit-report.html").read_text(encoding="utf-8")
    assert "<script>alert" not in page


def test_strict_fails_after_the_report_is_written(ansible: Ansible, ill_lab: Simulator) -> None:
    played = ansible.play(AUDIT, connection(ill_lab), pve_audit_report_strict=True)
    assert played.status == 2
    assert "pve2" in played.output
    assert played.report()["findings"]


def test_token_without_privilege_is_not_told_that_nothing_happened(ansible: Ansible, lab: Simulator) -> None:
    played = ansible.play(AUDIT, connection(lab, "nopriv@pve!np"))
    assert played.status == 0, played.output
    assert played.report()["summary"]["verdict"] == "blind"
    assert "Nothing was seen. That does not mean that nothing happened." in played.output
    nodes = played.report()["coverage"]["nodes"]
    assert nodes
    assert {reason["code"] for node in nodes for reason in node["reasons"]} == {"not_permitted"}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        pytest.param({"PROXMOX_TOKEN_SECRET": "00000000-0000-0000-0000-000000000000"}, "token", id="wrong token"),
        pytest.param({"PROXMOX_PORT": "1"}, "127.0.0.1", id="nobody listens"),
        pytest.param({"PROXMOX_HOST": "no-such-host.invalid"}, "no-such-host.invalid", id="unknown host"),
        pytest.param({"PROXMOX_CA_PATH": "/nonexistent/ca.pem"}, "/nonexistent/ca.pem", id="no CA file"),
        pytest.param({"PROXMOX_CA_PATH": ""}, "certificate", id="unknown CA"),
        pytest.param({"PROXMOX_HOST": ""}, "api_host", id="no host"),
    ],
)
def test_mistake_is_one_sentence(ansible: Ansible, lab: Simulator, change: dict[str, str], told: str) -> None:
    played = ansible.play(AUDIT, connection(lab) | change)
    assert played.status == 2, played.output
    assert told in played.output
    assert "Traceback" not in played.output
    assert not played.folder.exists()


def test_expired_certificate(ansible: Ansible) -> None:
    with running_simulator(nodes=1, tasks_per_node=10, certificate="expired") as lab:
        played = ansible.play(AUDIT, connection(lab))
    assert played.status == 2, played.output
    assert "expired" in played.output
    assert "Traceback" not in played.output


def test_empty_cluster(ansible: Ansible) -> None:
    with running_simulator(nodes=1, tasks_per_node=0) as lab:
        played = ansible.play(AUDIT, connection(lab))
    assert played.status == 0, played.output
    assert played.report()["findings"] == []
