# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was really seen: the coverage of all nodes turned into one honest statement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._model.coverage import Coverage
from ansible_collections.pve.audit.plugins.module_utils._model.time import rfc3339

NO_COVERAGE = {"code": "no_coverage", "message": "no coverage was handed over, so nothing is known about what was seen"}


def summarise_coverage(coverage: Sequence[Coverage], since: float | None, until: float) -> dict[str, Any]:
    """`{"complete", "nodes", "gaps", "seen"}`.

    `nodes` are the rows, each with `missing`: the parts of [since, until] that were not seen, as `{"from", "until"}`
    (`from` None: since ever). `gaps` has one entry for each node, source and reason. `seen` is the interval seen on
    **every** row, or None when there is none. Without any row nothing was seen: not complete.
    """
    nodes = [{**entry.as_dict(), "missing": _missing(entry, since, until)} for entry in coverage]
    gaps = [
        {"node": row["node"], "source": row["source"], **reason, "missing": row["missing"]}
        for row in nodes
        for reason in row["reasons"]
    ]
    if not nodes:
        gaps.append({"node": None, "source": None, **NO_COVERAGE, "missing": [_interval(since, until)]})
    return {"complete": not gaps, "nodes": nodes, "gaps": gaps, "seen": _common(coverage, since, until)}


def _interval(start: float | None, end: float) -> dict[str, str | None]:
    return {"from": None if start is None else rfc3339(start), "until": rfc3339(end)}


def _missing(entry: Coverage, since: float | None, until: float) -> list[dict[str, str | None]]:
    if entry.complete:
        return []
    if entry.nothing:
        return [_interval(since, until)]
    missing = []
    if entry.start is not None and (since is None or entry.start > since):
        missing.append(_interval(since, min(entry.start, until)))
    if entry.end is not None and entry.end < until:
        missing.append(_interval(entry.end, until))
    return missing


def _common(coverage: Sequence[Coverage], since: float | None, until: float) -> dict[str, str | None] | None:
    """The interval that was seen on every node and source."""
    if not coverage or any(entry.nothing for entry in coverage):
        return None
    starts = [moment for moment in (since, *(entry.start for entry in coverage)) if moment is not None]
    start = max(starts, default=None)
    end = min([until, *(entry.end for entry in coverage if entry.end is not None)])
    return None if start is not None and start > end else _interval(start, end)
