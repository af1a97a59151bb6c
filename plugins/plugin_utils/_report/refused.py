# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Attempts that were refused: they leave no task, and only the access log and the journal tell of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._model.event import Event, get_field

REFUSING = frozenset({"pve.access", "pve.auth", "linux.auth"})
"""The sources whose failures are refusals."""

Key = tuple[str | None, str | None, str]
_MOST = 20
"""How many objects, nodes or reasons a row names."""


def add_refused(rows: dict[Key, dict[str, Any]], event: Event, action: str, reason: str, time: str) -> None:
    """Count a refused attempt, by who, from where and what."""
    actor, address = get_field(event, "user.id"), get_field(event, "source.ip")
    row = rows.get((actor, address, action))
    if row is None:
        row = rows[(actor, address, action)] = {
            "actor": actor,
            "ip": address,
            "action": action,
            "count": 0,
            "reasons": [],
            "objects": [],
            "nodes": [],
            "first": time,
            "last": time,
        }
    row["count"] += 1
    row["first"], row["last"] = min(row["first"], time), max(row["last"], time)
    for name, value in (
        ("reasons", reason),
        ("objects", get_field(event, "pve.object")),
        ("nodes", get_field(event, "host.name")),
    ):
        if value and value not in row[name] and len(row[name]) < _MOST:
            row[name].append(value)


def refused_rows(rows: Mapping[Key, dict[str, Any]]) -> list[dict[str, Any]]:
    """Most attempts first."""
    return sorted(rows.values(), key=lambda row: (-row["count"], row["actor"] or "", row["ip"] or "", row["action"]))
