# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts, and every name that the lab uses outside them.

All names derive from the state directory, so that two checkouts never share a name space, a control group or a mount.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
STATE_VARIABLE = "PVE_AUDIT_LAB"
CACHE_VARIABLE = "PVE_AUDIT_LAB_CACHE"
ADMIN = "alice"
CLUSTER4 = "198.51.100"
CLUSTER6 = "2001:db8:51"
MANAGEMENT4 = "192.0.2"
ROUTER = 1


@dataclass(frozen=True)
class Host:
    """One host; `number` is the last part of its addresses."""

    name: str
    suite: str
    number: int
    group: str

    @property
    def is_node(self) -> bool:
        return self.group == "pve_nodes"

    @property
    def address4(self) -> str:
        """Its address in the network whose link can be taken down."""
        return f"{CLUSTER4}.{self.number}"

    @property
    def address6(self) -> str:
        return f"{CLUSTER6}::{self.number}"

    @property
    def management(self) -> str:
        """Its address in the network for SSH, which is never taken down."""
        return f"{MANAGEMENT4}.{self.number}"


HOSTS = (
    Host("node1", "trixie", 11, "pve_nodes"),
    Host("node2", "bookworm", 12, "pve_nodes"),
    Host("collector", "trixie", 20, "log_collectors"),
)
SUITES = tuple(sorted({host.suite for host in HOSTS}))


@dataclass(frozen=True)
class Lab:
    """The places of one lab."""

    state: Path
    cache: Path

    @property
    def tag(self) -> str:
        """The prefix of all names outside."""
        return f"pve-lab-{hashlib.sha256(str(self.state).encode()).hexdigest()[:8]}"

    @property
    def run(self) -> Path:
        """Short, because the paths of control sockets must be."""
        return Path("/run") / self.tag

    @property
    def disk(self) -> Path:
        """The tmpfs with what the hosts write."""
        return self.run / "disk"

    @property
    def ssh_config(self) -> Path:
        return self.state / "ssh_config"

    @property
    def inventory(self) -> Path:
        return self.state / "inventory.yml"

    def netns(self, host: Host | None = None) -> str:
        """The name of a host's network name space, or of the one with the bridges."""
        return f"{self.tag}-{host.name}" if host else self.tag

    def console(self, host: Host) -> Path:
        """What the host wrote on its console."""
        return self.state / "logs" / f"{host.name}.console"

    def host(self, name: str) -> Host:
        """The host of this name; KeyError if there is none."""
        return {host.name: host for host in HOSTS}[name]


def find_lab(state: str | None = None) -> Lab:
    """The lab of this checkout, or of another state directory."""
    chosen = state or os.environ.get(STATE_VARIABLE)
    cache = os.environ.get(CACHE_VARIABLE)
    return Lab(
        Path(chosen).resolve() if chosen else ROOT / ".build" / "lab",
        Path(cache).resolve() if cache else ROOT / ".build" / "lab-cache",
    )
