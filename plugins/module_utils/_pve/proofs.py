# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the cluster says besides a node's task log: one request for all nodes, and one for each.

None of them may make an answer fail. What they do not say stays unproven. All need no more than Sys.Audit.
"""

from __future__ import annotations

from collections.abc import Mapping

from ansible_collections.pve.audit.plugins.module_utils._pve.session import Api

_COLONS = 8  # of a UPID without an odd id
_CENTURY = 100 * 365 * 86_400


def node_boot(api: Api, node: str, asked_at: float) -> float | None:
    """Since when the node has run, in epoch seconds; None when it does not say. Raises ApiError.

    [PVE::API2::Nodes status, of which uptime is the one of the kernel]
    """
    answer = api.get("nodes", node, "status")
    uptime = answer.get("uptime") if isinstance(answer, Mapping) else None
    if isinstance(uptime, bool) or not isinstance(uptime, int | float) or not 0 < uptime < _CENTURY:
        return None
    return max(0.0, float(asked_at - uptime))


def listed_tasks(api: Api) -> dict[str, dict[str, float]]:
    """The finished tasks that the cluster lists, for each node that their UPID names: UPID to end. Raises ApiError.

    Each node tells the cluster its newest 25 from a file of its own, `active`, which forgets nothing when `index` is
    shortened. Without Sys.Audit on / the list has only the account's own tasks. A UPID that a node's task log does not
    show although it holds it (an odd id, letters beyond ASCII) is left out.
    [PVE::RESTEnvironment active_workers, PVE::API2::Cluster tasks]
    """
    listed: dict[str, dict[str, float]] = {}
    answer = api.get("cluster", "tasks")
    for row in answer if isinstance(answer, list) else []:
        upid, end = (row.get("upid"), row.get("endtime")) if isinstance(row, Mapping) else (None, None)
        if _shown_by_its_node(upid) and (moment := _moment(end)) is not None:
            listed.setdefault(str(upid).split(":")[1], {})[str(upid)] = moment
    return listed


def _shown_by_its_node(upid: object) -> bool:
    return (
        isinstance(upid, str)
        and upid.startswith("UPID:")
        and upid.count(":") == _COLONS
        and upid.isascii()
        and upid.isprintable()
        and " " not in upid
    )


def _moment(value: object) -> float | None:
    """An end time as epoch seconds: a number, or digits, as a node may send either."""
    text = str(value)
    return float(text) if text.isascii() and text.isdigit() and 0 < len(text) < 12 else None
