# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The manifest of the archive: JSON lines, each with the hash of the one before it.

Who changes, removes or reorders an entry breaks the chain; who cuts the end off is found out by the head, which is kept
in another directory and told to the journal by each check.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pve_audit.collector.attributes import set_attribute
from pve_audit.files import open_regular, write_atomic

GENESIS = "0" * 64
Entry = dict[str, Any]


class ManifestError(Exception):
    """The manifest cannot be continued."""


def hash_entry(entry: Entry) -> str:
    """SHA-256 of the canonical JSON of everything but the hash itself."""
    plain = {name: value for name, value in entry.items() if name != "hash"}
    return hashlib.sha256(json.dumps(plain, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def read_entries(path: Path) -> tuple[list[Entry], list[str]]:
    """All entries, and what is wrong with the chain. A line that is not an entry is left out and reported."""
    entries: list[Entry] = []
    problems: list[str] = []
    previous = GENESIS
    for number, line in enumerate(_lines(path), 1):
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            entry = None
        if not isinstance(entry, dict) or not isinstance(entry.get("hash"), str):
            problems.append(f"manifest line {number} is not an entry")
            continue
        problems += [f"manifest line {number}: {text}" for text in _link(entry, len(entries) + 1, previous)]
        previous = entry["hash"]
        entries.append(entry)
    return entries, problems


def _link(entry: Entry, number: int, previous: str) -> Iterator[str]:
    if entry.get("number") != number:
        yield f"has the number {entry.get('number')!r}, not {number}"
    if entry.get("previous") != previous:
        yield "does not continue the entry before it"
    if hash_entry(entry) != entry["hash"]:
        yield "was changed: its hash does not fit"


def _lines(path: Path) -> list[bytes]:
    try:
        return path.read_bytes().split(b"\n")[:-1] if path.stat().st_size else []
    except FileNotFoundError:
        return []


def repair_tail(path: Path) -> bool:
    """Remove an entry that a crash left half written, so that it was never valid; true when there was one."""
    try:
        with open(path, "rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            stream.seek(max(0, size - 1))
            if stream.read(1) in (b"", b"\n"):
                return False
            stream.seek(0)
            whole = stream.read().rfind(b"\n") + 1
    except FileNotFoundError:
        return False
    set_attribute(path, "none")
    with open(path, "r+b") as stream:
        stream.truncate(whole)
        os.fsync(stream.fileno())
    return True


@dataclass(frozen=True, slots=True)
class Manifest:
    """The manifest as it was read once, and as this run goes on with it: nobody else may write to it meanwhile."""

    path: Path
    head: Path
    entries: list[Entry]
    problems: list[str]

    @classmethod
    def read(cls, path: Path, head: Path) -> Manifest:
        """Raises OSError."""
        return cls(path, head, *read_entries(path))

    def append(self, entry: Entry) -> Entry:
        """Add an entry and move the head. Returns it with number, previous and hash. Raises ManifestError, OSError."""
        repair_tail(self.path)
        if self.problems:
            raise ManifestError(f"the manifest is damaged, nothing is added to it: {self.problems[0]}")
        if self.entries and not self._is_head_current():
            self.write_head()  # never two entries behind: a full disk must not look like tampering
        previous = self.entries[-1]["hash"] if self.entries else GENESIS
        full = {**entry, "number": len(self.entries) + 1, "previous": previous}
        full["hash"] = hash_entry(full)
        line = json.dumps(full, sort_keys=True).encode() + b"\n"
        try:
            self._write(line)
        except OSError as error:
            # What of it is on the disk is not known: the next run reads it again.
            self.problems.append(f"its last entry could not be written: {error}")
            raise
        self.entries.append(full)
        set_attribute(self.path, "append")
        self.write_head()
        return full

    def _is_head_current(self) -> bool:
        try:
            return bool(json.loads(self.head.read_bytes())["hash"] == self.entries[-1]["hash"])
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def _write(self, line: bytes) -> None:
        handle = open_regular(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
        try:
            if os.write(handle, line) != len(line):
                raise OSError(28, "the manifest could be written only in part")
            os.fsync(handle)
        finally:
            os.close(handle)

    def write_head(self) -> None:
        """The number and hash of the last entry, kept outside the archive."""
        last = self.entries[-1]
        write_atomic(self.head, json.dumps({"number": last["number"], "hash": last["hash"]}).encode() + b"\n", 0o640)


def check_head(head: Path, entries: list[Entry]) -> list[str]:
    """Whether the manifest still has what the head was told. One entry more is the mark of a crash between the two."""
    try:
        known = json.loads(head.read_bytes())
        number, digest = int(known["number"]), str(known["hash"])
    except FileNotFoundError:
        return ["the head of the manifest is missing"] if len(entries) > 1 else []
    except (ValueError, KeyError, TypeError):
        return ["the head of the manifest cannot be read"]
    if len(entries) < number:
        return [f"the manifest has {len(entries)} entries, it had {number}: its end was cut off"]
    if number < 1 or entries[number - 1]["hash"] != digest:
        return [f"entry {number} of the manifest is not the one that the head names"]
    if len(entries) > number + 1:
        return [f"the manifest has {len(entries)} entries, the head knows of {number}"]
    return []
