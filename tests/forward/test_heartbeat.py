# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real forwarder against a strict collector: beats come while nothing else does, and a wiped one is another.

What the collector makes of it is judged on the archive that its writer writes of these lines.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pve_audit.collector.settings import Settings
from pve_audit.collector.silence import silence
from pve_audit.collector.writer import Writer
from pve_audit.wire import ArchivedLine, parse_line
from tests.forward.harness import Forwarder, wait_for
from tests.forward.strict_relp import StrictRelp


@pytest.fixture
def relp() -> Iterator[StrictRelp]:
    made = StrictRelp()
    yield made
    made.end()


@pytest.fixture
def start(tmp_path: Path, relp: StrictRelp) -> Iterator[Callable[[], Forwarder]]:
    """Starts the forwarder of one node, again and again."""
    target = {"host": "127.0.0.1", "port": relp.port, "tls": False}
    made: list[Forwarder] = []

    def begin() -> Forwarder:
        limits = {"heartbeat_seconds": 0.2, "save_seconds": 0.05}
        made.append(Forwarder(tmp_path / "node", {"targets": [target], "limits": limits}))
        made[-1].start()
        return made[-1]

    yield begin
    for one in made:
        one.end(signal.SIGTERM)


def beats(relp: StrictRelp) -> list[ArchivedLine]:
    found = [parse_line(raw) for raw in relp.messages]
    return [line for line in found if line is not None and line.params["source"] == "heartbeat"]


def names(relp: StrictRelp) -> list[str]:
    return list(dict.fromkeys(line.params["state"] for line in beats(relp)))


def test_beats_come_while_nothing_else_does_and_end_with_the_forwarder(
    relp: StrictRelp, start: Callable[[], Forwarder]
) -> None:
    forwarder = start()
    assert wait_for(lambda: len(beats(relp)) >= 3, 20), forwarder.output()
    assert len(beats(relp)) == len(relp.messages)
    forwarder.end(signal.SIGTERM)
    seen = len(relp.messages)
    time.sleep(1)
    assert len(relp.messages) == seen
    again = start()
    assert wait_for(lambda: len(beats(relp)) >= seen + 2, 20), again.output()
    assert [int(line.params["beat"]) for line in beats(relp)] == list(range(1, len(beats(relp)) + 1))
    assert len(names(relp)) == 1
    assert relp.mistakes == []


def test_a_wiped_forwarder_begins_anew(relp: StrictRelp, start: Callable[[], Forwarder]) -> None:
    forwarder = start()
    assert wait_for(lambda: len(beats(relp)) >= 2, 20), forwarder.output()
    forwarder.end(signal.SIGKILL)
    shutil.rmtree(forwarder.state_dir)
    start()
    assert wait_for(lambda: len(names(relp)) == 2, 20)
    assert beats(relp)[-1].params["beat"] in ("1", "2")


def test_a_backlog_does_not_keep_beats_waiting(relp: StrictRelp, start: Callable[[], Forwarder]) -> None:
    relp.plan.late = 0.01
    forwarder = start()
    forwarder.feed(1000)
    assert wait_for(lambda: len(beats(relp)) >= 6, 30), forwarder.output()
    assert len(relp.messages) < 1000


def test_a_pipe_and_a_file_that_is_not_there_are_named(relp: StrictRelp, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    files = [{"name": name, "path": str(tmp_path / name)} for name in ("pipe", "gone")]
    target = {"host": "127.0.0.1", "port": relp.port, "tls": False}
    config = {"targets": [target], "limits": {"heartbeat_seconds": 0.2}, "sources": {"journal": False, "files": files}}
    forwarder = Forwarder(tmp_path / "node", config)
    forwarder.start()

    def named() -> tuple[str, str]:
        line = beats(relp)[-1] if beats(relp) else None
        return (line.params["broken"], line.params["missing"]) if line is not None else ("", "")

    try:
        assert wait_for(lambda: named() == ("pipe", "gone"), 20), (named(), forwarder.output())
        (tmp_path / "pipe").unlink()
        (tmp_path / "pipe").write_text("a line\n")
        (tmp_path / "gone").write_text("")
        assert wait_for(lambda: named() == ("", ""), 20), (named(), forwarder.output())
    finally:
        forwarder.end(signal.SIGTERM)


def test_the_collector_notices(relp: StrictRelp, start: Callable[[], Forwarder], tmp_path: Path) -> None:
    places: dict[str, Any] = {name: str(tmp_path / name) for name in ("archive", "state", "rejected", "runtime")}
    for place in places.values():
        Path(place).mkdir()
    settings = Settings(**places, listeners={"relp-pve1": "pve1"})
    writer = Writer(settings)
    written = 0

    def verdicts(later: float = 0.0, accept: list[str] | None = None) -> list[str]:
        nonlocal written
        for raw in relp.messages[written:]:
            writer.take(json.dumps({"input": "relp-pve1", "address": "127.0.0.1", "raw": raw.decode()}).encode())
            written += 1
        return [one["verdict"] for one in silence(settings, time.time() + later, accept or [])["findings"]]

    assert verdicts() == ["never"]
    forwarder = start()
    assert wait_for(lambda: len(beats(relp)) >= 2, 20), forwarder.output()
    assert verdicts() == []
    forwarder.end(signal.SIGTERM)
    assert verdicts(later=500) == []
    assert verdicts(later=601) == ["silent"]
    shutil.rmtree(forwarder.state_dir)
    start()
    assert wait_for(lambda: len(names(relp)) == 2, 20)
    assert verdicts() == ["restarted"]
    assert verdicts(accept=["pve1"]) == []
    writer.close()
