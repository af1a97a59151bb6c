# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A snapshot of the configuration of a cluster: all areas in parallel, and for each what was not seen, and why.

A part that may not be seen, or did not answer, is told in the coverage and not taken for empty.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._model.errors import (
    ApiError,
    AuthError,
    InputError,
    NodeUnreachableError,
    NotAnApiError,
    TimeoutReachedError,
)
from ansible_collections.pve.audit.plugins.module_utils._model.time import rfc3339
from ansible_collections.pve.audit.plugins.module_utils._parse.config_rows import Objects, digest_of
from ansible_collections.pve.audit.plugins.module_utils._pve import config_areas as areas
from ansible_collections.pve.audit.plugins.module_utils._pve.config_areas import Area, Read
from ansible_collections.pve.audit.plugins.module_utils._pve.fanout import FanOut
from ansible_collections.pve.audit.plugins.module_utils._pve.identity import own_privileges
from ansible_collections.pve.audit.plugins.module_utils._pve.quorum import NO_QUORUM, quorum_doubt
from ansible_collections.pve.audit.plugins.module_utils._pve.session import Api
from ansible_collections.pve.audit.plugins.module_utils._pve.tasks import cluster_nodes

FORMAT = 1
OPTIONS: dict[str, dict[str, Any]] = {
    "areas": {"type": "list", "elements": "str", "choices": list(areas.NAMES), "default": []},
    "guests": {"type": "bool", "default": True},
}
NOT_OFFERED = "not_offered"


@dataclass(slots=True)
class _Row:
    """Coverage of an area: of the whole cluster, or of what lies on one node."""

    area: str
    node: str | None = None
    unread: list[str] = field(default_factory=list)
    reasons: dict[str, str] = field(default_factory=dict)

    def as_dict(self, seen: bool) -> dict[str, Any]:
        return {
            "area": self.area,
            "node": self.node,
            "seen": seen,
            "complete": not self.reasons.keys() - {NOT_OFFERED},
            "unread": sorted(self.unread),
            "reasons": [{"code": code, "message": message} for code, message in self.reasons.items()],
        }


@dataclass(frozen=True, slots=True)
class _Unit:
    """One part that is read for itself. `scope` is the object that is unread when it fails; None: the whole area."""

    area: str
    read: Read
    node: str | None = None
    scope: str | None = None


@dataclass(slots=True)
class _Reader:
    """Asks units at once, and keeps what they answer."""

    api: Api
    workers: int
    deadline: float
    objects: dict[str, Objects] = field(default_factory=dict)
    rows: dict[tuple[str, str | None], _Row] = field(default_factory=dict)
    dead: dict[str, ApiError] = field(default_factory=dict)

    def run(self, units: Sequence[_Unit]) -> None:
        """Ask all of them. Raises AuthError when the credential is refused."""
        fan_out: FanOut[int, Objects] = FanOut(lambda number: self._read(units[number]), self.workers)
        answers = fan_out.run(range(len(units)), max(0.0, self.deadline - time.monotonic()))
        for number, answer in answers.items():
            self._keep(units[number], answer)

    def row(self, area: str, node: str | None = None) -> _Row:
        return self.rows.setdefault((area, node), _Row(area, node))

    def _read(self, unit: _Unit) -> Objects:
        """Once a node was found not to answer, it is not waited for again."""
        if unit.node is not None and unit.node in self.dead:
            raise self.dead[unit.node]
        try:
            return unit.read(self.api)
        except (NodeUnreachableError, TimeoutReachedError) as error:
            if unit.node is not None:
                self.dead[unit.node] = error
            raise
        except InputError as error:
            raise NotAnApiError(f"{unit.area} cannot be read: {error}") from None

    def _keep(self, unit: _Unit, answer: Objects | ApiError) -> None:
        row = self.row(unit.area, unit.node)
        if not isinstance(answer, ApiError):
            self.objects.setdefault(unit.area, {}).update(answer)
            return
        if isinstance(answer, AuthError):
            raise answer
        if unit.scope is None:
            code = NOT_OFFERED if answer.status == areas.NOT_IMPLEMENTED else answer.code
        else:
            code = answer.code
            self.objects.setdefault(unit.area, {})
            row.unread.append(unit.scope)
        row.reasons.setdefault(code, str(answer))


def read_config(api: Api, params: dict[str, Any], now: Callable[[], float]) -> dict[str, Any]:
    """The snapshot that the options ask for. Raises ApiError when the cluster cannot be asked at all."""
    started = now()
    wanted = _wanted(params)
    reader = _Reader(api, params["concurrency"], time.monotonic() + params["total_timeout"])
    about, version = _about(api)
    nodes = cluster_nodes(api)
    listed = [area for area in areas.AREAS if area.name in wanted and area.first <= version <= area.last]
    reader.run([_Unit(area.name, area.read) for area in listed] + _node_units(wanted, nodes))
    if "nodes" in wanted:
        reader.row("nodes")
        reader.objects["nodes"] = {node: {} for node in nodes}
    if wanted & set(areas.BY_GUEST):
        _read_guests(reader, wanted)
    _judge(reader, listed, wanted)
    if doubt := quorum_doubt(api):
        reader.objects = {}
        for row in reader.rows.values():
            row.reasons[NO_QUORUM] = doubt
    coverage = [row.as_dict(row.area in reader.objects) for row in reader.rows.values()]
    found = {name: dict(sorted(reader.objects[name].items())) for name in areas.NAMES if name in reader.objects}
    return {
        "snapshot": {
            "format": FORMAT,
            "from": rfc3339(started),
            "until": rfc3339(math.ceil(now())),
            **about,
            "areas": found,
            "digests": {name: digest_of(objects) for name, objects in found.items()},
            "coverage": coverage,
        },
        "complete": all(row["complete"] for row in coverage),
    }


def _wanted(params: dict[str, Any]) -> set[str]:
    """The areas to read. What is told guest by guest needs the list of guests, and takes a request for each."""
    wanted = set(params["areas"] or areas.NAMES)
    by_guest = wanted & set(areas.BY_GUEST)
    if not params["guests"]:
        if params["areas"] and by_guest:
            raise InputError(f"areas: {', '.join(sorted(by_guest))} are read guest by guest: set guests: true")
        return wanted - by_guest
    return wanted | ({"guests"} if by_guest else set())


def _about(api: Api) -> tuple[dict[str, str | None], int]:
    """Version and name of the cluster, and the major version. A name may be hidden; it is then null."""
    version = str(areas.ask_one(api, "version").get("version", ""))
    major, _dot, _rest = version.partition(".")
    try:
        status = areas.ask_rows(api, "cluster", "status")
    except AuthError:
        raise
    except ApiError as error:
        if error.status is None:
            raise
        status = []
    name = next((str(row.get("name")) for row in status if row.get("type") == "cluster"), None)
    return {"version": version, "cluster": name}, int(major) if major.isascii() and major.isdigit() else 0


def _node_units(wanted: Iterable[str], nodes: Iterable[str]) -> list[_Unit]:
    units = []
    for node in nodes:
        if "node_configs" in wanted:
            units.append(_Unit("node_configs", partial(areas.node_config, node), node, node))
        if "node_firewall" in wanted:
            scope = f"node/{node}"
            read = partial(areas.firewall, ("nodes", node, "firewall"), scope, False)
            units.append(_Unit("node_firewall", read, node, scope))
    return units


def _read_guests(reader: _Reader, wanted: set[str]) -> None:
    """The guests one by one. When it is not known which there are, nothing of them is seen."""
    units = []
    for vmid, facts in reader.objects.get("guests", {}).items():
        node, kind = facts["node"], facts["type"]
        if "guest_configs" in wanted:
            units.append(_Unit("guest_configs", partial(areas.guest_config, node, kind, vmid), node, vmid))
        if "guest_firewall" in wanted:
            base, scope = ("nodes", node, kind, vmid, "firewall"), f"guest/{vmid}"
            units.append(_Unit("guest_firewall", partial(areas.firewall, base, scope, True), node, scope))
    for name in sorted(wanted & set(areas.BY_GUEST)):
        reader.row(name)
        if "guests" in reader.objects:
            reader.objects[name] = {}
    reader.run(units)


def _judge(reader: _Reader, listed: Iterable[Area], wanted: set[str]) -> None:
    """Note what the privileges do not let through."""
    privileges = own_privileges(reader.api)
    paths = _acl_paths(reader.api) if areas.ACL_RIGHT.granted(privileges, None) else None
    for area in listed:
        if area.name in reader.objects and area.right and not area.right.granted(privileges, paths):
            reader.row(area.name).reasons["not_permitted"] = area.right.sentence()
            if area.shortened:
                del reader.objects[area.name]
    if (guests := reader.rows.get(("guests", None))) is not None:
        for name in sorted(wanted & set(areas.BY_GUEST)):
            reader.row(name).reasons.update(guests.reasons)


def _acl_paths(api: Api) -> set[str] | None:
    """All paths with a rule of their own; None when they cannot be read."""
    try:
        return {str(row.get("path")) for row in areas.ask_rows(api, "access", "acl")}
    except AuthError:
        raise
    except ApiError:
        return None
