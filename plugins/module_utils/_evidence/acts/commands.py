# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands on a node: qm, pct, pvesh and their like, which do all as root@pam, and the tools of the system.

The journal's line of a task's start is written by the command itself (`qm[pid]`), and carries the login uid of the
session that it runs in, whatever sudo or su did since. A line of sudo comes before it, half a second to a second.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable

from ansible_collections.pve.audit.plugins.module_utils._evidence.acts.addresses import Addresses
from ansible_collections.pve.audit.plugins.module_utils._evidence.acts.calls import API_PROGRAMS, program_of
from ansible_collections.pve.audit.plugins.module_utils._evidence.acts.groups import Group
from ansible_collections.pve.audit.plugins.module_utils._evidence.acts.sessions import ROOT_UID, Command, Sessions
from ansible_collections.pve.audit.plugins.module_utils._model.act import AMBIGUOUS, CERTAIN, LIKELY, UNKNOWN, Candidate
from ansible_collections.pve.audit.plugins.module_utils._model.event import Event, event_time, get_field
from ansible_collections.pve.audit.plugins.module_utils._model.names import ROOT
from ansible_collections.pve.audit.plugins.module_utils._parse.facts import (
    ACTION_SSH_CLOSE,
    ACTION_SSH_OPEN,
    ACTION_SUDO,
    LINUX_LOG,
)

_SERVICES = {"pvescheduler": "scheduler", "pveupdate": "scheduler", "pve-ha-lrm": "ha", "pve-ha-crm": "ha"}
_BEFORE, _AFTER = 5.0, 0.2  # seconds from the line of sudo to the line of the command


def judge_commands(groups: Iterable[Group], sessions: Sessions, known: Addresses) -> None:
    """Who ran the command behind each act that the journal shows to be none of the API's, where nobody is named yet."""
    for group in groups:
        event = max((one for one in group.members if get_field(one, "process.name")), key=_worth, default=None)
        if event is None or event["event"].get("dataset") == LINUX_LOG:
            continue
        if group.lead["event"].get("action") in (ACTION_SSH_OPEN, ACTION_SSH_CLOSE):
            continue  # sshd's own lines say more
        program, user = program_of(group), get_field(group.lead, "user.id")
        if program is None and group.upid is not None:
            continue
        if program in _SERVICES:
            group.candidates = [_candidate(user, None, _SERVICES[program])]
            group.confidence = CERTAIN
        elif event["event"].get("action") == ACTION_SUDO:
            _judge_sudo(group, event, sessions, known)
        elif program not in API_PROGRAMS and user in (ROOT, None) and group.confidence == UNKNOWN:
            _judge_command(group, event, sessions, known)


def _worth(event: Event) -> tuple[bool, bool]:
    """A record tells more than the line that rsyslog wrote of it, and most with a login uid."""
    return get_field(event, "pve.loginuid") is not None, get_field(event, "pve.cursor") is not None


def judge_ssh(groups: Iterable[Group], known: Addresses) -> None:
    """Who came in by SSH, or tried to: the line has name and address; the name of a refused one was typed."""
    for group in groups:
        lead = group.lead
        if lead["event"].get("action") not in (ACTION_SSH_OPEN, ACTION_SSH_CLOSE):
            continue
        user, ip = get_field(lead, "user.id"), get_field(lead, "source.ip")
        group.key = get_field(lead, "pve.key_fingerprint")
        own = known.node_of(ip, get_field(lead, "host.name") or "") is not None
        channel = "cluster_internal" if own else "ssh_root" if user == ROOT else "unknown"
        group.candidates = [_candidate(user, None if own else ip, channel)]
        group.confidence = CERTAIN if user is not None and ip is not None else UNKNOWN


def _judge_sudo(group: Group, event: Event, sessions: Sessions, known: Addresses) -> None:
    """The line names its caller, the login uid whoever logged in: two people where somebody became another by su."""
    caller, uid = get_field(event, "user.id"), get_field(event, "pve.loginuid")
    if caller is None or uid is None:
        group.candidates = [_candidate(caller, None, "cli_sudo")]
        group.confidence = UNKNOWN if caller is None else LIKELY
        return
    names, proven = sessions.names_of(event)
    ip, channel = _way_in(group, event, sessions, known)
    people = sorted(names | {caller})
    group.candidates = [_candidate(user, ip, channel if user == ROOT else "cli_sudo") for user in people]
    group.confidence = AMBIGUOUS if len(people) > 1 else CERTAIN if proven else LIKELY


def _judge_command(group: Group, event: Event, sessions: Sessions, known: Addresses) -> None:
    node, uid = get_field(event, "host.name") or "", get_field(event, "pve.loginuid")
    called = _sudo_before(event, get_field(group.lead, "pve.vmid"), sessions.sudo.get(node, []))
    group.support += [command.event for command in called]
    if uid is None:
        _judge_without_login(group, event, called)
        return
    group.strong.add(id(event))
    names, proven = sessions.names_of(event)
    ip, channel = _way_in(group, event, sessions, known)
    if channel != "cluster_internal" and len({command.user for command in called}) == 1:
        names = names | {called[0].user}
    people = sorted(names)
    group.candidates = [_candidate(user, ip, channel) for user in people] or [_candidate(None, ip, channel)]
    if len(people) > 1:
        group.confidence = AMBIGUOUS
    elif people:
        group.confidence = CERTAIN if proven and channel != "cli_root" else LIKELY


def _judge_without_login(group: Group, event: Event, called: list[Command]) -> None:
    """No login uid: the journal had none, or the line is text, which has no such field."""
    people = sorted({command.user for command in called})
    user = get_field(group.lead, "user.id")
    if people:
        group.candidates = [_candidate(one, None, "cli_sudo") for one in people]
        group.confidence = LIKELY if len(people) == 1 else AMBIGUOUS
    else:
        group.candidates = [_candidate(user, None, "cli_root")]
        known = user is not None and get_field(event, "pve.cursor") is not None
        group.confidence = LIKELY if known else UNKNOWN


def _way_in(group: Group, event: Event, sessions: Sessions, known: Addresses) -> tuple[str | None, str]:
    """Address and channel, as the lines of SSH of the same session tell."""
    node, lines = get_field(event, "host.name") or "", sessions.ssh_of(event)
    addresses = {ip for line in lines if (ip := get_field(line, "source.ip")) is not None}
    keys = {key for line in lines if (key := get_field(line, "pve.key_fingerprint")) is not None}
    group.key = keys.pop() if len(keys) == 1 else None
    group.support += lines
    as_root = get_field(event, "pve.loginuid") == ROOT_UID
    channel = "cli_sudo" if not as_root else "ssh_root" if addresses else "cli_root"
    if len(addresses) != 1:
        return None, channel
    ip = addresses.pop()
    if known.node_of(ip, node) is None:
        return ip, channel
    return None, "cluster_internal" if as_root else channel


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
    pairs = [(get_field(command.event, name), get_field(event, name)) for name in ("pve.loginuid", "pve.audit_session")]
    records = get_field(command.event, "pve.cursor") is not None and get_field(event, "pve.cursor") is not None
    # A record without a login uid is one of a process that has none; a line of text says nothing of it.
    return all(mine == its or (not records and None in (mine, its)) for mine, its in pairs)


def _candidate(user: str | None, ip: str | None, channel: str) -> Candidate:
    person = user.rpartition("@")[0] if user not in (None, ROOT) and channel == "cli_sudo" else None
    return {"user": user, "person": person, "ip": ip, "channel": channel}
