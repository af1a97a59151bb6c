# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The event: one thing that happened, in the shape of the Elastic Common Schema (ECS).

An event is a nested dictionary that JSON can carry; what is not known is absent, never null:

    @timestamp        UTC, RFC 3339; the start of a task, the time of a line; absent when a line is too broken to tell
    event             id, kind (event or pipeline_error), dataset, action, category, outcome, original, start, end
    user              id (alice@pve!token), account (alice@pve), name (alice), domain (pve)
    source.ip         the client's address as the log shows it
    host.name         the node
    http, url         method, status code, length of the answer, path, query (secrets redacted)
    error.message     why a line could not be parsed, or a task's error text
    pve               upid, task_type, status, state, vmid, token, object, object_type, severity, channel, credential,
                      accepted (a task was started that has the last word), recovered (stood behind a damaged record)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Required, TypedDict

from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._model.task import rank_record


class EventHead(TypedDict, total=False):
    """The part `event`: what it is. `start` and `end` are those of a task."""

    id: str
    kind: str
    dataset: str
    action: str
    category: list[str]
    outcome: str
    original: str
    start: str
    end: str


class EventUser(TypedDict, total=False):
    """The part `user`: who did it, `id` with realm and token, `account` with the realm alone."""

    id: str
    account: str
    name: str
    domain: str


# Only `event` is always there.
Event = TypedDict(
    "Event",
    {
        "@timestamp": str,
        "event": Required[EventHead],
        "user": EventUser,
        "source": dict[str, str],
        "host": dict[str, str],
        "http": dict[str, Any],
        "url": dict[str, str],
        "process": dict[str, Any],
        "error": dict[str, str],
        "pve": dict[str, Any],
    },
    total=False,
)


OUTCOMES = ("success", "failure", "unknown")

# How a time such as 2026-11-23T17:40:33Z goes on after its hour: the tail as seconds.
_SECONDS_OF_TAIL = {f"{second // 60:02}:{second % 60:02}Z": second for second in range(3600)}
_HOUR = len("2026-11-23T17:")


def get_field(event: Mapping[str, Any], path: str) -> Any:
    """The value at a dotted path such as `user.name`, or None when a part of the way is missing."""
    value: Any = event
    for part in path.split("."):
        if not isinstance(value, (dict, Mapping)):  # a dictionary is quick to tell
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


def event_time(event: Mapping[str, Any]) -> float | None:
    """The event's `@timestamp` as epoch seconds (UTC when it has no offset), or None when none can be read."""
    try:
        text = event["@timestamp"]
        second = _SECONDS_OF_TAIL.get(text[_HOUR:])
        return _epoch(text) if second is None else _start_of_hour(text[:_HOUR]) + second
    except (KeyError, TypeError, ValueError):
        return None


def _epoch(text: str) -> float:
    """Epoch seconds of any RFC 3339 text. Raises TypeError and ValueError."""
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


@lru_cache(maxsize=1 << 14)
def _start_of_hour(text: str) -> float:
    """Epoch seconds of the beginning of a time, down to its hour: `2026-11-23T17:`. Raises ValueError.

    Times are mostly written alike, and many share an hour: this is most of the work of reading them.
    """
    return _epoch(f"{text}59:59Z") - 3599


def rank_event(event: Event) -> int:
    """How much an event tells of its task, as `rank_record` says; a line that could not be read tells least."""
    about = event["event"]
    if about.get("kind") == "pipeline_error":
        return 0
    return rank_record(get_field(event, "pve.state"), "end" in about, get_field(event, "pve.status") is not None)


def unique_events(events: Iterable[Event]) -> list[Event]:
    """One event for each `event.id`, at the place of the first: the one that tells more, else the first one.

    Events without an id are all kept.
    """
    events = list(events)
    if len({name for event in events if isinstance(name := event["event"].get("id"), str)}) == len(events):
        return events
    kept: list[Event] = []
    places: dict[str, int] = {}
    for event in events:
        identity = event["event"].get("id")
        if not identity or not isinstance(identity, str):
            kept.append(event)
            continue
        place = places.setdefault(identity, len(kept))
        if place == len(kept):
            kept.append(event)
        elif rank_event(event) > rank_event(kept[place]):
            kept[place] = event
    return kept
