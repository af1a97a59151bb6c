# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulator's answers are held to answers recorded on a genuine three-node cluster.

The recordings were made while the cluster changed, so each stretch of them is replayed against the files as they were
then: the final files rewound to a moment (`rewind`), with the users of then (see data/README.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from tests.lab.model import Cluster, Fault
from tests.lab.recorded import build_recorded, read_files, rewind
from tests.lab.simulator import Simulator, running_simulator
from tests.unit.lab.replay import DATA, Row, compare, rows, send

ALL = 10**6


@dataclass(frozen=True)
class State:
    """The recorded cluster at one time.

    `early_users`: the users before the writing calls were recorded. `user_lines`: lines added to user.cfg, for what
    other recorded calls had changed by then; `without`: users and tokens that came later. `log_uid`: newest entry of
    the cluster log. `offline`: node -> reason. `stats`: pvestatd has spoken.
    """

    moment: float | None = None
    early_users: bool = False
    user_lines: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    log_uid: int | None = None
    offline: tuple[tuple[str, str], ...] = ()
    stats: bool = True
    quorate: bool = True


RUNNING = State(moment=1795452500, early_users=True)
FINISHED = State(moment=1795453600, early_users=True)
UNREACHABLE = State(
    moment=1795453655, offline=(("pve3", "No route to host"),), stats=False, without=("logs@pve", "alice@pve!q1")
)
NO_QUORUM = State(
    moment=1795453680,
    offline=(("pve2", "Connection timed out"), ("pve3", "No route to host")),
    stats=False,
    quorate=False,
    without=("logs@pve",),
)
LEFTOVER = "user:\xfcn\xef@pve:1:0::::::"  # made by an attempt before the recording began
CARL = "user:carl@pve:1:0:%C3%87a:%C5%81o%C5%9B::::"
# recording -> (first row, state), each up to the next one
STATES: dict[str, tuple[tuple[int, State], ...]] = {
    "tasks_list": ((0, RUNNING),),
    "task_single": ((0, RUNNING),),
    "auth_and_errors": ((0, RUNNING), (50, FINISHED)),
    "access_read": ((0, RUNNING),),
    "cluster_and_nodes": (
        (0, State(log_uid=154)),
        (50, State(log_uid=156)),
        (60, State(moment=1795453966.12)),
        (103, State(moment=1795453967)),
        (141, State()),
    ),
    "degraded_cluster": ((0, UNREACHABLE), (17, NO_QUORUM)),
    "access_write": ((0, State(moment=1795453600, early_users=True, user_lines=(LEFTOVER,))),),
    "delete_missing_user": ((0, State(moment=1795453600, early_users=True, stats=False)),),
    "root_user_disabled": ((0, State(moment=1795453600, early_users=True, user_lines=(CARL,))),),
}
# Rows that are not compared, each with its reason. A row here that would pass fails the test.
_STUB = "the recording lab's own error: it had a stub for this library"
_TIMEDATECTL = "the recording lab's own error: it had no timedatectl"
_NO_SCHEMA = "not among the calls the simulator knows; no audit needs it"
EXCLUDED: dict[str, str] = {
    "cluster_and_nodes:93": _STUB,
    "cluster_and_nodes:106": _STUB,
    "cluster_and_nodes:120": _STUB,
    "cluster_and_nodes:121": _STUB,
    "cluster_and_nodes:105": _TIMEDATECTL,
    "cluster_and_nodes:118": _TIMEDATECTL,
    "cluster_and_nodes:119": _TIMEDATECTL,
    "cluster_and_nodes:94": _NO_SCHEMA,
    "cluster_and_nodes:107": _NO_SCHEMA,
    "cluster_and_nodes:122": _NO_SCHEMA,
    "cluster_and_nodes:127": "the journal of pve3 was not recorded",
}
MINIMUM = 947


def _make(state: State) -> Cluster:
    files = read_files(DATA / "files.json.gz")
    if state.moment is not None:
        files = rewind(files, state.moment)
    if state.early_users:
        files["pve1/etc-pve/user.cfg"] = (DATA / "user-before.cfg").read_text("latin-1")
    lines = files["pve1/etc-pve/user.cfg"].splitlines(keepends=True)
    files["pve1/etc-pve/user.cfg"] = "".join(
        line for line in lines if not any(f":{name}" in line for name in state.without)
    )
    files["pve1/etc-pve/user.cfg"] += "\n".join(state.user_lines)
    cluster = build_recorded(files)
    if state.log_uid is not None:
        cluster.log = [entry for entry in cluster.log if entry["node"] != "pve1" or entry["uid"] <= state.log_uid]
    cluster.quorate = state.quorate
    for node in cluster.nodes.values():
        if not state.stats:
            node.stats, node.static_info = None, {}
    for name, reason in state.offline:
        cluster.nodes[name].fault = Fault("offline", 0.0, reason)
    return cluster


@contextmanager
def _simulator(state: State) -> Iterator[Simulator]:
    with running_simulator(
        cluster=_make(state), unauthorized_delay=0.0, no_quorum_delay=0.0, every_node=True
    ) as simulator:
        yield simulator


def _stretches() -> list[tuple[str, State, list[Row]]]:
    result = []
    for name, states in STATES.items():
        for (first, state), (last, _) in zip(states, (*states[1:], (ALL, State())), strict=True):
            result.append((f"{name}-{first}", state, list(rows(name)[first:last])))
    return result


@pytest.mark.parametrize(("state", "stretch"), [pytest.param(s, r, id=n) for n, s, r in _stretches()])
def test_answers_are_as_recorded(state: State, stretch: list[Row]) -> None:
    """Same status, reason, content headers, keys, types, values and order."""
    with _simulator(state) as simulator:
        problems = {row: compare(row, send(row, simulator)) for row in stretch}
    wrong = [
        f"{row.name} {row.method} {row.path} {row.query or ''} {row.auth}: {problem}"
        for row, problem in problems.items()
        if problem and row.name not in EXCLUDED
    ]
    needless = [row.name for row, problem in problems.items() if not problem and row.name in EXCLUDED]
    assert not wrong, "\n".join(wrong)
    assert not needless, f"these pass and need no exclusion: {needless}"


def test_number_of_compared_requests() -> None:
    """The comparison does not shrink unseen."""
    compared = [row.name for _, _, stretch in _stretches() for row in stretch if row.name not in EXCLUDED]
    assert len(compared) >= MINIMUM
