# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The connection against the simulator, over real TLS: every way to fail is one clear sentence and the right class."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ansible_collections.pve.audit.plugins.module_utils._model import errors
from ansible_collections.pve.audit.plugins.module_utils._pve import tasklog
from ansible_collections.pve.audit.plugins.module_utils._pve.credentials import Credentials
from ansible_collections.pve.audit.plugins.module_utils._pve.session import Session
from ansible_collections.pve.audit.plugins.module_utils._pve.tasklog import collect_logs
from ansible_collections.pve.audit.plugins.module_utils._pve.tasks import TaskFilter, cluster_nodes, collect_tasks
from tests.lab.fixtures import simulator, start_simulator
from tests.lab.simulator import Simulator

__all__ = ["simulator", "start_simulator"]

Start = Callable[..., Simulator]


def credentials(running: Simulator, **change: Any) -> Credentials:
    """The read-only token of the simulator, with changes."""
    given: dict[str, Any] = {
        "host": running.host,
        "port": running.port,
        "user": "audit@pve",
        "token_id": "report",
        "token_secret": running.cluster.secrets["audit@pve!report"],
        "ca_path": str(running.ca_path),
        "timeout": 5.0,
    }
    return Credentials(**{**given, **change})


def connect(running: Simulator, **change: Any) -> Session:
    """A session that does not sleep before it tries again."""
    return Session(credentials(running, **change), sleep=lambda _seconds: None)


def tasks_of(session: Session, seconds: float = 20.0) -> Any:
    """Everything every node knows."""
    return collect_tasks(session, cluster_nodes(session), TaskFilter(), now=time.time, seconds=seconds)


def test_a_token_reads_every_task_of_every_node(simulator: Simulator) -> None:
    found = tasks_of(connect(simulator))
    assert found.complete
    assert [entry.records for entry in found.coverage] == [400, 400, 400]
    assert len(found.tasks) == 1200
    assert [task["starttime"] for task in found.tasks] == sorted((t["starttime"] for t in found.tasks), reverse=True)


def test_a_password_logs_in_once_and_reads_the_same(simulator: Simulator) -> None:
    login = {"user": "root@pam", "password": "lab-password", "token_id": None, "token_secret": None}
    assert tasks_of(connect(simulator, **login)).tasks == tasks_of(connect(simulator)).tasks


@pytest.mark.parametrize(
    ("change", "error", "sentence"),
    [
        ({"token_secret": "0000-wrong"}, errors.AuthError, "refused the token audit@pve!report"),
        ({"token_id": "nosuch"}, errors.AuthError, "refused the token audit@pve!nosuch"),
        ({"user": "nobody@pve"}, errors.AuthError, "refused the token nobody@pve!report"),
        ({"token_id": None, "token_secret": None, "password": "wrong"}, errors.AuthError, "refused the login of audit"),
        ({"ca_path": None}, errors.TlsError, "certificate of .* was not accepted .*: set ca_path"),
        ({"port": 1}, errors.ConnectError, "cannot be reached .*: check api_host"),
        ({"host": "nosuch.invalid"}, errors.ConnectError, "nosuch.invalid:.* cannot be reached"),
        ({"host": "https://pve1"}, errors.InputError, "give it without https://"),
        ({"host": ""}, errors.InputError, "is not a host name"),
        ({"port": 99999}, errors.InputError, "api_port 99999 is not a port"),
        ({"timeout": 0}, errors.InputError, "request_timeout must be at least 1"),
        ({"user": "audit"}, errors.InputError, "has no realm"),
        ({"token_secret": None}, errors.InputError, "api_token_secret is missing"),
        ({"token_id": None}, errors.InputError, "api_token_id is missing"),
        ({"token_id": None, "token_secret": None}, errors.InputError, "no credential"),
        ({"token_secret": "two words"}, errors.InputError, "copy it again"),
        ({"token_secret": "line\nbreak"}, errors.InputError, "copy it again"),
        ({"token_id": "other@pve!report"}, errors.InputError, "belongs to other@pve, but api_user is audit@pve"),
        ({"ca_path": "/nonexistent/ca.pem"}, errors.InputError, "does not exist"),
    ],
)
def test_bad_credentials(simulator: Simulator, change: dict[str, Any], error: type[Exception], sentence: str) -> None:
    with pytest.raises(error, match=sentence) as failure:
        cluster_nodes(connect(simulator, **change))
    text = str(failure.value)
    assert "\n" not in text
    secret = change.get("token_secret") or simulator.cluster.secrets["audit@pve!report"]
    assert secret not in text and "0x" not in text


def test_secrets_are_not_in_the_text_form(simulator: Simulator) -> None:
    given = credentials(simulator, password="hunter2")
    assert "hunter2" not in repr(given) and str(given.token_secret) not in repr(given)


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("expired", r"has expired \(.+\): renew it on the node with pvecm updatecerts"),
        ("self-signed", r"was not accepted \(self[- ]signed certificate.*\): set ca_path"),
        ("wrong-name", r"is not for this name \(.+\): set api_host to a name or address that the certificate has"),
    ],
)
def test_bad_certificates(start_simulator: Start, kind: str, sentence: str) -> None:
    with pytest.raises(errors.TlsError, match=f"certificate of .* {sentence}"):
        cluster_nodes(connect(start_simulator(certificate=kind)))


def test_a_certificate_is_not_checked_only_on_request(start_simulator: Start) -> None:
    running = start_simulator(certificate="self-signed")
    assert cluster_nodes(connect(running, ca_path=None, validate_certs=False)) == ["pve1", "pve2", "pve3"]


def test_a_dead_a_broken_and_a_hanging_node_do_not_hide_the_others(start_simulator: Start) -> None:
    running = start_simulator(nodes=5, offline=("pve2",), broken=("pve3",), hang=("pve5",), tasks_per_node=20)
    found = tasks_of(connect(running, timeout=1.0))
    codes = {entry.node: [reason["code"] for reason in entry.reasons] for entry in found.coverage}
    assert codes == {
        "pve1": [],
        "pve2": ["node_unreachable"],
        "pve3": ["node_unreachable"],
        "pve4": [],
        "pve5": ["timed_out"],
    }
    assert {task["node"] for task in found.tasks} == {"pve1", "pve4"}


def test_the_total_time_limit_holds(start_simulator: Start) -> None:
    running = start_simulator(nodes=3, hang=("pve2", "pve3"), tasks_per_node=5)
    found = tasks_of(connect(running, timeout=60.0), seconds=1.0)
    assert [entry.complete for entry in found.coverage] == [True, False, False]


def test_without_privilege_nothing_is_called_complete(simulator: Simulator) -> None:
    secret = simulator.cluster.secrets["nopriv@pve!np"]
    found = tasks_of(connect(simulator, user="nopriv@pve", token_id="np", token_secret=secret))
    assert [entry.reasons[0]["code"] for entry in found.coverage] == ["not_permitted"] * 3


def test_a_cluster_without_any_record_is_not_called_quiet(start_simulator: Start) -> None:
    found = tasks_of(connect(start_simulator(tasks_per_node=0)))
    assert found.tasks == []
    assert [[reason["code"] for reason in entry.reasons] for entry in found.coverage] == [["empty"]] * 3


def test_ten_thousand_tasks_of_one_node(start_simulator: Start) -> None:
    found = tasks_of(connect(start_simulator(nodes=1, tasks_per_node=10_000), timeout=30.0), seconds=60.0)
    assert len(found.tasks) == 10_000


def test_hostile_tasks_come_through_unharmed(start_simulator: Start) -> None:
    running = start_simulator(hostile=True, tasks_per_node=60)
    session = connect(running)
    found = tasks_of(session)
    texts = " ".join(f"{task['user']} {task.get('status')}" for task in found.tasks)
    assert "<script>" in texts
    logs = collect_logs(session, [task["upid"] for task in found.tasks], max_lines=1000, seconds=60.0)
    assert [log["reason"] for log in logs if not log["complete"]] == []
    assert {line for log in logs for line in log["lines"] if line.startswith("Gr")} == {"Größe: 5 GiB – 日本"}


def test_a_whole_log_is_read_page_by_page(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    session = connect(simulator)
    upids = [task["upid"] for task in tasks_of(session).tasks if task["type"] == "vzdump"][:2]
    whole = collect_logs(session, upids, max_lines=1000, seconds=20.0)
    monkeypatch.setattr(tasklog, "PAGE", 3)
    assert collect_logs(session, upids, max_lines=1000, seconds=20.0) == whole
    assert [log["upid"] for log in whole] == upids and all(len(log["lines"]) > 3 for log in whole)
    cut = collect_logs(session, upids[:1], max_lines=4, seconds=20.0)[0]
    assert (cut["lines"], cut["complete"]) == (whole[0]["lines"][:4], False)
    assert "max_lines" in str(cut["reason"])


def test_a_text_that_is_gone_is_not_called_empty(simulator: Simulator) -> None:
    session = connect(simulator)
    gone = "UPID:pve1:00000001:00000002:60000000:qmstart:100:alice@pve:"
    elsewhere = "UPID:pve9:00000001:00000002:60000000:qmstart:100:alice@pve:"
    logs = collect_logs(session, [gone, elsewhere], max_lines=10, seconds=10.0)
    assert [(log["lines"], log["complete"]) for log in logs] == [([], False), ([], False)]
    assert logs[0]["reason"] == "the log text is no longer on the node"
    assert logs[1]["reason"] == "the cluster has no node pve9, and none of pve1, pve2, pve3 has the log text"
    with pytest.raises(errors.InputError, match="is not a UPID"):
        collect_logs(session, ["nonsense"], max_lines=10, seconds=10.0)
    mixed = collect_logs(session, ["nonsense", gone], max_lines=10, seconds=10.0)
    assert [log["upid"] for log in mixed] == ["nonsense", gone]
    assert "is not a UPID" in str(mixed[0]["reason"])
    assert mixed[1] == logs[0]
    with pytest.raises(errors.InputError, match="max_lines must be at least 1"):
        collect_logs(session, [gone], max_lines=0, seconds=10.0)


@pytest.fixture
def odd_server() -> Iterator[Callable[[bytes], int]]:
    """A plain TCP server that answers every connection with the same bytes."""
    listeners: list[socket.socket] = []

    def start(answer: bytes) -> int:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def serve() -> None:
            while True:
                try:
                    connection, _peer = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(4096)
                    connection.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        return int(listener.getsockname()[1])

    yield start
    for listener in listeners:
        listener.close()


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"])
def test_something_else_listens_there(simulator: Simulator, odd_server: Callable[[bytes], int], answer: bytes) -> None:
    with pytest.raises((errors.TlsError, errors.ConnectError, errors.NotAnApiError)) as failure:
        cluster_nodes(connect(simulator, port=odd_server(answer)))
    assert "\n" not in str(failure.value)
