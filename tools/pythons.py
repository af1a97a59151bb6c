# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Python interpreters of this machine that can be used for tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

OLDEST = (3, 11)
NEWEST = (3, 14)

_PROBE = """
import json, sys
try:
    import ensurepip, venv
    complete = bool(ensurepip.version())
except (AttributeError, ImportError, OSError):
    complete = False
print(json.dumps({"version": sys.version_info[:3], "executable": sys.executable, "venv": complete}))
"""


@dataclass(frozen=True, order=True)
class Python:
    """One interpreter; orders by version. `venv` is false where Debian's python3-venv is missing."""

    version: tuple[int, int, int]
    path: str
    venv: bool

    @property
    def short(self) -> str:
        """`3.11`"""
        return "{}.{}".format(*self.version)


class NoPython(Exception):
    """No interpreter that can make a virtual environment; the text says in one line what to do."""


def probe(path: str) -> Python | None:
    """Ask one interpreter; None when it does not run (a pyenv shim of a version that is not selected)."""
    try:
        answer = subprocess.run(
            [path, "-c", _PROBE], capture_output=True, check=False, stdin=subprocess.DEVNULL, timeout=30, text=True
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    if answer.returncode:
        return None
    facts = json.loads(answer.stdout)
    major, minor, micro = facts["version"]
    return Python((major, minor, micro), facts["executable"], facts["venv"])


def find_pythons() -> list[Python]:
    """All usable interpreters, oldest first: the running one, `python3.N` on PATH and pyenv's."""
    names = [f"python3.{minor}" for minor in range(OLDEST[1], NEWEST[1] + 1)]
    candidates = [sys.executable]
    candidates += [str(Path(folder, name)) for folder in os.get_exec_path() for name in names]
    candidates += sorted(str(path) for path in Path.home().glob(".pyenv/versions/3.*/bin/python3"))
    found: dict[tuple[int, int], Python] = {}
    for candidate in candidates:
        python = probe(candidate) if Path(candidate).exists() else None
        if python and python.venv and OLDEST <= python.version[:2] <= NEWEST:
            found.setdefault(python.version[:2], python)
    return sorted(found.values())


def running_python() -> Python:
    """The interpreter that runs this.

    :raises NoPython: it cannot make virtual environments.
    """
    python = probe(sys.executable)
    if python is None:
        raise NoPython(f"{sys.executable} does not run")
    if not python.venv:
        raise NoPython(f"Python cannot make virtual environments yet; as root: {venv_command(python)}")
    return python


def venv_command(python: Python) -> str:
    """The one command that completes a Debian Python."""
    return f"apt-get install python{python.short}-venv"
