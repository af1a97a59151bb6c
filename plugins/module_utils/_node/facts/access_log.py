# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The access log of Proxmox VE: whether pveproxy really writes a file there. Its directory belongs to www-data."""

from __future__ import annotations

import os
import pwd
import stat

from ansible_collections.pve.audit.plugins.module_utils._node.facts.node import (
    NodeSnapshot,
    Part,
    available,
    unavailable,
    utc,
)

ACCESS_LOG = "/var/log/pveproxy/access.log"
WRITER = "www-data"
_KINDS = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "directory",
    stat.S_IFLNK: "link",
    stat.S_IFIFO: "pipe",
    stat.S_IFSOCK: "socket",
    stat.S_IFCHR: "device",
    stat.S_IFBLK: "device",
}


def access_log(node: NodeSnapshot) -> Part:
    """`kind` is what lies at the path, `problems` why nothing may be kept there. Raises OSError."""
    path = node.path(ACCESS_LOG)
    folder = os.path.dirname(path)
    if not os.path.lexists(folder):
        return unavailable("there is no directory of pveproxy (/var/log/pveproxy)", path=ACCESS_LOG)
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return available(path=ACCESS_LOG, kind="missing", problems=[f"there is no {ACCESS_LOG}"])
    kind = _KINDS.get(stat.S_IFMT(found.st_mode), "other")
    problems = []
    if os.path.islink(folder):
        problems.append(f"{os.path.dirname(ACCESS_LOG)} is a link to {os.readlink(folder)}")
    if kind == "link":
        problems.append(f"{ACCESS_LOG} is a link to {os.readlink(path)}")
    elif kind != "file":
        problems.append(f"{ACCESS_LOG} is a {kind} and no file")
    elif not _writable(found, *writer()):
        problems.append(f"{ACCESS_LOG} cannot be written by {WRITER}, as which pveproxy runs")
    return available(path=ACCESS_LOG, kind=kind, size=found.st_size, modified=utc(found.st_mtime), problems=problems)


def writer() -> tuple[int, int]:
    """User and group of pveproxy; -1 where there is no such user."""
    try:
        entry = pwd.getpwnam(WRITER)
    except KeyError:
        return -1, -1
    return entry.pw_uid, entry.pw_gid


def _writable(found: os.stat_result, uid: int, gid: int) -> bool:
    if found.st_uid == uid:
        return bool(found.st_mode & stat.S_IWUSR)
    return bool(found.st_mode & (stat.S_IWGRP if found.st_gid == gid else stat.S_IWOTH))
