# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write docs/controls.md from the rows of the roles: ``python -m tools.controls`` (``--check`` only compares)."""

from __future__ import annotations

import json
import re
import sys
import textwrap
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tools.paths import ROOT

ROLES = ROOT / "roles"
TARGET = ROOT / "docs" / "controls.md"
HEAD = """\
# Controls

{note}

This page is generated from `vars/controls.yml` of the roles (`python -m tools.controls`); change it there. The filter
`pve.audit.compliance` makes the report's table from the same rows, with the state of each control on each node. The
state is known either from the drift check, for each host, or from a run of the playbook.

## All controls

The id of a control that has hosts is a tag: `--tags PVA-LOG-08`.
"""
PER = {"drift": "the drift check, for each host", "run": "a run of the playbook"}
TRY = "To test it, change a host that may break. The drift check then names the control:"


@cache
def _read(path: Path) -> dict[str, Any]:
    data: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return data


def load() -> dict[str, Any]:
    """The mapping of the role audit_report, with the rows of all roles."""
    found = _read(ROLES / "audit_report" / "vars" / "compliance.yml")
    roles = found["pve_audit_report_control_roles"]
    files = [_read(ROLES / role / "vars" / "controls.yml")[f"pve_audit_{role}_controls"] for role in roles]
    mapping: dict[str, Any] = found["pve_audit_report_compliance"]
    return mapping | {"controls": [row for rows in files for row in rows]}


def options_of(control: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a control that has a switch, as its role's argument specification has them."""
    role = control["implements"].split()[-1]
    prefix = f"pve_audit_{role}_{control.get('control')}_"
    specs = ROLES / role / "meta" / "argument_specs.yml"
    options = _read(specs)["argument_specs"]["main"]["options"] if specs.is_file() else {}
    return {name: one for name, one in options.items() if name.startswith(prefix) and f"{prefix}enabled" in options}


def _overview(data: Mapping[str, Any]) -> Iterator[str]:
    yield "| id | name | hosts | what holds then |"
    yield "|---|---|---|---|"
    for control in data["controls"]:
        name = f"`{control['control']}`" if "control" in control else ""
        yield f"| {control['id']} | {name} | {', '.join(control.get('hosts', []))} | {control['sentence']} |"


def _references(data: Mapping[str, Any], key: str) -> Iterator[str]:
    """The table of one standard: which controls contribute to which requirement."""
    yield "| | requirement | controls |"
    yield "|---|---|---|"
    for name, title in data[key].items():
        used = [control["id"] for control in data["controls"] if name in [one["id"] for one in control[key]]]
        yield f"| {name} | {title} | {', '.join(used) or 'none'} |"


def _control(data: Mapping[str, Any], control: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"### {control['id']} {control['title']}", "", control["sentence"], "")
    yield f"Implemented by the {control['implements']}. Evidence: {control['evidence']}."
    yield from (f"The state is known from {PER[control['per']]}.", "")
    for key, word in (("iso", "ISO 27001"), ("gdpr", "GDPR")):
        for one in control[key]:
            yield f"- {word} {one['id']}, {data[key][one['id']]}: {one['why']}"
    yield ""
    if tests := control.get("test"):
        yield from (TRY, "")
        for one in tests:
            also = f", as {' and '.join(one['also'])} do" if "also" in one else ""
            yield f"- `{one['change']}` shows `{one['shows']}`{also}"
        yield ""
    if options := options_of(control):
        yield from ("| option | default | |", "|---|---|---|")
        yield from (f"| `{name}` | {_default(one['default'])} | {_prose(one)} |" for name, one in options.items())
        yield ""


def _default(value: Any) -> str:
    text = json.dumps(value)
    return f"`{text}`" if len(text) <= 60 else "see defaults/main.yml"


def _prose(option: Mapping[str, Any]) -> str:
    """The description of an option in Markdown, in a cell of a table."""
    return re.sub(r"\b[A-Z]\(([^)]*)\)", r"`\1`", option["description"]).replace("|", "\\|")


def render() -> str:
    """The whole page."""
    data = load()
    lines = [HEAD.format(note=textwrap.fill(data["note"], 120)), *_overview(data), ""]
    for key, title in (("iso", "ISO/IEC 27001:2022, Annex A"), ("gdpr", "GDPR")):
        lines += [f"## {title}", "", *_references(data, key), ""]
    lines += ["## Each control", ""]
    for control in data["controls"]:
        lines += _control(data, control)
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
