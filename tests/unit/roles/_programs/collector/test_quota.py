# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One node floods the archive: its quota stops it, it is told of, and the others go on."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pve_audit.collector import cli, quota
from pve_audit.collector.disk import disk
from pve_audit.collector.settings import Settings
from pve_audit.collector.writer import MAX_REASONS, Writer, answer
from pve_audit.wire import ArchivedLine, parse_line
from tests.unit.roles._programs.collector.conftest import LINE, NOW, entry
from tests.unit.roles._programs.collector.test_writer import DAY, Clock, record

QUOTA = 200_000


def flood(sources: Iterator[str], text: str) -> Iterator[bytes]:
    for source in sources:
        yield LINE.format(node="pve1", source=source, more="", text=text).encode()


def notices(settings: Settings, node: str = "pve1") -> list[ArchivedLine]:
    found = []
    for path in sorted(Path(settings.archive, node, "collector").glob("*.log")):
        found += [parse_line(raw) for raw in path.read_bytes().splitlines()]
    assert None not in found
    return [one for one in found if one is not None]


def size_of(settings: Settings, node: str) -> int:
    files = [path for path in Path(settings.archive, node).rglob("*.log") if path.parent.name != "collector"]
    return sum(path.stat().st_size for path in files)


@pytest.mark.parametrize(
    ("sources", "text"),
    [
        (lambda: ("journal" for _ in range(5000)), ""),
        (lambda: ("journal" for _ in range(40)), "x" * 60_000),
        (lambda: (f"s{number % 3000}" for number in range(6000)), "x"),
        (lambda: (f"s{number // 400}" for number in range(6000)), "x" * 60),
        (lambda: ("collector" for _ in range(5000)), "x" * 60),
    ],
    ids=["tiny lines", "huge lines", "many sources", "one source after the other", "the collector's own source"],
)
def test_a_flood_ends_at_the_quota_and_the_other_node_goes_on(
    settings: Settings, sources: Callable[[], Iterator[str]], text: str
) -> None:
    alarms: list[str] = []
    writer = Writer(replace(settings, quota_bytes=QUOTA), Clock(), lambda _text: None, alarms.append)
    sent = list(flood(sources(), text))
    assert {answer(writer, record(line)) for line in sent} == {b"OK\n"}
    assert answer(writer, record(entry(1, "pve2"), "relp-pve2")) == b"OK\n"
    writer.close()
    assert 0 < size_of(settings, "pve1") <= QUOTA
    assert size_of(settings, "pve2") == len(entry(1, "pve2")) + 1
    told = notices(settings)
    assert {(one.params["event"], one.params["quota"]) for one in told} == {("quota", str(QUOTA))}
    kept = sum(path.read_bytes().count(b"\n") for path in Path(settings.archive, "pve1").rglob("*.log")) - len(told)
    assert kept + sum(int(one.params["lines"]) for one in told) == len(sent)
    assert len(alarms) == len(told) and all("pve1" in alarm and "quota" in alarm for alarm in alarms)
    assert notices(settings, "pve2") == []


def test_a_flood_in_one_log_leaves_room_for_the_others(settings: Settings) -> None:
    writer = Writer(replace(settings, quota_bytes=QUOTA), Clock())
    for line in flood(iter(["journal"] * 5000 + ["access.log"] * 5000), "x" * 100):
        answer(writer, record(line))
    task = LINE.format(node="pve1", source="tasks", more="", text="the task that matters").encode()
    answer(writer, record(task))
    writer.close()
    assert Path(settings.archive, "pve1/tasks/2026-11-23.log").read_bytes() == task + b"\n"
    assert QUOTA * 0.45 < Path(settings.archive, "pve1/journal/2026-11-23.log").stat().st_size <= QUOTA / 2


def test_it_is_told_at_once_then_each_hour_and_at_the_end_of_the_day(settings: Settings) -> None:
    clock = Clock()
    writer = Writer(replace(settings, quota_bytes=1000), clock, lambda _text: None, lambda _text: None)
    steps = ((0, 100), (10, 100), (quota.NOTICE_SECONDS, 50), (5, 7), (DAY, 1))
    for seconds, lines in steps:
        clock.now += seconds
        for line in flood(iter(["journal"] * lines), "x" * 900):
            answer(writer, record(line))
        writer.idle()
    writer.close()
    counts = [(one.params["day"], int(one.params["lines"])) for one in notices(settings)]
    assert counts == [("2026-11-23", 100), ("2026-11-23", 250), ("2026-11-23", 257), ("2026-11-24", 1)]


def test_a_restart_forgets_neither_the_use_nor_the_counts(settings: Settings) -> None:
    settings = replace(settings, quota_bytes=QUOTA)
    for _ in range(4):
        writer = Writer(settings, Clock(), alarm=lambda _text: None)
        for line in flood(iter(["journal"] * 1000), "x" * 100):
            answer(writer, record(line))
        writer.close()
    assert size_of(settings, "pve1") <= QUOTA
    assert 3000 < int(notices(settings)[-1].params["lines"]) < 4000


@pytest.mark.parametrize("content", [b"", b"[1]", b'[{"day": 1}]', b"\xff", b"{}"])
def test_counts_that_cannot_be_read_stop_nothing(settings: Settings, content: bytes) -> None:
    settings.unkept.write_bytes(content)
    assert answer(Writer(settings, Clock()), record(entry(1))) == b"OK\n"


def test_a_short_disk_is_shared(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quota, "room_for_one", lambda _settings: 5000)
    writer = Writer(settings, Clock(), alarm=lambda _text: None)
    for line in flood(iter(["journal"] * 1000), "x"):
        answer(writer, record(line))
    writer.close()
    assert size_of(settings, "pve1") <= 2500


def test_the_unit_of_the_disk_fails_for_a_day_and_names_the_node(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(settings, quota_bytes=1000, disk_warn_percent=100, disk_critical_percent=101)
    clock = Clock()
    assert disk(settings, NOW)["state"] == "ok"
    writer = Writer(settings, clock, alarm=lambda _text: None)
    for line in flood(iter(["journal"] * 50), "x" * 100):
        answer(writer, record(line))
    writer.idle()
    writer.close()
    found = disk(settings, NOW)
    assert (found["state"], found["unkept"][0]["node"], found["unkept"][0]["source"]) == ("critical", "pve1", "journal")
    path = tmp_path / "settings.json"
    path.write_text(
        json.dumps(
            {"archive": settings.archive, "state": settings.state, "rejected": settings.rejected, "quota_bytes": 1000}
        )
    )
    monkeypatch.setattr("pve_audit.collector.cli.time.time", clock)
    assert cli.main(["--config", str(path), "--journal", "disk"]) == 3
    assert "<2>pve1: its quota of" in capsys.readouterr().out
    assert disk(settings, NOW + DAY + 1)["state"] == "ok"


def test_kinds_of_rejected_lines_are_bounded(settings: Settings) -> None:
    told: list[str] = []
    writer = Writer(settings, Clock(), told.append)
    for number in range(MAX_REASONS + 500):
        assert answer(writer, record(entry(1, f"x{number}" + "y" * 500))) == b"OK\n"
    assert len(writer._refused) == MAX_REASONS + 1
    assert max(len(reason) for _node, _address, reason in writer._refused) < 300
    writer.close()
