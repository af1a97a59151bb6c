# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The task list of one node: the ring of `index` and `index.1`, and `active` (pve-manager API2/Tasks.pm)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.lab.http import compact
from tests.lab.names import split_list
from tests.lab.upid import Task, parse_active_line, parse_archive_line, split_user, status_class

MAX_FINISHED = 25
MAX_BROADCAST = 32 * 1024


@dataclass(slots=True)
class Shown:
    """A task with its class and its encoded record, made once."""

    task: Task
    state: str
    json: str


@dataclass(frozen=True, slots=True)
class TaskQuery:
    """What a caller asks for; None means not given."""

    start: int = 0
    limit: int = 50
    userfilter: str | None = None
    typefilter: str | None = None
    vmid: str | None = None
    errors: bool = False
    source: str = "archive"
    since: int | None = None
    until: int | None = None
    statusfilter: str | None = None

    def states(self) -> frozenset[str]:
        """The wanted status classes; `errors` wins over `statusfilter` and means all but ok."""
        if self.errors:
            return frozenset(("warning", "error", "unknown"))
        if self.statusfilter is not None:
            return frozenset(part.lower() for part in split_list(self.statusfilter))
        return frozenset(("ok", "warning", "error", "unknown"))


def _shown(task: Task) -> Shown:
    return Shown(task, status_class(task.status), compact(task.record()))


def _lines(text: str) -> list[str]:
    lines = text.split("\n")
    return lines[:-1] if lines and not lines[-1] else lines


@dataclass(slots=True)
class TaskRing:
    """The three files, as latin-1 text. Parsed when first asked for."""

    index: str = ""
    index_1: str = ""
    active: str = ""
    _archive: list[Shown] | None = field(default=None, repr=False)
    _active: list[Task] | None = field(default=None, repr=False)

    def archive(self) -> list[Shown]:
        """The visible finished tasks, newest line first, `index` before `index.1`."""
        if self._archive is None:
            shown = []
            for text in (self.index, self.index_1):
                for line in reversed(_lines(text)):
                    task = parse_archive_line(line)
                    if task:
                        shown.append(_shown(task))
            self._archive = shown
        return self._archive

    def active_tasks(self) -> list[Task]:
        """All entries of `active`, in its order, finished ones too."""
        if self._active is None:
            parsed = (parse_active_line(line) for line in _lines(self.active))
            self._active = [task for task in parsed if task]
        return self._active

    def running(self) -> set[str]:
        """The UPIDs of tasks without an end."""
        return {task.upid for task in self.active_tasks() if task.saved == "0" and not task.endtime}

    def _candidates(self, source: str) -> Iterator[Shown]:
        if source in ("active", "all"):
            for task in self.active_tasks():
                if task.saved != "1":
                    shown = _shown(task)
                    if task.status is None:
                        shown.json = compact({**task.record(), "status": "RUNNING"})
                    yield shown
        if source != "active":
            yield from self.archive()

    def query(self, query: TaskQuery, who: str, auditor: bool) -> tuple[list[str], int]:
        """The encoded records of the page, and the number of all matches."""
        wanted = self._matching(query, who, auditor)
        count = 0
        page: list[str] = []
        for shown in wanted:
            count += 1
            if count > query.start and len(page) < query.limit:
                page.append(shown.json)
        return page, count

    def _matching(self, query: TaskQuery, who: str, auditor: bool) -> Iterator[Shown]:
        states = query.states()
        user = query.userfilter.lower() if query.userfilter and query.userfilter != "0" else None
        kind = query.typefilter if query.typefilter and query.typefilter != "0" else None
        since, until, vmid = query.since, query.until, query.vmid
        for shown in self._candidates(query.source):
            task = shown.task
            if user is not None and user not in task.user.lower():
                continue
            if not auditor and not task.owned_by(who):
                continue
            if (kind is not None and task.type != kind) or (vmid is not None and task.id != vmid):
                continue
            if (since is not None and task.starttime < since) or (until is not None and task.starttime > until):
                continue
            if shown.state in states:
                yield shown

    def broadcast(self) -> list[dict[str, object]]:
        """What this node tells the cluster about its newest tasks (at most 25 finished, at most 32 KiB)."""
        running = [task for task in self.active_tasks() if task.saved == "0" and not task.endtime]
        finished = sorted(
            (task for task in self.active_tasks() if task.endtime), key=lambda task: task.starttime, reverse=True
        )
        shown = running + finished[: max(0, MAX_FINISHED - len(running))]
        records = [self._broadcast_record(task) for task in shown]
        while records and len(compact(records)) >= MAX_BROADCAST:
            records.pop()
        return records

    @staticmethod
    def _broadcast_record(task: Task) -> dict[str, object]:
        record = split_user(task).record()
        record.pop("pstart")
        if task.endtime:
            record.pop("pid")
        return record
