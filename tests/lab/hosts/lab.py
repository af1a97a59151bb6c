# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring the hosts up and down, and do to them what happens to hosts."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.lab.hosts import access, cgroup, files, image, machine, network, supervisor
from tests.lab.hosts.errors import LabError
from tests.lab.hosts.layout import HOSTS, Host, Lab
from tests.lab.hosts.run import run

BOOT_SECONDS = 90.0
DISK_SIZE = "4G"


def up(lab: Lab) -> None:
    """Boot every host that does not run; returns when all are ready.

    :raises LabError: it cannot be done, or a host does not come up whole.
    """
    machine.prepare()
    lab.state.mkdir(parents=True, exist_ok=True)
    with _locked(lab):
        images = image.ensure(lab) if not all(is_running(lab, host) for host in HOSTS) else {}
        access.write(lab)
        network.up(lab)
        _mount_disk(lab)
        for host in HOSTS:
            if not is_running(lab, host):
                _boot(lab, host, images)
        for host in HOSTS:
            wait_ready(lab, host)


def down(lab: Lab) -> None:
    """End the hosts at once and remove all that is outside the state directory; the keys and images stay.

    :raises LabError: something cannot be removed.
    """
    if reason := machine.why_not():
        raise LabError(reason)
    with _locked(lab):
        cgroup.kill(cgroup.group(lab))
        cgroup.remove(cgroup.group(lab))
        network.down(lab)
        if lab.disk.is_mount():
            run("umount", lab.disk)
        shutil.rmtree(lab.run)


def start(lab: Lab, host: Host) -> None:
    """Boot a host that was killed or powered off.

    :raises LabError: the lab is not up, or the host does not come up whole.
    """
    if not (lab.disk / host.name).exists():
        raise LabError("the lab is not up: `make lab-up` first")
    with _locked(lab):
        if not is_running(lab, host):
            _boot(lab, host, {})
        wait_ready(lab, host)


def kill(lab: Lab, host: Host) -> None:
    """Cut the power of a host. `start` or `up` boots it again."""
    cgroup.kill(cgroup.group(lab, host))
    cgroup.remove(cgroup.group(lab, host))  # a group that was killed can go on killing what enters it


def reboot(lab: Lab, host: Host) -> None:
    """Reboot a host in good order; returns when it is ready again.

    :raises LabError: it did not come back.
    """
    if not is_running(lab, host):
        raise LabError(f"{host.name} is off")
    before = ssh(lab, host, "cat /proc/sys/kernel/random/boot_id").stdout
    ssh(lab, host, "systemctl reboot")
    deadline = time.monotonic() + BOOT_SECONDS
    while ssh(lab, host, "cat /proc/sys/kernel/random/boot_id").stdout in (before, ""):
        _check_waiting(lab, host, deadline)
    wait_ready(lab, host)


def is_running(lab: Lab, host: Host) -> bool:
    """Whether the host has any process."""
    return cgroup.populated(cgroup.group(lab, host))


def ssh(lab: Lab, host: Host, command: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    """Run a shell command on a host as root; the caller reads the return code."""
    line = access.ssh(lab, host, command)
    return subprocess.run(line, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=timeout)


def wait_ready(lab: Lab, host: Host) -> None:
    """Return when the host has booted and nothing has failed on it.

    :raises LabError: otherwise.
    """
    deadline = time.monotonic() + BOOT_SECONDS
    while (done := ssh(lab, host, "systemctl is-system-running --wait")).returncode == 255:
        _check_waiting(lab, host, deadline)
    if done.stdout.strip() == "degraded":
        failed = ssh(lab, host, "systemctl list-units --failed --plain --no-legend").stdout
        print(f"{host.name}: failed units: {' '.join(line.split()[0] for line in failed.splitlines())}")
    elif done.stdout.strip() != "running":
        raise LabError(f"{host.name} is {done.stdout.strip() or done.stderr.strip()}, see {lab.console(host)}")


def mount_small(lab: Lab, host: Host, path: str, size: str) -> None:
    """Mount an empty file system of this size (such as 2m) on a path of the host, until it reboots.

    :raises LabError: the host refused.
    """
    done = ssh(lab, host, f"mkdir -p '{path}' && mount -t tmpfs -o size='{size}',mode=0755 small '{path}'")
    if done.returncode:
        raise LabError(f"{host.name}: {done.stderr.strip()}")


def _check_waiting(lab: Lab, host: Host, deadline: float) -> None:
    if not is_running(lab, host):
        raise LabError(f"{host.name} ended while it booted, see {lab.console(host)}")
    if time.monotonic() > deadline:
        raise LabError(f"{host.name} does not answer after {BOOT_SECONDS:.0f} s, see {lab.console(host)}")
    time.sleep(0.1)


def _mount_disk(lab: Lab) -> None:
    if not lab.disk.is_mount():
        lab.disk.mkdir(exist_ok=True)
        run("mount", "-t", "tmpfs", "-o", f"size={DISK_SIZE},mode=0700", lab.tag, lab.disk)


def _boot(lab: Lab, host: Host, images: dict[str, Path]) -> None:
    layer = lab.disk / host.name
    if not layer.exists():
        new = layer.with_suffix(".new")
        if new.exists():
            shutil.rmtree(new)
        (new / "work").mkdir(parents=True)
        (new / "lower").symlink_to(images[host.suite])
        files.write_host(lab, host, new / "upper", images[host.suite])
        new.rename(layer)
    (lab.run / "root" / host.name).mkdir(parents=True, exist_ok=True)
    supervisor.start(lab, host)
    deadline = time.monotonic() + 5
    while not is_running(lab, host) and time.monotonic() < deadline:
        time.sleep(0.01)


@contextmanager
def _locked(lab: Lab) -> Iterator[None]:
    path = lab.run / "lock"
    while True:
        (lab.run / "cp").mkdir(parents=True, exist_ok=True, mode=0o700)
        with path.open("w", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            # `down` removes the file while others wait for it.
            if path.exists() and path.samefile(f"/proc/self/fd/{file.fileno()}"):
                yield
                return
