# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes a database as pmxcfs does: the recorded schema, versions, inodes, temporary names, locks, write-ahead log.

[pve-cluster: src/pmxcfs/database.c, memdb.c]; the numbers were compared with the recording in tests/unit/data/ledger.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

_NUMBER = "{0} INTEGER NOT NULL CHECK(typeof({0})=='integer')"
_NUMBERS = ", ".join(_NUMBER.format(name) for name in ("parent", "version", "writer", "mtime", "type"))
SCHEMA = f"CREATE TABLE tree (inode INTEGER PRIMARY KEY NOT NULL, {_NUMBERS}, name TEXT NOT NULL, data BLOB)"
DIRECTORY, FILE = 4, 8


class Pmxcfs:
    """One cluster file system. `writer` is the node that writes next, `now` its clock."""

    def __init__(self, path: Path, writer: int = 1, now: int | None = None) -> None:
        self.path, self.writer, self.now = path, writer, now
        new = not path.exists()
        self._base = sqlite3.connect(path, isolation_level=None)
        self._base.execute("PRAGMA journal_mode=WAL")
        if new:
            self._base.execute(SCHEMA)
            self._base.execute(
                "INSERT INTO tree VALUES (0, 0, 1, ?, ?, 8, '__version__', NULL)", (writer, self._time())
            )

    def write(self, path: str, data: bytes, process: int = 4711, lock: bool = False) -> None:
        """As a tool of Proxmox VE does it: a temporary file that is renamed over the old one."""
        held = self.make_directory(f"priv/lock/file-{path.replace('/', '_').replace('.', '_')}") if lock else None
        parent, name = self._place(path)
        inode = self._insert(parent, f"{name}.tmp.{process}", FILE)
        self._step("UPDATE tree SET data = ? WHERE inode = ?", data, inode, row=inode)
        self.rename(f"{path}.tmp.{process}", path)
        if held is not None:
            self.remove_inode(held)

    def fill(self, folder: str, names: list[str], data: bytes) -> None:
        """Many files at once, as if each had been written long ago."""
        parent = self.make_directory(folder)
        with self._base:
            self._base.execute("BEGIN IMMEDIATE")
            first = self._version() + 1
            rows = [
                (first + 3 * number, parent, first + 3 * number + 2, self.writer, self._time(), FILE, name, data)
                for number, name in enumerate(names)
            ]
            self._base.executemany("INSERT INTO tree VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
            self._base.execute("UPDATE tree SET version = ? WHERE inode = 0", (first + 3 * len(names),))

    def append(self, path: str, data: bytes) -> None:
        """As a shell's `>>` does it: the inode stays."""
        inode = self._find(path)
        assert inode is not None
        old = self._base.execute("SELECT data FROM tree WHERE inode = ?", (inode,)).fetchone()[0] or b""
        self._step("UPDATE tree SET data = ? WHERE inode = ?", old + data, inode, row=inode)

    def rename(self, old: str, new: str) -> None:
        """`mv`; what is there is replaced."""
        inode, there = self._find(old), self._find(new)
        assert inode is not None
        parent, name = self._place(new)
        with self._base:
            self._base.execute("BEGIN IMMEDIATE")
            if there is not None:
                self._base.execute("DELETE FROM tree WHERE inode = ?", (there,))
            self._base.execute("UPDATE tree SET parent = ?, name = ? WHERE inode = ?", (parent, name, inode))
            self._next(inode)

    def remove(self, path: str) -> None:
        """`rm`."""
        inode = self._find(path)
        assert inode is not None
        self.remove_inode(inode)

    def remove_inode(self, inode: int) -> None:
        self._step("DELETE FROM tree WHERE inode = ?", inode, row=None)

    def make_directory(self, path: str) -> int:
        """`mkdir -p`; the inode."""
        inode = 0
        for number, name in enumerate(parts := path.split("/"), 1):
            found = self._find("/".join(parts[:number]))
            inode = self._insert(inode, name, DIRECTORY) if found is None else found
        return inode

    def tree(self) -> dict[str, bytes]:
        """Every file by path."""
        rows = {row[0]: row[1:] for row in self._base.execute("SELECT inode, parent, name, type, data FROM tree")}
        found = {}
        for inode, (parent, name, kind, data) in rows.items():
            path, above = name, parent
            while above:
                above, path = rows[above][0], f"{rows[above][1]}/{path}"
            if inode and kind == FILE:
                found[path] = data or b""
        return found

    def close(self) -> None:
        """As pmxcfs ends: without a write-ahead log."""
        self._base.close()

    def _place(self, path: str) -> tuple[int, str]:
        folder, _slash, name = path.rpartition("/")
        return (self.make_directory(folder) if folder else 0), name

    def _find(self, path: str) -> int | None:
        inode = 0
        for name in path.split("/"):
            query = "SELECT inode FROM tree WHERE parent = ? AND name = ? AND inode != 0"
            row = self._base.execute(query, (inode, name)).fetchone()
            if row is None:
                return None
            inode = row[0]
        return inode

    def _insert(self, parent: int, name: str, kind: int) -> int:
        with self._base:
            self._base.execute("BEGIN IMMEDIATE")
            inode = self._version() + 1
            values = (inode, parent, inode, self.writer, self._time(), kind, name)
            self._base.execute("INSERT INTO tree VALUES (?, ?, ?, ?, ?, ?, ?, NULL)", values)
            self._next(None)
        return inode

    def _step(self, sql: str, *values: object, row: int | None) -> None:
        with self._base:
            self._base.execute("BEGIN IMMEDIATE")
            self._base.execute(sql, values)
            self._next(row)

    def _next(self, inode: int | None) -> None:
        values = (self._version() + 1, self.writer, self._time())
        rows = (0,) if inode is None else (0, inode)
        for row in rows:
            self._base.execute("UPDATE tree SET version = ?, writer = ?, mtime = ? WHERE inode = ?", (*values, row))

    def _version(self) -> int:
        return int(self._base.execute("SELECT version FROM tree WHERE inode = 0").fetchone()[0])

    def _time(self) -> int:
        return int(time.time()) if self.now is None else self.now


def copy_database(source: Path, target: Path) -> None:
    """A copy of a database that may be in use."""
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)
