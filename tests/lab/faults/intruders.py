# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may not send gets nothing into the archive, and the collector tells who tried. Played with our own forwarder."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.lab.faults.rig import Rig
from tests.lab.hosts.layout import Host

PROGRAM = "/usr/local/lib/pve-audit/pve_audit.pyz"
TLS = "/etc/pve-audit/tls"
WORK = "/root/intruder"


@dataclass(frozen=True)
class Attempt:
    """What was tried, how many of its lines are in the archive, and what the collector says of it."""

    name: str
    archived: int
    reported: str

    @property
    def held(self) -> bool:
        """Nothing got in, and it is known."""
        return self.archived == 0 and bool(self.reported)


def play(rig: Rig) -> list[Attempt]:
    """All attempts, from node2."""
    intruder = rig.nodes[1]
    rig.run(intruder, f"rm -rf {WORK}; mkdir -p {WORK}/state {WORK}/tls")
    found = []
    for name, attempt in ATTEMPTS.items():
        mark = f"intruder{int(time.time())}"
        since = rig.run(rig.collector, "date -u +'%Y-%m-%d %H:%M:%S'").strip()
        attempt(rig, intruder, mark)
        time.sleep(2)
        archived = rig.run(rig.collector, f"grep -rs -- '{mark}-0' /var/log/pve-audit-archive | wc -l")
        found.append(Attempt(name, int(archived), reported(rig, since, intruder)))
    rig.run(intruder, f"rm -rf {WORK}")
    return found


def reported(rig: Rig, since: str, intruder: Host) -> str:
    """The first sentence of `pve-audit-refused` about the intruder's address, or nothing."""
    for one in rig.refused(since):
        if intruder.address4 in str(one.get("address")) or one.get("address") == "unknown":
            return f"{one['address']}: {one['reason']}"
    return ""


def forward(rig: Rig, host: Host, mark: str, node: str, port: int, **tls: Any) -> None:
    """Run the forwarder for some seconds with a file of marked lines as its only source."""
    target = {"host": rig.collector.address4, "port": port, "tls": True, "ca": f"{TLS}/ca.pem",
              "certificate": f"{TLS}/cert.pem", "key": f"{TLS}/key.pem", "permitted_peers": ["collector"]}  # fmt: skip
    config = {
        "node": node,
        "mode": "failover",
        "targets": [target | tls],
        "sources": {"journal": False, "files": [{"name": "access.log", "path": f"{WORK}/lines", "tag": "x"}]},
        "limits": {"resend_seconds": 1, "ack_timeout": 5, "backoff_max": 2, "failback_seconds": 60},
        "state_dir": f"{WORK}/state",
        "status_file": f"{WORK}/status.json",
    }
    rig.put(host, f"{WORK}/config.json", json.dumps(config))
    rig.put(host, f"{WORK}/lines", "".join(f"{mark}-{number:06d}\n" for number in range(1, 101)))
    command = f"python3 -I -B {PROGRAM} forward --config {WORK}/config.json"
    rig.run(host, f"rm -f {WORK}/state/*; timeout 6 {command} >/dev/null 2>&1; true")


def _port(rig: Rig, node: Host) -> int:
    """The listener of a node, as the collector's settings have it."""
    ports: dict[str, str] = json.loads(rig.run(rig.collector, "cat /etc/pve-audit/collector.json"))["ports"]
    return min(int(port) for port, name in ports.items() if name == node.name)


def refused_peer(rig: Rig, intruder: Host, mark: str) -> None:
    """A good certificate, at the door of another node."""
    forward(rig, intruder, mark, rig.nodes[0].name, _port(rig, rig.nodes[0]))


def spoofed_name(rig: Rig, intruder: Host, mark: str) -> None:
    """A good certificate at its own door, and lines that name another node."""
    forward(rig, intruder, mark, rig.nodes[0].name, _port(rig, intruder))


def wrong_authority(rig: Rig, intruder: Host, mark: str) -> None:
    """A certificate with the right name, signed by somebody else."""
    rig.run(
        intruder,
        f"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN={intruder.name}"
        f" -addext subjectAltName=DNS:{intruder.name} -keyout {WORK}/tls/key.pem -out {WORK}/tls/cert.pem 2>/dev/null",
    )
    own = {"certificate": f"{WORK}/tls/cert.pem", "key": f"{WORK}/tls/key.pem"}
    forward(rig, intruder, mark, intruder.name, _port(rig, intruder), **own)


def plain_text(rig: Rig, intruder: Host, mark: str) -> None:
    """RELP and plain syslog without TLS."""
    port = _port(rig, intruder)
    forward(rig, intruder, mark, intruder.name, port, tls=False)
    sender = (
        "import socket,sys; s=socket.create_connection((sys.argv[1],int(sys.argv[2])),5);"
        " s.sendall(sys.stdin.buffer.read()); s.close()"
    )
    rig.run(intruder, f"python3 -c '{sender}' {rig.collector.address4} {port} <{WORK}/lines || true")


ATTEMPTS: dict[str, Callable[[Rig, Host, str], None]] = {
    "a peer at another node's door": refused_peer,
    "a certificate of another authority": wrong_authority,
    "a client without TLS": plain_text,
    "a spoofed node name": spoofed_name,
}
