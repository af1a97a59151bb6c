# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same rule by pySigma's SQLite backend: `python -m bench.windows_sqlite plan|query COUNT [FILE]`.

`query` runs the one statement that the backend makes of the rule; `plan` runs the same steps with the backend's own
executor, which stores and indexes what is between them. An alert is one window; windows that share an event are merged
here, outside the time, as `find_windows` merges them.
"""

from __future__ import annotations

import importlib
import json
import sqlite3
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bench.synthetic_events import MORE_THAN, TIMESPAN, Found, synthetic_events

RULE = f"""
title: Guest destroyed
name: guest_destroyed
status: test
logsource: {{product: proxmox, service: tasks}}
detection:
    selection:
        vmid|exists: true
    condition: selection
---
title: Many guests destroyed by one user
status: test
correlation:
    type: value_count
    rules: [guest_destroyed]
    group-by: [user]
    timespan: {TIMESPAN}s
    condition: {{field: vmid, gt: {MORE_THAN}}}
"""

Alert = tuple[str, int, list[int]]  # user, number of distinct guests, rowids


def convert(form: str) -> Any:
    """The rule in a format of the backend. The table has times as integers, which it reads fastest."""
    collection = importlib.import_module("sigma.collection").SigmaCollection
    backend = importlib.import_module("sigma.backends.sqlite").sqliteBackend
    return backend(timestamp_format="unix").convert(collection.from_yaml(RULE), output_format=form)


def load(count: int) -> sqlite3.Connection:
    """A table of the events in memory, with the index that a user would make for this rule."""
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE logs (timestamp INTEGER, user TEXT, vmid INTEGER, id TEXT)")
    connection.executemany("INSERT INTO logs VALUES (?, ?, ?, ?)", synthetic_events(count))
    connection.execute("CREATE INDEX by_user ON logs (user, timestamp, vmid)")
    return connection


def ask(connection: sqlite3.Connection, method: str) -> list[Alert]:
    """All alerts of the rule."""
    if method == "query":
        rows = connection.execute(convert("default")[-1])
        names = [column[0] for column in rows.description]
        alerts = [dict(zip(names, row, strict=True)) for row in rows]
        for alert in alerts:
            alert.update({name: json.loads(alert[name]) for name in ("group_keys", "event_ids")})
    else:
        rules = json.loads(convert("zircolite"))
        plan = next(rule["correlation_plan"] for rule in rules if "correlation_plan" in rule)
        runtime = importlib.import_module("sigma.backends.sqlite.runtime")
        alerts, _diagnostics = runtime.execute_plan(connection, plan, include_events=False)
    return [
        (alert["group_keys"]["user"], alert["metric_value"], [int(name.split(":")[1]) for name in alert["event_ids"]])
        for alert in alerts
    ]


def merge(connection: sqlite3.Connection, alerts: Iterable[Alert]) -> list[Found]:
    """Alerts come in order of time. Those of one user that share an event are one finding."""
    merged: dict[str, list[tuple[int, set[int]]]] = {}
    for user, count, rows in alerts:
        mine = merged.setdefault(user, [])
        if mine and not mine[-1][1].isdisjoint(rows):
            mine[-1] = max(mine[-1][0], count), mine[-1][1] | set(rows)
        else:
            mine.append((count, set(rows)))
    found = []
    for user, results in merged.items():
        for count, members in results:
            marks = ",".join("?" * len(members))
            select = f"SELECT timestamp, id FROM logs WHERE rowid IN ({marks})"
            facts = connection.execute(select, list(members)).fetchall()
            times = [second for second, _identity in facts]
            found.append((user, min(times), max(times), count, sorted(identity for _second, identity in facts)))
    return sorted(found)


def main(arguments: list[str]) -> None:
    """Load, ask, print."""
    method, count, *files = arguments
    started = time.perf_counter()
    connection = load(int(count))
    loaded = time.perf_counter()
    alerts = ask(connection, method)
    ended = time.perf_counter()
    found = merge(connection, alerts)
    print(json.dumps({"load": loaded - started, "find": ended - loaded, "findings": len(found)}))
    if files:
        Path(files[0]).write_text(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1:])
