# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run stages: two at a time, each with its own log; print what happened and a table at the end."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

from tools.paths import LOGS, ROOT
from tools.venvs import SetupError

TIME_LIMIT = 1800  # seconds for one stage
SHOWN_LINES = 12  # of the log of a stage that passed


class NotTested(Exception):
    """A stage cannot run on this machine; the text says why."""


@dataclass(frozen=True)
class Job:
    """A command with its environment; `junit` is where pytest leaves its counts."""

    command: list[str]
    env: dict[str, str]
    junit: Path | None = None


@dataclass(frozen=True)
class Stage:
    """A named job. `prepare` makes the job when its turn comes and may raise SetupError or NotTested."""

    name: str
    prepare: Callable[[], Job]


@dataclass
class Result:
    """What became of a stage: `passed`, `failed` or `NOT TESTED`; counts of pytest's outcomes if it was pytest."""

    name: str
    state: str
    seconds: float
    text: str
    counts: Counter[str] = field(default_factory=Counter)


_running: set[subprocess.Popen[bytes]] = set()
_guard = threading.Lock()


def run_stages(stages: list[Stage], jobs: int, strict: bool) -> bool:
    """Run all stages whatever fails, print the results; true when nothing failed.

    :arg strict: a stage that cannot be tested here is a failure.
    """
    LOGS.mkdir(parents=True, exist_ok=True)
    results: list[Result] = []
    with ThreadPoolExecutor(jobs) as pool:
        for future in as_completed([pool.submit(_run_stage, stage) for stage in stages]):
            results.append(future.result())
            print_result(results[-1])
    order = [stage.name for stage in stages]
    results.sort(key=lambda result: order.index(result.name))
    print_table(results)
    bad = {"failed", "NOT TESTED"} if strict else {"failed"}
    return not any(result.state in bad for result in results)


def stop_all() -> None:
    """End what the stages have started, with their children."""
    with _guard:
        for process in _running:
            os.killpg(process.pid, signal.SIGTERM)


def _run_stage(stage: Stage) -> Result:
    start = time.monotonic()
    print(f"... {stage.name}", flush=True)
    try:
        job = stage.prepare()
        state, text = _run_job(stage.name, job)
        counts = read_counts(job.junit) if job.junit else Counter[str]()
    except SetupError as error:
        state, text, counts = "failed", str(error), Counter()
    except NotTested as reason:
        state, text, counts = "NOT TESTED", f"NOT TESTED: {reason}", Counter()
    return Result(stage.name, state, time.monotonic() - start, text, counts)


def _run_job(name: str, job: Job) -> tuple[str, str]:
    """Returns the state and the text to show."""
    if job.junit:
        job.junit.parent.mkdir(parents=True, exist_ok=True)
        job.junit.unlink(missing_ok=True)
    log = LOGS / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            job.command,
            cwd=ROOT,
            env=job.env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        with _guard:
            _running.add(process)
        try:
            code = process.wait(TIME_LIMIT)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            code = process.wait()
            output.write(f"\nstopped after {TIME_LIMIT} s\n".encode())
        finally:
            with _guard:
                _running.discard(process)
    lines = log.read_text(errors="replace").splitlines()
    if code:
        return "failed", "\n".join([*lines, f"exit status {code}, log: {log}"])
    return "passed", "\n".join(lines[-SHOWN_LINES:])


def read_counts(junit: Path) -> Counter[str]:
    """Outcomes of a pytest run from its JUnit file; empty when pytest wrote none."""
    counts: Counter[str] = Counter()
    if not junit.exists():
        return counts
    for suite in ElementTree.parse(junit).getroot().iter("testsuite"):
        skipped = int(suite.get("skipped", 0))
        failed = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        counts.update(skipped=skipped, failed=failed, passed=int(suite.get("tests", 0)) - skipped - failed)
    return counts


def print_result(result: Result) -> None:
    """The banner and the log of one stage."""
    print(f"\n=== {result.name}: {result.state} ({result.seconds:.0f} s) {'=' * max(3, 60 - len(result.name))}")
    print(result.text, flush=True)


def print_table(results: Iterable[Result]) -> None:
    """One line for each stage, and the sum of the tests that pytest counted."""
    total: Counter[str] = Counter()
    print("\n=== summary " + "=" * 60)
    for result in results:
        total.update(result.counts)
        tests = ", ".join(f"{number} {outcome}" for outcome, number in sorted(result.counts.items()) if number)
        print(f"{result.name:<20}{result.state:<12}{result.seconds:6.0f} s  {tests}".rstrip())
    if total:
        print(f"{total['passed']} passed, {total['failed']} failed, {total['skipped']} skipped", flush=True)
