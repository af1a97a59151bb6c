# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`make faults`: run tests/lab/faults with all its messages, for each kind of delivery, and renew docs/delivery.md."""

from __future__ import annotations

import subprocess
import sys

from tools.environment import clean_env
from tools.paths import ROOT, link_collection
from tools.pythons import NoPython
from tools.stages import environment
from tools.venvs import SetupError

PAGE = ROOT / "docs" / "delivery.md"


def main(arguments: list[str]) -> int:
    """Returns the exit status of the acknowledged run; what the others lose is told and fails nothing."""
    try:
        venv = environment("newest")
    except (NoPython, SetupError) as error:
        print(error, file=sys.stderr)
        return 1
    link_collection()
    status = 0
    for delivery in ("acknowledged", "queued", "upload"):
        command = ["python", "-u", "-m", "tests.lab.faults", f"--delivery={delivery}", f"--output={PAGE}", *arguments]
        status |= subprocess.run(venv.run(*command), cwd=ROOT, env=clean_env(venv), check=False).returncode
    down = venv.run("python", "-m", "tests.lab.hosts", "down")
    subprocess.run(down, cwd=ROOT, env=clean_env(venv), check=False)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
