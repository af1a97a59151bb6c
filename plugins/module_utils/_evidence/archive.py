# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collector's archive, and lines that a relay handed on: their heads are taken off, and the sources read the rest.

What the forwarder and the collector say themselves, of lines that were lost above all, are the events of this source.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._classify.action import action_named
from ansible_collections.pve.audit.plugins.module_utils._evidence.access import ACCESS
from ansible_collections.pve.audit.plugins.module_utils._evidence.journal import JOURNAL
from ansible_collections.pve.audit.plugins.module_utils._evidence.source import (
    Context,
    Found,
    Item,
    Source,
    SourceCoverage,
    name_action,
)
from ansible_collections.pve.audit.plugins.module_utils._evidence.task import TASK
from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._model.event import Event
from ansible_collections.pve.audit.plugins.module_utils._model.time import rfc3339_us
from ansible_collections.pve.audit.plugins.module_utils._parse.facts import ACTION_LOST, ACTION_STOPPED
from ansible_collections.pve.audit.plugins.module_utils._parse.journal import has_time, short_host, split_line
from ansible_collections.pve.audit.plugins.module_utils._parse.lines import corrupt_event
from ansible_collections.pve.audit.plugins.module_utils._parse.redact import redact
from ansible_collections.pve.audit.plugins.module_utils._parse.relay import (
    Relayed,
    has_priority,
    parse_relayed,
    split_priority,
)

DATASET = "pve.archive"
_CARRIED = (TASK, ACCESS)
# What a file of the forwarder's default set holds, by a part of its path; None for what is no evidence.
_FILES: tuple[tuple[str, Source | None], ...] = (
    ("/UPID:", None),
    ("/proof.log", None),
    ("access.log", ACCESS),
    (".index", TASK),
    ("/tasks/index", TASK),
    ("/tasks/active", TASK),
)
_PART = re.compile(r"\d{1,5}", re.ASCII)
_GAPS = "/gaps.jsonl"
_NO_PART = "the line came in parts, and not all of them are there"
# Parameters of the forwarder, and the fields of a journal record that they were.
_FIELDS = {"cursor": "__CURSOR", "pid": "_PID", "comm": "_COMM", "loginuid": "_AUDIT_LOGINUID"}
_FIELDS |= {"session": "_AUDIT_SESSION", "uid": "_UID", "exe": "_EXE", "leader": "LEADER"}


def _parse(item: Item, context: Context) -> Found:
    if not isinstance(item, str):
        raise InputError("the archive has lines, not records")
    rest = split_priority(item)
    if rest is None:
        return corrupt_event(DATASET, context.node, item, "the line does not begin with a priority", context.ids)
    line = parse_relayed(rest)
    if line is None:
        if has_time(rest):
            return read_syslog(rest, context)
        reason = "what follows the priority is neither RFC 5424 nor a line of syslog"
        return _carried(rest, context) or corrupt_event(DATASET, context.node, item, reason, context.ids)
    if line.params is None:
        return _relayed(line, context)
    if line.params.get("node", "") != line.host:
        reason = f"the line names two nodes, {line.host!r} and {line.params.get('node', '')!r}"
        return corrupt_event(DATASET, context.node, item, reason, context.ids)
    return _archived(line, line.params, context.of_node(short_host(line.host)))


def read_syslog(line: str, context: Context) -> Found:
    """A line of syslog: evidence of the journal, or a line of another source that a relay carried in its message."""
    found = JOURNAL.parse(line, context)
    if found is None and (" HTTP/" in line or "UPID:" in line):
        host, message = split_line(line)
        return _carried(message, context.of_node(host or context.node))
    return found


def _carried(message: str, context: Context) -> Found:
    source = next((one for one in _CARRIED if one.looks_like(message)), None)
    return source.parse(message, context) if source else None


def _relayed(line: Relayed, context: Context) -> Found:
    found = _carried(line.text, context.of_node(short_host(line.host) or context.node))
    return found if found is not None else JOURNAL.parse(_record(line), context)


def _record(line: Relayed) -> dict[str, Any]:
    """The journal's fields, as far as the line has them."""
    params = line.params or {}
    record: dict[str, Any] = {"SYSLOG_IDENTIFIER": line.app, "SYSLOG_PID": line.procid, "_HOSTNAME": line.host}
    record |= {field: params[name] for name, field in _FIELDS.items() if name in params}
    record["MESSAGE"] = None if params.get("note") else line.text
    if line.micros is not None:
        record["__REALTIME_TIMESTAMP"] = str(line.micros)
    return record


def _archived(line: Relayed, params: Mapping[str, str], context: Context) -> Found:
    """A line of our forwarder or collector. One that was sent twice, from the same place of its source, counts once."""
    text = _whole(line, params, context)
    if text is None:
        return None
    source = params.get("source", "")
    place = params.get("cursor") or ":".join(params.get(key, "") for key in ("file", "inode", "fingerprint", "offset"))
    if source == "heartbeat":
        return _heartbeat(params, line, context)
    if place.strip(":") and context.seen((line.host, source, place, text)):
        return None
    if params.get("note") == "unreadable_entry":
        return _lost("unreadable_entry", text, line, context)
    if "cursor" in params:
        return JOURNAL.parse(_record(Relayed(line.micros, line.host, line.app, line.procid, text, params)), context)
    if source == "forward" or "offset" not in params:
        return _lost(params.get("note") or params.get("event") or source, text, line, context)
    if params.get("file", "").endswith(_GAPS):
        return _lost("task_gap", _message(text), line, context)
    return _of_file(params.get("file", ""), text, context)


def _of_file(file: str, text: str, context: Context) -> Found:
    """A line of a file, as the source reads it that the file belongs to."""
    known = next((one for part, one in _FILES if part in file), JOURNAL)
    if known is JOURNAL:
        return _carried(text, context) or (read_syslog(text, context) if has_time(text) else None)
    return known.parse(text, context) if known and text.strip() else None


def _whole(line: Relayed, params: Mapping[str, str], context: Context) -> str | None:
    """The text of the line; of one that was sent in parts None until the last part is there."""
    number, slash, total = params.get("part", "").partition("/")
    if not (slash and _PART.fullmatch(number) and _PART.fullmatch(total) and 1 <= int(number) <= int(total)):
        return line.text
    key = (line.host, *(params.get(name, "") for name in ("source", "cursor", "file", "inode", "offset")), total)
    parts = context.parts.setdefault(key, {})
    parts[int(number)] = line.text
    if len(parts) < int(total):
        return None
    del context.parts[key]
    return "".join(parts[place] for place in sorted(parts))


def unfinished(context: Context) -> list[Event]:
    """An event of kind pipeline_error for each line of which parts are missing."""
    lines = list(context.parts.items())
    context.parts.clear()
    return [
        corrupt_event(DATASET, short_host(key[0]), parts[min(parts)], _NO_PART, context.ids) for key, parts in lines
    ]


def _heartbeat(params: Mapping[str, str], line: Relayed, context: Context) -> Event | None:
    """The forwarder lives; an event only where it cannot read a source, once for each state of a node."""
    silent = sorted({*params.get("broken", "").split(","), *params.get("missing", "").split(",")} - {""})
    if not silent or context.seen((line.host, "heartbeat", ",".join(silent), "")):
        return None
    text = f"the forwarder cannot read {', '.join(silent)}"
    return _own(ACTION_STOPPED, ",".join(silent), text, line, context)


def _lost(what: str, text: str, line: Relayed, context: Context) -> Event:
    event = _own(ACTION_LOST, what, text, line, context)
    event["pve"]["log"] = "archive"
    count = (line.params or {}).get("lines", "")
    if count.isascii() and count.isdigit() and len(count) <= 18:
        event["pve"]["lost"] = int(count)
    return event


def _own(action: str, what: str, text: str, line: Relayed, context: Context) -> Event:
    if line.micros is None:
        return corrupt_event(DATASET, context.node, text, "the line has no usable time", context.ids)
    time = rfc3339_us(line.micros)
    identity = context.ids.line(DATASET, context.node, f"{time} {what} {text}")
    return {
        "@timestamp": time,
        "event": {
            "id": identity,
            "kind": "event",
            "dataset": DATASET,
            "action": action,
            "outcome": "failure",
            "original": redact(text),
        },
        "host": {"name": context.node},
        "error": {"message": redact(text)},
        "pve": {"object": what, "channel": "unknown"},
    }


def _message(text: str) -> str:
    """The sentence of a record of a gap in the task log."""
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return str(record.get("message", text)) if isinstance(record, dict) else text


def _classify(event: Event) -> None:
    name_action(event, action_named(event["event"].get("action", "")))


ARCHIVE = Source(
    name="archive",
    what="lines of the collector's archive, and lines with a priority in front, as relays write them",
    line="archived line",
    datasets=(DATASET,),
    looks_like=has_priority,
    record_keys=(),
    parse=_parse,
    classify=_classify,
    coverage=SourceCoverage(
        name=DATASET,
        dated_by="@timestamp",
        forgets="the collector deletes a day when its time of retention is over",
        blind_to="what the nodes did not send",
    ),
)
