# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps one host running: `python -m tests.lab.hosts.supervisor STATE HOST`, in a mount name space of its own.

Mounts the host's file system, boots it, and boots it again when it asks for that. All mounts end with this process and
the host's.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.lab.hosts import cgroup
from tests.lab.hosts.layout import Host, Lab, find_lab
from tests.lab.hosts.run import run

REBOOT = 133
# Joins the control group before it turns into the program.
_JOIN = 'echo $$ >"$1/cgroup.procs" && shift && exec "$@"'


def start(lab: Lab, host: Host) -> None:
    """Start a supervisor in the background; what it and the host print goes to the console file."""
    console = lab.console(host)
    console.parent.mkdir(parents=True, exist_ok=True)
    keeper = cgroup.group(lab, host, "keeper")
    keeper.mkdir(parents=True, exist_ok=True)
    supervisor = [sys.executable, "-m", __name__, str(lab.state), host.name]
    command = ["sh", "-c", _JOIN, "sh", str(keeper), "unshare", "--mount", "--propagation", "slave", *supervisor]
    with console.open("a", encoding="utf-8") as output:
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd=Path(__file__).parents[3],
        )


def nspawn(lab: Lab, host: Host, root: Path) -> list[str]:
    """The command that boots a host."""
    return [
        "systemd-nspawn",
        "--quiet",
        "--boot",
        "--keep-unit",
        "--register=no",
        f"--machine={lab.netns(host)}",
        f"--hostname={host.name}",
        f"--directory={root}",
        f"--network-namespace-path=/run/netns/{lab.netns(host)}",
        "--capability=CAP_NET_ADMIN",
        "--link-journal=no",
        "--resolv-conf=off",
        "--timezone=off",
        "--console=pipe",
    ]


def keep(lab: Lab, host: Host) -> int:
    """Run the host until it is powered off; returns the exit status of the last run."""
    root = lab.run / "root" / host.name
    layer = lab.disk / host.name
    # The image it was made for, even if the recipe has changed since.
    lower = (layer / "lower").resolve(strict=True)
    options = f"lowerdir={lower},upperdir={layer / 'upper'},workdir={layer / 'work'}"
    run("mount", "-t", "overlay", "-o", options, "overlay", root)
    # What the container runtime notes here is of no use after its end.
    notes = Path("/run/systemd/nspawn")
    notes.mkdir(parents=True, exist_ok=True)
    run("mount", "-t", "tmpfs", "tmpfs", notes)
    env = os.environ | {"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1", "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "network"}
    system = cgroup.group(lab, host, "system")
    while True:
        system.mkdir(exist_ok=True)
        command = ["sh", "-c", _JOIN, "sh", str(system), *nspawn(lab, host, root)]
        status = subprocess.run(command, env=env, stdin=subprocess.DEVNULL).returncode
        if status != REBOOT:
            return status
        cgroup.remove(system)


if __name__ == "__main__":
    this = find_lab(sys.argv[1])
    sys.exit(keep(this, this.host(sys.argv[2])))
