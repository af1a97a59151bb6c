# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One pass over the records of a node: the tasks that may be wanted, and the facts that its coverage is judged by.

A ring holds up to 2,000 records and a question mostly wants a few of them. Decoding a UPID is the dear part, so a
record that a filter rules out by the fields the node has decoded already is counted, but not decoded again here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._model.task import FULL_RANK, Task, rank_task
from ansible_collections.pve.audit.plugins.module_utils._parse.index import Damage, read_record
from ansible_collections.pve.audit.plugins.module_utils._parse.status import RUNNING, is_cut

_COLONS = 8  # of a UPID without an odd id
_CLOCK_SET_BACK = 3600  # seconds that a task may end before its start; more is a damaged time


@dataclass
class Ring:
    """What the records of one node hold.

    `tasks` are those that no filter ruled out, by UPID. `ranks` has how much the best record of every task tells,
    `ends` the end (epoch seconds) of every finished one, or its start where that is later; `index_bytes` is the size
    of their lines in the node's index, `broken` counts damaged records.
    """

    tasks: dict[str, Task] = field(default_factory=dict)
    ranks: dict[str, int] = field(default_factory=dict)
    ends: dict[str, int] = field(default_factory=dict)
    index_bytes: int = 0
    broken: int = 0

    @property
    def records(self) -> int:
        """The number of different tasks, finished or not."""
        return len(self.ranks)

    @property
    def oldest(self) -> int | None:
        """The end of the task that ended first, or None when none has."""
        return min(self.ends.values(), default=None)

    def add(self, task: Task) -> None:
        """Keep a task, unless a record that tells as much is there."""
        upid = task["upid"]
        if self._outranks(upid, rank_task(task)):
            self.tasks[upid] = task
            if (end := task.get("endtime")) is not None:
                self._note_end(upid, max(end, task["starttime"]), task.get("status") or "")

    def pass_over(self, record: Mapping[str, Any]) -> None:
        """Count a plain record that is not wanted."""
        upid = record["upid"]
        if self._outranks(upid, FULL_RANK):
            self.tasks.pop(upid, None)
            self._note_end(upid, max(record["endtime"], record["starttime"]), record["status"])

    def _outranks(self, upid: str, rank: int) -> bool:
        """True, and noted, when a record of this rank tells more of its task than what was there."""
        if rank <= self.ranks.get(upid, -1):
            return False
        self.ranks[upid] = rank
        return True

    def _note_end(self, upid: str, end: int, status: str) -> None:
        """The line in the index is `UPID endtime status`, the time in eight hex digits."""
        if upid not in self.ends:
            self.index_bytes += len(upid) + 11
        self.index_bytes += len(status)
        self.ends[upid] = end


def read_ring(records: Iterable[Any], ruled_out: Callable[[Mapping[str, Any]], bool]) -> Ring:
    """Read all records of a node. `ruled_out` is only asked about plain records of finished tasks."""
    ring = Ring()
    for record in records:
        if _is_plain(record) and ruled_out(record):
            ring.pass_over(record)
            continue
        try:
            found = read_record(record)
        except InputError:
            ring.broken += 1
            continue
        ring.broken += any(_is_damaged(item) for item in found)
        for item in found:
            if not isinstance(item, Damage):
                ring.add(item)
    return ring


def _is_damaged(item: Task | Damage) -> bool:
    """True for what is no task, and for one of which the end or a part of the status is missing, or a time is wrong."""
    if isinstance(item, Damage):
        return True
    if item["state"] == "running":
        return False
    return "endtime" not in item or "status" not in item or is_cut(item["status"]) or _ends_before_start(item)


def _ends_before_start(task: Mapping[str, Any]) -> bool:
    """True when one of the two times must be damaged: no clock is set back as far in the course of a task."""
    return bool(task["endtime"] + _CLOCK_SET_BACK < task["starttime"])


def _is_plain(record: Any) -> bool:
    """True for a finished task that has every field, of the type it should have, and an ordinary UPID."""
    if not isinstance(record, dict):
        return False
    upid, end, status = record.get("upid"), record.get("endtime"), record.get("status")
    return (
        isinstance(end, int)
        and end > 1  # True is an int, too
        and isinstance(status, str)
        and status not in ("", RUNNING)
        and not is_cut(status)
        and "UPID:" not in status
        and "\0" not in status
        and isinstance(record.get("starttime"), int)
        and not _ends_before_start(record)
        and isinstance(record.get("type"), str)
        and isinstance(upid, str)
        and upid.startswith("UPID:")
        and upid.count(":") == _COLONS
        and upid.isascii()
    )
