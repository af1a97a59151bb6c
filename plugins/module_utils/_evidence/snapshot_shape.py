# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A snapshot as it comes back from a file or a variable: checked, and what it saw."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._model.event import event_time
from ansible_collections.pve.audit.plugins.module_utils._model.time import rfc3339
from ansible_collections.pve.audit.plugins.module_utils._parse.config_rows import Objects, digest_of

FORMAT = 1
_REMEDY = "take `snapshot` of pve.audit.config_info as it is"

_NOT_OFFERED = "not_offered"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The areas that were seen, and the rows of their coverage."""

    start: str
    end: str
    version: str
    cluster: str | None
    areas: dict[str, Objects]
    rows: dict[str, list[Mapping[str, Any]]]
    digest: str

    @classmethod
    def read(cls, data: Mapping[str, Any], place: str) -> Snapshot:
        """Raises InputError for what is no snapshot, or was changed since it was taken."""
        if data.get("format") != FORMAT:
            raise InputError(f"{place} has format {data.get('format')!r}, not {FORMAT}: {_REMEDY}")
        areas = {str(name): _objects(found, name, place) for name, found in _map(data, "areas", place).items()}
        digests = {str(name): str(value) for name, value in _map(data, "digests", place).items()}
        for name in sorted(areas.keys() | digests.keys()):
            if name not in areas or digests.get(name) != digest_of(areas[name]):
                raise InputError(f"{place}: the area {name} does not have the digest that was taken with it: {_REMEDY}")
        return cls(
            _time(data, "from", place),
            _time(data, "until", place),
            str(data.get("version") or "unknown"),
            str(data["cluster"]) if data.get("cluster") else None,
            areas,
            _rows(data.get("coverage"), place),
            hashlib.sha256("\0".join(f"{name} {digests[name]}" for name in sorted(digests)).encode()).hexdigest(),
        )

    def knows(self, area: str) -> bool:
        """Whether the area was asked for, or is there."""
        return area in self.areas or area in self.rows

    def offers(self, area: str) -> bool:
        """False when this version of Proxmox VE has no such area."""
        return not any(_NOT_OFFERED in _codes(row) for row in self.rows.get(area, ()))

    def unread(self, area: str) -> list[str]:
        """Objects of the area that are there, and whose content was not seen."""
        return [str(name) for row in self.rows.get(area, ()) for name in row.get("unread") or ()]

    def would_show(self, area: str, name: str) -> bool:
        """Whether the area was seen so that an object which is not in it is not there."""
        rows = self.rows.get(area, [])
        if area not in self.areas or not rows:
            return False
        if any(row.get("complete") is not True and not row.get("unread") for row in rows):
            return False
        return not any(name == scope or name.startswith(f"{scope} ") for scope in self.unread(area))

    def lacks(self, area: str) -> str:
        """Why the area cannot be relied on, as the rest of a sentence; empty when it can."""
        rows = self.rows.get(area, [])
        reasons = [reason for row in rows for reason in row.get("reasons") or () if isinstance(reason, Mapping)]
        texts = [str(reason.get("message")) for reason in reasons]
        if area not in self.areas:
            return f"did not see it ({'; '.join(texts) or 'it was not asked for'})"
        if rows and all(row.get("complete") is True for row in rows):
            return ""
        return (
            f"did not see all of it, so that only what both saw was compared ({'; '.join(texts) or 'no reason told'})"
        )


def _codes(row: Mapping[str, Any]) -> set[str]:
    reasons = row.get("reasons")
    return {str(one.get("code")) for one in reasons or () if isinstance(one, Mapping)}


def _map(data: Mapping[str, Any], key: str, place: str) -> Mapping[Any, Any]:
    value = data.get(key)
    if not isinstance(value, Mapping):
        raise InputError(f"{place} has no map {key}: {_REMEDY}")
    return value


def _objects(value: object, area: object, place: str) -> Objects:
    """Plain copies: what comes from a template may be of other types."""
    if not isinstance(value, Mapping) or not all(isinstance(items, Mapping) for items in value.values()):
        raise InputError(f"{place}: the area {area} is not a map of objects: {_REMEDY}")
    return {str(name): {str(key): str(text) for key, text in items.items()} for name, items in value.items()}


def _rows(value: object, place: str) -> dict[str, list[Mapping[str, Any]]]:
    if not isinstance(value, list) or not all(isinstance(row, Mapping) and "area" in row for row in value):
        raise InputError(f"{place} has no list coverage: {_REMEDY}")
    if not all(isinstance(row.get(key) or [], list) for row in value for key in ("unread", "reasons")):
        raise InputError(f"{place}: unread and reasons of its coverage must be lists: {_REMEDY}")
    found: dict[str, list[Mapping[str, Any]]] = {}
    for row in value:
        found.setdefault(str(row["area"]), []).append(row)
    return found


def _time(data: Mapping[str, Any], key: str, place: str) -> str:
    moment = event_time({"@timestamp": data.get(key)})
    if moment is None:
        raise InputError(f"{place}: {key} is not an RFC 3339 time: {_REMEDY}")
    return rfc3339(moment)
