# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is who on each node, as lines of SSH, PAM, logind and sudo tell, and which of these lines are one act."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from ansible_collections.pve.audit.plugins.module_utils._evidence.acts.groups import Group
from ansible_collections.pve.audit.plugins.module_utils._model.event import Event, event_time, get_field
from ansible_collections.pve.audit.plugins.module_utils._model.names import ROOT
from ansible_collections.pve.audit.plugins.module_utils._parse.facts import (
    ACTION_SESSION_OPEN,
    ACTION_SSH_CLOSE,
    ACTION_SSH_OPEN,
    ACTION_SUDO,
)

ROOT_UID = 0
_MOST = 7200.0  # seconds between lines of one connection that did not get in; sshd gives up after two minutes
_SOON = 30.0  # seconds between the lines of one login
Names = dict[tuple[str, int], set[str]]
SessionKey = tuple[str, str, int]  # node, boot, number

_BOOT = re.compile(r"(?:^|;)b=([0-9a-f]+)(?:;|$)", re.ASCII)


class Command(NamedTuple):
    """A command that sudo ran: when, as whom it was called, its words, and the event of the line."""

    time: float
    user: str
    words: tuple[str, ...]
    event: Event


@dataclass(slots=True)
class Sessions:
    """Each by node: accounts by login uid (`names` as a login says, `hints` as sudo does), owners and lines of SSH by
    session, lines of sshd by process, and commands of sudo in order of time."""

    names: Names = field(default_factory=lambda: defaultdict(set))
    hints: Names = field(default_factory=lambda: defaultdict(set))
    owners: dict[SessionKey, set[str]] = field(default_factory=lambda: defaultdict(set))
    ssh: dict[SessionKey, list[Event]] = field(default_factory=lambda: defaultdict(list))
    leaders: dict[SessionKey, Event] = field(default_factory=dict)
    opened: dict[tuple[str, int], list[Event]] = field(default_factory=lambda: defaultdict(list))
    sudo: dict[str, list[Command]] = field(default_factory=lambda: defaultdict(list))

    def names_of(self, event: Event) -> tuple[set[str], bool]:
        """The accounts of an event's login uid, and whether a login says so."""
        node, uid, session = get_field(event, "host.name") or "", get_field(event, "pve.loginuid"), session_of(event)
        if uid == ROOT_UID:
            return {ROOT}, True
        owners = set() if session is None else self.owners.get(session, set())
        if known := self.names.get((node, uid), set()) | owners:
            return known, True
        return self.hints.get((node, uid), set()), False

    def ssh_of(self, event: Event) -> list[Event]:
        """The lines of SSH of an event's session: those with its number, and those of the process that logind names."""
        session = session_of(event)
        if session is None:
            return []
        lines = list(self.ssh.get(session, ()))
        leader = self.leaders.get(session)
        if leader is not None:
            near = self.opened.get((session[0], get_field(leader, "pve.leader")), ())
            lines += [line for line in near if line not in lines and abs(_time(line) - _time(leader)) <= _SOON]
        return lines


def session_of(event: Event, number: int | None = None) -> SessionKey | None:
    """Node, boot and number of an event's session, as numbers begin anew with each boot; None when one is unknown."""
    number = get_field(event, "pve.audit_session") if number is None else number
    boot = _BOOT.search(get_field(event, "pve.cursor") or "")
    if number is None or boot is None:
        return None
    return get_field(event, "host.name") or "", boot[1], number


def read_sessions(events: Iterable[Event]) -> Sessions:
    """What the lines tell of sessions."""
    found = Sessions()
    for event in events:
        action, user = event["event"].get("action"), get_field(event, "user.id")
        if user is None or event["event"].get("outcome") == "failure":
            continue
        node = get_field(event, "host.name") or ""
        if action == ACTION_SUDO:
            _read_sudo(event, node, user, found)
        elif action == ACTION_SESSION_OPEN:
            _read_opening(event, node, user, found)
        elif action in (ACTION_SSH_OPEN, ACTION_SSH_CLOSE):
            _read_ssh(event, node, user, found)
    for commands in found.sudo.values():
        commands.sort(key=lambda command: command.time)
    return found


def _read_sudo(event: Event, node: str, user: str, found: Sessions) -> None:
    time, uid = event_time(event), get_field(event, "pve.loginuid")
    if uid is not None:
        found.hints[node, uid].add(user)
    if time is not None:
        words = tuple((get_field(event, "process.command_line") or "").split())
        found.sudo[node].append(Command(time, user, words, event))


def _read_opening(event: Event, node: str, user: str, found: Sessions) -> None:
    """PAM says the uid of whom sshd let in; logind the session, whose number is that of the kernel's audit."""
    uid, session = get_field(event, "pve.uid"), get_field(event, "pve.session")
    if get_field(event, "pve.service") == "sshd" and uid is not None:
        found.names[node, uid].add(user)
    elif isinstance(session, str) and session.isascii() and session.isdigit() and len(session) < 12:
        key = session_of(event, int(session))
        if key is not None:
            found.owners[key].add(user)
            found.leaders[key] = event


def _read_ssh(event: Event, node: str, user: str, found: Sessions) -> None:
    """The line of an accepted login may be written before the login uid is set. That of the end is not, but the user's
    own process writes it, and so could any other of the user where the record does not say which file it ran."""
    uid, session, pid = get_field(event, "pve.loginuid"), session_of(event), get_field(event, "process.pid")
    if uid is not None:
        closed = event["event"].get("action") == ACTION_SSH_CLOSE and get_field(event, "process.executable") is not None
        (found.names if closed else found.hints)[node, uid].add(user)
    if session is not None:
        found.ssh[session].append(event)
    if pid is not None and event["event"].get("action") == ACTION_SSH_OPEN:
        found.opened[node, pid].append(event)


def join_sessions(others: Iterable[Event]) -> list[Group]:
    """An act for each login by SSH, each refused attempt and each command of sudo, with all lines of its process."""
    groups: list[Group] = []
    open_groups: dict[tuple[object, ...], Group] = {}
    for event in sorted((event for event in others if _of_process(event)), key=_time):
        key = _process_key(event)
        group = open_groups.get(key)
        if group is None or _is_another(group, event):
            group = open_groups[key] = Group(event, [])
            groups.append(group)
        group.add(event)
        if _tells_more(event, group.lead):
            group.lead = event
    return groups


def _of_process(event: Event) -> bool:
    action = event["event"].get("action")
    if get_field(event, "process.pid") is None and get_field(event, "process.name") != "sudo":
        return False
    return action in (ACTION_SSH_OPEN, ACTION_SUDO) or (
        action == ACTION_SESSION_OPEN and get_field(event, "pve.service") is not None
    )


def _process_key(event: Event) -> tuple[object, ...]:
    failed = event["event"].get("outcome") == "failure"
    return get_field(event, "host.name"), get_field(event, "process.name"), get_field(event, "process.pid"), failed


def _is_another(group: Group, event: Event) -> bool:
    """True when the event does not belong to the lines before it of a process of the same number."""
    failed = event["event"].get("outcome") == "failure"
    if _time(event) - _time(group.members[-1]) > (_MOST if failed else _SOON):
        return True
    if event["event"].get("action") == ACTION_SESSION_OPEN:
        return False
    if group.lead["event"].get("action") == ACTION_SESSION_OPEN:
        return False
    return not failed or (_attempt(event) and any(_attempt(member) for member in group.members))


def _attempt(event: Event) -> bool:
    """True for the line of one attempt; the others tell of the connection."""
    return get_field(event, "pve.method") is not None


def _tells_more(event: Event, lead: Event) -> bool:
    if lead["event"].get("action") == ACTION_SESSION_OPEN:
        return event["event"].get("action") != ACTION_SESSION_OPEN
    return _attempt(event) and not _attempt(lead)


def _time(event: Event) -> float:
    return event_time(event) or 0.0
