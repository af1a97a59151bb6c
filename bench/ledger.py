# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the ledger costs a node with 2,000 guests and a database of 64 MiB."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from statistics import median

from bench.measure import run
from bench.report import Line, Section
from tools.paths import ROOT

GUESTS, BYTES = 2000, 32 * 1024
LOOKS = 20  # a second
SHARE = 0.01  # of a core, the goal
PROGRAMS = ROOT / "roles/_programs/files"


def ledger_section(folder: Path, rounds: int) -> Section:
    """Look at it while nothing happens, and while guests are changed."""
    env = {**os.environ, "PYTHONPATH": f"{PROGRAMS}{os.pathsep}{ROOT}"}
    found = []
    for number in range(rounds):
        command = [
            sys.executable,
            "-m",
            "bench.ledger_looks",
            str(GUESTS),
            str(BYTES),
            str(folder / f"ledger-{number}"),
        ]
        found.append(json.loads(run(command, env, str(ROOT)).output))
    figures = {name: median(one[name] for one in found) for name in found[0]}
    idle, busy = LOOKS * figures["idle"], LOOKS * figures["idle"] + figures["changed"]
    section = Section(f"The ledger beside {figures['bytes'] / 2**20:.0f} MiB with {GUESTS:,} guests", "")
    section.lines = [
        Line("changes told", f"{figures['told']:,.0f}", "", "", "each once", figures["told"] == 100),
        Line("a look that finds nothing", f"{1e6 * figures['idle']:.1f} us", ""),
        Line(
            f"{LOOKS} looks a second, nothing changes", f"{100 * idle:.3f} % of a core", "", "", "< 1 %", idle < SHARE
        ),
        Line(
            "the same, a guest is changed each second", f"{100 * busy:.2f} % of a core", "", "", "< 1 %", busy < SHARE
        ),
        Line("the first look, which reads all", f"{figures['first']:.2f} s", ""),
        Line("memory for it", f"{figures['memory']:.0f} MiB", ""),
    ]
    section.remarks = [f"{rounds} rounds. Processor time of the ledger alone."]
    return section
