# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m tests.lab.hosts COMMAND`: the booted test hosts. See README.md beside this file."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import time

from tests.lab.hosts import access, network
from tests.lab.hosts import lab as actions
from tests.lab.hosts.errors import LabError
from tests.lab.hosts.layout import HOSTS, Lab, find_lab


def _up(lab: Lab, _options: argparse.Namespace) -> int:
    start = time.monotonic()
    actions.up(lab)
    print(f"{', '.join(host.name for host in HOSTS)} are up ({time.monotonic() - start:.0f} s)")
    print(f"try: ansible -i {lab.inventory} all -m ping")
    return 0


def _down(lab: Lab, _options: argparse.Namespace) -> int:
    actions.down(lab)
    print("the lab is down")
    return 0


def _status(lab: Lab, _options: argparse.Namespace) -> int:
    """Exit status 0 when all hosts run, 3 otherwise."""
    running = [actions.is_running(lab, host) for host in HOSTS]
    for host, runs in zip(HOSTS, running, strict=True):
        print(f"{host.name:10} {'running' if runs else 'off':8} {host.suite:9} {host.address4:14} {host.address6}")
    return 0 if all(running) else 3


def _ssh(lab: Lab, options: argparse.Namespace) -> int:
    line = access.ssh(lab, lab.host(options.host))
    os.execvp(line[0], [*line[:1], "-t", *line[1:]])


def _exec(lab: Lab, options: argparse.Namespace) -> int:
    line = access.ssh(lab, lab.host(options.host), shlex.join(options.words))
    os.execvp(line[0], line)


def _net(lab: Lab, options: argparse.Namespace) -> int:
    os.execvp("nsenter", ["nsenter", f"--net=/run/netns/{lab.netns()}", "--", *options.words])


def _reboot(lab: Lab, options: argparse.Namespace) -> int:
    actions.reboot(lab, lab.host(options.host))
    return 0


def _kill(lab: Lab, options: argparse.Namespace) -> int:
    actions.kill(lab, lab.host(options.host))
    return 0


def _start(lab: Lab, options: argparse.Namespace) -> int:
    actions.start(lab, lab.host(options.host))
    return 0


def _link(lab: Lab, options: argparse.Namespace) -> int:
    network.set_link(lab, lab.host(options.host), options.state)
    return 0


def _mount_small(lab: Lab, options: argparse.Namespace) -> int:
    actions.mount_small(lab, lab.host(options.host), options.path, options.size)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.lab.hosts", description=__doc__)
    parser.add_argument("--state", dest="lab_state", metavar="DIR", help="the state directory instead of .build/lab")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    commands.add_parser("up", help="boot the hosts; build their images if need be").set_defaults(call=_up)
    commands.add_parser("down", help="end the hosts and remove every trace outside the state").set_defaults(call=_down)
    commands.add_parser("status", help="which hosts run").set_defaults(call=_status)
    net = commands.add_parser("net", help="run a command in the hosts' network, as the router 198.51.100.1")
    net.set_defaults(call=_net)
    net.add_argument("words", nargs=argparse.REMAINDER, metavar="WORD")
    for name, call, text in (
        ("ssh", _ssh, "a root shell on a host"),
        ("exec", _exec, "run a command on a host as root"),
        ("reboot", _reboot, "reboot a host in good order"),
        ("kill", _kill, "cut the power of a host"),
        ("start", _start, "boot a host that was killed or powered off"),
        ("link", _link, "pull or plug a host's cable"),
        ("mount-small", _mount_small, "mount a small empty file system on a host"),
    ):
        command = commands.add_parser(name, help=text)
        command.set_defaults(call=call)
        command.add_argument("host", choices=[host.name for host in HOSTS])
        if name == "exec":
            command.add_argument("words", nargs=argparse.REMAINDER, metavar="WORD")
        if name == "link":
            command.add_argument("state", choices=("up", "down"))
        if name == "mount-small":
            command.add_argument("path")
            command.add_argument("size", help="such as 2m")
    return parser


def main() -> int:
    options = _parser().parse_args()
    try:
        lab = find_lab(options.lab_state)
        if options.call not in (_up, _down, _status) and not network.is_up(lab):
            raise LabError("the lab is not up: `make lab-up` first")
        return int(options.call(lab, options))
    except LabError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
