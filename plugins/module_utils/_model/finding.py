# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The finding: something that a person must look at, in the events or in the accounts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypedDict

from ansible_collections.pve.audit.plugins.module_utils._model import shape
from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._model.severity import FINDING_SEVERITIES

_REMEDY = "build findings with `events | pve.audit.anomalies`"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What a rule found in events.

    `severity` is one of FINDING_SEVERITIES; `start` and `end` are RFC 3339 texts; `count` is the highest measure of
    one window, `total` the number of events; `values` are the counted values, `group` the fields that the events
    have in common, `event_ids` the events, `actors` the `user.id` behind them. `young` is the number of guests that
    their own account had made shortly before, `unknown` that of the events of which no log tells whether they
    worked, `related` the findings that tell some of the same events. RETURN of the filter `anomalies` says the same
    to users.
    """

    id: str
    rule: str
    title: str
    severity: str
    type: str = "event_count"
    sentence: str
    start: str
    end: str
    count: int
    total: int
    values: list[Any]
    group: dict[str, Any]
    nodes: list[str]
    event_ids: list[str]
    actors: list[str] = field(default_factory=list)
    young: int = 0
    unknown: int = 0
    related: list[str] = field(default_factory=list)
    remedy: str = ""

    @classmethod
    def from_dict(cls, data: object, place: str = "the finding") -> Finding:
        """The finding in `data`, whose other keys do not matter. Raises InputError: which finding, which key."""
        if not isinstance(data, Mapping):
            raise InputError(f"{place} is a {type(data).__name__}, not a finding: {_REMEDY}")
        place = f"{place} ({data['id']})" if isinstance(data.get("id"), str) else place
        keys = [one.name for one in fields(cls) if one.name in data or one.name not in _OPTIONAL]
        return cls(**{key: shape.read_field(data, key, _FIELDS[key], place, _REMEDY) for key in keys})

    def as_dict(self) -> dict[str, Any]:
        """The public form."""
        return {one.name: getattr(self, one.name) for one in fields(self)}


class IdentityFinding(TypedDict):
    """What a rule found in the accounts: it has an object in place of events. Nobody hands it in."""

    id: str
    rule: str
    title: str
    severity: str
    object: str
    object_type: str
    sentence: str
    remedy: str


def _moment(value: object) -> str:
    shape.moment(value)
    return str(value)


def _severity(value: object) -> str:
    if value not in FINDING_SEVERITIES:
        raise InputError(f"one of {', '.join(FINDING_SEVERITIES)}")
    return str(value)


_OPTIONAL = ("type", "actors", "young", "unknown", "related", "remedy")
_FIELDS: dict[str, Any] = {
    **dict.fromkeys(("id", "rule", "title", "type", "sentence", "remedy"), shape.text),
    **dict.fromkeys(("start", "end"), _moment),
    **dict.fromkeys(("count", "total", "young", "unknown"), shape.number),
    **dict.fromkeys(("nodes", "event_ids", "actors", "related"), shape.texts),
    "severity": _severity,
    "values": shape.items,
    "group": shape.mapping,
}


def finding_id(rule: str, group: Mapping[str, Any], start: str) -> str:
    """A stable id: the same rule, group and first event give the same id in every run."""
    text = "\x1f".join([rule, start, *(f"{key}={group[key]!s}" for key in sorted(group))])
    return f"{rule}-{hashlib.sha256(text.encode('utf-8', 'surrogateescape')).hexdigest()[:12]}"


def sort_findings(findings: Iterable[Finding]) -> list[Finding]:
    """Worst first; among equals the oldest first."""
    return sorted(findings, key=lambda item: (FINDING_SEVERITIES.index(item.severity), item.start, item.id))
