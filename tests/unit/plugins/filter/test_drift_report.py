# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What drifted is named, and what was not looked at is never called clean."""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.pve.audit.plugins.filter.drift_report import drift_report_filter

NOW = "2026-11-23T23:00:00Z"
ONE = {"id": "PVA-LOG-01", "title": "The journal is on disk"}
OK = {"changed": False, "path": "/etc/x"}
FILE = {
    "changed": True,
    "dest": "/etc/x.conf",
    "diff": [{"before": "a\nb\n", "after": "a\nc\n", "before_header": "/etc/x.conf", "after_header": "x.j2"}, {}],
}
MODE = {"changed": True, "path": "/etc/x", "diff": {"before": {"mode": "0666"}, "after": {"mode": "0640"}}}
SERVICE = {"changed": True, "name": "chrony.service", "state": "started", "enabled": True}
LOOP = {"changed": True, "results": [OK, {**SERVICE, "item": "x"}, {"changed": False, "skipped": True}]}


def report(checks: list[dict[str, Any]] | None, **record: Any) -> dict[str, Any]:
    """One node, one control."""
    records = [] if checks is None else [{"node": "pve1", "checks": checks, **record}]
    return drift_report_filter(records, [{"node": "pve1", "controls": [ONE]}], NOW)


def check(state: str = "checked", message: str = "", **results: Any) -> list[dict[str, Any]]:
    """The check of the control."""
    named = {f"pve_audit_node_logging_result_{name}": result for name, result in results.items()}
    return [{"id": "PVA-LOG-01", "state": state, "message": message, "results": named}]


@pytest.mark.parametrize(
    ("checks", "state", "reason", "verdict"),
    [
        (check(a=OK), "ok", "", "no_drift"),
        (check(a=OK, b={"changed": False, "skipped": True}), "ok", "", "no_drift"),
        (check(a=OK, b=FILE), "drift", "", "drift"),
        (check(a=LOOP), "drift", "", "drift"),
        (check(), "unknown", "not_checked", "no_drift_incomplete"),
        (check("off"), "off", "", "no_drift_incomplete"),
        (check("failed", "no such program", a=OK), "unknown", "failed", "no_drift_incomplete"),
        (check("failed", "no such program", a=FILE), "drift", "failed", "drift_incomplete"),
        (check(a=OK, b={"unreachable": True, "msg": "gone"}), "unknown", "unreachable", "no_drift_incomplete"),
        (check(a={"results": [OK, {"unreachable": True}]}), "unknown", "unreachable", "no_drift_incomplete"),
        ([], "unknown", "not_checked", "no_drift_incomplete"),
        (None, "unknown", "unreachable", "no_drift_incomplete"),
    ],
)
def test_states(checks: list[dict[str, Any]] | None, state: str, reason: str, verdict: str) -> None:
    found = report(checks)
    (row,) = found["rows"]
    assert (row["state"], row["reason"], found["verdict"]) == (state, reason, verdict)
    assert found["counts"][state] == 1
    json.dumps(found)


@pytest.mark.parametrize(
    ("result", "what", "diff"),
    [
        (FILE, "/etc/x.conf", ["-b", "+c"]),
        (MODE, "/etc/x", ['-  "mode": "0666"', '+  "mode": "0640"']),
        (SERVICE, "chrony.service", ["state: started, enabled: True"]),
        (LOOP, "chrony.service", ["state: started"]),
        ({"changed": True, "censored": "x", "diff": {"before": "secret", "after": ""}}, "keep it", ["(hidden)"]),
        ({"changed": True, "diff": {"prepared": "+ package\n"}, "item": "vim"}, "vim", ["+ package"]),
        ({"changed": True, "diff": {"before": "", "after": "x\n" * 900}}, "keep it", ["... and 703 more lines"]),
    ],
)
def test_changes(result: dict[str, Any], what: str, diff: list[str]) -> None:
    (row,) = report(check(keep_it=result))["rows"]
    (change,) = row["changes"]
    assert (change["what"], change["task"]) == (what, "keep it")
    assert all(part in change["diff"] for part in diff), change["diff"]
    assert "secret" not in change["diff"]


def test_the_table_names_node_control_and_difference() -> None:
    expected = [{"node": name, "controls": [ONE]} for name in ("pve1", "pve2")]
    records = [{"node": "pve1", "checks": check(a=FILE)}]
    lines = drift_report_filter(records, expected, NOW)["table"]
    assert lines[0].split() == ["control", "pve1", "pve2"]
    assert lines[1].split()[:4] == ["PVA-LOG-01", "DRIFT", "UNKNOWN", "(unreachable)"]
    assert "    -b" in lines
    assert lines[-1] == "There is drift, and not everything could be checked. 1 drift, 1 unknown"


def test_junit_and_table_survive_hostile_text() -> None:
    hostile = "\x1b[2J]]>\"'<x>&\u202e\x00\ufffe"
    result = {"changed": True, "path": hostile, "diff": {"before": hostile, "after": f"{hostile}2\n"}}
    found = report(check("failed", hostile, a=result))
    root = ElementTree.fromstring(found["junit"].encode())
    assert root.find("testsuite/testcase/failure") is not None
    assert not [line for line in found["table"] if "\x1b" in line or "\u202e" in line]


def test_junit_counts() -> None:
    states = [check(a=OK), check(a=FILE), check("off"), None]
    names = ["ok", "drift", "off", "away"]
    records = [{"node": name, "checks": one} for name, one in zip(names, states, strict=True) if one is not None]
    found = drift_report_filter(records, [{"node": name, "controls": [ONE]} for name in names], NOW)
    root = ElementTree.fromstring(found["junit"].encode())
    assert {key: root.get(key) for key in ("tests", "failures", "errors", "skipped")} == {
        "tests": "4", "failures": "1", "errors": "1", "skipped": "1"}  # fmt: skip
    assert [suite.get("name") for suite in root] == names


@pytest.mark.parametrize("wrong", ["text", {"a": 1}, [{"no": "node"}], ["x"]])
def test_wrong_input_is_one_sentence(wrong: Any) -> None:
    with pytest.raises(AnsibleFilterError, match=r"^pve\.audit\.drift_report: "):
        drift_report_filter(wrong, [{"node": "pve1", "controls": [ONE]}])
