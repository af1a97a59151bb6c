# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the parts of node_logging_info share: the node they look at, and the form of their answers.

Each part is a dict with `available` and `reason`; without it, the rest may be missing, and the reason says why.
"""

from __future__ import annotations

import json
import os
import re
import stat
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._node.command import Outcome, Runner

Part = dict[str, Any]
DAY = 86400
# Most characters that are read of a file.
LARGEST = 16 << 20
_SIZES = {"": 1, "B": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


@dataclass(frozen=True)
class NodeSnapshot:
    """The node: programs, its files (below `root`, which only tests change), and the time in epoch seconds."""

    run: Runner
    now: float
    root: str = "/"

    def path(self, name: str) -> str:
        """An absolute path of the node, below `root`."""
        return os.path.join(self.root, name.lstrip("/"))

    def text(self, name: str) -> str | None:
        """A small file, or None when it cannot be read, is a link or no file. Its directory may be somebody else's."""
        try:
            handle = os.open(self.path(name), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            with open(handle, encoding="utf-8", errors="replace") as stream:
                return stream.read(LARGEST) if stat.S_ISREG(os.fstat(handle).st_mode) else None
        except OSError:
            return None

    def up_seconds(self) -> float | None:
        """For how long this system runs; of a container, since its first process began."""
        uptime, first = self.text("/proc/uptime"), self.text("/proc/1/stat")
        try:
            started = int((first or "").rpartition(")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")
            return float((uptime or "").split()[0]) - started
        except (ValueError, IndexError):
            return None

    def json(self, name: str) -> dict[str, Any] | None:
        """A JSON object in a file, or None."""
        text = self.text(name)
        try:
            value = json.loads(text) if text is not None else None
        except ValueError:
            return None
        return value if isinstance(value, dict) else None

    def unit(self, name: str) -> dict[str, str]:
        """Properties of a systemd unit; empty when systemd does not answer."""
        names = "LoadState,ActiveState,SubState,UnitFileState,Result,ConditionResult"
        return properties(self.run(["systemctl", "show", name, f"--property={names}"]).stdout)


def available(**facts: Any) -> Part:
    """A part that could be seen."""
    return {"available": True, "reason": None, **facts}


def unavailable(reason: str, **facts: Any) -> Part:
    """A part that could not be seen, and why."""
    return {"available": False, "reason": reason, **facts}


def why(outcome: Outcome, what: str) -> str:
    """One sentence for a program that failed."""
    words = (outcome.stderr or outcome.stdout).strip().splitlines()
    return f"{what}: {words[-1] if words else f'status {outcome.code}'}"


def properties(text: str) -> dict[str, str]:
    """`Key=value` lines, as `systemctl show` and `timedatectl show` write them."""
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def ini_values(text: str, section: str) -> dict[str, str]:
    """The values in effect of a systemd configuration with its drop-ins one after the other: the last one wins."""
    values: dict[str, str] = {}
    inside = False
    for raw in text.splitlines():
        line = raw.strip()
        if line.startswith("["):
            inside = line == f"[{section}]"
        elif inside and line and line[0] not in "#;" and "=" in line:
            key, value = line.split("=", 1)
            values[key.strip()] = value.strip()
    return values


def parse_size(text: str) -> int | None:
    """`3.9G`, `512.0M` or `8B` as bytes."""
    match = re.fullmatch(r"([0-9.]+)\s*([BKMGT]?)i?B?", text.strip())
    try:
        return int(float(match[1]) * _SIZES[match[2]]) if match else None
    except ValueError:
        return None


def utc(seconds: float | None) -> str | None:
    """Epoch seconds as RFC 3339, or None."""
    return None if seconds is None else time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def gather(
    node: NodeSnapshot, parts: Mapping[str, Callable[[NodeSnapshot], Part]], names: list[str]
) -> dict[str, Part]:
    """The chosen parts. A file that vanishes or cannot be read while a part looks at it makes this part unavailable."""
    found: dict[str, Part] = {}
    for name in names:
        try:
            found[name] = parts[name](node)
        except OSError as error:
            found[name] = unavailable(f"{error.filename or name}: {error.strerror}")
    return found
