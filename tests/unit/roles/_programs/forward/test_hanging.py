# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A source that hangs stops neither the others nor the end of the service, and the watchdog is fed only without one."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pve_audit.forward import pipeline, service, watchdog, worker
from pve_audit.forward.settings import parse
from pve_audit.forward.source import Position, SourceLine
from pve_audit.wire import Message
from tests.forward.harness import Forwarder, wait_for
from tests.forward.strict_relp import StrictRelp


class Lines:
    """A source of numbered lines, whose disk dies when `dead` is set."""

    def __init__(self, name: str, count: int = 0) -> None:
        self.name = name
        self.count = count
        self.read = self.acknowledged = self.opened = 0
        self.dead = threading.Event()
        self.alive = threading.Event()
        self.alive.set()

    def open(self, position: Position, high_water: Position) -> None:
        self.read = int(position.get("number", 0))
        self.opened += 1

    def next(self, now: float) -> SourceLine | None:
        self.alive.wait()
        if self.read >= self.count:
            return None
        self.read += 1
        return SourceLine(Message("pve1", self.name, f"{self.name} {self.read}", 1_700_000_000_000_000), self.read)

    def acknowledge(self, place: Any) -> None:
        self.acknowledged = place

    def position(self) -> Position:
        return {"number": self.acknowledged}

    def caught_up(self) -> bool:
        return True

    def backlog(self) -> dict[str, Any]:
        return {"read": self.read}

    def fileno(self) -> int | None:
        return None

    def close(self) -> None:
        pass


@pytest.fixture
def sources() -> Iterator[tuple[Lines, Lines]]:
    """Two; neither hangs beyond the test."""
    pair = Lines("good", 10), Lines("bad", 10)
    yield pair
    for one in pair:
        one.alive.set()


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What systemd is told."""
    told: list[str] = []
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.bind(str(tmp_path / "notify"))
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))

    def listen() -> None:
        while (data := listener.recv(4096)) != b"end":
            told.extend(data.decode().splitlines())

    thread = threading.Thread(target=listen)
    thread.start()
    yield told
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.sendto(b"end", str(tmp_path / "notify"))
    thread.join()
    listener.close()


def config_of(relp: StrictRelp, directory: Path) -> Any:
    """Settings for two sources that `make_sources` does not make."""
    limits = {"poll_seconds": 0.02, "save_seconds": 0.05, "resend_seconds": 0.2, "ack_timeout": 5}
    return parse(
        {
            "node": "pve1",
            "targets": [{"host": "127.0.0.1", "port": relp.port, "tls": False}],
            "sources": {},
            "limits": limits,
            "state_dir": str(directory),
            "status_file": str(directory / "status.json"),
        }
    )


def arrived(relp: StrictRelp, name: str) -> int:
    """The highest number that arrived of a source."""
    found = [int(one.split()[-1]) for one in relp.messages if f"] {name} ".encode() in one]
    return max(found, default=0)


def test_the_other_sources_go_on_and_the_watchdog_is_no_longer_fed(
    sources: tuple[Lines, Lines], manager: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, bad = sources
    monkeypatch.setattr(pipeline, "make_sources", lambda _config, _name: [bad, good])
    monkeypatch.setattr(worker, "SLOW_SECONDS", 0.3)
    monkeypatch.setattr(pipeline, "HANGING_SECONDS", 1.0)
    monkeypatch.setattr(pipeline, "REPORT_SECONDS", 0.05)
    monkeypatch.setattr(service, "STATUS_SECONDS", 0.05)
    relp = StrictRelp()
    config = config_of(relp, tmp_path)
    said: list[str] = []
    ended = threading.Event()
    lines = pipeline.make_pipelines(config, lambda _severity, _key, text: said.append(text))
    monkeypatch.setattr(service, "make_pipelines", lambda _config, _say: lines)
    voice = service.Voice(said.append)
    thread = threading.Thread(target=service.serve, args=(config, voice, ended))
    monkeypatch.setattr(service, "STOP_SECONDS", 5.0)
    thread.start()
    assert wait_for(lambda: arrived(relp, "good") == 10 and arrived(relp, "bad") == 10, 10)
    assert wait_for(lambda: manager.count("WATCHDOG=1") > 5, 10)
    assert manager[0] == "READY=1"
    bad.alive.clear()
    assert wait_for(lambda: any("the source bad hangs: the watchdog" in text for text in said), 10)
    time.sleep(0.2)
    fed = manager.count("WATCHDOG=1")
    good.count = 500
    assert wait_for(lambda: arrived(relp, "good") == 500, 10)
    time.sleep(0.3)
    assert manager.count("WATCHDOG=1") == fed
    assert lines[0].status.sources["bad"]["hangs_seconds"] >= 1
    assert "hangs_seconds" not in lines[0].status.sources["good"]
    ended.set()
    thread.join(10)
    assert not thread.is_alive()
    assert "STOPPING=1" in manager


def test_after_a_hang_the_source_goes_on_where_it_was(sources: tuple[Lines, Lines]) -> None:
    _good, bad = sources
    bad.count = 3
    one = worker.Worker(bad, 0.01)
    one.open({"number": 1}, {"number": 1})
    found: list[Any] = []

    def taken(number: int) -> bool:
        line = one.next()
        if line is not None:
            found.append(line.place)
            one.acknowledge(line.place)
        return len(found) == number

    assert wait_for(lambda: taken(2), 5)
    assert wait_for(lambda: one.published()[0] == {"number": 3}, 5)
    bad.alive.clear()
    bad.count = 5
    time.sleep(0.1)
    start = time.monotonic()
    one.close()
    assert time.monotonic() - start < worker.CLOSE_SECONDS + 1
    one.open({"number": 3}, {"number": 3})
    assert one.next() is None
    assert one.published() == worker.NOTHING
    assert one.hangs_for(time.monotonic()) > 0
    assert bad.opened == 1, "one thread alone touches the source"
    bad.alive.set()
    assert wait_for(lambda: taken(4), 5)
    assert found == [2, 3, 4, 5]
    assert bad.opened == 2
    one.close()


def test_a_thread_that_died_is_no_silence(sources: tuple[Lines, Lines], monkeypatch: pytest.MonkeyPatch) -> None:
    good, _bad = sources
    monkeypatch.setattr(threading, "excepthook", lambda _args: None)
    monkeypatch.setattr(good, "next", lambda _now: 1 / 0)
    one = worker.Worker(good, 0.01)
    one.open({}, {})

    def dead() -> bool:
        try:
            one.next()
        except RuntimeError:
            return True
        return False

    assert wait_for(dead, 5)


@pytest.mark.parametrize("address", ["", "relative", "/nonexistent/socket", "@pve-audit-nobody-listens"])
def test_without_a_service_manager_nothing_happens(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    watchdog.notify("READY=1")


ATTACKS: dict[str, Callable[[Path], object]] = {
    "pipe as rotated form": lambda folder: os.mkfifo(folder / "access.log.1"),
    "pipe as the log": lambda folder: os.mkfifo(folder / "access.log"),
    "link to a secret": lambda folder: (folder / "access.log.1").symlink_to(folder.parent / "secret"),
    "directory": lambda folder: (folder / "access.log").mkdir(),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_the_service_as_it_runs(attack: str, manager: list[str], tmp_path: Path) -> None:
    relp = StrictRelp()
    folder = tmp_path / "log"
    folder.mkdir()
    (tmp_path / "secret").write_text("TOP SECRET\n")
    (tmp_path / "other.log").write_text("before\n")
    ATTACKS[attack](folder)
    sources = {
        "journal": False,
        "files": [
            {"name": "access.log", "path": str(folder / "access.log")},
            {"name": "other", "path": str(tmp_path / "other.log")},
        ],
    }
    target = {"host": "127.0.0.1", "port": relp.port, "tls": False}
    config = {"targets": [target], "sources": sources, "limits": {"poll_seconds": 0.05}}
    forwarder = Forwarder(tmp_path / "node", config)
    forwarder.start(NOTIFY_SOCKET=str(tmp_path / "notify"))
    try:
        assert wait_for(lambda: any(one.endswith(b"] before") for one in relp.messages), 15), forwarder.output()
        assert wait_for(lambda: any(b'note="file_refused"' in one for one in relp.messages), 15)
        with (tmp_path / "other.log").open("a") as stream:
            stream.write("after\n")
        assert wait_for(lambda: any(one.endswith(b"] after") for one in relp.messages), 15)
        assert wait_for(lambda: "refused" in forwarder.status().get("sources", {}).get("access.log", {}), 15)
        assert wait_for(lambda: manager.count("WATCHDOG=1") >= 2, 15)
        start = time.monotonic()
    finally:
        status = forwarder.end(signal.SIGTERM)
    assert status == 0
    assert time.monotonic() - start < 10
    assert not [one for one in relp.received if b"TOP SECRET" in one]
