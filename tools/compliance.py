# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write docs/compliance.md from the data: ``python -m tools.compliance`` (``--check`` only compares)."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from tools.paths import ROOT

DATA = ROOT / "roles" / "audit_report" / "vars" / "compliance.yml"
TARGET = ROOT / "docs" / "compliance.md"
HEAD = """\
# Compliance

{note}

This page is generated from `roles/audit_report/vars/compliance.yml` (`python -m tools.compliance`); change it there.
The filter `pve.audit.compliance` makes the report's table from the same data, with the state of each control on each
node. The state is known either from the drift check, for each host, or from a run of the playbook.
"""
PER = {"drift": "the drift check, for each host", "run": "a run of the playbook"}


def load() -> dict[str, Any]:
    """The mapping."""
    data: dict[str, Any] = yaml.safe_load(DATA.read_text(encoding="utf-8"))["pve_audit_report_compliance"]
    return data


def references(data: Mapping[str, Any], key: str) -> Iterator[str]:
    """The table of one standard: which controls contribute to which requirement."""
    yield "| | requirement | controls |"
    yield "|---|---|---|"
    for name, title in data[key].items():
        used = [control["id"] for control in data["controls"] if name in [one["id"] for one in control[key]]]
        yield f"| {name} | {title} | {', '.join(used) or 'none'} |"


def control_lines(data: Mapping[str, Any], control: Mapping[str, Any]) -> Iterator[str]:
    """One control."""
    yield f"### {control['id']} {control['title']}"
    yield ""
    yield f"Implemented by the {control['implements']}. Evidence: {control['evidence']}."
    yield f"The state is known from {PER[control['per']]}."
    yield ""
    for key, word in (("iso", "ISO 27001"), ("gdpr", "GDPR")):
        for one in control[key]:
            yield f"- {word} {one['id']}, {data[key][one['id']]}: {one['why']}"
    yield ""


def render() -> str:
    """The whole page."""
    data = load()
    lines = [HEAD.format(note=textwrap.fill(data["note"], 120))]
    for key, title in (("iso", "ISO/IEC 27001:2022, Annex A"), ("gdpr", "GDPR")):
        lines += [f"## {title}", "", *references(data, key), ""]
    lines += ["## Controls", ""]
    for control in data["controls"]:
        lines += control_lines(data, control)
    return "\n".join(lines).rstrip() + "\n"


def main(arguments: list[str]) -> int:
    """Write the page, or with ``--check`` say whether it is current."""
    text = render()
    if "--check" in arguments:
        return 0 if TARGET.is_file() and TARGET.read_text(encoding="utf-8") == text else 1
    TARGET.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
