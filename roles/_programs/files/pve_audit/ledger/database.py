# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The database of pmxcfs (`/var/lib/pve-cluster/config.db`, table `tree`), read only and never for long.

Every write raises the version of the row `__version__`, and each row carries the version, the second and the node id of
its last change. A new row's inode is the version at which it was made. A transaction that stays open would keep pmxcfs'
write-ahead log from being restarted, so each look is one short transaction.
[pve-cluster: src/pmxcfs/memdb.c, database.c]
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

PATH = "/var/lib/pve-cluster/config.db"
DIRECTORY, FILE = 4, 8
_ROOT = 0
_NONE: frozenset[int] = frozenset()
_ROWS = "SELECT inode, parent, version, writer, mtime, type, CAST(name AS BLOB), data FROM tree WHERE version > ?"


class Row(NamedTuple):
    """One file or directory. `writer` is the node id in corosync.conf, 0 in a node without a cluster."""

    inode: int
    parent: int
    version: int
    writer: int
    mtime: int
    kind: int
    name: str
    data: bytes


@dataclass(frozen=True)
class Look:
    """What was found at once: the last write of all, the rows changed since the look before, and all inodes."""

    version: int
    writer: int
    mtime: int
    rows: Mapping[int, Row]
    inodes: frozenset[int]


class Database:
    """Looks at the file, whichever lies there now. `look` raises OSError and sqlite3.Error, and may be called again."""

    def __init__(self, path: str = PATH) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        self._seen = -1
        self._frozen = False

    def look(self, since: int) -> Look | None:
        """What changed after version `since`, -1 for all; None when nothing was written since the last look."""
        connection = self._connected()
        seen = connection.execute("PRAGMA data_version").fetchone()[0]
        if seen == self._seen:
            return None
        connection.execute("BEGIN")
        try:
            root = connection.execute("SELECT version, writer, mtime FROM tree WHERE inode = ?", (_ROOT,)).fetchone()
            if root is None:
                raise sqlite3.DatabaseError("there is no row __version__")
            changed = root[0] != since
            rows = connection.execute(_ROWS, (since,)).fetchall() if changed else []
            inodes = frozenset(row[0] for row in connection.execute("SELECT inode FROM tree")) if changed else _NONE
        finally:
            connection.rollback()
        self._seen = seen
        if not changed:
            return None
        version, writer, mtime = root
        rows_below = {row[0]: _row(row) for row in rows if row[0] != _ROOT}
        return Look(version, writer, mtime, rows_below, inodes - {_ROOT})

    def close(self) -> None:
        """Let go of the file, and remember which it was."""
        if self._connection is not None:
            self._connection.close()
        self._connection, self._seen = None, -1

    @property
    def is_new(self) -> bool:
        """Whether another file lies there than at the last look: then nothing known of it holds."""
        return self._file is None or self._file != _identity(self._path)

    def _connected(self) -> sqlite3.Connection:
        log = f"{self._path}-wal"
        if self._connection is None or self.is_new or (self._frozen and os.path.exists(log)):
            self.close()
            identity = _identity(self._path)
            # Without a write-ahead log nobody writes, and SQLite could not make one where we may not write.
            self._frozen = not os.path.exists(log)
            mode = "mode=ro&immutable=1" if self._frozen else "mode=ro"
            uri = f"{Path(self._path).absolute().as_uri()}?{mode}"
            self._connection = sqlite3.connect(uri, uri=True, timeout=2.0, isolation_level=None)
            self._file = identity
        return self._connection


def _identity(path: str) -> tuple[int, int]:
    found = os.stat(path)
    return found.st_dev, found.st_ino


def _row(row: tuple[int, int, int, int, int, int, bytes, bytes | None]) -> Row:
    inode, parent, version, writer, mtime, kind, name, data = row
    return Row(inode, parent, version, writer, mtime, kind, name.decode("utf-8", "backslashreplace"), _bytes(data))


def _bytes(data: object) -> bytes:
    if isinstance(data, str):
        return data.encode("utf-8", "surrogateescape")
    return data if isinstance(data, bytes) else b""
