# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What did not succeed: tasks that failed, by reason, and attempts that were refused, by who and from where.

A refused attempt leaves no task; only the access log and the journal tell of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._model.event import Event, get_field

REFUSING = frozenset({"pve.access", "pve.auth", "linux.auth"})
"""The sources whose failures are refusals."""

Failures = dict[tuple[str, str], dict[str, Any]]
Refusals = dict[tuple[Any, Any, str], dict[str, Any]]
_NUMBER = re.compile(r"\d+")
_REFUSED = 400
"""Statuses below are those of a success, which pveproxy gives to refused calls of the web interface, too."""
_MOST = 20
"""How many names a row holds of a kind."""


def add_failure(rows: Failures, event: Event, action: str, time: str) -> None:
    """Group failures whose reasons differ in numbers only: 'VM 100 is locked' and 'VM 101 is locked' are one row."""
    reason = reason_of(event)
    row = rows.setdefault((action, _NUMBER.sub("#", reason)), {"action": action, "reason": reason})
    _count(row, time, actors=get_field(event, "user.id"), **_places(event))


def add_refused(rows: Refusals, event: Event, action: str, time: str) -> None:
    """Count a refused attempt, by who, from where and what."""
    actor, address = get_field(event, "user.id"), get_field(event, "source.ip")
    row = rows.setdefault((actor, address, action), {"actor": actor, "ip": address, "action": action})
    _count(row, time, reasons=reason_of(event) or None, **_places(event))


def failure_rows(rows: Failures) -> list[dict[str, Any]]:
    """Most failures first."""
    return sorted(rows.values(), key=lambda row: (-row["count"], row["action"], row["reason"]))


def refused_rows(rows: Refusals) -> list[dict[str, Any]]:
    """Most attempts first."""
    return sorted(rows.values(), key=lambda row: (-row["count"], str(row["actor"]), str(row["ip"]), row["action"]))


def reason_of(event: Event) -> str:
    """Why an event failed, as its source says it."""
    for path in ("error.message", "pve.status"):
        if value := get_field(event, path):
            return str(value)
    status = get_field(event, "http.response.status_code")
    if status is None:
        return ""
    refused = isinstance(status, int) and status < _REFUSED
    return f"refused (HTTP {status}, told by the length of the answer)" if refused else f"HTTP {status}"


def _places(event: Mapping[str, Any]) -> dict[str, Any]:
    return {"nodes": get_field(event, "host.name"), "objects": get_field(event, "pve.object")}


def _count(row: dict[str, Any], time: str, **values: Any) -> None:
    """One more for a row: its times, and the first _MOST names of each kind."""
    row["count"] = row.get("count", 0) + 1
    row["first"], row["last"] = min(row.get("first", time), time), max(row.get("last", time), time)
    for name, value in values.items():
        names = row.setdefault(name, [])
        if value is not None and value not in names and len(names) < _MOST:
            names.append(value)
