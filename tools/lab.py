# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m tools.lab`: the Molecule scenario on the booted hosts, then the count of lost and forged lines."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from tools.paths import ROOT

MESSAGES = 2_000  # `make faults` sends 20,000


def main() -> int:
    """Returns the exit status of the first step that failed; the hosts are taken down whatever happens."""
    programs = Path(sys.executable).parent
    molecule = [str(programs / "molecule")]
    steps = {
        "molecule": [*molecule, "test", "--destroy=never"],
        "faults": [sys.executable, "-m", "tests.lab.faults", "--no-harden", f"--messages={MESSAGES}"],
    }
    try:
        for name, command in steps.items():
            start = time.monotonic()
            code = subprocess.run(command, cwd=ROOT, check=False).returncode
            print(f"=== {name}: exit status {code} ({time.monotonic() - start:.0f} s)", flush=True)
            if code:
                return code
    finally:
        subprocess.run([sys.executable, "-m", "tests.lab.hosts", "down"], cwd=ROOT, check=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
