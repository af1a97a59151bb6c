# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The part of a period that rows of coverage have seen, and the parts that they have not."""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.pve.audit.plugins.module_utils._model.coverage import Coverage
from ansible_collections.pve.audit.plugins.module_utils._model.time import rfc3339

Interval = dict[str, str | None]


def interval(start: float | None, end: float) -> Interval:
    """`{"from", "until"}` in RFC 3339; `from` None is since ever."""
    return {"from": None if start is None else rfc3339(start), "until": rfc3339(end)}


def missing(entry: Coverage, since: float | None, until: float) -> list[Interval]:
    """The parts of [since, until] that this row has not seen."""
    if entry.complete:
        return []
    if entry.nothing:
        return [interval(since, until)]
    parts = []
    if entry.start is not None and (since is None or entry.start > since):
        parts.append(interval(since, min(entry.start, until)))
    if entry.end is not None and entry.end < until:
        parts.append(interval(entry.end, until))
    return parts


def common(coverage: Sequence[Coverage], since: float | None, until: float) -> Interval | None:
    """The interval that every row has seen. None without a row, and when there is no such interval."""
    if not coverage or any(entry.nothing for entry in coverage):
        return None
    starts = [moment for moment in (since, *(entry.start for entry in coverage)) if moment is not None]
    start = max(starts, default=None)
    end = min([until, *(entry.end for entry in coverage if entry.end is not None)])
    return None if start is not None and start > end else interval(start, end)
