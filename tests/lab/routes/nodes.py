# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""/nodes and a node's own calls (pve-manager API2/Nodes.pm)."""

from __future__ import annotations

import calendar
import gzip
import time
from fnmatch import fnmatchcase
from typing import Any

from tests.lab.context import Context, Result, api
from tests.lab.http import Answer, compact
from tests.lab.journal import Entry, Journal, short_line, short_lines
from tests.lab.routes.cluster import node_stats
from tests.lab.validate import as_int, as_text

_NAMES = (
    "aplinfo apt capabilities ceph certificates config disks dns execute firewall hardware hosts journal lxc migrateall"
    " netstat network qemu query-oci-repo-tags query-url-metadata replication report rrd rrddata scan sdn services"
    " spiceshell startall status stopall storage subscription suspendall syslog tasks termproxy time version vncshell"
    " vzdump wakeonlan"
).split()
_DEFAULT_LINES = 50
_UPTIME = 0  # of a node of which no file says more: nobody can say what it should have recorded


@api("GET", "/nodes")
def nodes(context: Context) -> Result:
    """All nodes, for everybody; their load only with Sys.Audit."""
    rows = []
    for node in context.cluster.nodes.values():
        detailed = context.permissions.has(context.who, f"/nodes/{node.name}", "Sys.Audit")
        rows.append({**node_stats(node, detailed=detailed), "ssl_fingerprint": node.fingerprint})
    return Result(rows)


@api("GET", "/nodes/{node}")
def node_index(_context: Context) -> Result:
    """The directory."""
    return Result([{"name": name} for name in _NAMES])


@api("GET", "/nodes/{node}/version")
def node_version(context: Context) -> Result:
    """The version of one node."""
    return Result(context.cluster.version)


def _status(uptime: int, version: str) -> dict[str, Any]:
    return {
        "uptime": uptime,
        "cpu": 0.05,
        "wait": 0,
        "idle": 0,
        "loadavg": ["0.35", "0.30", "0.25"],
        "kversion": "Linux 6.14.8-2-pve #1 SMP PREEMPT_DYNAMIC",
        "current-kernel": {
            "sysname": "Linux",
            "release": "6.14.8-2-pve",
            "version": "#1 SMP PREEMPT_DYNAMIC",
            "machine": "x86_64",
        },
        "boot-info": {"mode": "legacy-bios"},
        "pveversion": f"pve-manager/{version}",
        "ksm": {"shared": 0},
        "memory": {"total": 25276063744, "free": 22323040256, "used": 2287792128, "available": 22988271616},
        "rootfs": {"total": 2147483648, "free": 2141237248, "used": 6246400, "avail": 2141237248},
        "swap": {"total": 0, "free": 0, "used": 0},
        "cpuinfo": {
            "model": "Simulated CPU",
            "vendor": "GenuineIntel",
            "family": "6",
            "mhz": "2600.000",
            "hvm": "",
            "flags": "fpu vme",
            "cpus": 2,
            "cores": 2,
            "sockets": 1,
            "user_hz": 100,
        },
    }


@api("GET", "/nodes/{node}/status")
def node_status(context: Context) -> Result:
    """Load, memory and kernel of one node."""
    info = context.cluster.version
    uptime = int((context.node().stats or {"uptime": _UPTIME})["uptime"])
    return Result({**_status(uptime, f"{info['version']}/{info['repoid']}"), **context.node().details})


@api("GET", "/nodes/{node}/config")
def node_config(_context: Context) -> Result:
    """No node options are set."""
    return Result({})


@api("GET", "/nodes/{node}/services")
def services(_context: Context) -> Result:
    """No service manager here."""
    return Result([])


@api("GET", "/nodes/{node}/time")
def node_time(_context: Context) -> Result:
    """The clock, in UTC."""
    now = int(time.time())
    return Result({"timezone": "UTC", "time": now, "localtime": now})


def _selected(journal: Journal, parameters: dict[str, Any]) -> list[Entry] | None:
    cursor = as_text(parameters, "startcursor")
    if cursor:
        return journal.after_cursor(cursor)
    since, until = parameters.get("since"), parameters.get("until")
    found = journal.between(int(since) if since else None, int(until) if until else None)
    last = as_int(parameters, "lastentries", 0)
    return found[-last:] if last else found


def _wanted(entry: Entry, parameters: dict[str, Any]) -> bool:
    unit, service, priority = (as_text(parameters, name) for name in ("unit", "service", "priority"))
    name = str(entry.get("SYSLOG_IDENTIFIER", ""))
    if unit and entry.get("_SYSTEMD_UNIT") != f"{unit.removesuffix('.service')}.service":
        return False
    if service and not _glob(service, name):
        return False
    if priority:
        low, _, high = priority.rpartition("..")
        level = int(entry.get("PRIORITY", 6))
        return int(low or 0) <= level <= int(high)
    return not as_int(parameters, "kernel", 0) or entry.get("_TRANSPORT") == "kernel"


def _glob(pattern: str, name: str) -> bool:
    return fnmatchcase(name, pattern)


@api("GET", "/nodes/{node}/journal")
def journal(context: Context) -> Answer:
    """Lines between the first and the last cursor, gzip always, whatever the client accepts."""
    found = _selected(context.node().journal, context.parameters)
    data: list[Any] = []
    if found is not None:
        found = [entry for entry in found if _wanted(entry, context.parameters)]
        structured = as_int(context.parameters, "structured", 0) == 1
        if found:
            lines = [entry if structured else short_line(entry) for entry in found]
            data = [found[0]["__CURSOR"], *lines, found[-1]["__CURSOR"]]
    body = compact({"data": data, "success": 1}).encode("utf-8", "surrogatepass")
    return Answer(200, "OK", gzip.compress(body), "application/json", {"Content-Encoding": "gzip"}, compress=False)


def _seconds(text: str | None) -> float | None:
    if not text:
        return None
    form = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d")[2 - text.count(":") if " " in text else 2]
    return float(calendar.timegm(time.strptime(text, form)))


@api("GET", "/nodes/{node}/syslog")
def syslog(context: Context) -> Result:
    """The journal as numbered lines; `limit` 0 means 50."""
    parameters = context.parameters
    found = context.node().journal.between(
        _seconds(as_text(parameters, "since")), _seconds(as_text(parameters, "until"))
    )
    service = as_text(parameters, "service")
    if service:
        found = [entry for entry in found if entry.get("_SYSTEMD_UNIT") == f"{service}.service"]
    lines = [line for entry in found for line in short_lines(entry)] or ["-- No entries --"]
    start, limit = as_int(parameters, "start", 0), as_int(parameters, "limit", 0) or _DEFAULT_LINES
    page = [{"n": number, "t": line} for number, line in enumerate(lines, 1)][start : start + limit]
    return Result(page, len(lines))
