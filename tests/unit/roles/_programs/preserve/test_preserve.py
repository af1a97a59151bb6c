# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The preservation of PVE's task ring, against a ring that turns as PVE turns it: renamed when it is over its limit."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pve_audit.preserve import cli, store
from pve_audit.preserve import ring as ring_module
from pve_audit.wire import format_seconds

NOW = 1_795_000_000.0


@pytest.fixture(autouse=True, scope="module")
def fast_disk() -> Iterator[None]:
    """Thousands of harvests do not need to outlive a power cut."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _handle: None)
        patch.setattr(os, "fdatasync", lambda _handle: None)
        yield


class Ring:
    """PVE's side: whole lines are appended under a lock, then the file is renamed when it is over its limit."""

    def __init__(self, root: Path, limit: int = 50_000) -> None:
        self.path = root / "ring"
        self.path.mkdir()
        self.limit = limit
        self.written: list[bytes] = []
        self.numbers = itertools.count()
        self.paths = store.TaskLogPaths(self.path, root / "archive", root / "state" / "s.json", None, 1000, limit)
        for folder in ("archive", "state"):
            (root / folder).mkdir()

    def line(self, status: str = "OK", kind: str = "good") -> bytes:
        number = next(self.numbers)
        upid = f"UPID:pve1:{number:08X}:00000001:{0x6B000000 + number:08X}:qmstart:{number}:root@pam:"
        texts = {
            "good": f"{upid} {0x6B000001 + number:08X} {status}",
            "corrupt": f"\x00\x00{number} no UPID at all \xff",
            "short": upid[: 20 + number % 30] + str(number),
        }
        return texts[kind].encode("latin-1")

    def append(self, *lines: bytes, rename: bool = True) -> None:
        index = self.path / "index"
        with index.open("ab") as stream:
            for line in lines:
                stream.write(line + b"\n")
                self.written.append(line)
        if rename:
            self.rename()

    def half(self, line: bytes) -> Callable[[], None]:
        """Write a part of a line; the returned function writes the rest."""
        with (self.path / "index").open("ab") as stream:
            stream.write(line[:9])

        def rest() -> None:
            with (self.path / "index").open("ab") as stream:
                stream.write(line[9:] + b"\n")
            self.written.append(line)
            self.rename()

        return rest

    def rename(self) -> None:
        index = self.path / "index"
        if index.exists() and index.stat().st_size > self.limit:
            index.rename(self.path / "index.1")

    def visible(self) -> list[bytes]:
        """All whole lines of the ring."""
        texts = [path.read_bytes() for path in (self.path / "index.1", self.path / "index") if path.exists()]
        return [line for text in texts for line in text.split(b"\n")[:-1]]

    def harvest(self, now: float = NOW) -> int:
        return store.harvest_once(self.paths, now)

    def archive(self) -> list[bytes]:
        return [
            line for path in sorted(self.paths.archive.glob("*.index")) for line in path.read_bytes().split(b"\n")[:-1]
        ]

    def gaps(self) -> list[dict[str, Any]]:
        file = self.paths.archive / "gaps.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def fill(self, count: int, harvest_every: int = 0) -> None:
        for number in range(count):
            self.append(self.line())
            if harvest_every and number % harvest_every == 0:
                self.harvest()


def test_real_limit_over_many_turns(tmp_path: Path) -> None:
    """3,000 lines pass a ring of 50,000 bytes; a harvest every 200 lines keeps each once."""
    ring = Ring(tmp_path)
    ring.fill(3000, harvest_every=200)
    ring.harvest()
    assert (ring.path / "index.1").stat().st_size > 50_000
    assert ring.archive() == ring.written
    assert ring.gaps() == []
    assert ring.harvest() == 0


def test_two_turns_between_two_harvests_are_a_certain_gap(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ring = Ring(tmp_path)
    ring.fill(10, harvest_every=1)
    ring.fill(1500)
    first = ring.visible()[0]
    ring.harvest()
    (gap,) = ring.gaps()
    assert (gap["kind"], gap["certain"]) == ("turned", True)
    assert gap["after"].encode() == ring.written[9]
    assert gap["before"].encode() == first
    ends = [format_seconds(int(line.split()[1], 16)) for line in (ring.written[9], first)]
    assert [gap["from"], gap["until"]] == ends
    assert capsys.readouterr().err.startswith("<2>the ring turned faster than the harvest")
    assert ring.archive() == [*ring.written[:10], *ring.visible()]
    assert ring.harvest() == 0
    assert len(ring.gaps()) == 1


def test_partial_last_line_waits_for_its_end(tmp_path: Path) -> None:
    ring = Ring(tmp_path)
    ring.append(ring.line())
    rest = ring.half(ring.line())
    assert ring.harvest() == 1
    assert ring.harvest() == 0
    rest()
    assert ring.harvest() == 1
    assert ring.archive() == ring.written


def test_partial_last_line_of_a_finished_file_is_kept(tmp_path: Path) -> None:
    ring = Ring(tmp_path)
    (ring.path / "index.1").write_bytes(b"one\ntwo")
    assert ring.harvest() == 2
    assert ring.harvest() == 0
    assert ring.archive() == [b"one", b"two"]


@pytest.mark.parametrize("kind", ["corrupt", "short"])
def test_corrupt_lines_are_kept_as_they_are(tmp_path: Path, kind: str) -> None:
    ring = Ring(tmp_path)
    ring.append(ring.line(), ring.line(kind=kind), b"", b"  ", ring.line())
    ring.harvest()
    assert ring.archive() == ring.written


def test_ring_restored_with_other_inodes_is_recognised(tmp_path: Path) -> None:
    ring = Ring(tmp_path)
    ring.fill(1000)
    ring.harvest()
    for name in ("index", "index.1"):
        data = (ring.path / name).read_bytes()
        (ring.path / name).unlink()
        (tmp_path / "other").write_bytes(data)
        (tmp_path / "other").rename(ring.path / name)
    assert ring.harvest() == 0
    assert ring.gaps() == []


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"version": 9}'])
def test_lost_state_is_no_duplicate_and_no_gap(tmp_path: Path, damage: str) -> None:
    ring = Ring(tmp_path)
    ring.fill(700, harvest_every=100)
    ring.harvest()
    ring.paths.state.write_text(damage)
    if not damage:
        ring.paths.state.unlink()
    ring.append(ring.line())
    assert ring.harvest() == 1
    assert ring.archive() == ring.written
    assert ring.gaps() == []


CONTROLS = [chr(code) for code in (*range(1, 10), *range(11, 32), 127, 0x85)]


@pytest.mark.parametrize("control", [*CONTROLS, "\r\r", "\r ", "\u2028"], ids=ascii)
def test_a_status_with_a_control_character_is_kept_once_when_the_state_was_lost(tmp_path: Path, control: str) -> None:
    ring = Ring(tmp_path)
    for where in (f"{control}a", f"a{control}b", f"b{control}"):
        ring.append(ring.line().replace(b"OK", where.encode()))
        ring.harvest()
    ring.paths.state.unlink()
    ring.append(ring.line())
    ring.harvest()
    assert ring.archive() == ring.written
    assert ring.gaps() == []


def test_lost_state_and_a_turned_ring_is_a_gap(tmp_path: Path) -> None:
    ring = Ring(tmp_path)
    ring.fill(10, harvest_every=1)
    ring.paths.state.unlink()
    ring.fill(1500)
    ring.harvest()
    assert [(gap["kind"], gap["certain"]) for gap in ring.gaps()] == [("state_lost", False)]


def test_deleted_line_is_reported_and_nothing_is_doubled(tmp_path: Path) -> None:
    ring = Ring(tmp_path)
    ring.fill(20)
    ring.harvest()
    index = ring.path / "index"
    lines = index.read_bytes().splitlines(keepends=True)
    index.write_bytes(b"".join(lines[:7] + lines[8:]))
    ring.append(ring.line())
    ring.harvest()
    assert ring.archive() == ring.written
    assert [gap["kind"] for gap in ring.gaps()] == ["rewritten"]


def test_removed_index_is_reported(tmp_path: Path) -> None:
    ring = Ring(tmp_path)
    ring.fill(20)
    ring.harvest()
    (ring.path / "index").unlink()
    assert ring.harvest() == 0
    ring.append(ring.line())
    ring.harvest()
    assert ring.archive() == ring.written
    assert [(gap["kind"], gap["certain"]) for gap in ring.gaps()] == [("removed", False)]


def test_link_instead_of_the_index_is_refused(tmp_path: Path) -> None:
    ring = Ring(tmp_path)
    secret = tmp_path / "secret"
    secret.write_text("root:hash\n")
    (ring.path / "index").symlink_to(secret)
    with pytest.raises(OSError):
        ring.harvest()
    assert ring.archive() == []


def test_rename_while_reading_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rename happens between the opening of index.1 and of index, again and again."""
    ring = Ring(tmp_path, 500)
    ring.fill(6)
    real, left = ring_module._open, [3]

    def rename_first(stack: Any, path: Path) -> Any:
        if path.name == "index" and left[0]:
            left[0] -= 1
            ring.append(*[ring.line() for _ in range(1)])
            while (ring.path / "index").exists():
                ring.append(ring.line())
        return real(stack, path)

    monkeypatch.setattr(ring_module, "_open", rename_first)
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)
    visible_before = list(ring.visible())
    ring.harvest()
    assert ring.archive() == ring.visible()
    assert visible_before != ring.visible()


def text_file(ring: Ring, line: bytes, text: bytes) -> None:
    upid = line.split()[0].decode()
    shelf = ring.path / upid.split(":")[4][-1]
    shelf.mkdir(exist_ok=True)
    (shelf / upid).write_bytes(text)


def test_texts_are_copied_once_and_survive_pveupdate(tmp_path: Path) -> None:
    ring = Ring(tmp_path)
    for number in range(5):
        line = ring.line()
        if number != 3:
            text_file(ring, line, f"text {number}\nTASK OK\n".encode() if number != 4 else b"x" * 2000)
        ring.append(line)
    ring.harvest()
    for shelf in ring.path.iterdir():
        if shelf.is_dir():
            for text in shelf.iterdir():
                text.unlink()
    ring.append(ring.line())
    ring.harvest()
    day = ring.paths.archive / "2026-11-18"
    names = sorted(path.name for path in day.iterdir())
    assert names == sorted(ring.written[number].split()[0].decode() for number in (0, 1, 2, 4))
    assert (day / names[0]).read_text() == "text 0\nTASK OK\n"
    assert (day / names[3]).read_bytes() == b"x" * 1000 + b"\n[pve-audit: cut here, 2000 bytes in all]\n"
    state = json.loads(ring.paths.state.read_text())
    assert (state["texts"], state["texts_missing"], state["lines"]) == (4, 2, 6)


def test_the_text_of_a_record_that_ran_into_another_is_kept(tmp_path: Path) -> None:
    ring = Ring(tmp_path)
    lines = [ring.line() for _number in range(4)]
    for line in lines:
        text_file(ring, line, b"TASK OK\n")
    cut, ended, nuls = lines[0][:40] + lines[1], lines[2], b"\0" * 9 + lines[3]
    ring.append(cut, ended[:-3] + nuls)
    ring.harvest()
    names = sorted(path.name for path in (ring.paths.archive / "2026-11-18").iterdir())
    assert names == sorted(line.split()[0].decode() for line in lines[1:] if line is not ended)


HOSTILE = [
    b"UPID:pve1:0:1:6B00000/:x::root@pam: 6B000001 OK",
    b"UPID:../../etc:0:1:6B000001:x::root@pam: 6B000001 OK",
    b"UPID:pve1:0:1::x::root@pam: 6B000001 OK",
    b"UPID:" + b"x" * 400 + b":0:1:6B000001:x::root@pam: 6B000001 OK",
    b"UPID: 6B000001 OK",
]


@pytest.mark.parametrize("line", HOSTILE)
def test_hostile_upid_reads_no_other_file(tmp_path: Path, line: bytes) -> None:
    ring = Ring(tmp_path)
    ring.append(line)
    assert ring.harvest() == 1
    assert ring.archive() == [line]
    assert [path for path in tmp_path.rglob("*") if path.is_file() and path.name.startswith("UPID")] == []


def test_retention_deletes_by_day_and_says_so(tmp_path: Path) -> None:
    ring = Ring(tmp_path)
    for day in range(5):
        ring.append(ring.line())
        ring.harvest(NOW + day * 86400)
    (ring.paths.archive / "notes.txt").write_text("mine")
    assert store.expire(ring.paths.archive, 0, NOW + 400 * 86400) == []
    assert store.expire(ring.paths.archive, 5, NOW + 400 * 86400) == []  # the clock alone deletes nothing
    gone = store.expire(ring.paths.archive, 2, NOW + 4 * 86400)
    assert gone == ["2026-11-18", "2026-11-18.index", "2026-11-19", "2026-11-19.index"]
    assert sorted(path.name for path in ring.paths.archive.glob("*.index")) == [
        f"2026-11-{d}.index" for d in (20, 21, 22)
    ]
    assert (ring.paths.archive / "notes.txt").exists()


class Crash(Exception):
    """The power went away."""


def crash_after(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the count-th system call that changes something fail, some writes half done."""
    left = [count]
    real_write, real_rename, real_move = os.write, Path.rename, os.rename

    def tick() -> None:
        left[0] -= 1
        if left[0] < 0:
            raise Crash

    def write(handle: int, data: bytes) -> int:
        left[0] -= 1
        if left[0] == -1:
            real_write(handle, data[: len(data) // 2])
        if left[0] < 0:
            raise Crash
        return real_write(handle, data)

    def rename(path: Path, target: Any) -> Path:
        tick()
        return real_rename(path, target)

    def move(source: Path, target: Path) -> None:
        tick()
        real_move(source, target)

    monkeypatch.setattr(os, "write", write)
    monkeypatch.setattr(Path, "rename", rename)
    monkeypatch.setattr(os, "rename", move)


ACTIONS = st.one_of(
    st.tuples(st.just("append"), st.integers(1, 6)),
    st.tuples(st.just("stall"), st.integers(1, 6)),  # the harvest sees it between the append and the rename
    st.tuples(st.just("corrupt"), st.sampled_from(["corrupt", "short"])),
    st.tuples(st.just("half"), st.just(0)),
    st.tuples(st.just("harvest"), st.just(0)),
    st.tuples(st.just("crash"), st.integers(0, 4)),
)


@settings(max_examples=600, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(ACTIONS, min_size=5, max_size=50))
def test_any_interleaving_keeps_each_seen_line_once(actions: list[tuple[str, Any]]) -> None:
    """The oracle knows what PVE wrote and what a harvest that came to its end could see."""
    with tempfile.TemporaryDirectory() as place:
        ring = Ring(Path(place), 400)
        seen: set[bytes] = set()
        rest: Callable[[], None] | None = None
        for action, value in [*actions, ("finish", 0), ("harvest", 0)]:
            if rest and action != "harvest" and action != "crash":
                rest()
                rest = None
            if action not in ("harvest", "crash"):
                ring.rename()
            if action == "stall":
                ring.append(*[ring.line() for _ in range(value)], rename=False)
            elif action == "append":
                ring.append(*[ring.line() for _ in range(value)])  # PVE writes all that ended at once
            elif action == "corrupt":
                ring.append(ring.line(kind=value))
            elif action == "half":
                rest = ring.half(ring.line())
            elif action == "crash":
                with pytest.MonkeyPatch.context() as patch:
                    crash_after(value, patch)
                    with contextlib.suppress(Crash):
                        ring.harvest()
            elif action == "harvest":
                ring.harvest()
                seen.update(ring.visible())
                check(ring, seen)


def check(ring: Ring, seen: set[bytes]) -> None:
    archive = ring.archive()
    assert len(archive) == len(set(archive)), "a line is there twice"
    assert seen <= set(archive), "a line that was seen is missing"
    places = [ring.written.index(line) for line in archive]
    assert places == sorted(places), "the order is not PVE's"
    missing = sum(1 for left, right in itertools.pairwise(places) if right != left + 1)
    gaps = ring.gaps()
    assert missing <= len(gaps), "a gap was not reported"
    assert sum(gap["certain"] for gap in gaps) <= missing, "a certain gap that is none"
    assert {gap["kind"] for gap in gaps} <= {"turned"}
    befores = {gap["before"] for gap in gaps}
    for left, right in itertools.pairwise(places):
        if right != left + 1:
            assert archive[places.index(right)].decode("utf-8", "replace") in befores, "the gap is elsewhere"


def test_service_run_end_to_end(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The program as the unit starts it."""
    ring = Ring(tmp_path)
    ring.fill(3)
    argv = [
        "--ring",
        ring.path,
        "--archive",
        tmp_path / "a" / "b",
        "--state",
        tmp_path / "s" / "s",
        "--status",
        tmp_path / "r",
    ]
    for expected in ("3", "0"):
        assert cli.main([*map(str, argv)]) == 0, capfd.readouterr().err
        assert re.search(rf'"new": {expected}\b', (tmp_path / "r").read_text())
    assert len(list((tmp_path / "a" / "b").glob("*.index"))) == 1
