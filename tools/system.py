# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What only root can add to a bare Debian, and only the tests may ask for."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tools.paths import BUILD
from tools.pythons import find_pythons, probe, running_python, venv_command
from tools.venvs import lock

LOCK = BUILD / ".apt.lock"
POLICY = Path("/usr/sbin/policy-rc.d")
SERVICES = {
    "auditd": "auditd.service",
    "openssh-server": "ssh.service",
    "rsyslog": "rsyslog.service",
}  # not at the next boot either


def apt_install(*packages: str) -> str | None:
    """Install Debian packages; returns None, or in one line why it did not work."""
    with lock(LOCK):
        return _apt_get(packages)


def _apt_get(packages: Sequence[str]) -> str | None:
    command = f"apt-get install {' '.join(packages)}"
    if not shutil.which("apt-get"):
        return "this is no Debian, there is no apt-get"
    if os.geteuid():
        return f"as root: {command}"
    env = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    with _no_service_starts():
        for call in (["update", "-qq"], ["install", "-qq", "-y", "--no-install-recommends", *packages]):
            done = subprocess.run(
                ["apt-get", *call], capture_output=True, check=False, stdin=subprocess.DEVNULL, text=True, env=env
            )
            if done.returncode:
                return f"{command} failed: {' '.join(done.stderr.split())[-300:]}"
    return None


@contextmanager
def _no_service_starts() -> Iterator[None]:
    """The tests run the programs; the machine shall have no new server from it (invoke-rc.d asks policy-rc.d)."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n", encoding="ascii")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink(missing_ok=True)


def _installed(packages: Sequence[str]) -> set[str]:
    ask = ["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n", *packages]
    known = subprocess.run(ask, capture_output=True, check=False, text=True)
    return {line.split()[0] for line in known.stdout.splitlines() if line.endswith(" installed")}


def missing_programs(packages: Sequence[str]) -> str | None:
    """Make sure that Debian packages are installed; returns None, or in one line what is missing and why."""
    if shutil.which("dpkg-query") is None:
        return "this is no Debian, its rsyslogd and logrotate cannot be run"
    with lock(LOCK):
        there = _installed(packages)
        if there >= set(packages):
            return None
        problem = _apt_get(packages)
        for package, service in SERVICES.items():
            if package in _installed(packages) and package not in there and shutil.which("systemctl"):
                subprocess.run(["systemctl", "--quiet", "disable", service], check=False, capture_output=True)
    return problem


def complete_python() -> None:
    """Give Debian's Python its python3-venv when no interpreter here can make virtual environments.

    :raises NoPython: that did not work; the text says what to do.
    """
    if find_pythons():
        return
    python = probe("python3")
    if python and not python.venv:
        apt_install(venv_command(python).split()[-1])
    running_python()
