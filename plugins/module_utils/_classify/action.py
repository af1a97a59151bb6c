# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an action is, and the rule that says how grave it is.

The severity classes, and the rule. An action has the first class whose sentence is true of what it can do at the most:

* ``critical``: it destroys data or a recovery point so that no other call brings it back (guests, disks, volumes,
  snapshots and the state a rollback throws away, backups, storage pools), or it decides who controls the system:
  users, groups, roles, ACLs, tokens, passwords, second factors, realms, membership in the cluster, a batch of
  commands.
* ``high``: it interrupts many guests or a whole node or its services, lets somebody into a node or, past the guest's
  own log-in, into a guest (shell of a node, guest agent, monitor, files), takes data out of the cluster, puts old
  data in place of new (restore), changes the whole cluster at once, or weakens what protects and watches it:
  firewall, backup jobs, replication, HA, notifications, metrics, storage definitions, pools (they carry rights),
  software sources, certificates, the clock.
* ``medium``: it changes or interrupts one thing, and can be undone; every console of a guest; everything unknown.
* ``low``: routine that interrupts nothing (start, backup, snapshot, refresh).
* ``info``: it changes nothing: reads, log-ins, pings.

The weekly report's list of critical actions (``is_critical``) is wider than the class ``critical``: it also holds
firewall changes, a realm's sync, the end of a storage definition or backup job, a node's reboot, and a shell on a
node.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ansible_collections.pve.audit.plugins.module_utils._classify.catalogue import ROWS

CATEGORIES: frozenset[str] = frozenset(
    {"authentication", "configuration", "file", "host", "iam", "network", "package", "process", "session", "web"}
)
"""The values of ECS ``event.category`` in use; all are allowed values of ECS 8."""

_OBJECT_KEYS: dict[str, tuple[tuple[str, ...], ...]] = {
    "acl": (),
    "backup_job": (("id",),),
    "ceph": (("name",), ("id",), ("monid",), ("osdid",), ("flag",)),
    "certificate": (("name",), ("id",), ("node",)),
    "cluster": (),
    "cpu_model": (("cputype",),),
    "disk": (("name",),),
    "firewall": (
        ("vmid", "name", "cidr"),
        ("vmid", "name"),
        ("vmid", "pos"),
        ("vmid",),
        ("vnet", "pos"),
        ("vnet",),
        ("node", "pos"),
        ("node",),
        ("group", "pos"),
        ("group",),
        ("name", "cidr"),
        ("name",),
        ("pos",),
    ),
    "group": (("groupid",),),
    "guest": (("vmid",),),
    "ha": (("sid",), ("group",), ("rule",)),
    "mapping": (("id",),),
    "metric_server": (("id",),),
    "network": (("iface",), ("node",)),
    "node": (("node",),),
    "notification": (("name",),),
    "other": (),
    "package": (("node",),),
    "pool": (("poolid",),),
    "realm": (("realm",), ("id",)),
    "replication": (("id",),),
    "role": (("roleid",),),
    "sdn": (
        ("controller",),
        ("dns",),
        ("fabric_id", "node_id"),
        ("fabric_id",),
        ("id", "url_seq"),
        ("ipam",),
        ("route-map-id", "order"),
        ("subnet",),
        ("vnet",),
        ("zone",),
        ("id",),
    ),
    "service": (("service",),),
    "session": (),
    "snapshot": (("vmid", "snapname"), ("vmid",)),
    "storage": (("storage",),),
    "task": (("upid",),),
    "tfa": (("userid", "id"), ("userid",)),
    "token": (("userid", "tokenid"),),
    "user": (("userid",),),
    "volume": (("storage", "volume"), ("volume",)),
}
"""For each object type the path parameters that name the object: the first group that is complete wins."""

OBJECT_TYPES: frozenset[str] = frozenset(_OBJECT_KEYS)
"""All object types."""


@dataclass(frozen=True, slots=True)
class Action:
    """One kind of act.

    ``name`` is dotted lower case (``guest.destroy``) or ``other``; ``object_type`` is one of ``OBJECT_TYPES``,
    ``severity`` one of ``SEVERITIES`` (`_model/severity.py`), ``category`` one of ``CATEGORIES``. ``known`` is false
    for what the catalogue does not hold.
    """

    name: str
    object_type: str
    severity: str
    category: str
    known: bool = True


ACTIONS: dict[str, Action] = {row[0]: Action(*row) for row in ROWS}
"""Every known action by its name."""

OTHER = Action("other", "other", "medium", "configuration", known=False)
"""What an unknown task type or writing call is: reported, not lost."""

_ALSO_CRITICAL = frozenset(
    {
        "access.realm.sync",
        "backup_job.delete",
        "node.console.open",
        "node.reboot_or_shutdown",
        "storage.definition.delete",
    }
)
CRITICAL_ACTIONS: frozenset[str] = frozenset(
    name
    for name, action in ACTIONS.items()
    if action.severity == "critical" or name in _ALSO_CRITICAL or action.object_type == "firewall"
)
"""The names a weekly report lists one by one."""


def action_named(name: str) -> Action:
    """The action of that name; ``OTHER`` when the catalogue does not hold it."""
    return ACTIONS.get(name, OTHER)


def is_critical(action_name: str) -> bool:
    """Whether the weekly report lists every single event of this action."""
    return action_name in CRITICAL_ACTIONS


def object_of(params: Mapping[str, str], action: Action) -> str | None:
    """The identity of what a call acts on, from its path parameters.

    Parts are joined by ``/`` (``100/before-upgrade`` is a snapshot of guest 100), a token is ``alice@pve!tok`` as in
    PVE, a volume is its volume id (``local:iso/x.iso``). None when the path does not name the object: most create
    calls carry it in the body. A snapshot or firewall entry that is being created is named by what will own it.
    """
    for keys in _OBJECT_KEYS[action.object_type]:
        if all(key in params for key in keys):
            parts = [params[key] for key in keys]
            if action.object_type == "token":
                return "!".join(parts)
            if action.object_type == "volume":
                return parts[-1] if ":" in parts[-1] else ":".join(parts)
            return "/".join(parts)
    return None
