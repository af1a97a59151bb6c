# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Count numbered lines in the archive. Run on the collector too, from standard input, so it needs nothing of ours.

The program's arguments are the mark (`burst` for burst-000001 ...), the source, and the root of the archive.
"""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

_ORIGIN = re.compile(r'\[pveaudit@32473 (?:\\.|"(?:\\.|[^"\\])*"|[^\]"\\])*\]')
_PLACES = ("cursor", "inode", "offset", "part")


def origin_of(line: str) -> str:
    """What tells a line from any other: the journal's cursor, or inode and offset; empty when there is nothing."""
    data = _ORIGIN.search(line)
    if data is None:
        return ""
    found = [re.search(rf' {name}="((?:\\.|[^"\\])*)"', data[0]) for name in _PLACES]
    return "|".join(one[0] for one in found if one)


def origin_of_entry(line: str) -> str:
    """The same for a received journal entry as JSON: what its cursor still has of the sender's cursor, which is the
    boot, both times and the hash of the fields.
    """
    parts: list[str] = json.loads(line)["__CURSOR"].split(";")
    return ";".join(part for part in parts if part[:2] in ("b=", "m=", "t=", "x="))


def count(lines: Iterable[str], mark: str, origin_of: Callable[[str], str] = origin_of) -> dict[str, int]:
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


def received(archive: Path, mark: str) -> dict[str, list[str]]:
    """For each node the entries in the files of systemd-journal-remote, which are named after the sender's address.

    Each file by itself: of entries that two files have in common journalctl shows one.
    """
    found: dict[str, list[str]] = {}
    for file in sorted(archive.glob("remote-*.journal*")):
        address = re.sub(r"^remote-(::ffff:)?|(@.*)?\.journal~?$", "", file.name)
        node = socket.getnameinfo((address, 0), 0)[0]
        words = ["journalctl", f"--file={file}", "--output=json", "--output-fields=MESSAGE", f"--grep={mark}"]
        shown = subprocess.run(words, capture_output=True, text=True, check=False).stdout
        found.setdefault(node, []).extend(shown.splitlines())
    return found


def main(mark: str, source: str, archive: str) -> None:
    """Print one JSON object: node to counts."""
    if archive.startswith("/var/log/journal/"):
        entries = received(Path(archive), mark)
        print(json.dumps({node: count(lines, mark, origin_of_entry) for node, lines in entries.items()}))
        return
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
