# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the ledgers of the nodes say of themselves: where they were blind, and where one lacks what others saw.

Every node of a cluster sees every change of `/etc/pve`, so each ledger is a witness of the others.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace

from ansible_collections.pve.audit.plugins.module_utils._evidence.found import Found
from ansible_collections.pve.audit.plugins.module_utils._evidence.question.gap import Gap, Span, new_gap
from ansible_collections.pve.audit.plugins.module_utils._model.coverage import Coverage
from ansible_collections.pve.audit.plugins.module_utils._model.event import Event, event_time, get_field
from ansible_collections.pve.audit.plugins.module_utils._parse.ledger_messages import CONFIG

_PROGRAM = "pve-audit-ledger"
_LATE = 5  # seconds in which all nodes have a change

Key = tuple[object, object]


def ledger_coverage(found: Found) -> list[Coverage]:
    """A row of `pve.config` for each node whose journal has lines of a ledger: from the first one to its end."""
    rows = []
    journals = {row.node: row for row in found.coverage if row.source == "pve.auth"}
    for node, events in _by_node(event for event in found.events if _is_ledgers(event)).items():
        times = [time for event in events if (time := event_time(event)) is not None]
        journal = journals.get(node)
        if not times or journal is None:
            continue
        row = replace(journal, source=CONFIG, start=min(times), oldest=min(times), reasons=list(journal.reasons))
        row.records, row.damaged = len(events), 0
        blind = sum(1 for event in events if get_field(event, "pve.incomplete") or get_field(event, "pve.unseen"))
        if blind:
            row.add_reason("records_missing", f"the ledger of {node} did not see all that was written, {blind} times")
        rows.append(row)
    return rows


def _is_ledgers(event: Event) -> bool:
    return event["event"].get("dataset") == CONFIG or get_field(event, "process.name") == _PROGRAM


def _by_node(events: Iterable[Event]) -> dict[str, list[Event]]:
    nodes: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        nodes[get_field(event, "host.name") or ""].append(event)
    return nodes


def find_ledger_gaps(found: Found) -> Iterator[Gap]:
    """Versions of the database that a ledger did not see, and changes that one ledger lacks and another has."""
    changes = _by_node(event for event in found.events if event["event"].get("dataset") == CONFIG)
    for node, events in changes.items():
        for name, what in (("incomplete", "were written and overwritten at once"), ("unseen", "came while it was off")):
            blind = [event for event in events if get_field(event, f"pve.{name}")]
            if blind:
                message = f"the ledger of {node} did not see what was in between: changes {what}"
                times = [time for event in blind if (time := event_time(event)) is not None]
                yield new_gap(f"ledger_{name}", node, message, times, ["ledger"])
    yield from _differing(found, changes)


def _differing(found: Found, changes: dict[str, list[Event]]) -> Iterator[Gap]:
    spans = {row.node: Span(row.start or 0.0, row.end or 0.0) for row in ledger_coverage(found)}
    seen = {node: {_key(event) for event in events} for node, events in changes.items()}
    for node, span in spans.items():
        lacking: dict[Key, tuple[float, str]] = {}
        excused = [event_time(event) or 0.0 for event in changes.get(node, ()) if _excuses(event)]
        for other, events in changes.items():
            for event in events if other != node else ():
                time, key = event_time(event), _key(event)
                if time is None or key in seen.get(node, set()) or not span.start + _LATE < time < span.end - _LATE:
                    continue
                if not any(abs(time - moment) <= _LATE for moment in excused):
                    lacking[key] = (time, other)
        if lacking:
            others = ", ".join(sorted({other for _time, other in lacking.values()}))
            count = f"{len(lacking)} change{'s' if len(lacking) > 1 else ''}"
            message = f"the ledger of {node} lacks {count} of /etc/pve that {others} saw"
            yield new_gap("ledger_differs", node, message, [time for time, _other in lacking.values()], ["ledger"])


def _key(event: Event) -> Key:
    return get_field(event, "pve.version"), get_field(event, "pve.file")


def _excuses(event: Event) -> bool:
    """Whether the ledger says itself that it missed something just then."""
    return bool(get_field(event, "pve.incomplete") or get_field(event, "pve.unseen"))
