# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two bridges in a name space of their own, and one name space for each host; nothing leads outside.

`cluster` is the network of the hosts, whose links can be taken down; `management` carries SSH and stays up.
"""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

from tests.lab.hosts.layout import CLUSTER4, CLUSTER6, HOSTS, MANAGEMENT4, ROUTER, Host, Lab
from tests.lab.hosts.run import run

NAMESPACES = Path("/run/netns")


def _ip(namespace: str, *arguments: str) -> None:
    run("ip", "-netns", namespace, *arguments)


def up(lab: Lab) -> None:
    """Make what is missing of the networks.

    :raises LabError: the kernel or the rights forbid it.
    """
    if not is_up(lab):
        _bridges(lab)
    for host in HOSTS:
        if not (NAMESPACES / lab.netns(host)).exists():
            _connect(lab, host)


def is_up(lab: Lab) -> bool:
    """Whether the networks are there."""
    return (NAMESPACES / lab.netns()).exists()


def _bridges(lab: Lab) -> None:
    run("ip", "netns", "add", lab.netns())
    _ip(lab.netns(), "link", "set", "lo", "up")
    for bridge, address in (("cluster", f"{CLUSTER4}.{ROUTER}/24"), ("management", f"{MANAGEMENT4}.{ROUTER}/24")):
        _ip(lab.netns(), "link", "add", bridge, "type", "bridge")
        _ip(lab.netns(), "address", "add", address, "dev", bridge)
        _ip(lab.netns(), "link", "set", bridge, "up")
    _ip(lab.netns(), "address", "add", f"{CLUSTER6}::{ROUTER}/64", "dev", "cluster", "nodad")


def _connect(lab: Lab, host: Host) -> None:
    space = lab.netns(host)
    run("ip", "netns", "add", space)
    _ip(space, "link", "set", "lo", "up")
    for bridge, device, address in (("cluster", "eth0", host.address4), ("management", "eth1", host.management)):
        port = f"{host.name}-{bridge[0]}"
        _ip(lab.netns(), "link", "add", port, "type", "veth", "peer", "name", device, "netns", space)
        _ip(lab.netns(), "link", "set", port, "master", bridge, "up")
        _ip(space, "address", "add", f"{address}/24", "dev", device)
        _ip(space, "link", "set", device, "up")
    _ip(space, "address", "add", f"{host.address6}/64", "dev", "eth0", "nodad")
    # A default route, as every host has one; the router forwards nothing.
    _ip(space, "route", "add", "default", "via", f"{CLUSTER4}.{ROUTER}")


def set_link(lab: Lab, host: Host, state: str) -> None:
    """Pull or plug the cable of a host: `state` is `down` or `up`."""
    _ip(lab.netns(), "link", "set", f"{host.name}-c", state)


def down(lab: Lab) -> None:
    """Remove the networks, and end what still uses them, such as the far ends of SSH connections."""
    for space in (lab.netns(), *(lab.netns(host) for host in HOSTS)):
        if not (NAMESPACES / space).exists():
            continue
        for process in run("ip", "netns", "pids", space).split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(process), signal.SIGKILL)
        run("ip", "netns", "delete", space)
