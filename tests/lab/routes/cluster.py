# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""/version and /cluster (pve-manager API2/Cluster.pm, API2.pm)."""

from __future__ import annotations

from typing import Any

from tests.lab.context import Context, Result, api
from tests.lab.model import Node
from tests.lab.validate import as_int, as_text

DEFAULT_LOG = 50
_TOP = ("version", "cluster", "nodes", "storage", "access", "pools")
_NAMES = (
    "acme backup backup-info bulk-action ceph config firewall ha jobs log mapping metrics notifications nextid options"
    " qemu replication resources status tasks sdn"
).split()
_LOAD = ("uptime", "cpu", "mem", "disk")
_SIZE = ("maxcpu", "maxmem", "maxdisk")


@api("GET", "/")
def top_index(_context: Context) -> Result:
    """The directory."""
    return Result([{"subdir": name} for name in _TOP])


@api("GET", "/version")
def version(context: Context) -> Result:
    """The version of the entry node."""
    return Result(context.cluster.version)


@api("GET", "/cluster")
def cluster_index(_context: Context) -> Result:
    """The directory."""
    return Result([{"name": name} for name in _NAMES])


@api("GET", "/cluster/tasks")
def cluster_tasks(context: Context) -> Result:
    """What each node last broadcast; without Sys.Audit on / the caller's own (a token never sees its own here)."""
    everything = context.permissions.has(context.who, "/", "Sys.Audit")
    rows = [row for node in context.cluster.nodes.values() for row in node.ring.broadcast()]
    return Result([row for row in rows if everything or row["user"] == context.who])


@api("GET", "/cluster/log")
def cluster_log(context: Context) -> Result:
    """Newest first; all entries with Sys.Syslog on /, else the caller's own."""
    everything = context.permissions.has(context.who, "/", "Sys.Syslog")
    limit = as_int(context.parameters, "max", DEFAULT_LOG)
    rows = [row for row in context.cluster.log if everything or row["user"] == context.who]
    return Result([{**row, "uid": str(row["uid"]), "id": f"{row['uid']}:{row['node']}"} for row in rows[:limit]])


@api("GET", "/cluster/status")
def cluster_status(context: Context) -> Result:
    """The cluster and its nodes."""
    cluster = context.cluster
    rows: list[dict[str, Any]] = [
        {
            "type": "cluster",
            "id": "cluster",
            "name": cluster.name,
            "nodes": len(cluster.nodes),
            "version": cluster.config_version,
            "quorate": int(cluster.quorate),
        }
    ]
    rows.extend(
        {
            "type": "node",
            "id": f"node/{node.name}",
            "name": node.name,
            "nodeid": node.nodeid,
            "ip": node.ip,
            "local": int(node.name == context.local),
            "online": int(node.reachable()),
            "level": (node.stats or {}).get("level", ""),
        }
        for node in cluster.nodes.values()
    )
    return Result(rows)


def node_stats(node: Node, *, detailed: bool) -> dict[str, Any]:
    """A node's row: its load only with Sys.Audit, nothing but its state when it is down or silent."""
    row: dict[str, Any] = {"id": f"node/{node.name}", "node": node.name, "type": "node", "status": "unknown"}
    stats = node.stats if node.reachable() else None
    if stats is not None:
        names = (*_LOAD, *_SIZE) if detailed else ()
        row.update(status="online", level=stats.get("level", ""), **{name: stats[name] for name in names})
    if not node.reachable():
        row["status"] = "offline"
    return row


def _guest_rows(context: Context) -> list[dict[str, Any]]:
    zeros = dict.fromkeys(
        ("cpu", "disk", "diskread", "diskwrite", "maxdisk", "mem", "netin", "netout", "template", "uptime"), 0
    )
    return [
        {
            **zeros,
            "id": f"{guest.kind}/{guest.vmid}",
            "vmid": guest.vmid,
            "node": guest.node,
            "type": guest.kind,
            "name": guest.name,
            "status": guest.status,
            "maxcpu": 1,
            "maxmem": 536870912,
        }
        for guest in sorted(context.cluster.guests, key=lambda guest: str(guest.vmid))
        if context.permissions.has(context.who, f"/vms/{guest.vmid}", "VM.Audit")
    ]


def _node_rows(context: Context) -> list[dict[str, Any]]:
    return [
        {
            **node_stats(node, detailed=context.permissions.has(context.who, f"/nodes/{node.name}", "Sys.Audit")),
            **node.static_info,
        }
        for node in context.cluster.nodes.values()
    ]


def _storage_rows(context: Context) -> list[dict[str, Any]]:
    rows = []
    for name, storage in context.cluster.storages.items():
        if not context.permissions.has(context.who, f"/storage/{name}", "Datastore.Audit"):
            continue
        for node in context.cluster.nodes.values():
            row = {
                "id": f"storage/{node.name}/{name}",
                "storage": name,
                "node": node.name,
                "type": "storage",
                "plugintype": storage["type"],
                "shared": storage.get("shared", 0),
                "content": storage["content"],
                "status": "unknown",
            }
            if node.stats is not None and node.reachable():
                row.update(status="available", disk=node.stats["disk"], maxdisk=node.stats["maxdisk"])
            rows.append(row)
    return rows


def _network_rows(context: Context) -> list[dict[str, Any]]:
    if not context.permissions.has(context.who, "/sdn/zones/localnetwork", "SDN.Audit"):
        return []
    return [
        {
            "id": f"network/{name}/zone/localnetwork",
            "type": "network",
            "network-type": "zone",
            "network": "localnetwork",
            "node": name,
            "status": "ok",
        }
        for name in context.cluster.nodes
    ]


@api("GET", "/cluster/resources")
def resources(context: Context) -> Result:
    """Guests, nodes, storages and networks, in this order."""
    wanted = as_text(context.parameters, "type")
    makers = {"vm": _guest_rows, "node": _node_rows, "storage": _storage_rows, "network": _network_rows}
    return Result([row for kind, make in makers.items() if wanted in (None, kind) for row in make(context)])


@api("GET", "/cluster/options")
def options(context: Context) -> Result:
    """Datacenter options; only the harmless ones without Sys.Audit on /."""
    known = context.cluster.options
    if not context.permissions.has(context.who, "/", "Sys.Audit"):
        known = {name: known[name] for name in ("console", "tag-style") if name in known}
    return Result({**known, "allowed-tags": []})
