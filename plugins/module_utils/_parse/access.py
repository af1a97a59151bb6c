# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines of pveproxy's access.log.

`CLIENT - USER [DD/MM/YYYY:HH:MM:SS +ZZZZ] "REQUEST" STATUS LENGTH`. The client chooses every byte of
REQUEST but a line end, so a line is read from both ends. Source: pve-http-server PVE/APIServer/AnyEvent.pm
(log_request, push_request_header).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes

from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._model.event import Event
from ansible_collections.pve.audit.plugins.module_utils._model.names import split_userid
from ansible_collections.pve.audit.plugins.module_utils._model.time import rfc3339
from ansible_collections.pve.audit.plugins.module_utils._parse.glued import NULS
from ansible_collections.pve.audit.plugins.module_utils._parse.lines import (
    EventIds,
    client_ip,
    corrupt_event,
    decode_line,
)
from ansible_collections.pve.audit.plugins.module_utils._parse.redact import redact, redact_query
from ansible_collections.pve.audit.plugins.module_utils._parse.upid import user_fields

DATASET = "pve.access"
_GLUED = "the line was cut off and another one ran into it, or its request was made to look so"

_TIME = r"(\d\d/\d\d/\d{4}:\d\d:\d\d:\d\d [+-]\d{4})"
# The name of a user holds no blank. [pve-access-control PVE/Auth/Plugin.pm]
LINE = re.compile(rf'(\S+) - ([^\s\x00]+) \[{_TIME}\] "(.*)" (\d{{1,3}}|-) (\d{{1,18}}|-)', re.ASCII | re.DOTALL)
# Where another line begins in the middle: this one was cut, or the client wants it to look so.
_ANOTHER = re.compile(rf' - [^\s\x00]+ \[{_TIME}\] "', re.ASCII)
_HEAD = re.compile(r"\S+ - .{1,200}? \[\d", re.ASCII)
_ANY_TIME = re.compile(rf"\[{_TIME}\]", re.ASCII)
_CLOCK = re.compile(r"(\d\d)/(\d\d)/(\d{4}):(\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)", re.ASCII)
# The server searches these words anywhere in the line: what a client puts before them is not looked at.
_REQUEST = re.compile(r"(?<!\S)(\S+) (\S+) HTTP/\d+\.\d+", re.ASCII)
# RFC 3986: scheme and authority are not part of the path, and the fragment is dropped.
_URL = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.\-]*:)?(?://[^/?#]*)?([^?#]*)(?:\?([^#]*))?", re.DOTALL)
_SLASHES = re.compile(r"/{2,}")


def parse_access(lines: Iterable[str | bytes], node: str, ids: EventIds | None = None) -> Iterator[Event]:
    """The events of an access.log of `node`, one for each line that is not empty."""
    ids = EventIds() if ids is None else ids
    for line in lines:
        if line.strip():
            yield parse_access_line(line, node, ids)


def parse_access_line(line: str | bytes, node: str, ids: EventIds) -> Event:
    """The event of one line; a line that cannot be read gives an event of kind pipeline_error.

    `http.response.body.bytes` is the length of the answer as it was sent: one of more than 1,024 bytes is compressed.
    `url.path` is the path as the server reads it: without scheme and host, percent-decoded, single slashes.
    The outcome of a browser's call (`extjs`) with a status of 200 is unknown, because its refusals stand as 200 too;
    the length tells them apart, once the call is known (`_evidence/answers.py`).
    """
    text = decode_line(line)
    match = LINE.fullmatch(text)
    if match is None:
        return _corrupt(text, node, ids, 'the line is not `client - user [time] "request" status length`')
    client, userid, clock, sent, status, length = match.groups()
    address = client_ip(client)
    if address is None and client != "-":
        return _corrupt(text, node, ids, "the line does not start with the address of a client")
    try:
        timestamp = _timestamp(clock)
    except InputError as err:
        return _corrupt(text, node, ids, str(err))
    request = _read_request(sent)
    if request.damage and request.method is None:
        return _corrupt(text, node, ids, request.damage)
    safe = text if request.safe == sent else f'{client} - {userid} [{clock}] "{request.safe}" {status} {length}'
    event: Event = {
        "@timestamp": timestamp,
        "event": {
            "id": ids.line(DATASET, node, text),
            "kind": "event",
            "dataset": DATASET,
            "outcome": _outcome(status, request.hides_refusals),
            "original": safe,
        },
    }
    if address is not None:
        event["source"] = {"ip": address}
    if node:
        event["host"] = {"name": node}
    if request.damage:
        # Status and length are those of whatever ran into this line.
        event["event"] |= {"outcome": "unknown", "original": f'{client} - {userid} [{clock}] "{request.safe}'}
        event["error"] = {"message": request.damage}
        status = length = "-"
    _add_call(event, request, status, length)
    _add_user(event, userid, request)
    return event


def _add_user(event: Event, userid: str, request: _Request) -> None:
    token = None
    if userid != "-":
        event["user"] = user_fields(userid)
        token = split_userid(userid)[2]
    event["pve"] = {"channel": request.channel} if token is None else {"channel": "api_token", "token": token}


def _add_call(event: Event, request: _Request, status: str, length: str) -> None:
    http: dict[str, Any] = {} if request.method is None else {"request": {"method": request.method}}
    answer: dict[str, Any] = {} if status == "-" else {"status_code": int(status)}
    if length != "-":
        answer["body"] = {"bytes": int(length)}
    if answer:
        http["response"] = answer
    if http:
        event["http"] = http
    if request.path is not None:
        event["url"] = {"path": request.path}
        if request.query is not None:
            event["url"]["query"] = request.query


def read_access_line(line: str | bytes, node: str, ids: EventIds) -> Event | list[Event]:
    """The event of a line as `parse_access_line` gives it, and one of kind pipeline_error for what ran into the line.

    What stands behind is not believed: the client chooses what its request line says. Only NUL bytes before a line are
    the work of the disk alone, and the line behind them is whole.
    """
    text = decode_line(line)
    bare = text.lstrip("\0")
    event = parse_access_line(bare, node, ids)
    if len(bare) < len(text):
        return [_corrupt(text[: len(text) - len(bare)], node, ids, NULS), event]
    if "error" in event and event["event"]["kind"] == "event":
        found = _ANOTHER.search(text, text.index('] "') + 3)
        rest = text[found.start() :] if found else text
        return [event, _corrupt(rest, node, ids, event["error"]["message"])]
    return event


def looks_like_access(line: str) -> bool:
    """True for a line that starts as one of access.log, broken ones included."""
    return bool(_HEAD.match(line))


def _corrupt(text: str, node: str, ids: EventIds, reason: str) -> Event:
    found = _ANY_TIME.search(text)
    try:
        timestamp = _timestamp(found[1]) if found else None
    except InputError:
        timestamp = None
    return corrupt_event(DATASET, node, text, reason, ids, timestamp=timestamp)


@lru_cache(maxsize=1024)
def _timestamp(clock: str) -> str:
    """The time of the log in UTC. Raises InputError for a date that does not exist."""
    parts = _CLOCK.fullmatch(clock)
    if parts is None:
        raise InputError(f"{clock!r} is not a time")
    day, month, year, hour, minute, second = (int(parts[number]) for number in range(1, 7))
    offset = timedelta(hours=int(parts[8]), minutes=int(parts[9]))
    try:
        zone = timezone(-offset if parts[7] == "-" else offset)
        return rfc3339(datetime(year, month, day, hour, minute, second, tzinfo=zone).timestamp())
    except (ValueError, OverflowError):
        raise InputError(f"{clock!r} is not a possible time") from None


class _Request(NamedTuple):
    """A request line: its parts without secrets, the line without secrets, and what the format of the answer tells.

    `damage` says why the line is not whole, or is None.
    """

    method: str | None
    path: str | None
    query: str | None
    safe: str
    hides_refusals: bool
    channel: str
    damage: str | None = None


@lru_cache(maxsize=8192)
def _read_request(line: str) -> _Request:
    """The parts of a request line. A line that the server refused to read is logged as `-` and has none.

    Source: APIServer/AnyEvent.pm (push_request_header, split_abs_uri), APIServer/Formatter/Standard.pm.
    """
    another = _ANOTHER.search(line) if '] "' in line else None
    damage = _GLUED if another else NULS if "\0" in line else None
    line = line[: another.start()] if another else line
    match = _REQUEST.search(line)
    if match is None:
        return _Request(None, None, None, redact(line), False, "unknown", damage)
    url = match[2]
    parts = _URL.match(url)
    path, query = (parts[1], parts[2]) if parts else (url, None)
    safe_query = None if query is None else redact_query(query)
    safe = line if query is None else line.replace(f"?{query}", f"?{safe_query}")
    if "%" in path:
        path = unquote_to_bytes(path).decode("utf-8", "backslashreplace")
    path = _SLASHES.sub("/", path)
    browser = path.startswith(("/api2/extjs", "/api2/htmljs"))
    channel = "gui_ticket" if browser else "api" if path.startswith("/api2/") else "unknown"
    return _Request(match[1], redact(path), safe_query, redact(safe), browser, channel, damage)


def _outcome(status: str, hides_refusals: bool) -> str:
    if status == "-":
        return "unknown"
    code = int(status)
    if code >= 400:
        return "failure"
    return "unknown" if hides_refusals and 200 <= code < 300 else "success"
