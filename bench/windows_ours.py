# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`find_windows` on seeded events: `python -m bench.windows_ours COUNT [FILE]`. FILE gets the findings."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from ansible_collections.pve.audit.plugins.module_utils._model.event import Event
from ansible_collections.pve.audit.plugins.module_utils._model.time import rfc3339, to_epoch
from ansible_collections.pve.audit.plugins.module_utils._model.window import Window
from ansible_collections.pve.audit.plugins.module_utils._parse.upid import user_fields
from ansible_collections.pve.audit.plugins.plugin_utils._detect.windows import find_windows, window_rule
from bench.synthetic_events import MORE_THAN, TIMESPAN, Found, synthetic_events


def events(count: int) -> Iterator[Event]:
    """The events in the shape that the parsers give."""
    for second, user, guest, identity in synthetic_events(count):
        start = rfc3339(second)
        facts = {"upid": identity, "task_type": "qmdestroy", "status": "OK", "state": "ok"}
        yield {
            "@timestamp": start,
            "event": {
                "id": identity,
                "kind": "event",
                "dataset": "pve.task",
                "action": "guest.destroy",
                "start": start,
            },
            "user": user_fields(user),
            "pve": facts if guest is None else {**facts, "vmid": guest},
        }


def found(window: Window) -> Found:
    """The finding as the comparison wants it."""
    first, last = int(to_epoch(window.start)), int(to_epoch(window.end))
    return window.group["user.id"], first, last, window.count, sorted(window.event_ids)


def main(arguments: list[str]) -> None:
    """Build, find, print."""
    started = time.perf_counter()
    given = list(events(int(arguments[0])))
    built = time.perf_counter()
    rule = window_rule("value_count", TIMESPAN, {"gt": MORE_THAN}, ["user.id"], "pve.vmid")
    windows = find_windows(given, rule)
    ended = time.perf_counter()
    print(json.dumps({"load": built - started, "find": ended - built, "findings": len(windows)}))
    if arguments[1:]:
        Path(arguments[1]).write_text(json.dumps(sorted(map(found, windows))))


if __name__ == "__main__":
    main(sys.argv[1:])
