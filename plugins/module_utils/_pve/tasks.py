# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every task that ran in an interval, on every node, with the coverage that says how complete that is.

The whole ring of a node is read, and filtered here: PVE's own `since` tests the start time while records appear at
their end, `typefilter` takes one type, and without `limit` only 50 records come.
[PVE::API2::Tasks, PVE::RESTEnvironment]
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._model.coverage import Coverage
from ansible_collections.pve.audit.plugins.module_utils._model.errors import ApiError, InputError, NotAnApiError
from ansible_collections.pve.audit.plugins.module_utils._model.names import owner_of
from ansible_collections.pve.audit.plugins.module_utils._model.task import Task
from ansible_collections.pve.audit.plugins.module_utils._parse.upid import guest_of
from ansible_collections.pve.audit.plugins.module_utils._pve.fanout import FanOut
from ansible_collections.pve.audit.plugins.module_utils._pve.proofs import listed_tasks, node_boot
from ansible_collections.pve.audit.plugins.module_utils._pve.ring import Ring, read_ring
from ansible_collections.pve.audit.plugins.module_utils._pve.session import Api
from ansible_collections.pve.audit.plugins.module_utils._pve.tasks_coverage import Proofs, Question, judge_ring

PAGE = 5000
WORKERS = 8
_SHARE_OF_THE_LIST = 3  # a third of the time is the most that is waited for the list of the cluster


@dataclass(frozen=True)
class TaskFilter:
    """Which tasks are wanted; an empty part does not filter.

    `users` are accounts (`alice@pve`, with all their tokens), single tokens (`alice@pve!ci`) or names in any realm
    (`alice`). `since` and `until` are epoch seconds. `running` None takes finished and running tasks.
    """

    types: frozenset[str] = frozenset()
    users: frozenset[str] = frozenset()
    states: frozenset[str] = frozenset()
    vmid: int | None = None
    since: float | None = None
    until: float | None = None
    running: bool | None = None

    def wants(self, task: Task) -> bool:
        """True when the task ran in the interval and agrees with every part."""
        return (
            self._ran_in_interval(task)
            and (not self.types or task["type"] in self.types)
            and (not self.states or task["state"] in self.states)
            and (self.vmid is None or guest_of(task["type"], task["id"]) == self.vmid)
            and (self.running is None or (task["state"] == "running") is self.running)
            and (not self.users or self._by_user(task))
        )

    def rules_out(self, record: Mapping[str, Any]) -> bool:
        """True when `wants` could only say no to this finished record of the API, told without decoding its UPID."""
        return (
            (bool(self.types) and record["type"] not in self.types)
            or (self.since is not None and max(record["endtime"], record["starttime"]) < self.since)
            or (self.until is not None and record["starttime"] > self.until)
            or self.running is True
        )

    def _ran_in_interval(self, task: Task) -> bool:
        """A task that started before the interval and ended in it ran in it; so did one that runs still."""
        if self.until is not None and task["starttime"] > self.until:
            return False
        if self.since is None or task["state"] == "running":
            return True
        return bool(max(task["starttime"], task.get("endtime") or 0) >= self.since)

    def _by_user(self, task: Task) -> bool:
        account = task["user"]
        token = f"{account}!{task['tokenid']}" if task["tokenid"] else account
        return bool({account, token, account.rpartition("@")[0]} & self.users)


@dataclass
class TaskList:
    """The wanted tasks, newest first, and the coverage of each node."""

    tasks: list[Task]
    coverage: list[Coverage]

    @property
    def complete(self) -> bool:
        """True when every node was seen whole."""
        return all(entry.complete for entry in self.coverage)


def cluster_nodes(api: Api, wanted: Sequence[str] = ()) -> list[str]:
    """The names of the nodes to ask, sorted. Raises ApiError, and InputError for a name the cluster does not have.

    The status that `GET /nodes` shows is not used: it says `unknown` for nodes that answer well.
    """
    answer = api.get("nodes")
    if not isinstance(answer, list) or not all(isinstance(row, Mapping) and "node" in row for row in answer):
        raise NotAnApiError("GET /nodes did not answer with a list of nodes: check api_host and api_port")
    known = sorted(str(row["node"]) for row in answer)
    if unknown := sorted(set(wanted) - set(known)):
        raise InputError(f"nodes: {', '.join(unknown)} not in the cluster, which has {', '.join(known)}")
    return sorted(set(wanted)) if wanted else known


def collect_tasks(
    api: Api,
    nodes: Iterable[str],
    wanted: TaskFilter,
    *,
    now: Callable[[], float],
    seconds: float,
    workers: int = WORKERS,
    known_oldest: Mapping[str, float] = MappingProxyType({}),
    question: Question | None = None,
) -> TaskList:
    """Ask every node at once. What one node does not answer stands in its coverage and never hides the others.

    `known_oldest` has the end of the oldest record of nodes at an earlier look, in epoch seconds. `question` is what
    the coverage is judged for, where that is not the interval of the wanted tasks.
    """
    asked = question or Question(wanted.since, wanted.until, wanted.running is not True)
    names = list(dict.fromkeys(nodes))
    deadline = time.monotonic() + seconds
    # The list of the cluster comes first, so that what it calls finished must be in the logs that are asked after it.
    listed = _listed(api, seconds / _SHARE_OF_THE_LIST)
    rings, boots = _ask_nodes(api, names, wanted, now, max(0.0, deadline - time.monotonic()), workers)
    tasks: dict[str, Task] = {}
    coverage = []
    for node, answer in rings.items():
        if isinstance(answer, ApiError):
            entry = Coverage(node)
            entry.add_reason(answer.code, str(answer))
        else:
            tasks.update((task["upid"], task) for task in answer.ring.tasks.values() if wanted.wants(task))
            proofs = Proofs(answer.asked_at, boots.get(node), listed.get(node, {}), known_oldest.get(node))
            entry = _coverage(node, answer, asked, proofs)
        coverage.append(entry)
    newest_first = sorted(tasks.values(), key=lambda task: (task["starttime"], task["upid"]), reverse=True)
    return TaskList(newest_first, coverage)


@dataclass(frozen=True)
class _Answer:
    """The ring of one node, when it was asked, and whether it shows the tasks of others."""

    ring: Ring
    asked_at: float
    whole: bool


def _listed(api: Api, seconds: float) -> dict[str, dict[str, float]]:
    """What the cluster lists, or nothing when it does not say so in time."""
    fan_out: FanOut[str, dict[str, dict[str, float]]] = FanOut(lambda _key: listed_tasks(api), 1)
    answer = fan_out.run(["cluster"], seconds)["cluster"]
    return {} if isinstance(answer, ApiError) else answer


def _ask_nodes(
    api: Api, nodes: list[str], wanted: TaskFilter, now: Callable[[], float], seconds: float, workers: int
) -> tuple[dict[str, _Answer | ApiError], dict[str, float | None]]:
    """The ring of each node, and since when it runs. A node that does not say the one may well say the other."""

    def ask(key: tuple[str, str]) -> _Answer | float | None:
        what, node = key
        return _node_ring(api, wanted, now, node) if what == "ring" else node_boot(api, node, now())

    fan_out: FanOut[tuple[str, str], _Answer | float | None] = FanOut(ask, workers)
    answers = fan_out.run([(what, node) for what in ("ring", "boot") for node in nodes], seconds)
    rings = {node: answer for node in nodes if isinstance(answer := answers[("ring", node)], _Answer | ApiError)}
    boots = {node: answer for node in nodes if isinstance(answer := answers[("boot", node)], float)}
    return rings, dict(boots)


def _node_ring(api: Api, wanted: TaskFilter, now: Callable[[], float], node: str) -> _Answer:
    """All that one node shows. Raises ApiError."""
    asked_at = now()
    records = _all_pages(api, node)
    whole = shows_tasks_of_others(records, api.user) or may_see_all_tasks(api, node)
    return _Answer(read_ring(records, wanted.rules_out), asked_at, whole)


def _coverage(node: str, answer: _Answer, asked: Question, proofs: Proofs) -> Coverage:
    """What can be said about the completeness of the tasks of one node."""
    ring = answer.ring
    if answer.whole:
        entry = judge_ring(node, ring, asked, proofs)
    else:
        entry = Coverage(node, oldest=ring.oldest, records=ring.records)
        entry.add_reason(
            "not_permitted",
            f"the privilege Sys.Audit on /nodes/{node} is missing, so only own tasks are shown; a token with privilege "
            "separation needs a role of its own, beside that of its user",
        )
    if ring.broken:
        entry.damaged = ring.broken
        entry.add_reason("corrupt_records", f"{ring.broken} records of the task log are damaged")
    return entry


def shows_tasks_of_others(records: Iterable[Any], account: str) -> bool:
    """True when an answer holds a task of somebody else, which PVE shows to an auditor only: that saves a request."""
    users = (record.get("user") for record in records if isinstance(record, Mapping))
    return any(isinstance(user, str) and owner_of(user) != account for user in users)


def may_see_all_tasks(api: Api, node: str) -> bool:
    """True when the credential has Sys.Audit on the node.

    Without it PVE answers 200 with the caller's own tasks only, which looks like a quiet node. The value of a privilege
    is its propagate flag: 0 still means granted. [PVE::API2::Tasks node_tasks, PVE::API2::AccessControl permissions]
    """
    path = f"/nodes/{node}"
    answer = api.get("access", "permissions", path=path)
    granted = answer.get(path) if isinstance(answer, Mapping) else None
    return isinstance(granted, Mapping) and "Sys.Audit" in granted


def _all_pages(api: Api, node: str) -> list[Any]:
    """All records, finished and running. New tasks push records back while pages are read, so pages may overlap."""
    records: list[Any] = []
    while True:
        page = api.get("nodes", node, "tasks", source="all", limit=PAGE, start=len(records))
        if not isinstance(page, list):
            raise NotAnApiError(f"GET /nodes/{node}/tasks did not answer with a list of tasks")
        records.extend(page)
        if len(page) < PAGE:
            return records
