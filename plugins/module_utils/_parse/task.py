# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Task records of the API: made uniform, and turned into events.

The API has three shapes for the same task: archived ones split the token off the user, running ones do not and have
no end time, and those of the cluster's list have neither pid nor status. Source: pve-manager PVE/API2/Tasks.pm,
PVE/API2/Cluster.pm.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._model.event import Event, EventHead
from ansible_collections.pve.audit.plugins.module_utils._model.task import Task
from ansible_collections.pve.audit.plugins.module_utils._model.time import rfc3339
from ansible_collections.pve.audit.plugins.module_utils._parse.glued import status_damage
from ansible_collections.pve.audit.plugins.module_utils._parse.lines import from_bytewise, scrub
from ansible_collections.pve.audit.plugins.module_utils._parse.redact import redact
from ansible_collections.pve.audit.plugins.module_utils._parse.status import RUNNING, is_cut, outcome, task_state
from ansible_collections.pve.audit.plugins.module_utils._parse.upid import Upid, parse_upid, user_fields

CUT = "the record was cut off, so how the task ended is not known"
_LATEST = 0xFFFFFFFF  # the index writes end times with eight hex digits


def parse_task(record: Mapping[str, Any]) -> Task:
    """A record of the task API, or a task made by this function, as one uniform task.

    Raises InputError when the record has no readable UPID, or a status into which another record ran: `read_record`
    of `index.py` takes these apart.
    """
    return _uniform(record)[1]


def _uniform(record: Mapping[str, Any]) -> tuple[Upid, Task]:
    if not isinstance(record, Mapping):
        raise InputError(f"a task is a dictionary, not {type(record).__name__}")
    text = record.get("upid")
    if not isinstance(text, str):
        raise InputError("the task has no UPID")
    raw = "state" not in record
    upid = parse_upid(from_bytewise(text) if raw else scrub(text), strict=False)
    status = record.get("status")
    status = (from_bytewise(status) if raw else scrub(status)) if isinstance(status, str) and status else None
    endtime = _epoch(record.get("endtime"))
    if status is not None and (damage := status_damage(status)):
        raise InputError(damage)
    running = endtime is None and status is None and _is_unsaved(record)
    return upid, build_task(upid, endtime, status, running)


def build_task(upid: Upid, endtime: int | None, status: str | None, running: bool) -> Task:
    """A uniform task from its parts; times in epoch seconds, end time 0 is none, blanks behind a status are dropped."""
    task: dict[str, Any] = {
        "upid": upid.upid,
        "node": upid.node,
        "pid": upid.pid,
        "pstart": upid.pstart,
        "starttime": upid.starttime,
    }
    if endtime:
        task["endtime"] = endtime
    task |= {"type": upid.type, "id": upid.id, "user": upid.user, "tokenid": upid.tokenid}
    status = (status or "").rstrip(" \t") or None
    if status is None and running:
        status = RUNNING
    if status is not None:
        task["status"] = status
    task["state"] = task_state(status)
    return cast("Task", task)


def task_event(record: Mapping[str, Any]) -> Event:
    """The event of a task (a uniform one or a record of the API). Its id is the UPID, its time the start of the task.

    `event.original` is the line that the task's index has or would have, so that the API and the file give equal
    events.
    Raises InputError when the task has no readable UPID, or a status into which another record ran.
    """
    upid, task = _uniform(record)
    start = rfc3339(task["starttime"])
    status, state = task.get("status"), task["state"]
    shown = redact(status) if status is not None and state == "error" else status
    about: EventHead = {"id": upid.upid, "kind": "event", "dataset": "pve.task", "outcome": outcome(state)}
    about |= {"original": _index_line(task, shown), "start": start}
    if "endtime" in task:
        about["end"] = rfc3339(task["endtime"])
    facts: dict[str, Any] = {"upid": upid.upid, "task_type": upid.type, "state": state}
    if shown is not None:
        facts["status"] = shown
    if upid.id:
        facts["object"] = upid.object
    if upid.tokenid is not None:
        facts["token"] = upid.tokenid
    facts["channel"] = "unknown" if upid.tokenid is None else "api_token"
    event: Event = {
        "@timestamp": start,
        "event": about,
        "user": user_fields(upid.userid),
        "host": {"name": upid.node},
        "pve": facts,
    }
    if state == "error" and shown is not None:
        event["error"] = {"message": shown}
    elif state == "unknown" and (status is None or is_cut(status)):
        event["error"] = {"message": CUT}
    return event


def _index_line(task: Task, status: str | None) -> str:
    if "endtime" not in task:
        return str(task["upid"])
    line = f"{task['upid']} {task['endtime']:08X}"
    return line if status is None else f"{line} {status}"


def _epoch(value: object) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 12:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= _LATEST:
        return None
    return int(value)


def _is_unsaved(record: Mapping[str, Any]) -> bool:
    """`saved` is 0 or "0" for a task that has not been written to the archive."""
    return "saved" in record and record["saved"] in (0, "0", "", None)
