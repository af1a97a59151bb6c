# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a gap is, and the interval in which a log was seen."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from ansible_collections.pve.audit.plugins.module_utils._evidence.found import Found
from ansible_collections.pve.audit.plugins.module_utils._model.time import rfc3339

Gap = dict[str, Any]
SECONDS = 2  # in which lines of one moment are written


class Span(NamedTuple):
    """An interval in epoch seconds."""

    start: float
    end: float

    def holds(self, time: float) -> bool:
        """Whether the time lies well inside, where lines of the same moment must be there too."""
        return self.start + SECONDS <= time <= self.end - SECONDS


def new_gap(code: str, node: str, message: str, times: Iterable[float], sources: Iterable[str], **more: Any) -> Gap:
    """A gap between the first and the last of some times in epoch seconds, of which these sources tell."""
    moments = sorted(times)
    return {
        "code": code,
        "node": node,
        "message": message,
        "from": rfc3339(moments[0]) if moments else None,
        "until": rfc3339(moments[-1]) if moments else None,
        "sources": list(sources),
        "upids": [],
        **more,
    }


def spans_of(found: Found, source: str) -> dict[str, Span]:
    """The interval that was seen of a source, by node; none where it was not seen."""
    return {
        row.node: Span(row.start, row.end)
        for row in found.coverage
        if row.source == source and row.start is not None and row.end is not None
    }
