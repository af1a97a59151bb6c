# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines of access.log and of the task index while both are rotated: each arrives, and none twice without a mark."""

from __future__ import annotations

import time

from tests.lab.faults.cases import PATIENCE, Outcome
from tests.lab.faults.rig import Rig


def access_log(rig: Rig, messages: int) -> Outcome:
    """Two rotations while lines are written, one of them while the collector is away."""
    mark = f"a{int(time.time())}"
    rotate = "logrotate -f /etc/logrotate.d/pve-audit-access"
    words = f"access {messages} --rate {messages / 10} --mark {mark}"
    writers = [rig.start(node, mark, words) for node in rig.nodes]
    time.sleep(3)
    rig.on_nodes(f"{rotate} || true")
    rig.run(rig.collector, "systemctl stop pve-audit-collector.service")
    time.sleep(1.5)
    # A second one on the same day needs another name than the first.
    rig.on_nodes(f"cd /var/log/pveproxy && for file in access.log-*; do mv $file $file-1; done; {rotate} || true")
    rig.wait(writers)
    rig.run(rig.collector, "systemctl start pve-audit-collector.service")
    return _outcome(rig, "access.log, rotated twice, once in an outage", mark, messages, "access.log")


def task_index(rig: Rig, tasks: int) -> Outcome:
    """The ring turns by its size while the index is preserved and forwarded."""
    mark = f"t{int(time.time())}"
    rig.wait([rig.start(node, mark, f"tasks {tasks} --rate 100 --mark {mark}") for node in rig.nodes])
    return _outcome(rig, "task index, turned by its size", mark, tasks, "tasks")


def _outcome(rig: Rig, case: str, mark: str, wanted: int, source: str) -> Outcome:
    start = time.monotonic()
    counts = rig.settle(mark, wanted, PATIENCE, source)
    written = {node.name: wanted for node in rig.nodes}
    return Outcome(case, wanted, counts, written, time.monotonic() - start)
