# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole forwarder in this process, against a strict collector that drops, delays, refuses and falls silent."""

from __future__ import annotations

import gzip
import os
import re
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pve_audit.forward import file_source, journal, pipeline, settings
from tests.forward.fake_journalctl import BASE, cursor_of
from tests.forward.harness import FAKE_JOURNALCTL, wait_for
from tests.forward.strict_relp import Misbehaviour, StrictRelp

QUICK = {
    "backoff_min": 0.05,
    "backoff_max": 0.2,
    "ack_timeout": 1.0,
    "connect_timeout": 2.0,
    "resend_seconds": 0.5,
    "save_seconds": 0.05,
    "poll_seconds": 0.02,
    "heartbeat_seconds": 0,
}
NUMBER = re.compile(rb"numbered message (\d+) of")


class Running:
    """A pipeline in a thread, a feed, a directory for log files."""

    def __init__(self, directory: Path, relps: list[StrictRelp], **changes: Any) -> None:
        self.directory = directory
        self.feed_file = directory / "feed"
        if not self.feed_file.exists():
            self.feed(0)
        self.said: list[str] = []
        data = {
            "node": "pve1",
            "targets": [{"host": "127.0.0.1", "port": relp.port, "tls": False} for relp in relps],
            "sources": {"journal": {"command": [sys.executable, str(FAKE_JOURNALCTL)]}},
            "limits": QUICK | changes.pop("limits", {}),
            "state_dir": str(directory),
            **changes,
        }
        self.config = settings.parse(data)
        self.pipelines = pipeline.make_pipelines(self.config, lambda _severity, _key, text: self.said.append(text))
        self.threads = [threading.Thread(target=one.run, daemon=True) for one in self.pipelines]
        for thread in self.threads:
            thread.start()

    def feed(self, newest: int, oldest: int = 1) -> None:
        """What the journal holds."""
        new = self.feed_file.with_suffix(".new")
        new.write_text(f"{newest} {oldest}")
        new.replace(self.feed_file)

    def stop(self) -> None:
        """End in good order."""
        for one in self.pipelines:
            one.stop()
        for thread in self.threads:
            thread.join(10)
            assert not thread.is_alive()


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Running]]:
    """Starts pipelines, ends them all."""
    monkeypatch.setenv("PVE_AUDIT_FEED", str(tmp_path / "feed"))
    monkeypatch.setattr(file_source, "SETTLE_SECONDS", 0.5)
    running: list[Running] = []

    def start(relps: list[StrictRelp], **changes: Any) -> Running:
        running.append(Running(tmp_path, relps, **changes))
        return running[-1]

    yield start
    for one in running:
        one.stop()


def numbers(messages: list[bytes]) -> list[int]:
    """The numbers in the order of arrival."""
    return [int(found[1]) for message in messages if (found := NUMBER.search(message))]


def first_seen(found: list[int]) -> list[int]:
    """Without repetitions."""
    return list(dict.fromkeys(found))


FAULTS: dict[str, Misbehaviour] = {
    "nothing": Misbehaviour(),
    "dropped connections": Misbehaviour(drop_after=(5, 300, 301, 900)),
    "refused messages": Misbehaviour(refuse=(50, 400)),
    "silence": Misbehaviour(silent_from=100),
    "late answers": Misbehaviour(late=0.002),
    "answers in another order": Misbehaviour(reverse=4),
    "hang up at open": Misbehaviour(hang_up_at_open=3),
    "everything": Misbehaviour(drop_after=(40, 500), refuse=(200,), silent_from=700, hang_up_at_open=1),
}


@pytest.mark.parametrize("name", FAULTS)
def test_all_messages_are_acknowledged_in_order_whatever_happens(name: str, run: Callable[..., Running]) -> None:
    relp = StrictRelp(FAULTS[name])
    running = run([relp])
    running.feed(1200)
    everything = wait_for(lambda: set(numbers(relp.messages)) == set(range(1, 1201)), 30)
    assert everything, (running.said, len(relp.messages))
    assert first_seen(numbers(relp.received)) == list(range(1, 1201))
    assert relp.mistakes == []
    running.stop()
    assert wait_for(lambda: relp.closed_politely == 1, 5)


def test_a_restart_goes_on_and_repeats_only_the_last_moments(run: Callable[..., Running]) -> None:
    relp = StrictRelp()
    first = run([relp])
    first.feed(500)
    assert wait_for(lambda: len(relp.messages) == 500, 10)
    time.sleep(1.0)
    first.feed(510)
    assert wait_for(lambda: len(relp.messages) == 510, 10)
    first.stop()
    second = run([relp])
    second.feed(600)
    assert wait_for(lambda: 600 in numbers(relp.messages), 10)
    assert set(numbers(relp.messages)) == set(range(1, 601))
    assert numbers(relp.messages)[510] in range(490, 512)


def test_a_connection_that_always_breaks_still_moves_on(run: Callable[..., Running]) -> None:
    relp = StrictRelp(Misbehaviour(drop_after=tuple(range(150, 20_000, 150))))
    running = run([relp], limits={"resend_seconds": 1.0})
    running.feed(600)
    assert wait_for(lambda: set(numbers(relp.messages)) == set(range(1, 601)), 60), len(set(numbers(relp.messages)))


def test_a_gap_in_the_journal_is_reported(run: Callable[..., Running], tmp_path: Path) -> None:
    relp = StrictRelp()
    first = run([relp])
    first.feed(10)
    assert wait_for(lambda: len(relp.messages) == 10, 10)
    time.sleep(0.7)
    first.stop()
    first.feed(40, oldest=30)
    run([relp])
    assert wait_for(lambda: 40 in numbers(relp.messages), 10)
    notes = [message for message in relp.messages if b'note="journal_hole"' in message]
    assert len(notes) == 1
    assert f'after="{cursor_of(10)}"'.encode() in notes[0]
    assert 30 in numbers(relp.messages)


def test_no_gap_is_reported_when_only_the_acknowledged_entry_is_gone(run: Callable[..., Running]) -> None:
    relp = StrictRelp()
    first = run([relp], limits={"resend_seconds": 0})
    first.feed(10)
    assert wait_for(lambda: len(relp.messages) == 10, 10)
    first.stop()
    first.feed(20, oldest=11)
    run([relp], limits={"resend_seconds": 0})
    assert wait_for(lambda: 20 in numbers(relp.messages), 10)
    assert numbers(relp.messages) == list(range(1, 21))
    assert not [message for message in relp.messages if b"journal_hole" in message]


def test_failover_and_back(run: Callable[..., Running]) -> None:
    first, second = StrictRelp(Misbehaviour(hang_up_at_open=10**6)), StrictRelp()
    running = run([first, second], limits={"failback_seconds": 0.5})
    running.feed(100)
    assert wait_for(lambda: len(set(numbers(second.messages))) == 100, 10)
    first.plan.hang_up_at_open = 0
    assert wait_for(lambda: first.connections > 12 or bool(first.closed_politely), 10)
    running.feed(200)
    assert wait_for(lambda: 200 in numbers(first.messages), 10)
    assert set(numbers(first.messages)) | set(numbers(second.messages)) == set(range(1, 201))


def test_parallel_targets_do_not_wait_for_each_other(run: Callable[..., Running]) -> None:
    dead, alive = StrictRelp(Misbehaviour(hang_up_at_open=10**6)), StrictRelp()
    running = run([dead, alive], mode="parallel")
    running.feed(300)
    assert wait_for(lambda: len(set(numbers(alive.messages))) == 300, 10)
    dead.plan.hang_up_at_open = 0
    assert wait_for(lambda: len(set(numbers(dead.messages))) == 300, 10)


def test_refusal_is_no_tight_loop(run: Callable[..., Running]) -> None:
    relp = StrictRelp(Misbehaviour(hang_up_at_open=10**6))
    run([relp], limits={"backoff_min": 0.1, "backoff_max": 10.0})
    time.sleep(2.0)
    assert relp.connections <= 6


def test_a_source_that_cannot_be_read_does_not_stop_the_others(run: Callable[..., Running], tmp_path: Path) -> None:
    relp = StrictRelp()
    log = tmp_path / "a.log"
    log.write_text("one\n")
    running = run(
        [relp], sources={"journal": {"command": ["/nonexistent"]}, "files": [{"name": "a", "path": str(log)}]}
    )
    assert wait_for(lambda: any(message.endswith(b"] one") for message in relp.messages), 10)
    assert any("journal cannot be read" in text for text in running.said)


def texts(relp: StrictRelp) -> list[str]:
    """The lines of files, as they arrived, without repetitions."""
    found = [message.partition(b"] ")[2].decode() for message in relp.messages if b'source="a"' in message]
    return list(dict.fromkeys(found))


def write(path: Path, first: int, last: int) -> None:
    """Append numbered lines."""
    with path.open("a") as handle:
        handle.writelines(f"line {number}\n" for number in range(first, last + 1))


def rotate_by_rename(log: Path) -> None:
    log.rename(f"{log}.1")


def rotate_by_copy(log: Path) -> None:
    shutil.copy2(log, f"{log}.1")
    os.truncate(log, 0)


def rotate_with_date(log: Path) -> None:
    log.rename(f"{log}-20261123")


def rotate_and_compress(log: Path) -> None:
    packed = Path(f"{log}.1.gz")
    stat = log.stat()
    packed.write_bytes(gzip.compress(log.read_bytes()))
    os.utime(packed, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    log.unlink()


ROTATIONS = [rotate_by_rename, rotate_by_copy, rotate_with_date, rotate_and_compress]


@pytest.mark.parametrize("down", [False, True], ids=["running", "stopped"])
@pytest.mark.parametrize("rotate", ROTATIONS)
def test_rotation_loses_nothing_and_repeats_nothing_unmarked(
    rotate: Callable[[Path], None], down: bool, run: Callable[..., Running], tmp_path: Path
) -> None:
    relp = StrictRelp()
    log = tmp_path / "a.log"
    sources = {"journal": False, "files": [{"name": "a", "path": str(log), "tag": "t"}]}
    write(log, 1, 20)
    running = run([relp], sources=sources)
    assert wait_for(lambda: len(texts(relp)) == 20, 10)
    if down:
        running.stop()
    write(log, 21, 30)
    rotate(log)
    write(log, 31, 40)
    if down:
        run([relp], sources=sources)
    assert wait_for(lambda: len(texts(relp)) == 40, 15), sorted(texts(relp))
    assert sorted(texts(relp)) == sorted(f"line {number}" for number in range(1, 41))
    assert not [message for message in relp.messages if b"note=" in message]
    places: dict[tuple[bytes | Any, ...], bytes] = {}
    for message in relp.messages:
        place = re.search(rb'fingerprint="(\w+)" offset="(\d+)"', message)
        assert place
        assert places.setdefault(place.groups(), message.partition(b"] ")[2]) == message.partition(b"] ")[2]


def test_two_rotations_while_nobody_runs(run: Callable[..., Running], tmp_path: Path) -> None:
    relp = StrictRelp()
    log = tmp_path / "a.log"
    sources = {"journal": False, "files": [{"name": "a", "path": str(log)}]}
    write(log, 1, 5)
    running = run([relp], sources=sources)
    assert wait_for(lambda: len(texts(relp)) == 5, 10)
    running.stop()
    write(log, 6, 10)
    log.rename(tmp_path / "a.log.2")
    write(log, 11, 15)
    log.rename(tmp_path / "a.log.1")
    write(log, 16, 20)
    run([relp], sources=sources)
    assert wait_for(lambda: len(texts(relp)) == 20, 15)


def test_a_file_that_went_away_unread_is_reported(run: Callable[..., Running], tmp_path: Path) -> None:
    relp = StrictRelp()
    log = tmp_path / "a.log"
    sources = {"journal": False, "files": [{"name": "a", "path": str(log)}]}
    write(log, 1, 5)
    running = run([relp], sources=sources)
    assert wait_for(lambda: len(texts(relp)) == 5, 10)
    running.stop()
    write(log, 6, 10)
    log.unlink()
    write(log, 11, 15)
    run([relp], sources=sources)
    assert wait_for(lambda: "line 15" in texts(relp), 10)
    assert [message for message in relp.messages if b'note="file_gone"' in message]


def test_a_file_that_shrank_is_read_again_with_a_mark(run: Callable[..., Running], tmp_path: Path) -> None:
    relp = StrictRelp()
    log = tmp_path / "a.log"
    log.write_text("head\n" + "x\n" * 10)
    run([relp], sources={"journal": False, "files": [{"name": "a", "path": str(log)}]})
    assert wait_for(lambda: len(relp.messages) == 11, 10)
    log.write_text("head\nnew\n")
    assert wait_for(lambda: "new" in texts(relp), 10)
    assert [message for message in relp.messages if b'note="file_shrank"' in message]


def test_a_pattern_reads_all_files_also_those_that_begin_alike(run: Callable[..., Running], tmp_path: Path) -> None:
    relp = StrictRelp()
    for day in (1, 2):
        (tmp_path / f"day{day}.log").write_text(f"# head\nday {day}\n")
    run([relp], sources={"journal": False, "files": [{"name": "a", "path": str(tmp_path / "day*.log")}]})
    assert wait_for(lambda: len(relp.messages) == 4, 10)
    (tmp_path / "day3.log").write_text("# head\nday 3\n")
    (tmp_path / "day1.log").unlink()
    assert wait_for(lambda: "day 3" in texts(relp), 10)
    assert texts(relp) == ["# head", "day 1", "day 2", "day 3"]


def test_incomplete_and_endless_lines(run: Callable[..., Running], tmp_path: Path) -> None:
    relp = StrictRelp()
    log = tmp_path / "a.log"
    log.write_bytes(b"one\nhalf")
    run([relp], sources={"journal": False, "files": [{"name": "a", "path": str(log)}]})
    assert wait_for(lambda: len(relp.messages) == 1, 10)
    time.sleep(0.2)
    assert len(relp.messages) == 1
    with log.open("ab") as handle:
        handle.write(b" and half\n" + b"y" * (1024 * 1024 + 10) + b"\nend\n")
    assert wait_for(lambda: "end" in texts(relp), 20)
    assert "half and half" in texts(relp)
    assert sum(message.count(b"y") for message in relp.messages) >= 1024 * 1024 + 10
    assert any(b' cut="true"' in message for message in relp.messages)


def test_times_are_those_of_the_entries(run: Callable[..., Running]) -> None:
    relp = StrictRelp()
    running = run([relp])
    running.feed(1)
    assert wait_for(lambda: len(relp.messages) == 1, 10)
    seconds = (BASE + 1000) // 1_000_000
    assert time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)).encode() in relp.messages[0]


def test_a_journalctl_that_dies_is_started_again_where_it_was(
    run: Callable[..., Running], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "RESTART_SECONDS", 0.1)
    relp = StrictRelp()
    dying = tmp_path / "journalctl"
    dying.write_text(f'#!/bin/sh\n{sys.executable} {FAKE_JOURNALCTL} "$@" | head -n 40\nexit 1\n')
    dying.chmod(0o755)
    running = run([relp], sources={"journal": {"command": [str(dying)]}})
    running.feed(200)
    assert wait_for(lambda: len(relp.messages) == 200, 20)
    assert numbers(relp.messages) == list(range(1, 201))
    assert any("ended with status 1" in text for text in running.said)


def test_entries_before_a_reboot_are_read_and_the_journal_is_watched_without_following(
    run: Callable[..., Running], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Entries of another boot than this one: `--follow` would not show them."""
    other = tmp_path / "boot_id"
    other.write_text("00000000-0000-0000-0000-000000000000\n")
    monkeypatch.setattr(journal, "BOOT_ID", other)
    monkeypatch.setattr(journal, "POLL_SECONDS", 0.1)
    relp = StrictRelp()
    running = run([relp])
    for newest in (10, 25, 60):
        running.feed(newest)
        assert wait_for(lambda newest=newest: len(relp.messages) == newest, 10)  # type: ignore[misc]
    assert numbers(relp.messages) == list(range(1, 61))
