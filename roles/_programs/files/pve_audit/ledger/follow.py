# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Follow the database: twenty looks a second, one line for each change on the standard output, which is the journal.

What was known at the end stands in a state file, so that a later start tells what changed meanwhile, without the
content. Starting, stopping, being blind and a database that went back are lines, too.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pve_audit.files import write_atomic
from pve_audit.ledger.content import holds_secrets
from pve_audit.ledger.database import PATH, Database, Look
from pve_audit.ledger.line import Sums, line_of, node_names, note_of
from pve_audit.ledger.tree import Entry, Step, Tree
from pve_audit.say import WARNING, say

STATE = "/var/lib/pve-audit/ledger/state.json"
SAVE_SECONDS = 10.0
PATIENCE = 5.0
_KEYS = ("pve-root-ca.key", "authkey.key")

Tell = Callable[[str], None]


@dataclass
class Follower:
    """`once` looks once. What it tells goes to `tell`; time comes from `now`."""

    database: Database
    state: Path
    tell: Tell
    now: Callable[[], float] = time.monotonic
    tree: Tree | None = None
    names: dict[int, str] = field(default_factory=dict)
    _blind: float | None = None
    _told_blind: bool = False
    _unsaved: bool = False
    _saved_at: float = 0.0

    def once(self) -> None:
        """Look, and tell what changed. A database that cannot be read is told once it has been so for a while."""
        try:
            self._look()
        except (OSError, sqlite3.Error) as error:
            self.database.close()
            self._blind = self.now() if self._blind is None else self._blind
            if not self._told_blind and self.now() - self._blind >= PATIENCE:
                self._told_blind = True
                self.tell(note_of("blind", why=str(error)[:200]))
            return
        if self._told_blind:
            self.tell(note_of("sees", blind_seconds=round(self.now() - (self._blind or 0.0))))
        self._blind, self._told_blind = None, False
        if self._unsaved and self.now() - self._saved_at >= SAVE_SECONDS:
            self.save()

    def _look(self) -> None:
        if self.tree is None:
            look = self.database.look(-1)
            if look is not None:
                self._begin(look)
            return
        anew = self.database.is_new
        look = self.database.look(-1 if anew else self.tree.version)
        if look is not None and not anew and look.version < self.tree.version:
            anew = True
            self.database.close()
            look = self.database.look(-1)
        if look is not None:
            self._take(look, anew)

    def _begin(self, look: Look) -> None:
        """The first look: against what was known before, if anything was."""
        self.tree = Tree(Sums(_shared_key(look)), lambda path: not holds_secrets(path))
        known = load(self.state)
        if known is not None:
            self.tree.version, self.tree.entries = known
            self.tree.rows = {inode: (0, entry.path) for inode, entry in self.tree.entries.items()}
        before = self.tree.version
        step = self.tree.take(look)
        self.names = node_names(self.tree.content("corosync.conf"))
        files = len(self.tree.entries)
        self.tell(note_of("started", version=look.version, known=before if before >= 0 else None, files=files))
        self._write(step, unseen=before >= 0)

    def _take(self, look: Look, anew: bool) -> None:
        assert self.tree is not None
        before = self.tree.version
        if anew:
            self.tree.forget_inodes()
        step = self.tree.take(look)
        if anew:
            self.tell(note_of("database_replaced", known=before, version=look.version))
        if any(change.path == "corosync.conf" for change in step.changes):
            self.names = node_names(self.tree.content("corosync.conf"))
        self._write(step, unseen=anew)

    def _write(self, step: Step, unseen: bool) -> None:
        """`unseen`: nobody looked meanwhile, so what was only written again is no news."""
        for change in step.changes:
            if not (unseen and change.kind == "rewritten"):
                self.tell(line_of(change, step, self.names, unseen))
        self._unsaved = True

    def save(self) -> None:
        """Note what is known. A full disk is told, and costs nothing else."""
        self._saved_at, self._unsaved = self.now(), False
        try:
            save(self.state, self.tree)
        except OSError as error:
            say(WARNING, f"what the ledger knows cannot be saved: {error}")


def _shared_key(look: Look) -> bytes:
    """A key for sums of secrets: from a secret that all nodes have, so that their sums are alike."""
    for name in _KEYS:
        secret = next((row.data for row in look.rows.values() if row.name == name and row.data), None)
        if secret is not None:
            return hashlib.sha256(b"pve-audit-ledger\n" + secret).digest()
    return os.urandom(32)


def save(path: Path, tree: Tree | None) -> None:
    """Raises OSError."""
    if tree is None:
        return
    rows = [[one.path, one.inode, one.version, one.mtime, one.kind, one.digest] for one in tree.entries.values()]
    write_atomic(path, json.dumps({"version": tree.version, "entries": rows}).encode())


def load(path: Path) -> tuple[int, dict[int, Entry]] | None:
    """What was known, without content; None when there is no state, or none that can be read."""
    try:
        data = json.loads(path.read_bytes())
        entries = [Entry(*row) for row in data["entries"]]
        return int(data["version"]), {entry.inode: entry for entry in entries}
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        say(WARNING, f"what the ledger knew cannot be read, it begins anew: {path}: {error}")
        return None


@contextlib.contextmanager
def _until_told() -> Iterator[list[int]]:
    """A list that is not empty once SIGTERM or SIGINT came."""
    came: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda got, _frame: came.append(got))
    yield came


def _print(line: str) -> None:
    print(line, flush=True)


def main(arguments: list[str]) -> int:
    """Run until SIGTERM."""
    parser = argparse.ArgumentParser(prog="pve_audit ledger", description="Tell every change of /etc/pve.")
    parser.add_argument("--database", default=PATH)
    parser.add_argument("--state", type=Path, default=Path(STATE))
    parser.add_argument("--looks", type=float, default=20.0, help="so many a second")
    options = parser.parse_args(arguments)
    if not 0.1 <= options.looks <= 1000:
        parser.error("--looks must be from 0.1 to 1000")
    follower = Follower(Database(options.database), options.state, _print)
    pause = 1.0 / options.looks
    with _until_told() as end:
        while not end:
            follower.once()
            time.sleep(pause)
    follower.once()
    follower.tell(note_of("stopped", version=follower.tree.version if follower.tree else None))
    follower.save()
    return 0
