# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The forwarder's file source over many kept task texts: what sending them takes, and then what watching them takes.

`python -m bench.kept_texts COUNT FOLDER` prints one JSON object. Seconds of watching are not waited for: the source is
given the time. Times are processor time of this process.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from pve_audit.forward.candidates import FULL_SECONDS
from pve_audit.forward.file_source import FileSource
from pve_audit.forward.settings import FileSpec

DAYS = 365
OLD = 1_790_000_000
# Three times the looks at everything, and one second more.
WATCHED = int(3 * FULL_SECONDS) + 1


def resident() -> float:
    """MiB of memory of this process at present."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def make(folder: Path, count: int) -> None:
    """`count` texts of ten lines in as many folders as a year has days."""
    for day in range(DAYS):
        (folder / f"day-{day:03}").mkdir(parents=True)
    for number in range(count):
        path = folder / f"day-{number % DAYS:03}" / f"UPID:pve1:{number:08X}:00000000:6A000000:vzdump:100:root@pam:"
        path.write_text("".join(f"INFO: line {line} of task {number}\n" for line in range(10)), encoding="ascii")
        os.utime(path, (OLD + number, OLD + number))


def read(source: FileSource, now: float) -> int:
    """Take all there is at this time; returns the number of lines."""
    lines = 0
    while (line := source.next(now)) is not None:
        lines += 1
        if line.place is not None:
            source.acknowledge(line.place)
    return lines


def main() -> None:
    """Print the figures."""
    count, folder = int(sys.argv[1]), Path(sys.argv[2])
    make(folder / "tasks", count)
    time.sleep(2.5)  # folders that were changed just now are listed again
    empty = resident()
    source = FileSource(FileSpec("texts", str(folder / "tasks/*/UPID:*")), "node", 1.0, folder / "done")
    source.open({}, {})
    start, lines, now = time.process_time(), 0, 0.0
    while lines < 10 * count:
        now += 3600.0
        lines += read(source, now)
    sent = time.process_time() - start
    read(source, now := now + 3600.0)
    before, start = resident(), time.process_time()
    for second in range(WATCHED):
        lines += read(source, now + second)
    watched = (time.process_time() - start) / WATCHED
    figures = {"lines": lines, "sent": sent, "watched": watched, "empty": empty, "before": before, "after": resident()}
    print(json.dumps(figures | {"state": len(json.dumps(source.position())), "done": (folder / "done").stat().st_size}))


if __name__ == "__main__":
    main()
