# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deletes closed files that are older than the policy, and says so in the manifest before it does."""

from __future__ import annotations

import contextlib
import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from pve_audit.collector.attributes import set_attribute
from pve_audit.collector.manifest import Entry, append_entry, read_entries
from pve_audit.collector.settings import Settings
from pve_audit.collector.store import read_name
from pve_audit.files import sync_directory
from pve_audit.wire import format_seconds

STALE_DAYS = 7


class RetainError(Exception):
    """Nothing was deleted, and why."""


def retain(settings: Settings, now: float, days: int | None = None, dry_run: bool = False) -> list[dict[str, Any]]:
    """Delete what is older than `days` (the policy unless told otherwise). Returns the files. Raises RetainError.

    Refuses less than the policy's minimum; keeps the newest `retention_kept_days` days of each node and source whatever
    their age; deletes nothing when nothing was closed lately, because then the clock may be wrong.
    """
    kept = settings.retention_days if days is None else days
    if kept < settings.retention_minimum_days:
        raise RetainError(f"{kept} days are less than the minimum of {settings.retention_minimum_days} days")
    entries, problems = read_entries(settings.manifest)
    if problems:
        raise RetainError(f"the manifest is damaged, nothing is deleted: {problems[0]}")
    _finish_deletions(settings, entries)
    today = datetime.fromtimestamp(now, UTC).date()
    due = due_entries(entries, today - timedelta(days=kept), settings.retention_kept_days)
    if due:
        _check_clock(entries, today)
    results = []
    for entry in due:
        if not dry_run:
            _delete(settings, entry, now, kept)
        results.append({"file": entry["file"], "day": entry["day"], "sha256": entry["sha256"], "deleted": not dry_run})
    return results


def due_entries(entries: list[Entry], before: date, newest: int) -> list[Entry]:
    """Closed files of days before `before`, without the newest `newest` days of each node and source."""
    gone = {entry["file"] for entry in entries if entry["kind"] == "deleted"}
    closed = [entry for entry in entries if entry["kind"] == "closed" and entry["file"] not in gone]
    days: dict[tuple[str, str], set[str]] = {}
    for entry in closed:
        days.setdefault((entry["node"], entry["source"]), set()).add(entry["day"])
    keep = {key: set(sorted(found)[max(0, len(found) - newest) :]) for key, found in days.items()}
    return [
        entry
        for entry in closed
        if date.fromisoformat(entry["day"]) < before and entry["day"] not in keep[entry["node"], entry["source"]]
    ]


def _check_clock(entries: list[Entry], today: date) -> None:
    newest = max(entry["day"] for entry in entries if entry["kind"] == "closed")
    if (today - date.fromisoformat(newest)).days > STALE_DAYS:
        raise RetainError(
            f"the newest closed day is {newest} and today is {today}: is the clock right? Nothing is deleted"
        )


def _delete(settings: Settings, entry: Entry, now: float, kept: int) -> None:
    note = {name: entry[name] for name in ("node", "source", "day", "file", "lines", "sha256", "file_sha256")}
    reason = f"older than {kept} days"
    note |= {"kind": "deleted", "time": format_seconds(now), "reason": reason}
    append_entry(settings.manifest, settings.head, note)
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


def prune_rejected(settings: Settings, now: float) -> list[str]:
    """Delete lists of rejected lines older than the policy; they are no evidence and in no manifest."""
    before = datetime.fromtimestamp(now, UTC).date() - timedelta(days=settings.retention_days)
    gone = []
    for path in sorted(Path(settings.rejected).glob("????-??-??.jsonl")):
        if path.stem < before.isoformat():
            path.unlink()
            gone.append(path.name)
    return gone
