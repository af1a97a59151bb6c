# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our side of the task log: the archive of index lines and texts, the state, and a harvest that no crash splits."""

from __future__ import annotations

import base64
import errno
import json
import os
import re
import shutil
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pve_audit.files import Refused, open_checked, open_regular, read_tail, write_atomic
from pve_audit.preserve.ring import RING_LIMIT, find_new, has_unknown_before_newest, read_ring, split_lines
from pve_audit.say import CRITICAL, ERROR, WARNING, say
from pve_audit.wire import format_seconds

# An end time follows the UPID; the UPID is a file name, so it holds no slash. Its id may hold spaces and colons. On a
# full disk lines are cut, and the next record stands right behind the stump.
LINE = re.compile(rb"(UPID:(?:(?!UPID:)[^/\x00\n])*?:) ([0-9A-Fa-f]{8})(?=\s|$|UPID:)")
DAY = re.compile(r"(\d{4}-\d{2}-\d{2})(\.index)?")
# A harvest keeps no more than this of texts, tells so many that it could not keep, and compares with so much of a day.
MOST_TEXT = 1024 * 1024 * 1024
MOST_TOLD = 20
MOST_ARCHIVED = 16 * 1024 * 1024
SENTENCES = {
    "turned": "the ring turned faster than the harvest: task records are lost for good",
    "removed": "the task index that was harvested before is gone, and another one is there",
    "rewritten": "the task index was changed by something else than Proxmox VE",
    "state_lost": "the state of the harvest is lost, and the ring does not go on where the archive ends",
}

State = dict[str, Any]


@dataclass(frozen=True)
class TaskLogPaths:
    """Where things lie. `limit` is PVE's size of the ring file in bytes."""

    ring: Path
    archive: Path
    state: Path
    status: Path | None = None
    text_limit: int = 16 * 1024 * 1024
    limit: int = RING_LIMIT


def harvest_once(paths: TaskLogPaths, now: float) -> int:
    """One harvest; returns the number of new lines.

    Raises OSError; the state is then the one before, or what it says is finished by the next harvest.
    """
    state = _finish(paths, load_state(paths.state))
    known = state.get("ring", [])
    files = read_ring(paths.ring)
    # The archive is read only when the ring is not recognised.
    found = find_new(files, known, [], paths.limit)
    archived: list[bytes] = []
    if found.gap or not known or has_unknown_before_newest(files, known):
        archived = archived_lines(paths.archive)
        found = find_new(files, known, archived, paths.limit)
    if not found.data and not found.gap:
        if found.ring != known:
            save_state(paths.state, {**state, "ring": found.ring})
        return 0
    day = time.strftime("%Y-%m-%d", time.gmtime(now))
    writes = [_write(paths.archive / f"{day}.index", found.data)] if found.data else []
    after = {
        **state,
        "ring": found.ring,
        "updated": format_seconds(now),
        "lines": state.get("lines", 0) + found.data.count(b"\n"),
    }
    if found.gap:
        last = archived[-1] if archived else b""
        record = describe_gap(found.gap, last, found.data, now)
        writes.append(_write(paths.archive / "gaps.jsonl", (json.dumps(record) + "\n").encode()))
        after["gaps"] = state.get("gaps", 0) + 1
        say(CRITICAL, f"{record['message']}; see {paths.archive / 'gaps.jsonl'}")
    after["pending"] = {"writes": writes, "day": day}
    save_state(paths.state, after)
    _finish(paths, after)
    return found.data.count(b"\n")


def describe_gap(gap: dict[str, Any], last: bytes, fresh: bytes, now: float) -> dict[str, Any]:
    """The record of a gap: between which two lines, and between which end times."""
    first = fresh.split(b"\n", 1)[0]
    ends = [LINE.match(line) for line in (last, first)]
    times = [format_seconds(int(end[2], 16)) if end else None for end in ends]
    doubt = "" if gap["certain"] else " (possibly; it cannot be told for certain)"
    return {
        "time": format_seconds(now),
        **gap,
        "from": times[0],
        "until": times[1],
        "after": last.decode("utf-8", "replace"),
        "before": first.decode("utf-8", "replace"),
        "message": f"{SENTENCES[gap['kind']]}{doubt}, between {times[0] or 'the start'} and {times[1] or 'now'}",
    }


def _write(path: Path, data: bytes) -> dict[str, Any]:
    offset = path.stat().st_size if path.exists() else 0
    return {"name": path.name, "offset": offset, "data": base64.b64encode(data).decode("ascii")}


def _finish(paths: TaskLogPaths, state: State) -> State:
    """Carry out what the state says is to be written, as often as it takes, and return the state without it."""
    pending = state.get("pending")
    if not pending:
        return state
    texts = Counter[str]()
    for write in pending["writes"]:
        data = base64.b64decode(write["data"])
        append_at(paths.archive / write["name"], write["offset"], data)
        if write["name"].endswith(".index"):
            texts += copy_texts(paths, pending["day"], data)
    state = {key: value for key, value in state.items() if key != "pending"}
    for key, count in texts.items():
        state[key] = state.get(key, 0) + count
    save_state(paths.state, state)
    return state


def append_at(path: Path, offset: int, data: bytes) -> None:
    """Append `data`, which was to begin at `offset`; what of it is there already is not written again."""
    handle = open_regular(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o640)
    try:
        there = os.pread(handle, len(data) + 1, offset)
        if len(there) <= len(data) and data.startswith(there):
            data = data[len(there) :]
        elif there.startswith(data):
            data = b""
        while data:
            data = data[os.write(handle, data) :]
        os.fsync(handle)
    finally:
        os.close(handle)


def copy_texts(paths: TaskLogPaths, day: str, data: bytes) -> Counter[str]:
    """Copy the text of each ended task; counts `texts`, and `texts_missing` for those that PVE has deleted."""
    counts = Counter[str]()
    room = MOST_TEXT
    target = paths.archive / day
    target.mkdir(mode=0o750, exist_ok=True)
    for match in LINE.finditer(data):
        parts = match[1].split(b":")
        if len(parts) < 9 or not parts[4]:
            continue
        upid = os.fsdecode(b":".join(parts))
        try:
            copied = copy_text(paths, os.fsdecode(parts[4][-1:].upper()), upid, target, room)
        except (FileNotFoundError, NotADirectoryError):
            counts["texts_missing"] += 1
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO):
                raise  # the next run tries again
            counts["texts_refused" if isinstance(error, Refused) else "texts_missing"] += 1
            if counts["told"] < MOST_TOLD:
                say(WARNING, f"the text of {upid!r} cannot be kept: it {error.strerror}")
            counts["told"] += 1
        else:
            counts["texts"] += copied is not None
            room -= copied or 0
    if counts["told"] > MOST_TOLD:
        say(WARNING, f"{counts['told'] - MOST_TOLD} more task texts cannot be kept")
    del counts["told"]
    return counts


def copy_text(paths: TaskLogPaths, shelf: str, upid: str, target: Path, room: int) -> int | None:
    """Copy one text unless it is there; returns its bytes. One that is too long is cut, with a last line.

    Raises OSError, and Refused, also for a text that would take more than `room`.
    """
    if (target / upid).exists():
        return None
    with open(open_checked(paths.ring / shelf / upid), "rb") as source:
        found = os.fstat(source.fileno())
        if min(found.st_size, paths.text_limit) > room:
            raise Refused(upid, f"is too much for one harvest, which keeps {MOST_TEXT} bytes of texts")
        text = source.read(paths.text_limit + 1)
    if len(text) > paths.text_limit:
        text = text[: paths.text_limit] + f"\n[pve-audit: cut here, {found.st_size} bytes in all]\n".encode()
    part = target / ".part"
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o640), "wb") as copy:
        copy.write(text)
        copy.flush()
        os.fdatasync(copy.fileno())
    os.utime(part, ns=(found.st_atime_ns, found.st_mtime_ns))
    part.rename(target / upid)
    return len(text)


def archived_lines(archive: Path, count: int = 20_000) -> list[bytes]:
    """The newest archived lines, oldest first; far more than the ring can hold."""
    lines: list[bytes] = []
    for path in sorted(archive.glob("????-??-??.index"), reverse=True):
        with path.open("rb") as stream:
            lines = split_lines(read_tail(stream.fileno(), MOST_ARCHIVED)[0]) + lines
        if len(lines) >= count:
            break
    return lines


def load_state(path: Path) -> State:
    """The state, or an empty one. A state that cannot be read is put aside: the archive tells what was harvested."""
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(state, dict) and state.get("version") == 1:
            return state
    except FileNotFoundError:
        return {"version": 1}
    except ValueError:
        pass
    say(ERROR, f"{path} cannot be used and is started anew; the old one is kept as {path}.bad")
    path.rename(f"{path}.bad")
    return {"version": 1}


def save_state(path: Path, state: State) -> None:
    """Replace the state, whole or not at all."""
    write_atomic(path, json.dumps(state).encode())


def expire(archive: Path, days: int, now: float) -> list[str]:
    """Delete what is older than `days`; 0 keeps everything. Returns the names.

    The clock does not decide alone: the newest `days` days that are there stay, however old.
    """
    limit = time.strftime("%Y-%m-%d", time.gmtime(now - days * 86400))
    found = [(match[1], path) for path in archive.iterdir() if (match := DAY.fullmatch(path.name))]
    seen = sorted({day for day, _path in found})
    gone = []
    for day, path in sorted(found) if 0 < days < len(seen) else []:
        if day < limit and day < seen[-days]:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
            gone.append(path.name)
    return gone
