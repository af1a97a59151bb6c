# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulated cluster that is asked, and the truth about its tasks."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.measure import BenchError
from tests.lab.story import StoryOptions, build_story

NODES = 32
TASKS_PER_NODE = 1300
LATENCY_MS = 20
START_LIMIT = 60  # seconds
DAYS = 7
TYPES = ("qmdestroy", "vzdestroy")


@dataclass
class Truth:
    """UPIDs: of every task that the API may show, and of the destructions that ran in the last days."""

    every: set[str] = field(default_factory=set)
    destroyed: set[str] = field(default_factory=set)


def truth(now: int) -> Truth:
    """Build the same cluster as the simulator does, and look into its files instead of asking its API."""
    cluster = build_story(StoryOptions(now=now, nodes=NODES, tasks_per_node=TASKS_PER_NODE))
    found = Truth()
    for node in cluster.nodes.values():
        found.every |= node.ring.running()
        for shown in node.ring.archive():
            task = shown.task
            found.every.add(task.upid)
            if task.type in TYPES and (task.endtime or now) >= now - DAYS * 86400:
                found.destroyed.add(task.upid)
    return found


@contextmanager
def cluster(folder: Path, now: int) -> Iterator[dict[str, str]]:
    """Run the simulator as long as the block runs; gives the environment variables to reach it.

    Raises BenchError when it does not start.
    """
    state = folder / "cluster"
    state.mkdir(parents=True, exist_ok=True)
    facts_file = state / "sim.json"
    facts_file.unlink(missing_ok=True)
    options = {"nodes": NODES, "tasks-per-node": TASKS_PER_NODE, "latency-ms": LATENCY_MS, "now": now, "port": 0}
    command = [sys.executable, "-m", "tests.lab.simulator", "--state-dir", str(state)]
    command += [part for name, value in options.items() for part in (f"--{name}", str(value))]
    log = state / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
        try:
            yield _wait_for(facts_file, process, log)
        finally:
            process.terminate()
            process.wait()


def _wait_for(file: Path, process: subprocess.Popen[bytes], log: Path) -> dict[str, str]:
    end = time.monotonic() + START_LIMIT
    while not file.exists():
        if process.poll() is not None or time.monotonic() > end:
            raise BenchError(f"the simulator did not start:\n{log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.1)
    facts = json.loads(file.read_text())
    names = ("host", "port", "user", "token_id", "token_secret", "ca_path")
    variables = {f"PROXMOX_{name.upper()}": str(facts[name]) for name in names}
    # community.proxmox has no option for a CA, so it gets it the way requests does: both check certificates.
    return {**variables, "PROXMOX_VALIDATE_CERTS": "true", "REQUESTS_CA_BUNDLE": str(facts["ca_path"])}
