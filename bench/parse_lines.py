# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many lines a second the parsers turn into events: `python -m bench.parse_lines COUNT` prints seconds as JSON."""

from __future__ import annotations

import json
import random
import sys
import time

from ansible_collections.pve.audit.plugins.module_utils._parse.access import parse_access
from ansible_collections.pve.audit.plugins.module_utils._parse.index import parse_index
from ansible_collections.pve.audit.plugins.module_utils._parse.task import task_event

_START = 1_790_000_000
_USERS = ("alice@pve", "root@pam", "svc@pve!backup", "iac@pve!terraform", "-")
_CALLS = (
    "GET /api2/json/cluster/resources",
    "POST /api2/extjs/nodes/pve1/qemu/100/status/start",
    "DELETE /api2/json/nodes/pve1/qemu/100?purge=1",
    "PUT /api2/json/access/password?password=secret",
)


def access_lines(count: int) -> list[str]:
    """Lines of an access.log."""
    rng, lines = random.Random(1), []
    for number in range(count):
        moment = time.gmtime(_START + number // 5)
        stamp = time.strftime("%d/%m/%Y:%H:%M:%S +0000", moment)
        who, call = rng.choice(_USERS), rng.choice(_CALLS)
        lines.append(
            f'::ffff:192.0.2.{rng.randrange(250)} - {who} [{stamp}] "{call} HTTP/1.1" 200 {rng.randrange(9999)}\n'
        )
    return lines


def index_lines(count: int) -> list[str]:
    """Lines of a task index."""
    rng, lines = random.Random(1), []
    for number in range(count):
        start = _START + 7 * number
        kind, user = rng.choice(("qmstart", "vzdump", "qmdestroy")), rng.choice(_USERS[:-1])
        upid = f"UPID:pve1:{number:08X}:{number * 700:08X}:{start:08X}:{kind}:{rng.randrange(100, 999)}:{user}:"
        lines.append(f"{upid} {start + 5:08X} {rng.choice(('OK', 'OK', 'WARNINGS: 1', 'job errors'))}\n")
    return lines


def main(arguments: list[str]) -> None:
    """Parse and print."""
    count = int(arguments[0])
    access, index = access_lines(count), index_lines(count)
    started = time.perf_counter()
    calls = sum(event["event"]["kind"] == "event" for event in parse_access(access, "pve1"))
    between = time.perf_counter()
    tasks = sum(1 for task in parse_index(index, "pve1").tasks if task_event(task))
    ended = time.perf_counter()
    if (calls, tasks) != (count, count):
        raise SystemExit(f"{calls} calls and {tasks} tasks instead of {count}")
    print(json.dumps({"access": between - started, "index": ended - between}))


if __name__ == "__main__":
    main(sys.argv[1:])
