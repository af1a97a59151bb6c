# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the archive is still what the manifest says."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from pve_audit.collector.attributes import get_attribute
from pve_audit.collector.close import cap, hash_file, measure
from pve_audit.collector.manifest import Entry, check_head, read_entries
from pve_audit.collector.settings import Settings
from pve_audit.collector.store import UNREADABLE, DayFile, day_files, is_being_closed, is_candidate, unexpected_files

Problem = dict[str, str]


def verify(settings: Settings, now: float, quick: bool = False) -> dict[str, Any]:
    """The chain, the head, each closed file, and files that are in no entry. `quick` does not read the files.

    `problems` are signs of tampering or damage; `notes` are what the file system lacks or what is still to be done.
    """
    entries, broken = read_entries(settings.manifest)
    problems: list[Problem] = [{"file": "manifest.jsonl", "message": text} for text in broken]
    problems += [{"file": "manifest.jsonl", "message": text} for text in check_head(settings.head, entries)]
    notes: list[Problem] = []
    deleted = {entry.get("file") for entry in entries if entry.get("kind") == "deleted"}
    closed = [entry for entry in entries if _is_whole(entry) and entry["file"] not in deleted]
    for entry in closed:
        problems += _check_file(settings, entry, quick, notes)
    problems += _unknown(settings, entries, now, notes)
    head = entries[-1]["hash"] if entries else ""
    lines = sum(entry["lines"] for entry in closed)
    counts = {"entries": len(entries), "files": len(closed), "deleted": len(deleted), "lines": lines}
    return {"ok": not problems, **counts, "head": head, "problems": problems, "notes": notes}


def _is_whole(entry: Entry) -> bool:
    """Whether an entry has what the checks need; one that was tampered with is reported by its hash."""
    texts, numbers = ("file", "sha256", "file_sha256"), ("file_bytes", "bytes", "lines")
    right = all(isinstance(entry.get(name), str) for name in texts) and all(
        isinstance(entry.get(name), int) for name in numbers
    )
    return right and entry.get("kind") == "closed" and _is_name(entry["file"]) and {"first", "last"} <= set(entry)


def _is_name(name: str) -> bool:
    return ".." not in name and "\0" not in name


def _check_file(settings: Settings, entry: Entry, quick: bool, notes: list[Problem]) -> Iterator[Problem]:
    name = str(entry["file"])
    path = Path(settings.archive) / name
    try:
        state = os.lstat(path)
    except FileNotFoundError:
        yield {"file": name, "message": "is missing, and no entry says that it was deleted"}
        return
    if not stat.S_ISREG(state.st_mode):
        yield {"file": name, "message": "is not a regular file"}
        return
    if state.st_mode & 0o027 or state.st_uid != os.geteuid():
        yield {"file": name, "message": f"has the mode {stat.S_IMODE(state.st_mode):04o} and the owner {state.st_uid}"}
    if state.st_size != entry["file_bytes"]:
        yield {"file": name, "message": f"has {state.st_size} bytes, not {entry['file_bytes']}"}
    elif not quick:
        yield from _check_content(path, entry)
    attribute = get_attribute(path)
    if attribute == "unsupported":
        notes.append({"file": name, "message": "the file system has no immutable attribute"})
    elif attribute != "immutable":
        if entry.get("immutable") and not is_being_closed(path):
            yield {"file": name, "message": "lost its immutable attribute"}
        else:
            notes.append({"file": name, "message": "is not immutable"})


def _check_content(path: Path, entry: Entry) -> Iterator[Problem]:
    name = str(entry["file"])
    try:
        if hash_file(path) != entry["file_sha256"]:
            yield {"file": name, "message": "was changed: its SHA-256 is not the one of the manifest"}
            return
        found = measure(path)
    except UNREADABLE as error:
        yield {"file": name, "message": f"cannot be read: {error}"}
        return
    # An entry of a former version has the whole of a long place; its hash holds it.
    said = {**entry, **{key: cap(entry[key]) for key in ("first", "last") if isinstance(entry[key], str)}}
    for key in ("sha256", "lines", "bytes", "first", "last"):
        if getattr(found, key) != said[key]:
            yield {"file": name, "message": f"{key} of its content is not what the manifest says"}


def _unknown(settings: Settings, entries: list[Entry], now: float, notes: list[Problem]) -> Iterator[Problem]:
    archive = Path(settings.archive)
    by_file = {entry["file"]: entry.get("kind") for entry in entries if isinstance(entry.get("file"), str)}
    yesterday = datetime.fromtimestamp(now - settings.grace_seconds, UTC).date() - timedelta(days=1)
    for file in day_files(archive):
        name = str(file.path.relative_to(archive))
        if file.kind == "closed" and name not in by_file and not is_being_closed(file.path):
            yield {"file": name, "message": "is in no entry of the manifest"}
        else:
            text = _to_be_done(file, by_file.get(name), yesterday)
            notes += [{"file": name, "message": text}] if text else []
    for path in unexpected_files(archive, {settings.manifest, settings.reserve}):
        name = str(path.relative_to(archive))
        if is_candidate(path):
            notes.append({"file": name, "message": "was left by a closing that was cut short"})
        else:
            yield {"file": name, "message": "was not written by the collector"}


def _to_be_done(file: DayFile, kind: Any, yesterday: date) -> str:
    """What the next run of a timer has to do with a file, if anything."""
    if file.kind == "closed":
        unfinished: dict[Any, str] = {None: "is in no entry yet; the next closing finishes it"}
        unfinished["deleted"] = "is to be deleted; the next run of retention finishes it"
        return unfinished.get(kind, "")
    if file.day < yesterday:
        return "should have been closed by now"
    return "is open and not append-only" if file.kind == "open" and get_attribute(file.path) == "none" else ""
