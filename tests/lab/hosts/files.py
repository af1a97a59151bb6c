# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What makes a host out of an image: the files of its own, written into the upper layer before it first boots."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from tests.lab.hosts import access
from tests.lab.hosts.layout import ADMIN, CLUSTER4, CLUSTER6, HOSTS, Host, Lab

NODE = Path(__file__).parent / "node"
WWW_DATA = 33
ADMIN_ID = 1000
# Where PVE keeps its tools; the auditd rules name them.
TOOLS = {
    "usr/bin": ("pvecm", "pvesh", "pveversion", "vzdump"),
    "usr/sbin": ("ha-manager", "pct", "pvesm", "pveum", "qm"),
}


@dataclass(frozen=True)
class Tree:
    """The layer of a host above its image."""

    root: Path
    image: Path

    def write(self, path: str, text: str, mode: int = 0o644, owner: int = 0) -> None:
        """Write a file of this owner (user and group)."""
        target = self.root / path
        self.directory(str(Path(path).parent))
        target.write_text(text, encoding="utf-8")
        target.chmod(mode)
        os.chown(target, owner, owner)

    def copy(self, source: Path, path: str, mode: int = 0o644) -> None:
        self.write(path, source.read_text(encoding="utf-8"), mode)

    def program(self, source: Path, path: str) -> None:
        """Install a Python file as a program."""
        self.write(path, "#!/usr/bin/python3\n" + source.read_text(encoding="utf-8"), 0o755)

    def directory(self, path: str, mode: int = 0o755, owner: int = 0) -> None:
        """Make a directory unless it is there; one that the image has keeps its owner and mode."""
        target = self.root / path
        if target.is_dir():
            return
        self.directory(str(Path(path).parent))
        target.mkdir()
        below = self.image / path
        if below.is_dir():
            # A directory in this layer hides the owner and mode of the one below.
            status = below.stat()
            os.chown(target, status.st_uid, status.st_gid)
            target.chmod(status.st_mode & 0o7777)
        else:
            os.chown(target, owner, owner)
            target.chmod(mode)

    def enable(self, unit: str) -> None:
        """Let the unit start at boot."""
        wants = "etc/systemd/system/multi-user.target.wants"
        self.directory(wants)
        (self.root / wants / unit).symlink_to(f"/etc/systemd/system/{unit}")


def write_host(lab: Lab, host: Host, root: Path, image: Path) -> None:
    """Write everything a host has beyond its image into the new directory `root`."""
    root.mkdir(mode=0o755)
    tree = Tree(root, image)
    _identity(tree, lab, host)
    _login(tree, lab, host)
    _clock(tree, host)
    if host.is_node:
        _programs(tree)
        _logs(tree)
        _cluster_files(tree, host)


def _identity(tree: Tree, lab: Lab, host: Host) -> None:
    tree.write("etc/hostname", f"{host.name}\n")
    tree.write("etc/machine-id", hashlib.md5(f"{lab.tag} {host.name}".encode()).hexdigest() + "\n", 0o444)
    names = "".join(f"{other.address4} {other.name}\n{other.address6} {other.name}\n" for other in HOSTS)
    tree.write("etc/hosts", f"127.0.0.1 localhost\n::1 localhost ip6-localhost\n{names}")


# All connections come from one address: neither their number nor a test that is refused may shut the others out.
_SSHD = "MaxStartups 100:30:200\n"
_SSHD_PENALTIES = "PerSourcePenalties no\n"  # unknown to Debian 12's


def _login(tree: Tree, lab: Lab, host: Host) -> None:
    tree.write("etc/ssh/sshd_config.d/lab.conf", _SSHD + (_SSHD_PENALTIES if host.suite != "bookworm" else ""))
    key = access.host_key(lab, host)
    tree.copy(key, "etc/ssh/ssh_host_ed25519_key", 0o600)
    tree.copy(key.with_suffix(".pub"), "etc/ssh/ssh_host_ed25519_key.pub")
    for home, owner in (("root", 0), (f"home/{ADMIN}", ADMIN_ID)):
        tree.directory(f"{home}/.ssh", 0o700, owner)
        tree.write(f"{home}/.ssh/authorized_keys", access.public_client_key(lab), 0o600, owner)


def _clock(tree: Tree, host: Host) -> None:
    if host.is_node:
        tree.write("etc/chrony/sources.d/lab.sources", "server collector iburst minpoll 2 maxpoll 4\n")
    else:
        tree.write("etc/chrony/conf.d/lab.conf", f"local stratum 8\nallow {CLUSTER4}.0/24\nallow {CLUSTER6}::/64\n")


def _programs(tree: Tree) -> None:
    tree.copy(NODE / "ring.py", "usr/share/pve-lab/tests/lab/hosts/node/ring.py")
    tree.program(NODE / "write.py", "usr/bin/pve-lab-write")
    tree.program(NODE / "pveproxy.py", "usr/bin/pveproxy")
    for directory, names in TOOLS.items():
        for name in names:
            tree.program(NODE / "command.py", f"{directory}/{name}")
    for unit in ("pveproxy.service", "spiceproxy.service"):
        tree.copy(NODE / unit, f"etc/systemd/system/{unit}")
        tree.enable(unit)
    tree.copy(NODE / "pve.logrotate", "etc/logrotate.d/pve")


def _logs(tree: Tree) -> None:
    tree.directory("var/log/pveproxy", 0o700, WWW_DATA)
    tree.write("var/log/pveproxy/access.log", "", 0o640, WWW_DATA)
    tree.directory("var/log/pve")
    tree.directory("var/log/pve/tasks", owner=WWW_DATA)
    for digit in "0123456789ABCDEF":
        tree.directory(f"var/log/pve/tasks/{digit}", owner=WWW_DATA)
    for name in ("index", "index.1", "active"):
        tree.write(f"var/log/pve/tasks/{name}", "")


def _cluster_files(tree: Tree, host: Host) -> None:
    nodes = [other for other in HOSTS if other.is_node]
    members = "".join(
        f"  node {{\n    name: {node.name}\n    nodeid: {number}\n"
        f"    quorum_votes: 1\n    ring0_addr: {node.address4}\n  }}\n"
        for number, node in enumerate(nodes, 1)
    )
    corosync = (
        "totem {\n  version: 2\n  cluster_name: lab\n  config_version: 2\n}\n"
        f"nodelist {{\n{members}}}\nquorum {{\n  provider: corosync_votequorum\n}}\n"
    )
    tree.directory("etc/pve")
    tree.directory("etc/pve/priv", 0o700)
    for node in nodes:
        tree.directory(f"etc/pve/nodes/{node.name}")
    tree.write("etc/pve/corosync.conf", corosync, 0o640)
    tree.write("etc/pve/user.cfg", f"user:root@pam:1:0:::::\nuser:{ADMIN}@pve:1:0:::::\n", 0o640)
    tree.write("etc/pve/storage.cfg", "dir: local\n\tpath /var/lib/vz\n\tcontent iso,vztmpl,backup\n", 0o640)
    tree.write("etc/pve/priv/shadow.cfg", "", 0o600)
    (tree.root / "etc/pve/local").symlink_to(f"nodes/{host.name}")
