# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was really seen: coverage rows of all nodes turned into one honest statement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._model.time import rfc3339, to_epoch

UNEXPLAINED = {"code": "unexplained", "message": "the source says that it is incomplete, but not why"}
NO_COVERAGE = {"code": "no_coverage", "message": "no coverage was handed over, so nothing is known about what was seen"}


def summarise_coverage(rows: Sequence[Mapping[str, Any]], since: float | None, until: float) -> dict[str, Any]:
    """`{"complete", "nodes", "gaps", "seen"}` for coverage rows as `model.coverage.Coverage.as_dict` gives them.

    `nodes` are the rows, each with `missing`: the parts of [since, until] that were not seen, as `{"from", "until"}`
    (`from` None: since ever). `gaps` has one entry for each node, source and reason. `seen` is the interval seen on
    **every** row,
    or None when there is none. Without any row nothing was seen: not complete.
    Raises InputError for a row of another shape.
    """
    nodes = [_with_missing(_checked(row, number), since, until) for number, row in enumerate(rows, 1)]
    gaps = [
        {"node": row["node"], "source": row["source"], **reason, "missing": row["missing"]}
        for row in nodes
        if not row["complete"]
        for reason in (row["reasons"] or [UNEXPLAINED])
    ]
    if not nodes:
        gaps.append({"node": None, "source": None, **NO_COVERAGE, "missing": [_interval(since, until)]})
    return {"complete": not gaps, "nodes": nodes, "gaps": gaps, "seen": _common(nodes, since, until)}


def _checked(row: Mapping[str, Any], number: int) -> dict[str, Any]:
    if not isinstance(row, Mapping) or not {"node", "complete"} <= row.keys():
        raise InputError(
            f"item {number} of the coverage is not a coverage row: take `coverage` of the module that collected"
        )
    keys = ("from", "until", "oldest")
    return {
        "node": str(row["node"]),
        "source": str(row.get("source", "pve.task")),
        "complete": row["complete"] is True,
        **{key: row.get(key) for key in keys},
        "records": int(row.get("records") or 0),
        "reasons": [
            {"code": str(item.get("code")), "message": str(item.get("message"))} for item in row.get("reasons") or ()
        ],
    }


def _limits(row: Mapping[str, Any]) -> tuple[float | None, float | None]:
    return tuple(None if row[key] is None else to_epoch(row[key]) for key in ("from", "until"))  # type: ignore[return-value]


def _interval(start: float | None, end: float) -> dict[str, str | None]:
    return {"from": None if start is None else rfc3339(start), "until": rfc3339(end)}


def _with_missing(row: dict[str, Any], since: float | None, until: float) -> dict[str, Any]:
    start, end = _limits(row)
    missing: list[dict[str, str | None]] = []
    if not row["complete"]:
        if start is None and end is None:
            missing.append(_interval(since, until))
        elif start is not None and (since is None or start > since):
            missing.append(_interval(since, min(start, until)))
        if end is not None and end < until:
            missing.append(_interval(end, until))
    return {**row, "missing": missing}


def _common(nodes: Sequence[Mapping[str, Any]], since: float | None, until: float) -> dict[str, str | None] | None:
    """The interval that was seen on every node and source."""
    start, end = since, until
    for row in nodes:
        first, last = _limits(row)
        if first is None and last is None and not row["complete"]:
            return None
        if first is not None:
            start = first if start is None else max(start, first)
        if last is not None:
            end = min(end, last)
    if not nodes or (start is not None and start > end):
        return None
    return _interval(start, end)
