# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands on a node: qm, pct, pvesh and their like, which do all as root@pam.

The journal's line of a task's start is written by the command itself (`qm[pid]`), and carries the login uid of the
session that it runs in, whatever sudo or su did since. A line of sudo comes before it, half a second to a second.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from ansible_collections.pve.audit.plugins.module_utils._evidence.acts.addresses import Addresses
from ansible_collections.pve.audit.plugins.module_utils._evidence.acts.calls import API_PROGRAMS
from ansible_collections.pve.audit.plugins.module_utils._evidence.acts.groups import Group
from ansible_collections.pve.audit.plugins.module_utils._model.act import AMBIGUOUS, CERTAIN, LIKELY, UNKNOWN, Candidate
from ansible_collections.pve.audit.plugins.module_utils._model.event import Event, event_time, get_field
from ansible_collections.pve.audit.plugins.module_utils._model.names import ROOT
from ansible_collections.pve.audit.plugins.module_utils._parse.facts import (
    ACTION_SSH_CLOSE,
    ACTION_SSH_OPEN,
    ACTION_SUDO,
)

_SERVICES = {"pvescheduler": "scheduler", "pveupdate": "scheduler", "pve-ha-lrm": "ha", "pve-ha-crm": "ha"}
_BEFORE, _AFTER = 5.0, 0.2  # seconds from the line of sudo to the line of the command
_ROOT_UID = 0


class Command(NamedTuple):
    """A command that sudo ran: when, as whom it was called, its words, and the event of the line."""

    time: float
    user: str
    words: tuple[str, ...]
    event: Event


@dataclass(slots=True)
class Sessions:
    """Who is who on each node: login uids, sessions of SSH, commands of sudo in order of time."""

    names: dict[tuple[str, int], set[str]] = field(default_factory=lambda: defaultdict(set))
    from_sudo: dict[tuple[str, int], set[str]] = field(default_factory=lambda: defaultdict(set))
    ssh: dict[tuple[str, int], list[Event]] = field(default_factory=lambda: defaultdict(list))
    sudo: dict[str, list[Command]] = field(default_factory=lambda: defaultdict(list))

    def names_of(self, node: str, uid: int) -> set[str]:
        """The accounts of a login uid: as logins name them, else as sudo does."""
        if uid == _ROOT_UID:
            return {ROOT}
        return self.names.get((node, uid)) or self.from_sudo.get((node, uid), set())


def read_sessions(events: Iterable[Event]) -> Sessions:
    """What lines of SSH and sudo tell of sessions."""
    found = Sessions()
    for event in events:
        action, user = event["event"].get("action"), get_field(event, "user.id")
        if user is None or event["event"].get("outcome") == "failure":
            continue
        node, uid = get_field(event, "host.name") or "", get_field(event, "pve.loginuid")
        if action in (ACTION_SSH_OPEN, ACTION_SSH_CLOSE):
            if uid is not None:
                found.names[node, uid].add(user)
            if (session := get_field(event, "pve.audit_session")) is not None:
                found.ssh[node, session].append(event)
        elif action == ACTION_SUDO and (time := event_time(event)) is not None:
            if uid is not None:
                found.from_sudo[node, uid].add(user)
            words = tuple((get_field(event, "process.command_line") or "").split())
            found.sudo[node].append(Command(time, user, words, event))
    for commands in found.sudo.values():
        commands.sort(key=lambda command: command.time)
    return found


def judge_commands(groups: Iterable[Group], sessions: Sessions, known: Addresses) -> None:
    """Who ran the command behind each act that the journal shows to be none of the API's."""
    for group in groups:
        event = next((event for event in group.members if get_field(event, "process.name")), None)
        if event is None:
            continue
        program = get_field(event, "process.name")
        user = get_field(group.lead, "user.id")
        if program in _SERVICES:
            group.candidates = [_candidate(user, None, _SERVICES[program])]
            group.confidence = CERTAIN
        elif program not in API_PROGRAMS and user == ROOT:
            _judge_command(group, event, sessions, known)


def _judge_command(group: Group, event: Event, sessions: Sessions, known: Addresses) -> None:
    node, uid = get_field(event, "host.name") or "", get_field(event, "pve.loginuid")
    called = _sudo_before(event, get_field(group.lead, "pve.vmid"), sessions.sudo.get(node, []))
    group.support += [command.event for command in called]
    if uid is None:
        _judge_without_login(group, event, called)
        return
    group.strong |= {id(event)}
    names = sessions.names_of(node, uid)
    ip, channel = _way_in(group, event, sessions, known, uid)
    if channel == "cluster_internal":
        names = {ROOT}
    people = sorted(names | {command.user for command in called if len({one.user for one in called}) == 1})
    group.candidates = [_candidate(user, ip, channel) for user in people] or [_candidate(None, ip, channel)]
    group.confidence = CERTAIN if len(people) == 1 else AMBIGUOUS if people else UNKNOWN
    if uid == _ROOT_UID and channel == "cli_root" and group.confidence == CERTAIN:
        group.confidence = LIKELY


def _judge_without_login(group: Group, event: Event, called: list[Command]) -> None:
    """No login uid: the journal had none, or the line is text, which has no such field."""
    people = sorted({command.user for command in called})
    if people:
        group.candidates = [_candidate(user, None, "cli_sudo") for user in people]
        group.confidence = LIKELY if len(people) == 1 else AMBIGUOUS
    else:
        group.candidates = [_candidate(ROOT, None, "cli_root")]
        group.confidence = LIKELY if get_field(event, "pve.cursor") is not None else UNKNOWN


def _way_in(group: Group, event: Event, sessions: Sessions, known: Addresses, uid: int) -> tuple[str | None, str]:
    """Address and channel, as the lines of SSH of the same session tell."""
    node, session = get_field(event, "host.name") or "", get_field(event, "pve.audit_session")
    lines = sessions.ssh.get((node, session), []) if session is not None else []
    addresses = {ip for line in lines if (ip := get_field(line, "source.ip")) is not None}
    group.support += lines
    channel = "cli_sudo" if uid != _ROOT_UID else "ssh_root" if addresses else "cli_root"
    if len(addresses) != 1:
        return None, channel
    ip = addresses.pop()
    return (None, "cluster_internal") if known.node_of(ip, node) is not None else (ip, channel)


def _sudo_before(event: Event, vmid: int | None, commands: list[Command]) -> list[Command]:
    """The commands of sudo that may be the one which wrote this line: same program, same guest, just before."""
    time = event_time(event)
    if time is None:
        return []
    first = bisect_left(commands, time - _BEFORE, key=lambda command: command.time)
    last = bisect_right(commands, time + _AFTER, key=lambda command: command.time)
    return [command for command in commands[first:last] if _may_be(command, event, vmid)]


def _may_be(command: Command, event: Event, vmid: int | None) -> bool:
    program = get_field(event, "process.name")
    if not any(word.rpartition("/")[2] == program for word in command.words):
        return False
    if vmid is not None and not any(str(vmid) in word.split("/") for word in command.words):
        return False
    return all(
        (mine := get_field(command.event, name)) is None or (its := get_field(event, name)) is None or mine == its
        for name in ("pve.loginuid", "pve.audit_session")
    )


def _candidate(user: str | None, ip: str | None, channel: str) -> Candidate:
    person = user.rpartition("@")[0] if user is not None and channel == "cli_sudo" else None
    return {"user": user, "person": person, "ip": ip, "channel": channel}
