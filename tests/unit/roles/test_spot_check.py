# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role spot_check by the real ansible-playbook: questions, answers, findings, and the worst of input."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.pve.audit.plugins.plugin_utils._spot_check.sample import file_name
from tests.playbook import run_playbook
from tests.report_sample import HOSTILE, build_events

ROOT = Path(__file__).resolve().parents[3]
ROLE = ROOT / "roles" / "spot_check"
PLAYBOOK = ROOT / "playbooks" / "spot_check.yml"
MONTH = "2026-11"
# What an extra variable holds is a template; events are read as modules return them.
OWN_EVENTS = """
- hosts: localhost
  gather_facts: false
  tasks:
    - ansible.builtin.slurp:
        src: "{{ playbook_dir }}/events.json"
      register: events
    - ansible.builtin.include_role:
        name: pve.audit.spot_check
      vars:
        pve_audit_spot_check_events: "{{ events.content | b64decode | from_json }}"
"""
ODD = HOSTILE[:2] + HOSTILE[3:5]
PEOPLE = {"lena@pve", "paul@pve", "dario@pve", "root@pam", "backup@pve!nightly", *ODD}
EVENTS = [event for event in build_events() if event.get("user", {}).get("id") in PEOPLE]


@dataclass
class Desk:
    """A folder in which spot checks are made."""

    folder: Path

    def play(
        self, action: str, *arguments: str, events: list[Any] | None = None, **variables: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run the playbook, or the role with events."""
        playbook = PLAYBOOK if events is None else self.folder / "own.yml"
        (self.folder / "own.yml").write_text(OWN_EVENTS, encoding="utf-8")
        (self.folder / "events.json").write_text(json.dumps(events), encoding="utf-8")
        names = {f"pve_audit_spot_check_{name}": value for name, value in variables.items()}
        names |= {"pve_audit_spot_check_action": action, "pve_audit_spot_check_output_dir": str(self.folder / "out")}
        (self.folder / "vars.json").write_text(json.dumps(names), encoding="utf-8")
        return run_playbook(playbook, self.folder, "-e", "@vars.json", *arguments)

    def load(self, name: str, month: str = MONTH) -> Any:
        """A JSON file of the spot check."""
        return json.loads((self.folder / "out" / month / name).read_text(encoding="utf-8"))

    def answer(self, text: str, name: str = "mine.yml") -> None:
        """Lay a file of answers down."""
        (self.folder / "out" / MONTH / "answers" / name).write_text(text, encoding="utf-8")


def unchanged(done: subprocess.CompletedProcess[str]) -> bool:
    """Whether a run changed nothing."""
    return done.returncode == 0 and "changed=0 " in done.stdout


def load(name: str) -> Any:
    """A YAML file of the role."""
    return yaml.safe_load((ROLE / name).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """A desk with one sample of hostile events on it."""
    desk = Desk(tmp_path_factory.mktemp("spot"))
    done = desk.play("sample", events=EVENTS, name=MONTH, contacts={"backup@pve": "lena@pve"})
    assert done.returncode == 0, done.stdout
    assert "NOBODY ANSWERS FOR root@pam" in done.stdout
    assert "NOT EVERYTHING WAS SEEN" in done.stdout
    return desk


def test_everybody_is_asked_in_a_harmless_file(desk: Desk) -> None:
    sample, folder = desk.load("questions.json"), desk.folder / "out" / MONTH
    people = {one["asked"] for one in sample["questions"]}
    assert {*ODD, "lena@pve", "paul@pve", "dario@pve", "root@pam"} == people
    assert "backup@pve" not in people, "its contact is asked"
    for ending in ("md", "txt"):
        names = {path.name for path in (folder / "questions").glob(f"*.{ending}")}
        assert names == {f"{file_name(person)}.{ending}" for person in people}
    assert {path.name for path in (folder / "answers").iterdir()} == {f"{file_name(one)}.yml" for one in people}
    for path in folder.rglob("*"):
        assert path.stat().st_mode & 0o777 == (0o750 if path.is_dir() else 0o640), path
    for path in (folder / "questions").iterdir():
        text = path.read_text(encoding="utf-8")
        assert not [char for char in text if char < " " and char != "\n"]
        assert path.suffix == ".txt" or "<script" not in text
    shown = (folder / "questions" / f"{file_name(ODD[1])}.txt").read_text(encoding="utf-8")
    assert "{{ 7*7 }}{% raw %}" in shown, "shown, and not evaluated"


def test_the_statistics_say_what_is_covered(desk: Desk) -> None:
    statistics = desk.load("statistics.json")
    assert statistics["complete"] is False
    assert statistics["statistics"]["unassigned"] == ["root@pam"]
    (dario,) = [row for row in statistics["people"] if row["person"] == "dario@pve"]
    destroyed = [one for one in dario["strata"] if one["action"] == "guest.destroy"]
    assert destroyed[0]["acted"] >= 10 and destroyed[0]["share"] == 1
    text = (desk.folder / "out" / MONTH / "statistics.md").read_text(encoding="utf-8")
    assert "| dario@pve |" in text and "<script" not in text


def test_a_sample_is_drawn_once(desk: Desk) -> None:
    before = desk.load("questions.json")
    again = desk.play("sample", name=MONTH, seed="another", contacts={})
    assert unchanged(again), again.stdout
    assert desk.load("questions.json") == before


def test_empty_answer_files_are_no_answers(desk: Desk) -> None:
    done = desk.play("report")
    assert done.returncode == 0, done.stdout
    result = desk.load("result.json")
    assert result["problems"] == [] and result["counts"]["open"] == len(desk.load("questions.json")["questions"])
    assert json.loads((desk.folder / "out" / "findings.json").read_text()) == []


def test_answers_become_findings_and_stay(desk: Desk) -> None:
    questions = {one["asked"]: one["id"] for one in desk.load("questions.json")["questions"]}
    dario, lena, paul = (questions[name] for name in ("dario@pve", "lena@pve", "paul@pve"))
    comment = "{{ 7*7 }} <script>alert(1)</script> not\nme"
    desk.answer(yaml.safe_dump({dario: {"answer": "denied", "by": "dario", "comment": comment}}))
    survey = {"question": lena, "answer": "confirmed", "by": "lena"}
    done = desk.play("answer", **survey)
    assert done.returncode == 0, done.stdout
    (finding,) = json.loads((desk.folder / "out" / "findings.json").read_text())
    assert (finding["severity"], finding["rule"]) == ("CRITICAL", "spot-check-denied")
    assert comment in finding["sentence"]
    record = desk.folder / "out" / MONTH / "answers.jsonl"
    assert record.stat().st_mode & 0o777 == 0o600
    assert [json.loads(line)["question"] for line in record.read_text().splitlines()].count(dario) == 1
    assert unchanged(desk.play("answer", **survey))
    assert unchanged(desk.play("report"))

    done = desk.play("answer", question="Q-0", answer="denied", by="x")
    assert done.returncode == 2 and f"there is no question Q-0 in {MONTH}" in done.stdout

    # A bad answer is told, and hides no good one.
    desk.answer(f"{paul}:\n  answer: maybe\n  by: paul\n", "paul.yml")
    done = desk.play("answer")
    assert done.returncode == 2
    assert f"answers/paul.yml line 1: the answer to {paul} is 'maybe': write confirmed or denied" in done.stdout
    assert desk.play("report").returncode == 0
    desk.answer(f"{paul}:\n  answer: confirmed\n  by: paul\n", "paul.yml")
    assert desk.play("answer").returncode == 0
    assert desk.load("result.json")["counts"]["confirmed"] == 2

    # Who rewrites or cuts the record is found out.
    lines = record.read_text().splitlines(keepends=True)
    for changed in (lines[0].replace("denied", "confirmed"), lines[0]):
        record.write_text(changed)
        done = desk.play("report")
        assert done.returncode == 2 and "record of answers" in done.stdout
        assert "Traceback" not in done.stdout
    record.write_text("".join(lines))
    assert desk.play("report").returncode == 0


def test_overdue_and_another_month(desk: Desk) -> None:
    done = desk.play("sample", events=EVENTS[:3], name="2020-01", deadline="1s", seed="x")
    assert done.returncode == 0, done.stdout
    done = desk.play("report", name="2020-01")
    assert done.returncode == 0, done.stdout
    findings = json.loads((desk.folder / "out" / "findings.json").read_text())
    assert {finding["rule"] for finding in findings} >= {"spot-check-overdue"}


@pytest.mark.parametrize(
    ("action", "variables", "told"),
    [
        ("ask", {}, "value of pve_audit_spot_check_action must be one of"),
        ("report", {}, "There is no spot check"),
        ("answer", {"name": "2001-01"}, "There is no spot check 2001-01"),
        ("sample", {"name": "../x"}, "without a directory"),
        ("sample", {"timezone": "Mars/Base"}, "time zone 'Mars/Base' is unknown"),
        ("sample", {"events": EVENTS[:3], "deadline": "soon"}, "'soon' is not a length of time"),
    ],
)
def test_a_mistake_is_one_sentence(tmp_path: Path, action: str, variables: dict[str, Any], told: str) -> None:
    done = Desk(tmp_path).play(action, **variables)
    assert done.returncode == 2, done.stdout
    assert told in done.stdout
    assert "Traceback" not in done.stdout
    assert not (tmp_path / "out").exists()


def test_check_mode_writes_nothing(tmp_path: Path) -> None:
    done = Desk(tmp_path).play("sample", "--check", events=EVENTS[:9])
    assert done.returncode == 0, done.stdout
    assert not (tmp_path / "out").exists()
