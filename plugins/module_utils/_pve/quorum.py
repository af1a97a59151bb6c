# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does the node that answers belong to the majority of the cluster?

Without quorum a node answers every read from its old copy of /etc/pve, with 200, and refuses every write only after
about ten seconds. Source: pve-manager PVE/API2/Cluster.pm get_status, PVE/API2/Nodes.pm index.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._model.errors import ApiError, AuthError
from ansible_collections.pve.audit.plugins.module_utils._pve.identity_rows import as_bool
from ansible_collections.pve.audit.plugins.module_utils._pve.session import Api

NO_QUORUM = "no_quorum"
_REMEDY = "what it says may be old; ask a node of the majority, or bring the other nodes back first"


def quorum_doubt(api: Api) -> str | None:
    """Why what the node says may be old, as a sentence; None when it has quorum or is no part of a cluster.

    Without Sys.Audit on / only the list of nodes is shown, which tells who is online: more than half has quorum.
    Raises ApiError when there is no connection.
    """
    status = _rows(api, "cluster", "status")
    if status is not None:
        cluster = next((row for row in status if row.get("type") == "cluster"), None)
        if cluster is None or as_bool(cluster.get("quorate", 1)):
            return None
        return f"the node that answers has no quorum: {_REMEDY}"
    nodes = _rows(api, "nodes") or []
    online = sum(row.get("status") == "online" for row in nodes)
    if online * 2 > len(nodes) or len(nodes) < 2:
        return None
    return (
        f"only {online} of {len(nodes)} nodes are online for the node that answers, which may have no quorum: {_REMEDY}"
    )


def _rows(api: Api, *path: str) -> list[Mapping[str, Any]] | None:
    """The rows of a list, None when they may not be seen."""
    try:
        answer = api.get(*path)
    except AuthError:
        raise
    except ApiError as error:
        if error.status is None:
            raise
        return None
    return [row for row in answer if isinstance(row, Mapping)] if isinstance(answer, list) else None
