# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Open days become append-only, past days are compressed, made immutable and entered in the manifest.

Each step can be repeated: a crash at any point leaves a state that the next run continues from, and at every moment the
lines are in the open, the closing or the closed file.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import lzma
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import IO, Any

from pve_audit.collector.attributes import set_attribute
from pve_audit.collector.manifest import Entry, Manifest
from pve_audit.collector.settings import Settings
from pve_audit.collector.store import ENDINGS, UNREADABLE, DayFile, candidate_of, day_files, open_text
from pve_audit.files import sync_directory
from pve_audit.wire import format_seconds, parse_line

Busy = Callable[[Path], bool]
BLOCK = 1 << 20
# What the manifest keeps of the first and the last place: a node chooses the text, and every run reads all of it.
LONGEST_PLACE = 200


class CloseError(Exception):
    """A file was not closed; it still has all its lines."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What the manifest says of a file's content."""

    lines: int
    bytes: int
    sha256: str
    first: str | None
    last: str | None


def protect(settings: Settings) -> list[dict[str, str]]:
    """Make open files append-only, and closed ones immutable. Returns what holds for each that was not already so."""
    results = []
    for file in day_files(Path(settings.archive)):
        wanted = "append" if file.kind == "open" else "immutable"
        with contextlib.suppress(FileNotFoundError):
            results.append({"file": str(file.path), "wanted": wanted, "attribute": set_attribute(file.path, wanted)})
    if settings.manifest.exists():
        found = set_attribute(settings.manifest, "append")
        results.append({"file": str(settings.manifest), "wanted": "append", "attribute": found})
    return results


def close_days(settings: Settings, now: float, busy: Busy) -> list[dict[str, Any]]:
    """Close what is older than today (UTC, with the grace period). One result for each file: closed, busy or failed."""
    today = datetime.fromtimestamp(now - settings.grace_seconds, UTC).date()
    manifest = Manifest.read(settings.manifest, settings.head)
    results = []
    for file in list(day_files(Path(settings.archive))):
        if file.kind == "closed" or (file.kind == "open" and file.day >= today):
            continue
        if busy(file.path):
            results.append(
                {"file": str(file.path), "result": "busy", "message": "a process still has it open for writing"}
            )
            continue
        try:
            entry = _finish(settings, manifest, seal(manifest, file), now, busy)
        except (CloseError, OSError) as error:
            results.append({"file": str(file.path), "result": "failed", "message": str(error)})
        else:
            results.append(
                {"file": entry["file"], "result": "closed", "immutable": entry["immutable"], "lines": entry["lines"]}
            )
    return results


def seal(manifest: Manifest, file: DayFile) -> DayFile:
    """Give an open file the name under which nobody writes any more."""
    if file.kind == "closing":
        return file
    part = _free_part(manifest, file)
    closing = DayFile(file.path, file.node, file.source, file.day, part, "closing")
    target = file.path.with_name(f"{closing.stem}.closing")
    set_attribute(file.path, "none")
    os.rename(file.path, target)
    sync_directory(target.parent)
    return DayFile(target, file.node, file.source, file.day, part, "closing")


def _free_part(manifest: Manifest, file: DayFile) -> int:
    """1, or the next number when the day was closed before (lines came late, or the clock was set back)."""
    start = f"{file.node}/{file.source}/"
    taken = {str(entry.get("file")).rsplit(".", 1)[0] for entry in manifest.entries}
    taken |= {start + path.name.rsplit(".", 1)[0] for path in file.path.parent.iterdir() if path != file.path}
    part = 1
    while start + _stem(file.day, part) in taken:
        part += 1
    return part


def _stem(day: date, part: int) -> str:
    return f"{day}.part{part}.log" if part > 1 else f"{day}.log"


def _relative(settings: Settings, path: Path) -> str:
    return str(path.relative_to(settings.archive))


def _finish(settings: Settings, manifest: Manifest, closing: DayFile, now: float, busy: Busy) -> Entry:
    if busy(closing.path):
        raise CloseError("a process opened it for writing while it was being closed; the next run continues")
    immutable = set_attribute(closing.path, "immutable") == "immutable"
    measured = measure(closing.path)
    entry = _known(manifest, closing)
    if entry is None:
        for ending in ENDINGS.values():  # what was left by a closing that was cut short, perhaps before a new setting
            packed = closing.path.with_name(closing.stem + ending)
            _remove(packed)
            _remove(candidate_of(packed))
        packed = closing.path.with_name(closing.stem + ENDINGS[settings.compression])
        _pack(closing.path, packed, settings.compression, measured.sha256)
        entry = manifest.append(_entry(settings, closing, packed, measured, now, immutable))
    else:
        packed = Path(settings.archive) / entry["file"]
        if entry["sha256"] != measured.sha256 or hash_file(packed) != entry["file_sha256"]:
            raise CloseError(f"{packed} is in the manifest with another content; look at both files")
        manifest.write_head()
    set_attribute(packed, "immutable")
    _remove(closing.path)
    return entry


def _known(manifest: Manifest, closing: DayFile) -> Entry | None:
    prefix = f"{closing.node}/{closing.source}/{closing.stem}"
    names = {prefix + ending for ending in ENDINGS.values()}
    return next((one for one in manifest.entries if one.get("kind") == "closed" and one.get("file") in names), None)


def _entry(
    settings: Settings, closing: DayFile, packed: Path, measured: Measured, now: float, immutable: bool
) -> Entry:
    return {
        "kind": "closed",
        "time": format_seconds(now),
        "node": closing.node,
        "source": closing.source,
        "day": closing.day.isoformat(),
        "file": _relative(settings, packed),
        "file_bytes": packed.stat().st_size,
        "file_sha256": hash_file(packed),
        "lines": measured.lines,
        "bytes": measured.bytes,
        "sha256": measured.sha256,
        "first": measured.first,
        "last": measured.last,
        "immutable": immutable,
    }


def _remove(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        set_attribute(path, "none")
        os.unlink(path)
        sync_directory(path.parent)


def _pack(source: Path, target: Path, compression: str, sha256: str) -> None:
    """Compress, flush, read back and compare, then give it its name. Raises CloseError."""
    candidate = candidate_of(target)
    try:
        _compress(source, candidate, compression)
        opener = gzip.open if compression == "gzip" else lzma.open
        with opener(candidate, "rb") as back:
            if _digest(back) != sha256:
                raise CloseError("what was compressed does not read back as it was; the disk may be failing")
        os.rename(candidate, target)
    except (CloseError, *UNREADABLE) as error:
        _remove(candidate)
        raise CloseError(f"it cannot be compressed: {error}") from error
    sync_directory(target.parent)


def _compress(source: Path, candidate: Path, compression: str) -> None:
    handle = os.open(candidate, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o440)
    with open(handle, "wb") as raw, open(source, "rb") as stream:
        with contextlib.suppress(PermissionError):
            os.fchown(handle, -1, os.fstat(stream.fileno()).st_gid)
        with _compressor(raw, compression) as packer:
            for block in iter(lambda: stream.read(BLOCK), b""):
                packer.write(block)
        raw.flush()
        os.fsync(handle)


def _compressor(raw: IO[bytes], compression: str) -> IO[bytes]:
    if compression == "gzip":
        return gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0)  # type: ignore[return-value]
    return lzma.LZMAFile(raw, "wb")


def _digest(stream: Any) -> str:
    digest = hashlib.sha256()
    for block in iter(lambda: stream.read(BLOCK), b""):
        digest.update(block)
    return digest.hexdigest()


def hash_file(path: Path) -> str:
    """SHA-256 of a file as it lies there."""
    with open(path, "rb") as stream:
        return _digest(stream)


def measure(path: Path) -> Measured:
    """Read an open, closing or closed file. A last line without line break counts."""
    digest, lines, size = hashlib.sha256(), 0, 0
    first: str | None = None
    last: str | None = None
    with open_text(path) as stream:
        for raw in stream:
            digest.update(raw)
            lines, size = lines + 1, size + len(raw)
            line = parse_line(raw)
            place = line.place if line is not None else None
            first, last = first or place, place or last
    first, last = cap(first), cap(last)
    return Measured(lines, size, digest.hexdigest(), first, last)


def cap(place: str | None) -> str | None:
    """What the manifest keeps of a place."""
    return place if place is None else place[:LONGEST_PLACE]


def open_for_writing(path: Path) -> bool:
    """Whether a process has the file open for writing, as far as /proc shows."""
    try:
        wanted = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return False
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            found = os.stat(link)
            if (found.st_dev, found.st_ino) != (wanted.st_dev, wanted.st_ino) or not stat.S_ISREG(found.st_mode):
                continue
            flags = (link.parent.parent / "fdinfo" / link.name).read_text(encoding="ascii")
        except OSError:
            continue
        if int(flags.split("flags:")[1].split()[0], 8) & (os.O_WRONLY | os.O_RDWR):
            return True
    return False
