# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The log text of tasks, whole, page by page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._model.errors import ApiError, InputError, NotAnApiError
from ansible_collections.pve.audit.plugins.module_utils._parse.lines import from_bytewise
from ansible_collections.pve.audit.plugins.module_utils._parse.upid import parse_upid
from ansible_collections.pve.audit.plugins.module_utils._pve.fanout import FanOut
from ansible_collections.pve.audit.plugins.module_utils._pve.session import Api
from ansible_collections.pve.audit.plugins.module_utils._pve.tasks import WORKERS, cluster_nodes

PAGE = 5000

OPTIONS: dict[str, dict[str, Any]] = {
    "upids": {"type": "list", "elements": "str", "required": True},
    "max_lines": {"type": "int", "default": 100000},
}

# For a text that is gone, or empty, PVE answers 200 and one line of its own. [PVE::Tools dump_logfile]
_GONE = "unable to open file - "
_EMPTY = "no content"
_MISSING = "the log text is no longer on the node"
SERVER_ERROR = 500  # the status for a node whose name means nothing


def collect_logs(
    api: Api, upids: Sequence[str], *, max_lines: int, seconds: float, workers: int = WORKERS
) -> list[dict[str, Any]]:
    """The log of every UPID, in the order given, each once.

    A result has `upid`, `lines`, `complete`, and `reason` (None, or why the text is missing or cut). What is no UPID
    has a reason, too. Raises InputError when there is none among them, before anything is asked.
    """
    if max_lines < 1:
        raise InputError(f"max_lines must be at least 1, not {max_lines}")
    nodes, wrong = _nodes_of(upids)
    if wrong and not nodes:
        raise wrong[next(iter(wrong))]
    fan_out: FanOut[str, tuple[list[str], str | None]] = FanOut(partial(_find_log, api, nodes, max_lines), workers)
    answers = fan_out.run(nodes, seconds)
    results = []
    for upid in dict.fromkeys(upids):
        answer = wrong[upid] if upid in wrong else answers[upid]
        lines, reason = answer if isinstance(answer, tuple) else ([], str(answer))
        results.append({"upid": upid, "lines": lines, "complete": reason is None, "reason": reason})
    return results


def _nodes_of(upids: Sequence[str]) -> tuple[dict[str, str], dict[str, InputError]]:
    """The node that each UPID names, and what is none."""
    nodes, wrong = {}, {}
    for upid in upids:
        try:
            nodes[upid] = parse_upid(upid).node
        except InputError as error:
            wrong[upid] = error
    return nodes, wrong


def _find_log(api: Api, nodes: Mapping[str, str], max_lines: int, upid: str) -> tuple[list[str], str | None]:
    """The log of a task, from the node that its UPID names, or from the one that has it under another name now.

    A node that was renamed keeps its old tasks, whose UPIDs name a node that is not there. Each node finds the text by
    the UPID alone. [PVE::API2::Tasks read_task_log]
    """
    node = nodes[upid]
    try:
        return _log(api, node, max_lines, upid)
    except ApiError as error:
        names = cluster_nodes(api) if error.status == SERVER_ERROR else [node]
        if node in names:
            raise
    failed = []
    for name in names:
        try:
            lines, reason = _log(api, name, max_lines, upid)
        except ApiError:
            failed.append(name)
            continue
        if reason != _MISSING:
            return lines, reason
    unasked = f", and {', '.join(failed)} did not answer" if failed else ""
    return [], f"the cluster has no node {node}, and none of {', '.join(names)} has the log text{unasked}"


def _log(api: Api, node: str, max_lines: int, upid: str) -> tuple[list[str], str | None]:
    """All lines of one log, and why there are not more."""
    lines: list[str] = []
    while True:
        wanted = min(PAGE, max_lines + 1 - len(lines))
        page = api.get("nodes", node, "tasks", upid, "log", start=len(lines), limit=wanted)
        if not isinstance(page, list) or not all(isinstance(row, Mapping) for row in page):
            raise NotAnApiError(f"the log of {upid} did not come as a list of lines")
        lines.extend(from_bytewise(str(row.get("t", ""))) for row in page)
        if len(lines) > max_lines:
            return lines[:max_lines], f"only the first {max_lines} lines were fetched (max_lines)"
        if len(page) < wanted:
            break
    if len(lines) == 1 and lines[0].startswith(_GONE):
        return [], _MISSING
    return ([] if lines == [_EMPTY] else lines), None
