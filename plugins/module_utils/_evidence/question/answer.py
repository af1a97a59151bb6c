# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what a place gave to the answer: acts, coverage, gaps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._evidence.acts.act import join_acts
from ansible_collections.pve.audit.plugins.module_utils._evidence.found import Found, nodes_of
from ansible_collections.pve.audit.plugins.module_utils._evidence.question.gap import Gap
from ansible_collections.pve.audit.plugins.module_utils._evidence.question.gaps import find_agreements, find_gaps
from ansible_collections.pve.audit.plugins.module_utils._evidence.question.gaps_ledger import ledger_coverage
from ansible_collections.pve.audit.plugins.module_utils._evidence.question.question import Question, pick
from ansible_collections.pve.audit.plugins.module_utils._model.act import Act, NodeAddresses
from ansible_collections.pve.audit.plugins.module_utils._model.coverage import SOURCES_OF_EVIDENCE, Coverage
from ansible_collections.pve.audit.plugins.module_utils._model.time import to_epoch


def answer(
    found: Found, question: Question, nodes: NodeAddresses | None = None, people: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """The acts that are asked for, with the lines they rest on; coverage by node and source; gaps; agreements.

    Acts are joined from everything, and only then picked: who did something may stand in the line of another node.
    """
    joined = join_acts(found.events, nodes or None, people)
    gaps = [gap for gap in find_gaps(found, joined) if _in_time(gap, question)]
    acts = pick(joined, question)
    known = {identity: event for event in found.events if (identity := event["event"].get("id"))}
    places = _by_cursor(found)
    for act in acts:
        _show_lines(act, found, known, places)
    rows = [*found.coverage, *ledger_coverage(found)]
    coverage = [row.as_dict() for row in sorted(rows, key=lambda row: (row.node, row.source))]
    return {
        "acts": acts,
        "coverage": coverage,
        "complete": all(row["complete"] for row in coverage),
        "gaps": gaps,
        "agreements": find_agreements(found),
        "not_looked_at": _not_looked_at(rows),
    }


def _by_cursor(found: Found) -> dict[str, str]:
    """The id of an event of the journal by its cursor, which is what a witness has."""
    return {
        cursor: event["event"].get("id", "")
        for event in found.events
        if isinstance(cursor := event.get("pve", {}).get("cursor"), str)
    }


def _show_lines(act: Act, found: Found, known: Mapping[str, Any], cursors: Mapping[str, str]) -> None:
    """Give each witness its file and place, and its text without secrets."""
    for witness in act["attribution"]["witnesses"]:
        identity = cursors.get(witness["place"], witness["place"])
        file, place = found.places.get(identity, (witness["file"], witness["place"]))
        event = known.get(identity, {})
        witness["file"] = file
        if identity == witness["place"] and not identity.startswith("UPID:"):
            witness["place"] = place
        witness["line"] = str(event.get("event", {}).get("original", ""))
        if isinstance(uid := event.get("pve", {}).get("loginuid"), int):
            witness["loginuid"] = uid


def _in_time(gap: Gap, question: Question) -> bool:
    """Whether a gap touches the interval that is asked for."""
    start, end = gap["from"], gap["until"]
    if start is None or end is None:
        return True
    late = question.until is not None and to_epoch(start) > question.until
    return not late and not (question.since is not None and to_epoch(end) < question.since)


def _not_looked_at(coverage: list[Coverage]) -> list[dict[str, str]]:
    """What no row of a node speaks of: node and source, and what only this source would show."""
    seen = {(row.node, row.source) for row in coverage}
    return [
        {"node": node, "source": source, "shows": evidence.shows}
        for node in nodes_of(coverage)
        for source, evidence in SOURCES_OF_EVIDENCE.items()
        if (node, source) not in seen
    ]
