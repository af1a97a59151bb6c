# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The test runner tells the truth: about failures, about what was not tested, and about the number of tests."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from tools import pythons, runner
from tools.chromium import NoBrowser, find_chromium
from tools.runner import Job, NotTested, Stage, read_counts, read_slowest, run_stages
from tools.venvs import SetupError

JUNIT = """<testsuites><testsuite tests="10" failures="2" errors="1" skipped="3">
<testcase classname="tests.a" name="quick" time="0.1"/><testcase classname="tests.a" name="slow" time="7.5"/>
</testsuite></testsuites>"""


def job(code: str) -> Job:
    """A stage that runs some Python."""
    return Job([sys.executable, "-c", code], dict(os.environ))


def raising(error: Exception) -> Job:
    """A stage that cannot be prepared."""
    raise error


@pytest.fixture(autouse=True)
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep the logs of these stages apart."""
    monkeypatch.setattr(runner, "LOGS", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("stage", "strict", "passed", "said"),
    [
        (Stage("good", lambda: job("print('fine')")), True, True, "fine"),
        (Stage("bad", lambda: job("print('wrong'); raise SystemExit(3)")), False, False, "exit status 3"),
        (Stage("gone", lambda: raising(SetupError("no network"))), False, False, "no network"),
        (Stage("odd", lambda: raising(NotTested("no browser"))), False, True, "NOT TESTED: no browser"),
        (Stage("odd", lambda: raising(NotTested("no browser"))), True, False, "NOT TESTED: no browser"),
    ],
)
def test_stage_result(stage: Stage, strict: bool, passed: bool, said: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert run_stages([stage], 1, strict) is passed
    assert said in capfd.readouterr().out


def test_other_stages_run_after_a_failure(capfd: pytest.CaptureFixture[str]) -> None:
    assert not run_stages([Stage("bad", lambda: job("raise SystemExit(1)")), Stage("good", lambda: job(""))], 1, False)
    lines = [line.split()[:2] for line in capfd.readouterr().out.splitlines() if line.endswith(" s")]
    assert lines == [["bad", "failed"], ["good", "passed"]]


def test_the_longest_begin_first_and_those_that_wait_run_beside_them(tmp_path: Path) -> None:
    begun: list[str] = []

    def prepare(name: str) -> Job:
        """One that ends when another has begun: both must run at the same time, although one job is asked for."""
        begun.append(name)
        other = tmp_path / ("host" if name == "long" else "long")
        wait = f"while not pathlib.Path({str(other)!r}).exists(): time.sleep(0.01)"
        return job(f"import pathlib, time\npathlib.Path({str(tmp_path / name)!r}).touch()\n{wait}")

    minutes = {"short": 1.0, "host": 2.0, "long": 3.0, "middle": 2.0}
    stages = [Stage(name, partial(prepare, name), size, waits=name == "host") for name, size in minutes.items()]
    assert run_stages(stages, 1, False)
    assert [name for name in begun if name != "host"] == ["long", "middle", "short"]


def test_slowest_tests_of_all_stages_and_the_sum_at_the_end(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    def prepare(name: str) -> Job:
        file = tmp_path / f"{name}.xml"
        return replace(job(f"import pathlib; pathlib.Path({str(file)!r}).write_text({JUNIT!r})"), junit=file)

    assert run_stages([Stage(name, partial(prepare, name)) for name in ("unit", "e2e")], 1, False)
    lines = capfd.readouterr().out.splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("=== slowest tests"))
    slowest = [line.split() for line in lines[first + 1 : first + 5]]
    assert slowest[:2] == [["7.5", "s", stage, "tests.a::slow"] for stage in ("unit", "e2e")]
    assert [words[0] for words in slowest[2:]] == ["0.1", "0.1"]
    assert lines[-1] == "8 passed, 6 failed, 6 skipped"


def test_what_takes_too_long_can_clean_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(runner, "TIME_LIMIT", 5)
    code = (
        "import signal, time\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "try: time.sleep(600)\nfinally: print('down')"
    )
    assert not run_stages([Stage("endless", lambda: job(code))], 1, False)
    said = capfd.readouterr().out
    assert "down" in said and "stopped after 5 s" in said


def test_counts(tmp_path: Path) -> None:
    file = tmp_path / "junit.xml"
    assert not read_counts(file)
    assert read_slowest(file) == []
    file.write_text(JUNIT, encoding="utf-8")
    assert read_counts(file) == {"passed": 4, "failed": 3, "skipped": 3}


def test_interpreter_that_does_not_run(tmp_path: Path) -> None:
    shim = tmp_path / "python3.12"
    shim.write_text("#!/bin/sh\nexit 127\n", encoding="utf-8")
    shim.chmod(0o755)
    assert pythons.probe(str(shim)) is None
    assert pythons.probe(str(tmp_path / "none")) is None


def test_missing_venv_is_one_command(monkeypatch: pytest.MonkeyPatch) -> None:
    bare = pythons.Python((3, 13, 5), "/usr/bin/python3", venv=False)
    monkeypatch.setattr(pythons, "probe", lambda _path: bare)
    with pytest.raises(pythons.NoPython) as caught:
        pythons.running_python()
    assert str(caught.value).endswith("apt-get install python3.13-venv")
    assert "\n" not in str(caught.value)


def test_no_browser_and_no_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: "/usr/bin/apt-get" if name == "apt-get" else None)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(NoBrowser, match="as root: apt-get install chromium"):
        find_chromium()
