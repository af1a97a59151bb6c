# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The names in the archive: NODE/SOURCE/YYYY-MM-DD.log while open, .log.gz or .log.xz once closed."""

from __future__ import annotations

import contextlib
import gzip
import lzma
import os
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import IO, cast

from pve_audit.collector.settings import COMPONENT
from pve_audit.files import open_regular

_NAME = re.compile(r"(\d{4}-\d\d-\d\d)(?:\.part(\d{1,6}))?\.log(|\.closing|\.gz|\.xz)")
ENDINGS = {"gzip": ".gz", "xz": ".xz"}
LONGEST_LINE = 1 << 20
# What reading a damaged file raises.
UNREADABLE = (OSError, EOFError, lzma.LZMAError, zlib.error)


class DamagedError(Exception):
    """A file of the archive cannot be read, or only to some place."""


@dataclass(frozen=True, slots=True)
class DayFile:
    """A file of a node's source and day. `kind`: open, closing, closed. Part 2 on: lines after closing."""

    path: Path
    node: str
    source: str
    day: date
    part: int
    kind: str

    @property
    def stem(self) -> str:
        """`2026-11-23.log`, `2026-11-23.part2.log`."""
        return f"{self.day}.part{self.part}.log" if self.part > 1 else f"{self.day}.log"


def candidate_of(target: Path) -> Path:
    """Where a closed file is made before it gets its name."""
    return target.with_name(f".{target.name}.new")


def is_being_closed(packed: Path) -> bool:
    """Whether the file that it is made of is still there: closing was cut short, and the next one finishes it."""
    file = read_name(packed)
    return file is not None and os.path.isfile(packed.with_name(f"{file.stem}.closing"))


def is_candidate(path: Path) -> bool:
    """Whether a closing that was cut short left it (see `candidate_of`)."""
    packed = path.with_name(path.name[1:].removesuffix(".new"))
    return path == candidate_of(packed) and not path.is_symlink() and path.is_file() and is_being_closed(packed)


def day_files(archive: Path) -> Iterator[DayFile]:
    """All files of the archive, sorted by name. Links and foreign names are passed over (see `unexpected_files`)."""
    for path in sorted(archive.glob("*/*/*")):
        found = read_name(path)
        if found is not None:
            yield found


def read_name(path: Path) -> DayFile | None:
    """None for anything that the collector did not name."""
    match = _NAME.fullmatch(path.name)
    source, node = path.parent.name, path.parent.parent.name
    if match is None or path.is_symlink() or not (COMPONENT.fullmatch(node) and COMPONENT.fullmatch(source)):
        return None
    try:
        day = date.fromisoformat(match[1])
    except ValueError:
        return None
    kind = {"": "open", ".closing": "closing"}.get(match[3], "closed")
    return DayFile(path, node, source, day, int(match[2] or 1), kind)


def unexpected_files(archive: Path, known: set[Path]) -> Iterator[Path]:
    """What lies in the archive and is neither a directory, nor one of `known`, nor named by the collector."""
    for path in sorted(archive.rglob("*")):
        if path.is_symlink() or (not path.is_dir() and path not in known and read_name(path) is None):
            yield path


@contextlib.contextmanager
def open_text(path: Path) -> Iterator[IO[bytes]]:
    """The uncompressed content of a file of the archive. Raises OSError; what is no regular file is not opened."""
    with open(open_regular(path), "rb") as raw:
        stream: IO[bytes] = raw
        try:
            if path.name.endswith(".gz"):
                stream = cast(IO[bytes], gzip.GzipFile(fileobj=raw))
            elif path.name.endswith(".xz"):
                stream = lzma.LZMAFile(raw)  # noqa: SIM115 - closed below, whatever happens to who reads
            yield stream
        finally:
            stream.close()


def read_lines(path: Path) -> Iterator[bytes]:
    """The lines, with their breaks; of one that is longer than any that is taken in, pieces.

    Raises FileNotFoundError, and DamagedError after the last line that can be read.
    """
    try:
        with open_text(path) as stream:
            while line := stream.readline(LONGEST_LINE):
                yield line
    except FileNotFoundError:
        raise
    except UNREADABLE as error:
        raise DamagedError(str(error)) from error
