# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks and the calls that started them.

The line of a call that starts a task is written in the second in which the task starts, or in the next one. Nothing
else in it names the task: user, node, guest and action must agree, and the answer must not be too long or too short
for the UPID.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Optional

from ansible_collections.pve.audit.plugins.module_utils._evidence.acts.groups import Group
from ansible_collections.pve.audit.plugins.module_utils._evidence.acts.lines import Line, answers_with
from ansible_collections.pve.audit.plugins.module_utils._model.act import AMBIGUOUS, CERTAIN, LIKELY, UNKNOWN, Candidate
from ansible_collections.pve.audit.plugins.module_utils._model.event import get_field
from ansible_collections.pve.audit.plugins.module_utils._model.names import ROOT
from ansible_collections.pve.audit.plugins.module_utils._parse.upid import Upid

# What a call is named by its path, and what its task is named by its type, where the two differ.
_ALSO: dict[str, frozenset[str]] = {
    "guest.create": frozenset({"guest.restore"}),
    "guest.shutdown": frozenset({"guest.stop"}),
    "storage.volume.upload": frozenset({"storage.volume.copy"}),
}
# Their tasks run on the node that took the call, and their answers hold more than a UPID.
_AT_ENTRY = frozenset({"guest.console.open", "node.console.open"})

Key = tuple[Optional[str], str, int, Optional[int]]  # noqa: UP045 - an alias is evaluated, and sanity asks for this form


API_PROGRAMS = frozenset({"pvedaemon", "pveproxy"})


def program_of(group: Group) -> str | None:
    """The program that wrote the journal's lines of the task's start and end; None when there are none, or when two
    programs say that it is theirs."""
    names = {name for event in group.members if (name := get_field(event, "process.name"))}
    return names.pop() if len(names) == 1 else None


def started_by_api(group: Group) -> bool:
    """True when the journal says that the API started the task, not a command."""
    return program_of(group) in API_PROGRAMS


def join_calls(groups: Iterable[Group], lines: list[Line]) -> list[Line]:
    """Give each task the calls that may have started it, and take the likeliest for it; the lines that are left."""
    index: dict[Key, list[Line]] = defaultdict(list)
    for line in lines:
        if not line.refused:
            for key in _keys(line):
                index[key].append(line)
    waiting = []
    for group in groups:
        group.lines = _possible(group, index)
        if group.lines:
            waiting.append(group)
    _eliminate(waiting)
    taken: set[int] = set()
    for group in sorted(waiting, key=lambda group: len(group.lines)):
        chosen = next((line for line in group.lines if id(line) not in taken), None)
        if chosen is not None:
            taken.add(id(chosen))
            group.take(chosen)
    return [line for line in lines if id(line) not in taken]


def _eliminate(groups: list[Group]) -> None:
    """Where a task can have one call only, no other task can have it: its other calls may then be one too.

    Only among tasks of the API and calls whose answer is as long as their UPIDs: each of these started one of them.
    """
    wanted: dict[int, list[Group]] = defaultdict(list)
    for group in groups:
        for line in group.lines:
            wanted[id(line)].append(group)
    single = [group for group in groups if len(group.lines) == 1 and _exact(group)]
    while single:
        group = single.pop()
        for other in wanted.pop(id(group.lines[0]), []):
            if other is not group and len(other.lines) > 1 and _exact(other):
                sources = len(list(_sources(other.lines)))
                other.lines.remove(group.lines[0])
                other.eliminated |= len(list(_sources(other.lines))) < sources
                if len(other.lines) == 1:
                    single.append(other)


def _exact(group: Group) -> bool:
    upid = group.upid
    if upid is None or (upid.userid == ROOT and not started_by_api(group)):
        return False
    return all(answers_with(line, upid.upid) for line in group.lines)


def _keys(line: Line) -> Iterator[Key]:
    nodes = {line.target or line.node} | ({line.node} if line.action in _AT_ENTRY else set())
    return ((line.user, node, second, line.vmid) for node in nodes for second in line.seconds)


def _possible(group: Group, index: dict[Key, list[Line]]) -> list[Line]:
    """The calls that may have started a task, the earliest first; those whose answer fits alone where there are any."""
    upid = group.upid
    if upid is None or (upid.userid == ROOT and program_of(group) not in {None, *API_PROGRAMS}):
        return []
    vmid = get_field(group.lead, "pve.vmid")
    found: dict[int, Line] = {}
    for second in (upid.starttime, upid.starttime + 1):
        for guest in (vmid, None):
            for line in index.get((upid.userid, upid.node, second, guest), ()):
                if _could_start(line, group, upid):
                    found.setdefault(id(line), line)
    fitting = [line for line in found.values() if answers_with(line, upid.upid)]
    return fitting or list(found.values())


def _could_start(line: Line, group: Group, upid: Upid) -> bool:
    action, fits = group.lead["event"].get("action", ""), answers_with(line, upid.upid)
    if fits is False and line.action not in _AT_ENTRY:
        return False
    if line.action == action or action in _ALSO.get(line.action, ()):
        return True
    return line.vmid is not None and fits is True


def judge_tasks(groups: list[Group]) -> None:
    """Who started each task that came through the API, and how sure that is."""
    short = _short_lines(groups)
    for group in groups:
        if group.upid is None or group.candidates:
            continue
        group.candidates = list(_sources(group.lines))
        if not group.candidates:
            _without_line(group, group.upid)
            continue
        if not _answered(group, group.upid):
            group.candidates.append({"user": ROOT, "person": None, "ip": None, "channel": "cli_root"})
        if len(group.candidates) == 1:
            group.confidence = LIKELY if _doubtful(group, group.upid, short) else CERTAIN
        else:
            group.confidence = AMBIGUOUS


def _answered(group: Group, upid: Upid) -> bool:
    """False when a command may have started the task: it is root's, no line of the journal says who wrote it, and no
    answer is as long as its UPID for the same guest."""
    if upid.userid != ROOT or started_by_api(group):
        return True
    vmid = get_field(group.lead, "pve.vmid")
    return vmid is not None and all(line.vmid == vmid and answers_with(line, upid.upid) for line in group.lines)


def _sources(lines: Iterable[Line]) -> Iterator[Candidate]:
    seen = set()
    for line in lines:
        for candidate in line.candidates():
            mark = (candidate["user"], candidate["ip"], candidate["channel"])
            if mark not in seen:
                seen.add(mark)
                yield candidate


def _short_lines(groups: Iterable[Group]) -> set[int]:
    """The lines of which there are fewer than tasks: then a line is missing, and each may be another task's."""
    return {id(line) for group in groups if group.line is None for line in group.lines}


def _without_line(group: Group, upid: Upid) -> None:
    """The account stands in the UPID; who is behind root@pam without a token does not."""
    channel = "api_token" if upid.tokenid is not None else "unknown" if upid.user == ROOT else "gui"
    group.candidates = [{"user": upid.userid, "person": None, "ip": None, "channel": channel}]
    group.confidence = UNKNOWN if channel == "unknown" else LIKELY


def _doubtful(group: Group, upid: Upid, short: set[int]) -> bool:
    """True unless the log of the task's own node shows the call, and nothing else can be the client."""
    if group.eliminated or (upid.userid == ROOT and not started_by_api(group)):
        return True
    return any(
        not line.proven or id(line) in short or line.ip is None or not _seen_on(line, upid.node) for line in group.lines
    )


def _seen_on(line: Line, node: str) -> bool:
    return line.node == node or any(twin.node == node for twin in line.twins)


def judge_call(group: Group, line: Line) -> None:
    """Who made a call that left no task."""
    group.candidates = line.candidates()
    if line.user is None or line.internal:
        group.confidence = UNKNOWN
    elif len(group.candidates) > 1:
        group.confidence = AMBIGUOUS
    else:
        group.confidence = CERTAIN if line.proven and line.ip is not None else LIKELY
