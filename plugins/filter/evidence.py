# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter pve.audit.evidence: type check, one pure call, translated error."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.pve.audit.plugins.module_utils._evidence.acts.addresses import read_nodes
from ansible_collections.pve.audit.plugins.module_utils._evidence.found import Found
from ansible_collections.pve.audit.plugins.module_utils._evidence.question.answer import answer
from ansible_collections.pve.audit.plugins.module_utils._evidence.question.question import Question
from ansible_collections.pve.audit.plugins.module_utils._model.coverage import Coverage
from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._model.time import parse_instant, rfc3339, zone

DOCUMENTATION = r"""
name: evidence
short_description: Join what several nodes found to one answer
version_added: 0.2.0
author: pve.audit contributors (@pve-audit)
description:
  - Takes RV(pve.audit.evidence_info#module:found) of several nodes, and gives the answer that
    M(pve.audit.evidence_info) would give if it had read them all. A call that one node passed on to another one is
    only understood with the lines of both.
options:
  _input:
    description: A list of the results of M(pve.audit.evidence_info) with C(as=found).
    type: list
    elements: dict
    required: true
  nodes:
    description: All addresses of each node of the cluster, as for M(pve.audit.evidence_info).
    type: dict
  people:
    description: Names of persons, as for M(pve.audit.evidence_info).
    type: dict
  unreachable:
    description: Names of nodes that did not answer. The coverage says so.
    type: list
    elements: str
  question:
    description: The options of M(pve.audit.evidence_info) that say which acts are wanted, from C(account) to C(until).
    type: dict
  timezone:
    description: The time zone of times without an offset.
    type: str
    default: UTC
seealso:
  - module: pve.audit.evidence_info
"""

EXAMPLES = r"""
- name: Join the answers of all nodes
  ansible.builtin.set_fact:
    answer: "{{ found_on_nodes | pve.audit.evidence(nodes={'pve1': '192.0.2.11'}, question={'vmid': 110}) }}"
"""

RETURN = r"""
_value:
  description: The answer, with the keys of M(pve.audit.evidence_info).
  type: dict
"""

_SOURCES = ("pve.access", "pve.task", "pve.auth", "linux.auth")
_KEYS = {"account", "person", "vmid", "object", "address", "actions", "severities", "since", "until"}


def evidence(
    results: object,
    nodes: object = None,
    people: Mapping[str, str] | None = None,
    unreachable: Iterable[str] = (),
    question: Mapping[str, Any] | None = None,
    timezone: str = "UTC",
) -> dict[str, Any]:
    """See DOCUMENTATION. Raises AnsibleFilterError with one sentence."""
    try:
        found = _merged(results)
        for node in unreachable:
            for source in _SOURCES:
                row = Coverage(str(node), source)
                row.add_reason("node_unreachable", f"{node} did not answer, nothing of it was seen")
                found.coverage.append(row)
        asked, times = _question(dict(question or {}), timezone)
        return {**answer(found, asked, read_nodes(nodes), people), **times}
    except ValueError as error:
        raise AnsibleFilterError(f"pve.audit.evidence: {error}") from error


def _merged(results: object) -> Found:
    if isinstance(results, (str, bytes, Mapping)) or not isinstance(results, Iterable):
        raise InputError("a list of results of pve.audit.evidence_info is needed")
    found = Found()
    for result in results:
        found.merge(result.get("found") if isinstance(result, Mapping) else None)
    return found


def _question(params: dict[str, Any], timezone: str) -> tuple[Question, dict[str, str | None]]:
    if unknown := sorted(set(params) - _KEYS):
        raise InputError(f"question has no {', '.join(unknown)}: use {', '.join(sorted(_KEYS))}")
    given = {key: value for key, value in params.items() if value not in (None, "")}
    now, tz = time.time(), zone(timezone)
    moments = {
        key: parse_instant(given[key], now=now, tz=tz, latest=key == "until") if key in given else None
        for key in ("since", "until")
    }
    if "vmid" in given:
        given["vmid"] = _number(given["vmid"])
    asked = Question.read(given, moments["since"], moments["until"])
    return asked, {key: None if value is None else rfc3339(value) for key, value in moments.items()}


def _number(value: object) -> int:
    text = str(value)
    if not (text.isascii() and text.isdigit() and len(text) < 12):
        raise InputError(f"vmid: {value!r} is no number of a guest")
    return int(text)


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name and function."""
        return {"evidence": evidence}
