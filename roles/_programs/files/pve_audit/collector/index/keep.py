# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps the index up: what came since it was kept last, and nothing of what is gone.

A batch of lines and how far it was read are one transaction: killed at any moment, or with a full disk, the index is as
it was after some batch, and the next run goes on there.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass, field, replace
from typing import IO

from pve_audit.collector.index.database import (
    Known,
    file_of,
    index_path,
    open_index,
    read_known,
    remove_index,
    transaction,
)
from pve_audit.collector.index.lines import Keys, context_of, group_of, keys_of_parts, may_matter, read_line
from pve_audit.collector.index.reading import Line, digest_of, order_of, read_from
from pve_audit.collector.index.survey import Survey, look_of, survey
from pve_audit.collector.index.table import INSERT
from pve_audit.collector.settings import Settings
from pve_audit.collector.store import UNREADABLE, DamagedError, DayFile, open_text
from pve_audit.files import exclusive_lock

# Lines, and bytes, of a transaction.
BATCH = 20_000
BATCH_BYTES = 8 << 20


@dataclass(slots=True)
class Kept:
    """What a run did. `behind` are files that could not be read now, `damaged` those that end in a damaged place."""

    files: int = 0
    lines: int = 0
    gone: int = 0
    behind: list[str] = field(default_factory=list)
    damaged: list[dict[str, str]] = field(default_factory=list)


def keep(settings: Settings, batch: int = BATCH, rebuild: bool = False) -> Kept:
    """Bring the index up to the lines that are there now. Raises OSError."""
    path = index_path(settings)
    path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    with exclusive_lock(path.parent / "lock"):
        if rebuild:
            remove_index(path)
        with open_index(settings) as connection:
            keeper = Keeper(settings, connection, batch)
            keeper.keep()
        for old in path.parent.glob("*.sqlite"):
            if old != path:
                remove_index(old)
    return keeper.kept


class Keeper:
    """One run. Nobody else writes to the index meanwhile."""

    def __init__(self, settings: Settings, connection: sqlite3.Connection, batch: int) -> None:
        """`batch` is the number of lines of a transaction."""
        self.kept = Kept()
        self._settings, self._connection, self._batch = settings, connection, batch
        self._rows: list[tuple[object, ...]] = []

    def keep(self) -> None:
        """Raises OSError, sqlite3.Error."""
        found = survey(self._settings, read_known(self._connection))
        self._settle(found)
        self.kept.files, self.kept.gone = len(found.files), len(found.gone)
        for file, known in found.news:
            self._read(file, known)
        self.kept.damaged += [
            {"file": f"{one.node}/{one.source}/{one.name}", "message": one.damage}
            for one in read_known(self._connection)
            if one.damage
        ]

    def _settle(self, found: Survey) -> None:
        """New names, and nothing of what is gone."""
        with transaction(self._connection):
            groups = {group for known in found.gone for group in self._forget(known)}
            for _file, known in found.news:
                self._connection.execute("UPDATE files SET name = ?, seen = '' WHERE id = ?", (known.name, known.id))
            self._join(groups)

    def _forget(self, known: Known) -> list[str]:
        """Returns the groups of parts that lost one."""
        rows = self._connection.execute("SELECT DISTINCT parts FROM pieces WHERE file = ?", (known.id,)).fetchall()
        for table, column in (("acts", "file"), ("pieces", "file"), ("files", "id")):
            self._connection.execute(f"DELETE FROM {table} WHERE {column} = ?", (known.id,))
        return [group for (group,) in rows]

    def _read(self, file: DayFile, known: Known) -> None:
        look = look_of(file.path)
        try:
            with open_text(file.path) as stream:
                known = self._begin(stream, known)
                lines = read_from(stream, known.place, known.line, file.kind != "closed")
                for batch, end in _batches(lines, self._batch):
                    known = self._add(file, known, batch, end, look)
        except FileNotFoundError:  # it was closed or deleted meanwhile
            self.kept.behind.append(str(file.path))
        except UNREADABLE as error:
            if not known.id:
                self.kept.damaged.append({"file": str(file.path), "message": str(error)})
            with transaction(self._connection):
                damage = (look, str(error), known.id)
                self._connection.execute("UPDATE files SET seen = ?, damage = ? WHERE id = ?", damage)

    def _begin(self, stream: IO[bytes], known: Known) -> Known:
        """Where to go on; from the start when the last line is not the one that was read."""
        if known.id and known.place:
            stream.seek(known.last)
            line = stream.readline(known.place - known.last)
            if digest_of(line) == known.tail:
                return known
        with transaction(self._connection):
            groups = self._forget(known) if known.id else []
            values = (known.node, known.source, known.name)
            new = self._connection.execute(
                "INSERT INTO files (node, source, name, seen, head, last, tail, place, line, damage, broken,"
                " broken_line) VALUES (?, ?, ?, '', '', 0, '', 0, 1, '', 0, 0)",
                values,
            )
            self._join(groups)
        return Known(int(new.lastrowid or 0), *values)

    def _add(self, file: DayFile, known: Known, batch: list[Line], end: str | None, look: str) -> Known:
        """One transaction. `end` is None before the last batch, else what is wrong with the file's end, if anything."""
        if batch:
            final = batch[-1]
            known = replace(
                known,
                head=known.head or digest_of(batch[0].text),
                last=final.place,
                tail=digest_of(final.text),
                place=final.place + len(final.text),
                line=final.number + 1,
            )
        if end is not None:
            known = replace(known, seen=look, damage=end)
        with transaction(self._connection):
            added = [self._add_line(file, known.id, line) for line in batch]
            self._flush()
            broken = [line.number for line, (_group, whole) in zip(batch, added, strict=True) if not whole]
            first = known.broken_line or next(iter(broken), 0)
            known = replace(known, broken=known.broken + len(broken), broken_line=first)
            self._join({group for group, _whole in added if group})
            values = (*astuple(known)[4:], known.id)
            self._connection.execute(
                "UPDATE files SET seen = ?, head = ?, last = ?, tail = ?, place = ?, line = ?, damage = ?, broken = ?,"
                " broken_line = ? WHERE id = ?",
                values,
            )
        self.kept.lines += len(batch)
        return known

    def _add_line(self, file: DayFile, number: int, line: Line) -> tuple[str, bool]:
        """Returns the group of a line that is a part of one, and whether it could be read."""
        if not may_matter(line.text):
            return "", True
        group = group_of(line.text)
        if group:
            values = (group, number, line.place, line.number, line.text)
            self._connection.execute("INSERT INTO pieces VALUES (?, ?, ?, ?, ?)", values)
            return group, True
        found = {keys for _event, keys in read_line(line.text, context_of(file))}
        self._insert(number, line, (keys for keys in found if keys is not None), "")
        return "", None not in found

    def _insert(self, number: int, line: Line, found: Iterable[Keys], group: str) -> None:
        self._rows += [(number, line.place, line.number, *keys, group, line.text) for keys in found]

    def _flush(self) -> None:
        self._connection.executemany(INSERT, self._rows)
        self._rows.clear()

    def _join(self, groups: Iterable[str]) -> None:
        """Each part of a line is found by what the whole line says, once all its parts are there."""
        for group in groups:
            self._connection.execute("DELETE FROM acts WHERE parts = ?", (group,))
            rows = self._connection.execute(
                "SELECT id, node, source, name, pieces.place, pieces.line, text FROM pieces JOIN files ON id = file"
                " WHERE parts = ?",
                (group,),
            )
            parts = [(row[0], file_of(self._settings, *row[1:4]), Line(*row[4:])) for row in rows]
            parts.sort(key=lambda part: (order_of(part[1]), part[2].place))
            found = keys_of_parts((file, line.text) for _number, file, line in parts)
            for number, _file, line in parts if found else ():
                self._insert(number, line, found, group)
        self._flush()


def _batches(lines: Iterator[Line], most: int) -> Iterator[tuple[list[Line], str | None]]:
    """Some lines at a time; with the last ones what is wrong with the end of the file, or an empty text."""
    batch: list[Line] = []
    size = 0
    damage = ""
    try:
        for line in lines:
            batch.append(line)
            size += len(line.text)
            if len(batch) >= most or size >= BATCH_BYTES:
                yield batch, None
                batch, size = [], 0
    except DamagedError as error:
        damage = str(error) or "it ends too early"
    yield batch, damage
