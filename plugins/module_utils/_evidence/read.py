# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists of anything that the sources read, as one list of events without duplicates."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

from ansible_collections.pve.audit.plugins.module_utils._evidence.archive import ARCHIVE, read_syslog, unfinished
from ansible_collections.pve.audit.plugins.module_utils._evidence.journal import JOURNAL
from ansible_collections.pve.audit.plugins.module_utils._evidence.registry import BY_DATASET, BY_NAME, SOURCES
from ansible_collections.pve.audit.plugins.module_utils._evidence.source import Context, Found, Item, Source
from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._model.event import Event, unique_events
from ansible_collections.pve.audit.plugins.module_utils._parse.journal import INDENTED
from ansible_collections.pve.audit.plugins.module_utils._parse.lines import corrupt_event, decode_line
from ansible_collections.pve.audit.plugins.module_utils._parse.upid import user_fields


def read_events(items: Iterable[Any], source: str = "auto", context: Context | None = None) -> list[Event]:
    """The events of `items` in their order, one for each `event.id`.

    `source` is one of CHOICES; with `auto` each line tells by its shape. Items that hold no evidence (other journal
    lines, empty lines) give nothing; broken lines give events of kind pipeline_error.
    Raises InputError naming the first item that is of no known kind.
    """
    return unique_events(_each(items, BY_NAME.get(source), context or Context()))


def classify_event(event: Event) -> Event:
    """Name what an event means as its source says, in place, and return it.

    What the catalogue does not know becomes the action `other` and stays visible. Lines that could not be parsed are
    left as they are: they have no meaning to name.
    """
    event.setdefault("pve", {})
    source = BY_DATASET.get(event["event"].get("dataset", ""))
    if source is not None and event["event"].get("kind") != "pipeline_error":
        source.classify(event)
    return event


def _each(items: Iterable[Any], named: Source | None, context: Context) -> Iterator[Event]:
    for number, item in enumerate(items, 1):
        try:
            found = read_item(item, named, context)
        except InputError as err:
            raise InputError(f"item {number} of the list: {err}") from None
        yield from found
    yield from unfinished(context)


def read_item(item: object, named: Source | None, context: Context) -> list[Event]:
    """The events of one item: mostly one, none when it holds no evidence, several where records ran together.

    Raises InputError for an item of no known kind.
    """
    found = _read(item, named, context)
    return [] if found is None else found if isinstance(found, list) else [found]


def _read(item: object, named: Source | None, context: Context) -> Found:
    if isinstance(item, (str, bytes)):
        return _read_line(item, named, context)
    if not isinstance(item, Mapping):
        raise InputError(f"a {type(item).__name__} is neither a line nor a record")
    if isinstance(item.get("event"), Mapping) and "id" in item["event"]:
        return _with_account(cast("Event", dict(item)))
    if (source := _recognised(item)) is not None:
        return source.parse(item, context)
    if isinstance(item.get("t"), str):
        return _read_line(item["t"], named, context)
    if named is not None and named.record_keys:
        return named.parse(item, context)
    known = [f"no {one.name} record (no {one.record_keys[0]})" for one in SOURCES if one.record_keys]
    raise InputError(f"the dictionary is of no known kind: {', '.join(known)}")


_PARTS = ("pve", "user", "source", "host")


def _with_account(event: Event) -> Event:
    """An event as it is now: those kept by an older release have no `user.account`, by which rules count.

    Raises InputError for one whose parts are no mappings.
    """
    if wrong := [part for part in _PARTS if not isinstance(event.get(part, {}), Mapping)]:
        raise InputError(f"the event has {wrong[0]!r}, which is no mapping: give it as the filter events made it")
    user = event.get("user", {})
    if isinstance(user, Mapping) and isinstance(user.get("id"), str) and "account" not in user:
        event["user"] = {**user, "account": user_fields(user["id"])["account"]}
    return event


def _recognised(item: Item) -> Source | None:
    return next((source for source in SOURCES if source.recognises(item)), None)


def _read_json(text: str, context: Context) -> Found:
    """A line of `journalctl -o json`. Nothing else is taken from text, least of all a finished event."""
    try:
        record = json.loads(text)
        if isinstance(record, Mapping) and JOURNAL.recognises(record):
            return JOURNAL.parse(record, context)
        reason = "the line is JSON, and no record of a journal"
    except (ValueError, RecursionError):
        reason = "the line begins as a record in JSON and is none: is it cut off?"
    return corrupt_event(None, context.node, text, reason, context.ids)


def _read_line(line: str | bytes, named: Source | None, context: Context) -> Found:
    if not line.strip():
        return None
    text = decode_line(line)
    if text.startswith("{"):
        return _read_json(text, context)
    source = ARCHIVE if ARCHIVE.looks_like(text) else named or _recognised(text)
    if source is JOURNAL:
        if named is None and text[0].isspace() and _recognised(text.lstrip()) not in (JOURNAL, None):
            return corrupt_event(None, context.node, text, INDENTED, context.ids)
        return read_syslog(text, context)
    if source is not None:
        return source.parse(text, context)
    known = ", ".join(f"no {one.line}" for one in SOURCES)
    return corrupt_event(None, context.node, text, f"the line is of no known kind: it is {known}", context.ids)
