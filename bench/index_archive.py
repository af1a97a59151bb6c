# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m bench.index_archive FOLDER N`: a closed archive, in which each N-th line is a change, and a collector."""

from __future__ import annotations

import gzip
import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ansible_collections.pve.audit.plugins.lookup.zipapp import make_archive, read_folder
from bench.index import COUNT, DAYS, GUESTS, NODES
from pve_audit.wire import Message, encode
from tools.paths import ROOT

FIRST_DAY = datetime(2026, 10, 1, tzinfo=UTC)
_CALLS = ("POST /api2/extjs/nodes/{node}/qemu/{vmid}/status/start", "PUT /api2/extjs/nodes/{node}/qemu/{vmid}/config")
_READ = "GET /api2/json/cluster/resources"
_TEXT = '::ffff:192.0.2.{client} - user{client}@pve [{clock}] "{call} HTTP/1.1" 200 {length}'


def lay_down(folder: Path, every: int) -> None:
    """The archive, the settings of its collector, and the program."""
    paths = {name: folder / name for name in ("archive", "state", "rejected")}
    for path in paths.values():
        path.mkdir(parents=True)
    (folder / "collector.json").write_text(json.dumps({name: str(path) for name, path in paths.items()}))
    (folder / "pve_audit.pyz").write_bytes(make_archive(read_folder(ROOT / "roles/_programs/files")))
    a_day = COUNT // NODES // DAYS
    for node in (f"pve{number}" for number in range(1, NODES + 1)):
        source = paths["archive"] / node / "access.log"
        source.mkdir(parents=True)
        for day in range(DAYS):
            start = FIRST_DAY + timedelta(days=day)
            lines = (
                _line(node, start + timedelta(seconds=4 * number), day * a_day + number, every)
                for number in range(a_day)
            )
            with gzip.open(source / f"{start:%Y-%m-%d}.log.gz", "wb", 6) as stream:
                stream.write(b"\n".join(lines) + b"\n")


def _line(node: str, time: datetime, number: int, every: int) -> bytes:
    turn, rest = divmod(number, every)
    call = _READ if rest else _CALLS[turn % 2].format(node=node, vmid=100 + turn % GUESTS)
    text = _TEXT.format(client=turn % 20 + 1, clock=f"{time:%d/%m/%Y:%H:%M:%S %z}", call=call, length=25)
    place = {"file": "/var/log/pveproxy/access.log", "inode": "7", "fingerprint": "f", "offset": str(number * 130)}
    (line,) = encode(Message(node, "access.log", text, int(time.timestamp()) * 1_000_000, params=place), 8192)
    return line


if __name__ == "__main__":
    lay_down(Path(sys.argv[1]), int(sys.argv[2]))
