# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The disk guard: levels, sentences, and the reserve that comes and goes once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pve_audit import disk_guard as guard

MIB = 1024 * 1024
# Free percent, percent of inodes, level.
LEVELS = [(50, 50, 6), (20, 100, 6), (19.9, 100, 4), (100, 15, 4), (9.9, 100, 2), (100, 0, 2), (10, 10, 4)]
# Size there is, level, free MiB of 1000, whether it is there then.
RESERVE = [
    (0, 6, 500, True),
    (0, 6, 205, False),  # with it there would be a warning
    (0, 4, 150, False),
    (0, 2, 50, False),
    (8, 6, 500, True),
    (8, 4, 150, True),
    (8, 2, 50, False),
    (3, 6, 500, True),  # another size is wanted now
]


@pytest.mark.parametrize(("free", "inodes", "level"), LEVELS)
def test_level(free: float, inodes: float, level: int) -> None:
    found, sentences = guard.assess([guard.Room("/var/log", 7 * MIB, free, inodes)], 20, 10)
    assert found == level
    assert bool(sentences) is (level < 6)
    assert all(("NO ROOM" in text) is (level == 2) for text in sentences)


@pytest.mark.parametrize(("there", "level", "free", "after"), RESERVE)
def test_reserve(tmp_path: Path, there: int, level: int, free: int, after: bool) -> None:
    file = tmp_path / "log" / "reserve"
    if there:
        file.parent.mkdir()
        file.write_bytes(b"\0" * there * MIB)
    said = guard.keep_reserve(file, 8 * MIB, level, free * MIB, 1000 * MIB, 20)
    assert file.exists() is after
    assert not after or file.stat().st_size == 8 * MIB
    assert (said is not None) is (there > 0 and level == 2)


@pytest.mark.parametrize(("fail", "status"), [("0", 0), ("100.1", 1)])
def test_status_of_the_service(tmp_path: Path, capsys: pytest.CaptureFixture[str], fail: str, status: int) -> None:
    options = ["--warn-percent", fail, "--fail-percent", fail, "--reserve-mib", "1", "--reserve", str(tmp_path / "r")]
    arguments = [*options, "--status", str(tmp_path / "run" / "s"), str(tmp_path)]
    assert guard.main(arguments) == status
    assert json.loads((tmp_path / "run" / "s").read_text())["level"] == (2 if status else 6)
    assert capsys.readouterr().err.startswith("<2>NO ROOM") is bool(status)


def test_path_that_is_not_there_fails(tmp_path: Path) -> None:
    assert guard.main([str(tmp_path / "nothing")]) == 1
