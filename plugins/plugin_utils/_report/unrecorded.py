# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks that another source names and the task log lacks: each node's daemons log the start and the end of a task."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from ansible_collections.pve.audit.plugins.module_utils._model.coverage import Coverage
from ansible_collections.pve.audit.plugins.module_utils._model.event import Event, event_time, get_field
from ansible_collections.pve.audit.plugins.module_utils._model.time import rfc3339

TASK_LOG = "pve.task"
_COLONS = 8  # of a UPID that the API shows: it leaves out those with an odd id
_SECONDS = 2  # two logs may have one moment in different seconds


def doubt_task_log(coverage: Sequence[Coverage], events: Iterable[Event]) -> list[Coverage]:
    """The rows, those of the task log with a reason where its node told of tasks that are not among the events.

    Only what was told in the time that the row covers counts, so that a record which the node has overwritten, or one
    that came later, is not called missing.
    """
    known: set[str] = set()
    told: dict[str, dict[str, float]] = {}
    for event in events:
        upid = get_field(event, "pve.upid")
        if get_field(event, "event.dataset") == TASK_LOG:
            known.add(str(upid))
        elif _is_shown(upid) and (moment := event_time(event)) is not None:
            seen = told.setdefault(str(get_field(event, "host.name")), {})
            seen[str(upid)] = max(moment, seen.get(str(upid), moment))
    lacking = {
        node: {upid: moment for upid, moment in seen.items() if upid not in known} for node, seen in told.items()
    }
    return [_doubted(entry, lacking.get(entry.node, {})) for entry in coverage]


def _is_shown(upid: object) -> bool:
    return isinstance(upid, str) and upid.isascii() and upid.count(":") == _COLONS and " " not in upid


def _doubted(entry: Coverage, lacking: dict[str, float]) -> Coverage:
    if entry.source != TASK_LOG or entry.nothing or entry.end is None:
        return entry
    first = (0.0 if entry.start is None else entry.start) + _SECONDS
    moments = [moment for moment in lacking.values() if first < moment < entry.end - _SECONDS]
    if not moments:
        return entry
    count, verb = ("1 task", "is") if len(moments) == 1 else (f"{len(moments)} tasks", "are")
    message = (
        f"{count} of which the journal of {entry.node} tells, first at {rfc3339(min(moments))}, {verb} not among "
        "those of its task log: records were removed, or not handed over"
    )
    return replace(entry, reasons=[*entry.reasons, {"code": "records_missing", "message": message}])
