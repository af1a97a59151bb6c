# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the ledger of a node tells of a change of `/etc/pve`: one line of JSON, written by roles/_programs.

Which action it is, the file says and the keys that are different: `user alice@pve` among those that came is a new
user, `[RULES] IN ACCEPT` a new rule. A write by an editor may hold several; the one that comes first in the tables
counts, and the event has all of them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._parse.facts import (
    ACTION_LOST,
    ACTION_STARTED,
    ACTION_STOPPED,
    LINUX_LOG,
    Facts,
)
from ansible_collections.pve.audit.plugins.module_utils._parse.redact import redact

CONFIG = "pve.config"
ACTION_FILE = "config.file.modify"
ACTION_REWRITTEN = "config.file.rewrite"
_NOTES = {
    "started": (ACTION_STARTED, "success", ""),
    "sees": (ACTION_STARTED, "success", ""),
    "stopped": (ACTION_STOPPED, "success", ""),
    "blind": (ACTION_STOPPED, "failure", "the ledger cannot read the database of /etc/pve"),
    "database_replaced": (ACTION_LOST, "unknown", "the database of /etc/pve went back or was replaced"),
}
_CHANGES = {"created": "create", "modified": "modify", "rewritten": "modify", "moved": "modify", "deleted": "delete"}
_LISTS = ("added", "removed", "changed")
_NUMBERS = ("version", "since", "writer", "mtime", "incomplete")
_GUEST = re.compile(r"nodes/([^/]+)/(?:qemu-server|lxc)/([1-9]\d{2,8})\.conf", re.ASCII)
_SNAPSHOT = re.compile(r"\[(?!PENDING\])([^\]:]+)\]")
# Heads of what user.cfg and a firewall file hold, and the area of actions each belongs to.
_USER_HEADS = (("user", "access.user"), ("token", "access.token"), ("group", "access.group"), ("role", "access.role"))
_POOL = ("pool", "pool")
# A section that is created or deleted with the file; the action of what is below it.
_FIREWALL = (
    (re.compile(r"\[group [^\]]+\]"), "firewall.group"),
    (re.compile(r"\[ipset [^\]]+\]", re.IGNORECASE), "firewall.ipset"),
)
_FIREWALL_LINES = (
    (re.compile(r"\[(?:RULES|group [^\]]+)\] .+", re.IGNORECASE), "firewall.rule"),
    (re.compile(r"\[ipset [^\]]+\] .+", re.IGNORECASE), "firewall.ipset.entry"),
    (re.compile(r"\[ALIASES\] .+", re.IGNORECASE), "firewall.alias"),
)
# A file, and the action of a change in it; where it ends in a dot a section that came or went gives the verb.
_FILES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(text), action)
    for text, action in (
        (r"domains\.cfg", "access.realm."),
        (r"storage\.cfg|priv/storage/.*", "storage.definition."),
        (r"jobs\.cfg|vzdump\.cron", "backup_job."),
        (r"replication\.cfg", "replication."),
        (r"status\.cfg|priv/metricserver/.*", "metric_server."),
        (r"(?:priv/)?notifications\.cfg", "notification.endpoint."),
        (r"ha/resources\.cfg", "ha.resource."),
        (r"ha/rules\.cfg", "ha.rule."),
        (r"ha/groups\.cfg", "ha.group."),
        (r"sdn/zones\.cfg", "sdn.zone."),
        (r"sdn/vnets\.cfg", "sdn.vnet."),
        (r"sdn/subnets\.cfg", "sdn.subnet."),
        (r"sdn/controllers\.cfg", "sdn.controller."),
        (r"sdn/ipams\.cfg", "sdn.ipam."),
        (r"sdn/dns\.cfg", "sdn.dns."),
        (r"sdn/fabrics\.cfg", "sdn.fabric."),
        (r"mapping/(?:pci|usb)\.cfg", "mapping.pci."),
        (r"mapping/directory\.cfg", "mapping.dir."),
        (r"virtual-guest/cpu-models\.conf", "cpu_model."),
        (r"datacenter\.cfg", "cluster.options.modify"),
        (r"priv/shadow\.cfg", "access.password.modify"),
        (r"priv/tfa\.cfg", "access.tfa.modify"),
        (r"priv/token\.cfg", "access.token.modify"),
        (r"nodes/[^/]+/config", "node.config.modify"),
        (r"(?:nodes/[^/]+/)?pve-ssl\.(?:pem|key)|nodes/[^/]+/pveproxy-ssl\.(?:pem|key)", "node.certificate.upload"),
        (r"corosync\.conf", "cluster.node.add"),
    )
)


def read_ledger(message: str) -> Facts | None:
    """The facts of a line of the ledger; None when it is none of its own."""
    try:
        line = json.loads(message)
    except (ValueError, RecursionError):
        return None
    event = line.get("event") if isinstance(line, dict) else None
    if not isinstance(event, str):
        return None
    if event in _NOTES:
        action, outcome, error = _NOTES[event]
        why = line.get("why")
        return Facts(
            LINUX_LOG, action, outcome, error=f"{error}: {why}" if error and isinstance(why, str) else error or None
        )
    if event not in _CHANGES or not isinstance(line.get("path"), str):
        return None
    return _change(event, line)


def _change(event: str, line: Mapping[str, Any]) -> Facts:
    rows = {name: _rows(line.get(name)) for name in _LISTS}
    action, identity = _action(event, line["path"], rows)
    extra: dict[str, Any] = {"file": line["path"], "change": event}
    extra |= {name: line[name] for name in _NUMBERS if isinstance(line.get(name), int) and line[name] is not True}
    extra |= {f"keys_{name}": rows[name] for name in _LISTS if rows[name]}
    if isinstance(line.get("node"), str):
        extra["writer_node"] = line["node"]
    if isinstance(line.get("process"), int):
        extra["writer_process"] = line["process"]
    if line.get("unseen") is True:
        extra["unseen"] = True
    if identity:
        extra["object"] = identity
    if (guest := _GUEST.fullmatch(line["path"])) is not None:
        extra["vmid"] = int(guest[2])
    return Facts(CONFIG, action, "success", extra=extra)


def _rows(value: object) -> list[list[str]]:
    rows = value if isinstance(value, list) else []
    return [[redact(str(one)) for one in row] for row in rows if isinstance(row, list) and row]


def _action(event: str, path: str, rows: Mapping[str, list[list[str]]]) -> tuple[str, str]:
    """Action and object."""
    if event == "rewritten":
        return ACTION_REWRITTEN, path
    if (guest := _GUEST.fullmatch(path)) is not None:
        return _guest_action(event, guest[2], rows)
    if path == "user.cfg":
        return _user_action(rows)
    if path.startswith("firewall/") or path.endswith("/host.fw"):
        return _firewall_action(path, rows)
    action = next((action for pattern, action in _FILES if pattern.fullmatch(path)), "")
    if not action.endswith("."):
        return action or ACTION_FILE, path
    verb, identity = _section(rows)
    return action + (verb or _CHANGES[event]), identity or path


def _section(rows: Mapping[str, list[list[str]]]) -> tuple[str, str]:
    """Whether a section came or went, and which: `dir local` with no value is the head of the storage `local`."""
    for name, verb in (("added", "create"), ("removed", "delete")):
        for key, *values in rows[name]:
            if not any(values) and len(key.split(" ")) <= 2:
                return verb, key.rpartition(" ")[2]
    keys = [row[0] for name in _LISTS for row in rows[name]]
    return "modify" if keys else "", keys[0].split(" ")[1] if keys and " " in keys[0] else ""


def _guest_action(event: str, vmid: str, rows: Mapping[str, list[list[str]]]) -> tuple[str, str]:
    whole = {"created": "guest.create", "deleted": "guest.destroy", "moved": "guest.migrate"}
    if event in whole:
        return whole[event], vmid
    for name, verb in (("added", "create"), ("removed", "delete")):
        for key, *_values in rows[name]:
            if (snapshot := _SNAPSHOT.fullmatch(key)) is not None:
                return f"guest.snapshot.{verb}", f"{vmid}/{snapshot[1]}"
    return "guest.config.modify", vmid


def _user_action(rows: Mapping[str, list[list[str]]]) -> tuple[str, str]:
    """Who came or went first; then a right; then a change of somebody."""
    for head, area in (*_USER_HEADS, _POOL):
        for name, verb in (("added", "create"), ("removed", "delete")):
            for key, *_values in rows[name]:
                words = key.split(" ")
                if len(words) == 2 and words[0] == head:
                    return f"{area}.{verb}", words[1]
    keys = [row[0].split(" ") for name in _LISTS for row in rows[name]]
    for words in keys:
        if words[0] == "acl" and len(words) > 1:
            return "access.acl.modify", words[1]
    for head, area in (*_USER_HEADS, _POOL):
        for words in keys:
            if words[0] == head and len(words) > 1:
                return f"{area}.modify", words[1]
    return ACTION_FILE, "user.cfg"


def _firewall_action(path: str, rows: Mapping[str, list[list[str]]]) -> tuple[str, str]:
    for name, verb in (("added", "create"), ("removed", "delete")):
        for key, *_values in rows[name]:
            for pattern, area in _FIREWALL:
                if pattern.fullmatch(key):
                    return f"{area}.{verb}", key[1:-1].partition(" ")[2]
    verb = "modify" if rows["added"] and rows["removed"] else "create" if rows["added"] else "delete"
    for key in (row[0] for name in _LISTS for row in rows[name]):
        for pattern, area in _FIREWALL_LINES:
            if pattern.fullmatch(key):
                return f"{area}.{verb}", key
        if key.upper().startswith("[OPTIONS]"):
            return "firewall.options.modify", key.partition(" ")[2]
    return ACTION_FILE, path
