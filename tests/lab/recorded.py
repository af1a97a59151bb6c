# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster from recorded files: what stands in /etc/pve, /var/log/pve/tasks and the journal of each node.

Layout: `NODE/tasks/{index,index.1,active}`, `NODE/tasks/X/UPID` or `NODE/real_task_logs/UPID`, `NODE/journal.json`
(`journalctl -o json`), `NODE/etc-pve/{.members,.clusterlog,user.cfg,domains.cfg,storage.cfg}` (from any one node),
and optionally `simulator.json` for what no file carries (load, fingerprints, guests, versions). A leading `nodes/` is
allowed. Without a user.cfg the users are those of the story. A bundle is the same as one JSON object, path -> text,
gzipped: UPIDs are no names for files everywhere.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.lab.journal import Journal, parse_journal
from tests.lab.metric_types import metric_file
from tests.lab.model import Cluster, Guest, Node
from tests.lab.realms import digest_of, parse_realms
from tests.lab.story import PASSWORD, USER_CFG, secret_for
from tests.lab.tasks import MAX_FINISHED, TaskRing
from tests.lab.upid import parse_archive_line
from tests.lab.usercfg import parse_user_config

Files = Mapping[str, str]
_DEFAULT_STORAGE = {"local": {"type": "dir", "content": "images,rootdir,vztmpl,iso,snippets,backup"}}
_UTF8 = ("journal.json", "simulator.json", ".clusterlog", ".members")


def read_files(source: Path) -> dict[str, str]:
    """All files of a directory or a bundle, as text."""
    if source.is_file():
        bundle: dict[str, str] = json.loads(gzip.decompress(source.read_bytes()))
        return bundle
    return {
        path.relative_to(source).as_posix(): path.read_bytes().decode(
            "utf-8" if path.name in _UTF8 else "latin-1", "surrogateescape"
        )
        for path in sorted(source.rglob("*"))
        if path.is_file()
    }


def parse_sections(text: str) -> dict[str, dict[str, Any]]:
    """PVE's section files: `type: id`, then indented `key value` lines (pve-common SectionConfig.pm)."""
    sections: dict[str, dict[str, Any]] = {}
    current: dict[str, Any] | None = None
    for line in text.splitlines():
        head = re.match(r"(\S+):\s*(\S+)\s*$", line)
        if head:
            current = sections[head[2]] = {"type": head[1]}
        elif line[:1].isspace() and current is not None and line.strip():
            key, _, value = line.strip().partition(" ")
            current[key] = value.strip() or 1
    return sections


def _logs(files: Files, node: str) -> dict[str, str]:
    pattern = re.compile(rf"{re.escape(node)}/(?:tasks/[0-9A-F]|real_task_logs)/(UPID:.+)", re.DOTALL)
    return {match[1]: text for path, text in files.items() if (match := pattern.fullmatch(path))}


def _node(files: Files, name: str, member: dict[str, Any], extra: dict[str, Any]) -> Node:
    index, index_1, active = (files.get(f"{name}/tasks/{part}", "") for part in ("index", "index.1", "active"))
    ring = TaskRing(index, index_1, active)
    journal = files.get(f"{name}/journal.json", "")
    return Node(
        name=name,
        nodeid=int(member["id"]),
        ip=str(member.get("ip", "")),
        ring=ring,
        log_text=_logs(files, name).get,
        journal=Journal(lambda: parse_journal(journal)),
        stats=extra.get("stats"),
        static_info=extra.get("static_info", {}),
        online=bool(member.get("online", 1)),
        fingerprint=extra.get("fingerprint", ""),
        details=extra.get("details", {}),
    )


def _find(files: Files, name: str) -> str:
    return next((text for path, text in files.items() if path.endswith(f"etc-pve/{name}")), "")


def _members(files: Files) -> dict[str, Any]:
    text = _find(files, ".members")
    if text:
        return dict(json.loads(text))
    names = sorted({path.split("/")[0] for path in files if "/tasks/" in path})
    return {"cluster": {}, "nodelist": {name: {"id": number, "ip": ""} for number, name in enumerate(names, 1)}}


def build_recorded(files: Files) -> Cluster:
    """The cluster of these files. Every token gets a secret and every user the lab's password."""
    files = {path.removeprefix("nodes/"): text for path, text in files.items()}
    members = _members(files)
    extra = json.loads(files.get("simulator.json", "{}"))
    users = parse_user_config(_find(files, "user.cfg") or USER_CFG)
    domains = _find(files, "domains.cfg")
    tokens = [f"{user}!{token}" for user, entry in users.users.items() for token in entry.tokens or {}]
    info = members.get("cluster", {})
    cluster = Cluster(
        nodes={
            name: _node(files, name, member, extra.get("nodes", {}).get(name, {}))
            for name, member in members["nodelist"].items()
        },
        users=users,
        realms=parse_realms(domains),
        name=info.get("name", "lab"),
        quorate=bool(info.get("quorate", 1)),
        config_version=int(info.get("version", 1)),
        passwords=dict.fromkeys(users.users, PASSWORD),
        secrets={token: secret_for(1, token) for token in tokens},
        guests=[Guest(**guest) for guest in extra.get("guests", [])],
        storages={**_DEFAULT_STORAGE, **parse_sections(_find(files, "storage.cfg"))},
        log=json.loads(_find(files, ".clusterlog") or '{"data": []}')["data"],
        options=extra.get("options", {}),
        realms_digest=digest_of(domains),
        metric_servers=metric_file().parse(_find(files, "status.cfg")),
    )
    cluster.version.update(extra.get("version", {}))
    return cluster


def load_files(source: Path) -> Cluster:
    """The cluster recorded in a directory or a bundle."""
    return build_recorded(read_files(source))


def rewind(files: Files, moment: float) -> dict[str, str]:
    """The files as they were at `moment`: later ends, tasks, journal entries and cluster log entries are taken away."""
    result = {path: text for path, text in files.items() if not path.endswith("/.clusterlog")}
    for path, text in files.items():
        if re.search(r"/tasks/index(\.1)?$", path):
            result[path] = "".join(line for line in text.splitlines(keepends=True) if _ended(line) <= moment)
        elif path.endswith("/tasks/active"):
            index = files.get(f"{path[:-6]}index.1", "") + files.get(f"{path[:-6]}index", "")
            result[path] = _rewind_active(text, index, moment)
        elif path.endswith("/journal.json"):
            entries = (line for line in text.splitlines(keepends=True) if line.strip())
            stamps = ((int(json.loads(line)["__REALTIME_TIMESTAMP"]) / 1e6, line) for line in entries)
            result[path] = "".join(line for stamp, line in stamps if stamp <= moment)
        elif path.endswith("/.clusterlog"):
            entries_then = [entry for entry in json.loads(text)["data"] if entry["time"] <= moment]
            result[path] = json.dumps({"data": entries_then})
    return result


def _ended(line: str) -> int:
    match = re.match(r"\S+ ([0-9A-F]{8})(?: |$)", line)
    return int(match[1], 16) if match else 0


def _start(line: str) -> int:
    return int(line.split(":")[4], 16)


def _rewind_active(text: str, index: str, moment: float) -> str:
    """What ran then, and the 25 newest that had ended (the older of them are in the index only)."""
    running, finished = [], {}
    for line in text.splitlines():
        upid, _, rest = line.partition(" ")
        end = re.match(r"[01] ([0-9A-F]{8})", rest)
        if end and int(end[1], 16) <= moment:
            finished[upid] = line
        elif _start(upid) <= moment:
            running.append(upid)
    older = [line for line in index.splitlines() if parse_archive_line(line) and _ended(line) <= moment]
    for line in sorted(older, key=_start, reverse=True)[:MAX_FINISHED]:
        upid, _, rest = line.partition(" ")
        finished.setdefault(upid, f"{upid} 1 {rest}")
    kept = list(finished.values())[: MAX_FINISHED - len(running)]
    return "".join(f"{upid} 0\n" for upid in sorted(running)) + "".join(f"{line}\n" for line in kept)
