# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`python3 -m tools.check STAGE...`: make the virtual environments, then run the stages. See `make help`."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from types import FrameType

from tools.pythons import NoPython
from tools.runner import run_stages, stop_all
from tools.stages import environment, environments_of, stages_of
from tools.system import complete_python
from tools.venvs import SetupError


def main(groups: list[str], jobs: int) -> int:
    """Returns the exit status: 0 when all passed. Under `CI=true` a stage that cannot be tested here is a failure."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    start = time.monotonic()
    try:
        complete_python()
        set_up(environments_of(groups))
    except (NoPython, SetupError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"environments ready ({time.monotonic() - start:.0f} s)", flush=True)
    stages = [stage for group in groups for stage in stages_of(group)]
    passed = run_stages(stages, jobs, strict=os.environ.get("CI") == "true")
    print(f"{'all passed' if passed else 'FAILED'} ({time.monotonic() - start:.0f} s)")
    return 0 if passed else 1


def set_up(names: list[str]) -> None:
    """Make several environments at a time: they wait for the network more than for the processor.

    :raises SetupError: one could not be made.
    """
    with ThreadPoolExecutor(len(names)) as pool:
        for venv in pool.map(environment, names):
            print(f"environment {venv.name}: Python {venv.python.short}", flush=True)


def _interrupt(number: int, _frame: FrameType | None) -> None:
    """End at once, and all that runs: an exception would have to find its way out of waiting threads."""
    signal.signal(number, signal.SIG_IGN)
    stop_all()
    os._exit(128 + number)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("groups", nargs="+", metavar="STAGE")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1))
    options = parser.parse_args()
    sys.exit(main(options.groups, options.jobs))
