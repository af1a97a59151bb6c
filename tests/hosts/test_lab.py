# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The booted test hosts are what the tests of the roles take them for. The order matters: the last tests end them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.hosts.conftest import Hosts
from tests.lab.hosts import cgroup, network
from tests.lab.hosts import lab as actions
from tests.lab.hosts.image import REPOSITORY
from tests.lab.hosts.layout import ADMIN, HOSTS

ALL = [host.name for host in HOSTS]
NODES = [host.name for host in HOSTS if host.is_node]


@pytest.mark.parametrize(("name", "major"), [("node1", "13"), ("node2", "12"), ("collector", "13")])
def test_a_host_has_booted_whole(hosts: Hosts, name: str, major: str) -> None:
    assert hosts.run(name, "systemctl is-system-running") == "running"
    assert hosts.run(name, "ps -o comm= 1") == "systemd"
    assert hosts.run(name, "cat /etc/debian_version").split(".")[0] == major


def test_ansible_reaches_all_by_the_inventory(hosts: Hosts) -> None:
    ansible = Path(sys.executable).with_name("ansible")
    done = subprocess.run(
        [ansible, "-i", hosts.lab.inventory, "all", "-m", "ping"], capture_output=True, text=True, check=False
    )
    assert done.stdout.count('"ping": "pong"') == len(HOSTS), done.stdout + done.stderr


def test_a_host_with_another_key_is_refused(hosts: Hosts, tmp_path: Path) -> None:
    known = tmp_path / "known_hosts"
    known.write_text((hosts.lab.state / "known_hosts").read_text().replace("node1", "x").replace("node2", "node1"))
    config = tmp_path / "ssh_config"
    config.write_text(hosts.lab.ssh_config.read_text().replace(str(hosts.lab.state / "known_hosts"), str(known)))
    done = subprocess.run(["ssh", "-F", config, "node1", "true"], capture_output=True, text=True, check=False)
    assert done.returncode == 255
    assert "Host key verification failed" in done.stderr


@pytest.mark.parametrize("name", ALL)
def test_packages_for_the_roles_install_without_a_network(hosts: Hosts, name: str) -> None:
    hosts.run(name, f"apt-get update && apt-get install --simulate --yes {' '.join(REPOSITORY)}")


@pytest.mark.parametrize("name", NODES)
def test_a_node_keeps_every_line_over_a_rotation(hosts: Hosts, name: str) -> None:
    writing = "pve-lab-write access 3000 --rate 3000 --mark turn"
    hosts.run(name, f"{writing} & sleep 0.3; logrotate -f /etc/logrotate.d/pve; wait")
    assert hosts.run(name, "stat -c '%a %U %G' /var/log/pveproxy/access.log") == "640 www-data www-data"
    lines = hosts.run(name, "cat /var/log/pveproxy/access.log.1 /var/log/pveproxy/access.log").splitlines()
    numbers = [int(line.split("turn-")[1].split(" ")[0]) for line in lines]
    assert sorted(numbers) == list(range(1, 3001))
    assert hosts.run(name, "grep -c . /var/log/pveproxy/access.log") != "0"


@pytest.mark.parametrize("name", NODES)
def test_the_task_ring_turns_by_size(hosts: Hosts, name: str) -> None:
    hosts.run(name, "pve-lab-write tasks 1500 --mark ring")
    sizes = hosts.run(name, "stat -c %s /var/log/pve/tasks/index.1 /var/log/pve/tasks/index").split()
    assert 50_000 < int(sizes[0]) < 50_200
    assert int(sizes[1]) <= 50_000
    upid = hosts.run(name, "tail -n 1 /var/log/pve/tasks/index").split(" ")[0]
    assert upid.split(":")[7] == "ring-001500@pve"
    assert hosts.run(name, f"tail -n 1 /var/log/pve/tasks/{upid.split(':')[4][-1]}/{upid}") == "TASK OK"


def test_the_journal_names_the_person_behind_sudo(hosts: Hosts) -> None:
    # On node2 only: newer journald than Debian 12's leaves the field out in a container.
    command = ["ssh", "-F", str(hosts.lab.ssh_config), "-l", ADMIN, "node2", "sudo qm destroy 100"]
    subprocess.run(command, check=True)
    # journald asks the kernel when it handles the line: the last one of a process may come too late for that.
    for identifier in ("qm", "sudo"):
        lines = hosts.run("node2", f"journalctl --sync; journalctl -o json -n 4 SYSLOG_IDENTIFIER={identifier}")
        assert "1000" in [json.loads(line).get("_AUDIT_LOGINUID") for line in lines.splitlines()]


@pytest.mark.parametrize("name", ALL)
def test_the_clock_is_measured_against_the_collector(hosts: Hosts, name: str) -> None:
    # 0: the collector itself, 1: a node.
    sources = hosts.run(name, "chronyc -n sources | grep -c '^\\^' || true")
    assert sources == ("1" if name in NODES else "0")


def test_a_second_up_changes_nothing(hosts: Hosts) -> None:
    before = [hosts.boot_id(name) for name in ALL]
    actions.up(hosts.lab)
    assert [hosts.boot_id(name) for name in ALL] == before


def _reboot(hosts: Hosts, name: str) -> None:
    actions.reboot(hosts.lab, hosts.host(name))


def _power_cut(hosts: Hosts, name: str) -> None:
    actions.kill(hosts.lab, hosts.host(name))
    assert not actions.is_running(hosts.lab, hosts.host(name))
    actions.start(hosts.lab, hosts.host(name))


@pytest.mark.parametrize("restart", [_reboot, _power_cut])
@pytest.mark.parametrize("name", NODES)
def test_the_journal_outlives(hosts: Hosts, name: str, restart: Callable[[Hosts, str], None]) -> None:
    mark = restart.__name__.strip("_").replace("_", "-")
    before = hosts.boot_id(name)
    hosts.run(name, f"pve-lab-write journal 1000 --mark {mark}; journalctl --sync")
    restart(hosts, name)
    assert hosts.boot_id(name) != before
    assert hosts.run(name, f"journalctl -t pvedaemon -o cat | grep -c {mark}-") == "1000"


def test_a_pulled_cable_leaves_the_management_alone(hosts: Hosts) -> None:
    ping = "ping -c 1 -W 1 collector >/dev/null && echo yes || echo no"
    assert hosts.run("node1", ping) == "yes"
    network.set_link(hosts.lab, hosts.host("node1"), "down")
    try:
        assert hosts.run("node1", ping) == "no"
        assert hosts.run("node2", ping) == "yes"
    finally:
        network.set_link(hosts.lab, hosts.host("node1"), "up")
    assert hosts.run("node1", ping) == "yes"


def test_a_small_file_system_fills_up_alone(hosts: Hosts) -> None:
    actions.mount_small(hosts.lab, hosts.host("node1"), "/var/spool/small", "1m")
    assert hosts.run("node1", "head -c 2M /dev/zero >/var/spool/small/x 2>/dev/null || echo full") == "full"
    hosts.run("node1", "head -c 2M /dev/zero >/var/tmp/x && rm /var/tmp/x && umount /var/spool/small")


def test_files_can_be_made_immutable(hosts: Hosts) -> None:
    hosts.run("collector", "touch /var/log/closed && chattr +i /var/log/closed")
    assert hosts.run("collector", "rm /var/log/closed 2>/dev/null || echo kept") == "kept"
    hosts.run("collector", "chattr -i /var/log/closed && rm /var/log/closed")


def test_down_leaves_nothing_even_after_a_killed_supervisor(hosts: Hosts) -> None:
    for name in ALL:
        keeper = cgroup.group(hosts.lab, hosts.host(name), "keeper")
        for process in (keeper / "cgroup.procs").read_text().split():
            os.kill(int(process), 9)
    time.sleep(0.2)
    assert any(actions.is_running(hosts.lab, host) for host in HOSTS), "nothing outlived its supervisor"
    actions.down(hosts.lab)
    tag = hosts.lab.tag
    assert tag not in Path("/proc/mounts").read_text()
    assert not list(network.NAMESPACES.glob(f"{tag}*"))
    assert not cgroup.group(hosts.lab).exists()
    assert not hosts.lab.run.exists()
    assert not _processes(tag)


def _processes(tag: str) -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if tag.encode() in command:
            found.append(command.decode())
    return found


def test_the_program_says_what_runs(hosts: Hosts) -> None:
    command = [sys.executable, "-m", "tests.lab.hosts", "--state", str(hosts.lab.state)]
    done = subprocess.run([*command, "status"], capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert [line.split()[:2] for line in done.stdout.splitlines()] == [[name, "off"] for name in ALL]
    done = subprocess.run([*command, "reboot", "node1"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "the lab is not up: `make lab-up` first\n"
