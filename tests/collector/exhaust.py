# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run in a network of its own: 127.0.0.1 opens connections without end and says nothing, 127.0.0.2 is a node.

Arguments: a directory, the certificates, nft. Prints JSON.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import jinja2

from tests.collector.conftest import ROLE, Collector, new_collector
from tests.collector.relp import Relp
from tests.collector.test_receiver import line

LIMIT = 16
RATE = 6000


def rules(ports: list[int], allowed: Sequence[str] = ()) -> str:
    """The role's table for these ports."""
    prefix = "pve_audit_log_collector_"
    values = {"max_connections": LIMIT, "max_new_per_minute": RATE, "used_ports": ports, "allowed_networks": allowed}
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined)
    text = (ROLE / "templates" / "collector.nft.j2").read_text(encoding="utf-8")
    return environment.from_string(text).render({prefix + name: value for name, value in values.items()}) + "\n"


def opened(port: int, tries: int) -> list[socket.socket]:
    """Connections that were let in, all from one address."""
    found = []
    for _ in range(tries):
        one = socket.socket()
        one.settimeout(0.3)
        one.bind(("127.0.0.1", 0))
        try:
            one.connect(("127.0.0.1", port))
        except OSError:
            one.close()
        else:
            found.append(one)
    return found


def strangers(base: Path, collector: Collector, pki: Path, nft: str) -> dict[str, int]:
    """What becomes of an address that is not allowed, and of one that is."""
    table = base / "allowed.nft"
    table.write_text(rules(sorted(collector.ports.values()), ["127.0.0.2/31", "2001:db8::/32"]))
    subprocess.run([nft, "-f", table], check=True)
    port = collector.ports["relp-pve2"]
    let_in = len(opened(port, 3))
    Relp(port, pki, "pve2", source="127.0.0.2").log(line(1, "pve2"))
    return {"strangers": let_in, "allowed": len(collector.lines("pve2"))}


def main() -> None:
    base, pki, nft = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    collector = new_collector(base, pki)
    table = base / "table.nft"
    table.write_text(rules(sorted(collector.ports.values())))
    for _ in range(2):  # twice: it takes its own place
        subprocess.run([nft, "-c", "-f", table], check=True)
        subprocess.run([nft, "-f", table], check=True)
    collector.start()
    try:
        port = collector.ports["relp-pve1"]
        held = opened(port, 100)
        Relp(port, pki, "pve1", source="127.0.0.2").log(line(1))
        lines = len(collector.lines("pve1"))
        for one in held:
            one.close()
        end = time.monotonic() + 30
        while not (again := opened(port, 1)) and time.monotonic() < end:  # until the collector has closed its ends
            time.sleep(0.2)
        print(
            json.dumps({"held": len(held), "lines": lines, "again": bool(again)} | strangers(base, collector, pki, nft))
        )
    finally:
        collector.stop()


if __name__ == "__main__":
    main()
