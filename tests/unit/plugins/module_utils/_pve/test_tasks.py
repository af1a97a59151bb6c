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


def answer(given: Any) -> Any:
    """What was given, raised if it is an error."""
    if isinstance(given, Exception):
        raise given
    return list(given) if isinstance(given, tuple) else given


class FakeApi:
    """Answers the five requests of a collection, and fails the test for any other."""

    user = "audit@pve"

    def __init__(
        self,
        rings: dict[str, Any],
        privileges: dict[str, Any] | None = None,
        listed: Any = (),
        uptime: Any = 0,
    ) -> None:
        self.rings = rings
        self.privileges = privileges
        self.listed = listed
        self.uptime = uptime
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
        if path == ("cluster", "tasks"):
            assert params == {}
            return answer(self.listed)
        if len(path) == 3 and path[0] == "nodes" and path[2] == "status":
            assert params == {}
            return answer(self.uptime if isinstance(self.uptime, Exception) else {"uptime": self.uptime})
        assert len(path) == 3 and path[0] == "nodes" and path[2] == "tasks", path
        assert (
            set(params) == {"source", "limit", "start"} and params["source"] == "all" and params["limit"] == module.PAGE
        )
        ring = answer(self.rings[path[1]])
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
    assert [params["start"] for _path, params in api.asked if "start" in params] == [0, 3, 6]


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
        reasons = [reason["code"] for reason in collect(api).coverage[0].reasons]
        assert ("not_permitted" in reasons) is (asked and privileges is not None)
        assert (("access", "permissions"), {"path": "/nodes/pve1"}) in api.asked or not asked


@pytest.mark.parametrize("broken", [{"upid": "garbage"}, record(1, NOW - 9, None, status=None)])
def test_damaged_records_are_counted(broken: dict[str, Any]) -> None:
    ring = [broken, record(2, NOW - 9 * DAY, NOW - 8 * DAY)]
    entry = collect(FakeApi({"pve1": ring}), TaskFilter(since=NOW - DAY)).coverage[0]
    assert ([reason["code"] for reason in entry.reasons], entry.damaged) == (["corrupt_records"], 1)
    assert (entry.start, entry.end) == (NOW - DAY, NOW)


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
        "accept": [],
        "known_oldest": {},
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
        ({"since": str(NOW + 60)}, "lies in the future, it is 2026-11-23T17:40:00Z now"),
        ({"since": str(NOW + 60), "until": str(NOW + 90)}, "lies in the future"),
        ({"strict": True}, "strict needs since: .* for example since: 7d"),
        ({"known_oldest": {"pve1": "noon"}}, "known_oldest of pve1: 'noon' is not a time"),
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
    whole = [record(1, NOW - 9 * DAY, NOW - 8 * DAY)]
    api = FakeApi({"pve1": whole, "pve2": errors.NodeUnreachableError("the node cannot be reached", 595)})
    assert query_tasks(api, options(since="7d"), clock)["complete"] is False
    with pytest.raises(IncompleteError, match="pve2: the node cannot be reached") as failure:
        query_tasks(api, options(since="7d", strict=True), clock)
    assert "pve1" not in str(failure.value)


LATE = [record(1, NOW - DAY, NOW - DAY)]


@pytest.mark.parametrize(
    ("rings", "accept", "told"),
    [
        ({"pve1": LATE}, [], "pve1: the task log of pve1 begins at"),
        ({"pve1": LATE}, ["begins_late"], ""),
        ({"pve1": LATE}, ["ring_turned", "gap"], "pve1: the task log of pve1 begins at"),
        ({"pve1": []}, ["begins_late", "gap", "ring_turned"], "pve1: the task log of pve1 holds no finished task"),
        ({"pve1": LATE, "pve2": []}, ["begins_late"], "^Not everything was seen. pve2: the task log of pve2 holds no"),
        (
            {"pve1": [*LATE, {"upid": "?"}]},
            ["begins_late"],
            "^Not everything was seen. pve1: 1 records .* are damaged$",
        ),
    ],
)
def test_strict_lets_pass_what_was_accepted_and_nothing_else(
    rings: dict[str, Any], accept: list[str], told: str
) -> None:
    given = options(since="7d", strict=True, accept=accept)
    if not told:
        assert query_tasks(FakeApi(rings), given, clock)["complete"] is False
        return
    with pytest.raises(IncompleteError, match=told):
        query_tasks(FakeApi(rings), given, clock)


def test_running_tasks_need_no_start_and_no_old_records() -> None:
    found = query_tasks(FakeApi({"pve1": [record(1, NOW - 9, None)]}), options(strict=True, running=True), clock)
    assert found["complete"] and len(found["tasks"]) == 1


FINISHED = record(1, NOW - 9 * DAY, NOW - 8 * DAY)
CUT_OUT = record(2, NOW - 2 * DAY, NOW - 2 * DAY)
FAILURES = [
    errors.NodeUnreachableError("595", 595),
    errors.ForbiddenError("403", 403),
    errors.TimeoutReachedError("slow"),
    "a page",
    {},
    [None, 7, {}, {"upid": None}, {"upid": "UPID:x", "endtime": "soon"}],
]


@pytest.mark.parametrize(
    ("api", "codes"),
    [
        (FakeApi({"pve1": [FINISHED]}, listed=[FINISHED]), []),
        (FakeApi({"pve1": [FINISHED]}, listed=[FINISHED, CUT_OUT]), ["records_missing"]),
        (FakeApi({"pve1": [FINISHED]}, uptime=9 * DAY), ["gap"]),
    ],
)
def test_what_the_cluster_says_besides_is_held_against_the_log(api: FakeApi, codes: list[str]) -> None:
    entry = collect(api, TaskFilter(since=NOW - 7 * DAY)).coverage[0]
    assert [reason["code"] for reason in entry.reasons] == codes
    assert api.asked[1][0] == ("cluster", "tasks"), "it is asked before the logs, so that nothing ends between"


@pytest.mark.parametrize("failure", FAILURES, ids=repr)
def test_what_the_cluster_does_not_say_besides_stays_unproven(failure: Any) -> None:
    listed, uptime = failure, failure if isinstance(failure, Exception) else "soon"
    found = collect(FakeApi({"pve1": [FINISHED]}, listed=listed, uptime=uptime), TaskFilter(since=NOW - 7 * DAY))
    assert found.complete and len(found.tasks) == 0 and found.coverage[0].records == 1


def test_a_list_of_the_cluster_that_hangs_takes_no_node_away() -> None:
    class Hanging(FakeApi):
        def get(self, *path: str, **params: Any) -> Any:
            if path == ("cluster", "tasks") or path[-1] == "status":
                threading.Event().wait(30)
            return super().get(*path, **params)

    assert collect(Hanging({"pve1": [FINISHED]}), TaskFilter(since=NOW - 7 * DAY), seconds=1).complete


@pytest.mark.parametrize(
    ("known", "codes"),
    [
        ({"pve1": str(NOW - 8 * DAY)}, []),
        ({"pve1": None}, []),
        ({"pve9": "30d"}, []),
        ({"pve1": str(NOW - 9 * DAY)}, ["records_missing"]),
    ],
)
def test_the_oldest_record_of_an_earlier_look(known: dict[str, str | None], codes: list[str]) -> None:
    found = query_tasks(FakeApi({"pve1": [FINISHED]}), options(since="7d", known_oldest=known), clock)
    assert [reason["code"] for reason in found["coverage"][0]["reasons"]] == codes
