# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What only root can add to a bare Debian, and only the tests may ask for."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence

from tools.pythons import find_pythons, probe, running_python, venv_command


def apt_install(*packages: str) -> str | None:
    """Install Debian packages; returns None, or in one line why it did not work."""
    command = f"apt-get install {' '.join(packages)}"
    if not shutil.which("apt-get"):
        return "this is no Debian, there is no apt-get"
    if os.geteuid():
        return f"as root: {command}"
    env = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for call in (["update", "-qq"], ["install", "-qq", "-y", "--no-install-recommends", *packages]):
        done = subprocess.run(
            ["apt-get", *call], capture_output=True, check=False, stdin=subprocess.DEVNULL, text=True, env=env
        )
        if done.returncode:
            return f"{command} failed: {' '.join(done.stderr.split())[-300:]}"
    return None


def missing_programs(packages: Sequence[str]) -> str | None:
    """Make sure that Debian packages are installed; returns None, or in one line what is missing and why."""
    if shutil.which("dpkg-query") is None:
        return "this is no Debian, its rsyslogd and logrotate cannot be run"
    ask = ["dpkg-query", "-W", "-f", "${db:Status-Status} ", *packages]
    known = subprocess.run(ask, capture_output=True, check=False, text=True)
    if known.returncode == 0 and set(known.stdout.split()) == {"installed"}:
        return None
    return apt_install(*packages)


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
