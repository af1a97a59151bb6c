# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The API's own description: which paths there are, who may call them, which parameters they take.

`api.json.gz` is a copy of the parts of PVE's API schema that the simulator needs (parameters, permissions, flags).
"""

from __future__ import annotations

import gzip
import json
import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

SCHEMA = Path(__file__).with_name("api.json.gz")


@dataclass(frozen=True, slots=True)
class Call:
    """One method of one path. `check` is PVE's permission expression, `user` is `all`, `world` or None."""

    method: str
    path: str
    properties: dict[str, dict[str, Any]]
    additional: bool
    check: list[Any] | None
    user: str | None
    has_permissions: bool
    allow_token: bool
    proxy_to: str | None


@dataclass(slots=True)
class _Branch:
    """A node of the path tree: either named children or one parameter, as in PVE's RESTHandler.pm."""

    folders: dict[str, _Branch] = field(default_factory=dict)
    parameter: str | None = None
    child: _Branch | None = None
    calls: dict[str, Call] = field(default_factory=dict)


def _call(path: str, method: str, info: dict[str, Any]) -> Call:
    permissions = info.get("permissions")
    parameters = info.get("parameters") or {}
    return Call(
        method=method,
        path=path,
        properties=parameters.get("properties") or {},
        additional=bool(parameters.get("additionalProperties", 1)),
        check=(permissions or {}).get("check"),
        user=(permissions or {}).get("user"),
        has_permissions=permissions is not None,
        allow_token=bool(info.get("allowtoken")),
        proxy_to=info.get("proxyto"),
    )


class Schema:
    """Find the call for a method and a path."""

    def __init__(self, data: dict[str, dict[str, Any]]) -> None:
        self._root = _Branch()
        for path, methods in data.items():
            branch = self._branch(path)
            for method, info in methods.items():
                branch.calls[method] = _call(path, method, info)

    def _branch(self, path: str) -> _Branch:
        branch = self._root
        for part in filter(None, path.split("/")):
            if part.startswith("{"):
                branch.parameter = part[1:-1]
                branch.child = branch.child or _Branch()
                branch = branch.child
            else:
                branch = branch.folders.setdefault(part, _Branch())
        return branch

    def find(self, method: str, path: str) -> tuple[Call, dict[str, str]] | None:
        """The call and the parameters that stand in the path, or None when PVE would say 'not implemented'."""
        branch: _Branch | None = self._root
        found: dict[str, str] = {}
        for part in filter(None, path.split("/")):
            if branch is None:
                return None
            if branch.parameter is not None:
                if not re.fullmatch(r"\S+", part, re.ASCII):
                    return None
                found[branch.parameter] = part
                branch = branch.child
            else:
                branch = branch.folders.get(part)
        call = branch.calls.get(method) if branch else None
        return (call, found) if call else None


@cache
def load_schema() -> Schema:
    """The schema of the copy beside this file, read once."""
    return Schema(json.loads(gzip.decompress(SCHEMA.read_bytes())))
