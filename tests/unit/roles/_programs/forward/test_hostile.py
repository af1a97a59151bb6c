# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the owner of a log directory can put there against a forwarder that runs as root, and what it does then."""

from __future__ import annotations

import gzip
import lzma
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pve_audit import files
from pve_audit.forward import candidates, logfile
from pve_audit.forward.file_source import FileSource
from pve_audit.forward.settings import FileSpec
from pve_audit.wire import Message

SECRET = "root:$6$secret"


class Reader:
    """A source, and what a collector that confirms everything would have."""

    def __init__(self, path: Path, state: Path, position: dict[str, Any] | None = None) -> None:
        self.source = FileSource(FileSpec("a", str(path)), "pve1", 0.0, state / "a.done")
        self.source.open(position or {}, position or {})
        self.now = 0.0
        self.messages: list[Message] = []

    def read(self, rounds: int = 4) -> list[str]:
        """All there is, at several looks (which are further apart than a file has to rest). Returns the lines."""
        for _round in range(rounds):
            self.now += 10
            while (line := self.source.next(self.now)) is not None:
                self.messages.append(line.message)
                if line.place is not None:
                    self.source.acknowledge(line.place)
        return self.lines

    @property
    def lines(self) -> list[str]:
        return [message.text for message in self.messages if message.source == "a"]

    @property
    def notes(self) -> list[str]:
        return [f"{message.params['note']} {message.text}" for message in self.messages if message.source == "forward"]

    def refused(self) -> list[str]:
        """As in the status file."""
        return [f"{Path(one['path']).name} {one['why']}" for one in self.source.backlog().get("refused", [])]


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Callable[..., Reader]]:
    """Readers of `log/access.log`."""
    (tmp_path / "log").mkdir()
    made: list[Reader] = []

    def make(name: str = "access.log", position: dict[str, Any] | None = None) -> Reader:
        made.append(Reader(tmp_path / "log" / name, tmp_path, position))
        return made[-1]

    yield make
    for one in made:
        one.source.close()


def pipe(path: Path, _secret: Path) -> None:
    os.mkfifo(path)


def link(path: Path, secret: Path) -> None:
    path.symlink_to(secret)


def hard_link(path: Path, secret: Path) -> None:
    path.hardlink_to(secret)


def directory(path: Path, _secret: Path) -> None:
    path.mkdir()


def socket_file(path: Path, _secret: Path) -> None:
    os.chdir(path.parent)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(path.name)


def device(path: Path, _secret: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("NOT TESTED: only root can make a device")
    try:
        os.mknod(path, 0o600 | 0o020000, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("NOT TESTED: no devices can be made here")


def of_another(path: Path, _secret: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("NOT TESTED: only root can give a file away")
    path.write_text("forged\n")
    os.chown(path, 4242, 4242)
    os.chown(path.parent, 33, 33)


def sparse(path: Path, _secret: Path) -> None:
    path.write_text("start\n")
    os.truncate(path, 1 << 40)


ATTACKS: dict[str, tuple[Callable[[Path, Path], None], str]] = {
    "pipe": (pipe, "is a pipe"),
    "link": (link, "is a link"),
    "hard link": (hard_link, "has a second name (a hard link)"),
    "socket": (socket_file, "is not a regular file"),
    "device": (device, "is a device"),
    "another owner": (of_another, "belongs to the user 4242, and not to root or the owner of the directory"),
    "sparse": (sparse, "claims 1099511627776 bytes and takes"),
}


@pytest.mark.parametrize("pattern", [False, True], ids=["rotated form", "pattern"])
@pytest.mark.parametrize("attack", ATTACKS)
def test_what_is_no_log_file_is_told_and_does_not_stop_the_others(
    attack: str, pattern: bool, reader: Callable[..., Reader], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    secret = tmp_path / "shadow"
    secret.write_text(f"{SECRET}\n")
    (tmp_path / "log" / "access.log").write_text("one\n")
    plant, why = ATTACKS[attack]
    plant(tmp_path / "log" / "access.log.1", secret)
    one = reader("access.log*" if pattern else "access.log")
    assert one.read() == ["one"]
    assert len(one.notes) == 1
    assert one.notes[0].startswith(f"file_refused {tmp_path}/log/access.log.1 is not read: it {why}")
    assert [text.startswith(f"access.log.1 {why}") for text in one.refused()] == [True]
    (tmp_path / "log" / "access.log.1").unlink()
    one.now += 600
    one.read()
    assert one.refused() == []


def test_a_directory_in_place_of_the_log_is_told(reader: Callable[..., Reader], tmp_path: Path) -> None:
    (tmp_path / "log" / "access.log").mkdir()
    one = reader()
    assert one.read() == []
    assert one.refused() == ["access.log is a directory"]


@pytest.mark.parametrize("name", ["access.log", "*/access.log"])
def test_a_linked_directory_below_one_of_others_is_not_entered(name: str, tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "access.log").write_text(f"{SECRET}\n")
    hostile = tmp_path / "www"
    hostile.mkdir(mode=0o777)
    hostile.chmod(0o777)
    (hostile / "log").symlink_to(tmp_path / "etc")
    one = Reader(hostile / ("log/access.log" if "*" not in name else name), tmp_path)
    assert one.read() == []
    assert [text.partition(" ")[2] for text in one.refused()] == ["is no directory, or a link to one"]
    one.source.close()


def test_a_link_of_root_to_a_directory_counts(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "access.log").write_text("one\n")
    (tmp_path / "log").symlink_to(tmp_path / "disk")
    one = Reader(tmp_path / "log" / "access.log", tmp_path)
    assert one.read() == ["one"]
    one.source.close()


BOMBS: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "gz": (gzip.compress, ".gz"),
    "xz": (lambda data: lzma.compress(data, preset=0), ".xz"),
}


@pytest.mark.parametrize(
    ("content", "why"), [(bytes(1024), "holds zeros in place of lines"), (b"x" * 1023 + b"\n", "unpacked")]
)
@pytest.mark.parametrize("kind", BOMBS)
def test_an_archive_of_zeros_is_read_up_to_a_bound(
    kind: str, content: bytes, why: str, reader: Callable[..., Reader], tmp_path: Path
) -> None:
    pack, ending = BOMBS[kind]
    (tmp_path / "log" / "access.log").write_text("one\n")
    (tmp_path / "log" / f"access.log.1{ending}").write_bytes(pack(b"first\n" + content * 20 * 1024))
    one = reader()
    lines = one.read(6)
    assert sum(map(len, lines)) <= 6 * 1024 * 1024
    assert {"one", "first"} <= set(lines)
    assert any("file_refused" in note and why in note for note in one.notes)
    assert [text.partition(",")[0] for text in one.refused()] == [f"access.log.1{ending} {why}"]
    again = reader(position=one.source.position())
    assert again.read() == []


@pytest.mark.parametrize(
    "content",
    [b"", b"\x1f\x8b", b"no archive at all", gzip.compress(b"x\n" * 5000)[:-200], gzip.compress(b"a\n") + b"\0" * 5000],
    ids=["empty", "head only", "garbage", "cut", "zeros behind"],
)
def test_a_damaged_archive_stops_nothing(content: bytes, reader: Callable[..., Reader], tmp_path: Path) -> None:
    (tmp_path / "log" / "access.log").write_text("one\n")
    (tmp_path / "log" / "access.log.1.gz").write_bytes(content)
    one = reader()
    one.read()
    with (tmp_path / "log" / "access.log").open("a") as stream:
        stream.write("two\n")
    assert {"one", "two"} <= set(one.read())


def test_archives_of_several_members_are_read_whole(reader: Callable[..., Reader], tmp_path: Path) -> None:
    text = b"".join(b"line %d\n" % number for number in range(30_000))
    packed = gzip.compress(text[:50_000]) + b"\0" * 10 + gzip.compress(text[50_000:])
    (tmp_path / "log" / "access.log.1.gz").write_bytes(packed)
    assert reader().read() == text.decode().splitlines()


def test_a_file_swapped_between_two_looks_is_not_followed(
    reader: Callable[..., Reader], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The directory's owner swaps the file for a link after each look at it."""
    secret = tmp_path / "shadow"
    secret.write_text(f"{SECRET}\n")
    log = tmp_path / "log" / "access.log"
    log.write_text("harmless\n")
    real = logfile.identify

    def identify_and_swap(path: str, by_name: bool) -> Any:
        found = real(path, by_name)
        log.unlink()
        log.symlink_to(secret)
        return found

    monkeypatch.setattr(candidates, "identify", identify_and_swap)
    one = reader()
    assert one.read(1) == []
    assert not [line for line in one.read() if SECRET in line]


def test_no_race_leads_to_a_secret(tmp_path: Path) -> None:
    """A thread swaps file, link and pipe as fast as it can, while the file is opened again and again."""
    secret, place = tmp_path / "shadow", tmp_path / "log"
    secret.write_text(SECRET)
    place.mkdir()
    (place / "good").write_text("good")
    ended = threading.Event()

    def swap() -> None:
        while not ended.is_set():
            (place / "new").symlink_to(secret)
            (place / "new").rename(place / "a")
            os.mkfifo(place / "new")
            (place / "new").rename(place / "a")
            (place / "new").write_text("good")
            (place / "new").rename(place / "a")

    swapper = threading.Thread(target=swap)
    swapper.start()
    try:
        for _round in range(3000):
            try:
                handle = files.open_checked(place / "a")
            except OSError:
                continue
            assert os.read(handle, 100) in (b"good", b"")
            os.close(handle)
    finally:
        ended.set()
        swapper.join()


def test_thousands_of_refused_files_are_told_in_few_words(reader: Callable[..., Reader], tmp_path: Path) -> None:
    (tmp_path / "log" / "access.log").write_text("one\n")
    for number in range(1, 1000):
        os.mkfifo(tmp_path / "log" / f"access.log.{number}")
    one = reader()
    assert one.read() == ["one"]
    assert len(one.notes) == 21
    assert one.source.backlog()["refused_more"] is True


def test_a_log_that_was_stretched_is_not_sent_as_zeros(reader: Callable[..., Reader], tmp_path: Path) -> None:
    log = tmp_path / "log" / "access.log"
    log.write_text("one\n")
    one = reader()
    assert one.read() == ["one"]
    os.truncate(log, 32 * 1024 * 1024)
    assert one.read() == ["one"]
    assert one.refused() == ["access.log holds zeros in place of lines"]
    log.rename(f"{log}.1")
    log.write_text("two\n")
    assert one.read() == ["one", "two"]


def test_a_daemon_may_own_its_log_in_a_directory_of_root(reader: Callable[..., Reader], tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("NOT TESTED: only root can give a file away")
    (tmp_path / "log").chmod(0o1775)
    (tmp_path / "log" / "access.log").write_text("one\n")
    os.chown(tmp_path / "log" / "access.log", 4242, 4242)
    assert reader().read() == ["one"]


def test_junk_names_do_not_crowd_out_a_rotated_form(
    reader: Callable[..., Reader], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(candidates, "MOST_FORMS", 4)
    names = ["access.log", "access.log.1", "access.log.2.gz", "access.log-20261123"]
    names += [f"access.log-{number}x" for number in range(9)]
    for name in names:
        line = f"{name}\n".encode()
        (tmp_path / "log" / name).write_bytes(gzip.compress(line) if name.endswith(".gz") else line)
    one = reader()
    assert sorted(one.read()) == sorted(names[:4])
    assert one.refused() == ["access.log.* is 13 files, more than 4: only the newest are read"]
