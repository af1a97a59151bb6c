# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A question about one guest to an archive of a million lines: the index, all lines without it, and zgrep."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from bench.measure import run, typical
from bench.report import Line, Section
from tools.paths import COLLECTIONS, ROOT

COUNT = 1_000_000
NODES, DAYS, GUESTS = 3, 30, 500
GUEST = 110
# Of so many lines one changes something; the others are reads, as browsers make them all the time.
SPARSE = 10
SECONDS = 1.0  # for an answer, the goal


def index_section(folder: Path, rounds: int) -> Section:
    """Once with nothing but changes, which is the worst for an index, and once with many reads between them."""
    section = Section(f"A question about one guest to an archive of {COUNT:,} lines", "zgrep")
    for name, every in (("changes alone", 1), (f"1 change in {SPARSE} lines", SPARSE)):
        section.lines += _measure(folder / f"archive-{every}", name, every, rounds)
    section.remarks = [
        f"{NODES} nodes, {DAYS} days, {GUESTS} guests. The answer has events, each once, and the places of their"
        " lines; zgrep counts the lines that have the path of the guest.",
        f"Medians of {rounds} rounds; the index is made once. Python's start is in all figures of pve.audit.",
    ]
    return section


def _measure(folder: Path, name: str, every: int, rounds: int) -> list[Line]:
    paths = os.pathsep.join(map(str, (ROOT / "roles/_programs/files", COLLECTIONS, ROOT)))
    lay_down = [sys.executable, "-m", "bench.index_archive", str(folder), str(every)]
    run(lay_down, {**os.environ, "PYTHONPATH": paths}, str(ROOT))
    settings = ["--config", str(folder / "collector.json")]
    command = [sys.executable, "-I", "-B", str(folder / "pve_audit.pyz"), "collector", *settings]
    question = ["--vmid", str(GUEST), "--json"]
    made = run([*command, "index"], {}, "/")
    quick = typical([run([*command, "find", *question], {}, "/") for _round in range(rounds)])
    slow = run([*command, "find", "--scan", *question], {}, "/") if every > 1 else None  # else minutes
    files = [str(path) for path in sorted((folder / "archive").glob("*/*/*.gz"))]
    search = ["zgrep", "-hc", f"/qemu/{GUEST}/", *files]
    grep = typical([run(search, {"PATH": "/usr/bin:/bin"}, "/") for _round in range(rounds)])
    events, found = len(json.loads(quick.output)["events"]), sum(map(int, grep.output.split()))
    same = events == found and (slow is None or slow.output == quick.output)
    size = sum(path.stat().st_size for path in (folder / "state/index").glob("*.sqlite")) / 2**20
    ratio, met = f"{grep.seconds / quick.seconds:.1f}", quick.seconds <= SECONDS
    lines = [
        Line(f"{name}: making the index", f"{made.seconds:.0f} s, {COUNT / made.seconds:,.0f} lines a second", ""),
        Line(f"{name}: the index", f"{size:,.0f} MiB, made with {made.memory:.0f} MiB of memory", ""),
        Line(f"{name}: found", f"{events:,} events", f"{found:,} lines", "", "the same", same),
        Line(f"{name}: time", f"{quick.seconds:.2f} s", f"{grep.seconds:.2f} s", ratio, f"<= {SECONDS:g} s", met),
        Line(f"{name}: processor time", f"{quick.processor:.2f} s", f"{grep.processor:.2f} s"),
    ]
    return lines + ([Line(f"{name}: time without the index", f"{slow.seconds:.0f} s", "")] if slow else [])
