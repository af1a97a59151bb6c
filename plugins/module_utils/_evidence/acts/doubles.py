# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One message of the journal in two forms: as a record, and as the line that rsyslog wrote of it.

A record has a cursor and no line, a line of a file no cursor, so they cannot have one id. They have host, program,
message and time in common.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable

from ansible_collections.pve.audit.plugins.module_utils._model.event import Event, event_time, get_field

_NEAR = 1.5  # seconds: the line may be cut to whole ones, and is written a little later
_HEAD = re.compile(r"(?:<\d{1,3}>)?(?:(\d{4}-\d\d-\d\d)[T ]\S+|[A-Z][a-z]{2} [ \d]\d \S+) \S+ ", re.ASCII)
_PROGRAM = re.compile(r"^([^\s:\[]+)(?:\[\d+\])?:\s*", re.ASCII)

Key = tuple[object, ...]


def part_doubles(events: Iterable[Event]) -> tuple[list[Event], list[tuple[Event, Event]]]:
    """The events without those that are a second form of another, and for each of these the first form and itself."""
    kept = []
    forms: dict[Key, dict[str, list[Event]]] = defaultdict(lambda: defaultdict(list))
    mixed: dict[str, int] = defaultdict(int)
    for event in events:
        kept.append(event)
        form = _form(event)
        if form:
            mixed[form] += 1
            forms[_key(event)][form].append(event)
    if len(mixed) < 2:
        return kept, []
    pairs = [pair for several in forms.values() if len(several) > 1 for pair in _pairs(several)]
    seconds = {id(double) for _first, double in pairs}
    return [event for event in kept if id(event) not in seconds], pairs


def _form(event: Event) -> str:
    """`record`, or the kind of line; empty for what is neither."""
    if not event["event"].get("dataset", "").endswith(".auth") or "@timestamp" not in event:
        return ""
    if get_field(event, "pve.cursor") is not None:
        return "record"
    match = _HEAD.match(event["event"].get("original", ""))
    return "" if match is None else "iso" if match[1] else "traditional"


def _key(event: Event) -> Key:
    text = event["event"].get("original", "")
    match = _HEAD.match(text)
    message = text[match.end() :] if match else text
    message = _PROGRAM.sub(r"\1 ", message, count=1)  # sudo's line has no number of its process, its record has
    return get_field(event, "host.name"), message.removesuffix("#012").strip()  # rsyslog's way to write a line end


def _pairs(several: dict[str, list[Event]]) -> list[tuple[Event, Event]]:
    """Of each form after the first, the nth event belongs to the nth of the first when the times agree."""
    first, *others = sorted(several, key=("record", "iso", "traditional").index)
    pairs = []
    for form in others:
        free = sorted(several[first], key=_time, reverse=True)
        for event in sorted(several[form], key=_time):
            while free and _time(free[-1]) < _time(event) - _NEAR:
                free.pop()
            if free and _time(free[-1]) <= _time(event) + _NEAR:
                pairs.append((free.pop(), event))
    return pairs


def _time(event: Event) -> float:
    return event_time(event) or 0.0
