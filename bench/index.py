# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A question about one guest to an archive of a million lines: the index, all lines without it, and zgrep."""

from __future__ import annotations

import gzip
import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ansible_collections.pve.audit.plugins.lookup.zipapp import make_archive, read_folder
from bench.measure import run, typical
from bench.report import Line, Section
from pve_audit.wire import Message, encode
from tools.paths import ROOT

COUNT = 1_000_000
NODES, DAYS, GUESTS = 3, 30, 500
GUEST = 110
# Of so many lines one changes something; the others are reads, as browsers make them all the time.
SPARSE = 10
SECONDS = 1.0  # for an answer, the goal
FIRST_DAY = datetime(2026, 10, 1, tzinfo=UTC)
_CALLS = ("POST /api2/extjs/nodes/{node}/qemu/{vmid}/status/start", "PUT /api2/extjs/nodes/{node}/qemu/{vmid}/config")
_READ = "GET /api2/json/cluster/resources"
_TEXT = '::ffff:192.0.2.{client} - user{client}@pve [{clock}] "{call} HTTP/1.1" 200 {length}'


def index_section(folder: Path, rounds: int) -> Section:
    """Once with nothing but changes, which is the worst for an index, and once with many reads between them."""
    program = folder / "pve_audit.pyz"
    program.write_bytes(make_archive(read_folder(ROOT / "roles/_programs/files")))
    section = Section(f"A question about one guest to an archive of {COUNT:,} lines", "zgrep")
    for name, every in (("changes alone", 1), (f"1 change in {SPARSE} lines", SPARSE)):
        section.lines += _measure(folder / f"archive-{every}", program, name, every, rounds)
    section.remarks = [
        f"{NODES} nodes, {DAYS} days, {GUESTS} guests. The answer has events, each once, and the places of their"
        " lines; zgrep counts the lines that have the path of the guest.",
        f"Medians of {rounds} rounds; the index is made once. Python's start is in all figures of pve.audit.",
    ]
    return section


def _measure(folder: Path, program: Path, name: str, every: int, rounds: int) -> list[Line]:
    lay_down(folder, every)
    command = [sys.executable, "-I", "-B", str(program), "collector", "--config", str(folder / "collector.json")]
    question = ["--vmid", str(GUEST), "--json"]
    made = run([*command, "index"], {}, "/")
    quick = typical([run([*command, "find", *question], {}, "/") for _round in range(rounds)])
    slow = run([*command, "find", "--scan", *question], {}, "/")
    files = [str(path) for path in sorted((folder / "archive").glob("*/*/*.gz"))]
    search = ["zgrep", "-hc", f"/qemu/{GUEST}/", *files]
    grep = typical([run(search, {"PATH": "/usr/bin:/bin"}, "/") for _round in range(rounds)])
    events, found = len(json.loads(quick.output)["events"]), sum(map(int, grep.output.split()))
    same = events == found and slow.output == quick.output
    size = sum(path.stat().st_size for path in (folder / "state/index").glob("*.sqlite")) / 2**20
    ratio, met = f"{grep.seconds / quick.seconds:.1f}", quick.seconds <= SECONDS
    return [
        Line(f"{name}: making the index", f"{made.seconds:.0f} s, {COUNT / made.seconds:,.0f} lines a second", ""),
        Line(f"{name}: the index", f"{size:,.0f} MiB, made with {made.memory:.0f} MiB of memory", ""),
        Line(f"{name}: found", f"{events:,} events", f"{found:,} lines", "", "the same", same),
        Line(f"{name}: time", f"{quick.seconds:.2f} s", f"{grep.seconds:.2f} s", ratio, f"<= {SECONDS:g} s", met),
        Line(f"{name}: time without the index", f"{slow.seconds:.0f} s", ""),
    ]


def lay_down(folder: Path, every: int) -> None:
    """A closed archive, and the settings of its collector."""
    paths = {name: folder / name for name in ("archive", "state", "rejected")}
    for path in paths.values():
        path.mkdir(parents=True)
    (folder / "collector.json").write_text(json.dumps({name: str(path) for name, path in paths.items()}))
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
