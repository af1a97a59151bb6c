# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The writer: where lines go, and that an error is told instead of swallowed."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pve_audit.collector.settings import Settings, parse
from pve_audit.collector.writer import Writer, answer
from pve_audit.settings_file import SettingsError
from tests.unit.roles._programs.collector.conftest import LINE, NOW, entry

DAY = 86400


class Clock:
    now = NOW

    def __call__(self) -> float:
        return self.now


def record(raw: bytes, listener: str = "relp-pve1") -> bytes:
    text = raw.decode("utf-8", "surrogateescape")
    data = {"input": listener, "address": "198.51.100.7", "raw": text}
    return json.dumps(data, ensure_ascii=False).encode("utf-8", "surrogateescape")


def files(settings: Settings) -> dict[str, bytes]:
    root = Path(settings.archive)
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_a_file_for_each_node_source_and_day(settings: Settings) -> None:
    clock = Clock()
    writer = Writer(settings, clock)
    assert answer(writer, record(entry(1))) == b"OK\n"
    assert answer(writer, record(entry(1, "pve2"), "relp-pve2")) == b"OK\n"
    clock.now += DAY
    assert answer(writer, record(entry(2) + b" \xff\xe4")) == b"OK\n"
    writer.close()
    assert files(settings) == {
        "pve1/journal/2026-11-23.log": entry(1) + b"\n",
        "pve2/journal/2026-11-23.log": entry(1, "pve2") + b"\n",
        "pve1/journal/2026-11-24.log": entry(2) + b" \xff\xe4\n",
    }
    assert Path(settings.archive, "pve1/journal/2026-11-23.log").stat().st_mode & 0o777 in (0o640, 0o600)


@pytest.mark.parametrize("listener", ["relp-pve2", "relp-pve9", ""])
def test_a_spoofed_node_gets_nothing_into_the_archive(settings: Settings, listener: str) -> None:
    told: list[str] = []
    writer = Writer(settings, Clock(), told.append)
    assert answer(writer, record(entry(1), listener)) == b"OK\n"
    writer.idle()
    writer.close()
    assert files(settings) == {}
    note = json.loads(Path(settings.rejected, "2026-11-23.jsonl").read_text())
    assert (note["address"], note["listener"]) == ("198.51.100.7", listener)
    assert note["peer"] == settings.listeners.get(listener, "")
    assert len(told) == 1 and "198.51.100.7" in told[0]


def test_rejected_lines_have_a_limit(settings: Settings) -> None:
    writer = Writer(replace(settings, rejected_max_bytes=2000), Clock(), lambda _text: None)
    for _ in range(100):
        assert answer(writer, record(entry(1), "relp-pve2")) == b"OK\n"
    writer.close()
    assert Path(settings.rejected, "2026-11-23.jsonl").stat().st_size < 3000


def test_a_node_cannot_make_directories_without_end(settings: Settings) -> None:
    writer = Writer(replace(settings, max_sources=3), Clock())
    for number in range(10):
        line = LINE.format(node="pve1", source=f"s{number}", more="", text="x").encode()
        assert answer(writer, record(line)) == b"OK\n"
    writer.close()
    assert sorted(path.name for path in Path(settings.archive, "pve1").iterdir()) == ["other", "s0", "s1", "s2"]


def test_open_files_have_a_limit(settings: Settings) -> None:
    writer = Writer(replace(settings, max_open_files=2), Clock())
    before = len(os.listdir("/proc/self/fd"))
    for number in range(60):
        line = LINE.format(node="pve1", source=f"s{number % 20}", more="", text=str(number)).encode()
        assert answer(writer, record(line)) == b"OK\n"
    assert len(os.listdir("/proc/self/fd")) <= before + 2
    writer.close()
    assert sum(content.count(b"\n") for content in files(settings).values()) == 60


def test_an_error_is_told_and_a_torn_line_stays_apart(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = Writer(settings, Clock())
    assert answer(writer, record(entry(1))) == b"OK\n"
    real = os.write

    def full(handle: int, data: Any) -> int:
        if len(data) > 30:
            return real(handle, data[:30])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(
            os,
            "write",
            lambda handle, data: full(handle, data) if len(data) != len(entry(2)) - 29 else full(handle, b""),
        )
        assert answer(writer, record(entry(2))).startswith(b"Error")
    assert answer(writer, record(entry(2))) == b"OK\n"
    writer.close()
    lines = files(settings)["pve1/journal/2026-11-23.log"].split(b"\n")
    assert lines == [entry(1), entry(2)[:30], entry(2), b""]


def test_a_line_that_a_crash_tore_stays_apart(settings: Settings) -> None:
    path = Path(settings.archive, "pve1/journal/2026-11-23.log")
    path.parent.mkdir(parents=True)
    path.write_bytes(entry(1) + b"\n" + entry(2)[:20])
    writer = Writer(settings, Clock())
    answer(writer, record(entry(2)))
    writer.close()
    assert path.read_bytes().split(b"\n") == [entry(1), entry(2)[:20], entry(2), b""]


def test_a_link_is_not_followed(settings: Settings, tmp_path: Path) -> None:
    path = Path(settings.archive, "pve1/journal/2026-11-23.log")
    path.parent.mkdir(parents=True)
    path.symlink_to(tmp_path / "elsewhere")
    assert answer(Writer(settings, Clock()), record(entry(1))).startswith(b"Error")
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"listeners": {"relp-x": "../x"}}, "names of directories"),
        ({"compression": "none"}, "gzip or xz"),
        ({"retention_days": 30}, "minimum"),
        ({"silence_minutes": 0}, "silence_minutes"),
        ({"silence_sources": [1]}, "silence_sources"),
        ({"silence_sources": {"journal": "60"}}, "silence_sources"),
        ({"typo": 1}, "typo"),
    ],
)
def test_wrong_settings_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        parse({"archive": "/a", "state": "/s", "rejected": "/r", **change})
