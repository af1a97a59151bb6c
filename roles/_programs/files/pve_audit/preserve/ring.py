# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PVE's ring of two index files: read from one moment, recognised by content, and what is new or missing in it.

Pure but for `read_ring`.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from pve_audit.files import open_checked, read_tail
from pve_audit.say import CRITICAL, say

RING_LIMIT = 50_000
# PVE renames the index when a line takes it beyond RING_LIMIT. One that is larger than this was not written by PVE.
MOST_READ = 1024 * 1024
TRIES = 100
# What the state keeps of a file of the ring: `offset` (all before it is harvested), `sha256` of that, `size`, `live`.
Mark = dict[str, Any]


class RingFile(NamedTuple):
    """`live`: it is the index that PVE appends to; else it is `index.1`, which is finished."""

    live: bool
    content: bytes

    @property
    def end(self) -> int:
        """Where what can be harvested ends: the last line of the live index may still be in the making."""
        return self.content.rfind(b"\n") + 1 if self.live else len(self.content)


@dataclass
class Harvest:
    """What one look at the ring found. `ring` is what to recognise its files by next time, oldest first."""

    data: bytes = b""
    ring: list[Mark] = field(default_factory=list)
    gap: dict[str, Any] | None = None


def read_ring(ring: Path) -> list[RingFile]:
    """Both files, `index.1` first, from one moment: no rename lies in between. Raises OSError, and Refused.

    Whoever puts something else there has stopped the harvest, and it says so; nothing is lost before PVE's next rename,
    which takes it away.
    """
    for _try in range(TRIES):
        with contextlib.ExitStack() as stack:
            opened = [(ring / name, _open(stack, ring / name)) for name in ("index.1", "index")]
            if all(_still_there(path, handle) for path, handle in opened):
                return [
                    RingFile(path.name == "index", _read(path, handle)) for path, handle in opened if handle is not None
                ]
        time.sleep(0.01)
    raise OSError(f"{ring}: the index was renamed at each of {TRIES} tries to read it")


def _open(stack: contextlib.ExitStack, path: Path) -> int | None:
    """No link is followed: the ring's directory belongs to www-data, and the archive is read by others than root."""
    try:
        handle = open_checked(path)
    except FileNotFoundError:
        return None
    stack.callback(os.close, handle)
    return handle


def _still_there(path: Path, handle: int | None) -> bool:
    try:
        found = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return handle is None
    return handle is not None and os.path.samestat(found, os.fstat(handle))


def _read(path: Path, handle: int) -> bytes:
    data, left = read_tail(handle, MOST_READ)
    if left:
        say(CRITICAL, f"{path} is larger than Proxmox VE makes it: its first {left} bytes are not read")
    return data


def find_new(files: Sequence[RingFile], known: list[Mark], archived: Sequence[bytes], limit: int) -> Harvest:
    """What of the ring is not in the archive yet.

    `archived` are the newest archived lines, for when nothing is recognised; `limit` is PVE's size of the ring file.
    """
    places = recognise(files, known)
    newest = max((number for number, place in enumerate(places) if place == len(known) - 1), default=None)
    first_run = not known and not archived
    # Files before this one are no successors of what we know: lines of theirs may be in the archive already.
    doubtful = 0 if first_run else len(files) if newest is None else newest
    result, twice = _take(files, known, places, doubtful, archived)
    if newest is None and not first_run and result.ring:
        result.gap = _gap(files, known, archived, twice, limit)
    elif newest == 1 and places[0] is None and len(known) == 2:
        result.gap = {"kind": "rewritten", "certain": False}
    if not result.ring:
        result.ring = known
    return result


def _take(
    files: Sequence[RingFile],
    known: list[Mark],
    places: list[int | None],
    doubtful: int,
    archived: Sequence[bytes],
) -> tuple[Harvest, bool]:
    """The lines that are new, and whether lines of the first `doubtful` files were in the archive."""
    result, twice = Harvest(), False
    left = Counter(archived)
    for number, (file, place) in enumerate(zip(files, places, strict=True)):
        start = 0 if place is None else known[place]["offset"]
        end = max(start, file.end)
        fresh = file.content[start:end]
        if place is None and number < doubtful:
            rest = b"".join(_not_archived(fresh, left))
            twice = twice or len(rest) < len(fresh)
            fresh = rest
        result.data += fresh if not fresh or fresh.endswith(b"\n") else fresh + b"\n"
        if end:
            digest = hashlib.sha256(file.content[:end]).hexdigest()
            result.ring.append({"offset": end, "sha256": digest, "size": len(file.content), "live": file.live})
    return result, twice


def recognise(files: Sequence[RingFile], known: list[Mark]) -> list[int | None]:
    """For each file of the ring which known one it is, or None. A known file only grows."""
    free = list(range(len(known)))
    places: list[int | None] = []
    for file in files:
        hit = next((place for place in free if _is_grown(file.content, known[place])), None)
        if hit is not None:
            free = [place for place in free if place > hit]
        places.append(hit)
    return places


def _is_grown(content: bytes, mark: Mark) -> bool:
    offset: int = mark["offset"]
    return len(content) >= offset and hashlib.sha256(content[:offset]).hexdigest() == str(mark["sha256"])


def has_unknown_before_newest(files: Sequence[RingFile], known: list[Mark]) -> bool:
    """Whether a file that is older than the newest known one is not recognised."""
    hits = recognise(files, known)
    return len(hits) == 2 and hits[0] is None and hits[1] == len(known) - 1


def split_lines(data: bytes) -> list[bytes]:
    """The lines without their ends. Only a line feed ends one: a status may hold a carriage return."""
    lines = data.split(b"\n")
    return lines if lines[-1] else lines[:-1]


def _not_archived(data: bytes, left: Counter[bytes]) -> Iterator[bytes]:
    for line in split_lines(data):
        if left[line] > 0:
            left[line] -= 1
        else:
            yield line + b"\n"


def _gap(
    files: Sequence[RingFile], known: list[Mark], archived: Sequence[bytes], twice: bool, limit: int
) -> dict[str, Any] | None:
    """Why the ring does not go on where the archive ends; None when nothing but our state was lost.

    `turned` is certain when PVE's rule leaves no other way: what we knew was the live index and had room, so that a
    line that we never saw must have filled it before it was renamed, and its successor is full as well.
    """
    lines = {line for file in files for line in split_lines(file.content)}
    if archived and archived[-1] in lines:
        return None if not known else {"kind": "rewritten", "certain": False}
    if twice:
        return {"kind": "rewritten", "certain": False}
    if not known:
        return {"kind": "state_lost", "certain": False}
    if not any(not file.live and len(file.content) > limit for file in files):
        return {"kind": "removed", "certain": False}
    return {"kind": "turned", "certain": bool(known[-1]["live"] and known[-1]["size"] <= limit)}
