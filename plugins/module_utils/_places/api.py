# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the API shows: tasks of all nodes, and their journals where the token may read them. It has no access.log."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from datetime import UTC, tzinfo
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._evidence.found import CLUSTER_TASKS, INDEX, Found
from ansible_collections.pve.audit.plugins.module_utils._evidence.read import classify_event, read_item
from ansible_collections.pve.audit.plugins.module_utils._evidence.registry import BY_NAME
from ansible_collections.pve.audit.plugins.module_utils._evidence.source import Context
from ansible_collections.pve.audit.plugins.module_utils._model.coverage import Coverage
from ansible_collections.pve.audit.plugins.module_utils._model.errors import ApiError, InputError
from ansible_collections.pve.audit.plugins.module_utils._model.event import get_field
from ansible_collections.pve.audit.plugins.module_utils._model.time import zone
from ansible_collections.pve.audit.plugins.module_utils._parse.facts import LINUX_AUTH, PVE_AUTH
from ansible_collections.pve.audit.plugins.module_utils._parse.lines import EventIds, scrub
from ansible_collections.pve.audit.plugins.module_utils._places.reading import (
    AFTER,
    BEFORE,
    Interval,
    Reader,
    judge_row,
    missing_row,
)
from ansible_collections.pve.audit.plugins.module_utils._pve.fanout import FanOut
from ansible_collections.pve.audit.plugins.module_utils._pve.proofs import listed_tasks
from ansible_collections.pve.audit.plugins.module_utils._pve.session import Api
from ansible_collections.pve.audit.plugins.module_utils._pve.tasks import TaskFilter, cluster_nodes, collect_tasks
from ansible_collections.pve.audit.plugins.module_utils._pve.tasks_coverage import Question

_PARTIAL = {"not_permitted", "node_offline", "node_unreachable", "timed_out", "server_error"}
_REASONS = {401: "not_permitted", 403: "not_permitted", 595: "node_unreachable", 596: "node_unreachable"}


def read_api(api: Api, params: Mapping[str, Any], interval: Interval) -> Found:
    """Everything the API shows of the interval, of all nodes. Raises ApiError when the cluster cannot be asked."""
    found, ids = Found(), EventIds()
    nodes = cluster_nodes(api)
    _read_tasks(api, nodes, params, interval, found, ids)
    _read_cluster_tasks(api, found)
    ask = FanOut[str, tuple[list[Any], tzinfo]](lambda node: _journal(api, node, interval), params["concurrency"])
    for node, answer in ask.run(nodes, params["total_timeout"]).items():
        found.coverage += _journal_rows(node, answer, interval, found, ids)
        found.coverage.append(missing_row(node, "pve.access", "access.log", "the API"))
    return found


def _read_tasks(
    api: Api, nodes: list[str], params: Mapping[str, Any], interval: Interval, found: Found, ids: EventIds
) -> None:
    """All that the task lists still have: what is missing shows only against the whole."""
    listed = collect_tasks(
        api,
        nodes,
        TaskFilter(),
        now=time.time,
        seconds=params["total_timeout"],
        workers=params["concurrency"],
        question=Question(interval.since, interval.until),
    )
    # Of a node that shows a part of its tasks, nothing can be said to be missing.
    whole = {
        row.node for row in listed.coverage if not row.nothing and not _PARTIAL & {one["code"] for one in row.reasons}
    }
    for node in whole:
        found.records.setdefault((node, INDEX), set())
    for task in listed.tasks:
        for event in read_item(task, BY_NAME["task"], Context("", ids=ids)):
            record = INDEX if get_field(event, "host.name") in whole else ""
            found.add(classify_event(event), "tasks", str(event["event"].get("id", "")), record)
    found.coverage += listed.coverage


def _read_cluster_tasks(api: Api, found: Found) -> None:
    try:
        listed = listed_tasks(api)
    except ApiError:
        return
    for node, upids in listed.items():
        found.records[node, CLUSTER_TASKS].update(upids)


def _journal(api: Api, node: str, interval: Interval) -> tuple[list[Any], tzinfo]:
    """The journal of a node as lines, and the time zone that their times are in."""
    params: dict[str, Any] = {}
    if interval.since is not None:
        params["since"] = max(0, int(interval.since - BEFORE["journal"]))
    if interval.until is not None:
        params["until"] = int(interval.until + AFTER)
    lines = api.get("nodes", node, "journal", **(params or {"lastentries": 100_000}))
    clock = api.get("nodes", node, "time")
    name = clock.get("timezone") if isinstance(clock, Mapping) else None
    try:
        return (lines if isinstance(lines, list) else []), zone(str(name))
    except InputError:
        return (lines if isinstance(lines, list) else []), UTC


def _journal_rows(
    node: str,
    answer: tuple[list[Any], tzinfo] | ApiError,
    interval: Interval,
    found: Found,
    ids: EventIds,
) -> Iterator[Coverage]:
    if isinstance(answer, ApiError):
        row = Coverage(node, PVE_AUTH)
        code = _REASONS.get(answer.status or 0, "timed_out" if answer.code == "timed_out" else "server_error")
        row.add_reason(code, f"the journal of {node} cannot be read: {answer}")
    else:
        lines, tz = answer
        reader = Reader(found, node, PVE_AUTH, "journal", interval, Context(node, time.time(), tz, ids))
        # The first and the last line are cursors. [pve-manager PVE/API2/Nodes.pm journal, mini-journalreader]
        texts = [scrub(str(line)).encode() for line in lines[1:-1]]
        reader.read("journal", lambda: enumerate(texts, 2))
        row = judge_row(reader, interval, "the journal", live=True)
    yield row
    yield Coverage(row.node, LINUX_AUTH, row.start, row.end, row.oldest, row.records, row.damaged, row.reasons)
