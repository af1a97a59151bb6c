# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that can be wrong with a cluster, a node, a token or a certificate."""

from __future__ import annotations

import contextlib
import ssl
import threading
from typing import Any

import pytest

from tests.lab.simulator import running_simulator
from tests.unit.lab.client import call, get

FAST: dict[str, Any] = {"tasks_per_node": 40, "unauthorized_delay": 0.0, "offline_delay": 0.0}

AUDITOR = "audit@pve!report"


class Waits(threading.Event):
    """Notes how long each answer is held back; with `pretend` none is."""

    def __init__(self, *, pretend: bool = True) -> None:
        super().__init__()
        self.asked: list[float] = []
        self.begun = threading.Event()
        self._pretend = pretend

    def wait(self, timeout: float | None = None) -> bool:
        self.asked.append(timeout or 0.0)
        self.begun.set()
        return True if self._pretend else super().wait(timeout)


# options, path, token, status, reason, seconds until the answer is sent
FAULTS: list[tuple[dict[str, Any], str, str, int, str, float]] = [
    ({}, "/nodes/pve2/tasks", AUDITOR, 200, "OK", 0.0),
    ({"offline": ("pve2",)}, "/nodes/pve2/tasks", AUDITOR, 595, "No route to host", 0.0),
    ({"offline": ("pve2",), "offline_delay": 0.3}, "/nodes/pve2/tasks", AUDITOR, 595, "No route to host", 0.3),
    ({"offline": ("pve2",)}, "/nodes/pve1/tasks", AUDITOR, 200, "OK", 0.0),
    ({"broken": ("pve3",)}, "/nodes/pve3/tasks", AUDITOR, 596, "Broken pipe", 0.0),
    ({"hang": ("pve3",), "proxy_timeout": 0.3}, "/nodes/pve3/tasks", AUDITOR, 596, "Connection timed out", 0.3),
    ({"slow": {"pve2": 0.3}}, "/nodes/pve2/tasks", AUDITOR, 200, "OK", 0.3),
    ({"slow": {"pve2": 0.3}}, "/nodes/pve3/tasks", AUDITOR, 200, "OK", 0.0),
    ({"latency_ms": 200}, "/version", AUDITOR, 200, "OK", 0.2),
    ({"no_quorum": True}, "/nodes/pve2/tasks", AUDITOR, 595, "No route to host", 0.0),
    ({"no_quorum": True}, "/nodes/pve1/tasks", AUDITOR, 200, "OK", 0.0),
    ({}, "/cluster/status", "nopriv@pve!np", 403, "Permission check failed (/, Sys.Audit)", 0.0),
    ({}, "/nodes/pve1/journal", AUDITOR, 403, "Permission check failed (/nodes/pve1, Sys.Syslog)", 0.0),
    ({}, "/nodes/pve1/journal", "syslog@pve!reader", 200, "OK", 0.0),
]  # fmt: skip


@pytest.mark.parametrize(("options", "path", "token", "status", "reason", "seconds"), FAULTS)
def test_faults(options: dict[str, Any], path: str, token: str, status: int, reason: str, seconds: float) -> None:
    """Status, reason and delay; 595 and 596 have no body."""
    with running_simulator(**{**FAST, **options}) as simulator:
        simulator.dispatcher.stopping = waits = Waits()
        got = get(simulator, path, token)
    assert (got.status, got.reason) == (status, reason)
    assert sum(waits.asked) == seconds
    assert (got.body is None) == (status in (595, 596)) or path.endswith("journal")


STATES = [
    ({}, {"pve1": "online", "pve2": "online", "pve3": "online"}, 1),
    ({"offline": ("pve2",)}, {"pve1": "online", "pve2": "offline", "pve3": "online"}, 1),
    ({"no_quorum": True}, {"pve1": "online", "pve2": "offline", "pve3": "offline"}, 0),
]


@pytest.mark.parametrize(("options", "states", "quorate"), STATES)
def test_node_list(options: dict[str, Any], states: dict[str, str], quorate: int) -> None:
    """/nodes and /cluster/status know who is down."""
    with running_simulator(**{**FAST, **options}) as simulator:
        nodes = get(simulator, "/nodes").data
        status = get(simulator, "/cluster/status").data
    assert {node["node"]: node["status"] for node in nodes} == states
    assert status[0]["quorate"] == quorate
    assert {row["name"]: row["online"] for row in status[1:]} == {n: int(s == "online") for n, s in states.items()}


def test_wrong_token_is_late() -> None:
    """401, no body, after the delay."""
    with running_simulator(tasks_per_node=0, unauthorized_delay=1000.0) as simulator:
        simulator.dispatcher.stopping = waits = Waits()
        header = {"Authorization": "PVEAPIToken=audit@pve!report=00000000-0000-0000-0000-000000000000"}
        got = get(simulator, "/version", headers=header)
        assert (got.status, got.reason, got.body) == (401, "Authentication failed!", None)
        assert get(simulator, "/version", headers={"X-None": "1"}).reason == "No ticket"
        assert len(waits.asked) == 2 and min(waits.asked) > 900, "the delay without the time that the check took"


def test_no_privilege_sees_nothing() -> None:
    """Without Sys.Audit the lists are empty with 200, and the permissions say why."""
    with running_simulator(**FAST) as simulator:
        tasks = get(simulator, "/nodes/pve1/tasks", "nopriv@pve!np")
        assert (tasks.status, tasks.body) == (200, {"data": []})
        assert get(simulator, "/access/permissions", "nopriv@pve!np").data == {}
        assert get(simulator, "/access/permissions").data["/nodes"]["Sys.Audit"] == 1


def test_a_write_without_quorum_waits_for_its_lock() -> None:
    """About ten seconds, as PVE does; reads are answered at once."""
    with running_simulator(**FAST, no_quorum=True) as simulator:
        simulator.dispatcher.stopping = waits = Waits()
        got = call(simulator, "POST", "/access/groups", {"groupid": "g"})
        assert (got.status, got.reason) == (500, "create group failed: cfs-lock 'file-user_cfg' error: no quorum!")
        assert waits.asked == [10.0]
        assert call(simulator, "GET", "/access/groups").status == 200
        assert waits.asked == [10.0]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_both_addresses_of_this_machine_answer(host: str) -> None:
    """The same port, and a certificate for both."""
    with running_simulator(**FAST) as simulator:
        simulator.host = host
        assert get(simulator, "/version").status == 200


def test_empty_cluster() -> None:
    """No tasks: an empty list without `total`."""
    with running_simulator(**{**FAST, "tasks_per_node": 0}) as simulator:
        assert get(simulator, "/nodes/pve1/tasks").body == {"data": []}


CERTIFICATES = [
    ("expired", "certificate has expired"),
    ("self-signed", "self-signed certificate"),
    ("wrong-name", "IP address mismatch"),
]


@pytest.mark.parametrize(("kind", "message"), CERTIFICATES)
def test_certificates(kind: str, message: str) -> None:
    """A client that verifies refuses to talk."""
    with running_simulator(**FAST, certificate=kind) as simulator, pytest.raises(ssl.SSLCertVerificationError) as error:
        get(simulator, "/version")
    assert message in str(error.value)


def test_a_hanging_node_does_not_keep_the_simulator_from_stopping() -> None:
    """The end of the block ends all waits."""
    waits = Waits(pretend=False)
    with running_simulator(**FAST, hang=("pve2",), proxy_timeout=600.0) as simulator:
        simulator.dispatcher.stopping = waits

        def ask() -> None:
            with contextlib.suppress(ConnectionError):
                get(simulator, "/nodes/pve2/tasks")

        caller = threading.Thread(target=ask, daemon=True)
        caller.start()
        assert waits.begun.wait(60)
    caller.join(60)
    assert waits.asked == [600.0] and not caller.is_alive()


def test_unknown_node_in_the_options() -> None:
    """A fault for a node that is not there is a mistake."""
    with pytest.raises(ValueError, match="no node pve9"), running_simulator(offline=("pve9",)):
        pass
