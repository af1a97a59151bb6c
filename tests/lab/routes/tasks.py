# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""/nodes/{node}/tasks and below (pve-manager API2/Tasks.pm)."""

from __future__ import annotations

import gzip
import time

from tests.lab.context import Context, Result, api
from tests.lab.errors import param_error, server_error
from tests.lab.http import Answer
from tests.lab.tasklog import exit_status, log_page
from tests.lab.tasks import TaskQuery
from tests.lab.upid import Task, decode_upid, split_user
from tests.lab.validate import as_int, as_text

COMPRESS_LOG_ABOVE = 1024


def _optional_int(context: Context, name: str) -> int | None:
    return int(context.parameters[name]) if context.parameters.get(name) is not None else None


@api("GET", "/nodes/{node}/tasks", cacheable=True)
def node_tasks(context: Context) -> Result:
    """The task list. Without Sys.Audit on the node: the caller's own tasks."""
    parameters = context.parameters
    node = context.node()
    query = TaskQuery(
        start=as_int(parameters, "start", 0),
        limit=as_int(parameters, "limit", 50),
        userfilter=as_text(parameters, "userfilter"),
        typefilter=as_text(parameters, "typefilter"),
        vmid=as_text(parameters, "vmid"),
        errors=as_int(parameters, "errors", 0) == 1,
        source=as_text(parameters, "source") or "archive",
        since=_optional_int(context, "since"),
        until=_optional_int(context, "until"),
        statusfilter=as_text(parameters, "statusfilter"),
    )
    auditor = context.permissions.has(context.who, f"/nodes/{node.name}", "Sys.Audit")
    page, total = node.ring.query(query, context.who, auditor)
    return Result(None, total, encoded=f"[{','.join(page)}]")


@api("GET", "/nodes/{node}/tasks/{upid}")
def upid_index(_context: Context) -> Result:
    """Always the same two names, even for nonsense."""
    return Result([{"name": "log"}, {"name": "status"}])


def _task(context: Context) -> Task:
    task = decode_upid(str(context.parameters["upid"]))
    if task is None:
        raise param_error({"upid": "unable to parse worker upid"})
    return split_user(task)


def _require_access(context: Context, task: Task, privilege: str) -> None:
    if not task.owned_by(context.who):
        context.permissions.require(context.who, f"/nodes/{context.parameters['node']}", privilege)


@api("GET", "/nodes/{node}/tasks/{upid}/status", cacheable=True)
def task_status(context: Context) -> Result:
    """Running or stopped; `exitstatus` from the last line of the log."""
    task = _task(context)
    node = context.node()
    text = node.log_text(task.upid)
    if text is None:
        raise param_error({"upid": "no such task"})
    _require_access(context, task, "Sys.Audit")
    data = task.identity()
    if task.upid in node.ring.running():
        data["status"] = "running"
    else:
        data.update(status="stopped", exitstatus=exit_status(text))
    return Result(data)


@api("GET", "/nodes/{node}/tasks/{upid}/log", cacheable=True)
def task_log(context: Context) -> Result | Answer:
    """A page of the log, or the whole file with `download`."""
    task = _task(context)
    _require_access(context, task, "Sys.Audit")
    parameters = context.parameters
    text = context.node().log_text(task.upid)
    if as_int(parameters, "download", 0):
        return _download(context, task, text)
    lines, total = log_page(text, as_int(parameters, "start", 0), as_int(parameters, "limit", 50))
    return Result(lines, total)


def _download(context: Context, task: Task, text: str | None) -> Answer:
    if context.parameters.get("start") is not None or context.parameters.get("limit") is not None:
        raise server_error("'download' cannot be used together with 'start' or 'limit' parameters")
    if text is None:
        raise server_error(f"Could not open file '{task.upid}' - No such file or directory")
    body = text.encode("latin-1", "replace")
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(task.starttime))
    headers = {"Content-Disposition": f'attachment; filename="task-{task.node}-{task.type}-{stamp}.log"'}
    if len(body) > COMPRESS_LOG_ABOVE:
        headers["Content-Encoding"] = "gzip"
        body = gzip.compress(body)
    return Answer(200, "OK", body, "text/plain", headers, compress=False)


@api("DELETE", "/nodes/{node}/tasks/{upid}")
def stop_task(context: Context) -> Result:
    """Check as PVE does; nothing is stopped."""
    task = _task(context)
    if context.node().log_text(task.upid) is None:
        raise param_error({"upid": "no such task"})
    _require_access(context, task, "Sys.Modify")
    return Result(None)
