# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines of access.log that change something, with what the join looks at taken out of their events."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._model.act import Candidate
from ansible_collections.pve.audit.plugins.module_utils._model.event import Event, event_time, get_field
from ansible_collections.pve.audit.plugins.module_utils._parse.journal import short_host

DATASET = "pve.access"
WRITES = frozenset({"POST", "PUT", "DELETE"})
TICKETS = frozenset({"access.login", "access.login_or_renewal"})
_FORMATS = ("/api2/extjs/", "/api2/json/")
# What an answer with nothing but a UPID has beside it, by its format. [PVE::APIServer::Formatter::Standard]
_ENVELOPES = {"extjs": 23, "json": 11}


@dataclass(slots=True, eq=False)
class Line:
    """One line of access.log.

    `target` is the node its path names, `size` the length of its answer. `twins` are the lines of the same call on the
    node it was passed on to, and `entry_node` is set where this line is such a one and the line of the entry node is
    missing. `internal` says that a node itself was the client, `proven` that `ip` is a client's
    for sure. `others` are addresses that could be the client's as well.
    """

    event: Event
    node: str
    second: int
    user: str | None
    ip: str | None
    method: str
    path: str
    query: str | None
    target: str | None
    vmid: int | None
    action: str
    status: int | None
    size: int | None
    refused: bool
    twins: list[Line] = field(default_factory=list)
    entry_node: str | None = None
    internal: bool = False
    proven: bool = False
    others: list[str] = field(default_factory=list)

    @property
    def seconds(self) -> set[int]:
        """The seconds in which this line and its twins were written."""
        return {self.second, *(twin.second for twin in self.twins)}

    def candidates(self) -> list[Candidate]:
        """Who may have sent it: one for each address that could be the client's."""
        channel = "api_token" if get_field(self.event, "pve.token") is not None else "gui"
        addresses = [self.ip, *self.others]
        if self.internal:
            channel = "cluster_internal"
        return [{"user": self.user, "person": None, "ip": address, "channel": channel} for address in addresses]


def is_read(event: Event) -> bool:
    """True for a line of access.log that changes nothing."""
    return (
        event["event"].get("dataset") == DATASET
        and event["event"].get("kind") != "pipeline_error"
        and get_field(event, "http.request.method") not in WRITES
    )


def named_node(path: str) -> str | None:
    """The node that a path of the API names, else None: `pve1` of `/api2/json/nodes/pve1/qemu`."""
    for prefix in _FORMATS:
        if path.startswith(f"{prefix}nodes/"):
            return path[len(prefix) + 6 :].partition("/")[0] or None
    return None


def read_line(event: Event) -> Line | None:
    """The line of an event of access.log, or None when it has no time or no request."""
    time, method, path = event_time(event), get_field(event, "http.request.method"), get_field(event, "url.path")
    if time is None or not method or not path:
        return None
    status = get_field(event, "http.response.status_code")
    return Line(
        event=event,
        node=short_host(get_field(event, "host.name") or ""),
        second=int(time),
        user=get_field(event, "user.id"),
        ip=get_field(event, "source.ip"),
        method=method,
        path=path,
        query=get_field(event, "url.query"),
        target=named_node(path),
        vmid=get_field(event, "pve.vmid"),
        action=event["event"].get("action", ""),
        status=status,
        size=_size(event),
        refused=event["event"].get("outcome") == "failure",
    )


def _size(event: Event) -> int | None:
    """The length of the answer, the last word of a line."""
    known: Any = get_field(event, "http.response.body.bytes")
    if isinstance(known, int):
        return known
    last = event["event"].get("original", "").rpartition(" ")[2]
    return int(last) if last.isascii() and last.isdigit() and len(last) < 12 else None


def answers_with(line: Line, upid: str) -> bool | None:
    """True when the answer is as long as one that holds this UPID alone; None when that cannot be known."""
    envelope = _ENVELOPES.get(line.path.split("/", 3)[2] if line.path.startswith("/api2/") else "")
    if envelope is None or line.size is None:
        return None
    return line.size == len(upid.replace("\\", "\\\\").encode("utf-8", "surrogatepass")) + envelope
