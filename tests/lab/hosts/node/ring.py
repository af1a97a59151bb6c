# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The task ring of a node, written as PVE writes it (pve-common RESTEnvironment.pm `active_workers`, UPID.pm)."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pwd
import time
from collections.abc import Iterator
from pathlib import Path

TASKS = Path("/var/log/pve/tasks")
INDEX_BYTES = 50_000
ACTIVE_ENTRIES = 25


def process_start(pid: int) -> int:
    """The start time of a process in clock ticks since the machine's boot, as UPIDs carry it."""
    return int(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[19])


class Ring:
    """The task ring below one directory."""

    def __init__(self, root: Path = TASKS, node: str | None = None) -> None:
        self._root = root
        self._node = node or os.uname().nodename
        self._pstart = process_start(os.getpid())

    def upid(self, kind: str, vmid: str, user: str, pid: int | None = None) -> str:
        """A new UPID that starts now; `pid` tells apart the tasks of one second."""
        number = os.getpid() if pid is None else pid
        return f"UPID:{self._node}:{number:08X}:{self._pstart:08X}:{int(time.time()):08X}:{kind}:{vmid}:{user}:"

    def start(self, upid: str) -> None:
        """Enter a running task."""
        with self._lock():
            self._write_active([f"{upid} 0", *self._read_active()])

    def log(self, upid: str, lines: list[str], status: str) -> None:
        """Write the text of a task; `status` is OK, `WARNINGS: n` or the text of an error."""
        last = f"TASK {status}" if status == "OK" or status.startswith("WARNINGS: ") else f"TASK ERROR: {status}"
        path = self._root / upid.split(":")[4][-1] / upid
        path.parent.mkdir(exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640)
        with open(descriptor, "w", encoding="utf-8") as file:
            _give_to_www_data(descriptor)
            file.write("".join(f"{line}\n" for line in [*lines, last]))

    def finish(self, upid: str, status: str) -> None:
        """Move a task to the archive index, which becomes `index.1` when it has passed its size."""
        end = f"{int(time.time()):08X}"
        with self._lock():
            running = [line for line in self._read_active() if line.split(" ", 1)[0] != upid]
            self._write_active([f"{upid} 1 {end} {status}", *running][:ACTIVE_ENTRIES])
            index = self._root / "index"
            with index.open("a", encoding="utf-8") as file:
                file.write(f"{upid} {end} {status}\n")
                size = file.tell()
            if size > INDEX_BYTES:
                index.rename(self._root / "index.1")

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        with (self._root / ".active.lock").open("a", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _read_active(self) -> list[str]:
        path = self._root / "active"
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []

    def _write_active(self, lines: list[str]) -> None:
        new = self._root / f"active.tmp.{os.getpid()}"
        new.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        new.rename(self._root / "active")


def _give_to_www_data(descriptor: int) -> None:
    if not os.geteuid():
        account = pwd.getpwnam("www-data")
        os.fchown(descriptor, account.pw_uid, account.pw_gid)
