# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run on a collector by verify_logging.yml: say when a mark comes into the archive of a node.

Arguments: archive directory, node, mark, seconds to wait, names of sources. Prints one JSON object: source to the time
(epoch seconds of this clock) at which `MARK SOURCE` was seen, for those that came. Reads only what is appended.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path


def watch(archive: str, node: str, mark: str, seconds: float, sources: list[str]) -> dict[str, float]:
    """Returns when all were seen, or the time is up."""
    end = time.monotonic() + seconds
    seen: dict[str, float] = {}
    places = {path: path.stat().st_size for path in Path(archive, node).glob("*/*.log")}
    rest: dict[Path, bytes] = {}
    while len(seen) < len(sources) and time.monotonic() < end:
        for source in set(sources) - set(seen):
            for path in Path(archive, node, source).glob("*.log"):
                with path.open("rb") as stream:
                    stream.seek(places.get(path, 0))
                    data = rest.get(path, b"") + stream.read()
                    places[path] = stream.tell()
                if mark.encode() in data:
                    seen[source] = time.time()
                rest[path] = data[-len(mark) :]
        time.sleep(0.05)
    return seen


if __name__ == "__main__":
    print(json.dumps(watch(sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4]), sys.argv[5:])))
