# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys, known hosts, the SSH configuration and the inventory, all in the state directory."""

from __future__ import annotations

import json
from pathlib import Path

from tests.lab.hosts.layout import ADMIN, HOSTS, Host, Lab
from tests.lab.hosts.run import run


def client_key(lab: Lab) -> Path:
    """The private key that root and the administrator accept."""
    return lab.state / "keys" / "client"


def host_key(lab: Lab, host: Host) -> Path:
    return lab.state / "keys" / f"{host.name}"


def write(lab: Lab) -> None:
    """Write all that SSH and Ansible need; keys that are there stay."""
    for path, comment in ((client_key(lab), "lab"), *((host_key(lab, host), host.name) for host in HOSTS)):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not path.exists():
            run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", path)
    known = (f"{host.name} {_public(host_key(lab, host))}" for host in HOSTS)
    (lab.state / "known_hosts").write_text("".join(known), encoding="utf-8")
    lab.ssh_config.write_text(_ssh_config(lab), encoding="utf-8")
    # JSON is YAML.
    lab.inventory.write_text(json.dumps(_inventory(lab), indent=2) + "\n", encoding="utf-8")


def public_client_key(lab: Lab) -> str:
    return _public(client_key(lab))


def _public(private: Path) -> str:
    return private.with_suffix(".pub").read_text(encoding="ascii")


def _ssh_config(lab: Lab) -> str:
    hosts = "".join(f"Host {host.name}\n  HostName {host.management}\n  HostKeyAlias {host.name}\n" for host in HOSTS)
    return hosts + (
        "Host *\n"
        "  User root\n"
        f'  IdentityFile "{client_key(lab)}"\n'
        "  IdentitiesOnly yes\n"
        f'  UserKnownHostsFile "{lab.state / "known_hosts"}"\n'
        "  GlobalKnownHostsFile none\n"
        "  StrictHostKeyChecking yes\n"
        "  PasswordAuthentication no\n"
        "  BatchMode yes\n"
        "  ConnectTimeout 5\n"
        "  ServerAliveInterval 5\n"
        f"  ProxyCommand nsenter --net=/run/netns/{lab.netns()} socat - TCP:%h:%p,connect-timeout=5\n"
    )


def _inventory(lab: Lab) -> dict[str, object]:
    groups: dict[str, dict[str, dict[str, object]]] = {}
    for host in HOSTS:
        members = groups.setdefault(host.group, {"hosts": {}})["hosts"]
        members[host.name] = {"lab_address": host.address4, "lab_address6": host.address6, "lab_suite": host.suite}
    variables = {
        "ansible_user": "root",
        "ansible_python_interpreter": "/usr/bin/python3",
        "ansible_remote_tmp": "~/.ansible/tmp",
        "ansible_ssh_common_args": f"-F '{lab.ssh_config}'",
        "ansible_control_path_dir": str(lab.run / "cp"),
        "lab_admin": ADMIN,
        "lab_state": str(lab.state),
    }
    return {"all": {"vars": variables, "children": groups}}


def ssh(lab: Lab, host: Host, *command: str) -> list[str]:
    """The command line of ssh to a host, as root."""
    return ["ssh", "-F", str(lab.ssh_config), host.name, *command]
