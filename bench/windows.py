# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`find_windows` against the same rule run by pySigma's SQLite backend on SQLite."""

from __future__ import annotations

import json
import math
import os
import sys
from pathlib import Path
from statistics import median
from typing import Any

from bench.measure import Usage, run, typical
from bench.report import Line, Section
from bench.synthetic_events import DAYS, MORE_THAN, TIMESPAN, USERS
from tools.paths import COLLECTIONS, ROOT

SIZES = (10_000, 100_000, 1_000_000)
QUERY_SIZE = 10_000
FASTER = 1.0  # the goal

OURS = ("bench.windows_ours",)
PLAN = ("bench.windows_sqlite", "plan")
QUERY = ("bench.windows_sqlite", "query")


def worker(*arguments: str) -> Usage:
    """Run a module of bench/ with the collection on its path."""
    env = {**os.environ, "PYTHONPATH": str(COLLECTIONS)}
    return run([sys.executable, "-m", *arguments], env, str(ROOT))


def windows_section(folder: Path, rounds: int) -> Section:
    """All sizes, the programs taking turns."""
    section = Section(
        f"Windows: more than {MORE_THAN} guests of one user within {TIMESPAN // 60} minutes", "pySigma on SQLite"
    )
    costs = []
    for size in SIZES:
        usages: dict[tuple[str, ...], list[Usage]] = {OURS: [], PLAN: []}
        files = {OURS: folder / f"ours-{size}.json", PLAN: folder / f"sqlite-{size}.json"}
        for _round in range(rounds):
            for program, runs in usages.items():
                runs.append(worker(*program, str(size), str(files[program])))
        section.lines += _lines(
            size, usages[OURS], usages[PLAN], *(json.loads(file.read_text()) for file in files.values())
        )
        costs.append(seconds(usages[OURS], "find") / (size * math.log(size)))
    query = seconds([worker(*QUERY, str(QUERY_SIZE))], "find")
    growth = ", ".join(f"{size:,}: {cost * 1e9:.0f} ns" for size, cost in zip(SIZES, costs, strict=True))
    section.remarks = [
        f"Growth of find_windows, as time divided by n log n (constant means O(n log n)): {growth}.",
        f"Deeds of {USERS} users in {DAYS} days, in no order, one of 100 without a guest, with bursts on the edges of "
        "the rule (exactly five, six exactly ten minutes apart, one second more, all in one instant).",
        "Compared are user, first and last second, peak and event ids of every finding. SQLite gives an alert for each "
        "matching window, with the same window (both ends inside); alerts that share an event are merged outside the "
        "time. "
        "Left out of the data, because the two differ on purpose: events without a user (SQLite drops them, "
        "find_windows makes them a group), user names that differ only in case (SQLite folds them), and repeated "
        "event ids (SQLite counts them twice).",
        "In favour of SQLite: the database is in memory, times are integers, and the steps are run by the backend's "
        f"own executor, which indexes what is between them. Its single statement gives the same, but took "
        f"{query:.1f} s for {QUERY_SIZE:,} events. find_windows reads times as text, and events are nested "
        "dictionaries.",
        f"{rounds} rounds. Loading is the making of the events, or of the table with its index.",
    ]
    return section


def _lines(size: int, ours: list[Usage], sqlite: list[Usage], found: Any, known: Any) -> list[Line]:
    times = [seconds(usages, "find") for usages in (ours, sqlite)]
    whole = [seconds(usages, "find") + seconds(usages, "load") for usages in (ours, sqlite)]
    memory = [typical(usages).memory for usages in (ours, sqlite)]
    ratio, judged = times[1] / times[0], size == SIZES[-1]
    goal = f">= {FASTER:g} times as fast" if judged else ""
    lines = [
        Line(f"{size:,} events: findings", str(len(found)), str(len(known)), "", "the same", found == known),
        Line("finding them", f"{times[0]:.2f} s", f"{times[1]:.2f} s", f"{ratio:.1f}", goal, ratio >= FASTER),
    ]
    if judged:
        lines += [
            Line("with loading", f"{whole[0]:.2f} s", f"{whole[1]:.2f} s", f"{whole[1] / whole[0]:.1f}"),
            Line("peak memory", f"{memory[0]:.0f} MiB", f"{memory[1]:.0f} MiB"),
        ]
    return lines


def seconds(usages: list[Usage], name: str) -> float:
    """The median of a time that the workers printed."""
    return median(float(json.loads(usage.output)[name]) for usage in usages)
