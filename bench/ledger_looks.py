# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ledger beside a large database: what a look takes that finds nothing, and one that finds a change.

`python -m bench.ledger_looks GUESTS BYTES FOLDER` prints one JSON object. Times are processor time of the ledger alone.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from bench.kept_texts import resident
from pve_audit.ledger.database import Database
from pve_audit.ledger.follow import Follower
from tests.pmxcfs import Pmxcfs

IDLE, CHANGES = 20_000, 100


def main() -> None:
    """Print the figures."""
    guests, size, folder = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    folder.mkdir()
    body = (b"net0: virtio=AA:BB:CC:DD:EE:FF,bridge=vmbr0\n" * (size // 40 + 1))[:size]
    writer = Pmxcfs(folder / "config.db")
    writer.fill("nodes/pve1/qemu-server", [f"{number + 100}.conf" for number in range(guests)], body)
    told: list[str] = []
    empty = resident()
    follower = Follower(Database(str(folder / "config.db")), folder / "state.json", told.append)
    start = time.process_time()
    follower.once()
    first, start = time.process_time() - start, time.process_time()
    for _look in range(IDLE):
        follower.once()
    idle, changed = (time.process_time() - start) / IDLE, 0.0
    for number in range(CHANGES):
        writer.write(f"nodes/pve1/qemu-server/{number + 100}.conf", body + b"memory: %d\n" % number)
        start = time.process_time()
        follower.once()
        changed += time.process_time() - start
    figures = {"first": first, "idle": idle, "changed": changed / CHANGES, "told": len(told) - 1}
    print(json.dumps({**figures, "memory": resident() - empty, "bytes": (folder / "config.db").stat().st_size}))


if __name__ == "__main__":
    main()
