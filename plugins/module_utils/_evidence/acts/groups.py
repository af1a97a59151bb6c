# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Events sorted by what they can be part of, and the group of events that is one act."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from ansible_collections.pve.audit.plugins.module_utils._evidence.acts.lines import (
    DATASET,
    TICKETS,
    WRITES,
    Line,
    is_read,
    read_line,
)
from ansible_collections.pve.audit.plugins.module_utils._evidence.task import DATASET as TASKS
from ansible_collections.pve.audit.plugins.module_utils._evidence.task import TASK
from ansible_collections.pve.audit.plugins.module_utils._model.act import UNKNOWN, Candidate
from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._model.event import Event, event_time, get_field
from ansible_collections.pve.audit.plugins.module_utils._parse.messages import ACTION_TASK_END, ACTION_TASK_START
from ansible_collections.pve.audit.plugins.module_utils._parse.task import task_event
from ansible_collections.pve.audit.plugins.module_utils._parse.upid import Upid, parse_upid


@dataclass(slots=True, eq=False)
class Group:
    """The events of one act.

    `lead` is the event that tells most of it, `members` are all that count as this act, the lead among them; `support`
    are lines of other acts that tell who did it. `lines` are the lines of access.log that may be its call, `line` the
    one that is taken for it. `strong` holds the ids (of Python) of events that name the act itself.
    `renamed` is a better name of the action, `eliminated` says that other calls were ruled out by other tasks,
    `told` that a message of the journal tells the same, and `object` what it says of the object. `graver` is a message
    that says of the act what its lead cannot know. `key` is the fingerprint of the key that let root in by SSH.
    """

    lead: Event
    members: list[Event]
    upid: Upid | None = None
    lines: list[Line] = field(default_factory=list)
    line: Line | None = None
    support: list[Event] = field(default_factory=list)
    strong: set[int] = field(default_factory=set)
    candidates: list[Candidate] = field(default_factory=list)
    confidence: str = UNKNOWN
    renamed: str | None = None
    eliminated: bool = False
    told: bool = False
    object: str | None = None
    graver: Event | None = None
    key: str | None = None

    def add(self, event: Event, *, strong: bool = False) -> None:
        """One more event of this act."""
        self.members.append(event)
        if strong:
            self.strong.add(id(event))

    def take(self, line: Line) -> None:
        """A call of access.log, with its twins, is this act."""
        self.line = line
        for one in (line, *line.twins):
            if not any(one.event is member for member in self.members):
                self.members.append(one.event)


@dataclass(slots=True)
class Gathered:
    """All events by what they can be part of; `others` are messages of logins, sessions, commands and the like."""

    tasks: dict[str, Group] = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)
    tickets: list[Line] = field(default_factory=list)
    reads: list[Line] = field(default_factory=list)
    others: list[Event] = field(default_factory=list)


def gather(events: Iterable[Event]) -> Gathered:
    """The events sorted. Reads, and lines that could not be read, are in none of the lists."""
    found = Gathered()
    for event in events:
        about = event["event"]
        if about.get("kind") == "pipeline_error":
            continue
        if about.get("dataset") == DATASET:
            _sort_line(event, found)
        elif (upid := _task_of(event)) is not None:
            _sort_task(event, upid, found)
        else:
            found.others.append(event)
    for group in found.tasks.values():
        _lead_of_task(group)
    return found


def _sort_line(event: Event, found: Gathered) -> None:
    line = read_line(event)
    if line is None:
        if not is_read(event):
            found.others.append(event)
    elif line.method not in WRITES:
        found.reads.append(line)
    elif line.action in TICKETS:
        found.tickets.append(line)
    else:
        found.lines.append(line)


def _task_of(event: Event) -> str | None:
    """The UPID of an event of the task log, or of the journal's line of its start or end."""
    about = event["event"]
    if about.get("dataset") == TASKS or about.get("action") in (ACTION_TASK_START, ACTION_TASK_END):
        upid = get_field(event, "pve.upid")
        return upid if isinstance(upid, str) else None
    return None


def _sort_task(event: Event, text: str, found: Gathered) -> None:
    group = found.tasks.get(text)
    if group is None:
        try:
            upid = parse_upid(text, strict=False)
        except InputError:
            found.others.append(event)
            return
        group = found.tasks[text] = Group(event, [], upid)
    group.add(event, strong=True)


def _lead_of_task(group: Group) -> None:
    """The task itself leads; where only the journal saw it, an event of the same meaning made of its lines does."""
    task = next((event for event in group.members if event["event"].get("dataset") == TASKS), None)
    if task is not None:
        group.lead = task
        return
    end = next((event for event in group.members if event["event"].get("action") == ACTION_TASK_END), None)
    seen = end or group.members[0]
    record: dict[str, object] = {"upid": get_field(seen, "pve.upid")}
    if end is not None and (time := event_time(end)) is not None:
        record |= {"status": get_field(end, "pve.status"), "endtime": int(time)}
    lead = task_event(record)
    TASK.classify(lead)
    lead["event"]["dataset"] = seen["event"].get("dataset", "")
    lead["event"]["original"] = seen["event"].get("original", "")
    group.lead = lead
