# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a line of the archive tells, as far as questions look for it: the readers of the collection do the reading.

A line is indexed by itself, whatever came before it, so that the order in which files are read does not matter. What
needs the lines before it (one that was sent twice, two that are equal) is told when a question is answered: then the
lines that were found are read again, in the order of the archive.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from functools import cache
from typing import NamedTuple

from ansible_collections.pve.audit.plugins.module_utils._classify.api import READING
from ansible_collections.pve.audit.plugins.module_utils._evidence.read import classify_event, read_item
from ansible_collections.pve.audit.plugins.module_utils._evidence.registry import BY_NAME
from ansible_collections.pve.audit.plugins.module_utils._evidence.source import Context
from ansible_collections.pve.audit.plugins.module_utils._model.event import Event, event_time, get_field
from ansible_collections.pve.audit.plugins.module_utils._parse.journal import short_host
from ansible_collections.pve.audit.plugins.module_utils._parse.ledger_messages import CONFIG
from pve_audit.collector.store import DayFile
from pve_audit.wire import HEARTBEAT

_ROOMS = "ansible_collections.pve.audit.plugins.module_utils."
# Sources of which no line is indexed: the forwarder says that it lives.
UNREAD = frozenset({HEARTBEAT})
_PART = re.compile(rb' part="\d{1,6}/\d{1,6}"')
_ELEMENT = re.compile(
    rb'<\d{1,3}>1 \S+ \S+ \S+ \S+ \S+ \[pveaudit@32473((?: [!#-<>-\\^-~]{1,32}="(?:\\.|[^"\\\]])*")*)\]', re.DOTALL
)
_PLACE = re.compile(rb' (node|source|cursor|file|inode|offset|part)="((?:\\.|[^"\\\]])*)"', re.DOTALL)
# A read that was answered, whole and alone in its line: most lines of an access log are such.
_ANSWERED_READ = re.compile(
    rb"<\d{1,3}>1 \S+ \S+ \S+ \S+ \S+ \[pveaudit@32473 [^\]\\]*\] "
    rb'[0-9A-Fa-f:.]+ - [^\s"\[\]]+ \[[^\]"]+\] "(?:GET|HEAD|OPTIONS) /[^\s"]* HTTP/1\.[01]" [23]\d\d (?:\d+|-)\r?\n?'
)
_LOGINS = ("access.login", "access.authenticate", "session.ssh", "session.console", "session.open")


class Keys(NamedTuple):
    """What questions ask for. `time` is in microseconds; texts are empty and `vmid` is None where there is none."""

    time: int
    kind: str
    vmid: int | None
    user: str
    account: str
    object: str
    address: str
    action: str


def may_matter(line: bytes) -> bool:
    """False for a read that was answered, without parsing the line."""
    return _ANSWERED_READ.fullmatch(line) is None or _PART.search(line) is not None


def context_of(file: DayFile, shared: Context | None = None) -> Context:
    """For the lines of a file; with `shared`, after those that were read with it."""
    if shared is None:
        return Context(short_host(file.node), _end_of(file.day))
    context = shared.of_node(short_host(file.node))
    context.reference = _end_of(file.day)
    return context


@cache
def _end_of(day: date) -> float:
    return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() + 86400


def read_line(line: bytes, context: Context) -> list[tuple[Event, Keys | None]]:
    """The events of a line that questions are about, classified, and what questions ask for; None of a broken one."""
    found = ((event, keys_of(event)) for event in map(classify_event, read_item(line, BY_NAME["archive"], context)))
    return [(event, keys) for event, keys in found if keys is not None or is_broken(event)]


def is_broken(event: Event) -> bool:
    """Whether the line, or a part of it, could not be read as evidence."""
    return event["event"].get("kind") == "pipeline_error"


def keys_of(event: Event) -> Keys | None:
    """None for what is not indexed: answered reads, broken lines, and what the forwarder says of itself."""
    kind, time = kind_of(event), event_time(event)
    if not kind or time is None:
        return None
    vmid = get_field(event, "pve.vmid")
    texts = (get_field(event, path) for path in ("user.id", "user.account", "pve.object", "source.ip", "event.action"))
    user, account, identity, address, action = (text if isinstance(text, str) else "" for text in texts)
    number = vmid if isinstance(vmid, int) else None
    return Keys(round(time * 1_000_000), kind, number, user, account, identity, address, action)


def kind_of(event: Event) -> str:
    """`task`, `config`, `login`, `write`, `refused` or `other`; empty for what is not indexed."""
    about = event["event"]
    dataset, action = about.get("dataset", ""), about.get("action", "")
    if is_broken(event) or dataset == "pve.archive":
        return ""
    if action.startswith(_LOGINS):
        return "login"
    if dataset != "pve.access":
        return {"pve.task": "task", CONFIG: "config"}.get(dataset, "other")
    if get_field(event, "http.request.method") not in READING:
        return "refused" if about.get("outcome") == "failure" else "write"
    status = get_field(event, "http.response.status_code")
    return "refused" if isinstance(status, int) and status >= 400 else ""


def group_of(line: bytes) -> str:
    """Which line this one is a part of: the same for all its parts, empty for a whole line."""
    element = _ELEMENT.match(line) if _PART.search(line) else None
    found = dict(reversed(_PLACE.findall(element[1]))) if element else {}
    if b"part" not in found:
        return ""
    found[b"part"] = found[b"part"].partition(b"/")[2]
    return hashlib.sha256(b"\0".join(b"%b=%b" % pair for pair in sorted(found.items()))).hexdigest()[:32]


def keys_of_parts(lines: Iterable[tuple[DayFile, bytes]]) -> set[Keys]:
    """What the lines tell together that are the parts of one, in the order of the archive."""
    shared = Context()
    found = (keys for file, line in lines for _event, keys in read_line(line, context_of(file, shared)))
    return {keys for keys in found if keys is not None}


@cache
def reader_digest() -> str:
    """Names the readers of this program: another one may read a line in another way, and needs an index of its own."""
    digest = hashlib.sha256()
    for text in _sources():
        digest.update(text.encode())
    return digest.hexdigest()[:16]


def _sources() -> Iterator[str]:
    for name, module in sorted(sys.modules.items()):
        get_source = getattr(getattr(module, "__loader__", None), "get_source", None)
        if name.startswith((_ROOMS, "pve_audit.collector.index.")) and get_source is not None:
            yield f"{name}\0{get_source(name)}\0"
