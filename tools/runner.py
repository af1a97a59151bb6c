# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run stages: some at a time, each with its own log; print what happened, the slowest tests and a table at the end."""

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
GRACE = 60  # seconds to end in
SHOWN_LINES = 12  # of the log of a stage that passed
SLOWEST = 10  # tests that are named at the end


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
    """A named job. `prepare` makes the job when its turn comes and may raise SetupError or NotTested.

    `minutes` is about how long it takes on two idle cores: the longest begin first. One that `waits` most of that time
    for hosts and timers is run beside the others, one such stage after the other.
    """

    name: str
    prepare: Callable[[], Job]
    minutes: float = 0.5
    waits: bool = False


@dataclass
class Result:
    """What became of a stage: `passed`, `failed` or `NOT TESTED`; if it was pytest, its outcomes and slowest tests."""

    name: str
    state: str
    seconds: float
    text: str
    counts: Counter[str] = field(default_factory=Counter)
    slowest: list[tuple[float, str]] = field(default_factory=list)


_running: set[subprocess.Popen[bytes]] = set()
_guard = threading.Lock()


def run_stages(stages: list[Stage], jobs: int, strict: bool) -> bool:
    """Run all stages whatever fails, print the results; true when nothing failed.

    :arg strict: a stage that cannot be tested here is a failure.
    """
    LOGS.mkdir(parents=True, exist_ok=True)
    results: list[Result] = []
    with ThreadPoolExecutor(jobs) as pool, ThreadPoolExecutor(1) as waiting:
        longest_first = sorted(stages, key=lambda stage: -stage.minutes)
        todo = [(waiting if stage.waits else pool).submit(_run_stage, stage) for stage in longest_first]
        for future in as_completed(todo):
            results.append(future.result())
            print_result(results[-1])
    order = [stage.name for stage in stages]
    results.sort(key=lambda result: order.index(result.name))
    print_slowest(results)
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
    junit = None
    try:
        job = stage.prepare()
        junit = job.junit
        state, text = _run_job(stage.name, job)
    except SetupError as error:
        state, text = "failed", str(error)
    except NotTested as reason:
        state, text = "NOT TESTED", f"NOT TESTED: {reason}"
    result = Result(stage.name, state, time.monotonic() - start, text)
    if junit:
        result.counts, result.slowest = read_counts(junit), read_slowest(junit)
    return result


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
            code = _end(process)
            output.write(f"\nstopped after {TIME_LIMIT} s\n".encode())
        finally:
            with _guard:
                _running.discard(process)
    lines = log.read_text(errors="replace").splitlines()
    if code:
        return "failed", "\n".join([*lines, f"exit status {code}, log: {log}"])
    return "passed", "\n".join(lines[-SHOWN_LINES:])


def _end(process: subprocess.Popen[bytes]) -> int:
    """End a stage that takes too long, so that it can take down what it has started; returns its exit status."""
    os.killpg(process.pid, signal.SIGINT)
    try:
        return process.wait(GRACE) or 1
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return process.wait()


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


def read_slowest(junit: Path) -> list[tuple[float, str]]:
    """The longest tests of a pytest run: seconds, with the fixtures that each was the first to need, and name."""
    if not junit.exists():
        return []
    cases = ElementTree.parse(junit).getroot().iter("testcase")
    found = [(float(case.get("time", 0)), f"{case.get('classname')}::{case.get('name')}") for case in cases]
    return sorted(found, reverse=True)[:SLOWEST]


def print_result(result: Result) -> None:
    """The banner and the log of one stage."""
    print(f"\n=== {result.name}: {result.state} ({result.seconds:.0f} s) {'=' * max(3, 60 - len(result.name))}")
    print(result.text, flush=True)


def print_slowest(results: Iterable[Result]) -> None:
    """The longest tests of all stages."""
    slowest = sorted(((*test, result.name) for result in results for test in result.slowest), reverse=True)
    if slowest:
        print("\n=== slowest tests " + "=" * 54)
    for seconds, test, stage in slowest[:SLOWEST]:
        print(f"{seconds:6.1f} s  {stage:<20}{test}")


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
