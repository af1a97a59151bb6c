# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts of a lab as the cases handle them: write numbered lines, break something, count what arrived."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.lab.hosts import access, network
from tests.lab.hosts import lab as actions
from tests.lab.hosts.errors import LabError
from tests.lab.hosts.layout import HOSTS, ROOT, Host, Lab

COUNTER = Path(__file__).with_name("count.py")
EXTRA = ROOT / "extensions" / "molecule" / "inventory.yml"
RECEIVER = "pve-audit-collector.service"
Counts = dict[str, dict[str, int]]


def inventories(lab: Lab) -> list[str]:
    """The options of ansible-playbook."""
    return ["-i", str(lab.inventory), "-i", str(EXTRA)]


@dataclass
class Rig:
    """`forwarder` is the unit on the nodes that sends: ours, or rsyslog with delivery queued."""

    lab: Lab
    forwarder: str = "pve-audit-forward.service"
    nodes: list[Host] = field(default_factory=lambda: [host for host in HOSTS if host.is_node])
    collector: Host = field(default_factory=lambda: next(host for host in HOSTS if not host.is_node))

    def run(self, host: Host, command: str, timeout: float = 120) -> str:
        """The output of a shell command as root.

        :raises LabError: it failed.
        """
        done = actions.ssh(self.lab, host, command, timeout)
        if done.returncode:
            raise LabError(f"{host.name}: {command[:80]}: {(done.stderr or done.stdout).strip()[-300:]}")
        return done.stdout

    def on_nodes(self, command: str) -> None:
        """The same command on each node."""
        for node in self.nodes:
            self.run(node, command)

    def send(self, mark: str, numbers: range, rate: float) -> list[subprocess.Popen[bytes]]:
        """Start writing numbered messages into the journals of all nodes; `rate` a second, 0 for a burst."""
        words = f"journal {len(numbers)} --first {numbers.start} --rate {rate} --mark {mark}"
        return [self.start(node, f"pve-lab-write {words}") for node in self.nodes]

    def start(self, host: Host, command: str) -> subprocess.Popen[bytes]:
        """Run a command without waiting for it."""
        line = access.ssh(self.lab, host, command)
        return subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    def wait(self, senders: Sequence[subprocess.Popen[bytes]]) -> None:
        """Wait for what `send` or `start` began.

        :raises LabError: one failed.
        """
        for sender in senders:
            if sender.wait(timeout=300):
                raise LabError(f"a sender ended with status {sender.returncode}")

    def count(self, mark: str, source: str = "journal") -> Counts:
        """What the archive has of a mark."""
        command = access.ssh(self.lab, self.collector, f"python3 - {mark} {source} /var/log/pve-audit-archive")
        done = subprocess.run(command, input=COUNTER.read_text(), capture_output=True, text=True, timeout=300)
        if done.returncode:
            raise LabError(f"the archive could not be counted: {done.stderr.strip()[-300:]}")
        found: Counts = json.loads(done.stdout)
        return {node.name: found.get(node.name, dict.fromkeys(("distinct", "lines", "repeated", "unmarked"), 0))
                for node in self.nodes}  # fmt: skip

    def settle(self, mark: str, wanted: int, patience: float, source: str = "journal") -> Counts:
        """Wait until all lines are there, or until nothing more has come for `patience` seconds."""
        last, moved = self.count(mark, source), time.monotonic()
        while any(one["distinct"] < wanted for one in last.values()) and time.monotonic() - moved < patience:
            time.sleep(1)
            found = self.count(mark, source)
            if found != last:
                last, moved = found, time.monotonic()
        return last

    def in_journal(self, mark: str) -> dict[str, int]:
        """How many of the messages each node's own journal holds."""
        command = f"journalctl --sync; journalctl -t pvedaemon -o cat | grep -o '{mark}-[0-9]*' | sort -u | wc -l"
        return {node.name: int(self.run(node, command)) for node in self.nodes}

    def link(self, host: Host, state: str) -> None:
        """Pull or plug the cable."""
        network.set_link(self.lab, host, state)

    def reboot(self, host: Host) -> None:
        """In good order."""
        actions.reboot(self.lab, host)

    def put(self, host: Host, path: str, text: str) -> None:
        """Write a small file without naming its content in the host's journal."""
        line = access.ssh(self.lab, host, f"umask 077; cat >{path}")
        subprocess.run(line, input=text, text=True, check=True, timeout=60)

    def playbook(self, name: str, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a playbook of the collection.

        :raises LabError: with `check`, it failed.
        """
        program = str(Path(sys.executable).with_name("ansible-playbook"))
        env = os.environ | {"ANSIBLE_PIPELINING": "1", "ANSIBLE_NOCOWS": "1"}
        env.setdefault("ANSIBLE_COLLECTIONS_PATH", str(ROOT / ".build" / "collections"))
        env.setdefault("ANSIBLE_HOME", str(self.lab.state / "ansible"))
        command = [program, *inventories(self.lab), *arguments, f"pve.audit.{name}"]
        done = subprocess.run(command, capture_output=True, text=True, env=env, cwd=ROOT, timeout=1800)
        if check and done.returncode:
            raise LabError(f"{name} failed: {done.stdout[-1500:]}{done.stderr[-500:]}")
        return done
