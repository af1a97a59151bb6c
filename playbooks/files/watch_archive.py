# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run on a collector by verify_logging.yml: say when a mark comes into the archive of a node.

Arguments: archive directory, node, mark, seconds to wait, names of sources. Prints one JSON object: `seen`, source to
the time (epoch seconds of this clock) at which the mark was seen, for those that came, and `problems`, a sentence for
each file that could not be read. Reads only what is appended.
"""

from __future__ import annotations

import json
import os
import stat
import sys
import time
from pathlib import Path
from typing import Any

CHUNK = 1 << 20


class Tail:
    """What is appended to the open files of a node."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._places: dict[Path, int] = {}
        self._rest: dict[Path, bytes] = {}
        self.problems: dict[Path, str] = {}
        for path in directory.glob("*/*.log"):
            try:
                self._places[path] = path.stat().st_size
            except OSError as error:
                self.problems[path] = error.strerror or str(error)

    def contains(self, source: str, mark: bytes) -> bool:
        """Whether the mark is in what came since the last look, or lies across its beginning."""
        return any(mark in data for path in (self._directory / source).glob("*.log") for data in self._new(path, mark))

    def _new(self, path: Path, mark: bytes) -> list[bytes]:
        try:
            data = self._rest.get(path, b"") + self._read(path)
        except FileNotFoundError:
            return []  # it was closed meanwhile
        except OSError as error:
            self.problems[path] = error.strerror or str(error)
            return []
        self._rest[path] = data[-len(mark) :]
        return [data]

    def _read(self, path: Path) -> bytes:
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                raise OSError(0, "is not a regular file")
            stream.seek(self._places.get(path, 0))
            data = stream.read(CHUNK)
            self._places[path] = stream.tell()
            return data


def watch(archive: str, node: str, mark: str, seconds: float, sources: list[str]) -> dict[str, Any]:
    """Returns when all were seen, or the time is up."""
    end = time.monotonic() + seconds
    seen: dict[str, float] = {}
    tail = Tail(Path(archive, node))
    while len(seen) < len(sources) and time.monotonic() < end:
        for source in set(sources) - set(seen):
            if tail.contains(source, mark.encode()):
                seen[source] = time.time()
        time.sleep(0.05)
    return {"seen": seen, "problems": [f"{path}: {text}" for path, text in sorted(tail.problems.items())]}


if __name__ == "__main__":
    print(json.dumps(watch(sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4]), sys.argv[5:])))
