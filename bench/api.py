# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`tasks_info` against a loop of community.proxmox.proxmox_tasks_info, as `ansible-playbook` runs them."""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.cluster import NODES, TASKS_PER_NODE, Truth, cluster, truth
from bench.measure import Usage, run, typical
from bench.report import Line, Section
from tools.paths import ROOT

PLAYBOOKS = ROOT / "bench" / "playbooks"
BARE = "bare fetch"
NAMES = [f"pve{number}" for number in range(1, NODES + 1)]
# What takes a second runs before and after what takes long, so that a busy moment of the machine hits both.
ORDER = ("nothing", "destroyed", BARE, "peer", "destroyed", "nothing", BARE, "every_task")
FASTER, OVERHEAD, CHEAPER = 8.0, 1.5, 10.0  # the goals


@dataclass
class Bench:
    """Runs the playbooks against one cluster. `env` reaches it."""

    env: dict[str, str]
    folder: Path

    def playbook(self, name: str, *arguments: str) -> Usage:
        """One run as a user starts it."""
        program = str(Path(sys.executable).parent / "ansible-playbook")
        nodes = ["-e", json.dumps({"nodes": NAMES})]
        return run([program, str(PLAYBOOKS / f"{name}.yml"), *nodes, *arguments], self.env, str(ROOT))

    def answer(self, name: str) -> list[str]:
        """The UPIDs that a playbook finds. This run is not measured."""
        file = self.folder / f"{name}.json"
        self.playbook(name, "--tags", "all,keep", "-e", json.dumps({"answer_file": str(file)}))
        upids: list[str] = json.loads(file.read_text())
        return upids

    def bare(self) -> Usage:
        """The bare parallel fetch, as a program of its own."""
        return run([sys.executable, "-m", "bench.bare_fetch", *NAMES], self.env, str(ROOT))


def api_section(folder: Path, rounds: int) -> Section:
    """Both questions, all runs taking turns."""
    now = int(time.time())
    known = truth(now)
    with cluster(folder, now) as variables:
        bench = Bench({**os.environ, **variables}, folder)
        found = {name: bench.answer(name) for name in ("destroyed", "every_task", "peer")}
        usages: dict[str, list[Usage]] = {}
        for _round in range(rounds):
            for name in ORDER:
                usages.setdefault(name, []).append(bench.bare() if name == BARE else bench.playbook(name))
    section = Section(
        f"Tasks of {NODES} nodes with {TASKS_PER_NODE} tasks each, 20 ms latency", "community.proxmox (loop)"
    )
    section.lines = _lines(known, found, usages)
    alone = median(json.loads(usage.output)["seconds"] for usage in usages[BARE])
    section.remarks = [
        f"The bare fetch is a Python program of its own ({typical(usages[BARE]).seconds:.2f} s, of which "
        f"{alone:.2f} s are the fetch alone); Ansible's own start is a playbook with one task that does nothing "
        f"({typical(usages['nothing']).seconds:.2f} s).",
        "Not comparable: community.proxmox has no filter by type or time and asks for one page, so it always returns "
        "the newest 50 finished tasks of a node, and it does not look whether the token may see all of them. "
        "Both check certificates.",
        f"{rounds} rounds.",
    ]
    return section


def _lines(known: Truth, found: dict[str, list[str]], usages: dict[str, list[Usage]]) -> list[Line]:
    ours, peer, every = (typical(usages[name]) for name in ("destroyed", "peer", "every_task"))
    floor = typical(usages[BARE]).seconds + typical(usages["nothing"]).seconds
    seen = known.destroyed & set(found["peer"])
    cost, peer_cost = every.seconds / len(found["every_task"]), peer.seconds / len(found["peer"])
    return [
        Line(
            "(a) guest destructions of 7 days found",
            f"{len(found['destroyed'])} of {len(known.destroyed)}",
            f"{len(seen)} of {len(known.destroyed)}",
            goal="all, no other",
            met=sorted(found["destroyed"]) == sorted(known.destroyed),
        ),
        _times("(a) time", ours, peer, f">= {FASTER:g} times faster", peer.seconds / ours.seconds >= FASTER),
        Line(
            "(a) time against bare fetch + Ansible's start",
            f"{ours.seconds:.2f} s",
            f"{floor:.2f} s (floor)",
            f"{ours.seconds / floor:.2f}",
            f"<= {OVERHEAD:g} times",
            ours.seconds / floor <= OVERHEAD,
        ),
        Line(
            "(a) processor time of all processes",
            f"{ours.processor:.2f} s",
            f"{peer.processor:.2f} s",
            f"{peer.processor / ours.processor:.1f}",
        ),
        Line("(a) peak memory", f"{ours.memory:.0f} MiB", f"{peer.memory:.0f} MiB"),
        Line(
            "(b) tasks returned",
            f"{len(found['every_task'])} of {len(known.every)}",
            f"{len(found['peer'])} of {len(known.every)}",
            goal="all, each once",
            met=sorted(found["every_task"]) == sorted(known.every),
        ),
        Line("(b) time", f"{every.seconds:.2f} s", f"{peer.seconds:.2f} s"),
        Line(
            "(b) time for each task returned",
            f"{cost * 1000:.3f} ms",
            f"{peer_cost * 1000:.3f} ms",
            f"{peer_cost / cost:.1f}",
            f">= {CHEAPER:g} times cheaper",
            peer_cost / cost >= CHEAPER,
        ),
        Line("(b) peak memory", f"{every.memory:.0f} MiB", f"{peer.memory:.0f} MiB"),
    ]


def _times(what: str, ours: Usage, other: Usage, goal: str, met: bool) -> Line:
    ratio = f"{other.seconds / ours.seconds:.1f}"
    return Line(what, f"{ours.seconds:.2f} s", f"{other.seconds:.2f} s", ratio, goal, met)
