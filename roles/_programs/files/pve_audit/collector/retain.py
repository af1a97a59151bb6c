# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deletes closed files that are older than the policy, and says so in the manifest before it does.

The clock of the collector does not decide alone. A day goes when as many days as the policy says have been closed after
it, a few days in each run, and only while most of the nodes say about the same time as the collector.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from pve_audit.collector.attributes import set_attribute
from pve_audit.collector.manifest import Entry, Manifest
from pve_audit.collector.settings import Settings
from pve_audit.collector.store import read_name
from pve_audit.files import sync_directory
from pve_audit.wire import format_seconds

STALE_DAYS = 7
CLOCK_SECONDS = 86400.0
Clocks = Mapping[str, float | None]


class RetainError(Exception):
    """Nothing was deleted, and why."""


@dataclass(frozen=True, slots=True)
class Retained:
    """What was deleted (or would be), and the days that are due too and wait for another run."""

    files: list[dict[str, Any]] = field(default_factory=list)
    rejected: list[str] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)


def retain(settings: Settings, now: float, clocks: Clocks, days: int | None = None, dry_run: bool = False) -> Retained:
    """Delete what is older than `days` (the policy unless told otherwise). Raises RetainError.

    Refuses less than the policy's minimum, and everything while a clock looks wrong (`clocks` are those of the nodes);
    keeps the newest `retention_kept_days` days of each node and source whatever their age.
    """
    kept = settings.retention_days if days is None else days
    if kept < settings.retention_minimum_days:
        raise RetainError(f"{kept} days are less than the minimum of {settings.retention_minimum_days} days")
    manifest = _undamaged(settings)
    _finish_deletions(settings, manifest.entries)
    today = datetime.fromtimestamp(now, UTC).date()
    due = due_entries(manifest.entries, today, kept, settings.retention_kept_days)
    lists = _old_lists(settings, today)
    if due or lists:
        _check_clock(manifest.entries, now, clocks)
    due_days = sorted({entry["day"] for entry in due})
    chosen, waiting = due_days[: settings.retention_days_per_run], due_days[settings.retention_days_per_run :]
    going = [entry for entry in due if entry["day"] in chosen]
    if not dry_run:
        for entry in going:
            _delete(settings, manifest, entry, now, kept)
        for path in lists:
            path.unlink(missing_ok=True)
    return Retained([_told(entry, not dry_run) for entry in going], [path.name for path in lists], waiting)


def _told(entry: Entry, deleted: bool) -> dict[str, Any]:
    return {**{name: entry[name] for name in ("file", "day", "sha256")}, "deleted": deleted}


def _undamaged(settings: Settings) -> Manifest:
    manifest = Manifest.read(settings.manifest, settings.head)
    if manifest.problems:
        raise RetainError(f"the manifest is damaged, nothing is deleted: {manifest.problems[0]}")
    return manifest


def due_entries(entries: list[Entry], today: date, kept: int, newest: int) -> list[Entry]:
    """Closed files of days older than `kept` days, both by the calendar and by the days that were closed since.

    Without the newest `newest` days of each node and source.
    """
    gone = {entry["file"] for entry in entries if entry["kind"] == "deleted"}
    closed = [entry for entry in entries if entry["kind"] == "closed"]
    seen = sorted({entry["day"] for entry in closed if entry["day"] <= today.isoformat()})
    if len(seen) <= kept:
        return []
    latest = min(seen[-kept - 1], (today - timedelta(days=kept + 1)).isoformat())
    left = [entry for entry in closed if entry["file"] not in gone]
    days: dict[tuple[str, str], set[str]] = {}
    for entry in left:
        days.setdefault((entry["node"], entry["source"]), set()).add(entry["day"])
    keep = {key: set(sorted(found)[max(0, len(found) - newest) :]) for key, found in days.items()}
    return [
        entry for entry in left if entry["day"] <= latest and entry["day"] not in keep[entry["node"], entry["source"]]
    ]


def _check_clock(entries: list[Entry], now: float, clocks: Clocks) -> None:
    """Raises RetainError unless days were closed lately, and most of the nodes say about the same time."""
    today = datetime.fromtimestamp(now, UTC).date()
    closed = [entry["day"] for entry in entries if entry["kind"] == "closed" and entry["day"] <= today.isoformat()]
    newest = max(closed, default="")
    if not newest or (today - date.fromisoformat(newest)).days > STALE_DAYS:
        raise RetainError(
            f"the newest closed day is {newest or 'none'} and today is {today}: is the clock right? Nothing is deleted"
        )
    _check_nodes(now, clocks)


def _check_nodes(now: float, clocks: Clocks) -> None:
    agree = [node for node, clock in clocks.items() if clock is not None and abs(now - clock) <= CLOCK_SECONDS]
    if 2 * len(agree) <= len(clocks) or not clocks:
        said = {node: "no time" if clock is None else _say(clock) for node, clock in sorted(clocks.items())}
        nodes = ", ".join(f"{node} {text}" for node, text in list(said.items())[:10]) or "there are none"
        raise RetainError(
            f"the clock here says {_say(now)}, and the newest lines of the nodes do not ({nodes}): "
            "is the clock right, and do the nodes send? Nothing is deleted"
        )


def _say(seconds: float) -> str:
    try:
        return format_seconds(seconds)
    except (ValueError, OverflowError, OSError):
        return "a time out of all bounds"


def _delete(settings: Settings, manifest: Manifest, entry: Entry, now: float, kept: int) -> None:
    note = {name: entry[name] for name in ("node", "source", "day", "file", "lines", "sha256", "file_sha256")}
    reason = f"older than {kept} days"
    note |= {"kind": "deleted", "time": format_seconds(now), "reason": reason}
    manifest.append(note)
    _unlink(settings, entry["file"])


def _finish_deletions(settings: Settings, entries: list[Entry]) -> None:
    """A crash may have come between the entry and the deletion."""
    for entry in entries:
        if entry["kind"] == "deleted":
            _unlink(settings, entry["file"])


def _unlink(settings: Settings, name: str) -> None:
    path = Path(settings.archive) / name
    file = read_name(path)
    if file is None or file.kind != "closed" or path.resolve().parent != path.parent.resolve():
        return
    with contextlib.suppress(FileNotFoundError):
        set_attribute(path, "none")
        os.unlink(path)
        sync_directory(path.parent)


def _old_lists(settings: Settings, today: date) -> list[Path]:
    """The oldest lists of rejected lines that are older than the policy; they are no evidence and in no manifest."""
    before = (today - timedelta(days=settings.retention_days)).isoformat()
    found = [path for path in sorted(Path(settings.rejected).glob("????-??-??.jsonl")) if path.stem < before]
    return found[: settings.retention_days_per_run]
