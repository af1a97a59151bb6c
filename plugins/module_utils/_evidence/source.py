# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a source of evidence is. `registry.py` lists them all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import Any, Union

from ansible_collections.pve.audit.plugins.module_utils._classify.action import Action
from ansible_collections.pve.audit.plugins.module_utils._model.event import Event
from ansible_collections.pve.audit.plugins.module_utils._parse.line_time import WallClock
from ansible_collections.pve.audit.plugins.module_utils._parse.lines import EventIds

Item = Union[str, Mapping[str, Any]]  # noqa: UP007 - the sanity tests read no | of types here
Found = Union[Event, list[Event], None]  # noqa: UP007


@dataclass
class Context:
    """What lines do not say themselves.

    `node` is the node of lines that do not name one; `reference` (epoch seconds) and `clock` are for lines without
    year or offset, in `tz`; `ids` tells identical lines of one collection apart. `parts` are those of lines that the
    forwarder had to cut, until all are there.
    """

    node: str = ""
    reference: float | None = None
    tz: tzinfo = UTC
    ids: EventIds = field(default_factory=EventIds)
    clock: WallClock = field(init=False)
    parts: dict[tuple[str, ...], dict[int, str]] = field(default_factory=dict)
    _places: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Begin to follow the clock of the lines."""
        self.clock = WallClock(self.tz)

    def of_node(self, node: str) -> Context:
        """The same for lines of `node`."""
        other = copy(self)
        other.node = node
        return other

    def seen(self, place: tuple[str, ...]) -> bool:
        """Whether the line of this place and text was read before; from now on it was."""
        key = hash(place)
        known = key in self._places
        self._places.add(key)
        return known


@dataclass(frozen=True)
class SourceCoverage:
    """What a source can say about its own completeness.

    `name` is the source in rows of coverage, `dated_by` the field of an event whose time decides when it enters the
    source, `reasons` are the codes of REASON_CODES that its rows can have; `forgets` and `blind_to` are for people.
    """

    name: str
    dated_by: str
    forgets: str
    blind_to: str
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class Source:
    """One kind of evidence.

    `name` is the choice of the filter `events`, `what` says what its items are and `line` what one of its lines is
    called; `datasets` are the `event.dataset` of its events. `record_keys` are keys that only its records have, empty
    when it has lines alone. `parse` gives the event of an item, a list of them where records ran together in one line,
    None when it is no evidence, and an event of kind pipeline_error when it is broken; it raises InputError for a
    record that cannot be one of this source. `classify` adds action, category, object_type, severity and, where there
    is a guest, vmid to an event in place.
    """

    name: str
    what: str
    line: str
    datasets: tuple[str, ...]
    looks_like: Callable[[str], bool]
    record_keys: tuple[str, ...]
    parse: Callable[[Item, Context], Found]
    classify: Callable[[Event], None]
    coverage: SourceCoverage

    def recognises(self, item: Item) -> bool:
        """True when a line or record is one of this source, broken ones included."""
        if isinstance(item, str):
            return self.looks_like(item)
        return any(key in item for key in self.record_keys)


def name_action(event: Event, action: Action) -> None:
    """Write an action of the catalogue into an event."""
    event["event"]["action"] = action.name
    event["event"]["category"] = [action.category]
    event["pve"]["object_type"] = action.object_type
    event["pve"]["severity"] = action.severity
