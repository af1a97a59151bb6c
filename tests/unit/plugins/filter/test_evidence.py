# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filters that join the answers of nodes and show them: as one read of all, and harmless for a terminal."""

from __future__ import annotations

import copy
import json
import shutil
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.pve.audit.plugins.filter.evidence import evidence
from ansible_collections.pve.audit.plugins.filter.timeline import timeline
from ansible_collections.pve.audit.plugins.module_utils._evidence.question.answer import answer
from ansible_collections.pve.audit.plugins.module_utils._evidence.question.question import Question
from ansible_collections.pve.audit.plugins.module_utils._places.copy import read_copy
from ansible_collections.pve.audit.plugins.module_utils._places.reading import Interval
from tools.attribution import NODES, RECORDINGS

NOW = 1_795_500_000.0
REVENGE = RECORDINGS / "revenge" / "nodes"


def read(path: Path) -> Any:
    return read_copy(str(path), Interval(), UTC, now=NOW)


def test_the_answers_of_nodes_are_as_one_read_of_all(tmp_path: Path) -> None:
    whole = answer(read(REVENGE), Question(vmid=510), NODES)
    parts = []
    for node in NODES:
        shutil.copytree(REVENGE / node, tmp_path / node / node)
        parts.append(json.loads(json.dumps({"found": read(tmp_path / node).as_dict()})))
    joined = evidence(parts, nodes=NODES, question={"vmid": "510", "account": "", "since": None})
    assert joined == {**whole, "since": None, "until": None}
    less = evidence(parts[:2], nodes=NODES, unreachable=["pve3"], question={"vmid": 510})
    rows = [row for row in less["coverage"] if row["node"] == "pve3"]
    assert {row["source"] for row in rows} == {"pve.task", "pve.access", "pve.auth", "linux.auth"}
    assert not less["complete"]


def test_a_node_speaks_for_itself_alone(tmp_path: Path) -> None:
    """A node in the wrong hands cannot speak for another one, or say that somebody did something there."""
    parts = {}
    for node in ("pve1", "pve2"):
        shutil.copytree(REVENGE / node, tmp_path / node / node)
        parts[node] = {"found": read(tmp_path / node).as_dict()}
    with pytest.raises(AnsibleFilterError, match="two answers speak for pve1"):
        evidence([parts["pve1"], parts["pve1"]])
    parts["pve2"]["found"]["events"] += [one for one in parts["pve1"]["found"]["events"] if "destroy" in str(one)]
    result = evidence([parts["pve2"]])
    assert {act["host"]["name"] for act in result["acts"]} == {"pve2"}
    assert {reason["code"] for row in result["coverage"] for reason in row["reasons"]} == {"corrupt_records"}


TEXT = """\
guest 510: 1 act, from the oldest line on to the newest (times in UTC)

2026-11-23 17:41:24  guest.destroy 510  on pve1
    dario@pve, from 10.99.77.27, with a ticket (web interface)  [certain]
      pve1/tasks/index: UPID:pve1:000005E3:0007C336:6B047AC4:qmdestroy:510:dario@pve: 6B047AC4 OK
"""


def destroyed() -> dict[str, Any]:
    return answer(read(REVENGE), Question(vmid=510, actions=("guest.destroy",)), NODES)


def test_an_act_is_read_in_ten_seconds() -> None:
    text = timeline(destroyed(), "guest 510")
    assert text.startswith(TEXT)
    assert "GAPS" in text
    assert "  2026-11-23 17:39:49 to 2026-11-23 17:41:19  37 messages of pve3 are lost" in text
    assert "configuration of pve1, pve2, pve3 was not looked at" in text
    assert text.count("WITHOUT A GAP") == 1


@pytest.mark.parametrize(
    ("confidence", "shown"),
    [
        (
            "ambiguous",
            ["    ONE OF 2, the lines do not tell which:", "      dario@pve, from 10.99.77.27", "      eve@pve"],
        ),
        ("unknown", ["    UNKNOWN who, recorded as dario@pve, eve@pve"]),
        ("likely", ["    dario@pve, from 10.99.77.27, with a ticket (web interface)  [likely]"]),
    ],
)
def test_doubt_is_shown(confidence: str, shown: list[str]) -> None:
    result = destroyed()
    attribution = result["acts"][0]["attribution"]
    attribution["confidence"] = confidence
    attribution["candidates"].append({"user": "eve@pve", "person": None, "ip": None, "channel": "gui"})
    text = timeline(result)
    assert all(line in text for line in shown)


HOSTILE = "a\x1b[2J\n2026-11-23 00:00:00  guest.destroy 1\u202e\u0085"


def poisoned(value: Any) -> Any:
    """The same with every text that may come from a log replaced by one that attacks the terminal."""
    if isinstance(value, dict):
        return {key: value[key] if key in ("from", "until", "@timestamp") else poisoned(value[key]) for key in value}
    if isinstance(value, list):
        return [poisoned(one) for one in value]
    return HOSTILE if isinstance(value, str) else value


def test_nothing_from_a_log_moves_the_cursor_or_makes_a_line() -> None:
    result = poisoned(copy.deepcopy(destroyed()))
    lines = timeline(result, HOSTILE).split("\n")
    assert all(line.isprintable() for line in lines)
    assert not [line for line in lines if line.startswith("2026-11-23 00:00:00")]


def test_nothing_found_is_no_all_clear() -> None:
    result = answer(read(REVENGE), Question(vmid=99999))
    assert "NOT EVERYTHING WAS SEEN" in timeline(result)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: timeline([]), "the answer of pve.audit.evidence_info is needed"),
        (lambda: timeline({**destroyed(), "acts": [{}]}), "not as pve.audit.evidence_info gave it"),
        (lambda: evidence({}), "a list of results"),
        (lambda: evidence([{"acts": []}]), "with as=found"),
        (lambda: evidence([], question={"vmdi": 1}), "question has no vmdi"),
        (lambda: evidence([], question={"vmid": "all"}), "vmid: 'all' is no number"),
        (lambda: evidence([], question={"address": "pve1"}), "address: 'pve1' is no IP address"),
        (lambda: evidence([], question={"account": "dario"}), "account: 'dario' has no realm"),
        (lambda: evidence([], question={"since": "soon"}), "'soon' is not a time"),
    ],
)
def test_bad_input_is_one_sentence(call: Any, words: str) -> None:
    with pytest.raises(AnsibleFilterError) as raised:
        call()
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)
