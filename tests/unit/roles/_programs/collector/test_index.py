# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The index of an archive: the same answers from it, from one that is made again, and from all lines without it.

Archives grow, are closed and deleted by chance, and the index is kept, killed, and runs out of room in between.
"""

from __future__ import annotations

import gzip
import json
import lzma
import os
import resource
import signal
import sqlite3
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from pve_audit.collector import cli
from pve_audit.collector.index.database import IndexFault, index_path
from pve_audit.collector.index.find import Answer, find, scan, verify
from pve_audit.collector.index.keep import keep
from pve_audit.collector.index.lines import context_of, kind_of, may_matter, read_line
from pve_audit.collector.index.table import Question
from pve_audit.collector.settings import Settings
from pve_audit.collector.store import read_name
from pve_audit.wire import Message, encode

INDEX = os.path.join("collector", "index")
NODES = ("pve1", "pve2")
DAYS = ("2026-11-20", "2026-11-21", "2026-11-22")
START = 1_795_168_800  # 2026-11-20T10:00:00Z
_ACCESS = '{ip} - {user} [20/11/2026:10:00:{second:02} +0000] "{request} HTTP/1.1" {status} {length}'
_LONG = "/api2/json/nodes/pve1/qemu/110/agent/exec?command=" + "x" * 700

REQUESTS = [
    ("GET /api2/json/cluster/resources", 200),
    ("GET /api2/json/nodes/pve1/qemu/110/config", 403),
    ("GET /api2/extjs/access/users", 401),
    ("POST /api2/extjs/access/ticket", 200),
    ("DELETE /api2/json/nodes/pve1/qemu/110", 200),
    ("PUT /api2/extjs/nodes/pve2/qemu/111/config", 200),
    ("PUT /api2/json/access/users/alice@pve", 500),
    (f"POST {_LONG}", 200),
]
MESSAGES = [
    ("pvedaemon", "authentication failure; rhost=::ffff:192.0.2.7 user=alice@pve msg=no such user"),
    ("pvedaemon", "<root@pam> successful auth for user 'alice@pve'"),
    ("sudo", "bob : TTY=pts/0 ; PWD=/root ; USER=root ; COMMAND=/usr/sbin/qm destroy 110"),
    ("kernel", "nothing that anybody asks for"),
]
TASKS = ["UPID:{node}:00001000:00010000:{start:08X}:{kind}:{guest}:alice@pve!ci: {end:08X} OK"]
QUESTIONS = [
    Question(),
    Question(vmid=110),
    Question(user="alice@pve"),
    Question(user="alice@pve!ci", vmid=111),
    Question(object="alice@pve"),
    Question(address="192.0.2.7"),
    Question(vmid=110, since=(START + 2) * 1_000_000, until=(START + 4) * 1_000_000),
]


def access(place: int, request: int, user: int, second: int, node: str = "pve1") -> list[bytes]:
    """A line of access.log as it comes, in several parts when it is long."""
    text, status = REQUESTS[request]
    name = ("alice@pve", "alice@pve!ci", "-")[user]
    line = _ACCESS.format(ip="::ffff:192.0.2.7", user=name, second=second, request=text, status=status, length=60)
    where = {"file": "/var/log/pveproxy/access.log", "inode": "7", "fingerprint": "f", "offset": str(place)}
    return encode(Message(node, "access.log", line, (START + second) * 1_000_000, params=where), 700)


def task(place: int, kind: str, guest: int, second: int, node: str = "pve1") -> list[bytes]:
    """A line of the task index."""
    line = TASKS[0].format(node=node, kind=kind, guest=guest, start=START + second, end=START + second + 5)
    where = {"file": "/var/log/pve/tasks/index", "inode": "8", "fingerprint": "g", "offset": str(place)}
    return encode(Message(node, "tasks", line, (START + second) * 1_000_000, params=where), 8192)


def journal(place: int, message: int, second: int, node: str = "pve1") -> list[bytes]:
    """An entry of the journal."""
    app, text = MESSAGES[message]
    where = {"cursor": f"s=aa;i={place:x};b=bb;m=1;t=2;x=3", "pid": "9", "comm": app}
    return encode(Message(node, "journal", text, (START + second) * 1_000_000, app, "9", params=where), 8192)


def make_lines(kind: str, numbers: tuple[int, int, int, int], node: str) -> list[bytes]:
    """Few places, so that lines come twice, and equal ones from different places."""
    place, one, two, second = numbers
    if kind == "access.log":
        return access(place, one % len(REQUESTS), two % 3, second, node)
    if kind == "tasks":
        return task(place, ("qmdestroy", "qmstart")[one % 2], 110 + two % 2, second, node)
    return journal(place, one % len(MESSAGES), second, node)


SOURCES = ("access.log", "tasks", "journal")
BROKEN = [b"\xff\xfe\n", b"\n", b"<30>1 - - - - -\n", b'{"event": {"id": "x"}}\n', b"half a line"]
NUMBERS = st.tuples(*(st.integers(0, most) for most in (5, 7, 2, 5)))
# What happens: lines come (cut at a place), a day is closed or deleted, the index is kept, killed or out of room.
STEP = st.one_of(
    st.tuples(
        st.just("add"), st.sampled_from(NODES), st.sampled_from(SOURCES), st.sampled_from(DAYS),
        st.lists(NUMBERS, min_size=1, max_size=6), st.integers(0, 400),
    ),
    st.tuples(st.just("broken"), st.sampled_from(NODES), st.sampled_from(SOURCES), st.sampled_from(DAYS),
              st.sampled_from(BROKEN)),
    st.tuples(st.sampled_from(["seal", "close", "delete"]), st.integers(0, 20), st.sampled_from([".gz", ".xz"])),
    st.tuples(st.just("keep"), st.sampled_from([1, 2, 1000])),
    st.tuples(st.just("kill"), st.sampled_from([1, 2]), st.integers(1, 300)),
    st.tuples(st.just("full"), st.integers(1, 60)),
)  # fmt: skip


class World:
    """An archive and its collector, by hand."""

    def __init__(self, folder: Path) -> None:
        for name in ("archive", "state", "rejected"):
            (folder / name).mkdir()
        self.settings = Settings(str(folder / "archive"), str(folder / "state"), str(folder / "rejected"))
        self.cut: dict[Path, bytes] = {}

    def add(self, node: str, source: str, day: str, numbers: list[tuple[int, int, int, int]], at: int) -> None:
        """Lines come; the last one only as far as it was written."""
        found = (line + b"\n" for one in numbers for line in make_lines(source, one, node))
        self.write(node, source, day, b"".join(found), at)

    def write(self, node: str, source: str, day: str, content: bytes, at: int = 0) -> None:
        path = Path(self.settings.archive, node, source, f"{day}.log")
        path.parent.mkdir(parents=True, exist_ok=True)
        content = self.cut.pop(path, b"") + content
        keep_back = min(at, len(content) - content.rfind(b"\n", 0, -1) - 1)
        with open(path, "ab") as stream:
            stream.write(content[: len(content) - keep_back])
        self.cut[path] = content[len(content) - keep_back :]

    def files(self, kind: str) -> list[Path]:
        found = [read_name(path) for path in sorted(Path(self.settings.archive).glob("*/*/*"))]
        return [one.path for one in found if one and one.kind == kind]

    def seal(self, number: int, _ending: str) -> None:
        if found := self.files("open"):
            path = found[number % len(found)]
            with open(path, "ab") as stream:
                stream.write(self.cut.pop(path, b""))
            part = 1
            while any(path.with_name(self.stem(path, part) + end).exists() for end in (".gz", ".xz", ".closing")):
                part += 1
            path.rename(path.with_name(self.stem(path, part) + ".closing"))

    @staticmethod
    def stem(path: Path, part: int) -> str:
        return path.name if part == 1 else path.name.replace(".log", f".part{part}.log")

    def close(self, number: int, ending: str) -> None:
        if found := self.files("closing"):
            path = found[number % len(found)]
            pack = gzip.compress if ending == ".gz" else lzma.compress
            path.with_name(path.name.replace(".closing", ending)).write_bytes(pack(path.read_bytes()))
            path.unlink()

    def delete(self, number: int, _ending: str) -> None:
        if found := self.files("closed"):
            found[number % len(found)].unlink()

    def keep(self, batch: int) -> None:
        keep(self.settings, batch)

    def kill(self, batch: int, after: int) -> None:
        """A real process, dead at any moment."""
        self.in_child(batch, lambda: die_after(after))

    def full(self, kib: int) -> None:
        """No file may grow beyond this."""
        limit = index_size(self.settings) + kib * 1024
        self.in_child(1, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))

    def in_child(self, batch: int, prepare: Callable[[], None]) -> None:
        child = os.fork()
        if not child:
            try:
                prepare()
                keep(self.settings, batch)
            except OSError:
                os._exit(7)
            finally:
                os._exit(0)
        os.waitpid(child, 0)

    def broken(self, node: str, source: str, day: str, content: bytes) -> None:
        self.write(node, source, day, content)


def index_size(settings: Settings) -> int:
    path = index_path(settings)
    return path.stat().st_size if path.exists() else 0


def die_after(calls: int) -> None:
    """The process is killed when this many functions of the index were called."""
    left = iter(range(calls))

    def count(frame: FrameType, event: str, _argument: object) -> None:
        if event == "call" and INDEX in frame.f_code.co_filename and next(left, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(count)


def told(answer: Answer) -> list[dict[str, Any]]:
    return [one.told() for one in answer.found]


@given(st.lists(STEP, max_size=14))
@hypothesis_settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_same_answers_whatever_happened(steps: list[tuple[Any, ...]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        for name, *arguments in steps:
            getattr(world, name)(*arguments)
        lines = [scan(world.settings, question) for question in QUESTIONS]
        kept = [find(world.settings, question) for question in QUESTIONS]
        keep(world.settings, rebuild=True)
        again = [find(world.settings, question) for question in QUESTIONS]
        for one, two, three in zip(lines, kept, again, strict=True):
            assert told(one) == told(two) == told(three)
            assert one.unreadable == two.unreadable == three.unreadable
            assert not (one.incomplete or two.incomplete or three.incomplete)
        for answer in (*kept, *lines):
            verify(answer)
            assert all(one.verified for one in answer.found)


def test_a_world_with_everything_has_answers(tmp_path: Path) -> None:
    """So that the property above is not one of empty lists."""
    world = World(tmp_path)
    for source in SOURCES:
        every = [(place, one, 0, one % 6) for place, one in enumerate(range(8))]
        world.add("pve1", source, DAYS[0], every, 0)
    answers = [find(world.settings, question) for question in QUESTIONS]
    assert [len(one.found) for one in answers] == [19, 8, 17, 0, 1, 9, 4]
    kinds = {kind_of(one.event) for one in answers[0].found}
    assert kinds == {"login", "other", "refused", "task", "write"}


@given(st.integers(0, 7), st.binary(max_size=40), st.integers(0, 400), st.integers(0, 30))
def test_a_line_that_is_passed_over_tells_nothing(request_: int, hostile: bytes, at: int, gone: int) -> None:
    line = access(0, request_, 0, 1)[0]
    line = line[:at] + hostile + line[at + gone :]
    file = read_name(Path("/archive/pve1/access.log/2026-11-20.log"))
    assert file is not None
    assert may_matter(line) or {keys for _event, keys in read_line(line, context_of(file))} <= {None}


def test_lines_that_cannot_be_read_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    world = World(tmp_path)
    world.add("pve1", "access.log", DAYS[0], [(0, 0, 0, 0)], 0)
    world.write("pve1", "access.log", DAYS[0], BROKEN[2] + BROKEN[2])
    for words in (["find"], ["find", "--scan"]):
        status, text = run(world, capsys, *words, "--vmid", "7", "--json")
        (one,) = json.loads(text)["unreadable"]
        assert (status, one) == (0, {"file": "pve1/access.log/2026-11-20.log", "lines": 2, "first": 2})
    said = "pve1/access.log/2026-11-20.log: 2 lines cannot be read, the first is line 2: nobody knows what they say"
    assert run(world, capsys, "find", "--vmid", "7") == (0, f"{said}\n0 events, complete\n")


def test_most_reads_are_passed_over() -> None:
    assert [may_matter(access(0, one, 0, 1)[0]) for one in range(8)] == [False, *[True] * 7]


@pytest.fixture
def world(tmp_path: Path) -> World:
    """With three tasks of a guest in one closed day."""
    world = World(tmp_path)
    world.add("pve1", "tasks", DAYS[0], [(place, 0, 0, place) for place in range(3)], 0)
    world.seal(0, "")
    world.close(0, ".gz")
    return world


def run(world: World, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    path = Path(world.settings.state).parent / "collector.json"
    folders = {name: getattr(world.settings, name) for name in ("archive", "state", "rejected")}
    path.write_text(json.dumps(folders), encoding="utf-8")
    status = cli.main(["--config", str(path), *words])
    told = capsys.readouterr()
    return status, told.out + told.err


def test_commands(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(world, capsys, "index") == (0, "3 new lines were read, 1 files are in the index, 0 are gone\n")
    status, text = run(world, capsys, "find", "--vmid", "110", "--until", "2026-11-20 10:00:01", "--verify", "--json")
    answer = json.loads(text)
    assert (status, answer["complete"], len(answer["events"])) == (0, True, 2)
    assert answer["events"][0]["event"]["event"]["action"] == "guest.destroy"
    name = "pve1/tasks/2026-11-20.log.gz"
    place = {"node": "pve1", "source": "tasks", "file": name, "line": 1, "offset": 0}
    assert answer["events"][0] == answer["events"][0] | {"place": place, "verified": True}
    status, text = run(world, capsys, "find", "--user", "alice@pve")
    first = f"2026-11-20T10:00:00Z alice@pve!ci guest.destroy 110 success ({name}:1)"
    assert (status, text.splitlines()[0], text.splitlines()[-1]) == (0, first, "3 events, complete")
    assert run(world, capsys, "find", "--scan", "--user", "alice@pve") == (status, text)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--address", "pve1"], "--address: 'pve1' is no IP address"),
        (["--user", "alice"], "--user: 'alice' has no realm"),
    ],
)
def test_a_question_that_cannot_be_asked(
    world: World, capsys: pytest.CaptureFixture[str], words: list[str], says: str
) -> None:
    status, text = run(world, capsys, "find", *words)
    assert status == 2
    assert text.startswith(says)


def test_a_line_that_was_changed_is_found_by_verify(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    keep(world.settings)
    path = world.files("closed")[0]
    times = path.stat()
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()).replace(b"alice", b"mallo"), mtime=0))
    with sqlite3.connect(index_path(world.settings)) as index:  # somebody who knows how the index tells
        now = path.stat()
        index.execute("UPDATE files SET seen = ?", (f"{now.st_ino}:{now.st_size}:{now.st_mtime_ns}",))
    index.close()
    assert times.st_ino == path.stat().st_ino
    assert len(find(world.settings, Question(user="alice@pve")).found) == 3
    status, text = run(world, capsys, "find", "--user", "alice@pve", "--verify")
    assert status == 1
    assert text.count("but that line is another one now") == 3


@pytest.mark.parametrize("first", [0, 1, 2])
def test_a_file_that_was_changed_is_read_again(world: World, first: int) -> None:
    """Whether the change begins in its first line, or in its last."""
    keep(world.settings)
    path = world.files("closed")[0]
    lines = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
    changed = [line.replace(b"alice", b"mallo") for line in lines[first:]]
    path.write_bytes(gzip.compress(b"".join([*lines[:first], *changed])))
    found = [len(find(world.settings, Question(user=f"{one}@pve")).found) for one in ("alice", "mallo")]
    assert found == [first, 3 - first]


def test_a_line_whose_part_went_with_its_day_is_found_no_more(tmp_path: Path) -> None:
    world = World(tmp_path)
    parts = access(0, 7, 0, 1)
    for day, part in zip(DAYS, parts, strict=False):
        world.write("pve1", "access.log", day, part + b"\n")
    assert (len(parts), len(find(world.settings, QUESTIONS[1]).found)) == (2, 1)
    world.seal(0, "")
    world.close(0, ".gz")
    assert len(find(world.settings, QUESTIONS[1]).found) == 1
    world.delete(0, "")
    for answer in (find(world.settings, QUESTIONS[1]), scan(world.settings, QUESTIONS[1])):
        assert answer.found == []


@pytest.mark.parametrize("asked", [find, scan])
def test_a_damaged_file_makes_the_answer_incomplete(world: World, asked: Callable[..., Answer]) -> None:
    path = world.files("closed")[0]
    path.write_bytes(path.read_bytes()[:-9])
    answer = asked(world.settings, QUESTIONS[1])
    assert len(answer.found) == 3
    (said,) = answer.incomplete
    assert said.startswith("pve1/tasks/2026-11-20.log.gz cannot be read to its end: ")


def test_a_pipe_in_the_archive_is_not_waited_for(world: World) -> None:
    os.mkfifo(Path(world.settings.archive, "pve1", "tasks", "2026-11-21.log"))
    for answer in (find(world.settings, QUESTIONS[1]), scan(world.settings, QUESTIONS[1])):
        assert len(answer.found) == 3
        assert "2026-11-21.log" in answer.incomplete[0]


def test_a_full_disk_makes_the_answer_incomplete(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(world.settings)
    world.add("pve1", "tasks", DAYS[1], [(9, 0, 0, 5)], 0)
    monkeypatch.setattr("pve_audit.collector.index.find.keep", full)
    answer = find(world.settings, QUESTIONS[1])
    assert len(answer.found) == 3
    assert answer.incomplete == ["the index was not brought up to date, newer lines are not in the answer: it is full"]


def full(_settings: Settings) -> None:
    raise IndexFault("it is full")


def test_what_is_no_database_is_made_again(world: World) -> None:
    keep(world.settings)
    index_path(world.settings).write_bytes(b"no database at all" * 100)
    assert len(find(world.settings, QUESTIONS[1]).found) == 3


def test_who_may_read_it(world: World) -> None:
    keep(world.settings)
    old = world.settings.index / "0123.sqlite"
    old.write_bytes(b"of another reader")
    keep(world.settings)
    assert not old.exists()
    assert [path.stat().st_mode & 0o777 for path in world.settings.index.glob("*.sqlite")] == [0o640]
