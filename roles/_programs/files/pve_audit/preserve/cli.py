# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The service that preserves task records: one run harvests until nothing is new."""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

from pve_audit.files import exclusive_lock
from pve_audit.preserve.ring import TRIES
from pve_audit.preserve.store import TaskLogPaths, expire, harvest_once, load_state, save_state
from pve_audit.say import CRITICAL, NOTICE, say
from pve_audit.wire import format_seconds


def harvest(paths: TaskLogPaths, days: int) -> None:
    """All that is new, until nothing is new; then what is too old goes. Raises OSError."""
    os.umask(0o027)
    for folder in (paths.archive, paths.state.parent):
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
    with exclusive_lock(paths.state.with_name(f"{paths.state.name}.lock")):
        new = 0
        for _round in range(TRIES):
            # A line that is written while we work does not start the path unit again.
            fresh = harvest_once(paths, time.time())
            new += fresh
            if not fresh:
                break
            time.sleep(0.2)
        gone = expire(paths.archive, days, time.time())
        if gone:
            say(NOTICE, f"deleted after {days} days: {' '.join(gone)}")
        if paths.status:
            paths.status.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            state = {key: value for key, value in load_state(paths.state).items() if key != "ring"}
            save_state(paths.status, {**state, "last_run": format_seconds(time.time()), "new": new})


def main(arguments: list[str]) -> int:
    """Run as a service: status 1 when the ring could not be harvested."""
    parser = argparse.ArgumentParser(
        prog="pve_audit preserve", description="Keep the task log of Proxmox VE beyond its ring."
    )
    parser.add_argument("--ring", type=Path, default=Path("/var/log/pve/tasks"))
    parser.add_argument("--archive", type=Path, default=Path("/var/log/pve-audit/tasks"))
    parser.add_argument("--state", type=Path, default=Path("/var/lib/pve-audit/preserve.json"))
    parser.add_argument("--status", type=Path, default=Path("/run/pve-audit/preserve.json"))
    parser.add_argument("--retention-days", type=int, default=365, help="0 keeps everything")
    parser.add_argument("--text-limit", type=int, default=16 * 1024 * 1024, help="bytes of one task text")
    options = parser.parse_args(arguments)
    paths = TaskLogPaths(options.ring, options.archive, options.state, options.status, options.text_limit)
    try:
        harvest(paths, options.retention_days)
    except OSError as error:
        say(CRITICAL, f"the task log was not harvested: {error}")
        return 1
    return 0
