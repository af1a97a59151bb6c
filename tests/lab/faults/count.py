# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Count numbered lines in the archive. Run on the collector too, from standard input, so it needs nothing of ours.

The program's arguments are the mark (`burst` for burst-000001 ...), the source, and the root of the archive.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

_ORIGIN = re.compile(r'\[pveaudit@32473 (?:\\.|"(?:\\.|[^"\\])*"|[^\]"\\])*\]')
_PLACES = ("cursor", "inode", "offset", "part")


def count(lines: Iterable[str], mark: str) -> dict[str, int]:
    """`distinct` numbers, `lines`, `repeated` lines whose origin is that of an earlier one (duplicates that can be
    recognised), and `unmarked`: duplicates that cannot.
    """
    numbered = re.compile(re.escape(mark) + r"-(\d{6})")
    origins: dict[int, set[str]] = {}
    total = repeated = unmarked = 0
    for line in lines:
        found = numbered.search(line)
        if found is None:
            continue
        total += 1
        number, origin = int(found[1]), origin_of(line)
        seen = origins.setdefault(number, set())
        if origin and origin in seen:
            repeated += 1
        elif seen:
            unmarked += 1
        seen.add(origin)
    return {"distinct": len(origins), "lines": total, "repeated": repeated, "unmarked": unmarked}


def origin_of(line: str) -> str:
    """What tells a line from any other: the journal's cursor, or inode and offset; empty when there is nothing."""
    data = _ORIGIN.search(line)
    if data is None:
        return ""
    found = [re.search(rf' {name}="((?:\\.|[^"\\])*)"', data[0]) for name in _PLACES]
    return "|".join(one[0] for one in found if one)


def main(mark: str, source: str, archive: str) -> None:
    """Print one JSON object: node to counts."""
    result: dict[str, Any] = {}
    for node in sorted(Path(archive).iterdir()):
        if not node.is_dir():
            continue
        lines: list[str] = []
        for file in sorted((node / source).glob("*.log")):
            with file.open(encoding="utf-8", errors="replace") as stream:
                lines += (line for line in stream if mark in line)
        result[node.name] = count(lines, mark)
    print(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
