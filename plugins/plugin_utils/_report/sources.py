# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which sources of evidence were looked at, on which nodes, and which were not: what a statement may rest on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._model.coverage import SOURCES_OF_EVIDENCE, Coverage
from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.plugin_utils._report.intervals import common


def summarise_sources(
    coverage: Sequence[Coverage], records: Mapping[str, int], since: float | None, until: float
) -> dict[str, list[dict[str, Any]]]:
    """`{"looked_at", "not_looked_at"}`, in the order of SOURCES_OF_EVIDENCE. A source was looked at on the nodes of
    which there is a row.

    `looked_at` are `{"source", "complete", "nodes", "incomplete", "from", "until", "records"}`: `complete` when it was
    seen whole on every node that any row names, `incomplete` the nodes where it was not, from `from` to `until` it was
    seen on all of its nodes (both None: there is no such interval). `not_looked_at` are
    `{"source", "nodes", "records", "shows", "look"}`, for a source that was looked at on some of the nodes, too;
    `nodes` is empty when it was looked at nowhere. `records` are those of the source in `records`.

    Raises InputError for a row of a source that is not known.
    """
    nodes = dict.fromkeys(entry.node for entry in coverage)
    rows: dict[str, list[Coverage]] = {source: [] for source in SOURCES_OF_EVIDENCE}
    for number, entry in enumerate(coverage, 1):
        if entry.source not in rows:
            raise InputError(
                f"item {number} of the coverage has the source {entry.source!r}: take one of {', '.join(rows)}"
            )
        rows[entry.source].append(entry)
    missing = {source: [node for node in nodes if node not in _nodes(seen)] for source, seen in rows.items()}
    return {
        "looked_at": [
            _looked_at(source, seen, missing[source], records, common(seen, since, until))
            for source, seen in rows.items()
            if seen
        ],
        "not_looked_at": [
            {
                "source": source,
                "nodes": missing[source] if seen else [],
                "records": records.get(source, 0),
                "shows": SOURCES_OF_EVIDENCE[source].shows,
                "look": SOURCES_OF_EVIDENCE[source].look,
            }
            for source, seen in rows.items()
            if missing[source] or not seen
        ],
    }


def _nodes(seen: Sequence[Coverage]) -> list[str]:
    return list(dict.fromkeys(entry.node for entry in seen))


def _looked_at(
    source: str,
    seen: Sequence[Coverage],
    missing: Sequence[str],
    records: Mapping[str, int],
    interval: Mapping[str, str | None] | None,
) -> dict[str, Any]:
    incomplete = list(dict.fromkeys(entry.node for entry in seen if not entry.complete))
    return {
        "source": source,
        "complete": not incomplete and not missing,
        "nodes": _nodes(seen),
        "incomplete": incomplete,
        "from": interval and interval["from"],
        "until": interval and interval["until"],
        "records": records.get(source, 0),
    }
