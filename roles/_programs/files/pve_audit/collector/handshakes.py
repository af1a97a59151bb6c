# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Close connections that never come to their certificate: rsyslogd and librelp wait for them without end.

Two looks at the kernel's table of connections, some seconds apart. A node that was let in has sent its hello, its
certificate and an offer by then, 900 bytes at the least. Who has sent less than a hello takes, in both looks, holds a
descriptor and nothing else.
"""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

LEAST_BYTES = 600
_ADDRESS = re.compile(r"\[?(.*?)\]?(?:%[^:\]]*)?:(\d+)")
_RECEIVED = re.compile(r"\bbytes_received:(\d+)")


@dataclass(frozen=True, slots=True)
class Connection:
    """The port of the listener, and the peer's address and port."""

    port: int
    address: str
    peer_port: int


Look = Callable[[Iterable[str]], str]


def close_idle(ports: Iterable[str], seconds: float, ss: Look | None = None) -> list[Connection]:
    """Close and return the connections to these ports that said next to nothing for `seconds`.

    `ss` runs ss(8) with arguments and returns what it prints. Raises OSError when it cannot be run or refuses.
    """
    run = ss or _ss
    listeners = [f"sport = :{int(port)}" for port in ports]
    if not listeners:
        return []
    look = ["-tniHO", "state", "established", f"( {' or '.join(listeners)} )"]
    first = quiet(run(look))
    if not first:
        return []
    time.sleep(seconds)
    idle = sorted(first & quiet(run(look)), key=lambda one: (one.port, one.address, one.peer_port))
    for one in idle:
        peer = f"[{one.address}]:{one.peer_port}" if ":" in one.address else f"{one.address}:{one.peer_port}"
        run(["-K", "-tnH", "state", "established", f"sport = :{one.port} and dst {peer}"])
    return idle


def quiet(table: str) -> set[Connection]:
    """Of what `ss -tniHO` printed: the connections that have sent less than a hello."""
    found = set()
    for line in table.splitlines():
        words = line.split()
        if len(words) < 4:
            continue
        here, there = _ADDRESS.fullmatch(words[2]), _ADDRESS.fullmatch(words[3])
        received = _RECEIVED.search(line)  # left out while it is 0
        if here and there and (received is None or int(received[1]) < LEAST_BYTES):
            found.add(Connection(int(here[2]), there[1], int(there[2])))
    return found


def _ss(arguments: Iterable[str]) -> str:
    done = subprocess.run(["ss", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"ss cannot tell the connections: {done.stderr.strip()[:200]}")
    return done.stdout
