# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a call's code gets, what it gives back, and the table of calls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.lab.authn import Authenticator
from tests.lab.errors import server_error
from tests.lab.http import Answer, compact
from tests.lab.model import Cluster, Node
from tests.lab.permissions import Permissions


@dataclass(slots=True)
class Context:
    """One call: the cluster, the node that executes it, the caller and the checked parameters."""

    cluster: Cluster
    authenticator: Authenticator
    local: str
    who: str
    parameters: dict[str, Any]

    @property
    def permissions(self) -> Permissions:
        """The privileges as they stand now."""
        return self.cluster.permissions

    def node(self) -> Node:
        """The node named in the path; callers have been sent there before."""
        node = self.cluster.nodes.get(str(self.parameters["node"]))
        if node is None:
            raise server_error(f"no such cluster node '{self.parameters['node']}'")
        return node


@dataclass(slots=True)
class Result:
    """The data of an answer. `total` is left out when it is 0. `encoded` is the JSON of `data`, when it is known."""

    data: Any
    total: int = 0
    encoded: str | None = None

    def json(self) -> str:
        """The encoded data."""
        return self.encoded if self.encoded is not None else compact(self.data)


Handler = Callable[[Context], "Result | Answer"]
HANDLERS: dict[tuple[str, str], Handler] = {}
CACHEABLE: set[tuple[str, str]] = set()


def api(method: str, path: str, *, cacheable: bool = False) -> Callable[[Handler], Handler]:
    """Register the code of a call. `cacheable`: the answer depends on node, caller and parameters only."""

    def register(handler: Handler) -> Handler:
        HANDLERS[(method, path)] = handler
        if cacheable:
            CACHEABLE.add((method, path))
        return handler

    return register
