# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The archive of a collector: NODE/SOURCE/YYYY-MM-DD.log, packed once the day is closed."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from datetime import UTC, datetime, tzinfo
from functools import partial

from ansible_collections.pve.audit.plugins.module_utils._evidence.found import ARCHIVE, Found
from ansible_collections.pve.audit.plugins.module_utils._evidence.source import Context
from ansible_collections.pve.audit.plugins.module_utils._model.coverage import Coverage
from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._parse.facts import LINUX_AUTH, PVE_AUTH
from ansible_collections.pve.audit.plugins.module_utils._parse.journal import short_host
from ansible_collections.pve.audit.plugins.module_utils._parse.lines import EventIds
from ansible_collections.pve.audit.plugins.module_utils._places.files import Entry, Root, list_folder, read_lines
from ansible_collections.pve.audit.plugins.module_utils._places.reading import (
    AFTER,
    BEFORE,
    Interval,
    Reader,
    judge_row,
    missing_row,
)
from ansible_collections.pve.audit.plugins.module_utils._places.sieve import AccessSieve

_NAME = re.compile(
    r"(\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01]))(?:\.part(\d{1,6}))?\.log(|\.closing|\.gz|\.xz)", re.ASCII
)
# Sources of the forwarder's default set that are evidence: the row of coverage, and what people call it. Those without
# a row tell of lines that were lost.
_SOURCES: dict[str, tuple[str, str]] = {
    "access.log": ("pve.access", "access.log"),
    "tasks": ("pve.task", "task log"),
    "journal": (PVE_AUTH, "journal"),
    "task-gaps": ("", ""),
    "forward": ("", ""),
    "heartbeat": ("", ""),
}
_THIN = 8 * 1024 * 1024
_PACKED = 15


def read_archive(path: str, interval: Interval, tz: tzinfo, *, now: float, nodes: Collection[str] = ()) -> Found:
    """What the archive holds of the interval, of all nodes or of some.

    Raises InputError when the folder is none, is no archive, or has nothing of a node that is asked for.
    """
    if not os.path.isdir(path):
        raise InputError(f"path {path!r} is no folder: give the folder of the collector's archive")
    days = {node: _days(path, node) for node in _names(path)}
    days = {node: found for node, found in days.items() if any(found.values())}
    if not days:
        raise InputError(f"path {path!r} is no archive of a collector: it has no NODE/SOURCE/YYYY-MM-DD.log")
    if unknown := sorted(set(nodes) - {short_host(node) for node in days} - set(days)):
        raise InputError(f"nodes: the archive has nothing of {', '.join(unknown)}, only of {', '.join(sorted(days))}")
    found, ids = Found(), EventIds()
    for node, sources in days.items():
        if not nodes or not {node, short_host(node)}.isdisjoint(nodes):
            _read_node(path, node, sources, interval, Context(short_host(node), now, tz, ids), found)
    return found


def _names(path: str) -> list[str]:
    return [entry.name for entry in list_folder(Root(path)) if entry.kind == "folder"]


def _days(path: str, node: str) -> dict[str, list[Entry]]:
    """The files of each source in order of day and part. A day that is being closed is read from its old file."""
    found: dict[str, list[Entry]] = {}
    for source in _SOURCES:
        files: dict[tuple[str, int], Entry] = {}
        for entry in list_folder(Root(path), os.path.join(node, source)):
            match = _NAME.fullmatch(entry.name)
            if match is not None and entry.kind == "file":
                key = (match[1], int(match[2] or 1))
                if key not in files or match[3] == ".closing":
                    files[key] = entry
        found[source] = [files[key] for key in sorted(files)]
    return found


def _read_node(
    path: str, node: str, days: dict[str, list[Entry]], interval: Interval, context: Context, found: Found
) -> None:
    alive = _last_heartbeat(path, days["heartbeat"], interval, context)
    size = sum(entry.size * (_PACKED if entry.name.endswith(("z",)) else 1) for entry in days["access.log"])
    for source, (dataset, what) in _SOURCES.items():
        files = [entry for entry in days[source] if _matters(entry, interval)]
        reader = Reader(found, context.node, dataset, "archive", interval, context, ARCHIVE)
        if source == "access.log":
            reader.sieve = AccessSieve(thin=size > _THIN)
        if source == "tasks" and files:
            found.records.setdefault((context.node, ARCHIVE), set())
        for entry in files:
            reader.read(entry.path, partial(read_lines, Root(path), entry.path))
        if dataset:
            found.coverage += _rows(reader, interval, what, alive, there=bool(days[source]))


def _last_heartbeat(path: str, files: list[Entry], interval: Interval, context: Context) -> float | None:
    """When the forwarder last said that it lives: until then a quiet log is whole. What it could not read is a gap."""
    own = Context(context.node, context.reference, context.tz)  # what it saw must not count as seen before
    reader = Reader(Found(), context.node, "", "archive", interval, own)
    for entry in [entry for entry in files if _matters(entry, interval)][-1:]:
        reader.read(entry.path, partial(read_lines, Root(path), entry.path))
    return reader.row.end


def _rows(reader: Reader, interval: Interval, what: str, alive: float | None, *, there: bool) -> Iterator[Coverage]:
    if not there:
        row = missing_row(reader.node, reader.source, what, "the archive")
    else:
        row = judge_row(reader, interval, f"the archived {what}", alive=alive)
    yield row
    if row.source == PVE_AUTH:
        yield Coverage(row.node, LINUX_AUTH, row.start, row.end, row.oldest, row.records, row.damaged, row.reasons)


def _matters(entry: Entry, interval: Interval) -> bool:
    """Whether the day of a file may hold something about the interval. Days are those of the collector."""
    try:
        first = datetime.fromisoformat(f"{entry.name[:10]}T00:00:00").replace(tzinfo=UTC).timestamp()
    except (ValueError, OverflowError):  # 31 February: no day, and what it holds may matter
        return True
    late = interval.until is not None and first - 86400 > interval.until + AFTER
    return not late and not (interval.since is not None and first + 2 * 86400 < interval.since - BEFORE["archive"])
