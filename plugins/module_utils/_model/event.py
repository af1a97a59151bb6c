# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The event: one thing that happened, in the shape of the Elastic Common Schema (ECS).

An event is a nested dictionary that JSON can carry; what is not known is absent, never null:

    @timestamp        UTC, RFC 3339; the start of a task, the time of a line; absent when a line is too broken to tell
    event             id, kind (event or pipeline_error), dataset, action, category, outcome, original, start, end
    user              id (alice@pve!token), name (alice), domain (pve)
    source.ip         the client's address as the log shows it
    host.name         the node
    http, url         method, status code, path, query (secrets redacted)
    error.message     why a line could not be parsed, or a task's error text
    pve               upid, task_type, status, state, vmid, token, object, object_type, severity, channel
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError

Event = dict[str, Any]

DATASETS = ("pve.task", "pve.access", "pve.auth", "pve.cluster", "pve.config", "linux.auth")
OUTCOMES = ("success", "failure", "unknown")
SEVERITIES = ("info", "low", "medium", "high", "critical")


def get_field(event: Mapping[str, Any], path: str) -> Any:
    """The value at a dotted path such as `user.name`, or None when a part of the way is missing."""
    value: Any = event
    for part in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(part)
    return value


def field_getter(path: str) -> Callable[[Mapping[str, Any]], Any]:
    """A fast `get_field` for one path, for use on many events."""
    parts = path.split(".")
    if len(parts) != 2:
        return lambda event: get_field(event, path)
    outer, inner = parts

    def two_levels(event: Mapping[str, Any]) -> Any:
        group = event.get(outer)
        return group.get(inner) if isinstance(group, Mapping) else None

    return two_levels


def require_events(value: object) -> list[Event]:
    """`value` as a list of events.

    Raises InputError naming the first item that is not an event.
    """
    if isinstance(value, (Mapping, str, bytes)) or not hasattr(value, "__iter__"):
        raise InputError(
            f"a list of events is needed, not {type(value).__name__}: build it with `tasks | pve.audit.events`"
        )
    events = list(value)
    for number, item in enumerate(events, 1):
        if not isinstance(item, Mapping) or not isinstance(item.get("event"), Mapping):
            raise InputError(f"item {number} of the list is not an event: build events with `tasks | pve.audit.events`")
    return events
