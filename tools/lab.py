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


def tell_why_connections_ended() -> None:
    """Print what each host's sshd and service manager complain of; the hosts are about to be taken down."""
    for name in ("node1", "node2", "collector"):
        words = "journalctl --no-pager -n 15 -t sshd -t sshd-session -p notice; systemctl --failed --no-legend"
        print(f"--- {name}", flush=True)
        subprocess.run(
            [sys.executable, "-m", "tests.lab.hosts", "exec", name, "sh", "-c", words], cwd=ROOT, check=False
        )


def main() -> int:
    """Returns the exit status of the first step that failed; the hosts are taken down whatever happens."""
    programs = Path(sys.executable).parent
    molecule = [str(programs / "molecule")]
    steps = {
        "reset": [*molecule, "reset"],  # it believes in hosts that an earlier run has taken down
        "molecule": [*molecule, "test", "--destroy=never"],
        "faults": [sys.executable, "-m", "tests.lab.faults", "--no-harden", f"--messages={MESSAGES}"],
    }
    try:
        for name, command in steps.items():
            start = time.monotonic()
            code = subprocess.run(command, cwd=ROOT, check=False).returncode
            print(f"=== {name}: exit status {code} ({time.monotonic() - start:.0f} s)", flush=True)
            if code:
                tell_why_connections_ended()
                return code
    finally:
        subprocess.run([sys.executable, "-m", "tests.lab.hosts", "down"], cwd=ROOT, check=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
