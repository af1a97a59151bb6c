# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The archive on a real file system that is full: days are still closed, and nobody cries tampering."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pve_audit.collector import check, close, room
from pve_audit.collector.disk import disk
from pve_audit.collector.settings import Settings
from pve_audit.collector.writer import Writer, answer
from tests.unit.roles._programs.collector.conftest import NOW, entry
from tests.unit.roles._programs.collector.test_writer import DAY, Clock, record

Mount = Callable[[Path, str], None]
Make = Callable[..., Path]


def idle(_path: Path) -> bool:
    return False


@pytest.fixture
def mount() -> Iterator[Mount]:
    """Small file systems in memory."""
    if os.geteuid() != 0:
        pytest.skip("NOT TESTED: a full disk needs root")
    mounted: list[Path] = []

    def make(place: Path, size: str) -> None:
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place], capture_output=True)
        if done.returncode != 0:
            pytest.skip("NOT TESTED: a full disk needs a mount, which is not allowed here")
        mounted.append(place)

    yield make
    for place in mounted:
        subprocess.run(["umount", "-l", place], check=True)


def fill(place: Path) -> Path:
    """Somebody else takes all that is left."""
    ballast = place / "ballast"
    with open(ballast, "wb", buffering=0) as stream:
        for block in (1 << 16, 4096, 1):
            try:
                while stream.write(b"\0" * block):
                    pass
            except OSError:
                continue
    assert os.statvfs(place).f_bavail == 0
    return ballast


def test_a_full_disk_does_not_keep_days_from_being_closed(settings: Settings, mount: Mount, day: Make) -> None:
    archive = Path(settings.archive)
    mount(archive, "8m")
    writer, clock = Writer(settings, Clock()), Clock()
    assert disk(settings, NOW)["reserve"]
    for name in ("2026-11-21", "2026-11-22"):
        day(name, range(3000))
    close.close_days(replace(settings, grace_seconds=0), NOW - DAY, idle)
    assert [answer(writer, record(entry(number))) for number in range(5)] == [b"OK\n"] * 5
    ballast = fill(archive)
    assert answer(writer, record(entry(6, text="x" * 9000))).startswith(b"Error")
    with room.released(settings):
        results = close.close_days(settings, NOW, idle)
    assert [one["result"] for one in results] == ["closed"]
    assert [one for one in check.verify(settings, NOW)["problems"] if one["file"] != "ballast"] == []
    ballast.unlink()
    assert disk(settings, NOW)["reserve"]
    clock.now += 2
    assert answer(writer, record(entry(6, text="x" * 9000))) == b"OK\n"
    writer.close()
    assert check.verify(settings, NOW)["problems"] == []
    close.close_days(settings, NOW + DAY, idle)
    assert check.verify(settings, NOW + DAY)["problems"] == []


def test_lines_do_not_take_the_room_that_was_given_free(settings: Settings, mount: Mount) -> None:
    archive = Path(settings.archive)
    mount(archive, "8m")
    assert room.keep(settings)
    writer = Writer(settings, Clock())
    ballast = fill(archive)
    with room.released(settings):
        assert room.free(settings) >= room.wanted(settings) > 0
        with open(ballast, "ab") as stream:
            stream.write(b"\0" * 8192)
        assert answer(writer, record(entry(1))).startswith(b"Error: what is free is kept")
    writer.close()
    assert not disk(settings, NOW)["reserve"]
    assert disk(settings, NOW)["state"] == "critical"


def test_a_day_that_cannot_be_packed_is_no_tampering(settings: Settings, mount: Mount) -> None:
    archive = Path(settings.archive)
    mount(archive, "8m")
    path = archive / "pve1/journal/2026-11-22.log"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"\n".join(os.urandom(50).hex().encode() for _ in range(20_000)))
    path.chmod(0o640)
    content = path.read_bytes()
    ballast = fill(archive)
    (result,) = close.close_days(settings, NOW, idle)
    assert result["result"] == "failed" and "No space left" in result["message"]
    assert [one for one in check.verify(settings, NOW)["problems"] if one["file"] != "ballast"] == []
    ballast.unlink()
    (result,) = close.close_days(settings, NOW, idle)
    assert (result["result"], result["lines"]) == ("closed", content.count(b"\n") + 1)
    assert check.verify(settings, NOW)["problems"] == []


def test_a_full_disk_of_the_state_is_no_tampering(settings: Settings, mount: Mount, day: Make) -> None:
    mount(Path(settings.state), "64k")
    for source in ("a", "b", "c", "d"):
        day("2026-11-22", source=source)
    ballast = fill(Path(settings.state))
    assert {one["result"] for one in close.close_days(settings, NOW, idle)} == {"failed"}
    assert check.verify(settings, NOW)["problems"] == []
    ballast.unlink()
    assert {one["result"] for one in close.close_days(settings, NOW, idle)} == {"closed"}
    assert check.verify(settings, NOW)["ok"]
