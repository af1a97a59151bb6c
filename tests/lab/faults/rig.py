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
from typing import NamedTuple

from tests.lab.faults.deliveries import ARCHIVE, DELIVERIES, Delivery
from tests.lab.hosts import access, network
from tests.lab.hosts import lab as actions
from tests.lab.hosts.errors import LabError
from tests.lab.hosts.layout import HOSTS, ROOT, Host, Lab

COUNTER = Path(__file__).with_name("count.py")
EXTRA = ROOT / "extensions" / "molecule" / "inventory.yml"
NO_CONNECTION = "Connection closed by UNKNOWN"  # by the proxy command, before the command could begin
Counts = dict[str, dict[str, int]]


class Writer(NamedTuple):
    """A unit on a node that writes lines."""

    node: Host
    unit: str


def inventories(lab: Lab) -> list[str]:
    """The options of ansible-playbook."""
    return ["-i", str(lab.inventory), "-i", str(EXTRA)]


@dataclass
class Rig:
    """The hosts, and the delivery that is measured on them."""

    lab: Lab
    delivery: Delivery = DELIVERIES["acknowledged"]
    nodes: list[Host] = field(default_factory=lambda: [host for host in HOSTS if host.is_node])
    collector: Host = field(default_factory=lambda: next(host for host in HOSTS if not host.is_node))

    @property
    def forwarder(self) -> str:
        """The unit on the nodes that sends."""
        return self.delivery.forwarder

    @property
    def receiver(self) -> str:
        """The unit on the collector."""
        return self.delivery.receiver

    def run(self, host: Host, command: str, timeout: float = 120) -> str:
        """The output of a shell command as root; tried again where the connection did not come about.

        :raises LabError: it failed.
        """
        done = actions.ssh(self.lab, host, command, timeout)
        for _attempt in range(5):
            if done.returncode != 255 or NO_CONNECTION not in done.stderr:
                break
            time.sleep(2)
            done = actions.ssh(self.lab, host, command, timeout)
        if done.returncode:
            raise LabError(f"{host.name}: {command[:80]}: {(done.stderr or done.stdout).strip()[-300:]}")
        return done.stdout

    def on_nodes(self, command: str) -> None:
        """The same command on each node."""
        for node in self.nodes:
            self.run(node, command)

    def send(self, mark: str, numbers: range, rate: float) -> list[Writer]:
        """Start writing numbered messages into the journals of all nodes; `rate` a second, 0 for a burst."""
        words = f"journal {len(numbers)} --first {numbers.start} --rate {rate} --mark {mark}"
        return [self.start(node, f"{mark}-{numbers.start}", words) for node in self.nodes]

    def start(self, node: Host, name: str, words: str) -> Writer:
        """Start pve-lab-write as a unit of the node, which no broken connection ends."""
        unit = f"pve-lab-write-{name}.service"
        self.run(node, f"systemd-run --quiet --unit={unit} pve-lab-write {words}")
        return Writer(node, unit)

    def wait(self, writers: Sequence[Writer]) -> None:
        """Wait for what `send` or `start` began.

        :raises LabError: one failed, or has not ended after five minutes.
        """
        end = time.monotonic() + 300
        for node, unit in writers:
            while (
                state := self.run(node, f"systemctl show --property=ActiveState --value {unit}").strip()
            ) == "active":
                if time.monotonic() > end:
                    raise LabError(f"{node.name}: {unit} does not end")
                time.sleep(0.3)
            if state == "failed":
                raise LabError(f"{node.name}: {unit} failed, see its journal")

    def count(self, mark: str, source: str = "journal") -> Counts:
        """What the archive has of a mark."""
        command = access.ssh(self.lab, self.collector, f"python3 - {mark} {source} {self.delivery.archive}")
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

    def reasons(self, since: str) -> list[str]:
        """Why somebody was turned away since then, in the words of the receiver."""
        if self.delivery.archive == ARCHIVE:
            return sorted({str(one["reason"]) for one in self.refused(since)})
        said = self.run(self.collector, f"journalctl -u {self.receiver} --since='{since} UTC' -o cat")
        return sorted({line.strip() for line in said.splitlines() if "certificate" in line.lower()})

    def refused(self, since: str) -> list[dict[str, object]]:
        """Who was turned away since then (`YYYY-MM-DD HH:MM:SS`, UTC), as `pve-audit-refused` says: address, reason."""
        text = self.run(self.collector, f"pve-audit-refused --json '--since={since} UTC' || true")
        data: dict[str, list[dict[str, object]]] = json.loads(text)
        return [*data["refused"], *data["rejected"]]

    def in_journal(self, mark: str) -> dict[str, int]:
        """How many of the messages each node's own journal holds."""
        command = f"journalctl --sync; journalctl -t pvedaemon -o cat | grep -o '{mark}-[0-9]*' | sort -u | wc -l"
        return {node.name: int(self.run(node, command)) for node in self.nodes}

    def stop_receiver(self) -> None:
        self.run(self.collector, f"systemctl stop {self.receiver}")

    def start_receiver(self) -> None:
        self.run(self.collector, f"systemctl start {self.receiver}")

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
