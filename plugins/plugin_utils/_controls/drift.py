# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drift: what a run in check mode would have changed, as one row for each node and control. Pure.

A check (what the playbook drift.yml collects for a node and control):
`{"id": "PVA-LOG-01", "state": "checked|failed|off", "message": str, "results": {NAME: task result of Ansible}}`.
A row: `{"node", "control", "title", "state": "ok|drift|unknown|off", "reason": ""|"unreachable"|"failed"|"not_checked",
"message": str, "changes": [{"what": str, "task": str, "diff": str}]}`.
"""

from __future__ import annotations

import difflib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError

STATES = ("ok", "drift", "unknown", "off")
DIFF_LINES = 200
_NAMES = ("path", "dest", "name")
_DETAILS = ("state", "enabled", "mode", "owner", "group", "msg")


def compare(records: Sequence[Mapping[str, Any]], expected: Sequence[Mapping[str, Any]], now: str) -> dict[str, Any]:
    """The report: `generated`, `verdict`, `counts`, `nodes`, `controls` and `rows`, in the order of `expected`.

    :arg records: `{"node": str, "unreachable": bool, "checks": [check]}`; a node may be missing.
    :arg expected: `{"node": str, "controls": [{"id", "title"}]}`: every node that should have been looked at.
    :raises InputError: a record or an expectation has another shape.
    """
    try:
        known = {str(record["node"]): record for record in records}
        wanted = [(str(node["node"]), control) for node in expected for control in node["controls"]]
        rows = [_row(node, control, known.get(node)) for node, control in wanted]
        controls = {str(control["id"]): str(control["title"]) for _node, control in wanted}
        nodes = [str(node["node"]) for node in expected]
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"a record of the drift check has not the right shape: {error}") from error
    counts = {**dict.fromkeys(STATES, 0), **Counter(row["state"] for row in rows)}
    return {
        "generated": now,
        "verdict": _verdict(counts, any(row["state"] == "drift" and row["reason"] for row in rows)),
        "counts": counts,
        "nodes": nodes,
        "controls": [{"id": name, "title": title} for name, title in controls.items()],
        "rows": rows,
    }


def _verdict(counts: Mapping[str, int], partly: bool) -> str:
    """Nothing that was not looked at is called clean."""
    if counts["drift"]:
        return "drift_incomplete" if counts["unknown"] or partly else "drift"
    if counts["unknown"] or not counts["ok"]:
        return "no_drift_incomplete"
    return "no_drift"


def _row(node: str, control: Mapping[str, Any], record: Mapping[str, Any] | None) -> dict[str, Any]:
    row: dict[str, Any] = {
        "node": node,
        "control": str(control["id"]),
        "title": str(control["title"]),
        "message": "",
        "changes": [],
    }
    check = next((one for one in (record or {}).get("checks", []) if one["id"] == control["id"]), None)
    if check is None:
        silent = record is None or record.get("unreachable")
        return row | (_UNREACHABLE if silent else _NOT_CHECKED)
    if check["state"] == "off":
        return row | {"state": "off", "reason": ""}
    row["changes"] = list(changes_of(check["results"]))
    return row | _outcome(check, bool(row["changes"]))


_UNREACHABLE = {"state": "unknown", "reason": "unreachable", "message": "the host did not answer"}
_NOT_CHECKED = {"state": "unknown", "reason": "not_checked", "message": "the control was not checked"}


def _outcome(check: Mapping[str, Any], changes: bool) -> dict[str, str]:
    """State, reason and message of a check. What was found before the host or a task gave up is certain."""
    results = list(check["results"].values())  # those of Ansible can be gone through once
    found = "drift" if changes else "unknown"
    if any(_lost(result) for result in results):
        return {"state": found, "reason": "unreachable", "message": "the host stopped answering"}
    if check["state"] == "failed":
        return {"state": found, "reason": "failed", "message": str(check.get("message", ""))}
    if not any("changed" in result or "results" in result for result in results):
        return _NOT_CHECKED | {"message": "no task of the control was run"}
    return {"state": "drift" if changes else "ok", "reason": ""}


def changes_of(results: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    """The changes in the registered results of a control, those of loops one by one."""
    for name, result in results.items():
        for one in _single(result):
            if one.get("changed") is True:
                task = name.rpartition("_result_")[2].replace("_", " ")
                yield {"what": _what(one, task), "task": task, "diff": _diff(one)}


def _single(result: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    found = result.get("results")
    return found if isinstance(found, list) and all(isinstance(one, Mapping) for one in found) else [result]


def _lost(result: Mapping[str, Any]) -> bool:
    return any(one.get("unreachable") is True for one in (result, *_single(result)))


def _what(result: Mapping[str, Any], task: str) -> str:
    found = result.get("diff")
    diffs = [one for one in (found if isinstance(found, list) else [found]) if isinstance(one, Mapping)]
    names = [*(result.get(key) for key in _NAMES), *(one.get("before_header") for one in diffs), result.get("item")]
    return next((name for name in names if name and isinstance(name, str)), task)


def _diff(result: Mapping[str, Any]) -> str:
    """A unified diff where the module gave one, else what it said."""
    if "censored" in result:
        return "(hidden)"
    found = result.get("diff")
    parts = [_unified(one) for one in (found if isinstance(found, list) else [found]) if isinstance(one, Mapping)]
    text = "".join(part for part in parts if part)
    if text:
        return _cut(text)
    details = (f"{key}: {result[key]}" for key in _DETAILS if isinstance(result.get(key), (str, bool)))
    return ", ".join(one for one in details if not one.endswith(": "))


def _unified(diff: Mapping[str, Any]) -> str:
    if isinstance(diff.get("prepared"), str):
        return str(diff["prepared"]).rstrip("\n") + "\n" if diff["prepared"] else ""
    before, after = (_lines(diff.get(key)) for key in ("before", "after"))
    # The other header of a template is a temporary file of the controller.
    name = str(
        diff.get("before_header") or diff.get("header") or str(diff.get("after_header") or "").rpartition("/")[2]
    )
    lines = difflib.unified_diff(before, after, f"{name} as it is", f"{name} as it should be", n=1)
    return "".join(line if line.endswith("\n") else line + "\n" for line in lines)


def _lines(value: Any) -> list[str]:
    if isinstance(value, (Mapping, list)):
        value = json.dumps(value, indent=2, sort_keys=True, default=str)
    return str(value or "").splitlines(keepends=True)


def _cut(text: str) -> str:
    lines = text.splitlines(keepends=True)
    if len(lines) <= DIFF_LINES:
        return text
    return "".join(lines[:DIFF_LINES]) + f"... and {len(lines) - DIFF_LINES} more lines\n"
