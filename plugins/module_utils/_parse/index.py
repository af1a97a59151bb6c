# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines of a node's task index and of its list of active tasks.

`index`: `UPID endtime status`; `active`: `UPID saved [endtime [status]]`, the end time in eight hex digits.
Source: pve-common PVE/RESTEnvironment.pm (active_workers), PVE/INotify.pm (read_active_workers), pve-manager
PVE/API2/Tasks.pm.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._model.event import Event
from ansible_collections.pve.audit.plugins.module_utils._model.task import Task, rank_task
from ansible_collections.pve.audit.plugins.module_utils._parse.glued import split_records, status_damage
from ansible_collections.pve.audit.plugins.module_utils._parse.lines import (
    EventIds,
    corrupt_event,
    decode_line,
    from_bytewise,
    scrub,
)
from ansible_collections.pve.audit.plugins.module_utils._parse.task import build_task, parse_task
from ansible_collections.pve.audit.plugins.module_utils._parse.upid import parse_upid

_CUT = "the UPID is not complete"
_LINE = re.compile(r"(UPID:\S+:)(\s.*)?", re.ASCII | re.DOTALL)
# An id with spaces: the UPID ends at the first colon after which the rest is a tail.
_SPACED = re.compile(r"(UPID:.*?:)((?:\s[01])?(?:\s[0-9A-Fa-f]{8}(?:\s.*)?)?)", re.ASCII | re.DOTALL)
_TAIL = re.compile(r"(?:\s([01])(?=\s|$))?(?:\s([0-9A-Fa-f]{8})(?:\s+(.*))?)?\s*", re.ASCII | re.DOTALL)


@dataclass(frozen=True)
class CorruptLine:
    """A line that is no task: its number from 1, its text, and why it could not be read."""

    number: int
    line: str
    reason: str


class Damage(NamedTuple):
    """What stands in a line and is no task, and why."""

    text: str
    reason: str


@dataclass
class IndexResult:
    """What an index holds: the tasks, one for each UPID, and all that is not a task.

    `repeated` counts further lines of a UPID that was seen before, `blank` the empty lines. A line in which records ran
    together gives a corrupt one for each stump, and the record behind them; `extra` counts what it gives beyond one.
    """

    node: str
    tasks: list[Task] = field(default_factory=list)
    _places: dict[str, int] = field(default_factory=dict, repr=False)
    corrupt: list[CorruptLine] = field(default_factory=list)
    repeated: int = 0
    blank: int = 0
    extra: int = 0

    @property
    def lines(self) -> int:
        """The number of lines read."""
        return len(self.tasks) + len(self.corrupt) + self.repeated + self.blank - self.extra

    def add(self, task: Task) -> None:
        """Keep a task; of several records of one UPID the one that tells more."""
        place = self._places.setdefault(task["upid"], len(self.tasks))
        if place == len(self.tasks):
            self.tasks.append(task)
            return
        self.repeated += 1
        if rank_task(task) > rank_task(self.tasks[place]):
            self.tasks[place] = task

    def corrupt_events(self, ids: EventIds) -> list[Event]:
        """An event of kind pipeline_error for each corrupt line."""
        return [corrupt_event("pve.task", self.node, item.line, item.reason, ids) for item in self.corrupt]


def parse_index_line(line: str | bytes) -> Task:
    """One line of `index` or `active` as a uniform task.

    A line that ends after the UPID or the end time is a task of unknown state, as the API shows it; a line of `active`
    that is neither saved nor ended is a running task.
    Raises InputError when the line is no such line.
    """
    text = decode_line(line)
    pieces = split_records(text)
    if reason := pieces[0].damage:
        raise InputError(reason)
    match = _LINE.fullmatch(text)
    upid_text, tail = (match[1], _TAIL.fullmatch(match[2] or "")) if match else ("", None)
    if tail is None or not _is_upid(upid_text):
        match = _SPACED.fullmatch(text)
        if match is None or not _is_upid(match[1]):
            raise InputError(_reason(text))
        upid_text, tail = match[1], _TAIL.fullmatch(match[2])
    saved, end, status = tail.groups() if tail else (None, None, None)
    running = saved == "0" and end is None
    upid = parse_upid(upid_text, strict=False)
    if end is None and not running and "@" not in upid.user:
        raise InputError(_CUT)  # what was cut at a colon of its id has a part of that for its user
    return build_task(upid, int(end, 16) if end else None, status or None, running)


def parse_index(lines: Iterable[str | bytes], node: str) -> IndexResult:
    """All lines of an `index` or `active` file of `node`, in the order of the file.

    Of several lines for one UPID the one that tells more is kept: with a status before with an end before without.
    """
    result = IndexResult(node)
    for number, line in enumerate(lines, 1):
        text = decode_line(line)
        if not text.strip():
            result.blank += 1
            continue
        found = read_line(text)
        result.extra += len(found) - 1
        for item in found:
            if isinstance(item, Damage):
                result.corrupt.append(CorruptLine(number, item.text, item.reason))
            else:
                result.add(item)
    return result


def read_line(text: str) -> list[Task | Damage]:
    """All that stands in a line of `index` or `active`, mostly one task: tasks, and what could not be read."""
    found: list[Task | Damage] = []
    for piece, damage in split_records(text):
        if damage is not None:
            found.append(Damage(piece, damage))
            continue
        try:
            found.append(parse_index_line(piece))
        except InputError as err:
            found.append(Damage(piece, str(err)))
    return found


def read_record(record: Mapping[str, Any]) -> list[Task | Damage]:
    """All that stands in a record of the task API, mostly one task.

    The API gives a line in which two records ran together as one, with the second in its status.
    Raises InputError when the record has no readable UPID.
    """
    status = record.get("status") if isinstance(record, Mapping) else None
    if not isinstance(status, str) or not ("UPID:" in status or "\0" in status):
        return [parse_task(record)]
    task = parse_task({**record, "status": None})
    text = from_bytewise(status) if "state" not in record else scrub(status)
    if status_damage(text) is None:
        return [parse_task(record)]
    return read_line(f"{task['upid']} {task.get('endtime', 0):08X} {text}")


def _is_upid(text: str) -> bool:
    try:
        parse_upid(text, strict=False)
    except InputError:
        return False
    return True


def _reason(text: str) -> str:
    if not text.startswith("UPID:"):
        return "the line does not start with a UPID"
    head = text.split(" ", 1)[0]
    try:
        parse_upid(head, strict=False)
    except InputError as err:
        return str(err) if head.endswith(":") else _CUT
    return "the end time is not eight hexadecimal digits"
