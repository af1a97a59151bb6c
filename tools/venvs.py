# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Virtual environments below `.build/venvs`, made once: a stamp says what is inside."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tools.paths import BUILD, LOGS, ROOT
from tools.pythons import Python

VENVS = BUILD / "venvs"


class SetupError(Exception):
    """Something could not be installed; the text is for the user."""


@dataclass(frozen=True)
class Venv:
    """A virtual environment: its name, its interpreter's version and its folder."""

    name: str
    python: Python

    @property
    def bin(self) -> Path:
        """The folder of its programs."""
        return VENVS / self.name / "bin"

    def run(self, *command: str) -> list[str]:
        """The command line of a program of this environment."""
        return [str(self.bin / command[0]), *command[1:]]


def make_venv(name: str, python: Python, requirements: list[str]) -> Venv:
    """Make the environment `name` from requirement files (paths from the root), or find it made already.

    :raises SetupError: pip or venv failed; the text ends with the end of pip's output.
    """
    venv = Venv(name, python)
    folder = VENVS / name
    stamp = folder / ".stamp"
    wanted = _fingerprint(folder, python, requirements)
    with lock(VENVS / f".{name}.lock"):
        if stamp.exists() and stamp.read_text() == wanted:
            return venv
        shutil.rmtree(folder, ignore_errors=True)
        _run(name, [python.path, "-m", "venv", str(folder)])
        files = [argument for file in requirements for argument in ("-r", str(ROOT / file))]
        _run(name, [str(venv.bin / "python"), "-m", "pip", "install", "--disable-pip-version-check", *files])
        stamp.write_text(wanted)
    return venv


def _fingerprint(folder: Path, python: Python, requirements: list[str]) -> str:
    parts = [str(folder), python.path, repr(python.version)]
    parts += [(ROOT / file).read_text() for file in requirements]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


@contextmanager
def lock(path: Path) -> Iterator[None]:
    """Two stages, or two `make`, that need the same wait for each other."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _run(name: str, command: list[str]) -> None:
    LOGS.mkdir(parents=True, exist_ok=True)
    log = LOGS / f"venv-{name}.log"
    # A PIP_USER or PYTHONHOME of the user must not lead the installation elsewhere.
    env = {key: value for key, value in os.environ.items() if key not in {"PIP_USER", "PYTHONHOME", "PYTHONPATH"}}
    with log.open("a") as output:
        code = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=env, check=False
        ).returncode
    if code:
        end = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        raise SetupError(f"{' '.join(command)}\nfailed ({code}), see {log}:\n{end}")
