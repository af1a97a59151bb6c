# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The drift report as a table for a terminal and as JUnit XML. Pure; what it shows was read on hosts and is hostile."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from ansible_collections.pve.audit.plugins.module_utils._model.visible import safe_text

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
    root = Element("testsuites", {"name": "pve.audit.drift", **_numbers(report["rows"])})
    for node in report["nodes"]:
        rows = [row for row in report["rows"] if row["node"] == node]
        heads = {"name": safe_text(node), **_numbers(rows), "timestamp": safe_text(report["generated"])}
        suite = SubElement(root, "testsuite", heads)
        for row in rows:
            _add_case(suite, row)
    indent(root)
    page: bytes = tostring(root, encoding="UTF-8", xml_declaration=True)
    return page.decode() + "\n"


def _numbers(rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    count = Counter(row["state"] for row in rows)
    numbers = {"tests": len(rows), "failures": count["drift"], "errors": count["unknown"], "skipped": count["off"]}
    return {name: str(number) for name, number in numbers.items()}


def _add_case(suite: Element, row: Mapping[str, Any]) -> None:
    """`safe_text` leaves no character that XML forbids."""
    name = safe_text(f"{row['control']} {row['title']}")
    case = SubElement(suite, "testcase", {"classname": safe_text(row["node"]), "name": name})
    if row["state"] == "off":
        SubElement(case, "skipped")
    elif row["state"] != "ok":
        message = row["message"] or ", ".join(change["what"] for change in row["changes"])
        heads = {"type": safe_text(row["reason"] or row["state"]), "message": safe_text(message)}
        text = "\n".join(f"{change['what']}\n{change['diff']}" for change in row["changes"])
        found = SubElement(case, "failure" if row["state"] == "drift" else "error", heads)
        found.text = safe_text(text, multiline=True)
