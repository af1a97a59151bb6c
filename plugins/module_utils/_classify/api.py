# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""API calls: from the method and path of a request to the action and the path's parameters.

The path is read as PVE reads it, because a call must not hide behind its spelling: first the query goes, then the
**whole** path is percent-decoded (AnyEvent.pm, ``uri_unescape``), and only then it is split at one or more slashes,
empty parts skipped (RESTHandler.pm, ``find_handler``). So ``/api2/json/nodes%2Fpve1/qemu//100`` is guest 100. Two
parameters swallow the rest of the path with its slashes, ``fragmentDelimiter`` in PVE: the volume below ``content``
(Storage/Status.pm) and the address in an IP set (Firewall/IPSet.pm). Unlike PVE, methods are matched whatever their
case: what PVE refuses is still reported as what was tried.

A call is classified as it was sent (``classify_api``) or as an event has it (``classify_call``), whose path was decoded
already: decoding it again would make another call of a name that holds ``%2F`` or ``?``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote

from ansible_collections.pve.audit.plugins.module_utils._classify import (
    api_access,
    api_cluster,
    api_guests,
    api_network,
    api_nodes,
    api_storage,
)
from ansible_collections.pve.audit.plugins.module_utils._classify.action import ACTIONS, OTHER, Action
from ansible_collections.pve.audit.plugins.module_utils._classify.call import Call
from ansible_collections.pve.audit.plugins.module_utils._classify.returns import BODY, answer_of

API_CALLS: tuple[Call, ...] = (
    *api_access.CALLS,
    *api_cluster.CALLS,
    *api_network.CALLS,
    *api_guests.CALLS,
    *api_nodes.CALLS,
    *api_storage.CALLS,
)
"""Every writing call of PVE 9."""

LEGACY_CALLS: tuple[Call, ...] = (
    ("POST", "/access/tfa", "access.ticket.verify", False),
    ("PUT", "/access/tfa", "access.tfa.modify", False),
    ("POST", "/cluster/notifications/filters", "notification.matcher.create", False),
    ("DELETE", "/cluster/notifications/filters/{name}", "notification.matcher.delete", False),
    ("PUT", "/cluster/notifications/filters/{name}", "notification.matcher.modify", False),
    ("POST", "/cluster/notifications/groups", "notification.endpoint.create", False),
    ("DELETE", "/cluster/notifications/groups/{name}", "notification.endpoint.delete", False),
    ("PUT", "/cluster/notifications/groups/{name}", "notification.endpoint.modify", False),
    ("DELETE", "/nodes/{node}/ceph/flags/{flag}", "ceph.flags.modify", False),
    ("POST", "/nodes/{node}/ceph/flags/{flag}", "ceph.flags.modify", False),
    ("POST", "/nodes/{node}/ceph/mgr", "ceph.mgr.create", True),
    ("POST", "/nodes/{node}/ceph/mon", "ceph.mon.create", True),
    ("POST", "/nodes/{node}/ceph/pools", "ceph.pool.create", True),
    ("DELETE", "/nodes/{node}/ceph/pools/{name}", "ceph.pool.destroy", True),
    ("PUT", "/nodes/{node}/ceph/pools/{name}", "ceph.pool.modify", True),
)
"""Writing calls of older releases that logs may still hold; PVE 9 does not know them.

Every call that the API viewer of pve-docs named since 2016, but for the plans of an SDN of November 2019.
"""

SENSITIVE_READS: tuple[Call, ...] = (*api_guests.READS, *api_storage.READS)
"""The few GET calls that are more than a read."""

QUERY_NAMES: dict[tuple[str, str], tuple[str, ...]] = {
    ("DELETE", "/nodes/{node}/storage/{storage}/prunebackups"): ("vmid",),
    ("DELETE", "/pools"): ("poolid",),
    ("GET", "/nodes/{node}/storage/{storage}/file-restore/download"): ("volume",),
}
"""Calls whose query says what they act on. The others have it in the path, or in the body, which no log holds."""

READING = frozenset({"GET", "HEAD", "OPTIONS"})
_ROOTS = frozenset({"access", "cluster", "nodes", "pools", "storage", "version"})
_SWALLOWS = frozenset({"volume", "cidr"})
_FORMAT = re.compile(r"[a-z][a-z0-9]+\Z")
_AUTHORITY = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*:)?//[^/?#]*(?=/)")


@dataclass(slots=True)
class _Endpoint:
    """What a method does at the end of one path."""

    action: Action
    names: tuple[str, ...]
    leaves_task: bool | None
    asked: tuple[str, ...] = ()
    answer: str = BODY


@dataclass(slots=True)
class _Step:
    """One level of the path: what may follow it, literally or as a parameter, and the methods that end here."""

    literals: dict[str, _Step] = field(default_factory=dict)
    parameter: _Step | None = None
    swallows: bool = False
    endpoints: dict[str, _Endpoint] = field(default_factory=dict)


def _grow(root: _Step, call: Call) -> None:
    """Add one row to the tree."""
    method, template, name, leaves_task = call
    step, names = root, []
    for part in template.strip("/").split("/"):
        if part.startswith("{"):
            names.append(part[1:-1])
            if step.parameter is None:
                step.parameter = _Step(swallows=names[-1] in _SWALLOWS)
            step = step.parameter
        else:
            step = step.literals.setdefault(part, _Step())
    asked = QUERY_NAMES.get((method, template), ())
    answer = BODY if call in LEGACY_CALLS else answer_of(method, template, leaves_task)
    step.endpoints[method] = _Endpoint(ACTIONS[name], tuple(names), leaves_task, asked, answer)


def _tree() -> _Step:
    root = _Step()
    for call in (*API_CALLS, *LEGACY_CALLS, *SENSITIVE_READS):
        _grow(root, call)
    return root


_ROOT = _tree()
_READ = _Endpoint(ACTIONS["api.read"], (), False)
_GUI = _Endpoint(ACTIONS["gui.read"], (), False)
_UNKNOWN = _Endpoint(OTHER, (), None)


def _segments(path: str) -> list[str]:
    """The decoded parts of a path, without the query. Bad percent sequences stay, bad UTF-8 is replaced."""
    bare = path.partition("?")[0].partition("#")[0]
    if "%" in bare:
        bare = unquote(bare, errors="replace")
    return _parts(bare)


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part]


def _api_part(segments: list[str]) -> tuple[bool, list[str]]:
    """Whether the path lies below /api2, and its parts after ``/api2/FORMAT``."""
    if not segments or segments[0] != "api2":
        return False, segments
    if len(segments) > 1 and _FORMAT.match(segments[1]):
        return True, segments[2:]
    return True, segments[1:]


def _find(method: str, segments: list[str]) -> tuple[_Endpoint, dict[str, str]] | None:
    """The endpoint the parts lead to. A literal part wins over a parameter, as no PVE path offers both in one place."""
    step, values = _ROOT, []
    for position, part in enumerate(segments):
        after = step.literals.get(part)
        if after is None:
            after = step.parameter
            if after is None:
                return None
            if after.swallows:
                values.append("/".join(segments[position:]))
                step = after
                break
            values.append(part)
        step = after
    endpoint = step.endpoints.get(method)
    return None if endpoint is None else (endpoint, dict(zip(endpoint.names, values, strict=True)))


def _readings(path: str) -> Iterator[tuple[bool, list[str]]]:
    """Below /api2 or not, and the parts after it; then the same without a scheme and host, where the line has them."""
    yield _api_part(_segments(path))
    host = _AUTHORITY.match(path)
    if host is not None:
        yield _api_part(_segments(path[host.end() :]))


def _resolve(method: str, readings: Iterable[tuple[bool, list[str]]]) -> tuple[_Endpoint, dict[str, str]]:
    reading = method in READING
    fallback = _GUI if reading else _UNKNOWN
    for below_api, parts in readings:
        found = _find(method, parts)
        if found is not None:
            return found
        if reading and (below_api or (parts and parts[0] in _ROOTS)):
            fallback = _READ
    return fallback, {}


def classify_api(method: str, path: str) -> tuple[Action, dict[str, str]]:
    """The action of a request, and the decoded parameters of its path (``{"node": "pve1", "vmid": "100"}``).

    ``path`` may start with ``/api2/json``, ``/api2/extjs`` or another format, or with none, and may carry a query.
    Reads are ``api.read`` or ``gui.read`` with no parameters, but for the few of ``SENSITIVE_READS``. A write that
    the catalogue does not hold is ``other`` with no parameters. Never raises, whatever the text.
    """
    endpoint, params = _resolve(method.upper(), _readings(path))
    return endpoint.action, params


class KnownCall(NamedTuple):
    """What a call is: its action, the parameters of its path and query, whether it leaves a task (None: it depends),
    and what it answers with, one of the words of `returns.py`.
    """

    action: Action
    params: dict[str, str]
    leaves_task: bool | None
    answer: str


def find_call(method: str, path: str, query: str | None = None) -> KnownCall:
    """What a request is whose path is decoded, as ``url.path`` of an event is.

    ``query`` is not decoded; what it says about the object (``QUERY_NAMES``) is among the parameters. Never raises.
    """
    endpoint, params = _resolve(method.upper(), (_api_part(_parts(path)),))
    if endpoint.asked and query:
        given = dict(parse_qsl(query, errors="replace"))
        params |= {name: given[name] for name in endpoint.asked if name in given}
    return KnownCall(endpoint.action, params, endpoint.leaves_task, endpoint.answer)


def classify_call(method: str, path: str, query: str | None = None) -> tuple[Action, dict[str, str]]:
    """The first two parts of `find_call`."""
    return find_call(method, path, query)[:2]


def leaves_task(method: str, path: str) -> bool | None:
    """Whether a successful call leaves a task (a UPID in the task log of a node).

    None when nobody can say from the request line: an unknown write, or a batch of commands. False for reads. From the
    return types of the API, and where these say ``string`` or nothing, from the source of the call.
    """
    return _resolve(method.upper(), _readings(path))[0].leaves_task
