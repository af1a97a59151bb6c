# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The seeded data: its story, its size, and that it is the same for the same seed."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.lab.plot import DAY, midnight
from tests.lab.simulator import Simulator, running_simulator
from tests.lab.story import HOSTILE_USERS, StoryOptions, build_story
from tests.lab.upid import status_class
from tests.unit.lab.client import all_tasks, get

NOW = 1795473121  # a Monday, 22:32 UTC


@pytest.fixture(scope="module")
def story() -> Iterator[Simulator]:
    """Three nodes."""
    with running_simulator(now=NOW, unauthorized_delay=0.0) as simulator:
        yield simulator


def _by(tasks: list[dict[str, Any]], user: str, kind: str, status: str = "OK") -> list[dict[str, Any]]:
    wanted = [task for task in tasks if task["user"] == user and task["type"] == kind]
    return sorted((task for task in wanted if task["status"].startswith(status)), key=lambda task: task["starttime"])


# user, token, type, status, how many, on how many nodes, within how many seconds (start to start)
CHAPTERS = [
    ("dario@pve", None, "qmdestroy", "OK", 10, 3, 180),
    ("dario@pve", None, "qmconfig", "OK", 10, 3, 180),
    ("dario@pve", None, "qmdelsnapshot", "OK", 6, 3, 180),
    ("dario@pve", None, "imgdel", "OK", 6, 3, 180),
    ("dario@pve", None, "qmdestroy", "VM 120 is running", 1, 1, 0),
    ("iac@pve", "terraform", "qmcreate", "OK", 5, 3, 600),
    ("iac@pve", "terraform", "qmdestroy", "OK", 5, 3, 600),
    ("svc@pve", "backup", "vzdump", "could not activate storage", 10, 3, 600),
]


@pytest.mark.parametrize(("user", "token", "kind", "status", "count", "nodes", "seconds"), CHAPTERS)
def test_chapters(
    story: Simulator, user: str, token: str | None, kind: str, status: str, count: int, nodes: int, seconds: int
) -> None:
    """Each chapter happens exactly as told."""
    found = _by(all_tasks(story, f"&typefilter={kind}"), user, kind, status)
    assert len(found) == count
    assert {task.get("tokenid") for task in found} == {token}
    assert len({task["node"] for task in found}) == nodes
    assert found[-1]["starttime"] - found[0]["starttime"] <= seconds


def test_the_burst_is_at_night_and_protections_go_first(story: Simulator) -> None:
    """qmconfig before qmdestroy, between two and three in the morning of the newest night."""
    tasks = all_tasks(story)
    destroyed, changed = (_by(tasks, "dario@pve", kind) for kind in ("qmdestroy", "qmconfig"))
    assert {task["id"] for task in destroyed} == {task["id"] for task in changed}
    assert changed[-1]["starttime"] < destroyed[0]["starttime"]
    assert midnight(NOW) + 2 * 3600 < destroyed[0]["starttime"] < midnight(NOW) + 3 * 3600


def test_ordinary_days(story: Simulator) -> None:
    """People work on weekdays from 8 to 18, backups run at night, failures are few, nobody else destroys in bursts."""
    tasks = all_tasks(story)
    people = [task for task in tasks if task["user"] in ("alice@pve", "bob@ldap")]
    assert all(8 <= task["starttime"] % DAY // 3600 < 18 for task in people)
    assert all((task["starttime"] // DAY + 3) % 7 < 5 for task in people)
    backups = [task for task in tasks if task["type"] == "vzdump"]
    assert all(task["starttime"] % DAY // 3600 < 5 for task in backups)
    states = Counter(status_class(task["status"]) for task in tasks)
    assert states["ok"] > 10 * states["error"] > 0 < states["warning"]
    assert {"root@pam", "ops@pve"} < {task["user"] for task in tasks}
    assert {task["user"] for task in tasks if task["type"] == "qmdestroy"} == {"dario@pve", "iac@pve"}


def test_logs_tell_the_status(story: Simulator) -> None:
    """Every kind of task has a log that ends with its status, and running ones are running."""
    for task in {task["type"]: task for task in all_tasks(story)}.values():
        path = f"/nodes/{task['node']}/tasks/{task['upid']}"
        lines = [line["t"] for line in get(story, f"{path}/log?limit=0").data]
        assert lines[-1] in ("TASK OK", f"TASK {task['status']}", f"TASK ERROR: {task['status']}")
        assert get(story, f"{path}/status").data["exitstatus"] == task["status"]
    running = get(story, "/nodes/pve1/tasks?source=active").data
    assert [task["status"] for task in running] == ["RUNNING"]
    assert get(story, f"/nodes/pve1/tasks/{running[0]['upid']}/status").data["status"] == "running"


# options -> visible finished tasks on all nodes
SIZES = [
    (StoryOptions(NOW, nodes=1, tasks_per_node=100), 100 - 2),
    (StoryOptions(NOW, nodes=3, tasks_per_node=0), 0),
    (StoryOptions(NOW, nodes=5, tasks_per_node=60), 300 - 2),
    (StoryOptions(NOW, nodes=64, tasks_per_node=40), 64 * 40 - 2),
    (StoryOptions(NOW, nodes=2, tasks_per_node=10000), 20000 - 2),
]


@pytest.mark.parametrize(("options", "count"), SIZES)
def test_sizes(options: StoryOptions, count: int) -> None:
    """1 to 64 nodes, 0 to 10,000 tasks a node; two tasks run still."""
    cluster = build_story(options)
    assert len(cluster.nodes) == options.nodes
    assert sum(len(node.ring.archive()) for node in cluster.nodes.values()) == count


def test_same_seed_same_data() -> None:
    """Another seed tells the same story with other details."""
    one, two, other = (build_story(StoryOptions(NOW, seed=seed)) for seed in (1, 1, 2))
    assert [node.ring.index for node in one.nodes.values()] == [node.ring.index for node in two.nodes.values()]
    assert one.secrets == two.secrets != other.secrets
    assert one.nodes["pve1"].ring.index != other.nodes["pve1"].ring.index


@pytest.mark.parametrize("now", [NOW, NOW - 20 * 3600, int(time.time()), 1796083200])
def test_nothing_is_in_the_future(now: int) -> None:
    """At any hour of the day."""
    for node in build_story(StoryOptions(now, hostile=True)).nodes.values():
        assert all((shown.task.endtime or 0) <= now for shown in node.ring.archive())


def test_long_uptime_gives_nine_digits(story: Simulator) -> None:
    """pve3 has been up for more than 497 days."""
    digits = {len(task["upid"].split(":")[3]) for task in get(story, "/nodes/pve3/tasks").data}
    assert digits == {9}


def test_hostile_data() -> None:
    """Attacks in users, states, ids and logs; corrupt lines in the ring; still valid JSON."""
    with running_simulator(now=NOW, hostile=True) as simulator:
        tasks = all_tasks(simulator)
        assert set(HOSTILE_USERS) <= {task["user"] for task in tasks}
        assert any("<script>" in task.get("status", "") for task in tasks)
        assert any("status" not in task for task in tasks)
        attacked = next(task for task in tasks if task["user"] == HOSTILE_USERS[0])
        lines = [line["t"] for line in get(simulator, f"/nodes/pve1/tasks/{tasks[0]['upid']}/log?limit=0").data]
        assert any("{{ 7*7 }}" in line for line in lines) and any("\x00" in line for line in lines)
        assert attacked["node"] == "pve1"
