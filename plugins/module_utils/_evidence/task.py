# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The task log of Proxmox VE: records of the API, and lines of a node's task index or list of active tasks."""

from __future__ import annotations

import re

from ansible_collections.pve.audit.plugins.module_utils._classify.tasks import classify_task
from ansible_collections.pve.audit.plugins.module_utils._evidence.source import (
    Context,
    Item,
    Source,
    SourceCoverage,
    name_action,
)
from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._model.event import Event
from ansible_collections.pve.audit.plugins.module_utils._model.task import Task
from ansible_collections.pve.audit.plugins.module_utils._parse.index import Damage, read_line, read_record
from ansible_collections.pve.audit.plugins.module_utils._parse.lines import corrupt_event, decode_line
from ansible_collections.pve.audit.plugins.module_utils._parse.task import task_event
from ansible_collections.pve.audit.plugins.module_utils._parse.upid import guest_of

DATASET = "pve.task"
# NUL bytes, or the first letters of a record that was cut off, may stand before a UPID.
_BEGINS = re.compile(r"\x00*(?:UPID|UPI|UP|U)?UPID:", re.ASCII)


def _parse(item: Item, context: Context) -> Event | list[Event]:
    if isinstance(item, str):
        return _events(read_line(item), context.node, context)
    if not isinstance(item.get("upid"), str):
        raise InputError("the task has no UPID")
    node = item.get("node")
    host = decode_line(node) if isinstance(node, str) else context.node
    try:
        return _events(read_record(item), host, context)
    except InputError as err:
        return corrupt_event(DATASET, host, decode_line(item["upid"]), str(err), context.ids)


def _events(found: list[Task | Damage], node: str, context: Context) -> Event | list[Event]:
    """The events of what stands in one line. What stood behind a stump says so."""
    events = []
    for item in found:
        if isinstance(item, Damage):
            events.append(corrupt_event(DATASET, node, item.text, item.reason, context.ids))
            continue
        event = task_event(item)
        if len(found) > 1:
            event["pve"]["recovered"] = True
        events.append(event)
    return events if len(events) > 1 else events[0]


def _classify(event: Event) -> None:
    facts = event["pve"]
    if "task_type" not in facts:
        return
    identity = facts.get("object", "")
    name_action(event, classify_task(facts["task_type"], identity))
    if (guest := guest_of(facts["task_type"], identity)) is not None:
        facts["vmid"] = guest


TASK = Source(
    name="task",
    what="records of the task API, lines of a node's task index or of its list of active tasks",
    line="task",
    datasets=(DATASET,),
    looks_like=lambda line: bool(_BEGINS.match(line)),
    record_keys=("upid",),
    parse=_parse,
    classify=_classify,
    coverage=SourceCoverage(
        name=DATASET,
        dated_by="event.end",
        forgets="a node keeps 500 to 2,000 finished tasks, then the oldest are overwritten",
        blind_to="calls that leave no task, client addresses, and who is behind root@pam",
        reasons=(
            "node_offline",
            "node_unreachable",
            "timed_out",
            "not_permitted",
            "empty",
            "begins_late",
            "ring_turned",
            "gap",
            "records_missing",
            "future",
            "server_error",
            "corrupt_records",
        ),
    ),
)
