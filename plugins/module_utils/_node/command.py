# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a program of the node: no shell, English messages, a time limit, and no exception for its failure."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass

# Where Debian keeps administration programs, also when PATH does not say so.
ADMIN_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Outcome:
    """How a program ended. `missing`: there is no such program; `timed_out`: it was ended by us."""

    code: int
    stdout: str = ""
    stderr: str = ""
    missing: bool = False
    timed_out: bool = False

    @property
    def ok(self) -> bool:
        """Whether it ran and said 0."""
        return self.code == 0 and not self.missing and not self.timed_out


Runner = Callable[[Sequence[str]], Outcome]


def find_program(name: str) -> str | None:
    """The path of a program, or None; looks into the sbin directories too."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:{ADMIN_PATH}")


def run(argv: Sequence[str], timeout: float = 30.0) -> Outcome:
    """Run `argv` and return how it ended."""
    program = find_program(argv[0])
    if program is None:
        return Outcome(127, missing=True, stderr=f"there is no program {argv[0]}")
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "LANG": "C.UTF-8", "PATH": ADMIN_PATH, "SYSTEMD_COLORS": "0"}
    try:
        # Below the modules there are no Ansible objects, so there is no run_command.
        done = subprocess.run(  # pylint: disable=ansible-bad-function
            [program, *argv[1:]],
            capture_output=True,
            check=False,
            timeout=timeout,
            stdin=subprocess.DEVNULL,
            env=environment,
        )
    except subprocess.TimeoutExpired:
        return Outcome(-1, timed_out=True, stderr=f"{argv[0]} took longer than {timeout:g} seconds")
    except OSError as error:
        return Outcome(126, missing=True, stderr=f"{argv[0]} cannot be run: {error.strerror}")
    return Outcome(done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"))
