# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The question behind `tasks_info`: checked options in, tasks and coverage or a small answer out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._model.coverage import Coverage, incomplete_sentence
from ansible_collections.pve.audit.plugins.module_utils._model.errors import ApiError, InputError
from ansible_collections.pve.audit.plugins.module_utils._model.time import doubtful_time, parse_instant, rfc3339, zone
from ansible_collections.pve.audit.plugins.module_utils._model.visible import safe_text
from ansible_collections.pve.audit.plugins.module_utils._pve.session import Api
from ansible_collections.pve.audit.plugins.module_utils._pve.tasks import TaskFilter, cluster_nodes, collect_tasks
from ansible_collections.pve.audit.plugins.module_utils._pve.tasks_wishes import doubtful_wishes
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
    "accept": {"type": "list", "elements": "str", "choices": ["begins_late", "gap", "ring_turned"], "default": []},
    "known_oldest": {"type": "dict", "default": {}},
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
    _check_interval(params, since, until, now)
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


def _check_interval(params: dict[str, Any], since: float | None, until: float | None, now: float) -> None:
    """Raises InputError for an interval that cannot be answered, and for `strict` without a start to hold it to."""
    if since is None:
        if params["strict"] and params["running"] is not True:
            raise InputError(
                "strict needs since: without it nobody can say what is missing; write how far back the answer must "
                "reach, for example since: 7d"
            )
        return
    if until is not None and since > until:
        raise InputError(f"since ({rfc3339(since)}) lies after until ({rfc3339(until)}): exchange them")
    if since > now:
        raise InputError(f"since ({rfc3339(since)}) lies in the future, it is {rfc3339(now)} now: give an earlier time")


def _known_oldest(params: dict[str, Any], now: float) -> dict[str, float]:
    """The option `known_oldest` in epoch seconds; a node that had no record is left out. Raises InputError."""
    known = {}
    for node, moment in params["known_oldest"].items():
        try:
            if moment is not None:
                known[str(node)] = parse_instant(moment, now=now, tz=zone(params["timezone"]))
                rfc3339(known[str(node)])
        except InputError as error:
            raise InputError(f"known_oldest of {safe_text(str(node))}: {error}") from None
    return known


def _not_accepted(coverage: Iterable[Coverage], accepted: Collection[str]) -> list[Coverage]:
    """The rows with a reason that `strict` must not let pass, without the reasons that it may."""
    rows = [
        replace(entry, reasons=[reason for reason in entry.reasons if reason["code"] not in accepted])
        for entry in coverage
    ]
    return [entry for entry in rows if entry.reasons]


def query_tasks(
    api: Api, params: dict[str, Any], clock: Callable[[], float], known_types: Collection[str] = ()
) -> dict[str, Any]:
    """The result of `tasks_info`. Raises InputError for bad options, ApiError when nothing can be asked."""
    now = clock()
    wanted = task_filter(params, now)
    compiled = None if params["query"] is None else search(params["query"])
    known_oldest = _known_oldest(params, now)
    found = collect_tasks(
        api,
        cluster_nodes(api, params["nodes"]),
        wanted,
        now=clock,
        seconds=params["total_timeout"],
        workers=params["concurrency"],
        known_oldest=known_oldest,
    )
    if params["strict"] and (left := _not_accepted(found.coverage, params["accept"])):
        raise IncompleteError(incomplete_sentence(left))
    doubts = doubtful_wishes(api, params, found.tasks, known_types)
    if params["strict"] and (misspelt := [sentence for sentence, likely in doubts if likely]):
        raise InputError("; ".join(misspelt))
    coverage = [entry.as_dict() for entry in found.coverage]
    result: dict[str, Any] = {
        "coverage": coverage,
        "complete": found.complete,
        "since": None if wanted.since is None else rfc3339(wanted.since),
        "until": rfc3339(now if wanted.until is None else wanted.until),
        "warnings": doubtful_options(params) + [sentence for sentence, _likely in doubts],
    }
    if compiled is None:
        return {"tasks": found.tasks, **result}
    answer = compiled({"tasks": found.tasks, "coverage": coverage})
    return {"query_result": compiled(found.tasks) if answer is None else answer, **result}
