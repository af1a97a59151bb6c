# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep Proxmox VE's task log beyond its ring: new index lines and task texts are copied, PVE's files are only read.

PVE appends a line to `index` when a task has ended; when that makes the file larger than 50,000 bytes it is renamed to
`index.1`, and the old `index.1` is gone (pve-common PVE/RESTEnvironment.pm, active_workers). pveupdate then deletes
texts.

A file of the ring is recognised by what was read of it (length and SHA-256), not by name or inode. What a run is about
to write is first written to the state, with the place where it goes, so that a run that was cut off is finished by the
next one: each line of the ring is in the archive once, byte by byte. Days are days of the harvest in UTC.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import errno
import fcntl
import hashlib
import json
import os
import re
import shutil
import stat
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

RING_LIMIT = 50_000
TRIES = 100
# An end time follows the UPID; the UPID is a file name, so it holds no slash. Its id may hold spaces and colons.
LINE = re.compile(rb"(UPID:[^/\x00\n]*?:) ([0-9A-Fa-f]{8})(?:\s|$)")
DAY = re.compile(r"(\d{4}-\d{2}-\d{2})(\.index)?")

State = dict[str, Any]


@dataclass(frozen=True)
class Places:
    """Where things lie. `limit` is PVE's size of the ring file in bytes."""

    ring: Path
    archive: Path
    state: Path
    status: Path | None = None
    text_limit: int = 16 * 1024 * 1024
    limit: int = RING_LIMIT


@dataclass
class Harvest:
    """What one look at the ring found. `ring` is what to recognise its files by next time, oldest first."""

    data: bytes = b""
    ring: list[dict[str, Any]] = field(default_factory=list)
    gap: dict[str, Any] | None = None


def read_ring(ring: Path) -> list[tuple[bool, bytes]]:
    """Both files, `index.1` first, as (is it the live index, content), from one moment: no rename lies in between."""
    for _try in range(TRIES):
        with contextlib.ExitStack() as stack:
            opened = [(ring / name, _open(stack, ring / name)) for name in ("index.1", "index")]
            if all(_still_there(path, handle) for path, handle in opened):
                return [(path.name == "index", _read_all(handle)) for path, handle in opened if handle is not None]
        time.sleep(0.01)
    raise OSError(f"{ring}: the index was renamed at each of {TRIES} tries to read it")


def _open(stack: contextlib.ExitStack, path: Path) -> int | None:
    """No link is followed: the ring's directory belongs to www-data, and the archive is read by others than root."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    stack.callback(os.close, handle)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        raise OSError(f"{path} is not a regular file")
    return handle


def _still_there(path: Path, handle: int | None) -> bool:
    try:
        found = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return handle is None
    return handle is not None and os.path.samestat(found, os.fstat(handle))


def _read_all(handle: int) -> bytes:
    with os.fdopen(os.dup(handle), "rb") as stream:
        return stream.read()


def look(files: list[tuple[bool, bytes]], known: list[dict[str, Any]], kept: list[bytes], limit: int) -> Harvest:
    """What of the ring is not in the archive yet. `kept` are the newest archived lines, for when nothing is
    recognised."""
    places = _recognise(files, known)
    newest = max((number for number, place in enumerate(places) if place == len(known) - 1), default=None)
    first_run = not known and not kept
    result = Harvest()
    left = Counter(kept)
    twice = False
    for number, (live, content) in enumerate(files):
        place = places[number]
        start = known[place]["offset"] if place is not None else 0
        end = (content.rfind(b"\n") + 1) if live else len(content)
        fresh = content[start : max(start, end)]
        if place is None and not first_run and (newest is None or number < newest):
            # Not the successor of what we know: lines that are in the archive are left out.
            before = len(fresh)
            fresh = b"".join(_not_kept(fresh, left))
            twice = twice or len(fresh) < before
        result.data += fresh + (b"" if fresh.endswith(b"\n") or not fresh else b"\n")
        end = max(start, end)
        if end:
            digest = hashlib.sha256(content[:end]).hexdigest()
            result.ring.append({"offset": end, "sha256": digest, "size": len(content), "live": live})
    if newest is None and not first_run and result.ring:
        result.gap = _gap(files, known, kept, twice, limit)
    elif newest == 1 and places[0] is None and len(known) == 2:
        result.gap = {"kind": "rewritten", "certain": False}
    if not result.ring:
        result.ring = known
    return result


def _recognise(files: list[tuple[bool, bytes]], known: list[dict[str, Any]]) -> list[int | None]:
    """For each file of the ring which known one it is, or None. A known file only grows."""
    free = list(range(len(known)))
    places: list[int | None] = []
    for _live, content in files:
        hit = None
        for place in free:
            offset = known[place]["offset"]
            if len(content) >= offset and hashlib.sha256(content[:offset]).hexdigest() == known[place]["sha256"]:
                hit = place
                break
        if hit is not None:
            free = [place for place in free if place > hit]
        places.append(hit)
    return places


def _not_kept(data: bytes, left: Counter[bytes]) -> Iterator[bytes]:
    for line in data.splitlines(keepends=True):
        if left[line.rstrip(b"\n")] > 0:
            left[line.rstrip(b"\n")] -= 1
        else:
            yield line


def _gap(
    files: list[tuple[bool, bytes]],
    known: list[dict[str, Any]],
    kept: list[bytes],
    twice: bool,
    limit: int,
) -> dict[str, Any] | None:
    """Why the ring does not go on where the archive ends; None when nothing but our state was lost.

    `turned` is certain when PVE's rule leaves no other way: what we knew was the live index and had room, so that a
    line that we never saw must have filled it before it was renamed, and its successor is full as well.
    """
    lines = {line for _live, content in files for line in content.splitlines()}
    if kept and kept[-1] in lines:
        return None if not known else {"kind": "rewritten", "certain": False}
    if twice:
        return {"kind": "rewritten", "certain": False}
    full = [content for live, content in files if not live and len(content) > limit]
    last = known[-1] if known else None
    if not known:
        return {"kind": "state_lost", "certain": False}
    if full and last and last["live"] and last["size"] <= limit:
        return {"kind": "turned", "certain": True}
    return {"kind": "turned" if full else "removed", "certain": False}


SENTENCES = {
    "turned": "the ring turned faster than the harvest: task records are lost for good",
    "removed": "the task index that was harvested before is gone, and another one is there",
    "rewritten": "the task index was changed by something else than Proxmox VE",
    "state_lost": "the state of the harvest is lost, and the ring does not go on where the archive ends",
}


def describe_gap(gap: dict[str, Any], last: bytes, fresh: bytes, now: float) -> dict[str, Any]:
    """The record of a gap: between which two lines, and between which end times."""
    first = fresh.split(b"\n", 1)[0]
    ends = [LINE.match(line) for line in (last, first)]
    times = [_utc(int(end[2], 16)) if end else None for end in ends]
    doubt = "" if gap["certain"] else " (possibly; it cannot be told for certain)"
    return {
        "time": _utc(now),
        **gap,
        "from": times[0],
        "until": times[1],
        "after": last.decode("utf-8", "replace"),
        "before": first.decode("utf-8", "replace"),
        "message": f"{SENTENCES[gap['kind']]}{doubt}, between {times[0] or 'the start'} and {times[1] or 'now'}",
    }


def _utc(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def run_once(places: Places, now: float) -> int:
    """One harvest; returns the number of new lines. Raises OSError; the state then is the one before or finishes
    later."""
    state = _finish(places, load_state(places.state))
    known = state.get("ring", [])
    files = read_ring(places.ring)
    # The archive is read only when the ring is not recognised.
    found = look(files, known, [], places.limit)
    kept: list[bytes] = []
    if found.gap or not known or _has_strangers(files, known):
        kept = kept_lines(places.archive)
        found = look(files, known, kept, places.limit)
    if not found.data and not found.gap:
        if found.ring != known:
            save_state(places.state, {**state, "ring": found.ring})
        return 0
    day = time.strftime("%Y-%m-%d", time.gmtime(now))
    writes = [_write(places.archive / f"{day}.index", found.data)] if found.data else []
    after = {
        **state,
        "ring": found.ring,
        "updated": _utc(now),
        "lines": state.get("lines", 0) + found.data.count(b"\n"),
    }
    if found.gap:
        last = kept[-1] if kept else b""
        record = describe_gap(found.gap, last, found.data, now)
        writes.append(_write(places.archive / "gaps.jsonl", (json.dumps(record) + "\n").encode()))
        after["gaps"] = state.get("gaps", 0) + 1
        say(2, f"{record['message']}; see {places.archive / 'gaps.jsonl'}")
    after["pending"] = {"writes": writes, "day": day}
    save_state(places.state, after)
    _finish(places, after)
    return found.data.count(b"\n")


def _has_strangers(files: list[tuple[bool, bytes]], known: list[dict[str, Any]]) -> bool:
    """Whether a file that is older than the newest known one is not recognised."""
    hits = _recognise(files, known)
    return len(hits) == 2 and hits[0] is None and hits[1] == len(known) - 1


def _write(path: Path, data: bytes) -> dict[str, Any]:
    offset = path.stat().st_size if path.exists() else 0
    return {"name": path.name, "offset": offset, "data": base64.b64encode(data).decode("ascii")}


def _finish(places: Places, state: State) -> State:
    """Carry out what the state says is to be written, as often as it takes, and return the state without it."""
    pending = state.get("pending")
    if not pending:
        return state
    texts = Counter[str]()
    for write in pending["writes"]:
        data = base64.b64decode(write["data"])
        append_at(places.archive / write["name"], write["offset"], data)
        if write["name"].endswith(".index"):
            texts += copy_texts(places, pending["day"], data)
    state = {key: value for key, value in state.items() if key != "pending"}
    for key, count in texts.items():
        state[key] = state.get(key, 0) + count
    save_state(places.state, state)
    return state


def append_at(path: Path, offset: int, data: bytes) -> None:
    """Append `data`, which was to begin at `offset`; what of it is there already is not written again."""
    handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o640)
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


def copy_texts(places: Places, day: str, data: bytes) -> Counter[str]:
    """Copy the text of each ended task; counts `texts`, and `texts_missing` for those that PVE has deleted."""
    counts = Counter[str]()
    target = places.archive / day
    target.mkdir(mode=0o750, exist_ok=True)
    for line in data.split(b"\n"):
        match = LINE.match(line)
        parts = match[1].split(b":") if match else []
        if len(parts) < 9 or not parts[4]:
            continue
        try:
            counts["texts"] += copy_text(
                places, os.fsdecode(parts[4][-1:].upper()), os.fsdecode(b":".join(parts)), target
            )
        except (FileNotFoundError, NotADirectoryError):
            counts["texts_missing"] += 1
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO):
                raise  # the next run tries again
            counts["texts_missing"] += 1
            say(4, f"the text of {os.fsdecode(b':'.join(parts))!r} cannot be kept: {error.strerror}")
    return counts


def copy_text(places: Places, shelf: str, upid: str, target: Path) -> int:
    """Copy one text unless it is there; returns how many were copied. One that is too long is cut, with a last line."""
    if (target / upid).exists():
        return 0
    with contextlib.ExitStack() as stack:
        directory = os.open(places.ring / shelf, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        stack.callback(os.close, directory)
        source = os.open(upid, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=directory)
        stack.callback(os.close, source)
        found = os.fstat(source)
        if not stat.S_ISREG(found.st_mode):
            raise FileNotFoundError(upid)
        with os.fdopen(os.dup(source), "rb") as stream:
            text = stream.read(places.text_limit + 1)
    if len(text) > places.text_limit:
        text = text[: places.text_limit] + f"\n[pve-audit: cut here, {found.st_size} bytes in all]\n".encode()
    part = target / ".part"
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o640), "wb") as copy:
        copy.write(text)
        copy.flush()
        os.fdatasync(copy.fileno())
    os.utime(part, ns=(found.st_atime_ns, found.st_mtime_ns))
    part.rename(target / upid)
    return 1


def kept_lines(archive: Path, count: int = 20_000) -> list[bytes]:
    """The newest archived lines, oldest first; far more than the ring can hold."""
    lines: list[bytes] = []
    for path in sorted(archive.glob("????-??-??.index"), reverse=True):
        lines = path.read_bytes().splitlines() + lines
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
    say(3, f"{path} cannot be used and is started anew; the old one is kept as {path}.bad")
    path.rename(f"{path}.bad")
    return {"version": 1}


def save_state(path: Path, state: State) -> None:
    """Replace the state, whole or not at all."""
    part = path.with_name(f"{path.name}.part")
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as stream:
        json.dump(state, stream)
        stream.flush()
        os.fsync(stream.fileno())
    part.rename(path)
    handle = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    os.fsync(handle)
    os.close(handle)


def expire(archive: Path, days: int, now: float) -> list[str]:
    """Delete what is older than `days`; 0 keeps everything. Returns the names."""
    limit = time.strftime("%Y-%m-%d", time.gmtime(now - days * 86400))
    gone = []
    for path in sorted(archive.iterdir()) if days > 0 else []:
        match = DAY.fullmatch(path.name)
        if match and match[1] < limit:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
            gone.append(path.name)
    return gone


def say(level: int, text: str) -> None:
    """One line for the journal, with its priority."""
    print(f"<{level}>{text}", file=sys.stderr, flush=True)


def harvest(places: Places, days: int) -> None:
    """All that is new, until nothing is new; then what is too old goes."""
    os.umask(0o027)
    for folder in (places.archive, places.state.parent):
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
    with open(places.state.with_name(f"{places.state.name}.lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        new = 0
        for _round in range(TRIES):
            # A line that is written while we work does not start the path unit again.
            fresh = run_once(places, time.time())
            new += fresh
            if not fresh:
                break
            time.sleep(0.2)
        gone = expire(places.archive, days, time.time())
        if gone:
            say(5, f"deleted after {days} days: {' '.join(gone)}")
        if places.status:
            places.status.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            state = {key: value for key, value in load_state(places.state).items() if key != "ring"}
            save_state(places.status, {**state, "last_run": _utc(time.time()), "new": new})


def main() -> int:
    """Run as a service: status 1 when the ring could not be harvested."""
    parser = argparse.ArgumentParser(description="Keep the task log of Proxmox VE beyond its ring.")
    parser.add_argument("--ring", type=Path, default=Path("/var/log/pve/tasks"))
    parser.add_argument("--archive", type=Path, default=Path("/var/log/pve-audit/tasks"))
    parser.add_argument("--state", type=Path, default=Path("/var/lib/pve-audit/preserve.json"))
    parser.add_argument("--status", type=Path, default=Path("/run/pve-audit/preserve.json"))
    parser.add_argument("--retention-days", type=int, default=365, help="0 keeps everything")
    parser.add_argument("--text-limit", type=int, default=16 * 1024 * 1024, help="bytes of one task text")
    options = parser.parse_args()
    try:
        harvest(
            Places(options.ring, options.archive, options.state, options.status, options.text_limit),
            options.retention_days,
        )
    except OSError as error:
        say(2, f"the task log was not harvested: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
