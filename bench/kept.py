# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What 50,000 kept task texts cost the forwarder of a node."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from statistics import median

from bench.measure import run
from bench.report import Line, Section
from tools.paths import ROOT

COUNT = 50_000
SHARE = 0.05  # of a core, the goal
GROWTH = 4.0  # MiB, the goal
PROGRAMS = ROOT / "roles/_programs/files"


def kept_section(folder: Path, rounds: int) -> Section:
    """Send them, and then watch them."""
    env = {**os.environ, "PYTHONPATH": str(PROGRAMS)}
    found = []
    for number in range(rounds):
        command = [sys.executable, "-m", "bench.kept_texts", str(COUNT), str(folder / f"kept-{number}")]
        found.append(json.loads(run(command, env, str(ROOT)).output))
    figures = {name: median(one[name] for one in found) for name in found[0]}
    grown, theirs = figures["after"] - figures["before"], figures["before"] - figures["empty"]
    section = Section(f"The forwarder with {COUNT:,} kept task texts", "")
    section.lines = [
        Line("lines sent", f"{figures['lines']:,.0f}", "", "", "each once", figures["lines"] == 10 * COUNT),
        Line("processor time for sending them", f"{figures['sent']:.1f} s", ""),
        Line(
            "watching them while nothing is new",
            f"{100 * figures['watched']:.2f} % of a core",
            "",
            "",
            f"< {100 * SHARE:g} %",
            figures["watched"] < SHARE,
        ),
        Line("memory with them", f"{figures['before']:.0f} MiB ({theirs:.0f} for them)", ""),
        Line("memory grown in 15 minutes", f"{grown:.1f} MiB", "", "", f"< {GROWTH:g} MiB", grown < GROWTH),
        Line("state, written while lines flow", f"{figures['state']:,.0f} bytes", ""),
        Line("record of finished files", f"{figures['done'] / 2**20:.1f} MiB", ""),
    ]
    section.remarks = [
        "Folders are looked at every second and listed when they have changed, each file is looked at every 5 minutes.",
        f"{rounds} rounds. Processor time of the source alone, without the connection. Memory is that of the process.",
    ]
    return section
