# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of a node's logging: rsyslog, journald, logrotate, clock, task preservation, auditd.

`problems` of a part are sentences: what keeps its promise from holding, as far as it was looked at.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._node.facts.access_log import access_log
from ansible_collections.pve.audit.plugins.module_utils._node.facts.forwarder import forwarder
from ansible_collections.pve.audit.plugins.module_utils._node.facts.mounts import file_system
from ansible_collections.pve.audit.plugins.module_utils._node.facts.node import (
    DAY,
    NodeSnapshot,
    Part,
    available,
    gather,
    ini_values,
    parse_size,
    properties,
    unavailable,
    utc,
    why,
)
from ansible_collections.pve.audit.plugins.module_utils._node.facts.storage import storage
from ansible_collections.pve.audit.plugins.module_utils._node.logrotate.files import (
    doubles,
    find_errors,
    read_configuration,
)
from ansible_collections.pve.audit.plugins.module_utils._node.logrotate.policy import LogrotatePlaces, taken_over

RSYSLOG_CONFIG = "/etc/rsyslog.d/60-pve-audit.conf"
AUDIT_RULES = "/etc/audit/rules.d/60-pve-audit.rules"
AUDIT_KEY = "pve-audit"
ARCHIVE = "/var/log/pve-audit/tasks"
RING = "/var/log/pve/tasks"
JOURNAL = "/var/log/journal"
# pveupdate leaves a task every day, so an index is not empty for longer.
LONGEST_EMPTY = 2 * DAY
# Seconds by which a clock may be off.
CLOCK_OFF = 1.0


def rsyslog(node: NodeSnapshot) -> Part:
    """Whether rsyslog is there, runs, accepts its configuration, and has ours."""
    version = node.run(["rsyslogd", "-v"])
    if version.missing:
        return unavailable("rsyslog is not installed (Proxmox VE does not need it)", installed=False)
    check = node.run(["rsyslogd", "-N1"])
    errors = [line for line in check.stderr.splitlines() if "error" in line.lower() or "warning" in line.lower()]
    match = re.search(r"rsyslogd\s+v?([0-9.]+)", version.stdout)
    return available(
        installed=True,
        version=match[1] if match else None,
        active=node.unit("rsyslog.service").get("ActiveState") == "active",
        config_valid=check.ok,
        config_errors=[] if check.ok else errors[:10],
        our_config=os.path.exists(node.path(RSYSLOG_CONFIG)),
    )


def journald(node: NodeSnapshot) -> Part:
    """Settings in effect, and what the journal holds. `persistent` is what is so, not what is set."""
    settings = node.run(["systemd-analyze", "cat-config", "systemd/journald.conf"])
    if not settings.ok:
        return unavailable(why(settings, "the settings of journald cannot be read"))
    values = ini_values(settings.stdout, "Journal")
    usage = node.run(["journalctl", "--disk-usage"])
    size = re.search(r"take up ([0-9.]+[BKMGT]?)", usage.stdout)
    boots = node.run(["journalctl", "--list-boots", "--no-pager", "-o", "json"])
    system = file_system(node, JOURNAL)
    problems = [] if _has_journal(node, JOURNAL) else [f"there is no journal in {JOURNAL}"]
    if system.in_memory:
        problems.append(f"{JOURNAL} is in memory ({system.kind}): a restart ends it")
    return available(
        storage=values.get("Storage", "auto"),
        persistent=not problems,
        filesystem=system.kind,
        problems=problems,
        limits={
            key: values.get(key)
            for key in ("SystemMaxUse", "SystemKeepFree", "SystemMaxFileSize", "MaxRetentionSec", "MaxFileSec")
        },
        rate_limit={
            "interval": values.get("RateLimitIntervalSec", "30s"),
            "burst": values.get("RateLimitBurst", "10000"),
            "off": values.get("RateLimitIntervalSec") in ("0", "0s") or values.get("RateLimitBurst") == "0",
        },
        forward_to_syslog=values.get("ForwardToSyslog", "no") in ("yes", "true", "1", "on"),
        disk_usage=parse_size(size[1]) if size else None,
        oldest=_oldest_entry(node),
        boots=_boots(boots.stdout),
        files=re.findall(r"^# (/\S+)$", settings.stdout, re.MULTILINE),
    )


def _has_journal(node: NodeSnapshot, directory: str) -> bool:
    try:
        return any(
            name.endswith(".journal")
            for folder in os.scandir(node.path(directory))
            if folder.is_dir()
            for name in os.listdir(folder)
        )
    except FileNotFoundError:
        return False


def _oldest_entry(node: NodeSnapshot) -> str | None:
    """journalctl starts with the oldest entry when it is not asked to follow or to reverse."""
    first = node.run(["sh", "-c", "journalctl -o json --output-fields=MESSAGE_ID --no-pager 2>/dev/null | head -n 1"])
    try:
        return utc(int(json.loads(first.stdout)["__REALTIME_TIMESTAMP"]) / 1e6)
    except (ValueError, KeyError, TypeError):
        return None


def _boots(text: str) -> int | None:
    try:
        return len(json.loads(text))
    except ValueError:
        return None


def logrotate(node: NodeSnapshot) -> Part:
    """All policies with their place, paths that two of them rotate, and files that were taken over."""
    main = node.path("/etc/logrotate.conf")
    if not os.path.exists(main):
        return unavailable("logrotate is not installed")
    found = read_configuration(main)
    wanted = ("frequency", "rotate", "maxage", "size", "maxsize", "minsize", "dateext", "compress", "create")
    return available(
        policies=[
            {"file": r.file, "line": r.line, "path": r.pattern, **{k: r.options[k] for k in wanted if k in r.options}}
            for r in found.rules
        ],
        doubles=[
            {"path": second.pattern, "first": first.place, "second": second.place} for first, second in doubles(found)
        ],
        taken_over=taken_over(LogrotatePlaces(aside=node.path(LogrotatePlaces.aside))),
        problems=find_errors(main, node.run),
        timer_active=node.unit("logrotate.timer").get("ActiveState") == "active",
        last_run_failed=node.unit("logrotate.service").get("Result") not in ("success", None),
    )


def clock(node: NodeSnapshot) -> Part:
    """Whether the clock is synchronised, by whom, and how far off it is (seconds)."""
    shown = node.run(["timedatectl", "show"])
    values = properties(shown.stdout)
    tracking = node.run(["chronyc", "-c", "-n", "tracking"])
    if not values and not tracking.ok:
        return unavailable(why(shown, "neither timedatectl nor chronyc answers"))
    facts: Part = available(
        synchronized=values.get("NTPSynchronized") == "yes" if values else None,
        timezone=values.get("Timezone"),
        ntp_service=values.get("NTP") == "yes" if values else None,
        chrony=None,
    )
    fields = tracking.stdout.strip().split(",")
    if tracking.ok and len(fields) >= 14:
        facts["chrony"] = {
            "reference": fields[1] or fields[0],
            "stratum": int(fields[2]),
            "offset": float(fields[4]),
            "root_delay": float(fields[10]),
            "leap": fields[13],
            "synchronized": fields[13] != "Not synchronised" and fields[0] != "00000000",
        }
    facts["problems"] = [] if _in_container(node) else list(_clock_problems(facts))
    return facts


def _clock_problems(facts: Part) -> Iterator[str]:
    """Of a container none: its clock is that of the machine that runs it."""
    chrony = facts["chrony"]
    if chrony is not None and not chrony["synchronized"]:
        yield "chrony says that the clock is not synchronised"
    elif chrony is not None and abs(chrony["offset"]) > CLOCK_OFF:
        yield f"chrony says that the clock is {abs(chrony['offset']):.1f} seconds off"
    elif facts["synchronized"] is False:
        yield "the clock is not synchronised"
    elif chrony is None and facts["synchronized"] is None:
        yield "nobody says whether the clock is synchronised"


def tasks(node: NodeSnapshot) -> Part:
    """Whether the archive reaches PVE's ring, and every gap that was recorded."""
    if not os.path.isdir(node.path(ARCHIVE)):
        return unavailable(f"task records are not preserved ({ARCHIVE} is not there)")
    days = sorted(name for name in os.listdir(node.path(ARCHIVE)) if re.fullmatch(r"\d{4}-\d\d-\d\d\.index", name))
    newest = _last_line(node, f"{ARCHIVE}/{days[-1]}") if days else None
    ring = [_last_line(node, f"{RING}/{name}") for name in ("index", "index.1")]
    ring_newest = next((line for line in ring if line), None)
    status = node.json("/run/pve-audit/preserve.json") or {}
    gaps = _json_lines(node.text(f"{ARCHIVE}/gaps.jsonl") or "")
    failed = node.unit("pve-audit-preserve.service").get("Result") not in ("success", None, "")
    return available(
        problems=list(_task_problems(node, ring_newest is None, failed)),
        up_to_date=ring_newest is None or ring_newest == newest,
        newest_preserved=newest,
        newest_in_ring=ring_newest,
        days=len(days),
        oldest_day=days[0].removesuffix(".index") if days else None,
        lines=status.get("lines"),
        texts=status.get("texts"),
        texts_missing=status.get("texts_missing"),
        texts_refused=status.get("texts_refused", 0),
        last_run=status.get("last_run"),
        gaps=gaps,
        path_active=node.unit("pve-audit-preserve.path").get("ActiveState") == "active",
        timer_active=node.unit("pve-audit-preserve.timer").get("ActiveState") == "active",
        last_run_failed=failed,
    )


def _task_problems(node: NodeSnapshot, empty: bool, failed: bool) -> Iterator[str]:
    up = node.up_seconds()
    if empty and (up is None or up > LONGEST_EMPTY):
        since = "" if up is None else f", and the node has been up for {up / DAY:.0f} days"
        yield f"the task index of Proxmox VE ({RING}/index) is empty or cannot be read{since}"
    if failed:
        yield "the last run that preserves task records failed (journalctl -u pve-audit-preserve says why)"


def _last_line(node: NodeSnapshot, name: str) -> str | None:
    lines = (node.text(name) or "").rstrip("\n").split("\n")
    return lines[-1] or None


def _json_lines(text: str) -> list[Any]:
    found = []
    for line in text.splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            found.append({"kind": "unreadable", "message": line})
    return found


def auditd(node: NodeSnapshot) -> Part:
    """Whether the kernel lets this node audit, whether auditd runs, and whether our rules are loaded."""
    facts: Part = {
        "rules_file": os.path.exists(node.path(AUDIT_RULES)),
        "running": node.unit("auditd.service").get("ActiveState") == "active",
    }
    if _in_container(node):
        return unavailable("the kernel's audit is not for containers: ask the node that runs this one", **facts)
    shown = node.run(["auditctl", "-s"])
    if shown.missing:
        return unavailable("auditd is not installed", **facts)
    if not shown.ok:
        return unavailable(why(shown, "the kernel does not let this node audit"), **facts)
    status = dict(line.split(None, 1) for line in shown.stdout.splitlines() if " " in line)
    rules = node.run(["auditctl", "-l"]).stdout.splitlines()
    return available(
        **facts,
        enabled=status.get("enabled"),
        lost=int(status["lost"]) if status.get("lost", "").isdigit() else None,
        backlog=int(status["backlog"]) if status.get("backlog", "").isdigit() else None,
        rules=len([rule for rule in rules if rule.startswith("-")]),
        our_rules=len([rule for rule in rules if AUDIT_KEY in rule]),
    )


def _in_container(node: NodeSnapshot) -> bool:
    seen = node.run(["systemd-detect-virt", "--container"])
    return seen.ok and seen.stdout.strip() not in ("", "none")


PARTS = {
    "rsyslog": rsyslog,
    "access_log": access_log,
    "forwarder": forwarder,
    "journald": journald,
    "logrotate": logrotate,
    "storage": storage,
    "clock": clock,
    "tasks": tasks,
    "auditd": auditd,
}
# Parts of which a node must show that they hold.
JUDGED = ("access_log", "forwarder", "journald", "clock", "tasks")


def problems_of(parts: Mapping[str, Part]) -> list[str]:
    """What keeps the parts from holding; a part that could not be seen is no less of a problem than one that was."""
    found = []
    for name, part in parts.items():
        if "problems" in part:
            found += part["problems"]
        elif name in JUDGED:
            found.append(f"{name} could not be looked at: {part['reason']}")
    return found


def look_at(node: NodeSnapshot, names: list[str]) -> dict[str, Part]:
    """The chosen parts, all of them when none is chosen."""
    return gather(node, PARTS, names or list(PARTS))
