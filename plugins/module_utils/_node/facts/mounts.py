# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file system of a directory, from the kernel's list of mounts: whether it is kept, or in memory."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ansible_collections.pve.audit.plugins.module_utils._node.facts.node import NodeSnapshot

MOUNTS = "/proc/self/mountinfo"
_MEMORY = ("tmpfs", "ramfs")
_ESCAPE = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True)
class FileSystem:
    """`kind` as the kernel says it, None when it does not; `in_memory`: gone after a power cut."""

    kind: str | None
    in_memory: bool | None


def file_system(node: NodeSnapshot, path: str) -> FileSystem:
    """That of the mount which `path` (absolute, without links) lies on; the last of several mounts at one place."""
    best, found = -1, FileSystem(None, None)
    for line in (node.text(MOUNTS) or "").splitlines():
        before, _dash, after = line.partition(" - ")
        fields, kinds = before.split(), after.split()
        if len(fields) < 5 or len(kinds) < 2:
            continue
        place = _ESCAPE.sub(lambda match: chr(int(match[1], 8)), fields[4])
        if (path == place or path.startswith(place.rstrip("/") + "/")) and len(place) >= best:
            kind, source = kinds[0], kinds[1]
            best = len(place)
            found = FileSystem(kind, kind in _MEMORY or source.startswith(("/dev/zram", "/dev/ram")))
    return found
