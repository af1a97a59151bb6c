# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers questions: from the index, or from all lines without it, with the same result."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._evidence.source import Context
from ansible_collections.pve.audit.plugins.module_utils._model.event import Event, unique_events
from pve_audit.collector.index.database import file_of, open_index, read_known
from pve_audit.collector.index.keep import Kept, keep
from pve_audit.collector.index.lines import UNREAD, context_of, group_of, may_matter, read_line
from pve_audit.collector.index.reading import Line, files_of, lines_at, order_of, read_from
from pve_audit.collector.index.table import Question, select
from pve_audit.collector.settings import Settings
from pve_audit.collector.store import UNREADABLE, DamagedError, DayFile, open_text
from pve_audit.files import exclusive_lock

# A day that is closed while the index is kept up is read in the next run.
_RUNS = 3


@dataclass(slots=True)
class Found:
    """An event, and the line that told it (of a line in parts the one that made it whole)."""

    event: Event
    file: DayFile
    line: Line
    time: int
    verified: bool | None = None

    def told(self) -> dict[str, Any]:
        """JSON-able."""
        place: dict[str, Any] = {"node": self.file.node, "source": self.file.source, "file": name_of(self.file)}
        place |= {"line": self.line.number, "offset": self.line.place}
        return {"event": self.event, "place": place, "verified": self.verified}


@dataclass(slots=True)
class Answer:
    """`incomplete` are sentences: what was not looked at. `unreadable` are the lines of which nobody knows what they
    say: for each file how many, and the number of the first."""

    found: list[Found] = field(default_factory=list)
    incomplete: list[str] = field(default_factory=list)
    unreadable: dict[str, tuple[int, int]] = field(default_factory=dict)


def name_of(file: DayFile) -> str:
    """Below the archive."""
    return f"{file.node}/{file.source}/{file.path.name}"


def find(settings: Settings, question: Question) -> Answer:
    """From the index, which is brought up to date before; from what it has, where that fails. Raises OSError."""
    incomplete = _keep(settings)
    query, values = select(question)
    with open_index(settings) as connection:
        known = {one.id: one for one in read_known(connection)}
        rows = connection.execute(query, values).fetchall()
    names = {number: (known[number].node, known[number].source, known[number].name) for number in known}
    files = {number: file_of(settings, *names[number]) for number in {row[0] for row in rows}}
    lines = [(files[row[0]], Line(*row[1:])) for row in rows]
    lines.sort(key=lambda one: (order_of(one[0]), one[1].place))
    unreadable = {"/".join(names[number]): (one.broken, one.broken_line) for number, one in known.items() if one.broken}
    return Answer(collect(lines, question), incomplete, unreadable)


def _keep(settings: Settings) -> list[str]:
    """What the index lacks afterwards."""
    kept = Kept(behind=["the archive"])
    for _run in range(_RUNS):
        try:
            kept = keep(settings)
        except OSError as error:
            return [f"the index was not brought up to date, newer lines are not in the answer: {error}"]
        if not kept.behind:
            break
    lacking = [f"{name} was not read: it was moved meanwhile" for name in kept.behind]
    return lacking + [f"{one['file']} cannot be read to its end: {one['message']}" for one in kept.damaged]


def scan(settings: Settings, question: Question) -> Answer:
    """From all lines of the archive. Nobody closes or deletes a day meanwhile. Raises OSError."""
    answer = Answer()
    with exclusive_lock(Path(settings.state) / "lock"):
        answer.found = collect(_all_lines(settings, answer.incomplete), question, answer.unreadable)
    return answer


def _all_lines(settings: Settings, incomplete: list[str]) -> Iterator[tuple[DayFile, Line]]:
    for file in files_of(Path(settings.archive)):
        if file.source in UNREAD:
            continue
        try:
            with open_text(file.path) as stream:
                for line in read_from(stream, 0, 1, file.kind != "closed"):
                    if may_matter(line.text):
                        yield file, line
        except (DamagedError, *UNREADABLE) as error:
            incomplete.append(f"{name_of(file)} cannot be read to its end: {error}")


def collect(
    lines: Iterable[tuple[DayFile, Line]], question: Question, unreadable: dict[str, tuple[int, int]] | None = None
) -> list[Found]:
    """What lines tell, in the order of the archive, that is asked for: each event once, in the order of time.

    Counts in `unreadable` the lines that cannot be read, without parts of lines.
    """
    broken = {} if unreadable is None else unreadable
    shared = Context()
    found: dict[int, Found] = {}
    events = []
    for file, line in lines:
        told = read_line(line.text, context_of(file, shared))
        for event, keys in told:
            if keys is not None and question.fits(keys):
                events.append(event)
                found[id(event)] = Found(event, file, line, keys.time)
        if any(keys is None for _event, keys in told) and not group_of(line.text):
            count, first = broken.get(name_of(file), (0, line.number))
            broken[name_of(file)] = (count + 1, first)
    return sorted((found[id(event)] for event in unique_events(events)), key=lambda one: one.time)


def verify(answer: Answer) -> None:
    """Read each line of the answer again where it lies, and note whether it is the one that was read before."""
    places: dict[DayFile, list[Found]] = {}
    for one in answer.found:
        places.setdefault(one.file, []).append(one)
    for file, found in places.items():
        now = lines_at(file.path, {one.line.place for one in found})
        for one in found:
            one.verified = now.get(one.line.place) == one.line.text
