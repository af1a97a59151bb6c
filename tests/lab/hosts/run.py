# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a program and turn its failure into one sentence."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.lab.hosts.errors import LabError


def run(*command: str | Path, env: Mapping[str, str] | None = None, log: Path | None = None) -> str:
    """The standard output of a command that must succeed; with `log`, its whole output goes there.

    :raises LabError: it failed or is not there.
    """
    try:
        if log:
            return _run_logged(command, env, log)
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, env=env)
    except FileNotFoundError as error:
        raise LabError(f"the program {command[0]} is missing") from error
    if done.returncode:
        raise LabError(f"{_short(command)} failed: {' '.join(done.stderr.split())[-400:]}")
    return done.stdout


def _run_logged(command: tuple[str | Path, ...], env: Mapping[str, str] | None, log: Path) -> str:
    with log.open("w", encoding="utf-8") as output:
        done = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=env)
    if done.returncode:
        raise LabError(f"{_short(command)} failed, see {log}")
    return ""


def _short(command: tuple[str | Path, ...]) -> str:
    return " ".join(map(str, command))[:120]
