# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages of the journal about calls that leave no task: new options of a guest, and passwords."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from ansible_collections.pve.audit.plugins.module_utils._evidence.acts.calls import API_PROGRAMS
from ansible_collections.pve.audit.plugins.module_utils._evidence.acts.groups import Group
from ansible_collections.pve.audit.plugins.module_utils._model.act import AMBIGUOUS
from ansible_collections.pve.audit.plugins.module_utils._model.event import Event, event_time, get_field
from ansible_collections.pve.audit.plugins.module_utils._parse.facts import PVE_AUTH

_PASSWORD = "access.password.modify"
_CONFIG = "guest.config.modify"
_UNLINK = "guest.disk.unlink"
_SPAN = (0, 1, -1)  # the answer is written in the second of the message, or in the next; a task may start before it

Key = tuple[object, ...]


def join_messages(others: Iterable[Event], groups: Iterable[Group]) -> set[int]:
    """Add messages to the calls and tasks that they are about; the ids (of Python) of those that found one."""
    messages = [event for event in others if _is_message(event)]
    if not messages:
        return set()
    index = _index(groups)
    told: set[int] = set()
    for event in sorted(messages, key=lambda event: event_time(event) or 0.0):
        key, second = _message_key(event), int(event_time(event) or 0)
        near = [group for add in _SPAN for group in index.get((*key, second + add), ())]
        free = [group for group in near if not group.told]
        group = free[0] if free else None
        if group is not None:
            group.told = True
            group.object = get_field(event, "pve.object") if len(near) == 1 else None
            group.add(event)
            if event["event"].get("action") == _UNLINK != group.lead["event"].get("action"):
                group.graver = event
                _doubt(group, free)
            told.add(id(event))
    return told


def _doubt(group: Group, free: list[Group]) -> None:
    """Which of several calls it was that destroyed the disk, no line tells."""
    several = [one for other in free for one in other.candidates if one not in group.candidates]
    if several:
        group.candidates = group.candidates + several
        group.confidence = AMBIGUOUS


def _is_message(event: Event) -> bool:
    about = event["event"]
    if about.get("dataset") != PVE_AUTH or get_field(event, "process.name") not in API_PROGRAMS:
        return False
    return about.get("action") == _PASSWORD or get_field(event, "pve.change") is not None


def _message_key(event: Event) -> Key:
    """The signature of a password's message says nothing of who did it."""
    action, node = _kind(event), get_field(event, "host.name")
    if action == _PASSWORD:
        return action, node, None, None
    return action, node, get_field(event, "user.id"), get_field(event, "pve.vmid")


def _kind(event: Event) -> str | None:
    """The action; one for both calls that can destroy a disk, as only the message tells whether they did."""
    action = event["event"].get("action")
    return _CONFIG if action == _UNLINK else action


def _index(groups: Iterable[Group]) -> dict[Key, list[Group]]:
    index: dict[Key, list[Group]] = defaultdict(list)
    for group in groups:
        action, line = _kind(group.lead), group.line
        if line is not None and line.refused:
            continue
        if action == _PASSWORD and line is not None:
            index[action, line.node, None, None, line.second].append(group)
        elif group.upid is not None:
            upid = group.upid
            index[action, upid.node, upid.userid, get_field(group.lead, "pve.vmid"), upid.starttime].append(group)
        elif line is not None:
            for one in (line, *line.twins):
                index[action, line.target or line.node, line.user, line.vmid, one.second].append(group)
    return index
