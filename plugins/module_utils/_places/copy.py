# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A saved copy of logs: a folder for each node, with the logs beside each other or in a tree as on the node."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from datetime import tzinfo
from functools import partial

from ansible_collections.pve.audit.plugins.module_utils._evidence.found import (
    ACTIVE,
    INDEX,
    PRESERVED,
    TEXTS,
    Found,
)
from ansible_collections.pve.audit.plugins.module_utils._evidence.source import Context
from ansible_collections.pve.audit.plugins.module_utils._model.coverage import Coverage
from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._parse.facts import LINUX_AUTH, PVE_AUTH
from ansible_collections.pve.audit.plugins.module_utils._parse.lines import EventIds
from ansible_collections.pve.audit.plugins.module_utils._places.files import (
    Entry,
    Root,
    list_folder,
    read_lines,
    same_content,
)
from ansible_collections.pve.audit.plugins.module_utils._places.journald import journal_lines
from ansible_collections.pve.audit.plugins.module_utils._places.reading import (
    Interval,
    Lines,
    Reader,
    by_rotation,
    judge_row,
    missing_row,
)
from ansible_collections.pve.audit.plugins.module_utils._places.sieve import AccessSieve

# Where each log may lie in the folder of a node.
_LOGS = ("", "var/log")
_ACCESS = ("", "pveproxy", "var/log/pveproxy")
_TASKS = ("tasks", "pve/tasks", "var/log/pve/tasks", "")
_PRESERVED = ("pve-audit/tasks", "var/log/pve-audit/tasks")
_ROTATED = r"(?:[.-]\d{1,8})?(?:\.(?:gz|xz|zst|bz2))?"
_NAMES = {
    "access": re.compile(rf"access\.log{_ROTATED}"),
    "journal": re.compile(rf"journal(?:-[\w.-]+)?\.json{_ROTATED}"),
    "text": re.compile(rf"(?:syslog|messages|auth\.log|daemon\.log|user\.log){_ROTATED}"),
    "index": re.compile(r"index(?:\.1)?(?:\.gz)?"),
    "active": re.compile(r"active"),
    "day": re.compile(rf"\d{{4}}-\d\d-\d\d\.index{_ROTATED}"),
}
_THIN = 8 * 1024 * 1024  # bytes of access logs from which reads are left out
_PACKED = 15  # how much a packed log is larger


def read_copy(path: str, interval: Interval, tz: tzinfo, *, now: float, live: str = "") -> Found:
    """All that the copy holds. `live`: it is no copy but the root of this node, which has that name.

    Raises InputError when there is no such folder, or nothing in it is a log of a node.
    """
    if not os.path.isdir(path):
        raise InputError(f"path {path!r} is no folder: give the folder that holds a folder for each node")
    root = Root(path, bool(live))
    nodes = {live: ""} if live else _nodes(root)
    if not nodes:
        raise InputError(
            f"path {path!r} holds no logs: it needs a folder for each node with access.log, journal.json or syslog, "
            "and tasks/, or a tree var/log"
        )
    found = Found()
    ids = EventIds()
    logs = {node: _logs(root, folder) for node, folder in nodes.items()}
    size = sum(_size(entry) for one in logs.values() for entry in one["access"])
    for node, entries in logs.items():
        copy = NodeCopy(root, node, entries, interval, Context(node, now, tz, ids))
        copy.read(found, thin=size > _THIN)
    return found


def _nodes(root: Root) -> dict[str, str]:
    """The folders of nodes by name. A folder that holds the logs of one node itself counts as that node."""
    folders = [entry for entry in list_folder(root) if entry.kind == "folder"]
    nodes = {entry.name: entry.name for entry in folders if any(_logs(root, entry.name).values())}
    own = os.path.basename(os.path.abspath(root.path))
    return nodes if nodes and not any(_logs(root, "")["access"]) else {own: ""} if any(_logs(root, "").values()) else {}


def _logs(root: Root, folder: str) -> dict[str, list[Entry]]:
    """The files of a node by what they are, oldest first."""
    places = {"access": _ACCESS, "journal": _LOGS, "text": _LOGS, "index": _TASKS, "active": _TASKS, "day": _PRESERVED}
    logs = {kind: list(_matching(root, folder, kind, below)) for kind, below in places.items()}
    logs["texts"] = list(_texts(root, folder))
    logs["binary"] = [
        entry
        for entry in list_folder(root, os.path.join(folder, "var/log"))
        if entry.name == "journal" and entry.kind == "folder" and not logs["journal"]
    ]
    return logs


def _matching(root: Root, folder: str, kind: str, below: Iterable[str]) -> Iterator[Entry]:
    for place in below:
        entries = {entry.name: entry for entry in list_folder(root, os.path.join(folder, place))}
        names = [name for name in entries if _NAMES[kind].fullmatch(name) and entries[name].kind != "folder"]
        yield from (entries[name] for name in by_rotation(names) if not _is_packed_again(root, entries, name))


def _is_packed_again(root: Root, entries: dict[str, Entry], name: str) -> bool:
    """A file beside which the same lies unpacked, as after `gunzip -k`: read twice, its lines would count twice."""
    plain = entries.get(name.rpartition(".")[0]) if name.endswith((".gz", ".xz")) else None
    return plain is not None and plain.kind == "file" and same_content(root, plain.path, entries[name].path)


def _texts(root: Root, folder: str) -> Iterator[Entry]:
    """The texts of tasks, whose names are UPIDs."""
    for place in _TASKS:
        for entry in list_folder(root, os.path.join(folder, place)):
            if entry.kind == "folder" and re.fullmatch("[0-9A-F]|texts", entry.name):
                yield from (text for text in list_folder(root, entry.path) if text.name.startswith("UPID:"))


def _size(entry: Entry) -> int:
    return entry.size * (_PACKED if entry.name.endswith((".gz", ".xz")) else 1)


class NodeCopy:
    """The logs of one node in the copy."""

    def __init__(
        self, root: Root, node: str, logs: dict[str, list[Entry]], interval: Interval, context: Context
    ) -> None:
        self._root, self._node, self._logs = root, node, logs
        self._interval, self._context, self._live = interval, context, root.live
        self._place = "the node" if root.live else "the copy"

    def read(self, found: Found, *, thin: bool) -> None:
        """Read all logs into `found`, with a row of coverage for each source."""
        days = self._interval.days() if thin else []
        access = Reader(found, self._node, "pve.access", "access", self._interval, self._context)
        access.sieve = AccessSieve(thin=thin, days=days)
        tasks = self._read_tasks(found)
        rows = [self._row(access, "access", "access.log"), *self._journal(found)]
        # A quiet node has no tasks for hours: its task log is as young as its other logs, which are always written.
        taken = max((row.end for row in rows if row.end is not None), default=None)
        if tasks is None:
            rows.append(missing_row(self._node, "pve.task", "task log", self._place))
        else:
            rows.append(judge_row(tasks, self._interval, "the task log", live=self._live, alive=taken))
        found.coverage += rows

    def _row(self, reader: Reader, kind: str, what: str) -> Coverage:
        entries = self._logs[kind]
        if not entries:
            return missing_row(self._node, reader.source, what, self._place)
        for entry in entries:
            self._file(reader, entry)
        return judge_row(reader, self._interval, what, live=self._live)

    def _file(self, reader: Reader, entry: Entry) -> None:
        if entry.kind != "file":
            reader.row.add_reason("unreadable", f"{entry.path} {entry.kind}")
            return
        if entry.modified:
            self._context.reference = entry.modified + 86400
        reader.read(entry.path, partial(self._lines, entry))

    def _lines(self, entry: Entry) -> Lines:
        return read_lines(self._root, entry.path)

    def _read_tasks(self, found: Found) -> Reader | None:
        """The reader of the task log when it is there."""
        reader = Reader(found, self._node, "pve.task", "task", self._interval, self._context)
        if not (self._logs["index"] or self._logs["day"]):
            return None
        for kind, record in (("day", PRESERVED), ("index", INDEX), ("active", ACTIVE)):
            reader.record = record
            for entry in self._logs[kind]:
                found.records.setdefault((self._node, record), set())
                self._file(reader, entry)
        texts = {entry.name for entry in self._logs["texts"]}
        if texts:
            found.records[self._node, TEXTS] |= texts
        return reader

    def _journal(self, found: Found) -> list[Coverage]:
        """The journal, and text logs only where there is none: rsyslog writes the same messages again."""
        reader = Reader(found, self._node, PVE_AUTH, "journal", self._interval, self._context)
        if self._live or self._logs["binary"]:
            binary = self._logs["binary"][0].path if self._logs["binary"] else "var/log/journal"
            own = self._live and os.path.realpath(self._root.path) == "/"  # and no disk of another node
            directory = "" if own else os.path.join(self._root.path, binary)
            reader.read("journal", partial(journal_lines, self._interval, directory))
            row = judge_row(reader, self._interval, "the journal", live=self._live)
        elif self._logs["journal"]:
            row = self._row(reader, "journal", "journal")
        else:
            row = self._row(reader, "text", "syslog" if self._logs["text"] else "journal and no syslog")
        twin = Coverage(row.node, LINUX_AUTH, row.start, row.end, row.oldest, row.records, row.damaged, row.reasons)
        return [row, twin]
