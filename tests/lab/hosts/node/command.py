# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands in for PVE's command line tools; which one it is, its name tells.

`qm` and `pct` leave what the real ones leave: the journal lines and a task of root@pam. The others leave nothing.
"""

from __future__ import annotations

import sys
import syslog
from pathlib import Path

sys.path.insert(0, "/usr/share/pve-lab")

from tests.lab.hosts.node.ring import Ring

GUEST_TOOLS = {"qm": "qm", "pct": "vz"}
TASKS = tuple("clone create destroy migrate move-disk reboot resume shutdown start stop suspend".split())


def run_task(tool: str, command: str, vmid: str) -> None:
    """Do nothing, as a task of root@pam."""
    ring = Ring()
    upid = ring.upid(f"{GUEST_TOOLS[tool]}{command.replace('-disk', '')}", vmid, "root@pam")
    syslog.openlog(tool, syslog.LOG_PID, syslog.LOG_DAEMON)
    syslog.syslog(syslog.LOG_INFO, f"<root@pam> starting task {upid}")
    ring.start(upid)
    ring.log(upid, [f"{tool} {command} {vmid}"], "OK")
    ring.finish(upid, "OK")
    syslog.syslog(syslog.LOG_INFO, f"<root@pam> end task {upid} OK")


def main() -> None:
    tool, arguments = Path(sys.argv[0]).name, sys.argv[1:]
    if tool in GUEST_TOOLS and len(arguments) > 1 and arguments[0] in TASKS:
        run_task(tool, arguments[0], arguments[1])
    elif tool == "pveversion":
        major = {"12": "8.4.14", "13": "9.1.4"}[release()]
        print(f"pve-manager/{major}/0000000000000000 (running kernel: lab)")


def release() -> str:
    """Debian's major version."""
    return Path("/etc/debian_version").read_text(encoding="ascii").split(".")[0].strip()


if __name__ == "__main__":
    main()
