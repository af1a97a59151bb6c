# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks of a cluster against a fake that checks every request it gets; the simulator does the rest in the e2e tests."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from ansible_collections.pve.audit.plugins.module_utils._model import errors
from ansible_collections.pve.audit.plugins.module_utils._pve import tasks as module
from ansible_collections.pve.audit.plugins.module_utils._pve.tasks import TaskFilter, cluster_nodes, collect_tasks
from ansible_collections.pve.audit.plugins.module_utils._pve.tasks_query import (
    IncompleteError,
    query_tasks,
    task_filter,
)

NOW = 1_795_455_600
DAY = 86_400


def record(number: int, start: int, end: int | None, **more: Any) -> dict[str, Any]:
    """A record as `GET /nodes/{node}/tasks` shows it."""
    kind, ident, user = more.pop("type", "qmstart"), more.pop("id", "100"), more.pop("user", "alice@pve")
    upid = f"UPID:pve1:{number:08X}:00001000:{start:08X}:{kind}:{ident}:{user}:"
    made = {"upid": upid, "node": "pve1", "pid": number, "pstart": 4096, "starttime": start, "type": kind, "id": ident}
    account, _bang, token = user.partition("!")
    made["user"] = account
    if token:
        made["tokenid"] = token
    return (
        {**made, "endtime": end, "status": "OK", **more} if end is not None else {**made, "status": "RUNNING", **more}
    )


class FakeApi:
    """Answers the three requests of a collection, and fails the test for any other."""

    user = "audit@pve"

    def __init__(self, rings: dict[str, Any], privileges: dict[str, Any] | None = None) -> None:
        self.rings = rings
        self.privileges = privileges
        self.asked: list[tuple[tuple[str, ...], dict[str, Any]]] = []
        self.lock = threading.Lock()

    def get(self, *path: str, **params: Any) -> Any:
        """One GET."""
        with self.lock:
            self.asked.append((path, params))
        if path == ("nodes",):
            assert params == {}
            return [{"node": name, "status": "unknown", "type": "node"} for name in self.rings]
        if path == ("access", "permissions"):
            assert set(params) == {"path"}
            return self.privileges if self.privileges is not None else {params["path"]: {"Sys.Audit": 0}}
        assert len(path) == 3 and path[0] == "nodes" and path[2] == "tasks", path
        assert (
            set(params) == {"source", "limit", "start"} and params["source"] == "all" and params["limit"] == module.PAGE
        )
        ring = self.rings[path[1]]
        if isinstance(ring, Exception):
            raise ring
        return ring[params["start"] : params["start"] + params["limit"]]


EVERYTHING = TaskFilter()


def collect(api: FakeApi, wanted: TaskFilter = EVERYTHING, **more: Any) -> module.TaskList:
    """All nodes of the fake, asked at NOW."""
    return collect_tasks(api, cluster_nodes(api), wanted, now=lambda: NOW, seconds=more.pop("seconds", 5), **more)


def test_a_task_that_started_before_the_interval_and_ended_in_it_is_found() -> None:
    ring = [record(1, NOW - 3 * DAY, NOW - 10), record(2, NOW - 3 * DAY, NOW - 2 * DAY), record(3, NOW - 3 * DAY, None)]
    found = collect(FakeApi({"pve1": ring}), TaskFilter(since=NOW - DAY))
    assert [task["pid"] for task in found.tasks] == [3, 1]


FILTERS: list[tuple[TaskFilter, list[int]]] = [
    (TaskFilter(), [6, 5, 4, 3, 2, 1]),
    (TaskFilter(types=frozenset({"qmdestroy", "vzdestroy"})), [5, 4]),
    (TaskFilter(users=frozenset({"ci@pve"})), [3, 2]),
    (TaskFilter(users=frozenset({"ci@pve!aa"})), [2]),
    (TaskFilter(users=frozenset({"ci"})), [3, 2]),
    (TaskFilter(users=frozenset({"CI"})), []),
    (TaskFilter(vmid=101), [4]),
    (TaskFilter(states=frozenset({"warning", "error"})), [5, 4]),
    (TaskFilter(running=True), [6]),
    (TaskFilter(running=False), [5, 4, 3, 2, 1]),
    (TaskFilter(since=NOW - 70), [6, 5, 4, 3, 2]),
    (TaskFilter(until=NOW - 80), [2, 1]),
    (TaskFilter(since=NOW - 70, until=NOW - 80), [2]),
]


@pytest.mark.parametrize(("wanted", "pids"), FILTERS)
def test_filters(wanted: TaskFilter, pids: list[int]) -> None:
    ring = [
        record(1, NOW - 100, NOW - 90),
        record(2, NOW - 80, NOW - 70, user="ci@pve!aa"),
        record(3, NOW - 60, NOW - 50, user="ci@pve"),
        record(4, NOW - 40, NOW - 30, type="qmdestroy", id="101", status="WARNINGS: 1"),
        record(5, NOW - 20, NOW - 10, type="vzdestroy", status="no such container"),
        record(6, NOW - 5, None, user="bob@ldap"),
    ]
    assert [task["pid"] for task in collect(FakeApi({"pve1": ring}), wanted).tasks] == pids


def test_pages_are_read_to_the_end_and_overlap_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAGE", 3)
    ring = [record(n, NOW - n, NOW - n) for n in range(7)]
    api = FakeApi({"pve1": [*ring[:4], ring[2], *ring[4:]]})
    assert len(collect(api).tasks) == 7
    assert [params["start"] for path, params in api.asked if path[-1] == "tasks"] == [0, 3, 6]


def test_the_finished_record_wins_over_the_running_one() -> None:
    running, finished = record(1, NOW - 9, None), record(1, NOW - 9, NOW - 1)
    for ring in ([running, finished], [finished, running]):
        assert [task["state"] for task in collect(FakeApi({"pve1": ring})).tasks] == ["ok"]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.NodeUnreachableError("595", 595), "node_unreachable"),
        (errors.TimeoutReachedError("slow"), "timed_out"),
        (errors.ForbiddenError("403", 403), "not_permitted"),
        (errors.ApiError("500", 500), "server_error"),
        (errors.ConnectError("refused"), "unreachable"),
    ],
)
def test_one_bad_node_never_hides_the_others(error: Exception, code: str) -> None:
    found = collect(FakeApi({"pve1": [record(1, NOW - 9, NOW)], "pve2": error}))
    assert len(found.tasks) == 1
    good, bad = found.coverage
    assert good.complete and not bad.complete and not found.complete
    assert (bad.reasons[0]["code"], bad.start, bad.end) == (code, None, None)


def test_a_node_that_hangs_is_left_behind_at_the_total_time_limit() -> None:
    class Hanging(FakeApi):
        def get(self, *path: str, **params: Any) -> Any:
            if path[:2] == ("nodes", "pve2"):
                threading.Event().wait(30)
            return super().get(*path, **params)

    found = collect(Hanging({"pve1": [record(1, NOW - 9, NOW)], "pve2": []}), seconds=2)
    assert [entry.complete for entry in found.coverage] == [True, False]
    assert found.coverage[1].reasons[0]["code"] == "timed_out"


def test_a_mistake_in_our_own_code_is_not_hidden_as_coverage() -> None:
    with pytest.raises(ZeroDivisionError):
        collect(FakeApi({"pve1": ZeroDivisionError()}))


@pytest.mark.parametrize("answer", [{}, {"/nodes/pve1": {}}, {"/nodes/pve1": {"Sys.Syslog": 1}}, []])
def test_without_the_privilege_an_empty_answer_is_not_called_quiet(answer: Any) -> None:
    entry = collect(FakeApi({"pve1": []}, privileges=answer)).coverage[0]
    assert [reason["code"] for reason in entry.reasons] == ["not_permitted"]
    assert (entry.start, entry.end) == (None, None)


@pytest.mark.parametrize(
    ("users", "asked"),
    [
        ([], True),
        (["audit@pve", "audit@pve!report"], True),
        (["audit@pve", "alice@pve"], False),
        (["alice@pve"], False),
    ],
)
def test_the_privilege_is_asked_for_unless_the_answer_proves_it(users: list[str], asked: bool) -> None:
    ring = [record(n, NOW - 9, NOW, user=user) for n, user in enumerate(users)]
    answers: list[dict[str, Any] | None] = [{}, None]
    for privileges in answers:
        api = FakeApi({"pve1": ring}, privileges=privileges)
        assert collect(api).complete is (not asked or privileges is None)
        assert (("access", "permissions"), {"path": "/nodes/pve1"}) in api.asked or not asked


def long_ring(oldest: int, count: int = 700) -> list[dict[str, Any]]:
    """A ring of more than 50,000 bytes, so one that has turned."""
    return [record(n, end := NOW - n * (NOW - oldest) // count, end) for n in range(count + 1)]


@pytest.mark.parametrize(
    ("ring", "since", "codes", "start"),
    [
        ([], NOW - DAY, [], NOW - DAY),
        ([], None, [], None),
        (long_ring(NOW - 2 * DAY), NOW - DAY, [], NOW - DAY),
        (long_ring(NOW - 2 * DAY), NOW - 3 * DAY, ["ring_turned"], NOW - 2 * DAY),
        (long_ring(NOW - 2 * DAY), None, ["ring_turned"], NOW - 2 * DAY),
        (long_ring(NOW - 2 * DAY, 300), NOW - 3 * DAY, [], NOW - 3 * DAY),
        ([{"upid": "garbage"}], NOW - DAY, ["corrupt_records"], NOW - DAY),
        ([record(1, NOW - 9, None, status=None)], NOW - DAY, ["corrupt_records"], NOW - DAY),
    ],
)
def test_coverage(ring: list[Any], since: int | None, codes: list[str], start: int | None) -> None:
    entry = collect(FakeApi({"pve1": ring}), TaskFilter(since=since)).coverage[0]
    assert [reason["code"] for reason in entry.reasons] == codes
    assert (entry.start, entry.end) == (start, NOW)
    assert entry.damaged == codes.count("corrupt_records")


def test_unknown_node_and_wrong_server_are_refused_before_anything_is_fetched() -> None:
    api = FakeApi({"pve1": [], "pve2": []})
    with pytest.raises(errors.InputError, match="nodes: pve9 not in the cluster, which has pve1, pve2"):
        cluster_nodes(api, ["pve1", "pve9"])
    assert cluster_nodes(api, ["pve2"]) == ["pve2"]

    class Other:
        user = "audit@pve"

        def get(self, *path: str, **params: Any) -> Any:
            return {"hello": "world"}

    with pytest.raises(errors.NotAnApiError):
        cluster_nodes(Other())


def options(**given: Any) -> dict[str, Any]:
    """Options of tasks_info as Ansible hands them over."""
    rest: dict[str, Any] = {
        "nodes": [],
        "types": [],
        "users": [],
        "statuses": [],
        "vmid": None,
        "since": None,
        "until": None,
    }
    return {
        **rest,
        "timezone": "UTC",
        "running": None,
        "query": None,
        "strict": False,
        "total_timeout": 5,
        "concurrency": 2,
        **given,
    }


def clock() -> float:
    """It is always NOW."""
    return NOW


@pytest.mark.parametrize(
    ("given", "since", "until"),
    [
        ({}, None, None),
        ({"since": "7d"}, NOW - 7 * DAY, None),
        ({"since": "36h", "until": "now"}, NOW - 36 * 3600, NOW),
        ({"since": str(NOW - 5)}, NOW - 5, None),
        ({"since": "2026-11-01", "timezone": "Europe/Berlin"}, 1_793_487_600, None),
        ({"since": "2026-11-01"}, 1_793_491_200, None),
        ({"since": "2026-11-01T08:00:00Z", "timezone": "Europe/Berlin"}, 1_793_520_000, None),
    ],
)
def test_times(given: dict[str, Any], since: float | None, until: float | None) -> None:
    made = task_filter(options(**given), NOW)
    assert (made.since, made.until) == (since, until)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"since": "yesterday"}, "since: 'yesterday' is not a time"),
        ({"until": "99999999999999"}, "until: .* is not a time"),
        ({"until": "999999999999"}, "until: .* far from now"),
        ({"since": "1d", "until": "2d"}, "lies after until"),
        ({"since": str(NOW + 60)}, "lies after until"),
        ({"timezone": "Mars/Base"}, "time zone 'Mars/Base' is unknown"),
        ({"query": "[?"}, "is not a JMESPath expression"),
        ({"query": "abs(tasks)"}, "does not fit the data"),
    ],
)
def test_bad_options_are_one_clear_sentence(given: dict[str, Any], message: str) -> None:
    with pytest.raises(errors.InputError, match="^[^\n]*" + message + "[^\n]*$"):
        query_tasks(FakeApi({"pve1": [record(1, NOW - 9, NOW)]}), options(**given), clock)


def test_a_doubtful_time_is_warned_about() -> None:
    given = options(since="2026-10-25 02:30", until="2026-10-25 02:30", timezone="Europe/Berlin")
    result = query_tasks(FakeApi({"pve1": [record(1, NOW - 9, NOW)]}), given, clock)
    assert (result["since"], result["until"]) == ("2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z")
    assert [warning.partition(":")[0] for warning in result["warnings"]] == ["since", "until"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("tasks[?type=='qmdestroy'].id", ["101"]),
        ("[?type=='qmdestroy'].id", ["101"]),
        ("[].id", ["100", "101"]),
        ("length(tasks)", 2),
        ("coverage[].node", ["pve1"]),
        ("[0].user", "alice@pve"),
    ],
)
def test_query_reduces_where_the_data_lies(query: str, expected: Any) -> None:
    ring = [record(2, NOW - 8, NOW), record(1, NOW - 9, NOW, type="qmdestroy", id="101")]
    result = query_tasks(FakeApi({"pve1": ring}), options(query=query), clock)
    assert result["query_result"] == expected and "tasks" not in result and result["complete"]


def test_strict_names_every_node_that_was_not_seen_whole() -> None:
    api = FakeApi({"pve1": [], "pve2": errors.NodeUnreachableError("the node cannot be reached", 595)})
    assert query_tasks(api, options(), clock)["complete"] is False
    with pytest.raises(IncompleteError, match="pve2: the node cannot be reached") as failure:
        query_tasks(api, options(strict=True), clock)
    assert "pve1" not in str(failure.value)
