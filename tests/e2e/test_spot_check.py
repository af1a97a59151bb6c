# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The spot check of a cluster: a sample over the API, an answer, a finding."""

from __future__ import annotations

import json
from pathlib import Path

from tests.e2e.conftest import Ansible, connection
from tests.lab.simulator import Simulator

SPOT_CHECK = "pve.audit.spot_check"
SUDO = Path(__file__).parents[1] / "unit" / "data" / "scenarios" / "cli-and-sudo" / "nodes"


def test_who_denies_the_mass_deletion_is_heard(ansible: Ansible, lab: Simulator) -> None:
    kept = ansible.folder / "kept"
    chosen = {"pve_audit_spot_check_output_dir": str(kept), "pve_audit_spot_check_name": "month"}
    played = ansible.play(SPOT_CHECK, connection(lab), **chosen)
    assert played.status == 0, played.output
    assert connection(lab)["PROXMOX_TOKEN_SECRET"] not in played.output
    sample = json.loads((kept / "month" / "questions.json").read_text(encoding="utf-8"))
    assert sample["complete"]
    assert {person["person"] for person in sample["people"] if person["sampled"] == 0} == set()
    destroyed = [one for one in sample["questions"] if one["action"] == "guest.destroy"]
    assert len(destroyed) >= 10
    survey = {
        "pve_audit_spot_check_action": "answer",
        "pve_audit_spot_check_question": destroyed[0]["id"],
        "pve_audit_spot_check_answer": "denied",
        "pve_audit_spot_check_by": destroyed[0]["asked"],
    }
    # No connection: answers need none.
    played = ansible.play(SPOT_CHECK, {}, **chosen, **survey)
    assert played.status == 0, played.output
    (finding,) = json.loads((kept / "findings.json").read_text(encoding="utf-8"))
    assert (finding["severity"], finding["event_ids"]) == ("CRITICAL", [destroyed[0]["event_id"]])


def test_a_token_that_may_not_see_asks_nobody_and_says_so(ansible: Ansible, lab: Simulator) -> None:
    kept = {"pve_audit_spot_check_output_dir": str(ansible.folder / "kept")}
    played = ansible.play(SPOT_CHECK, connection(lab, "nopriv@pve!np"), **kept)
    assert played.status == 0, played.output
    assert "NOT EVERYTHING WAS SEEN" in played.output


def test_changes_without_a_task_are_asked_about_from_saved_logs(ansible: Ansible) -> None:
    kept = ansible.folder / "kept"
    played = ansible.play(
        SPOT_CHECK,
        {},
        pve_audit_spot_check_output_dir=str(kept),
        pve_audit_spot_check_name="copy",
        pve_audit_spot_check_evidence="copy",
        pve_audit_spot_check_evidence_path=str(SUDO),
        pve_audit_spot_check_since="2026-11-23",
        pve_audit_spot_check_until="2026-11-24",
    )
    assert played.status == 0, played.output
    questions = json.loads((kept / "copy" / "questions.json").read_text(encoding="utf-8"))["questions"]
    behind_root = [one for one in questions if ":root@pam:" in one["event_id"]]
    assert {one["user"] for one in behind_root} - {"root@pam"}
    assert [one for one in questions if not one["event_id"].startswith("UPID:")]
    assert "task log alone" not in (kept / "copy" / "statistics.md").read_text(encoding="utf-8")
