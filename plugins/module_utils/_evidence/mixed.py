# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists of anything that the other parsers read, as one list of events without duplicates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._model.event import Event, unique_events
from ansible_collections.pve.audit.plugins.module_utils._parse.access import looks_like_access, parse_access_line
from ansible_collections.pve.audit.plugins.module_utils._parse.index import parse_index_line
from ansible_collections.pve.audit.plugins.module_utils._parse.journal import (
    looks_like_journal,
    parse_journal_line,
    parse_journal_record,
)
from ansible_collections.pve.audit.plugins.module_utils._parse.lines import EventIds, corrupt_event, decode_line
from ansible_collections.pve.audit.plugins.module_utils._parse.task import task_event

SOURCES = ("auto", "task", "access", "journal")
_JOURNAL_FIELDS = ("MESSAGE", "__REALTIME_TIMESTAMP", "__CURSOR")


@dataclass
class EventParser:
    """How to read a list: the kind of its lines, the node of lines that do not name one, and what dates mean.

    `reference` (epoch seconds) and `tz` are for lines without year or offset.
    """

    source: str = "auto"
    node: str = ""
    reference: float | None = None
    tz: tzinfo = UTC
    ids: EventIds = field(default_factory=EventIds)

    def read(self, items: Iterable[Any]) -> list[Event]:
        """The events of `items` in their order, one for each `event.id`.

        For one task the record that tells more wins: a finished one over a running one. Items that hold no evidence
        (other journal lines, empty lines) give nothing; broken lines give events of kind pipeline_error.
        Raises InputError naming the first item that is of no known kind.
        """
        return unique_events(event for event in self._each(items) if event is not None)

    def _each(self, items: Iterable[Any]) -> Iterator[Event | None]:
        for number, item in enumerate(items, 1):
            try:
                yield self.read_item(item)
            except InputError as err:
                raise InputError(f"item {number} of the list: {err}") from None

    def read_item(self, item: object) -> Event | None:
        """The event of one item, or None when it holds no evidence. Raises InputError for an item of no known kind."""
        if isinstance(item, (str, bytes)):
            return self._read_line(item)
        if not isinstance(item, Mapping):
            raise InputError(f"a {type(item).__name__} is neither a line nor a record")
        if isinstance(item.get("event"), Mapping) and "id" in item["event"]:
            return dict(item)
        if "upid" in item or self.source == "task":
            return self._read_task(item)
        if self.source == "journal" or any(name in item for name in _JOURNAL_FIELDS):
            return parse_journal_record(item, self.node, self.ids)
        if isinstance(item.get("t"), str):
            return self._read_line(item["t"])
        raise InputError("the dictionary is neither a task (no upid) nor a journal record (no MESSAGE)")

    def _read_task(self, record: Mapping[str, Any]) -> Event:
        if not isinstance(record.get("upid"), str):
            raise InputError("the task has no UPID")
        try:
            return task_event(record)
        except InputError as err:
            node = record.get("node")
            host = decode_line(node) if isinstance(node, str) else self.node
            return corrupt_event("pve.task", host, decode_line(record["upid"]), str(err), self.ids)

    def _read_line(self, line: str | bytes) -> Event | None:
        if not line.strip():
            return None
        text = decode_line(line)
        source = self.source if self.source != "auto" else _guess(text)
        if source == "task":
            try:
                return task_event(parse_index_line(text))
            except InputError as err:
                return corrupt_event("pve.task", self.node, text, str(err), self.ids)
        if source == "access":
            return parse_access_line(text, self.node, self.ids)
        if source == "journal":
            return parse_journal_line(text, self.node, self.ids, reference=self.reference, tz=self.tz)
        reason = "the line is of no known kind: it is no task, no access.log line and no journal line"
        return corrupt_event(None, self.node, text, reason, self.ids)


def _guess(text: str) -> str | None:
    if text.startswith("UPID:"):
        return "task"
    if looks_like_access(text):
        return "access"
    return "journal" if looks_like_journal(text) else None
