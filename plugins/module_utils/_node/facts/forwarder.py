# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The forwarder, from its own status file and from what the journal holds beyond the position in it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._node.facts.node import (
    NodeSnapshot,
    Part,
    available,
    unavailable,
    utc,
)

STATUS = "/run/pve-audit/forward.json"
CONFIG = "/etc/pve-audit/forward.json"
UNIT = "pve-audit-forward.service"
# The status is written every 2 seconds; it may stand still for so many.
STALE_SECONDS = 60
# What the journal holds may wait for so many seconds.
BEHIND_SECONDS = 300


def forwarder(node: NodeSnapshot) -> Part:
    """The forwarder's own status file, and whether its service runs. `problems`: why lines may not arrive."""
    active = node.unit(UNIT).get("ActiveState") == "active"
    status = node.json(STATUS)
    if status is None:
        return unavailable(f"there is no status of a forwarder ({STATUS})", active=active)
    pipelines = [item for item in status.get("pipelines", []) if isinstance(item, dict)]
    acknowledged = [item["last_acknowledged"] for item in pipelines if item.get("last_acknowledged")]
    errors = [item["last_error"] for item in pipelines if item.get("last_error")]
    newest = max(errors, key=lambda error: error.get("time") or 0, default=None)
    return available(
        active=active,
        updated=utc(status.get("updated")),
        # With several pipelines the slowest one counts: what it has not sent is not safe there.
        last_acknowledged=utc(min(acknowledged)) if acknowledged and len(acknowledged) == len(pipelines) else None,
        last_acknowledged_seconds_ago=round(node.now - min(acknowledged)) if acknowledged else None,
        connected=[item.get("connected") for item in pipelines],
        queue=_queue(pipelines),
        last_error={"time": utc(newest.get("time")), "message": newest.get("message")} if newest else None,
        pipelines=pipelines,
        problems=list(_problems(node, active, status, pipelines)),
    )


def _queue(pipelines: list[dict[str, Any]]) -> dict[str, Any]:
    """What waits, of the pipeline or source that is worst: lines in flight, bytes of files, seconds of the journal."""
    sources = [source for item in pipelines for source in (item.get("sources") or {}).values()]
    behind = [source["behind_seconds"] for source in sources if source.get("behind_seconds") is not None]
    return {
        "in_flight": sum(item.get("in_flight") or 0 for item in pipelines),
        "bytes": sum(source.get("backlog_bytes") or 0 for source in sources),
        "behind_seconds": max(behind, default=None),
    }


def _problems(
    node: NodeSnapshot, active: bool, status: dict[str, Any], pipelines: list[dict[str, Any]]
) -> Iterator[str]:
    if not active:
        yield f"{UNIT} does not run"
        return
    age = node.now - (status.get("updated") or 0)
    if age > STALE_SECONDS:
        yield f"the forwarder has not renewed its status for {age:.0f} seconds"
        return
    for pipeline in pipelines:
        yield from _problems_of(node, pipeline)


def _problems_of(node: NodeSnapshot, pipeline: dict[str, Any]) -> Iterator[str]:
    name = str(pipeline.get("name"))
    if not pipeline.get("connected"):
        error = (pipeline.get("last_error") or {}).get("message")
        yield f"the pipeline {name} has no connection to a collector" + (f": {error}" if error else "")
        return
    sources: dict[str, Any] = pipeline.get("sources") or {}
    for source, figures in sorted(sources.items()):
        if why := _unread(figures):
            yield f"the forwarder cannot read the source {source}: {why}"
    journal = sources.get("journal") or {}
    waiting = _oldest_waiting(node, str(journal.get("cursor") or ""))
    if waiting is not None and node.now - waiting > BEHIND_SECONDS:
        yield f"the pipeline {name} is connected, and the journal since {utc(waiting)} was not acknowledged"


def _unread(figures: dict[str, Any]) -> str:
    """What of a source cannot be read, and why."""
    refused = figures.get("refused") or []
    return str(figures.get("error") or "; ".join(f"{one.get('path')} {one.get('why')}" for one in refused))


def _oldest_waiting(node: NodeSnapshot, cursor: str) -> float | None:
    """When the first entry was written that the collector has not confirmed; None when there is none, or no cursor."""
    if not cursor:
        return None
    journal = ((node.json(CONFIG) or {}).get("sources") or {}).get("journal")
    matches = [str(one) for one in journal.get("matches") or []] if isinstance(journal, dict) else []
    script = 'journalctl --after-cursor="$@" -o json --output-fields=MESSAGE_ID --no-pager 2>/dev/null | head -n 1'
    first = node.run(["sh", "-c", script, "sh", cursor, *matches])
    try:
        return int(json.loads(first.stdout)["__REALTIME_TIMESTAMP"]) / 1e6
    except (ValueError, KeyError, TypeError):
        return None
