# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The control group of each host: it tells whether the host runs, and ends it for certain."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

from tests.lab.hosts.errors import LabError
from tests.lab.hosts.layout import Host, Lab
from tests.lab.hosts.machine import cgroup_root


def group(lab: Lab, host: Host | None = None, part: str = "") -> Path:
    """The group of the lab, of a host, or of its part `keeper` (the supervisor) or `system` (all else).

    :raises LabError: no cgroup2 is mounted.
    """
    root = cgroup_root()
    if not root:
        raise LabError("no cgroup2 file system that can be written is mounted")
    path = root / lab.tag
    if host:
        path /= host.name
    return path / part if part else path


def populated(path: Path) -> bool:
    """Whether any process is in the group or below it."""
    try:
        return "populated 1" in (path / "cgroup.events").read_text(encoding="ascii")
    except FileNotFoundError:
        return False


def kill(path: Path, seconds: float = 10) -> None:
    """End every process in the group at once, as a power cut does.

    :raises LabError: something still lives after the time.
    """
    if not path.exists():
        return
    (path / "cgroup.kill").write_text("1", encoding="ascii")
    deadline = time.monotonic() + seconds
    while populated(path):
        if time.monotonic() > deadline:
            raise LabError(f"processes in {path} cannot be killed")
        time.sleep(0.02)


def remove(path: Path) -> None:
    """Remove an empty group with all below it."""
    if not path.exists():
        return
    for below in sorted((p for p in path.rglob("*") if p.is_dir()), reverse=True):
        with contextlib.suppress(FileNotFoundError):
            below.rmdir()
    path.rmdir()
