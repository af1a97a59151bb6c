# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From events of any sources to acts: what several sources saw is one act, and counts once.

`unite_events` leaves one event for each act, for all that counts; `find_groups` is also what `act.py` makes acts of.
Both take events that are classified, as the filter `events` gives them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from ansible_collections.pve.audit.plugins.module_utils._evidence.acts.addresses import learn, pair_twins
from ansible_collections.pve.audit.plugins.module_utils._evidence.acts.calls import join_calls, judge_call, judge_tasks
from ansible_collections.pve.audit.plugins.module_utils._evidence.acts.changes import join_changes
from ansible_collections.pve.audit.plugins.module_utils._evidence.acts.commands import judge_commands, judge_ssh
from ansible_collections.pve.audit.plugins.module_utils._evidence.acts.doubles import part_doubles
from ansible_collections.pve.audit.plugins.module_utils._evidence.acts.groups import Group, gather
from ansible_collections.pve.audit.plugins.module_utils._evidence.acts.lines import Line
from ansible_collections.pve.audit.plugins.module_utils._evidence.acts.logins import Trails, join_logins
from ansible_collections.pve.audit.plugins.module_utils._evidence.acts.messages import join_messages
from ansible_collections.pve.audit.plugins.module_utils._evidence.acts.parents import judge_children
from ansible_collections.pve.audit.plugins.module_utils._evidence.acts.sessions import join_sessions, read_sessions
from ansible_collections.pve.audit.plugins.module_utils._evidence.acts.shape import mistake
from ansible_collections.pve.audit.plugins.module_utils._evidence.task import DATASET as TASKS
from ansible_collections.pve.audit.plugins.module_utils._model.act import CERTAIN, LIKELY, NodeAddresses
from ansible_collections.pve.audit.plugins.module_utils._model.event import Event, unique_events
from ansible_collections.pve.audit.plugins.module_utils._model.names import ROOT
from ansible_collections.pve.audit.plugins.module_utils._parse.facts import PVE_AUTH
from ansible_collections.pve.audit.plugins.module_utils._parse.upid import user_fields


def find_groups(events: list[Event], nodes: NodeAddresses | None = None) -> list[Group]:
    """The groups of events that are one act each. Reads, and lines that could not be read, are in none."""
    found = gather(events)
    found.others, doubles = part_doubles(found.others)
    seen = {group.upid.node for group in found.tasks.values() if group.upid is not None}
    hosts = {
        event.get("host", {}).get("name", "") for event in found.others if event["event"].get("dataset") == PVE_AUTH
    }
    known = learn([*found.lines, *found.tickets, *found.reads], nodes, seen, hosts)
    trails = _trails([*found.lines, *found.reads])
    found.tickets = pair_twins(found.tickets, known)
    lines = pair_twins(found.lines, known)
    tasks = list(found.tasks.values())
    left = join_calls(tasks, lines)
    sessions = read_sessions(found.others)
    judge_commands(tasks, sessions, known)
    judge_tasks(tasks)
    groups = tasks + [_call(line) for line in left]
    judge_children(groups)
    told = join_messages(found.others, groups)
    changed, made = join_changes(found.others, groups, [*found.lines, *found.reads, *found.tickets], sessions)
    others = [event for event in found.others if id(event) not in told | changed]
    refused = [line for line in (*left, *found.reads) if line.user is None and line.status == 401]
    logins = join_logins(others, found.tickets, refused, trails, known)
    alone = _alone(others, logins)
    judge_ssh(alone, known)
    judge_commands(alone, sessions, known)
    groups = _merged(groups, logins) + alone + made
    _add_doubles(groups, doubles)
    return groups


def _add_doubles(groups: list[Group], doubles: list[tuple[Event, Event]]) -> None:
    """The second form of a message belongs to the act of the first."""
    if doubles:
        group_of = {id(event): group for group in groups for event in group.members}
        for first, double in doubles:
            group_of[id(first)].add(double)


def _call(line: Line) -> Group:
    group = Group(line.event, [])
    group.take(line)
    judge_call(group, line)
    return group


def _trails(lines: Iterable[Line]) -> Trails:
    trails = Trails()
    for line in lines:
        trails.note(line)
    trails.sort()
    return trails


def _merged(groups: list[Group], logins: list[Group]) -> list[Group]:
    """A refused write and the line of the journal about it are one act, by the user that the journal names."""
    calls = {id(group.lead): group for group in groups if group.upid is None}
    kept = []
    for login in logins:
        call = calls.get(id(login.line.event)) if login.line is not None else None
        if call is None or call is login:
            kept.append(login)
            continue
        call.members += [event for event in login.members if event is not call.lead]
        call.candidates, call.confidence = login.candidates, login.confidence
    return groups + kept


def _alone(others: list[Event], logins: list[Group]) -> list[Group]:
    """What no other source saw: sessions, and single messages."""
    sessions = join_sessions(others)
    seen = {id(event) for group in (*logins, *sessions) for event in group.members}
    return sessions + [_single(event) for event in others if id(event) not in seen]


def _single(event: Event) -> Group:
    user, source = event.get("user", {}).get("id"), event.get("source", {}).get("ip")
    group = Group(event, [event])
    group.candidates = [{"user": user, "person": None, "ip": source, "channel": "unknown"}]
    if user is not None and (user != ROOT or source is not None):
        group.confidence = LIKELY
    return group


def unite_events(events: Iterable[Event], nodes: NodeAddresses | None = None) -> list[Event]:
    """One event for each act, in the order of the input, for all that counts acts.

    Of events of one act the one that tells most stays: the task, else the call of the entry node, else the message.
    `pve.witnesses` are the ids of the others, `pve.person` is who was behind sudo. `source.ip` is the client's address
    where one is known, never a node's. Reads, lines that could not be read, events of a wrong shape, and what nothing
    else saw stay as they are. `nodes` are the addresses of the cluster's nodes; without them, they are learned from the
    lines. No event is changed in place.
    """
    unique = unique_events(events)
    return unique if only_tasks(unique) else unite_groups(unique, nodes)[0]


def only_tasks(events: Iterable[Event]) -> bool:
    """True where nothing can be joined: a task has one record."""
    return all(event["event"].get("dataset") == TASKS for event in events)


def unite_groups(unique: list[Event], nodes: NodeAddresses | None = None) -> tuple[list[Event], list[Group]]:
    """What `unite_events` makes of events that occur once each, and the groups behind it."""
    chosen: dict[int, Event] = {}
    dropped: set[int] = set()
    groups = find_groups([event for event in unique if mistake(event) is None], nodes)
    for group in groups:
        first = group.members[0] if not any(group.lead is event for event in group.members) else group.lead
        chosen[id(first)] = _united(group)
        dropped |= {id(event) for event in group.members if event is not first}
    return [chosen.get(id(event), event) for event in unique if id(event) not in dropped], groups


def _united(group: Group) -> Event:
    """The event that leads the group, with what the others say of who did it and of what."""
    lead = group.lead
    event = cast("Event", dict(lead))
    _place(event, group)
    users = {one["user"] for one in group.candidates}
    if "user" not in lead and len(users) == 1 and group.confidence == LIKELY and (user := users.pop()) is not None:
        event["user"] = user_fields(user)
    if group.graver is not None:
        event["event"] = {**lead["event"], "action": group.graver["event"]["action"]}
    if facts := _facts(group):
        event["pve"] = {**lead.get("pve", {}), **facts}
    return event


def _place(event: Event, group: Group) -> None:
    """The address of the client where it is sure enough; that of a node is taken away."""
    sources = {one["ip"] for one in group.candidates}
    ip = next(iter(sources)) if len(sources) == 1 and _is_sure(group) else None
    if ip is not None:
        event["source"] = {**event.get("source", {}), "ip": ip}
    elif "source" in event and event["source"].get("ip") not in sources:
        del event["source"]


def _facts(group: Group) -> dict[str, Any]:
    """What the other events add to `pve`."""
    lead = group.lead
    others = [event["event"]["id"] for event in group.members if event is not lead and "id" in event["event"]]
    people = {one["person"] for one in group.candidates}
    person = people.pop() if len(people) == 1 and _is_sure(group) else None
    facts: dict[str, Any] = {"witnesses": others} if others or group.renamed or person is not None else {}
    if person is not None:
        facts["person"] = person
    if group.renamed:
        facts["login"] = group.renamed
    if group.graver is not None:
        facts["severity"] = group.graver["pve"]["severity"]
    if group.object is not None and "object" not in lead.get("pve", {}):
        facts["object"] = group.object
    return facts


def _is_sure(group: Group) -> bool:
    return group.confidence in (CERTAIN, LIKELY)
