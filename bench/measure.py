# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run one command to its end, and say how long it took and how much memory its largest process needed."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from dataclasses import dataclass
from statistics import median


class BenchError(Exception):
    """A measured command failed; the text ends with what it printed."""


@dataclass(frozen=True)
class Usage:
    """Wall time and processor time in seconds, the peak memory of the largest process in MiB, and what was printed."""

    seconds: float
    processor: float
    memory: float
    output: str


def run(command: list[str], env: dict[str, str], cwd: str) -> Usage:
    """Run a command and all that it starts. Raises BenchError when it fails."""
    with tempfile.TemporaryFile() as output:
        started = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
        # Of all processes that were waited for, the kernel keeps the largest peak, in KiB.
        _pid, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read().decode(errors="replace")
    if process.returncode:
        raise BenchError(f"{' '.join(command)} ended with {process.returncode}:\n{text[-3000:]}")
    return Usage(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, text)


def typical(usages: list[Usage]) -> Usage:
    """The median times and the highest peak of several runs."""
    return Usage(
        median(usage.seconds for usage in usages),
        median(usage.processor for usage in usages),
        max(usage.memory for usage in usages),
        usages[-1].output,
    )
