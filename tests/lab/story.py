# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A seeded cluster that tells the story of `plot`."""

from __future__ import annotations

import hashlib
import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice

from tests.lab.journal import Entry, Journal
from tests.lab.logtext import make_log
from tests.lab.model import Cluster, Guest, Node
from tests.lab.plot import Act, daily, filler, fixed_acts
from tests.lab.tasks import MAX_FINISHED, TaskRing
from tests.lab.upid import Task, decode_upid
from tests.lab.usercfg import parse_user_config

USER_CFG = """\
user:root@pam:1:0:::root@example.com:::
user:alice@pve:1:0:Alice:Archer:alice@example.com:virtual machines::
token:alice@pve!cli:0:0::
user:audit@pve:1:0::::reports::
token:audit@pve!report:0:0:read only:
user:bob@ldap:1:0:Bob:Baker:bob@example.com:containers::
user:dario@pve:1:0:Dario:Drake:dario@example.com:leaves this month::
user:dave@pve:0:0::::left the company::
user:iac@pve:1:0::::infrastructure as code::
token:iac@pve!terraform:0:1:pipeline:
user:nopriv@pve:1:0::::no rights at all::
token:nopriv@pve!np:0:0::
user:ops@pve:1:0::::night shift::
user:svc@pve:1:0::::service account::
token:svc@pve!backup:0:1:nightly backups:
user:syslog@pve:1:0::::tasks and journal::
token:syslog@pve!reader:0:0::

group:admins:alice@pve,dario@pve:cluster admins:
group:auditors:audit@pve:read only:
group:team:bob@ldap,ops@pve::

role:LogReader:Sys.Audit,Sys.Syslog:

acl:1:/:@admins:Administrator:
acl:1:/:@auditors:PVEAuditor:
acl:1:/:syslog@pve:LogReader:
acl:1:/vms:@team,iac@pve,iac@pve!terraform,svc@pve,svc@pve!backup:PVEVMAdmin:
"""
REALMS: dict[str, dict[str, object]] = {
    "pam": {"type": "pam", "comment": "Linux PAM standard authentication"},
    "pve": {"type": "pve", "comment": "Proxmox VE authentication server"},
    "ldap": {
        "type": "ldap",
        "comment": "corporate directory",
        "base_dn": "dc=example,dc=com",
        "server1": "192.0.2.30",
        "user_attr": "uid",
    },
}
PASSWORD = "lab-password"
PASSWORD_USERS = ("root@pam", "alice@pve", "audit@pve", "nopriv@pve", "ops@pve")
LONG_UPTIME = 579 * 86400
HOSTILE_USERS = ("<script>alert(1)<@pve", "{{7*7}}@pve", "=cmd|'C'!A0@pve", "ro\u200bot@pam".encode().decode("latin-1"))
HOSTILE_STATUS = (
    "<script>alert('status')</script>",
    "{{ 7*7 }} {% for x in y %}",
    "=cmd|' /C calc'!A0",
    '\x1b[31mred\x1b[0m \x07 | pipe, "quote", comma\r',
)
CORRUPT_LINES = (
    "UPID:pve1:0000",
    "UPID:pve1:00001234:00005678:69000000:qmstart:100:root@pam:",
    "UPID:pve1:00001235:00005678:69000000:imgdel:a b:root@pam: 69000001 OK",
    "UPID:pve1:00001236:00005678:69000000:imgcopy:pve1:local:root@pam: 69000001 OK",
    "\x00\x00\x00\x00",
    "second line of a status",
)


@dataclass(frozen=True, slots=True)
class StoryOptions:
    """What to make. `now` in seconds since the epoch; `tasks_per_node` may be 0."""

    now: int
    nodes: int = 3
    tasks_per_node: int = 400
    seed: int = 1
    days: int = 35
    hostile: bool = False


def node_names(count: int) -> list[str]:
    """pve1, pve2, ..."""
    return [f"pve{number}" for number in range(1, count + 1)]


def secret_for(seed: int, token: str) -> str:
    """A token's secret, the same for the same seed."""
    return str(uuid.UUID(bytes=hashlib.sha256(f"{seed} {token}".encode()).digest()[:16], version=4))


def _hostile_acts(now: int) -> list[Act]:
    acts = []
    for step, user in enumerate(HOSTILE_USERS):
        status = HOSTILE_STATUS[step % len(HOSTILE_STATUS)]
        start = now - 7200 - 600 * step
        acts.append(Act(0, start, start + 5, "qmdestroy", str(300 + step), user, status))
        acts.append(Act(0, start + 60, start + 65, "qmstart", "{{7*7}}", user, "OK"))
        acts.append(Act(0, start + 90, start + 95, "=unknown-type", "<b>x", user, "OK"))
    return acts


def _acts_of_node(options: StoryOptions, node: int, fixed: list[Act]) -> list[Act]:
    mine = [act for act in fixed if act.node == node]
    rng = random.Random(f"{options.seed}/{node}")
    days = daily(node, options.now, options.days)
    more = chain(islice(days, 8), mine, days, filler(rng, node, options.now, options.days))
    return list(islice(more, options.tasks_per_node))


def _boot(acts: list[Act], now: int) -> int:
    """A node has been up for as long as its task log goes back, for it never was full."""
    return min((act.start for act in acts), default=now) - 3600


def _encode(name: str, act: Act, pid: int, boot: int) -> str:
    pstart = (act.start - boot) * 100
    return f"UPID:{name}:{pid:08X}:{pstart:08X}:{act.start:08X}:{act.kind}:{act.ident}:{act.user}:"


def _text(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _ring(name: str, acts: list[Act], options: StoryOptions) -> TaskRing:
    """Half of the finished tasks in `index.1`, the newer half in `index`."""
    boot = options.now - LONG_UPTIME if name == "pve3" else _boot(acts, options.now)
    numbered = [
        (act, _encode(name, act, 1000 + 7 * number, boot))
        for number, act in enumerate(sorted(acts, key=lambda act: act.start))
    ]
    finished = sorted((pair for pair in numbered if pair[0].end is not None), key=lambda pair: pair[0].end or 0)
    lines = [f"{upid} {act.end:08X} {act.status}" for act, upid in finished]
    if options.hostile and lines:
        lines[len(lines) // 2 : len(lines) // 2] = CORRUPT_LINES
    middle = len(lines) // 2
    active = [f"{upid} 0" for act, upid in reversed(numbered) if act.end is None]
    recent = sorted(finished[-MAX_FINISHED:], key=lambda pair: pair[0].start, reverse=True)
    active += [f"{upid} 1 {act.end:08X} {act.status}" for act, upid in recent]
    return TaskRing(_text(lines[middle:]), _text(lines[:middle]), _text(active))


class _Logs:
    """Makes a task's log when it is asked for."""

    def __init__(self, ring: TaskRing, hostile: bool) -> None:
        self._ring = ring
        self._hostile = hostile
        self._status: dict[str, str | None] | None = None

    def __call__(self, upid: str) -> str | None:
        if self._status is None:
            known = {shown.task.upid: shown.task.status for shown in self._ring.archive()}
            self._status = dict.fromkeys(self._ring.running(), None) | known
        task = decode_upid(upid)
        if task is None or upid not in self._status:
            return None
        return make_log(task, self._status[upid], hostile=self._hostile)


def _entry(node: str, number: int, moment: float, user: str, text: str) -> Entry:
    stamp = int(moment * 1_000_000)
    return {
        "__CURSOR": f"s=5a{number:030x};i={number:x};b={'0' * 32};m={number:x};t={stamp:x};x={number:016x}",
        "__REALTIME_TIMESTAMP": str(stamp),
        "__MONOTONIC_TIMESTAMP": str(number * 1000),
        "_BOOT_ID": "0" * 32,
        "_HOSTNAME": node,
        "_TRANSPORT": "syslog",
        "_PID": "1200",
        "_COMM": "pvedaemon worke",
        "_SYSTEMD_UNIT": "pvedaemon.service",
        "PRIORITY": "6",
        "SYSLOG_IDENTIFIER": "pvedaemon",
        "MESSAGE": f"<{user}> {text}",
    }


def _with_token(task: Task) -> str:
    return f"{task.user}!{task.token}" if task.token else task.user


def _messages(ring: TaskRing) -> list[tuple[float, str, str]]:
    """(time, user, text) of the daemon's lines about the tasks, oldest first."""
    lines: list[tuple[float, str, str]] = []
    for shown in ring.archive():
        task = shown.task
        user = _with_token(task)
        if task.type in ("vncshell", "vncproxy") and task.token is None:
            lines.append((task.starttime - 20, "root@pam", f"successful auth for user '{user}'"))
        lines.append((task.starttime + 0.2, user, f"starting task {task.upid}"))
        if task.endtime:
            lines.append((task.endtime + 0.4, user, f"end task {task.upid} {task.status or ''}".rstrip()))
    return sorted(lines)


def _journal(name: str, ring: TaskRing) -> Iterator[Entry]:
    for number, (moment, user, text) in enumerate(_messages(ring), 1):
        yield _entry(name, number, moment, user, text)


def _cluster_log(nodes: dict[str, Node]) -> list[dict[str, object]]:
    """The newest thousand lines of all nodes, newest first."""
    lines: list[tuple[float, str, str, str]] = []
    for node in nodes.values():
        recent = TaskRing(index="\n".join(node.ring.index.split("\n")[-200:]))
        lines.extend((moment, node.name, user, text) for moment, user, text in _messages(recent))
    return [
        {
            "uid": uid,
            "time": int(moment),
            "pri": 6,
            "tag": "pvedaemon",
            "pid": 1200,
            "node": name,
            "user": user,
            "msg": text,
        }
        for uid, (moment, name, user, text) in reversed(list(enumerate(sorted(lines)[-1000:], 1)))
    ]


def _stats(number: int, uptime: int) -> dict[str, object]:
    return {
        "uptime": uptime,
        "level": "",
        "cpu": 0.03 + number / 1000,
        "mem": 2260983808,
        "disk": 6287360,
        "maxcpu": 2,
        "maxmem": 25276063744,
        "maxdisk": 2147483648,
    }


def _guests(names: list[str]) -> list[Guest]:
    machines = [Guest(vmid, names[vmid % len(names)], "qemu", f"vm{vmid}", "running") for vmid in range(100, 110)]
    containers = [Guest(vmid, names[vmid % len(names)], "lxc", f"ct{vmid}", "running") for vmid in range(200, 215)]
    return machines + containers


def build_story(options: StoryOptions) -> Cluster:
    """The cluster. The same options give the same cluster."""
    names = node_names(options.nodes)
    fixed = fixed_acts(options.now, options.nodes) + (_hostile_acts(options.now) if options.hostile else [])
    nodes: dict[str, Node] = {}
    for number, name in enumerate(names):
        acts = _acts_of_node(options, number, fixed)
        ring = _ring(name, acts, options)
        nodes[name] = Node(
            name=name,
            nodeid=number + 1,
            ip=f"192.0.2.{number + 1}",
            ring=ring,
            log_text=_Logs(ring, options.hostile),
            journal=Journal(lambda name=name, ring=ring: _journal(name, ring)),  # type: ignore[misc]
            stats=_stats(number, options.now - _boot(acts, options.now)),
            static_info={"cgroup-mode": 2},
        )
    users = parse_user_config(USER_CFG)
    tokens = [f"{user}!{token}" for user, entry in users.users.items() for token in entry.tokens or {}]
    return Cluster(
        nodes=nodes,
        users=users,
        realms={name: dict(realm) for name, realm in REALMS.items()},
        passwords=dict.fromkeys(PASSWORD_USERS, PASSWORD),
        secrets={token: secret_for(options.seed, token) for token in tokens},
        guests=_guests(names),
        storages={"local": {"type": "dir", "content": "backup,images,iso,rootdir,snippets,vztmpl"}},
        log=_cluster_log(nodes),
        options={"mac_prefix": "BC:24:11", "description": ""},
        realms_digest=hashlib.sha1(str(REALMS).encode()).hexdigest(),
        search_domain="example.com",
    )
