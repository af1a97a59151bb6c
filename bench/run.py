# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Speed and memory, side by side with the alternatives. `make bench` runs this; it takes about ten minutes."""

from __future__ import annotations

import argparse
import fcntl
import sys
import tempfile
from pathlib import Path

from bench.api import api_section
from bench.converge import converge_section
from bench.index import index_section
from bench.kept import kept_section
from bench.ledger import ledger_section
from bench.measure import BenchError
from bench.parse import parse_section
from bench.report import as_text, machine, write
from bench.windows import windows_section
from tools.paths import BUILD, ROOT

SECTIONS = (api_section, windows_section, parse_section, kept_section, ledger_section, index_section, converge_section)
RESULTS = BUILD / "bench" / "results.json"
PAGE = ROOT / "docs" / "benchmarks.md"


def main(arguments: list[str]) -> int:
    """Returns 0 when all goals are met, 1 when one is missed or a measured command failed."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how often each program runs (default 5)")
    rounds = parser.parse_args(arguments).rounds
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    try:
        with (
            (RESULTS.parent / ".lock").open("w") as lock,
            tempfile.TemporaryDirectory(prefix="pve-audit-bench-") as name,
        ):
            fcntl.flock(lock, fcntl.LOCK_EX)  # two at a time would measure each other
            folder = Path(name)
            sections = []
            for section in (
                api_section,
                windows_section,
                parse_section,
                kept_section,
                ledger_section,
                index_section,
                converge_section,
            ):
                print(f"Measuring {section.__name__.removesuffix('_section')} ...", flush=True)
                sections.append(section(folder, rounds))
    except BenchError as error:
        print(error, file=sys.stderr)
        return 1
    write(sections, RESULTS, PAGE)
    print(as_text(sections))
    print("\n" + ", ".join(f"{name} {value}" for name, value in machine().items()))
    missed = [line.what for section in sections for line in section.lines if line.verdict == "MISS"]
    print(f"{len(missed)} goals missed: {'; '.join(missed)}" if missed else "All goals are met.")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
