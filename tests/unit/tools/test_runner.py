# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The test runner tells the truth: about failures, about what was not tested, and about the number of tests."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tools import pythons, runner
from tools.chromium import NoBrowser, find_chromium
from tools.runner import Job, NotTested, Stage, read_counts, run_stages
from tools.venvs import SetupError

JUNIT = '<testsuites><testsuite tests="10" failures="2" errors="1" skipped="3"/></testsuites>'


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


def test_counts(tmp_path: Path) -> None:
    file = tmp_path / "junit.xml"
    assert not read_counts(file)
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
