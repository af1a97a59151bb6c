# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the shipped rules as Sigma rules to extensions/sigma: ``python -m tools.sigma`` (``--check`` only compares).

Each file has what one rule needs: base rules, which find single events, and the correlation that counts or orders them.
[Sigma rules specification 2.1.0, and Sigma correlation rules specification 2.1.0]
"""

from __future__ import annotations

import re
import sys
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from tools.paths import ROOT

RULES = ROOT / "plugins" / "plugin_utils" / "_detect" / "rules.yml"
TARGET = ROOT / "extensions" / "sigma"
HEAD = """\
# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Made by `python -m tools.sigma` from plugins/plugin_utils/_detect/rules.yml; change it there.
# docs/sigma.md tells how to use it.
"""
LOGSOURCE = {
    "product": "proxmox_ve",
    "service": "pve_audit",
    "definition": "Events of the filter pve.audit.events: the fields are those of the Elastic Common Schema.",
}
DATE = "2026-11-30"
AUTHOR = "pve.audit contributors"

# What a rule says that Sigma has no words for: what it means for those who run the Sigma rule.
NOT_EXPRESSED = {
    "hours": "Sigma knows no working hours: this rule also finds what happens within them.",
    "who": "Sigma does not know who is an administrator: this rule finds everybody.",
    "renewals": "Sigma cannot tell the renewal of a ticket from a login: a browser tab renews it every 15 minutes.",
    "first_seen": "Sigma does not remember what was seen before: this rule finds every address.",
    "lower_when": "Sigma does not know which guests the same account made just before: they weigh as much as others.",
    "told_by": "Sigma does not know what other rules found: this rule may find the same once more.",
}
_TIMESPAN = re.compile(r"\d+[smhdMy]")
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://github.com/pve-audit/pve.audit/extensions/sigma")


def load() -> list[dict[str, Any]]:
    """The shipped rules, as data."""
    rules: list[dict[str, Any]] = yaml.safe_load(RULES.read_text(encoding="utf-8"))
    return rules


def documents(rule: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The Sigma rules of one rule: base rules first, and the correlation that is the rule itself last.

    :raises ValueError: the rule says something that would be lost without a word.
    """
    if "rules" not in rule:
        base = f"{rule['id']}_event"
        return [_base(rule, base, rule, {}), _correlation(rule, rule["id"], rule, [base], level=True)]
    made: list[dict[str, Any]] = []
    names = []
    for step in rule["rules"]:
        name = f"{rule['id']}_{step['name']}"
        if "condition" in step:
            made.append(_base(rule, f"{name}_event", step, rule))
            counted = {"type": "event_count", "timespan": rule["timespan"], "group_by": rule["group_by"], **step}
            made.append(_correlation(rule, name, counted, [f"{name}_event"], level=False))
        else:
            made.append(_base(rule, name, step, rule))
        names.append(name)
    return [*made, _correlation(rule, rule["id"], rule, names, level=True)]


def _head(rule: Mapping[str, Any], name: str, title: str, description: str) -> dict[str, Any]:
    return {
        "title": title,
        "id": str(uuid.uuid5(_NAMESPACE, name)),
        "name": _name(name),
        "status": "experimental" if left_out(rule) else "test",
        "description": description,
        "author": AUTHOR,
        "date": DATE,
    }


def _name(text: str) -> str:
    return f"pve_audit_{text}".replace("-", "_")


def left_out(rule: Mapping[str, Any]) -> list[str]:
    """The keys of the rule that Sigma cannot express."""
    return [key for key in NOT_EXPRESSED if key in rule]


def _base(rule: Mapping[str, Any], name: str, part: Mapping[str, Any], whole: Mapping[str, Any]) -> dict[str, Any]:
    """The rule for single events: what the part of a rule, and the whole of it, ask of them."""
    step = f", step {part['name']}" if "name" in part else ""
    title = f"{rule['title']['en']}{step}: single event"
    return {
        **_head(rule, name, title, "One of the events that the correlation looks at."),
        "logsource": LOGSOURCE,
        "detection": _detection([one for one in (whole, part) if one]),
        "level": "informational",
    }


def _detection(parts: list[Mapping[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    conditions = []
    for number, part in enumerate(parts, 1):
        end = f"_{number}" if len(parts) > 1 else ""
        if "match" in part:
            found[f"selection{end}"] = part["match"]
            conditions.append(f"selection{end}")
        if "outcome" in part:
            found[f"outcome{end}"] = {"event.outcome": part["outcome"]}
            conditions.append(f"outcome{end}")
        if "exclude" in part:
            found[f"filter{end}"] = [{field: values} for field, values in part["exclude"].items()]
            conditions.append(f"not filter{end}")
    return {**found, "condition": " and ".join(conditions)}


def _correlation(
    rule: Mapping[str, Any], name: str, part: Mapping[str, Any], names: list[str], *, level: bool
) -> dict[str, Any]:
    if not _TIMESPAN.fullmatch(part["timespan"]):
        raise ValueError(f"{rule['id']}: Sigma does not know the timespan {part['timespan']!r}")
    found: dict[str, Any] = {"type": part["type"], "rules": [_name(one) for one in names]}
    if part.get("group_by"):
        found["group-by"] = part["group_by"]
    found["timespan"] = part["timespan"]
    if "condition" in part:
        found["condition"] = part["condition"] | ({"field": part["field"]} if "field" in part else {})
    title = rule["title"]["en"] if level else f"{rule['title']['en']}, step {part['name']}: all of them"
    described = " ".join([rule["remedy"]["en"], *([rule["description"]] if "description" in rule else [])])
    made = {**_head(rule, name, title, described), "correlation": found}
    if not level:
        return made | {"level": "informational"}
    unsaid = left_out(rule)
    if unsaid:
        made["falsepositives"] = [NOT_EXPRESSED[key] for key in unsaid]
    made["level"] = rule["severity"]
    return made | ({"pve_audit": {"not_expressed": {key: rule[key] for key in unsaid}}} if unsaid else {})


class _Dumper(yaml.SafeDumper):
    """Lists stand below their key with two blanks, as the linter wants them."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        return True


def render() -> Iterator[tuple[str, str]]:
    """Each file of the folder: its name and text."""
    for rule in load():
        text = yaml.dump_all(
            documents(rule), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=150, explicit_start=True
        )
        yield f"{rule['id']}.yml", HEAD + text


def main(arguments: list[str], folder: Path = TARGET) -> int:
    """Write the files, or with ``--check`` say whether they are current."""
    made = dict(render())
    if "--check" in arguments:
        there = {file.name: file.read_text(encoding="utf-8") for file in folder.glob("*.yml")}
        return 0 if there == made else 1
    folder.mkdir(parents=True, exist_ok=True)
    for file in folder.glob("*.yml"):
        file.unlink()
    for name, text in made.items():
        (folder / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
