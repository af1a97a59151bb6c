# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Task log texts made from nothing but the UPID and the final status, so that they need no memory."""

from __future__ import annotations

import time

from tests.lab.upid import Task

HOSTILE_LINES = (
    "<script>alert('log')</script>",
    "{{ 7*7 }} {% raw %} ${7*7} #{7*7}",
    "=cmd|' /C calc'!A0",
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "\x1b[31mred\x1b[0m\x07 bell, \x00 nul, \x7f del, \r carriage return",
    '"quoted", semicolon; tab\there',
    "</pre></td><img src=x onerror=alert(1)>",
    "[click](javascript:alert(1)) ![x](http://192.0.2.1/x.png)",
    "Größe: 5 GiB – 日本",
)


def _stamp(seconds: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(seconds))


def _backup(task: Task) -> list[str]:
    guests = [task.id] if task.id else ["100", "101", "102", "103"]
    lines = [f"INFO: starting new backup job: vzdump {' '.join(guests)} --storage backup --mode snapshot"]
    moment = task.starttime
    for guest in guests:
        lines.append(f"INFO: Starting Backup of VM {guest} (qemu)")
        lines.append(f"INFO: Backup started at {_stamp(moment)}")
        lines.extend(
            f"INFO: {share}% ({share / 5:.1f} GiB of 20.0 GiB) in {share // 5}s, read: 500.0 MiB/s, write: 480.2 MiB/s"
            for share in range(5, 101, 5)
        )
        lines.append(f"INFO: Finished Backup of VM {guest} (00:00:20)")
        moment += 20
    return [*lines, "INFO: Backup job finished successfully"]


def _destroy(task: Task) -> list[str]:
    return [
        f"destroy VM {task.id}: UPID accepted",
        f'  Logical volume "vm-{task.id}-disk-0" successfully removed.',
        f"purging VM {task.id} from related configurations..",
    ]


def _body(task: Task) -> list[str]:
    if task.type == "vzdump":
        return _backup(task)
    if task.type in ("qmdestroy", "vzdestroy"):
        return _destroy(task)
    if task.type == "aptupdate":
        return ["starting apt-get update", "Hit:1 http://deb.example.com/debian trixie InRelease", "Reading..."]
    if task.type in ("vncshell", "vncproxy", "termproxy", "spiceproxy"):
        return []
    return [f"{task.type} {task.id}".rstrip()]


def make_log(task: Task, status: str | None, *, hostile: bool = False) -> str:
    """The log of a task with this final status, read as latin-1 as PVE does; of a running one without the last line."""
    lines = _body(task)
    if hostile:
        lines.extend(HOSTILE_LINES)
    if status == "OK":
        lines.append("TASK OK")
    elif status and status.startswith("WARNINGS: "):
        lines.extend(("WARN: something needs a look", "", f"TASK {status}"))
    elif status and status != "unexpected status":
        lines.extend(("", f"TASK ERROR: {status}"))
    return "".join(f"{line}\n" for line in lines).encode().decode("latin-1")
