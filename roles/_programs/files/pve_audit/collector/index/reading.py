# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lines of a file of the archive, from a place on: what the index reads, and what is read without it, alike."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, NamedTuple

from pve_audit.collector.store import (
    LONGEST_LINE,
    UNREADABLE,
    DamagedError,
    DayFile,
    day_files,
    open_text,
)


class Line(NamedTuple):
    """A line with its break: where it begins in the uncompressed file, and its number from 1."""

    place: int
    number: int
    text: bytes


def files_of(archive: Path) -> list[DayFile]:
    """The files in the order in which their lines came, each once. Nobody may rename them meanwhile."""
    files = list(day_files(archive))
    # What is being closed is read from the file that is packed.
    closing = {(file.path.parent, file.stem) for file in files if file.kind == "closing"}
    found = [file for file in files if file.kind != "closed" or (file.path.parent, file.stem) not in closing]
    return sorted(found, key=order_of)


def order_of(file: DayFile) -> tuple[object, ...]:
    """By node and source, then in the order of time."""
    return (file.node, file.source, file.day, file.kind == "open", file.part)


def read_from(stream: IO[bytes], place: int, number: int, growing: bool) -> Iterator[Line]:
    """The lines from `place` on, where the line of this number begins. Raises DamagedError after the last that is read.

    The end of a file that grows is left alone until its break is there.
    """
    try:
        stream.seek(place)
        while text := stream.readline(LONGEST_LINE):
            if growing and not text.endswith(b"\n") and len(text) < LONGEST_LINE:
                return
            yield Line(place, number, text)
            place, number = place + len(text), number + 1
    except UNREADABLE as error:
        raise DamagedError(str(error)) from error


def first_line(path: Path) -> bytes:
    """Raises OSError, DamagedError."""
    try:
        with open_text(path) as stream:
            return stream.readline(LONGEST_LINE)
    except FileNotFoundError:
        raise
    except UNREADABLE as error:
        raise DamagedError(str(error)) from error


def lines_at(path: Path, wanted: Iterable[int]) -> dict[int, bytes]:
    """The lines that begin at these places, as far as they can be read now."""
    found = {}
    try:
        with open_text(path) as stream:
            for place in sorted(wanted):
                stream.seek(place)
                found[place] = stream.readline(LONGEST_LINE)
    except UNREADABLE:
        pass
    return found


def digest_of(line: bytes) -> str:
    """Of a whole line, empty for one that is still being written."""
    return hashlib.sha256(line).hexdigest() if line.endswith(b"\n") or len(line) >= LONGEST_LINE else ""
