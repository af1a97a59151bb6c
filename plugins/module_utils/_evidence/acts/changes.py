# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes of `/etc/pve` that the ledger saw, joined with the call or task that made them.

A change has file, node and second of the write. The call that made it ran on that node, is about such a file, and was
answered in the second of the write or in the next; a task ran at that time. Where none is known of a node whose calls
are, the change was made by somebody on the node itself, or by a service: nobody is named for it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from ansible_collections.pve.audit.plugins.module_utils._evidence.acts.groups import Group
from ansible_collections.pve.audit.plugins.module_utils._evidence.acts.lines import Line
from ansible_collections.pve.audit.plugins.module_utils._evidence.acts.sessions import Command, Sessions
from ansible_collections.pve.audit.plugins.module_utils._model.act import AMBIGUOUS, LIKELY
from ansible_collections.pve.audit.plugins.module_utils._model.event import Event, event_time, get_field
from ansible_collections.pve.audit.plugins.module_utils._model.names import ROOT
from ansible_collections.pve.audit.plugins.module_utils._parse.ledger_messages import CONFIG

# File: how the actions begin that write it.
_WRITERS: tuple[tuple[re.Pattern[str], tuple[str, ...]], ...] = tuple(
    (re.compile(text), tuple(areas.split()))
    for text, areas in (
        (
            r"user\.cfg",
            "access.user access.group access.role access.acl access.token access.realm access.tfa pool guest",
        ),
        (r"priv/shadow\.cfg", "access.user access.password access.login"),
        (r"priv/tfa\.cfg", "access.tfa access.user access.login"),
        (r"priv/token\.cfg", "access.token access.user"),
        (r"domains\.cfg", "access.realm"),
        (r"storage\.cfg|priv/storage/.*", "storage.definition node.disk ceph"),
        (r"datacenter\.cfg", "cluster.options"),
        (r"jobs\.cfg|vzdump\.cron", "backup_job job guest.destroy"),
        (r"replication\.cfg", "replication guest"),
        (r"status\.cfg|priv/metricserver/.*", "metric_server"),
        (r"(?:priv/)?notifications\.cfg", "notification"),
        (r"ha/.*", "ha guest"),
        (r"(?:priv/)?sdn/.*", "sdn"),
        (r"mapping/.*", "mapping"),
        (r"virtual-guest/.*", "cpu_model"),
        (r"firewall/.*|nodes/[^/]+/host\.fw", "firewall guest"),
        (r"nodes/[^/]+/(?:qemu-server|lxc)/\d+\.conf", "guest backup"),
        (r"nodes/[^/]+/config", "node.config node.certificate"),
        (r"nodes/[^/]+/.*\.(?:pem|key)|acme/.*|priv/acme/.*", "node.certificate acme"),
    )
)
# A change: the acts that make it beside their own.
_COMES_WITH: dict[str, tuple[str, ...]] = {
    "access.group.modify": ("access.user.", "access.realm.sync"),
    "access.group.create": ("access.realm.sync",),
    "access.group.delete": ("access.realm.sync",),
    "access.acl.modify": (
        "access.user.delete",
        "access.group.delete",
        "access.role.delete",
        "access.token.delete",
        "pool.",
    ),
    "access.user.create": ("access.realm.sync",),
    "access.user.modify": ("access.realm.sync", "access.tfa.", "access.group."),
    "access.user.delete": ("access.realm.sync",),
    "access.token.delete": ("access.user.delete",),
    "pool.modify": ("guest.",),
    "backup_job.modify": ("guest.destroy", "job."),
    "replication.delete": ("guest.",),
    "ha.resource.delete": ("guest.destroy",),
    "ha.resource.modify": ("guest.",),
}
_GUEST_FILE = re.compile(r"(?:firewall|nodes/[^/]+/(?:qemu-server|lxc))/(\d+)\.(?:fw|conf)", re.ASCII)
_BEFORE = 5.0  # seconds from the line of sudo to the write
_TOOLS = frozenset({"pveum", "pvesh", "pvesm", "qm", "pct", "ha-manager", "pvecm", "pvenode", "pve-firewall"})


@dataclass(slots=True)
class _Change:
    """One change, and the lines of all nodes whose ledgers saw it."""

    lead: Event
    seen: list[Event] = field(default_factory=list)

    @property
    def file(self) -> str:
        return str(get_field(self.lead, "pve.file"))

    @property
    def node(self) -> str | None:
        return _text(self.lead, "pve.writer_node")

    @property
    def named(self) -> str | None:
        return _text(self.lead, "pve.object")

    @property
    def second(self) -> int:
        written = get_field(self.lead, "pve.mtime")
        return written if isinstance(written, int) else int(event_time(self.lead) or 0)


def _text(event: Event, path: str) -> str | None:
    value = get_field(event, path)
    return value if isinstance(value, str) else None


def is_change(event: Event) -> bool:
    """True for a line of a ledger that tells a change."""
    return event["event"].get("dataset") == CONFIG and get_field(event, "pve.file") is not None


def join_changes(
    others: Iterable[Event], groups: Iterable[Group], watched: Iterable[Line], sessions: Sessions
) -> tuple[set[int], list[Group]]:
    """Add each change to the act that made it; the ids (of Python) of all changes, and acts of those that none made.

    `watched` are lines of access.log: a node of which there are none around a change says nothing by having none.
    """
    changes = _changes(others)
    if not changes:
        return set(), []
    index = _index(groups)
    made = {id(change): _makers(change, index) for change in changes}
    disputed = _disputed(changes, made)
    seen = _watched(watched)
    alone = []
    for change in changes:
        makers = made[id(change)]
        if id(change) in disputed:
            alone.append(_act_of_several(change, makers))
        elif len(makers) == 1:
            _confirm(makers[0], change)
        elif makers:  # as many calls as changes: each made one of them, and is an act already
            for group in makers:
                group.support += change.seen
        else:
            alone.append(_alone(change, seen, sessions))
    return {id(event) for change in changes for event in change.seen}, alone


def _disputed(changes: Iterable[_Change], made: dict[int, list[Group]]) -> set[int]:
    """Changes of one file of which there are more than calls that could have made them.

    A call writes a file once, so somebody else made the rest. The one that names the object of a call is the call's.
    A task, a call that changes a guest, and one that deletes a user, may write several times.
    """
    claims: dict[tuple[str, frozenset[int]], list[_Change]] = defaultdict(list)
    for change in changes:
        makers = made[id(change)]
        if makers and not _GUEST_FILE.match(change.file) and not any(_writes_often(group) for group in makers):
            claims[change.file, frozenset(map(id, makers))].append(change)
    found: set[int] = set()
    for several in claims.values():
        makers = made[id(several[0])]
        objects = {get_field(group.lead, "pve.object") for group in makers} - {None}
        named = [change for change in several if change.named in objects]
        if len(several) > len(makers):
            own = {id(change) for change in named} if len(named) == len(makers) else set()
            found |= {id(change) for change in several} - own
    return found


def _writes_often(group: Group) -> bool:
    return group.upid is not None or group.lead["event"].get("action") == "access.user.delete"


def _confirm(group: Group, change: _Change) -> None:
    """The change belongs to the act, and tells what the call could not: its object."""
    for event in change.seen:
        group.add(event)
    group.told = True
    if change.lead["event"].get("action") == group.lead["event"].get("action") and group.object is None:
        group.object = change.named


def _act_of_several(change: _Change, makers: list[Group]) -> Group:
    """One of these calls made it, or somebody on the node."""
    group = Group(change.lead, list(change.seen))
    group.support += [event for maker in makers for event in maker.members]
    group.candidates = [one for maker in makers for one in maker.candidates]
    group.candidates.append({"user": ROOT, "person": None, "ip": None, "channel": "cli_root"})
    group.confidence = AMBIGUOUS
    return group


def _changes(events: Iterable[Event]) -> list[_Change]:
    """One for each change, by what all nodes see alike; of a deletion they see the second, and not the version."""
    found: dict[tuple[object, ...], _Change] = {}
    for event in events:
        if is_change(event):
            facts = event["pve"]
            when = facts.get("mtime") if facts.get("change") == "deleted" else facts.get("version")
            key = (facts.get("file"), facts.get("change"), when)
            found.setdefault(key, _Change(event)).seen.append(event)
    return sorted(found.values(), key=lambda change: get_field(change.lead, "pve.version") or 0)


_Index = dict[tuple[str, int], list[Group]]


def _index(groups: Iterable[Group]) -> _Index:
    """Acts by node and second in which they may have written."""
    index: _Index = defaultdict(list)
    for group in groups:
        if group.line is not None and group.line.refused:
            continue
        for place in set(_places(group)):
            index[place].append(group)
    return index


def _places(group: Group) -> Iterator[tuple[str, int]]:
    line = group.line
    if line is not None:
        for node in (line.node, line.target or line.node, line.entry_node or line.node):
            yield from ((node, second - late) for second in line.seconds for late in (0, 1))
    if group.upid is not None:
        start, end = group.upid.starttime, _end(group)
        yield from ((group.upid.node, second) for second in range(start, min(end, start + _LONGEST) + 1))
        yield from ((group.upid.node, second) for second in range(max(start, end - _AT_THE_END), end + 1))


_LONGEST, _AT_THE_END = 60, 5  # seconds of a task in which it writes: when it begins, and when it ends


def _end(group: Group) -> int:
    end = event_time({"@timestamp": get_field(group.lead, "event.end") or ""})
    return int(end) if end is not None else group.upid.starttime if group.upid else 0


def _makers(change: _Change, index: _Index) -> list[Group]:
    """The acts that may have made it; those that are about the same object, where some are."""
    if change.node is None:
        return []
    guest = _GUEST_FILE.fullmatch(change.file)
    near = index.get((change.node, change.second), ())
    fitting = [group for group in near if _writes(group, change) and _same_guest(group, guest[1] if guest else None)]
    named = change.named
    same = [group for group in fitting if named is not None and get_field(group.lead, "pve.object") == named]
    return same or fitting


def _writes(group: Group, change: _Change) -> bool:
    """Whether an act of this kind makes such a change: the same one, or one that comes with it."""
    action, kind = group.lead["event"].get("action", ""), change.lead["event"].get("action", "")
    areas = next((areas for pattern, areas in _WRITERS if pattern.fullmatch(change.file)), ())
    if not any(action == area or action.startswith(f"{area}.") for area in areas):
        return False
    if action == kind or kind.startswith("config.file.") or change.file.startswith(("priv/", "nodes/")):
        return True
    if action.startswith("firewall."):  # a rule that is moved or changed may look like one that came or went
        return action.rpartition(".")[0] == kind.rpartition(".")[0]
    return any(action.startswith(start) for start in _COMES_WITH.get(kind, ()))


def _same_guest(group: Group, number: str | None) -> bool:
    mine = get_field(group.lead, "pve.vmid")
    return number is None or mine is None or str(mine) == number


def _watched(lines: Iterable[Line]) -> dict[str, tuple[int, int]]:
    """From when to when there are lines of access.log, by node."""
    spans: dict[str, tuple[int, int]] = {}
    for line in lines:
        first, last = spans.get(line.node, (line.second, line.second))
        spans[line.node] = min(first, line.second), max(last, line.second)
    return spans


def _alone(change: _Change, watched: dict[str, tuple[int, int]], sessions: Sessions) -> Group:
    """A change that no call made: somebody on the node itself, or a service."""
    group = Group(change.lead, list(change.seen))
    first, last = watched.get(change.node or "", (1, 0))
    if not first <= change.second <= last:
        group.candidates = [{"user": None, "person": None, "ip": None, "channel": "unknown"}]
        return group
    called = [command for command in sessions.sudo.get(change.node or "", []) if _may_be(command, change)]
    group.support += [command.event for command in called]
    people = sorted({command.user for command in called})
    group.candidates = [
        {"user": user, "person": user.rpartition("@")[0], "ip": None, "channel": "cli_sudo"} for user in people
    ] or [{"user": ROOT, "person": None, "ip": None, "channel": "cli_root"}]
    if len(people) == 1:
        group.confidence = LIKELY
    return group


def _may_be(command: Command, change: _Change) -> bool:
    """A command of sudo just before, by a tool that writes there, which names the object; or an editor of the file."""
    if not change.second - _BEFORE <= command.time <= change.second + 1:
        return False
    if any(word.endswith(f"/etc/pve/{change.file}") for word in command.words):
        return True
    named = str(change.named or "").partition("/")[0].partition("!")[0]
    tools = {word.rpartition("/")[2] for word in command.words[:1]}
    return bool(tools & _TOOLS) and bool(named) and any(named in word.split("/") for word in command.words)
