# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tree of /etc/pve was at the last look, and what became of it: changes by path. Pure.

A write by a tool of Proxmox VE makes `FILE.tmp.PID`, writes it and renames it over the file: another inode, three
versions. PID is the process on the node that wrote. An editor's `>>` keeps the inode, `mv` changes its parent.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from pve_audit.ledger.database import DIRECTORY, Look, Row

_TEMPORARY = re.compile(r"(.+)\.tmp\.(\d{1,10})", re.ASCII | re.DOTALL)
# Written all the time, by no person: locks, and what the HA stack notes of itself.
_NOISE = re.compile(r"priv/lock(?:/.*)?|ha/manager_status|nodes/[^/]+/lrm_status|\.(?:version|members|rrd|vmlist)")
_VERSIONS_OF_A_NEW_FILE = 3  # made, written, renamed
# A lock in the tree is a directory that is made and removed. Guests and the notes of a node are locked elsewhere.
_VERSIONS_OF_A_LOCK = 2
_WITHOUT_LOCK = re.compile(r"nodes/[^/]+/(?:qemu-server|lxc|openvz)/.*|nodes/[^/]+/config")
_DEEPEST = 64


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or directory as it was seen. `content` is packed, None where only `digest` may be kept."""

    path: str
    inode: int
    version: int
    mtime: int
    kind: int
    digest: str
    content: bytes | None = None

    def unpacked(self) -> bytes | None:
        return None if self.content is None else zlib.decompress(self.content)


@dataclass(slots=True)
class Change:
    """`kind` is created, modified, rewritten (with the same content), deleted or moved.

    `before` and `after` are what was there, None for nothing. Of a deletion the row is missing: `version` is the latest
    that it can be, and `writer` is None unless it was the last write of the look.
    """

    kind: str
    path: str
    version: int
    writer: int | None
    mtime: int
    directory: bool = False
    moved_from: str = ""
    process: int | None = None
    before: Entry | None = None
    after: Entry | None = None


@dataclass(slots=True)
class Step:
    """What one look brought. `unexplained` versions passed that nothing seen accounts for."""

    since: int
    version: int
    changes: list[Change]
    unexplained: int = 0


Digest = Callable[[str, bytes], str]
MayKeep = Callable[[str], bool]


@dataclass
class Tree:
    """All that is known. `may_keep` tells whether the content of a path may be kept, `digest` makes its sum."""

    digest: Digest
    may_keep: MayKeep
    version: int = -1
    rows: dict[int, tuple[int, str]] = field(default_factory=dict)
    entries: dict[int, Entry] = field(default_factory=dict)
    _processes: dict[int, int] = field(default_factory=dict)

    def take(self, look: Look) -> Step:
        """Bring the tree to the state of a look, and tell what changed."""
        first = self.version < 0
        since, self.version = self.version, look.version
        gone = [self.entries[inode] for inode in self.entries.keys() - look.inodes]
        for inode in self.rows.keys() - look.inodes:
            self.rows.pop(inode)
            self.entries.pop(inode, None)
            self._processes.pop(inode, None)
        self.rows.update((row.inode, (row.parent, row.name)) for row in look.rows.values())
        found = [(row, self._entry(row)) for row in sorted(look.rows.values(), key=lambda row: row.version)]
        new = [(row, entry) for row, entry in found if not self._knows(row)]
        changes = [] if first else list(self._changes(new, gone, look))
        self.entries.update((row.inode, entry) for row, entry in found)
        if not first:
            self._follow_parents(look.rows)
        rows = [row for row, _entry in new]
        return Step(since, look.version, changes, 0 if first else _unexplained(since, look, rows, len(gone), changes))

    def forget_inodes(self) -> None:
        """The next look is of another database, where the same number is another file: only paths are compared."""
        self.entries = {-number: entry for number, entry in enumerate(self.entries.values(), 1)}
        self.rows = {inode: (0, entry.path) for inode, entry in self.entries.items()}
        self._processes.clear()

    def _knows(self, row: Row) -> bool:
        known = self.entries.get(row.inode)
        return known is not None and known.version == row.version

    def content(self, path: str) -> bytes:
        """What a file held at the last look; nothing where it is not there, or may not be kept."""
        return next((entry.unpacked() or b"" for entry in self.entries.values() if entry.path == path), b"")

    def path_of(self, inode: int) -> str:
        """The path below /etc/pve; `?` where a parent is not there."""
        parts: list[str] = []
        while inode and len(parts) < _DEEPEST:
            inode, name = self.rows.get(inode, (0, "?"))
            parts.append(name)
        return "/".join(reversed(parts))

    def _entry(self, row: Row) -> Entry:
        path = self.path_of(row.inode)
        content = zlib.compress(row.data, 1) if self.may_keep(_final(path)) and row.kind != DIRECTORY else None
        digest = self.digest(_final(path), row.data) if row.kind != DIRECTORY else ""
        return Entry(path, row.inode, row.version, row.mtime, row.kind, digest, content)

    def _changes(self, found: Iterable[tuple[Row, Entry]], gone: Iterable[Entry], look: Look) -> Iterator[Change]:
        lost = {entry.path: entry for entry in gone}
        for row, after in found:
            temporary = _TEMPORARY.fullmatch(row.name)
            if temporary:
                self._processes[row.inode] = int(temporary[2])
            if temporary or _NOISE.fullmatch(after.path):
                lost.pop(after.path, None)
                yield from self._hidden(row, after)
                continue
            yield from self._change(row, after, lost)
        last = max((row.version for row in look.rows.values()), default=0) < look.version
        for entry in lost.values():
            if not _TEMPORARY.fullmatch(entry.path) and not _NOISE.fullmatch(entry.path):
                writer = look.writer if last else None
                folder = entry.kind == DIRECTORY
                yield Change("deleted", entry.path, look.version, writer, look.mtime, folder, before=entry)

    def _hidden(self, row: Row, after: Entry) -> Iterator[Change]:
        """What was a file of its own and got the name of a lock or a temporary file is gone from where it was."""
        known = self.entries.get(row.inode)
        if known is not None and not _TEMPORARY.fullmatch(known.path) and not _NOISE.fullmatch(known.path):
            folder = row.kind == DIRECTORY
            yield Change(
                "moved", after.path, row.version, row.writer, row.mtime, folder, known.path, None, known, after
            )

    def _change(self, row: Row, after: Entry, lost: dict[str, Entry]) -> Iterator[Change]:
        """The change of one row: the same inode in another place, a new one in the place of an old one, or neither."""
        known = self.entries.get(row.inode)
        was_temporary = known is not None and _TEMPORARY.fullmatch(known.path) is not None
        before = lost.pop(after.path, None) if known is None or was_temporary else known
        moved = known is not None and not was_temporary and known.path != after.path
        if moved:  # over another file: that one is what was there before
            before = lost.pop(after.path, None) or known
        if row.kind == DIRECTORY and before is not None and not moved:
            return
        yield Change(
            "moved" if moved else _kind(before, after),
            after.path,
            row.version,
            row.writer,
            row.mtime,
            row.kind == DIRECTORY,
            known.path if known is not None and moved else "",
            self._processes.get(row.inode),
            before,
            after,
        )

    def _follow_parents(self, changed: Mapping[int, Row]) -> None:
        """Where a directory was moved, what lies below has another path, and rows of its own that did not change."""
        if not any(row.kind == DIRECTORY for row in changed.values()):
            return
        for inode, entry in list(self.entries.items()):
            path = self.path_of(inode)
            if path != entry.path:
                self.entries[inode] = Entry(
                    path, inode, entry.version, entry.mtime, entry.kind, entry.digest, entry.content
                )


def _kind(before: Entry | None, after: Entry) -> str:
    if before is None:
        return "created"
    return "rewritten" if before.digest == after.digest else "modified"


def _final(path: str) -> str:
    """The path that a temporary file will have."""
    match = _TEMPORARY.fullmatch(path)
    return match[1] if match else path


def _unexplained(since: int, look: Look, rows: Iterable[Row], gone: int, changes: list[Change]) -> int:
    """How many versions passed that no row and no missing row accounts for: something was written and overwritten.

    A replaced file's old row goes without a version of its own. For each file that is written under a lock, one that
    came and went is allowed for.
    """
    explained = sum(
        min(row.version - row.inode + 1, _VERSIONS_OF_A_NEW_FILE) if row.inode > since else 1 for row in rows
    )
    told = [change for change in changes if not change.directory]
    explained += sum(_VERSIONS_OF_A_LOCK for change in told if not _WITHOUT_LOCK.fullmatch(change.path))
    replaced = sum(change.kind in ("modified", "rewritten") for change in told)
    return max(0, look.version - since - explained - max(0, gone - replaced))
