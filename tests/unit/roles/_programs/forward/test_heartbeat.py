# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a heartbeat says of sources that are idle, behind, stuck or broken, and how its numbers outlive restarts."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, cast

import pytest

from pve_audit.forward import heartbeat
from pve_audit.forward.heartbeat import Heartbeat
from pve_audit.forward.journal import JournalSource
from pve_audit.forward.settings import JournalSpec
from pve_audit.forward.source import Source, SourceLine


class Shown:
    """A source that only has figures."""

    def __init__(self, name: str, **figures: Any) -> None:
        self.name = name
        self.figures = figures

    def backlog(self) -> dict[str, Any]:
        return self.figures


def heart(*sources: Shown, counts: dict[str, int] | None = None, errors: dict[str, str] | None = None) -> Heartbeat:
    return Heartbeat("pve1", 60.0, cast(list[Source], sources), counts or {}, errors or {})


def beat(source: Heartbeat, now: float) -> SourceLine:
    line = source.next(now)
    assert line is not None
    return line


SHOWN = [
    ([], {}, "0", ""),
    ([Shown("journal", behind_seconds=0.4)], {}, "0", ""),
    ([Shown("journal", behind_seconds=61.6), Shown("access.log", backlog_bytes=0)], {}, "62", ""),
    ([Shown("access.log", backlog_bytes=7)], {}, "0", ""),
    ([Shown("access.log", backlog_bytes=0)], {"access.log": "x" * 999, "tasks": "no"}, "0", "access.log"),
    ([Shown("access.log", backlog_bytes=0, refused=[{"path": "/x" * 999}])], {}, "0", "access.log"),
    ([Shown("proof", missing=True)], {}, "0", ""),
]


@pytest.mark.parametrize(("sources", "errors", "behind", "broken"), SHOWN)
def test_the_first_beat(sources: list[Shown], errors: dict[str, str], behind: str, broken: str) -> None:
    message = beat(heart(*sources, errors=errors), 0.0).message
    assert (message.source, message.node, message.params["beat"], message.params["every"]) == (
        "heartbeat",
        "pve1",
        "1",
        "60",
    )
    assert (message.params["behind"], message.params["broken"]) == (behind, broken)
    assert message.params["missing"] == ",".join(one.name for one in sources if "missing" in one.figures)
    assert set(json.loads(message.text)) == {one.name for one in sources}
    assert len(message.text) < 400


def test_a_file_is_behind_since_its_backlog_last_moved() -> None:
    counts = {"access.log": 1}
    source = Shown("access.log", backlog_bytes=9)
    beats = heart(source, counts=counts)
    found = []
    for now in (0.0, 60.0, 120.0, 180.0, 240.0, 300.0):
        if now == 180.0:
            counts["access.log"] += 1
        source.figures["backlog_bytes"] = 0 if now == 300.0 else 9
        found.append(beat(beats, now).message.params["behind"])
    assert found == ["0", "60", "120", "0", "60", "0"]


def test_numbers_go_on_where_they_were_acknowledged() -> None:
    first = heart()
    first.open({}, {})
    assert first.next(0.0) is not None
    assert first.next(59.0) is None
    first.acknowledge(beat(first, 60.0).place)
    second = heart()
    second.open({}, first.position())
    line = beat(second, 0.0)
    assert (line.place, line.message.params["state"]) == (3, first.position()["state"])


def test_a_beat_that_was_lost_with_the_connection_is_due_at_once() -> None:
    beats = heart()
    beats.open({}, {})
    beat(beats, 0.0)
    beats.open({}, {})
    assert beat(beats, 1.0).place == 2
    beats.acknowledge(2)
    beats.open({}, beats.position())
    assert beats.next(2.0) is None


def test_another_state_has_another_name() -> None:
    names = set()
    for _count in range(2):
        beats = heart()
        beats.open({}, {})
        names.add(beat(beats, 0.0).message.params["state"])
    assert len(names) == 2


def test_a_journal_is_behind_by_the_age_of_what_waits() -> None:
    source = JournalSource(JournalSpec(), "pve1")
    hour_ago = time.time_ns() // 1000 - 3600 * 1_000_000
    old, new = (
        b'{"__CURSOR": "s=a;i=%d;b=b", "__REALTIME_TIMESTAMP": "%d"}' % (number, hour_ago + number) for number in (1, 2)
    )
    source.open({}, {})
    assert "behind_seconds" not in source.backlog()
    places = [line.place for raw in (old, new) if (line := source._line(raw)) is not None]
    assert 3600 <= source.backlog()["behind_seconds"] < 3700
    source.acknowledge(places[0])
    assert 3600 <= source.backlog()["behind_seconds"] < 3700
    source.acknowledge(places[1])
    assert "behind_seconds" not in source.backlog()


# As journald of systemd 252 began a file (other ids of file, machine and boot); its cursors had `s=` NAME.
NAME = "0d41e54a230a44e183de50d68b317a36"
HEAD = bytes.fromhex(f"4c504b5348485248000000001c0000000100000000000000{'1' * 32}{'2' * 32}{'3' * 32}{NAME}")
JOURNALS = [
    ({"disk": HEAD + b"rest"}, NAME),
    ({"memory": HEAD}, NAME),
    ({"disk": b"KSHHRHLP" + HEAD[8:]}, ""),
    ({"disk": HEAD[:80]}, ""),
    ({}, ""),
]


@pytest.mark.parametrize(("files", "name"), JOURNALS)
def test_the_id_of_the_journal(
    files: dict[str, bytes], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "machine-id").write_text("aa\n")
    monkeypatch.setattr(heartbeat, "MACHINE_ID", tmp_path / "machine-id")
    monkeypatch.setattr(heartbeat, "JOURNALS", [str(tmp_path / one) for one in ("disk", "memory")])
    for top, data in files.items():
        (tmp_path / top / "aa").mkdir(parents=True)
        (tmp_path / top / "aa" / "system.journal").write_bytes(data)
    assert heartbeat.journal_id() == name
    assert beat(heart(), 0.0).message.params["journal"] == name
