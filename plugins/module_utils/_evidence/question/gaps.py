# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gaps: what one source has and another should have and lacks, and where two sources agree that nothing is missing.

A gap is no proof of a crime. It is a place where the answer may be wrong, with the sources that contradict each other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from ansible_collections.pve.audit.plugins.module_utils._evidence.found import (
    ACTIVE,
    ARCHIVE,
    CLUSTER_TASKS,
    INDEX,
    JOURNAL_END,
    JOURNAL_START,
    PRESERVED,
    TEXTS,
    Found,
)
from ansible_collections.pve.audit.plugins.module_utils._evidence.question.gap import (
    SECONDS,
    Gap,
    Span,
    new_gap,
    spans_of,
)
from ansible_collections.pve.audit.plugins.module_utils._evidence.question.gaps_calls import find_call_gaps
from ansible_collections.pve.audit.plugins.module_utils._evidence.question.gaps_ledger import find_ledger_gaps
from ansible_collections.pve.audit.plugins.module_utils._model.act import Act
from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._model.event import Event, event_time, get_field
from ansible_collections.pve.audit.plugins.module_utils._model.time import human_duration, rfc3339
from ansible_collections.pve.audit.plugins.module_utils._parse.facts import (
    ACTION_DAMAGED,
    ACTION_LOST,
    ACTION_REMOVED,
    ACTION_STOPPED,
    LINUX_LOG,
)
from ansible_collections.pve.audit.plugins.module_utils._parse.upid import Upid, parse_upid

_LOSSES = (ACTION_LOST, ACTION_DAMAGED, ACTION_REMOVED, ACTION_STOPPED)
_MOST = 50  # UPIDs that one gap names


def find_gaps(found: Found, acts: Iterable[Act]) -> list[Gap]:
    """All gaps, by node and time. Each has code, node, message, from, until, sources and upids."""
    gaps = [*_task_gaps(found), *find_call_gaps(found, acts), *_losses(found.events), *_silences(found)]
    gaps += find_ledger_gaps(found)
    return sorted(gaps, key=lambda gap: (gap["node"], gap["from"] or "", gap["code"]))


class _Tasks:
    """The tasks of one node by source, and the spans in which a source has to know them."""

    def __init__(self, node: str, records: Mapping[str, set[str]], span: Span | None) -> None:
        self.node, self.records = node, records
        self.known = {text: upid for upids in records.values() for text in upids if (upid := _read(text)) is not None}
        self.span = span

    def of(self, *sources: str) -> set[str]:
        """The tasks that one of the sources has."""
        return set().union(*(self.records.get(source, ()) for source in sources)) & self.known.keys()

    def looked_at(self, *sources: str) -> bool:
        """Whether one of them was there at all."""
        return any(source in self.records for source in sources)

    def missing(self, code: str, having: tuple[str, ...], lacking: tuple[str, ...], upids: set[str], why: str) -> Gap:
        """The gap of tasks that some sources have and others lack."""
        names = sorted(upids, key=lambda text: self.known[text].starttime)
        times = [self.known[text].starttime for text in names]
        count = f"{len(names)} task{'s' if len(names) > 1 else ''}"
        sources = [*(one for one in having if one in self.records), *lacking]
        return new_gap(code, self.node, f"{count} of {self.node} {why}", times, sources, upids=names[:_MOST])


def _read(text: str) -> Upid | None:
    try:
        return parse_upid(text, strict=False)
    except InputError:
        return None


def _by_node(found: Found) -> Iterator[_Tasks]:
    records: dict[str, dict[str, set[str]]] = defaultdict(dict)
    for (node, source), upids in found.records.items():
        records[node][source] = upids
    spans = spans_of(found, "pve.auth")
    for node, sources in sorted(records.items()):
        yield _Tasks(node, sources, spans.get(node))


def _task_gaps(found: Found) -> Iterator[Gap]:
    for tasks in _by_node(found):
        yield from _gone_from_index(tasks)
        yield from _without_end(tasks)
        yield from _without_text(tasks)
        yield from _not_in_journal(tasks)


def _gone_from_index(tasks: _Tasks) -> Iterator[Gap]:
    """Finished tasks that others know, younger than the oldest of the index, and not in it: they were taken out."""
    if not tasks.looked_at(INDEX, CLUSTER_TASKS):
        return
    index = tasks.of(INDEX)
    others = (JOURNAL_END, PRESERVED, ARCHIVE, CLUSTER_TASKS)
    oldest = min((tasks.known[text].starttime for text in index), default=0)
    gone = {text for text in tasks.of(*others) - index - tasks.of(ACTIVE) if tasks.known[text].starttime >= oldest}
    if gone:
        yield tasks.missing("task_removed", others, (INDEX,), gone, "ended and are not in the task index")


def _without_end(tasks: _Tasks) -> Iterator[Gap]:
    """Started, and neither running nor ended anywhere: the node stopped, or the record is gone."""
    if not tasks.looked_at(INDEX, CLUSTER_TASKS, ARCHIVE):
        return
    ended = tasks.of(INDEX, ACTIVE, PRESERVED, ARCHIVE, CLUSTER_TASKS, JOURNAL_END)
    oldest = min((tasks.known[text].starttime for text in ended), default=0)
    newest = max((tasks.known[text].starttime for text in ended), default=0)
    started = tasks.of(JOURNAL_START, TEXTS)
    lost = {text for text in started - ended if oldest <= tasks.known[text].starttime < newest}
    if lost:
        yield tasks.missing("task_without_end", (JOURNAL_START, TEXTS), (INDEX,), lost, "started and have no end")


def _without_text(tasks: _Tasks) -> Iterator[Gap]:
    """Proxmox VE removes the text of a task only when the index has forgotten it."""
    texts = tasks.of(TEXTS)
    if not texts:
        return
    missing = tasks.of(INDEX) - texts
    oldest = min(tasks.known[text].starttime for text in texts)
    missing = {text for text in missing if tasks.known[text].starttime >= oldest}
    if missing:
        yield tasks.missing("text_missing", (INDEX,), (TEXTS,), missing, "are in the index, and their text is gone")


def _not_in_journal(tasks: _Tasks) -> Iterator[Gap]:
    """Each start of a task is a line of the journal. Where the journal is there and has other tasks, it lacks these."""
    journal = tasks.of(JOURNAL_START)
    if tasks.span is None or not journal:
        return
    others = (INDEX, PRESERVED, ARCHIVE, CLUSTER_TASKS)
    span = tasks.span
    lacking = {text for text in tasks.of(*others) - journal if span.holds(tasks.known[text].starttime)}
    if lacking:
        yield tasks.missing("start_not_logged", others, (JOURNAL_START,), lacking, "have no line of their start")


def _losses(events: Iterable[Event]) -> Iterator[Gap]:
    """What loggers say of messages that they lost, and of their own stops."""
    groups: dict[tuple[str, str], list[Event]] = defaultdict(list)
    for event in events:
        action = event["event"].get("action", "")
        if action in _LOSSES and event["event"].get("dataset") in (LINUX_LOG, "pve.archive"):
            groups[get_field(event, "host.name") or "", action].append(event)
    for (node, action), group in groups.items():
        times = [time for event in group if (time := event_time(event)) is not None]
        count = sum(number for event in group if isinstance(number := get_field(event, "pve.lost"), int))
        text = get_field(group[0], "error.message") or group[0]["event"].get("original", "")
        message = f"{count} messages of {node} are lost" if count else f"{len(group)} times on {node}: {text}"
        yield new_gap(action, node, message, times, ["journal"], lost=count)


def _silences(found: Found) -> Iterator[Gap]:
    for hole in found.holes:
        if hole.end < hole.start:
            message = f"the clock of {hole.node} went back by {human_duration(hole.start - hole.end)}"
            yield new_gap("clock_back", hole.node, message, (hole.end, hole.start), ["journal or access.log"])
            continue
        length = human_duration(hole.end - hole.start)
        message = f"{hole.node} ran and wrote nothing into its journal for {length}"
        yield new_gap("silent", hole.node, message, (hole.start, hole.end), ["journal"])


def find_agreements(found: Found) -> list[Gap]:
    """For each node the interval in which two independent sources have the same tasks, with these sources."""
    rows = []
    for tasks in _by_node(found):
        journal, index = tasks.of(JOURNAL_START), tasks.of(INDEX, CLUSTER_TASKS, PRESERVED, ARCHIVE)
        common = journal & index
        if tasks.span is None or not common or any(_gone_from_index(tasks)) or any(_without_end(tasks)):
            continue
        start = max(tasks.span.start, min(tasks.known[text].starttime for text in index))
        end = min(tasks.span.end, max(tasks.known[text].starttime for text in index | journal))
        inside = {text for text in index | journal if start + SECONDS <= tasks.known[text].starttime <= end - SECONDS}
        if start < end and inside <= common | tasks.of(ACTIVE):
            sources = [JOURNAL_START, *(one for one in (INDEX, PRESERVED, ARCHIVE) if tasks.looked_at(one))]
            rows.append(
                {
                    "node": tasks.node,
                    "from": rfc3339(start),
                    "until": rfc3339(end),
                    "sources": sources,
                    "records": len(inside),
                }
            )
    return rows
