# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a place gave: the events that can decide something, where each of them stands, and what was seen of each source.

A place is a saved copy of logs, the archive of a collector, the API, or the nodes themselves.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._model.coverage import Coverage
from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._model.event import Event, get_field, require_events
from ansible_collections.pve.audit.plugins.module_utils._parse.facts import LINUX_AUTH, LINUX_LOG, PVE_AUTH
from ansible_collections.pve.audit.plugins.module_utils._parse.messages import ACTION_TASK_END, ACTION_TASK_START

INDEX, ACTIVE, TEXTS, PRESERVED = "tasks/index", "tasks/active", "task texts", "preserved tasks"
CLUSTER_TASKS, ARCHIVE, JOURNAL_START, JOURNAL_END = "/cluster/tasks", "archive", "journal (start)", "journal (end)"
JOURNAL = (PVE_AUTH, LINUX_AUTH, LINUX_LOG)


@dataclass
class Hole:
    """A time in which a running node wrote nothing into its journal, in epoch seconds; one that ends before it starts
    is a step back of the clock."""

    node: str
    start: float
    end: float


@dataclass
class Found:
    """What a place gave.

    `places` has file and line of an event by its id. `records` are the UPIDs that each of the sources above has, by
    node and source. `holes` are silences of nodes. A source without an entry in `records` was not looked at.
    """

    events: list[Event] = field(default_factory=list)
    coverage: list[Coverage] = field(default_factory=list)
    places: dict[str, tuple[str, str]] = field(default_factory=dict)
    records: dict[tuple[str, str], set[str]] = field(default_factory=lambda: defaultdict(set))
    holes: list[Hole] = field(default_factory=list)

    def add(self, event: Event, file: str, place: str, source: str = "") -> None:
        """Keep a classified event, where it stands, and the task that it tells of; `source` is one of those above."""
        self.events.append(event)
        identity = event["event"].get("id")
        if identity:
            self.places.setdefault(identity, (file, place))
        self.note(event, source)

    def note(self, event: Event, source: str) -> None:
        """Note the task that an event tells of, whether or not the event is kept."""
        upid, node = get_field(event, "pve.upid"), get_field(event, "host.name") or ""
        about = {ACTION_TASK_START: JOURNAL_START, ACTION_TASK_END: JOURNAL_END}.get(
            event["event"].get("action", ""), source
        )
        if isinstance(upid, str) and about:
            self.records[node, about].add(upid)

    def as_dict(self) -> dict[str, Any]:
        """A form that JSON can carry from a node to the controller, for `from_dict`."""
        return {
            "events": self.events,
            "coverage": [row.as_dict() for row in self.coverage],
            "places": {identity: list(place) for identity, place in self.places.items()},
            "records": [[node, source, sorted(upids)] for (node, source), upids in sorted(self.records.items())],
            "holes": [[hole.node, hole.start, hole.end] for hole in self.holes],
        }

    def merge(self, other: object) -> None:
        """Add what `as_dict` gave on another node. Raises InputError for anything else, and for a node that is there.

        A node speaks for itself alone: what it says of others is left out, and counted against it.
        """
        try:
            if not isinstance(other, Mapping):
                raise TypeError
            rows = [Coverage.from_dict(row) for row in other["coverage"]]
            own = {row.node for row in rows}
            if twice := sorted(own & {row.node for row in self.coverage}):
                raise InputError(f"two answers speak for {', '.join(twice)}: one of them is not of that node")
            events = require_events(other["events"])
            kept = [event for event in events if get_field(event, "host.name") in own]
            for row in rows if len(kept) < len(events) else ():
                count = len(events) - len(kept)
                row.add_reason("corrupt_records", f"{row.node} told {count} records of other nodes, which do not count")
            self.events += kept
            self.coverage += rows
            self.places |= {str(key): (str(file), str(place)) for key, (file, place) in other["places"].items()}
            for node, source, upids in other["records"]:
                if node in own:
                    self.records[str(node), str(source)].update(map(str, upids))
            self.holes += [
                Hole(str(node), float(start), float(end)) for node, start, end in other["holes"] if node in own
            ]
        except InputError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError):
            raise InputError("this is not what pve.audit.evidence_info returns with as=found") from None


def nodes_of(rows: Iterable[Coverage]) -> list[str]:
    """The names of all nodes that have a row of coverage."""
    return sorted({row.node for row in rows})
