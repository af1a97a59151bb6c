# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings and coverage on one time axis, as fractions from 0 (start of the period) to 1 (its end)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta, tzinfo
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._model.finding import Finding
from ansible_collections.pve.audit.plugins.module_utils._model.time import rfc3339, to_epoch

HOUR = 3600
DAY = 24 * HOUR
STEPS = (
    HOUR // 4,
    HOUR // 2,
    HOUR,
    2 * HOUR,
    3 * HOUR,
    6 * HOUR,
    12 * HOUR,
    DAY,
    2 * DAY,
    7 * DAY,
    14 * DAY,
    30 * DAY,
    90 * DAY,
    365 * DAY,
)
MAX_TICKS = 9


def build_timeline(
    findings: Iterable[Finding],
    nodes: Iterable[Mapping[str, Any]],
    since: float | None,
    until: float,
    span: tuple[str, str] | None,
    tz: tzinfo,
) -> dict[str, Any]:
    """`{"since", "until", "ticks", "findings", "nodes"}`.

    Without `since` the axis starts at the first event, record or finding. `ticks` are
    `{"at": fraction, "time": RFC 3339, "day": bool}`, on midnights of `tz` when the period is longer than a few days.
    `findings` are `{"id", "severity", "start", "end"}` and `nodes` `{"node", "source", "missing": [[from, until]]}`.
    Findings outside the period lie on its edge.
    """
    known, rows = list(findings), list(nodes)
    start = since if since is not None else _first(known, rows, until, span)
    length = max(until - start, 1.0)

    def place(text: str | None) -> float:
        return 0.0 if text is None else round(min(max((to_epoch(text) - start) / length, 0.0), 1.0), 5)

    return {
        "since": rfc3339(start),
        "until": rfc3339(until),
        "ticks": _ticks(start, until, tz),
        "findings": [
            {"id": item.id, "severity": item.severity, "start": place(item.start), "end": place(item.end)}
            for item in known
        ],
        "nodes": [
            {
                "node": row["node"],
                "source": row["source"],
                "missing": [[place(gap["from"]), place(gap["until"])] for gap in row["missing"]],
            }
            for row in rows
        ],
    }


def _first(
    findings: Sequence[Finding],
    nodes: Sequence[Mapping[str, Any]],
    until: float,
    span: tuple[str, str] | None,
) -> float:
    times = [to_epoch(item.start) for item in findings]
    times += [to_epoch(row[key]) for row in nodes for key in ("oldest", "from") if row[key] is not None]
    times += [to_epoch(span[0])] if span else []
    return max(0.0, min([*times, until - HOUR]))


def _ticks(start: float, until: float, tz: tzinfo) -> list[dict[str, Any]]:
    length = max(until - start, 1.0)
    step = next(
        (size for size in STEPS if length / size <= MAX_TICKS),
        STEPS[-1] * max(1, round(length / STEPS[-1] / MAX_TICKS)),
    )
    wall = datetime.fromtimestamp(start, tz).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    ticks: list[dict[str, Any]] = []
    while True:  # steps of wall-clock time, so that midnight stays midnight when the clocks change
        moment = wall.replace(tzinfo=tz).timestamp()
        if moment > until:
            return ticks
        if moment >= start:
            ticks.append({"at": round((moment - start) / length, 5), "time": rfc3339(moment), "day": step >= DAY})
        wall += timedelta(seconds=step)
