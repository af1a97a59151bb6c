# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks that were started by tasks: bulk actions, and what a node does for itself.

The worker of a bulk action calls the API of its own node with the person's ticket or token: lines of the person's user
from 127.0.0.1, while the task of the bulk action runs. [PVE/API2/Cluster/BulkAction/Guest.pm]
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Optional

from ansible_collections.pve.audit.plugins.module_utils._evidence.acts.groups import Group
from ansible_collections.pve.audit.plugins.module_utils._model.act import AMBIGUOUS, LIKELY, UNKNOWN, Candidate
from ansible_collections.pve.audit.plugins.module_utils._model.event import get_field
from ansible_collections.pve.audit.plugins.module_utils._model.time import to_epoch

_BULK = "guest.bulk."
Parents = dict[tuple[Optional[str], str], list[tuple[float, float, Group]]]  # noqa: UP045 - an alias is evaluated, and sanity asks for this form


def judge_children(groups: list[Group]) -> None:
    """Who started the bulk action behind each call that a node made itself."""
    parents = _bulk_actions(groups)
    for group in groups:
        line = group.line
        if line is None or not line.internal:
            continue
        running = [
            parent
            for start, end, parent in parents.get((line.user, line.node), ())
            if start <= line.second <= end and parent is not group
        ]
        _judge_child(group, running)


def _bulk_actions(groups: Iterable[Group]) -> Parents:
    """The bulk actions of each user on each node, with begin and end."""
    found: Parents = defaultdict(list)
    for group in groups:
        if group.upid is not None and group.lead["event"].get("action", "").startswith(_BULK):
            end = get_field(group.lead, "event.end")
            last = to_epoch(end) + 1 if isinstance(end, str) else float("inf")
            found[group.upid.userid, group.upid.node].append((group.upid.starttime, last, group))
    return found


def _judge_child(group: Group, running: list[Group]) -> None:
    candidates: list[Candidate] = []
    for parent in running:
        candidates += [one for one in parent.candidates if one not in candidates]
        group.support += parent.members
    if candidates:
        group.candidates = candidates
        group.confidence = AMBIGUOUS if len(candidates) > 1 else LIKELY
    else:
        group.confidence = UNKNOWN
