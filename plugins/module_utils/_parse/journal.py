# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Journal records and syslog lines as events.

Three forms: the fields of `journalctl -o json` (also the API's journal with `structured`), lines with an ISO time
(`journalctl -o short-iso`, rsyslog), and lines of the traditional form, which have no year (the API's journal).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._model.event import Event, EventHead
from ansible_collections.pve.audit.plugins.module_utils._model.time import rfc3339_us
from ansible_collections.pve.audit.plugins.module_utils._parse.facts import PVE_AUTH, Facts
from ansible_collections.pve.audit.plugins.module_utils._parse.line_time import (
    ISO,
    TRADITIONAL,
    WallClock,
    iso_time,
    traditional_time,
)
from ansible_collections.pve.audit.plugins.module_utils._parse.lines import EventIds, corrupt_event, decode_line
from ansible_collections.pve.audit.plugins.module_utils._parse.messages import is_audit_program, read_message
from ansible_collections.pve.audit.plugins.module_utils._parse.redact import redact
from ansible_collections.pve.audit.plugins.module_utils._parse.upid import user_fields
from ansible_collections.pve.audit.plugins.module_utils._parse.writers import forgery

# A program's name ends at its pid or at a colon, a host's name does not.
_TAIL = r"(\S*[^\s:\]]) ([^\s:\[]+)(?:\[(\d+)\])?: ?(.*)"
_ISO = re.compile(rf"{ISO} {_TAIL}", re.ASCII | re.DOTALL)
_TRADITIONAL = re.compile(rf"{TRADITIONAL} {_TAIL}", re.ASCII | re.DOTALL)
_TIMED = re.compile(rf"(?:{ISO}|{TRADITIONAL}) \S", re.ASCII)
_SELECTOR = re.compile(
    r"\S+ (?:[a-z]+|local[0-7])\.(?:emerg|panic|alert|crit|err(?:or)?|warn(?:ing)?|notice|info|debug) "
)
_BLOB = re.compile(r"\[\d[\d.]*[A-Z]*B? blob data\]", re.ASCII)
# What journalctl and the API print between records: cursors, boot marks, "no entries", and the rest of a long message.
_NOT_A_RECORD = re.compile(r"\s|--|(?:[sibmtx]=[0-9a-f]+(?:;|$))+|no content|$", re.ASCII)
_UNSET_LOGINUID = 0xFFFFFFFF
INDENTED = (
    "the line begins with white space, as the rest of a long message does, so it is not taken for a line of its own"
)
_RAN_INTO = "another line ran into this one: neither is taken for what it seems to say"
_HIDDEN = "the message is not text and was not shown: collect the journal with `journalctl --all -o json`"


def looks_like_journal(line: str) -> bool:
    """True for a line that begins with a time as syslog lines do, and for what stands between such lines."""
    return has_time(line) or bool(_NOT_A_RECORD.match(line))


def parse_journal_line(
    line: str | bytes, node: str, ids: EventIds, *, reference: float | None = None, clock: WallClock | None = None
) -> Event | None:
    """The event of a line of journal or syslog, or None when the line is no evidence.

    A line without a year lies in the newest year that is not later than `reference` (epoch seconds) and a day; a line
    without an offset is as `clock` says, which is UTC when there is none.
    A line that is broken, or hides its message, gives an event of kind pipeline_error.
    """
    text, clock = decode_line(line), clock or WallClock()
    match = _ISO.fullmatch(text) or _TRADITIONAL.fullmatch(text)
    if match is None:
        return _no_line(text, node, ids)
    host, ident, pid, message = match.groups()[-4:]
    host = short_host(host) or node
    hidden = bool(_BLOB.fullmatch(message)) and is_audit_program(ident)
    facts = None if hidden else read_message(ident, message)
    evidence = facts is not None or hidden
    if not evidence and "]: " in message and _holds_line(message):
        return corrupt_event(PVE_AUTH, host, text, _RAN_INTO, ids)
    if not evidence and not clock.changes:
        return None
    try:
        timestamp, note = _line_time(match, host, reference, clock)
    except InputError as err:
        return corrupt_event(PVE_AUTH, host, text, str(err), ids) if evidence else None
    if hidden:
        return corrupt_event(PVE_AUTH, host, text, _HIDDEN, ids, timestamp=timestamp)
    if facts is None:
        return None
    event = _event(facts, timestamp, host, ident, pid)
    event["event"] |= {"id": ids.line(facts.dataset, host, text), "original": redact(text)}
    if note:
        event["pve"]["time_note"] = note
    return event


def _no_line(text: str, node: str, ids: EventIds) -> Event | None:
    """What stands between lines is nothing, unless it looks like one that somebody moved in."""
    if not _NOT_A_RECORD.match(text):
        return corrupt_event(PVE_AUTH, node, text, _not_a_line(text), ids)
    return corrupt_event(PVE_AUTH, node, text, INDENTED, ids) if _looks_indented(text) else None


def has_time(line: str) -> bool:
    """True for a line that begins with a time as syslog lines do."""
    return bool(_TIMED.match(line))


def split_line(line: str) -> tuple[str, str]:
    """Host and message of a line of syslog, both empty when it is none."""
    match = _ISO.fullmatch(line) or _TRADITIONAL.fullmatch(line)
    return (short_host(match.groups()[-4]), match.groups()[-1]) if match else ("", "")


def _line_time(match: re.Match[str], host: str, reference: float | None, clock: WallClock) -> tuple[str, str]:
    if match.re is _ISO:
        return iso_time(match.groups(), host, clock)
    return traditional_time(match.groups(), host, clock, reference)


def _looks_indented(text: str) -> bool:
    """Whether a line would be evidence without the white space before it, which somebody's text can begin with too."""
    return len(text) > len(text.lstrip()) and _holds_line(text)


def _holds_line(text: str) -> bool:
    """Whether a line that is evidence stands somewhere in `text`: one that ran into another, or somebody's words."""
    match = _ISO.search(text) or _TRADITIONAL.search(text)
    return match is not None and read_message(match.groups()[-3], match.groups()[-1]) is not None


def _not_a_line(text: str) -> str:
    if (time := _TIMED.match(text)) and _SELECTOR.match(text, time.end() - 1):
        return "facility and severity stand between host and program: let the relay write its usual format"
    return "the line is not `time host program: message`"


def parse_journal_record(record: Mapping[str, Any], node: str, ids: EventIds) -> Event | None:
    """The event of a journal record (the fields of `journalctl -o json`), or None when it is no evidence.

    Fields may be byte arrays, arrays of values, or null when they were too long to be shown. A record that somebody
    else wrote in the name of a program gives an event of kind pipeline_error.
    Raises InputError when the record is not a dictionary.
    """
    if not isinstance(record, Mapping):
        raise InputError(f"a journal record is a dictionary, not {type(record).__name__}")
    ident = _first_text(record, "SYSLOG_IDENTIFIER", "_COMM")
    message = _text(record.get("MESSAGE"))
    facts = read_message(ident, message.rstrip("\r\n")) if message is not None else None
    hidden = message is None and "MESSAGE" in record and is_audit_program(ident)
    if facts is None and not hidden:
        return None
    host = short_host(_first_text(record, "_HOSTNAME")) or node
    pid = _first_text(record, "_PID", "SYSLOG_PID")
    line = f"{ident}{f'[{pid}]' if pid else ''}: {message or ''}"
    timestamp, reason = _record_time(record)
    if facts is None:
        return corrupt_event(PVE_AUTH, host, line, _HIDDEN, ids, timestamp=timestamp)
    if timestamp is None:
        return corrupt_event(facts.dataset, host, line, reason, ids)
    if forged := forgery(ident, message or "", _number(record.get("_UID")), _first_text(record, "_EXE")):
        return corrupt_event(facts.dataset, host, line, forged, ids, timestamp=timestamp)
    event = _event(facts, timestamp, host, ident, pid)
    _identify(event, record, line, ids)
    return event


def _identify(event: Event, record: Mapping[str, Any], line: str, ids: EventIds) -> None:
    """Add what only a record has: the journal's own cursor, which makes the best id, and the login uid."""
    dataset, host = event["event"]["dataset"], event.get("host", {}).get("name", "")
    cursor = _text(record.get("__CURSOR"))
    identity = ids.cursor(dataset, cursor) if cursor else ids.line(dataset, host, f"{event['@timestamp']} {line}")
    event["event"] |= {"id": identity, "original": redact(line)}
    if cursor:
        event["pve"]["cursor"] = cursor
    if file := _first_text(record, "_EXE"):
        event["process"]["executable"] = file
    loginuid = _number(record.get("_AUDIT_LOGINUID"))
    if loginuid is not None and loginuid != _UNSET_LOGINUID:
        event["pve"]["loginuid"] = loginuid
    session = _number(record.get("_AUDIT_SESSION"))
    if session is not None and session != _UNSET_LOGINUID:
        event["pve"]["audit_session"] = session
    leader = _number(record.get("LEADER"))  # the process that a session of logind began with
    if leader is not None and event["process"]["name"] == "systemd-logind":
        event["pve"]["leader"] = leader


def _event(facts: Facts, timestamp: str, host: str, ident: str, pid: str | None) -> Event:
    about: EventHead = {"kind": "event", "dataset": facts.dataset, "action": facts.action, "outcome": facts.outcome}
    event: Event = {"@timestamp": timestamp, "event": about}
    extra = {"channel": "unknown"} | {
        key: redact(value) if isinstance(value, str) else value for key, value in facts.extra.items()
    }
    if facts.user is not None:
        event["user"] = user_fields(facts.user)
    if facts.ip is not None:
        event["source"] = {"ip": facts.ip}
    if host:
        event["host"] = {"name": host}
    process: dict[str, Any] = {"name": ident} | {key: redact(value) for key, value in facts.process.items()}
    if (number := _number(pid)) is not None:
        process["pid"] = number
    event["process"] = process
    if facts.error:
        event["error"] = {"message": redact(facts.error)}
    event["pve"] = extra
    return event


def _record_time(record: Mapping[str, Any]) -> tuple[str | None, str]:
    """The time the message was sent, else when it was received; journald counts in microseconds."""
    for name in ("_SOURCE_REALTIME_TIMESTAMP", "__REALTIME_TIMESTAMP"):
        number = _number(record.get(name))
        if number:
            try:
                return rfc3339_us(number), ""
            except InputError:
                continue
    return None, "the record has no usable time"


def _text(value: object, *, nested: bool = False) -> str | None:
    """A journal field as text: a string, a number, a byte array, or the first of several values."""
    if isinstance(value, str):
        return decode_line(value)
    if isinstance(value, list) and value:
        if all(isinstance(item, int) and not isinstance(item, bool) and 0 <= item <= 255 for item in value):
            return decode_line(bytes(value))
        return None if nested else _text(value[0], nested=True)
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def _first_text(record: Mapping[str, Any], *names: str) -> str:
    """The first of these fields that has a text, else an empty one."""
    return next((text for name in names if (text := _text(record.get(name)))), "")


def _number(value: object) -> int | None:
    text = _text(value)
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 20 else None


@lru_cache(maxsize=1024)
def short_host(host: str) -> str:
    """The name of a node has no domain; an address stays whole."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host.partition(".")[0]
    return host
