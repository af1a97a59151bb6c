# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many finished files: each is sent once, whatever its times say, and looking after them costs next to nothing."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pve_audit.forward import candidates, file_source, finder, logfile
from pve_audit.forward.done import Done, DoneFiles, name_of
from pve_audit.forward.file_source import MOST_OPEN
from tests.unit.roles._programs.forward.test_hostile import Reader

OLD = time.time() - 40 * 86400


@pytest.fixture(autouse=True)
def fast_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here needs to outlive a power cut."""
    monkeypatch.setattr(os, "fsync", lambda _handle: None)


def keep(folder: Path, number: int, text: str = "", modified: float = OLD) -> Path:
    """A task text as it is kept: under another name first, with the time of its task."""
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / ".part"
    part.write_text(text or f"text {number}\nTASK OK\n")
    os.utime(part, (modified, modified))
    return part.rename(folder / f"UPID:{number:05}")


def reader(tmp_path: Path, position: dict[str, Any] | None = None) -> Reader:
    return Reader(tmp_path / "tasks" / "*" / "UPID:*", tmp_path, position)


def numbers(one: Reader) -> list[int]:
    """Which texts were sent, in order."""
    return [int(line.split()[1]) for line in one.lines if line.startswith("text ")]


def test_a_text_that_is_older_than_all_that_was_sent_is_sent(tmp_path: Path) -> None:
    one = reader(tmp_path)
    keep(tmp_path / "tasks" / "2026-11-26", 1, modified=time.time() - 7200)
    one.read()
    keep(tmp_path / "tasks" / "2026-11-26", 2, modified=OLD)
    keep(tmp_path / "tasks" / "2026-11-27", 3, modified=0)
    one.read()
    assert numbers(one) == [1, 3, 2]
    one.source.close()


def test_all_of_very_many_are_sent_once_with_few_open_at_a_time(tmp_path: Path) -> None:
    for number in range(1000):
        keep(tmp_path / "tasks" / f"2026-11-{number % 20 + 1:02}", number)
    one = reader(tmp_path)
    before = len(os.listdir("/proc/self/fd"))
    most = 0
    for _look in range(200):
        one.read(1)
        most = max(most, len(os.listdir("/proc/self/fd")) - before)
    assert Counter(numbers(one)) == Counter(range(1000))
    assert most <= MOST_OPEN + 4
    position = one.source.position()
    assert len(str(position)) < 5000
    one.source.close()
    again = reader(tmp_path, position)
    again.read(30)
    assert len(numbers(again)) <= file_source.MOST_IDLE
    again.source.close()


def test_finished_files_cost_no_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finder, "TICK_SECONDS", -1.0)
    for number in range(200):
        keep(tmp_path / "tasks" / f"day{number % 4}", number)
    one = reader(tmp_path)
    one.read(40)
    assert len(numbers(one)) == 200
    steps = Counter[str]()

    def counted(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any, **named: Any) -> Any:
            steps[name] += 1
            return function(*given, **named)

        return call

    monkeypatch.setattr(os, "scandir", counted("listings", os.scandir))
    monkeypatch.setattr(candidates, "identify", counted("opened", logfile.identify))
    for second in range(50):
        assert one.source.next(one.now + second) is None
    assert steps == {}
    one.now += 600
    one.read(1)
    assert steps == {"listings": 4}
    one.source.close()


def test_a_finished_file_that_grows_is_read_on(tmp_path: Path) -> None:
    for number in range(50):
        keep(tmp_path / "tasks" / "day", number)
    one = reader(tmp_path)
    one.read(10)
    with (tmp_path / "tasks" / "day" / "UPID:00003").open("a") as stream:
        stream.write("more\n")
    one.now += 600
    one.read()
    assert one.lines.count("more") == 1
    assert numbers(one).count(3) == 1
    one.source.close()


def test_an_older_position_sends_again_what_was_finished_since(tmp_path: Path) -> None:
    """A collector that died may not have what it confirmed."""
    one = reader(tmp_path)
    one.read()
    before = one.source.position()
    for number in range(100):
        keep(tmp_path / "tasks" / "day", number)
    one.read(10)
    one.source.open(before, one.source.position())
    one.messages.clear()
    one.read(10)
    assert sorted(numbers(one)) == list(range(100))
    one.source.close()


def test_without_its_file_everything_is_sent_again(tmp_path: Path) -> None:
    for number in range(100):
        keep(tmp_path / "tasks" / "day", number)
    one = reader(tmp_path)
    one.read(10)
    position = one.source.position()
    one.source.close()
    (tmp_path / "a.done").unlink()
    again = reader(tmp_path, position)
    again.read(10)
    assert len(numbers(again)) >= 100 - file_source.MOST_IDLE
    again.source.close()


def test_forms_of_a_log_that_are_finished_are_known_after_rotation(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    for number in range(1, 100):
        path = tmp_path / f"access.log.{number}"
        path.write_text(f"text {number}\n")
        os.utime(path, (OLD - number, OLD - number))
    log.write_text("text 0\n")
    one = Reader(log, tmp_path)
    one.read(20)
    for number in range(99, 0, -1):
        (tmp_path / f"access.log.{number}").rename(tmp_path / f"access.log.{number + 1}")
    log.rename(tmp_path / "access.log.1")
    log.write_text("text 1000\n")
    one.read()
    assert sorted(numbers(one)) == [*range(100), 1000]
    one.source.close()


@pytest.mark.parametrize("damage", [b"", b"x" * 47, None])
def test_records(tmp_path: Path, damage: bytes | None) -> None:
    kept = DoneFiles(tmp_path / "done")
    kept.load(0, 0)
    for number in range(10):
        kept.add(f"/log/{number}", Done("00" * 8, number, number, number))
        if number == 4:
            kept.save()
            middle = kept.saved
    kept.save()
    if damage is None:
        (tmp_path / "done").write_bytes((tmp_path / "done").read_bytes()[:-5])
    else:
        with (tmp_path / "done").open("ab") as stream:
            stream.write(damage)
    again = DoneFiles(tmp_path / "done")
    again.load(kept.saved, kept.saved)
    assert len(again) == (9 if damage is None else 10)
    found = again.find(name_of("/log/4"))
    assert found is not None
    assert found.offset == 4
    again.load(middle, kept.saved)
    assert len(again) == 5
    assert again.saved == middle
    again.add("/log/x", Done("11" * 8, 1, 1, 1))
    again.save()
    again.load(middle, 0)
    assert len(again) == 5, "a new record does not hold for an old position"
    assert again.saved == middle


def test_a_full_disk_is_no_crash_and_nothing_counts_as_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = DoneFiles(tmp_path / "done")
    kept.load(0, 0)
    kept.add("/log/1", Done("00" * 8, 1, 1, 1))

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(OSError):
        patch.setattr(os, "fsync", full)
        kept.save()
    assert kept.saved == 1
    kept.save()
    assert kept.saved == 2
    again = DoneFiles(tmp_path / "done")
    again.load(2, 2)
    assert len(again) == 1


def test_records_of_files_that_are_gone_go(tmp_path: Path) -> None:
    kept = DoneFiles(tmp_path / "done")
    kept.load(0, 0)
    for number in range(3000):
        kept.add(f"/log/{number}", Done("00" * 8, 1, 1, 1))
    kept.save()
    kept.sweep([name_of(f"/log/{number}") for number in range(1000)])
    kept.save()
    assert len(kept) == 1000
    assert (tmp_path / "done").stat().st_size == 48_000
