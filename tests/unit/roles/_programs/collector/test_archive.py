# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Closing, verifying and deleting: crashes at every step, and tampering in every field."""

from __future__ import annotations

import gzip
import json
import lzma
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pve_audit import files
from pve_audit.collector import check, close, manifest
from pve_audit.collector.attributes import get_attribute, set_attribute
from pve_audit.collector.settings import Settings
from pve_audit.collector.store import day_files, open_text
from tests.unit.roles._programs.collector.conftest import LINE, NOW, entry

Make = Callable[..., Path]
DAY = 86400


def idle(_path: Path) -> bool:
    return False


def lines_of(settings: Settings) -> list[bytes]:
    """All lines of the archive, in whatever file they are."""
    found = []
    for file in day_files(Path(settings.archive)):
        with open_text(file.path) as stream:
            found += stream.readlines()
    return sorted(found)


@pytest.mark.parametrize(("compression", "opener"), [("gzip", gzip.open), ("xz", lzma.open)])
def test_a_past_day_is_sealed(settings: Settings, day: Make, compression: str, opener: Any) -> None:
    settings = replace(settings, compression=compression)
    path, today = day("2026-11-22"), day("2026-11-23")
    content = path.read_bytes()
    (result,) = close.close_days(settings, NOW, idle)
    assert (result["result"], result["lines"]) == ("closed", 3)
    packed = Path(settings.archive) / result["file"]
    assert opener(packed).read() == content
    assert packed.stat().st_mode & 0o777 == 0o440
    assert not path.exists() and today.exists()
    (made,), problems = manifest.read_entries(settings.manifest)
    assert not problems
    assert (made["node"], made["source"], made["day"], made["bytes"]) == ("pve1", "journal", "2026-11-22", len(content))
    assert made["first"].startswith("s=aa;i=1;") and made["last"].startswith("s=aa;i=3;")
    assert check.verify(settings, NOW)["ok"]
    assert close.close_days(settings, NOW, idle) == []


def test_a_day_that_is_written_to_waits(settings: Settings, day: Make) -> None:
    path = day("2026-11-22")
    with open(path, "ab"):
        (result,) = close.close_days(settings, NOW, close.open_for_writing)
    assert result["result"] == "busy"
    assert path.exists()
    assert close.close_days(settings, NOW, close.open_for_writing)[0]["result"] == "closed"


def test_the_grace_period_holds(settings: Settings, day: Make) -> None:
    day("2026-11-22")
    midnight = NOW - NOW % DAY
    assert close.close_days(settings, midnight + settings.grace_seconds - 1, idle) == []
    assert len(close.close_days(settings, midnight + settings.grace_seconds, idle)) == 1


def test_lines_after_closing_are_a_part_of_their_own(settings: Settings, day: Make) -> None:
    for _ in range(3):
        day("2026-11-22")
        close.close_days(settings, NOW, idle)
    names = sorted(path.name for path in Path(settings.archive, "pve1/journal").iterdir())
    assert names == ["2026-11-22.log.gz", "2026-11-22.part2.log.gz", "2026-11-22.part3.log.gz"]
    assert check.verify(settings, NOW)["ok"]


class Crash(BaseException):
    """The power is cut."""


STEPS: list[tuple[Any, str]] = [
    (os, "rename"),
    (os, "unlink"),
    (os, "fsync"),
    (os, "open"),
    (os, "write"),
    (gzip.GzipFile, "write"),
    (lzma.LZMAFile, "write"),
    (close, "set_attribute"),
    (manifest, "set_attribute"),
    (close, "measure"),
    (close, "hash_file"),
    (manifest.Manifest, "append"),
    (manifest, "write_atomic"),
    (files, "sync_directory"),
]


@pytest.mark.parametrize("compression", [("gzip", "gzip"), ("xz", "gzip")], ids=["same", "new-setting"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_kill_at_any_step_loses_nothing_and_is_no_tampering(
    settings: Settings, day: Make, after: bool, compression: tuple[str, str]
) -> None:
    first, second = (replace(settings, compression=one) for one in compression)
    for step in range(90):
        name = f"2026-{1 + step // 28:02d}-{1 + step % 28:02d}"
        day(name, range(step * 10, step * 10 + 5))
        before = lines_of(settings)
        killed = _kill_at(step, after, lambda: close.close_days(first, NOW, idle))
        assert check.verify(settings, NOW)["problems"] == [], step
        assert set(lines_of(settings)) >= set(before)
        close.close_days(second, NOW, idle)
        assert close.close_days(second, NOW, idle) == []
        assert lines_of(settings) == before
        result = check.verify(settings, NOW)
        assert (result["problems"], result["files"]) == ([], step + 1), step
        assert not list(Path(settings.archive).rglob(".*"))
        if not killed:
            return
    pytest.fail("the steps never ended")


def _kill_at(step: int, after: bool, run: Callable[[], Any]) -> bool:
    """Run it in a process that kills itself at the call number `step` of any of STEPS; whether it came so far."""
    child = os.fork()
    if child:
        return os.WIFSIGNALED(os.waitpid(child, 0)[1])
    left = [step]

    def wrap(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            left[0] -= 1
            if left[0] == -1 and not after:
                os.kill(os.getpid(), signal.SIGKILL)
            result = real(*args, **kwargs)
            if left[0] == -1:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return call

    try:
        for module, name in STEPS:
            setattr(module, name, wrap(getattr(module, name)))
        run()
    finally:
        os._exit(0)


def test_a_full_disk_while_packing_leaves_no_litter(
    settings: Settings, day: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    day("2026-11-22")
    before = lines_of(settings)

    def full(*_: Any) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(gzip.GzipFile, "write", full)
        (result,) = close.close_days(settings, NOW, idle)
    assert result["result"] == "failed" and "No space left" in result["message"]
    assert check.verify(settings, NOW)["problems"] == []
    assert lines_of(settings) == before
    assert close.close_days(settings, NOW, idle)[0]["result"] == "closed"


@pytest.mark.parametrize("left", [".2026-11-22.log.gz.new", "2026-11-22.log.gz"])
def test_what_no_closing_left_is_still_reported(settings: Settings, day: Make, left: str) -> None:
    path = day("2026-11-23").with_name(left)
    path.write_bytes(gzip.compress(b"forged\n"))
    assert [Path(one["file"]).name for one in check.verify(settings, NOW)["problems"]] == [left]


def test_hostile_places_are_capped_and_the_manifest_is_read_once(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = LINE.format(node="pve1", source="journal", more=f' cursor="{"9" * 65000}"', text="x").encode() + b"\n"
    for number in range(20):
        path = Path(settings.archive, "pve1", f"s{number}", "2026-11-22.log")
        path.parent.mkdir(parents=True)
        path.write_bytes(long * 3)
    read: list[Path] = []
    real = manifest.read_entries

    def read_entries(path: Path) -> Any:
        read.append(path)
        return real(path)

    monkeypatch.setattr(manifest, "read_entries", read_entries)
    assert {one["result"] for one in close.close_days(settings, NOW, idle)} == {"closed"}
    assert read == [settings.manifest]
    assert settings.manifest.stat().st_size < 20 * 1500
    assert check.verify(settings, NOW)["ok"]


def test_an_entry_of_a_former_version_with_a_long_place_is_no_tampering(
    settings: Settings, day: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = day("2026-11-22")
    path.write_bytes(LINE.format(node="pve1", source="x", more=f' cursor="{"9" * 999}"', text="x").encode() + b"\n")
    with monkeypatch.context() as patch:
        patch.setattr(close, "LONGEST_PLACE", 10_000)
        close.close_days(settings, NOW, idle)
    assert settings.manifest.stat().st_size > 1999
    assert check.verify(settings, NOW)["ok"]


def test_an_entry_that_was_torn_by_a_crash_is_removed(settings: Settings, day: Make) -> None:
    day("2026-11-21")
    close.close_days(settings, NOW, idle)
    set_attribute(settings.manifest, "none")
    with open(settings.manifest, "ab") as stream:
        stream.write(b'{"number": 2, "kind": "clo')
    day("2026-11-22")
    close.close_days(settings, NOW, idle)
    assert check.verify(settings, NOW)["ok"]


@pytest.fixture
def closed(settings: Settings, day: Make) -> Settings:
    for name in ("2026-11-19", "2026-11-20", "2026-11-21"):
        day(name)
    close.close_days(settings, NOW, idle)
    assert check.verify(settings, NOW)["ok"]
    return settings


FIELDS = (
    "bytes day file file_bytes file_sha256 first hash immutable kind last lines node number previous sha256 source time"
)


@pytest.mark.parametrize("change", ["other", "absent"])
@pytest.mark.parametrize("field", FIELDS.split())
def test_a_change_of_any_field_is_found(closed: Settings, field: str, change: str) -> None:
    lines = closed.manifest.read_bytes().splitlines()
    entry_ = json.loads(lines[1])
    assert set(entry_) == set(FIELDS.split())
    if change == "absent":
        del entry_[field]
    else:
        value = entry_[field]
        entry_[field] = value + 1 if isinstance(value, int) else str(value)[::-1] + "0"
    rewrite(closed, [lines[0], json.dumps(entry_).encode(), lines[2]])
    assert not check.verify(closed, NOW)["ok"]


@pytest.mark.parametrize("order", [(0, 2), (0, 1), (1, 2), (1, 0, 2), (0, 1, 1, 2), ()])
def test_entries_that_are_missing_or_moved_are_found(closed: Settings, order: tuple[int, ...]) -> None:
    lines = closed.manifest.read_bytes().splitlines()
    rewrite(closed, [lines[number] for number in order])
    assert not check.verify(closed, NOW)["ok"]


def test_an_entry_with_a_new_hash_is_found_by_the_next_or_the_head(closed: Settings) -> None:
    for number in (0, 2):
        lines = closed.manifest.read_bytes().splitlines()
        entry_ = json.loads(lines[number])
        entry_["lines"] += 1
        entry_["hash"] = manifest.hash_entry(entry_)
        kept = lines[number]
        lines[number] = json.dumps(entry_).encode()
        rewrite(closed, lines)
        assert not check.verify(closed, NOW, quick=True)["ok"]
        lines[number] = kept
        rewrite(closed, lines)
    assert check.verify(closed, NOW)["ok"]


def rewrite(settings: Settings, lines: list[bytes]) -> None:
    set_attribute(settings.manifest, "none")
    settings.manifest.write_bytes(b"".join(line + b"\n" for line in lines))


def packed_file(settings: Settings) -> Path:
    path = Path(settings.archive, "pve1/journal/2026-11-20.log.gz")
    set_attribute(path, "none")
    path.chmod(0o640)
    return path


def change_byte(settings: Settings) -> None:
    path = packed_file(settings)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    set_attribute(path, "immutable")


def pack_again(settings: Settings) -> None:
    path = packed_file(settings)
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()), 1))
    set_attribute(path, "immutable")


def delete(settings: Settings) -> None:
    packed_file(settings).unlink()


def replace_by_link(settings: Settings) -> None:
    path = packed_file(settings)
    path.rename(Path(settings.state) / "moved")
    path.symlink_to(Path(settings.state) / "moved")


def write_beside(settings: Settings) -> None:
    Path(settings.archive, "pve1/journal/2026-11-18.log.gz").write_bytes(gzip.compress(b"forged\n"))


def write_stranger(settings: Settings) -> None:
    Path(settings.archive, "pve1/notes.txt").write_text("hello")


def open_to_all(settings: Settings) -> None:
    packed_file(settings).chmod(0o666)


@pytest.mark.parametrize(
    "tamper", [change_byte, pack_again, delete, replace_by_link, write_beside, write_stranger, open_to_all]
)
def test_a_change_of_the_files_is_found(closed: Settings, tamper: Callable[[Settings], None]) -> None:
    tamper(closed)
    result = check.verify(closed, NOW)
    assert not result["ok"]
    assert len({problem["file"] for problem in result["problems"]}) == 1


def supports_attributes(path: Path) -> bool:
    probe = path / "probe"
    probe.write_text("")
    supported = set_attribute(probe, "append") == "append"
    set_attribute(probe, "none")
    probe.unlink()
    return supported


def test_attributes_keep_even_root_from_changing(settings: Settings, day: Make, tmp_path: Path) -> None:
    if not supports_attributes(tmp_path):
        pytest.skip("needs root and a file system with attributes")
    path, today = day("2026-11-22"), day("2026-11-23")
    close.close_days(settings, NOW, idle)
    close.protect(settings)
    packed = path.with_name("2026-11-22.log.gz")
    assert (get_attribute(packed), get_attribute(today), get_attribute(settings.manifest)) == (
        "immutable",
        "append",
        "append",
    )
    for bad in (
        packed.unlink,
        today.unlink,
        lambda: packed.open("ab"),
        lambda: today.open("wb"),
        lambda: os.truncate(today, 0),
    ):
        with pytest.raises(PermissionError):
            bad()
    with open(today, "ab") as stream:
        stream.write(entry(4) + b"\n")
    assert check.verify(settings, NOW)["ok"]
    set_attribute(packed, "none")
    assert [one["message"] for one in check.verify(settings, NOW)["problems"]] == ["lost its immutable attribute"]
