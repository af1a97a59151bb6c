# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was really seen: the coverage by node and source turned into one honest statement."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._model.coverage import Coverage
from ansible_collections.pve.audit.plugins.plugin_utils._report.intervals import common, interval, missing
from ansible_collections.pve.audit.plugins.plugin_utils._report.sources import summarise_sources

NO_COVERAGE = {"code": "no_coverage", "message": "no coverage was handed over, so nothing is known about what was seen"}
NOT_LOOKED_AT = "not_looked_at"
PART_OF_PERIOD = "part_of_period"
_ROUNDING = 2.0
"""Seconds by which two readings of one clock, each cut to whole seconds, may differ."""


def summarise_coverage(
    coverage: Sequence[Coverage], records: Mapping[str, int], since: float | None, until: float
) -> dict[str, Any]:
    """`{"complete", "nodes", "gaps", "seen", "sources"}`; `records` counts the records of each source.

    `nodes` are the rows, each with `missing`: the parts of [since, until] that were not seen, as `{"from", "until"}`
    (`from` None: since ever). A row that calls itself complete and covers only a part of the period is not.
    `gaps` has one entry for each node, source and reason, and for each node on which a source was not looked at that
    was looked at on others. `seen` is the interval seen on **every** row, or None when there is none.
    `sources` is what `summarise_sources` says. `complete` speaks of the sources that were looked at, and of no other;
    without any row nothing was seen: not complete.
    """
    coverage = [_within(entry, since, until) for entry in coverage]
    nodes = [{**entry.as_dict(), "missing": missing(entry, since, until)} for entry in coverage]
    sources = summarise_sources(coverage, records, since, until)
    gaps = [
        {"node": row["node"], "source": row["source"], **reason, "missing": row["missing"]}
        for row in nodes
        for reason in row["reasons"]
    ]
    whole = interval(since, until)
    gaps += _not_looked_at(sources["not_looked_at"], whole)
    if not nodes:
        gaps.append({"node": None, "source": None, **NO_COVERAGE, "missing": [whole]})
    seen = common(coverage, since, until)
    return {"complete": not gaps, "nodes": nodes, "gaps": gaps, "seen": seen, "sources": sources}


def _within(entry: Coverage, since: float | None, until: float) -> Coverage:
    """The row, with a reason when it says complete of less than the period. Without `since` the row begins it."""
    late = since is not None and entry.start is not None and entry.start > since + _ROUNDING
    early = entry.end is not None and entry.end < until - _ROUNDING
    if not entry.complete or not (late or early):
        return entry
    seen = interval(entry.start, until if entry.end is None else entry.end)
    message = f"it was seen from {seen['from'] or 'the first record on'} to {seen['until']} only"
    return replace(entry, reasons=[{"code": PART_OF_PERIOD, "message": message}])


def _not_looked_at(rows: Sequence[Mapping[str, Any]], whole: dict[str, str | None]) -> Iterator[dict[str, Any]]:
    """A gap for each node on which a source was not looked at, while it was on another."""
    for row in rows:
        for node in row["nodes"]:
            message = f"{row['source']} of {node} was not looked at"
            yield {
                "node": node,
                "source": row["source"],
                "code": NOT_LOOKED_AT,
                "message": message,
                "missing": [whole],
            }
