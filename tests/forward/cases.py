# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbered messages through the forwarder into a real rsyslogd, while something breaks: none may be lost.

`python -m tests.forward.cases` prints the table.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.forward.harness import Authority, Collector, Count, Forwarder, count, wait_for

MESSAGES = 20_000
PATIENCE = 90.0
LIMITS = {"backoff_min": 0.2, "backoff_max": 1.0, "ack_timeout": 5.0, "connect_timeout": 3.0, "resend_seconds": 2.0}


@dataclass
class Lab:
    """One collector, one forwarder, and how many messages there will be."""

    pki: Authority
    collector: Collector
    forwarder: Forwarder
    messages: int

    def arrived(self, share: float) -> None:
        """Wait until this share of all messages is in the archive."""
        wanted = int(self.messages * share)
        assert wait_for(lambda: self.collector.lines() >= wanted, PATIENCE), self.forwarder.output()

    def burst(self) -> None:
        """All messages are in the journal at once."""
        self.forwarder.feed(self.messages)


def clean_burst(lab: Lab) -> None:
    """Nothing breaks."""
    lab.burst()


def collector_restarted(lab: Lab) -> None:
    """The collector is stopped in the middle, and comes back."""
    lab.burst()
    lab.arrived(0.3)
    lab.collector.end(signal.SIGTERM)
    time.sleep(2)
    lab.collector.start()


def collector_killed(lab: Lab) -> None:
    """The collector is killed three times in the middle."""
    lab.burst()
    for share in (0.2, 0.4, 0.6):
        lab.arrived(share)
        lab.collector.end(signal.SIGKILL)
        lab.collector.start()


def forwarder_killed(lab: Lab) -> None:
    """The forwarder is killed three times in the middle."""
    lab.burst()
    for share in (0.2, 0.4, 0.6):
        lab.arrived(share)
        lab.forwarder.end(signal.SIGKILL)
        lab.forwarder.start()


def forwarder_restarted_in_outage(lab: Lab) -> None:
    """The collector is killed, the forwarder is restarted while it is away, and messages go on coming."""
    lab.forwarder.feed(lab.messages // 2)
    lab.arrived(0.2)
    lab.collector.end(signal.SIGKILL)
    lab.forwarder.end(signal.SIGTERM)
    lab.forwarder.start()
    lab.burst()
    time.sleep(2)
    lab.collector.start()


def both_killed(lab: Lab) -> None:
    """Both are killed at the same moment: a power cut."""
    lab.burst()
    lab.arrived(0.3)
    lab.forwarder.end(signal.SIGKILL)
    lab.collector.end(signal.SIGKILL)
    lab.collector.start()
    lab.forwarder.start()


def collector_hangs(lab: Lab) -> None:
    """The collector stands still for longer than the forwarder waits: as a line that went dead."""
    lab.burst()
    lab.arrived(0.3)
    lab.collector.signal(signal.SIGSTOP)
    time.sleep(LIMITS["ack_timeout"] + 3)
    lab.collector.signal(signal.SIGCONT)


def certificate_expired(lab: Lab) -> None:
    """The node's certificate has expired before the connection is made again, and is renewed after a while."""
    lab.burst()
    lab.arrived(0.3)
    lab.pki.issue("node", "pve1", days=-1)
    lab.collector.end(signal.SIGTERM)
    lab.collector.start()
    assert wait_for(lambda: "node.crt expired" in lab.forwarder.output(), PATIENCE), lab.forwarder.output()
    time.sleep(2)
    lab.pki.issue("node", "pve1")


def collector_certificate_expired(lab: Lab) -> None:
    """The same with the collector's certificate."""
    lab.burst()
    lab.arrived(0.3)
    lab.pki.issue("collector", "collector", days=-1)
    lab.collector.end(signal.SIGTERM)
    lab.collector.start()
    assert wait_for(lambda: "collector's certificate has expired" in lab.forwarder.output(), PATIENCE)
    lab.pki.issue("collector", "collector")
    lab.collector.end(signal.SIGTERM)
    lab.collector.start()


def state_disk_full(lab: Lab) -> None:
    """The disk of the state is full all the time, and the forwarder is killed in the middle. Needs root."""
    lab.forwarder.end(signal.SIGTERM)
    state = lab.forwarder.state_dir
    state.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(state)], check=True)
    try:
        filler = state / "filler"
        with filler.open("wb", buffering=0) as handle:
            while handle.write(b"x" * 4096) == 4096:
                pass
    except OSError:
        pass
    try:
        lab.forwarder.start()
        lab.burst()
        lab.arrived(0.3)
        lab.forwarder.end(signal.SIGKILL)
        lab.forwarder.start()
        finish(lab)
        said = lab.forwarder.output().count("the state cannot be written")
        assert 1 <= said <= 2, "each of the two processes says it once"
    finally:
        lab.forwarder.end(signal.SIGTERM)
        subprocess.run(["umount", str(state)], check=True)


CASES: dict[str, Callable[[Lab], None]] = {
    "clean burst": clean_burst,
    "collector stopped and started": collector_restarted,
    "collector kill -9, three times": collector_killed,
    "forwarder kill -9, three times": forwarder_killed,
    "forwarder restarted in the outage": forwarder_restarted_in_outage,
    "both kill -9 at once": both_killed,
    "collector hangs longer than the timeout": collector_hangs,
    "node's certificate expired, then renewed": certificate_expired,
    "collector's certificate expired, then renewed": collector_certificate_expired,
    "disk of the state full, forwarder kill -9": state_disk_full,
}


def finish(lab: Lab) -> None:
    """Wait until the newest message arrived, and a moment for what is still on the way."""

    def everything() -> bool:
        return count(lab.collector.archive, lab.messages).lost == 0

    if not wait_for(lambda: lab.collector.lines() >= lab.messages and everything(), PATIENCE):
        return
    time.sleep(0.5)


def run(name: str, directory: Path, messages: int = MESSAGES, limits: dict[str, Any] | None = None) -> Count:
    """Run one case in an empty directory."""
    pki = Authority(directory / "pki")
    pki.issue("collector", "collector")
    pki.issue("node", "pve1")
    collector = Collector(directory / "collector", pki.directory)
    target = {
        "host": "127.0.0.1",
        "port": collector.port,
        "ca": str(pki.directory / "ca.crt"),
        "certificate": str(pki.directory / "node.crt"),
        "key": str(pki.directory / "node.key"),
        "permitted_peers": ["collector"],
    }
    forwarder = Forwarder(directory / "node", {"targets": [target], "limits": LIMITS | (limits or {})})
    lab = Lab(pki, collector, forwarder, messages)
    collector.start()
    forwarder.start()
    try:
        CASES[name](lab)
        finish(lab)
    finally:
        forwarder.end(signal.SIGTERM)
        collector.end(signal.SIGTERM)
    return count(collector.archive, messages)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=MESSAGES)
    parser.add_argument("--resend", type=float, default=LIMITS["resend_seconds"])
    parser.add_argument("cases", nargs="*", choices=[[], *CASES], default=[])
    options = parser.parse_args()
    print(f"{'case':48} {'sent':>6} {'lost':>6} {'twice':>6} {'unmarked':>8} {'s':>6}", flush=True)
    for name in options.cases or CASES:
        directory = Path(tempfile.mkdtemp(prefix="pve-audit-forward-"))
        start = time.monotonic()
        done = run(name, directory, options.messages, {"resend_seconds": options.resend})
        seconds = time.monotonic() - start
        row = f"{name:48} {done.sent:6} {done.lost:6} {done.duplicates:6} {done.unmarked:8} {seconds:6.1f}"
        print(row, flush=True)
        if done.lost:
            print(f"see {directory}")
        else:
            shutil.rmtree(directory)


if __name__ == "__main__":
    main()
