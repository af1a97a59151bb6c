# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`make demo`: a simulated cluster on this machine, the audit playbook against it, and its report. Needs no root.

The last line that it prints is the path of the HTML report.
"""

from __future__ import annotations

import ctypes
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from tools.environment import clean_env
from tools.paths import BUILD, ROOT
from tools.pythons import NoPython, running_python
from tools.venvs import SetupError, Venv, make_venv

DEMO = BUILD / "demo"
REPORT = DEMO / "report"
NAME = "pve-audit-report"
START_LIMIT = 30  # seconds
_PR_SET_PDEATHSIG = 1


class DemoError(Exception):
    """The demo cannot go on; the text is for the user."""


def main() -> int:
    """Returns the exit status."""
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGHUP, _interrupt)
    try:
        python = running_python()
        print("Setting up (only the first time) ...", flush=True)
        venv = make_venv("demo", python, ["tests/requirements-newest.txt", "requirements.txt"])
        with simulator(venv) as facts:
            print(f"A simulated cluster of three nodes listens on {facts['host']}:{facts['port']}.", flush=True)
            code = run_playbook(venv, facts)
    except (NoPython, SetupError, DemoError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    page = REPORT / f"{NAME}.html"
    if code or not page.exists():
        print(f"The playbook ended with {code} and {'a' if page.exists() else 'no'} report.", file=sys.stderr)
        return code or 1
    print("The report, one file for any browser:")
    print(page)
    return 0


@contextmanager
def simulator(venv: Venv) -> Iterator[dict[str, Any]]:
    """Run the simulator as long as the block runs; gives the content of its sim.json.

    :raises DemoError: it did not start.
    """
    DEMO.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="sim-", dir=DEMO) as state, (DEMO / "simulator.log").open("wb") as log:
        command = venv.run("python", "-m", "tests.lab.simulator", "--nodes", "3", "--state-dir", state, "--port", "0")
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=clean_env(venv),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            preexec_fn=_die_with_parent,  # noqa: PLW1509 - no threads here
        )
        try:
            yield _wait_for(Path(state, "sim.json"), process)
        finally:
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _die_with_parent() -> None:
    """Even kill -9 of the demo leaves no simulator behind (Linux; elsewhere without effect)."""
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl:
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _wait_for(file: Path, process: subprocess.Popen[bytes]) -> dict[str, Any]:
    end = time.monotonic() + START_LIMIT
    while time.monotonic() < end:
        if process.poll() is not None:
            break
        try:
            facts: dict[str, Any] = json.loads(file.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            time.sleep(0.05)
            continue
        return facts
    tail = (DEMO / "simulator.log").read_text(errors="replace")[-2000:]
    raise DemoError(f"The simulator did not start:\n{tail}")


def run_playbook(venv: Venv, facts: dict[str, Any]) -> int:
    """Run demo/audit.yml as a user would, with the connection in the environment; returns ansible-playbook's status."""
    shutil.rmtree(REPORT, ignore_errors=True)
    env = clean_env(
        venv,
        ANSIBLE_CALLBACK_RESULT_FORMAT="yaml",
        PROXMOX_HOST=str(facts["host"]),
        PROXMOX_PORT=str(facts["port"]),
        PROXMOX_USER=str(facts["user"]),
        PROXMOX_TOKEN_ID=str(facts["token_id"]),
        PROXMOX_TOKEN_SECRET=str(facts["token_secret"]),
        PROXMOX_CA_PATH=str(facts["ca_path"]),
    )
    where = json.dumps({"pve_audit_report_output_dir": str(REPORT), "pve_audit_report_name": NAME})
    command = venv.run("ansible-playbook", "-i", "demo/inventory.yml", "demo/audit.yml", "-e", where)
    return subprocess.run(command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, check=False).returncode


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
