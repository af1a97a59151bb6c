# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One difference between two snapshots as an event: its action, its object, and its keys as the ledger tells them."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._classify.action import action_named
from ansible_collections.pve.audit.plugins.module_utils._evidence.snapshot_shape import Snapshot
from ansible_collections.pve.audit.plugins.module_utils._evidence.source import name_action
from ansible_collections.pve.audit.plugins.module_utils._model.event import Event
from ansible_collections.pve.audit.plugins.module_utils._parse.ledger_messages import CONFIG

MOST = 100
CREATED, MODIFIED, DELETED = "created", "modified", "deleted"
_VERBS = {CREATED: "create", MODIFIED: "modify", DELETED: "delete"}
# Area: the word before its objects, and the action; where it ends in a dot the verb is added.
AREAS: dict[str, tuple[str, str]] = {
    "users": ("user", "access.user."),
    "tokens": ("token", "access.token."),
    "tfa": ("factor", "access.tfa."),
    "groups": ("group", "access.group."),
    "roles": ("role", "access.role."),
    "acl": ("acl", "access.acl.modify"),
    "realms": ("realm", "access.realm."),
    "pools": ("pool", "pool."),
    "storage": ("storage", "storage.definition."),
    "options": ("options", "cluster.options.modify"),
    "backup_jobs": ("backup_job", "backup_job."),
    "realm_sync_jobs": ("realm_sync_job", "job.realm_sync."),
    "ha_resources": ("ha_resource", "ha.resource."),
    "ha_rules": ("ha_rule", "ha.rule."),
    "ha_groups": ("ha_group", "ha.group."),
    "replication": ("replication", "replication."),
    "sdn_zones": ("zone", "sdn.zone."),
    "sdn_vnets": ("vnet", "sdn.vnet."),
    "sdn_subnets": ("subnet", "sdn.subnet."),
    "sdn_controllers": ("controller", "sdn.controller."),
    "sdn_ipams": ("ipam", "sdn.ipam."),
    "sdn_dns": ("dns", "sdn.dns."),
    "sdn_fabrics": ("fabric", "sdn.fabric."),
    "mappings_pci": ("mapping", "mapping.pci."),
    "mappings_usb": ("mapping", "mapping.usb."),
    "mappings_dir": ("mapping", "mapping.dir."),
    "notification_endpoints": ("endpoint", "notification.endpoint."),
    "notification_matchers": ("matcher", "notification.matcher."),
    "metric_servers": ("metric_server", "metric_server."),
    "cpu_models": ("cpu_model", "cpu_model."),
    "guests": ("guest", "guest."),
    "guest_configs": ("guest", "guest.config.modify"),
    "nodes": ("node", "cluster.node."),
    "node_configs": ("node", "node.config.modify"),
    "firewall": ("", "firewall."),
    "vnet_firewall": ("", "firewall."),
    "node_firewall": ("", "firewall."),
    "guest_firewall": ("", "firewall."),
}
_OWN_VERBS = {
    ("guests", DELETED): "guest.destroy",
    ("guests", MODIFIED): "guest.migrate",
    ("nodes", CREATED): "cluster.node.add",
    ("nodes", DELETED): "cluster.node.remove",
}
_GUEST = re.compile(r"(?:guest/)?([1-9]\d{2,8})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Change:
    """One object that is different: rows of key and values, as the ledger tells them."""

    area: str
    name: str
    kind: str
    added: list[list[str]]
    removed: list[list[str]]
    changed: list[list[str]]


def are_rules(area: str, name: str) -> bool:
    return area.endswith("firewall") and part_of(name)[1] in ("rules", "group")


def part_of(name: str) -> tuple[str, str, str]:
    """Where in a firewall: `guest/100 ipset admins` as scope, kind and name."""
    scope, kind, rest = (*name.split(" ", 2), "", "")[:3]
    return scope, kind, rest


def head_of(area: str, name: str) -> str:
    """What the ledger shows for an object that came or went; nothing for what has no line of its own."""
    if not area.endswith("firewall"):
        return "" if area in ("acl", "options") else f"{AREAS[area][0]} {name}"
    _scope, kind, rest = part_of(name)
    return {"group": f"[group {rest}]", "ipset": f"[IPSET {rest}]", "alias": f"[ALIASES] {rest}"}.get(kind, "")


def key_of(area: str, name: str, key: str) -> str:
    if not area.endswith("firewall"):
        return f"{AREAS[area][0]} {name} {key}"
    _scope, kind, rest = part_of(name)
    heads = {"options": "[OPTIONS]", "rules": "[RULES]", "group": f"[group {rest}]", "ipset": f"[IPSET {rest}]"}
    return f"{heads.get(kind, f'[ALIASES] {rest}')} {key}"


def shown_of(area: str, name: str, value: str) -> str:
    return "" if are_rules(area, name) else value


def _action(change: Change) -> tuple[str, str]:
    """Action and object."""
    if change.area.endswith("firewall"):
        return _firewall_action(change)
    own = _OWN_VERBS.get((change.area, change.kind))
    action = AREAS[change.area][1]
    return own or (action + _VERBS[change.kind] if action.endswith(".") else action), change.name


def _firewall_action(change: Change) -> tuple[str, str]:
    scope, kind, rest = part_of(change.name)
    place = "" if scope == "cluster" else scope.rpartition("/")[2]
    named = "/".join(part for part in (place, rest) if part) or scope
    if kind == "options":
        return "firewall.options.modify", named
    if kind == "alias":
        return f"firewall.alias.{_VERBS[change.kind]}", named
    if kind in ("group", "ipset") and change.kind != MODIFIED:
        return f"firewall.{kind}.{_VERBS[change.kind]}", named
    came, went = bool(change.added), bool(change.removed)
    verb = "modify" if came == went else "create" if came else "delete"
    return f"firewall.{'ipset.entry' if kind == 'ipset' else 'rule'}.{verb}", named


def event_of(change: Change, before: Snapshot, after: Snapshot) -> Event:
    action, named = _action(change)
    seed = "\0".join((CONFIG, change.area, change.name, change.kind, before.digest, after.digest))
    identity = hashlib.sha256(seed.encode("utf-8", "backslashreplace")).hexdigest()[:32]
    facts: dict[str, Any] = {"object": named, "area": change.area, "change": change.kind}
    rows = {"added": change.added, "removed": change.removed, "changed": change.changed}
    facts |= {f"keys_{name}": found[:MOST] for name, found in rows.items() if found}
    if left_out := sum(max(0, len(found) - MOST) for found in rows.values()):
        facts["keys_left_out"] = left_out
    if change.area.startswith("guest") and (guest := _GUEST.fullmatch(part_of(change.name)[0])) is not None:
        facts["vmid"] = int(guest[1])
    facts["time_note"] = f"at some time from {before.start} to {after.end}"
    event: Event = {
        "event": {
            "id": f"snapshot:{identity}",
            "kind": "event",
            "dataset": CONFIG,
            "outcome": "success",
            "start": before.start,
            "end": after.end,
        },
        "pve": facts,
    }
    name_action(event, action_named(action))
    return event
