# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulated cluster: nodes, guests, logs and faults. Text of PVE's files is latin-1 decoded, as PVE reads it."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.lab.journal import Journal
from tests.lab.permissions import Permissions
from tests.lab.tasks import TaskRing
from tests.lab.tfa import TfaUser
from tests.lab.usercfg import UserConfig


def no_log(_upid: str) -> str | None:
    """No task has a log text."""
    return None


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one node.

    `offline`: down; requests for it end with 595 after `delay` seconds. `broken`: reachable but its answers fail
    with 596. `slow`: every request for it takes `delay` seconds longer. `hang`: it never answers (the entry node
    gives up with 596 after `delay` seconds; PVE's own limit is 30).
    """

    kind: str
    delay: float = 0.0
    reason: str = ""


@dataclass(slots=True)
class Node:
    """One node. `stats` is what pvestatd last said, None when it is silent."""

    name: str
    nodeid: int
    ip: str
    ring: TaskRing = field(default_factory=TaskRing)
    log_text: Callable[[str], str | None] = no_log
    journal: Journal = field(default_factory=Journal)
    stats: dict[str, Any] | None = None
    static_info: dict[str, Any] = field(default_factory=dict)
    online: bool = True
    fault: Fault | None = None
    fingerprint: str = ""
    details: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.fingerprint:
            digest = hashlib.sha256(f"node {self.name}".encode()).hexdigest().upper()
            self.fingerprint = ":".join(digest[i : i + 2] for i in range(0, 64, 2))

    def reachable(self) -> bool:
        """Up, as the cluster sees it."""
        return self.online and (self.fault is None or self.fault.kind != "offline")


@dataclass(slots=True)
class Guest:
    """A virtual machine or container."""

    vmid: int
    node: str
    kind: str
    name: str
    status: str = "stopped"


@dataclass(slots=True)
class Cluster:
    """Everything the API answers from. `passwords` and `secrets` are plain text: nothing here is real.

    Configuration (users, realms, metric servers) is replaced, not changed, through `tests.lab.identity`.
    `metric_listeners`: the `server:port` that answer when PVE tries a metric server over TCP; None: it is really tried.
    """

    nodes: dict[str, Node]
    users: UserConfig
    realms: dict[str, dict[str, Any]]
    name: str = "lab"
    quorate: bool = True
    config_version: int = 3
    passwords: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    guests: list[Guest] = field(default_factory=list)
    storages: dict[str, dict[str, Any]] = field(default_factory=dict)
    log: list[dict[str, Any]] = field(default_factory=list)
    options: dict[str, Any] = field(default_factory=dict)
    metric_servers: dict[str, dict[str, Any]] = field(default_factory=dict)
    version: dict[str, str] = field(
        default_factory=lambda: {"version": "9.2.11", "release": "9.2", "repoid": "14a22df35955d97d"}
    )
    search_domain: str = "lab.test"
    realms_digest: str = ""
    tfa: dict[str, TfaUser] = field(default_factory=dict)
    metric_secrets: dict[str, str] = field(default_factory=dict)
    metric_listeners: frozenset[str] | None = None
    identity_version: int = 0
    lock: threading.RLock = field(default_factory=threading.RLock)
    permissions: Permissions = field(init=False)

    def __post_init__(self) -> None:
        self.identity_changed()

    def identity_changed(self) -> None:
        """Call after every change of `users`."""
        self.permissions = Permissions(self.users)
        self.identity_version += 1

    def first_node(self) -> str:
        """The node a client enters by."""
        return next(iter(self.nodes))
