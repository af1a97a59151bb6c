# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long it takes to harden a booted host from nothing, to find it unchanged, and to check it for drift."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from bench.measure import Usage, run, typical
from bench.report import Line, Section
from tests.lab.hosts import lab as actions
from tests.lab.hosts.layout import Lab, find_lab
from tests.lab.hosts.machine import why_not
from tools.paths import BUILD, ROOT

UNCHANGED = 10.0  # seconds, the goal for an unchanged node
NODE = "node1"
_RECAP = re.compile(rf"^{NODE} .*?ok=(\d+) +changed=(\d+).*?skipped=(\d+)", re.MULTILINE)


@dataclass
class Bench:
    """The hosts of a lab of its own."""

    lab: Lab

    def playbook(self, name: str, *arguments: str) -> Usage:
        """One run as a user starts it."""
        program = str(Path(sys.executable).parent / "ansible-playbook")
        inventories = ["-i", str(self.lab.inventory), "-i", str(ROOT / "extensions" / "molecule" / "inventory.yml")]
        env = {**os.environ, "ANSIBLE_PIPELINING": "1", "ANSIBLE_COLLECTIONS_PATH": str(BUILD / "collections")}
        return run([program, *inventories, *arguments, f"pve.audit.{name}"], env, str(ROOT))


def converge_section(folder: Path, rounds: int) -> Section:
    """Harden the lab, then one node again and again. Where no host can be booted the section says so."""
    section = Section("Hardening booted hosts over SSH (the same run in check mode beside it)", "pve.audit.drift")
    if reason := why_not():
        section.remarks = [f"Not measured here: {reason}."]
        return section
    lab = find_lab(str(folder / "lab"))
    bench = Bench(lab)
    only = ("--limit", NODE)
    drift = ("-e", f"pve_audit_drift_output_dir={folder / 'drift'}")
    actions.up(lab)
    try:
        bench.playbook("harden", "--tags", "certificates,collector")
        first = bench.playbook("harden", "--tags", "nodes", *only)
        again, checked = [], []
        for _round in range(rounds):
            again.append(bench.playbook("harden", "--tags", "nodes", *only))
            checked.append(bench.playbook("drift", *only, *drift))
        bench.playbook("harden")
        all_again = bench.playbook("harden")
    finally:
        actions.down(lab)
    seconds = typical(again).seconds
    section.lines = [
        Line("a node from nothing", f"{first.seconds:.1f} s, {tasks(first)}", ""),
        Line(
            "the node again, unchanged",
            f"{seconds:.1f} s, {tasks(again[0])}",
            f"{typical(checked).seconds:.1f} s",
            goal=f"<= {UNCHANGED:g} s",
            met=seconds <= UNCHANGED,
        ),
        Line("two nodes and the collector, unchanged", f"{all_again.seconds:.1f} s", ""),
    ]
    section.remarks = [f"{rounds} rounds. With SSH pipelining; the hosts share this machine's processors."]
    return section


def tasks(usage: Usage) -> str:
    """What Ansible's recap says of the node."""
    found = _RECAP.search(usage.output)
    return f"{int(found[1]) + int(found[3])} tasks, {found[2]} changed" if found else "no recap"
