# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`make bench`: run bench/run.py in an environment that has what it is compared with."""

from __future__ import annotations

import subprocess
import sys

from tools.environment import clean_env
from tools.paths import ROOT
from tools.pythons import NoPython, find_pythons, running_python
from tools.venvs import SetupError, make_venv


def main(arguments: list[str]) -> int:
    """Returns the exit status of bench/run.py."""
    try:
        # The newest Python gets the newest peers.
        python = (find_pythons() or [running_python()])[-1]
        venv = make_venv("bench", python, ["requirements.txt", "bench/requirements.txt"])
    except (NoPython, SetupError) as error:
        print(error, file=sys.stderr)
        return 1
    command = venv.run("python", "-m", "bench.run", *arguments)
    return subprocess.run(command, cwd=ROOT, env=clean_env(venv), check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
