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
from ansible_collections.pve.audit.plugins.module_utils._pve.tasks import WORKERS

PAGE = 5000

OPTIONS: dict[str, dict[str, Any]] = {
    "upids": {"type": "list", "elements": "str", "required": True},
    "max_lines": {"type": "int", "default": 100000},
}

# For a text that is gone, or empty, PVE answers 200 and one line of its own. [PVE::Tools dump_logfile]
_GONE = "unable to open file - "
_EMPTY = "no content"


def collect_logs(
    api: Api, upids: Sequence[str], *, max_lines: int, seconds: float, workers: int = WORKERS
) -> list[dict[str, Any]]:
    """The log of every UPID, in the order given, each once.

    A result has `upid`, `lines`, `complete`, and `reason` (None, or why the text is missing or cut). Raises InputError
    for a text that is no UPID, before anything is asked.
    """
    if max_lines < 1:
        raise InputError(f"max_lines must be at least 1, not {max_lines}")
    nodes = {upid: parse_upid(upid).node for upid in upids}
    fan_out: FanOut[str, tuple[list[str], str | None]] = FanOut(partial(_log, api, nodes, max_lines), workers)
    results = []
    for upid, answer in fan_out.run(nodes, seconds).items():
        lines, reason = ([], str(answer)) if isinstance(answer, ApiError) else answer
        results.append({"upid": upid, "lines": lines, "complete": reason is None, "reason": reason})
    return results


def _log(api: Api, nodes: Mapping[str, str], max_lines: int, upid: str) -> tuple[list[str], str | None]:
    """All lines of one log, and why there are not more."""
    lines: list[str] = []
    while True:
        wanted = min(PAGE, max_lines + 1 - len(lines))
        page = api.get("nodes", nodes[upid], "tasks", upid, "log", start=len(lines), limit=wanted)
        if not isinstance(page, list) or not all(isinstance(row, Mapping) for row in page):
            raise NotAnApiError(f"the log of {upid} did not come as a list of lines")
        lines.extend(from_bytewise(str(row.get("t", ""))) for row in page)
        if len(lines) > max_lines:
            return lines[:max_lines], f"only the first {max_lines} lines were fetched (max_lines)"
        if len(page) < wanted:
            break
    if len(lines) == 1 and lines[0].startswith(_GONE):
        return [], "the log text is no longer on the node"
    return ([] if lines == [_EMPTY] else lines), None
