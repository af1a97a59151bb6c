# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The task: what a worker process of Proxmox VE did, in one shape for every source. `_parse/task.py` makes it."""

from __future__ import annotations

from typing import NotRequired, TypedDict

FULL_RANK = 4
"""The rank of a record that has both end and status: no other tells more."""


class Task(TypedDict):
    """A uniform task; times are epoch seconds, what is not known is absent.

    All but end, status and state stand in the UPID. `user` is `name@realm` without the token, whose name is
    `tokenid`; `state` is one of ok, warning, error, unknown and running.
    """

    upid: str
    node: str
    pid: int
    pstart: int
    starttime: int
    endtime: NotRequired[int]
    type: str
    id: str
    user: str
    tokenid: str | None
    status: NotRequired[str]
    state: str


def rank_record(state: object, ended: bool, has_status: bool) -> int:
    """How much a record tells of its task: of two records of one task the higher rank wins, else the first one.

    A running one tells least; a finished one more with its end, and most with its status.
    """
    return 0 if state == "running" else 1 + ended + 2 * has_status


def rank_task(task: Task) -> int:
    """`rank_record` of a uniform task."""
    return rank_record(task["state"], "endtime" in task, "status" in task)
