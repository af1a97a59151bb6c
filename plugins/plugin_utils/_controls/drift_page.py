# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The drift report as a table for a terminal and as JUnit XML. Pure; what it shows was read on hosts and is hostile."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from ansible_collections.pve.audit.plugins.plugin_utils._render.text import safe_text

WORDS = {"ok": "ok", "drift": "DRIFT", "unknown": "UNKNOWN", "off": "off"}
VERDICTS = {
    "no_drift": "Nothing has drifted.",
    "drift": "There is drift.",
    "drift_incomplete": "There is drift, and not everything could be checked.",
    "no_drift_incomplete": "No drift was seen, but NOT everything could be checked.",
}


def table(report: Mapping[str, Any]) -> list[str]:
    """Controls down, nodes across, then each difference. One element is one line."""
    cells = {(row["node"], row["control"]): _word(row) for row in report["rows"]}
    nodes = [safe_text(node) for node in report["nodes"]]
    body = [
        [control["id"], *(cells.get((node, control["id"]), "-") for node in report["nodes"]), control["title"]]
        for control in report["controls"]
    ]
    lines = list(_columns([["control", *nodes, ""], *body]))
    for row in report["rows"]:
        lines += _details(row)
    counts = ", ".join(f"{number} {state}" for state, number in report["counts"].items() if number)
    return [*lines, "", f"{VERDICTS[report['verdict']]} {counts}".rstrip()]


def _word(row: Mapping[str, Any]) -> str:
    return f"{WORDS[row['state']]} ({row['reason']})" if row["reason"] else WORDS[row["state"]]


def _columns(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _details(row: Mapping[str, Any]) -> Iterator[str]:
    if row["state"] in ("ok", "off"):
        return
    yield ""
    yield f"{safe_text(row['node'])} {row['control']} {row['title']}: {_word(row)} {safe_text(row['message'])}".rstrip()
    for change in row["changes"]:
        yield f"  {safe_text(change['what'])} ({safe_text(change['task'])})"
        yield from (f"    {line}" for line in safe_text(change["diff"], multiline=True).splitlines())


def junit(report: Mapping[str, Any]) -> str:
    """One suite for each node, one case for each control: drift is a failure, unknown an error, off is skipped."""
    suites = []
    for node in report["nodes"]:
        rows = [row for row in report["rows"] if row["node"] == node]
        suites.append(
            f'  <testsuite name="{_xml(node)}" {_numbers(rows)} timestamp="{_xml(report["generated"])}">\n'
            + "".join(map(_case, rows))
            + "  </testsuite>\n"
        )
    head = f'<testsuites name="pve.audit.drift" {_numbers(report["rows"])}>\n'
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{head}{"".join(suites)}</testsuites>\n'


def _numbers(rows: Sequence[Mapping[str, Any]]) -> str:
    count = {state: sum(row["state"] == state for row in rows) for state in WORDS}
    numbers = (("failures", "drift"), ("errors", "unknown"), ("skipped", "off"))
    return f'tests="{len(rows)}" ' + " ".join(f'{name}="{count[state]}"' for name, state in numbers)


def _case(row: Mapping[str, Any]) -> str:
    head = f'    <testcase classname="{_xml(row["node"])}" name="{_xml(row["control"] + " " + row["title"])}"'
    if row["state"] == "ok":
        return f"{head}/>\n"
    if row["state"] == "off":
        return f"{head}>\n      <skipped/>\n    </testcase>\n"
    kind = "failure" if row["state"] == "drift" else "error"
    message = row["message"] or ", ".join(change["what"] for change in row["changes"])
    text = "\n".join(f"{change['what']}\n{change['diff']}" for change in row["changes"])
    opening = f'<{kind} type="{_xml(row["reason"] or row["state"])}" message="{_xml(message)}">'
    return f"{head}>\n      {opening}{_xml(text, multiline=True)}</{kind}>\n    </testcase>\n"


def _xml(text: object, *, multiline: bool = False) -> str:
    """`safe_text` leaves no character that XML forbids."""
    return escape(safe_text(text, multiline=multiline), quote=True)
