# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Questions and answers of the spot check, through the filters: states, findings, mistakes, and a record that shows
what was done to it."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleFilterError

from ansible_collections.pve.audit.plugins.filter import spot_answers, spot_sample
from ansible_collections.pve.audit.plugins.module_utils._model.severity import FINDING_SEVERITIES

MADE = "2026-12-01T06:00:00Z"
SOON = "2026-12-02T06:00:00Z"
LATE = "2026-12-20T06:00:00Z"
SAMPLE = spot_sample.FilterModule().filters()["spot_sample"]
ANSWERS = spot_answers.FilterModule().filters()["spot_answers"]


def event(number: int, user: str) -> dict[str, Any]:
    """A guest that was destroyed."""
    return {
        "@timestamp": f"2026-11-23T17:40:3{number}Z",
        "event": {"id": f"UPID:{number}", "kind": "event", "action": "guest.destroy", "outcome": "success"},
        "user": {"id": user},
        "host": {"name": "pve1"},
        "pve": {"severity": "critical", "object": str(number)},
    }


QUESTIONS = SAMPLE([event(1, "alice@pve"), event(2, "alice@pve!ci"), event(3, "bob@pve")], "seed", now=MADE)
FIRST, SECOND, THIRD = (one["id"] for one in QUESTIONS["questions"])


def judge(text: str = "", now: str = SOON, **options: Any) -> dict[str, Any]:
    """The result of one file of answers."""
    result: dict[str, Any] = ANSWERS(QUESTIONS, files=[{"path": "a.yml", "text": text}], now=now, **options)
    return result


def said(question: str, answer: str, by: str = "alice", **more: str) -> str:
    """One answer as YAML."""
    return yaml.safe_dump({question: {"answer": answer, "by": by, **more}})


def states(result: dict[str, Any]) -> list[str]:
    """The states in the order of the questions."""
    return [row["state"] for row in result["rows"]]


def rules(result: dict[str, Any]) -> list[tuple[str, str]]:
    """Severity and rule of the findings."""
    return [(finding["severity"], finding["rule"]) for finding in result["findings"]]


@pytest.mark.parametrize(
    ("text", "now", "expected", "found"),
    [
        ("", SOON, ["open", "open", "open"], []),
        ("", LATE, ["overdue"] * 3, [("MEDIUM", "spot-check-overdue")] * 2),
        (said(FIRST, "confirmed"), SOON, ["confirmed", "open", "open"], []),
        (said(FIRST, "denied"), SOON, ["denied", "open", "open"], [("CRITICAL", "spot-check-denied")]),
        (said(FIRST, "denied") + said(SECOND, "denied"), SOON, ["denied", "denied", "open"],
         [("CRITICAL", "spot-check-denied")] * 2),
        (said(FIRST, "confirmed") + said(THIRD, "denied"), LATE, ["confirmed", "overdue", "denied"],
         [("CRITICAL", "spot-check-denied"), ("MEDIUM", "spot-check-overdue")]),
        (json.dumps({FIRST: {"answer": "denied", "by": "alice"}}), SOON, ["denied", "open", "open"],
         [("CRITICAL", "spot-check-denied")]),
        (said(FIRST, "", ""), SOON, ["open", "open", "open"], []),
        ("# nothing yet\n", SOON, ["open", "open", "open"], []),
    ],
)  # fmt: skip
def test_states(text: str, now: str, expected: list[str], found: list[tuple[str, str]]) -> None:
    result = judge(text, now)
    assert (states(result), rules(result), result["problems"]) == (expected, found, [])
    assert result["counts"] == {state: expected.count(state) for state in ("denied", "overdue", "open", "confirmed")}
    assert len({finding["id"] for finding in result["findings"]}) == len(found)


def test_a_finding_has_the_shape_of_all_findings() -> None:
    (finding,) = judge(said(SECOND, "denied", comment="I was on leave"))["findings"]
    assert set(finding) == {
        "id", "rule", "title", "severity", "type", "sentence", "start", "end", "count", "total", "values", "group",
        "nodes", "event_ids", "actors", "young", "unknown", "related", "remedy"}  # fmt: skip
    assert finding["severity"] in FINDING_SEVERITIES
    assert finding["group"] == {"user.id": "alice@pve!ci"}
    assert finding["event_ids"] == ["UPID:2"]
    assert "guest.destroy 2 on pve1 by alice@pve!ci" in finding["sentence"]
    assert "I was on leave" in finding["sentence"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (said(FIRST, "yes"), f"a.yml line 1: the answer to {FIRST} is 'yes': write confirmed or denied"),
        (f"{FIRST}:\n  answer: true\n  by: x\n", f"a.yml line 1: the answer to {FIRST} is 'true': write"),
        (said(FIRST, "denied", ""), f"a.yml line 1: the answer to {FIRST} does not say who gave it"),
        (said("Q-0", "denied"), "a.yml line 1: there is no question 'Q-0' in this spot check"),
        (f"\n\n{FIRST}: denied\n", f"a.yml line 3: the answer to {FIRST} must have the lines answer, by"),
        (said(FIRST, "denied", why="x"), "a.yml line 1: 'why' is unknown in an answer"),
        (said(FIRST, "denied", at="noon"), "a.yml line 1: the time of the answer"),
        (said(FIRST, "denied", at="2036-01-01"), "does not lie between the question"),
        (said(FIRST, "denied", at="2026-11-01"), "does not lie between the question"),
        (said(FIRST, "denied", comment="x" * 2001), "is longer than 2000 characters"),
        (f"{FIRST}: {{answer: denied, by: [x]}}", f"by of {FIRST} must be a text"),
        (said(FIRST, "denied") + said(FIRST, "confirmed"), "a.yml line 1 and a.yml line 4: the question"),
        ("- a\n- b\n", "a.yml line 1: a map of question ids and answers is needed"),
        ("a: b: c\n", "a.yml line 1: this is not YAML"),
        ("a:\n\t- b\n", "a.yml line 2: this is not YAML"),
        ("[" * 5000, "a.yml: this is not YAML"),
        ("\x00", "a.yml: this is not YAML"),
        ('{"a": }', "a.yml line 1: this is not JSON"),
        (json.dumps({FIRST: "denied"}), "a.yml entry 1: the answer"),
        (json.dumps({FIRST: [1]}), "a.yml entry 1: the answer"),
        (json.dumps({FIRST: {"answer": "denied", "by": 7}}), f"a.yml entry 1: by of {FIRST} must be a text"),
    ],
)
def test_a_bad_answer_is_one_sentence_and_hides_no_good_one(text: str, problem: str) -> None:
    good = {"path": "b.yml", "text": said(THIRD, "confirmed", "bob")}
    result = ANSWERS(QUESTIONS, files=[{"path": "a.yml", "text": text}, good], now=SOON)
    (told,) = result["problems"]
    assert problem in told and "\n" not in told
    assert states(result) == ["open", "open", "confirmed"]


def test_files_as_slurp_returns_them() -> None:
    text = said(FIRST, "confirmed", "Zoë").encode()
    files = [
        {"source": "/x/2026-11/answers/a.yml", "content": base64.b64encode(b"\xef\xbb\xbf" + text).decode()},
        {"source": "/x/2026-11/answers/b.yml", "content": base64.b64encode(b"\xff").decode()},
    ]
    result = ANSWERS(QUESTIONS, files=files, now=SOON)
    assert (result["counts"]["confirmed"], result["problems"]) == (1, ["answers/b.yml: this is not text in UTF-8"])
    assert json.loads(result["record"])["origin"] == "answers/a.yml line 1"


def test_answers_of_a_survey() -> None:
    answer = {"question": FIRST, "answer": "denied", "by": "alice@pve", "origin": "survey"}
    assert states(ANSWERS(QUESTIONS, answers=[answer], now=SOON)) == ["denied", "open", "open"]
    (problem,) = ANSWERS(QUESTIONS, answers=[{**answer, "answer": "no"}], now=SOON)["problems"]
    assert problem.startswith("survey: the answer to")


def test_who_answered_and_when() -> None:
    text = said(FIRST, "confirmed", "ALICE", at="2026-12-01") + said(SECOND, "confirmed", "alice@pve")
    rows = judge(text + said(THIRD, "confirmed", "alice"), LATE)["rows"]
    assert [(row["answer"]["by_asked"], row["answer"]["late"]) for row in rows] == [
        (True, False), (True, True), (False, True)]  # fmt: skip
    assert judge(said(THIRD, "confirmed"))["asked"][1] == {
        "asked": "bob@pve", "confirmed": 1, "denied": 0, "overdue": 0, "open": 0, "by_others": 1}  # fmt: skip


def test_the_record_is_only_added_to() -> None:
    one = judge(said(FIRST, "denied"))
    again = judge(said(FIRST, "denied"), record=one["record"], anchor=one["head"])
    assert (again["record"], again["appended"], again["head"]) == (one["record"], 0, one["head"])
    two = judge(said(FIRST, "confirmed"), LATE, record=one["record"], anchor=one["head"])
    assert two["record"].startswith(one["record"]) and two["appended"] == 1
    assert states(two)[0] == "confirmed"
    assert [entry["answer"] for entry in two["rows"][0]["history"]] == ["denied", "confirmed"]
    assert rules(two) == [("MEDIUM", "spot-check-answer-changed")] + [("MEDIUM", "spot-check-overdue")] * 2
    # The first file still lies there: what it says is known, and does not turn the answer back.
    assert judge(said(FIRST, "denied"), record=two["record"])["appended"] == 0


def lines() -> list[dict[str, Any]]:
    """A record of two answers."""
    text = judge(said(FIRST, "denied") + said(SECOND, "confirmed"))["record"]
    return [json.loads(line) for line in text.splitlines()]


def dump(entries: list[Any]) -> str:
    """A record."""
    return "".join(json.dumps(entry, sort_keys=True) + "\n" for entry in entries)


@pytest.mark.parametrize(
    ("record", "told"),
    [
        (dump([{**lines()[0], "answer": "confirmed"}, lines()[1]]), "line 1 does not follow"),
        (dump([lines()[0], {**lines()[1], "comment": "x"}]), "line 2 does not follow"),
        (dump([lines()[1], lines()[0]]), "line 1 does not follow"),
        (dump([lines()[1]]), "line 1 does not follow"),
        (dump([*lines(), lines()[1]]), "line 3 does not follow"),
        (dump([*lines(), {}]), "line 3 does not follow"),
        (dump(lines()) + "{", "line 3 does not follow"),
        (dump([lines()[0]]), "does not hold the 2 answers that an earlier result has seen"),
        ("", "does not hold the 2 answers"),
    ],
)
def test_a_record_that_was_changed_is_refused(record: str, told: str) -> None:
    head = judge(record=dump(lines()))["head"]
    with pytest.raises(AnsibleFilterError, match=told):
        judge(record=record, anchor=head)


@pytest.mark.parametrize(
    "wrong",
    [
        {**QUESTIONS, "questions": QUESTIONS["questions"][1:]},
        {**QUESTIONS, "deadline": "2099-01-01T00:00:00Z"},
        {**QUESTIONS, "digest": "0" * 64},
    ],
)
def test_questions_that_were_changed_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(AnsibleFilterError, match=r"^pve\.audit\.spot_answers: the questions are not as they were made"):
        ANSWERS(wrong)


def test_questions_survive_json() -> None:
    assert ANSWERS(json.loads(json.dumps(QUESTIONS)), now=SOON)["counts"]["open"] == 3


@pytest.mark.parametrize(
    ("name", "value", "options", "message"),
    [
        ("sample", "text", {"seed": "s"}, "a list of events is needed, not str"),
        ("sample", [], {"seed": ""}, "the spot check needs a seed"),
        ("sample", [], {"seed": "s", "size": "5"}, "size must be a whole number"),
        ("sample", [], {"seed": "s", "colour": "red"}, "colour"),
        ("sample", [], {"seed": "s", "coverage": "all"}, "coverage must be a list, not str"),
        ("answers", [], {}, "this is no set of spot check questions"),
        ("answers", {"schema": "other"}, {}, "this is no set of spot check questions"),
        ("answers", QUESTIONS, {"files": "a.yml"}, "files must be a list of maps"),
        ("answers", QUESTIONS, {"answers": [1]}, "answers must be a list of maps"),
        ("answers", QUESTIONS, {"anchor": {"entries": "x"}}, "the anchor must be the head"),
    ],
)
def test_errors_are_one_sentence(name: str, value: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(AnsibleFilterError) as failure:
        {"sample": SAMPLE, "answers": ANSWERS}[name](value, **options)
    text = str(failure.value)
    assert text.startswith(f"pve.audit.spot_{name}: ") and message in text and "\n" not in text


@pytest.mark.parametrize("module", [spot_sample, spot_answers])
def test_documentation(module: Any) -> None:
    documentation = yaml.safe_load(module.DOCUMENTATION)
    assert documentation["name"] == module.__name__.rpartition(".")[2]
    assert yaml.safe_load(module.EXAMPLES)
    assert yaml.safe_load(module.RETURN)["_value"]["contains"]
