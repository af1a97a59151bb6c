# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook `who`, from each place that needs no second machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.e2e.conftest import Ansible, connection
from tests.lab.simulator import Simulator

REVENGE = Path(__file__).parents[1] / "unit" / "data" / "scenarios" / "revenge" / "nodes"


def answer(ansible: Ansible) -> tuple[str, dict[str, Any]]:
    """The time line and the details that a run left."""
    folder = ansible.folder / "who"
    details: dict[str, Any] = json.loads((folder / "who.json").read_text(encoding="utf-8"))
    return (folder / "who.txt").read_text(encoding="utf-8"), details


def test_a_copy_says_who_destroyed_the_guest(ansible: Ansible) -> None:
    played = ansible.play(
        "pve.audit.who", {}, vmid=510, from_copy=str(REVENGE), pve_audit_who_output_dir=str(ansible.folder / "who")
    )
    assert played.status == 0, played.output
    text, details = answer(ansible)
    assert [act["event"]["action"] for act in details["acts"]] == [
        "guest.create",
        "guest.config.modify",
        "guest.destroy",
    ]
    assert "    dario@pve, from 10.99.77.27, with a ticket (web interface)  [certain]" in text.splitlines()


def test_the_api_alone_answers_and_says_what_is_missing(ansible: Ansible, lab: Simulator) -> None:
    played = ansible.play(
        "pve.audit.who",
        connection(lab),
        action="guest.destroy",
        pve_audit_who_output_dir=str(ansible.folder / "who"),
    )
    assert played.status == 0, played.output
    text, details = answer(ansible)
    assert len(details["acts"]) >= 10
    assert all(act["source"]["ip"] is None for act in details["acts"])
    assert {act["user"]["id"] for act in details["acts"]} > {None} or "@" in text
    assert "the API has no access.log of pve1" in text
    assert connection(lab)["PROXMOX_TOKEN_SECRET"] not in played.output + text


def test_a_node_that_does_not_answer_is_no_all_clear(ansible: Ansible) -> None:
    inventory = ansible.folder / "inventory"
    inventory.write_text("[pve_nodes]\npve1 ansible_host=127.0.0.1 ansible_port=1\n")
    played = ansible.play(
        "pve.audit.who",
        {},
        "-i",
        str(inventory),
        vmid=100,
        from_nodes=True,
        pve_audit_who_output_dir=str(ansible.folder / "who"),
    )
    assert played.status != 0
    assert "pve1 did not answer, nothing of it was seen" in answer(ansible)[0]
    assert "No line of any log could be read" in played.output


def test_a_question_needs_a_subject(ansible: Ansible) -> None:
    played = ansible.play("pve.audit.who", {}, since="7d")
    assert played.status != 0
    assert "Say what to look for" in played.output
