# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Coverage: for one node and one source, from when to when it was really seen, and why not more."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._model.time import rfc3339

REASON_CODES = (
    "node_offline",
    "node_unreachable",
    "timed_out",
    "not_permitted",
    "ring_turned",
    "server_error",
    "corrupt_records",
    "unknown_node",
    "node_list_incomplete",
)


@dataclass
class Coverage:
    """What was seen of one source on one node. Times are epoch seconds.

    `start` and `end` bound the interval that was really seen; `start` None with `complete` True means from the very
    first record on, and both None means that nothing was seen at all.
    """

    node: str
    source: str = "pve.task"
    start: float | None = None
    end: float | None = None
    oldest: float | None = None
    records: int = 0
    reasons: list[dict[str, str]] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """True when there is no reason to doubt it."""
        return not self.reasons

    def add_reason(self, code: str, message: str) -> None:
        """Note why the source is not complete: a code for machines, a sentence for people."""
        self.reasons.append({"code": code, "message": message})

    def as_dict(self) -> dict[str, Any]:
        """The public form, with times in RFC 3339."""
        return {
            "node": self.node,
            "source": self.source,
            "complete": self.complete,
            "from": None if self.start is None else rfc3339(self.start),
            "until": None if self.end is None else rfc3339(self.end),
            "oldest": None if self.oldest is None else rfc3339(self.oldest),
            "records": self.records,
            "reasons": list(self.reasons),
        }


def incomplete_sentence(coverage: Iterable[Coverage]) -> str:
    """One sentence that names every node that was not seen whole, and why. Empty when all is complete."""
    parts = [
        f"{entry.node}: {'; '.join(reason['message'] for reason in entry.reasons)}"
        for entry in coverage
        if entry.reasons
    ]
    return "Not everything was seen. " + " | ".join(parts) if parts else ""
