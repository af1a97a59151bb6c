# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lab needs of the machine it runs on."""

from __future__ import annotations

import os
import platform
import shutil
from pathlib import Path

from tests.lab.hosts.errors import LabError
from tools.system import apt_install

PROGRAMS = {
    "mmdebstrap": "mmdebstrap",
    "systemd-nspawn": "systemd-container",
    "socat": "socat",
    "ip": "iproute2",
    "unshare": "util-linux",
    "nsenter": "util-linux",
    "mount": "mount",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "dpkg-scanpackages": "dpkg-dev",
}
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


def why_not() -> str | None:
    """In one sentence, what forbids a lab on this machine whatever is installed; None if nothing does."""
    if platform.system() != "Linux":
        return "the lab's hosts need Linux"
    if os.geteuid():
        return "the lab's hosts need root: they are booted with their own mounts and networks"
    if not cgroup_root():
        return "the lab's hosts need a cgroup2 file system that can be written, and none is mounted"
    if not shutil.which("apt-get"):
        return "the lab's hosts are built with apt-get, and this is no Debian"
    return None


def cgroup_root(mounts: Path = Path("/proc/self/mountinfo")) -> Path | None:
    """Where cgroup2 is mounted for writing: /sys/fs/cgroup, or on a hybrid machine /sys/fs/cgroup/unified."""
    for line in mounts.read_text(encoding="utf-8").splitlines():
        fields = line.split()
        if fields[fields.index("-") + 1] == "cgroup2" and "rw" in fields[5].split(","):
            return Path(fields[4])
    return None


def prepare() -> None:
    """Make sure that the machine can run the lab; installs the packages that are missing.

    :raises LabError: it cannot.
    """
    if reason := why_not():
        raise LabError(reason)
    missing = {package for program, package in PROGRAMS.items() if not shutil.which(program)}
    if not KEYRING.exists():
        missing.add("debian-archive-keyring")
    if missing and (problem := apt_install(*sorted(missing))):
        raise LabError(f"packages are missing: {problem}")
    if "overlay" not in Path("/proc/filesystems").read_text(encoding="utf-8"):
        raise LabError("the kernel has no overlay file system, which the lab's hosts need")
