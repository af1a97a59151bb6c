# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The question behind `tasks_info`: checked options in, tasks and coverage or a small answer out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._model.coverage import incomplete_sentence
from ansible_collections.pve.audit.plugins.module_utils._model.errors import ApiError, InputError
from ansible_collections.pve.audit.plugins.module_utils._model.time import doubtful_time, parse_instant, rfc3339, zone
from ansible_collections.pve.audit.plugins.module_utils._pve.session import Api
from ansible_collections.pve.audit.plugins.module_utils._pve.tasks import TaskFilter, cluster_nodes, collect_tasks
from ansible_collections.pve.audit.plugins.module_utils._query.expression import search

OPTIONS: dict[str, dict[str, Any]] = {
    "nodes": {"type": "list", "elements": "str", "default": []},
    "types": {"type": "list", "elements": "str", "default": []},
    "users": {"type": "list", "elements": "str", "default": []},
    "vmid": {"type": "int"},
    "statuses": {
        "type": "list",
        "elements": "str",
        "choices": ["ok", "warning", "error", "unknown", "running"],
        "default": [],
    },
    "since": {"type": "str"},
    "until": {"type": "str"},
    "timezone": {"type": "str", "default": "UTC"},
    "running": {"type": "bool"},
    "query": {"type": "str"},
    "strict": {"type": "bool", "default": False},
}


class IncompleteError(ApiError):
    """`strict` was asked for, and something was not seen."""

    code = "incomplete"


def task_filter(params: dict[str, Any], now: float) -> TaskFilter:
    """The checked filter. Raises InputError that names the option."""
    tz = zone(params["timezone"])
    moments: dict[str, float | None] = {}
    for option in ("since", "until"):
        try:
            value, latest = params[option], option == "until"
            moments[option] = None if value is None else parse_instant(value, now=now, tz=tz, latest=latest)
            rfc3339(moments[option] or 0)
        except InputError as error:
            raise InputError(f"{option}: {error}") from None
    since, until = moments["since"], moments["until"]
    if since is not None and since > (now if until is None else until):
        raise InputError(
            f"since ({rfc3339(since)}) lies after until ({rfc3339(now if until is None else until)}): exchange them"
        )
    return TaskFilter(
        types=frozenset(params["types"]),
        users=frozenset(params["users"]),
        states=frozenset(params["statuses"]),
        vmid=params["vmid"],
        since=since,
        until=until,
        running=params["running"],
    )


def doubtful_options(params: dict[str, Any]) -> list[str]:
    """A sentence for each option with a time that the clocks show twice or never, and how it is read."""
    tz = zone(params["timezone"])
    read = (("since", "the earlier one counts"), ("until", "the later one counts"))
    doubts = [(option, doubtful_time(params[option], tz), how) for option, how in read if params[option] is not None]
    return [f"{option}: {doubt}; {how}" for option, doubt, how in doubts if doubt]


def query_tasks(api: Api, params: dict[str, Any], clock: Callable[[], float]) -> dict[str, Any]:
    """The result of `tasks_info`. Raises InputError for bad options, ApiError when nothing can be asked."""
    now = clock()
    wanted = task_filter(params, now)
    compiled = None if params["query"] is None else search(params["query"])
    nodes = cluster_nodes(api, params["nodes"])
    found = collect_tasks(api, nodes, wanted, now=clock, seconds=params["total_timeout"], workers=params["concurrency"])
    if params["strict"] and not found.complete:
        raise IncompleteError(incomplete_sentence(found.coverage))
    coverage = [entry.as_dict() for entry in found.coverage]
    result: dict[str, Any] = {
        "coverage": coverage,
        "complete": found.complete,
        "since": None if wanted.since is None else rfc3339(wanted.since),
        "until": rfc3339(now if wanted.until is None else wanted.until),
        "warnings": doubtful_options(params),
    }
    if compiled is None:
        return {"tasks": found.tasks, **result}
    answer = compiled({"tasks": found.tasks, "coverage": coverage})
    return {"query_result": compiled(found.tasks) if answer is None else answer, **result}
