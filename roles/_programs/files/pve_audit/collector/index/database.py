# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The index as a file: an SQLite database in a directory of the collector's state."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pve_audit.collector.index.lines import reader_digest
from pve_audit.collector.index.table import SQLITE
from pve_audit.collector.settings import Settings
from pve_audit.collector.store import DayFile, read_name

_ENDINGS = ("", "-wal", "-shm")


class IndexFault(OSError):
    """The index cannot be read or kept."""


@dataclass(frozen=True, slots=True)
class Known:
    """What the index knows of a file. The names are the columns of its table.

    `seen` is how the file looked when it was read to its end, `head` and `tail` are digests of its first line and of
    the last one that was read, which begins at `last`; the next one has the number `line` and begins at `place`.
    `broken` lines cannot be read as evidence, the first is `broken_line`.
    """

    id: int
    node: str
    source: str
    name: str
    seen: str = ""
    head: str = ""
    last: int = 0
    tail: str = ""
    place: int = 0
    line: int = 1
    damage: str = ""
    broken: int = 0
    broken_line: int = 0


def index_path(settings: Settings) -> Path:
    """Another reader has another file: it makes its index beside the old one."""
    return settings.index / f"{reader_digest()}.sqlite"


@contextlib.contextmanager
def open_index(settings: Settings) -> Iterator[sqlite3.Connection]:
    """The index; empty when there was none, or one that is no database. Raises IndexFault, OSError."""
    path = index_path(settings)
    path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    try:
        try:
            connection = _connect(path)
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode not in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
                raise
            remove_index(path)
            connection = _connect(path)
        with contextlib.closing(connection):
            yield connection
    except sqlite3.Error as error:
        remedy = "`pve-audit-archive index --rebuild` makes it again, `find --scan` does without it"
        raise IndexFault(f"the index {path} cannot be used: {error}. {remedy}") from error


def _connect(path: Path) -> sqlite3.Connection:
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o640))
    connection = sqlite3.connect(path, timeout=60, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            with transaction(connection):
                for statement in SQLITE:
                    connection.execute(statement)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def remove_index(path: Path) -> None:
    """With the files that SQLite keeps beside it."""
    for ending in _ENDINGS:
        path.with_name(path.name + ending).unlink(missing_ok=True)


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All of it or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise


def read_known(connection: sqlite3.Connection) -> list[Known]:
    """All files that the index knows."""
    return [Known(*row) for row in connection.execute(f"SELECT {', '.join(Known.__slots__)} FROM files ORDER BY id")]


def file_of(settings: Settings, node: str, source: str, name: str) -> DayFile:
    """A file that the index names. Raises IndexFault for a name that is none of the archive."""
    file = read_name(Path(settings.archive, node, source, name))
    if file is None:
        raise IndexFault(f"the index names {node}/{source}/{name}, which is no file of the archive")
    return file
