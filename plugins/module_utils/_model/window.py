# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The window: a stretch of time in which too much, or too little, happened."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._model.event import Event


@dataclass
class Window:
    """Merged matching windows of one group.

    `group` holds the values of the fields that tell groups apart; `start` and `end` are the times of the first and
    the last event; `count` is the highest measure of a single window, `total` the number of events from start to end;
    `values` are the distinct counted values in order of first appearance.
    """

    group: dict[str, Any]
    start: str
    end: str
    count: int
    total: int
    values: list[Any]
    event_ids: list[str]
    events: list[Event] = field(repr=False)

    def as_dict(self) -> dict[str, Any]:
        """The public form, without the events themselves."""
        return {
            "group": self.group,
            "start": self.start,
            "end": self.end,
            "count": self.count,
            "total": self.total,
            "values": self.values,
            "event_ids": self.event_ids,
        }
