# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line, and login by password."""

from __future__ import annotations

import json
import os
import signal
import ssl
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.lab.recorded import load_files
from tests.lab.simulator import Simulator, running_simulator
from tests.lab.story import PASSWORD
from tests.unit.lab.client import get

ROOT = Path(__file__).resolve().parents[3]


def _start(directory: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.lab.simulator", "--state-dir", str(directory), *options]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _wait(directory: Path, process: subprocess.Popen[str]) -> dict[str, Any]:
    deadline = time.monotonic() + 20
    while not (directory / "sim.json").exists():
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
        time.sleep(0.02)
    info: dict[str, Any] = json.loads((directory / "sim.json").read_text())
    return info


def _fetch(info: dict[str, Any], path: str) -> Any:
    request = urllib.request.Request(f"https://{info['host']}:{info['port']}/api2/json{path}")
    request.add_header("Authorization", f"PVEAPIToken={info['user']}!{info['token_id']}={info['token_secret']}")
    context = ssl.create_default_context(cafile=info["ca_path"])
    with urllib.request.urlopen(request, context=context, timeout=10) as response:
        return json.load(response)["data"]


def test_command_line(tmp_path: Path) -> None:
    """sim.json is complete, private and usable; SIGTERM ends it cleanly and removes the file."""
    process = _start(tmp_path, "--nodes", "4", "--tasks-per-node", "50", "--seed", "7", "--offline", "pve3")
    try:
        info = _wait(tmp_path, process)
        assert {"host", "port", "user", "token_id", "token_secret", "ca_path", "pid"} <= info.keys()
        assert stat.S_IMODE((tmp_path / "sim.json").stat().st_mode) == 0o600
        states = {node["node"]: node["status"] for node in _fetch(info, "/nodes")}
        assert states == {"pve1": "online", "pve2": "online", "pve3": "offline", "pve4": "online"}
        assert info["pid"] == process.pid
        os.kill(process.pid, signal.SIGTERM)
        _, errors = process.communicate(timeout=10)
    finally:
        process.kill()
        process.wait()
    assert (process.returncode, errors) == (0, "")
    assert not (tmp_path / "sim.json").exists()


def test_recorded_files(tmp_path: Path) -> None:
    """A directory of task files is served as a cluster, with the story's users."""
    upid = "UPID:n1:00000001:00000002:6B000000:qmstart:100:root@pam:"
    for path, text in (("index", f"{upid} 6B000001 OK\n"), ("0/log", "")):
        (tmp_path / "files/nodes/n1/tasks" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "files/nodes/n1/tasks" / path).write_text(text)
    with running_simulator(cluster=load_files(tmp_path / "files")) as simulator:
        assert [task["upid"] for task in get(simulator, "/nodes/n1/tasks").data] == [upid]
        assert get(simulator, f"/nodes/n1/tasks/{upid}/status").status == 400


BAD = [
    (("--nodes", "65"), "--nodes must be 1 to 64"),
    (("--tasks-per-node", "10001"), "0 to 10000"),
    (("--offline", "pve9"), "no node pve9"),
    (("--certificate", "odd"), "invalid choice"),
]


@pytest.mark.parametrize(("options", "message"), BAD)
def test_bad_options(tmp_path: Path, options: tuple[str, ...], message: str) -> None:
    """One line, exit status 2."""
    process = _start(tmp_path, *options)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 2
    assert message in errors


def _login(simulator: Simulator, user: str, password: str) -> tuple[int, Any]:
    data = urllib.parse.urlencode({"username": user, "password": password}).encode()
    context = ssl.create_default_context(cafile=str(simulator.ca_path))
    try:
        with urllib.request.urlopen(
            f"{simulator.url}/api2/json/access/ticket", data, context=context, timeout=10
        ) as response:
            return response.status, json.load(response)["data"]
    except urllib.error.HTTPError as error:
        return error.code, None


LOGINS = [
    ("root@pam", PASSWORD, 200),
    ("audit@pve", PASSWORD, 200),
    ("root@pam", "wrong", 401),
    ("nobody@pve", PASSWORD, 401),
    ("dave@pve", PASSWORD, 401),
    ("audit@pve!report", PASSWORD, 401),
]


@pytest.mark.parametrize(("user", "password", "status"), LOGINS)
def test_login(user: str, password: str, status: int) -> None:
    """A ticket opens what its user may see."""
    with running_simulator(tasks_per_node=40, unauthorized_delay=0.0) as simulator:
        got, data = _login(simulator, user, password)
        assert got == status
        if data:
            cookie = {"Cookie": f"PVEAuthCookie={urllib.parse.quote(data['ticket'], safe='')}"}
            assert get(simulator, "/nodes/pve1/tasks", headers=cookie).body["total"] > 0
            assert data["clustername"] == "lab"
