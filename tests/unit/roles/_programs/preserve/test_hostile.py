# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What www-data can put into its task directory against the harvest, which runs as root."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pve_audit.files import Refused
from pve_audit.preserve import cli, store
from pve_audit.preserve import ring as ring_module
from tests.forward.harness import PROGRAM
from tests.unit.roles._programs.preserve.test_preserve import Ring

SECRET = b"root:$6$secret\n"


def pipe(path: Path, _secret: Path) -> None:
    os.mkfifo(path)


def link(path: Path, secret: Path) -> None:
    path.symlink_to(secret)


def hard_link(path: Path, secret: Path) -> None:
    path.hardlink_to(secret)


def directory(path: Path, _secret: Path) -> None:
    path.mkdir()


def sparse(path: Path, _secret: Path) -> None:
    path.touch()
    os.truncate(path, 3 * 1024**3)


ATTACKS: list[Callable[[Path, Path], None]] = [pipe, link, hard_link, directory, sparse]


@pytest.fixture
def ring(tmp_path: Path) -> Ring:
    (tmp_path / "shadow").write_bytes(SECRET)
    return Ring(tmp_path)


def run(ring: Ring) -> subprocess.CompletedProcess[str]:
    """The program as its unit starts it, with little memory and not much time."""
    paths = ring.paths
    words = ["--ring", paths.ring, "--archive", paths.archive, "--state", paths.state]
    return subprocess.run(
        [
            sys.executable,
            "-I",
            str(PROGRAM),
            "preserve",
            *map(str, words),
            "--status",
            str(ring.path.parent / "status"),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (600 * 1024**2,) * 2),
    )


@pytest.mark.parametrize("name", ["index", "index.1"])
@pytest.mark.parametrize("attack", ATTACKS)
def test_what_is_no_index_ends_the_run_with_a_sentence_and_nothing_is_lost(
    attack: Callable[[Path, Path], None], name: str, ring: Ring, tmp_path: Path
) -> None:
    ring.append(ring.line(), ring.line())
    ring.harvest()
    kept = ring.path / "kept"
    if name == "index":
        (ring.path / "index").rename(kept)
    attack(ring.path / name, tmp_path / "shadow")
    done = run(ring)
    assert done.returncode == 1
    assert done.stderr.startswith("<2>the task log was not harvested: ")
    assert f"ring/{name}'" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    (ring.path / name).rmdir() if attack is directory else (ring.path / name).unlink()
    if name == "index":
        kept.rename(ring.path / "index")
    ring.append(ring.line())
    assert run(ring).returncode == 0
    assert ring.archive() == ring.written
    assert ring.gaps() == []


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_is_no_text_is_told_and_the_lines_are_kept(
    attack: Callable[[Path, Path], None], ring: Ring, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ring.line()
    upid = line.split()[0].decode()
    shelf = ring.path / upid.split(":")[4][-1]
    shelf.mkdir()
    attack(shelf / upid, tmp_path / "shadow")
    ring.append(line)
    ring.harvest()
    assert ring.archive() == [line]
    assert store.load_state(ring.paths.state)["texts_refused"] == 1
    assert "cannot be kept: it " in capsys.readouterr().err
    assert [path for path in ring.paths.archive.rglob("*") if path.is_file()] == [
        ring.paths.archive / path.name for path in ring.paths.archive.glob("*.index")
    ]


def test_a_shelf_that_is_a_link_is_not_entered(ring: Ring, tmp_path: Path) -> None:
    line = ring.line()
    upid = line.split()[0].decode()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / upid).write_bytes(SECRET)
    ring.path.chmod(0o777)
    (ring.path / upid.split(":")[4][-1]).symlink_to(elsewhere)
    ring.append(line)
    ring.harvest()
    assert not [path for path in ring.paths.archive.rglob("*") if path.is_file() and SECRET in path.read_bytes()]
    assert store.load_state(ring.paths.state)["texts_refused"] == 1


def test_of_an_index_that_was_filled_only_the_end_is_read(ring: Ring, capsys: pytest.CaptureFixture[str]) -> None:
    ring.append(ring.line())
    ring.harvest()
    with (ring.path / "index").open("ab") as stream:
        stream.write(b"junk of www-data\n" * 400_000)
    ring.append(ring.line(), rename=False)
    ring.harvest()
    assert "is larger than Proxmox VE makes it: its first " in capsys.readouterr().err
    assert ring.archive()[-1] == ring.written[-1]
    assert len(ring.archive()) < 2 * ring_module.MOST_READ / 17
    assert len(ring.gaps()) == 1
    ring.rename()
    ring.append(ring.line())
    before = len(ring.archive())
    ring.harvest()
    assert len(ring.archive()) == before + 1


def test_texts_of_one_harvest_are_bounded(ring: Ring, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "MOST_TEXT", 2500)
    lines = [ring.line() for _number in range(40)]
    for line in lines:
        upid = line.split()[0].decode()
        shelf = ring.path / upid.split(":")[4][-1]
        shelf.mkdir(exist_ok=True)
        (shelf / upid).write_bytes(b"x" * 900)
    ring.append(*lines)
    ring.harvest()
    state = store.load_state(ring.paths.state)
    assert (state["texts"], state["texts_refused"]) == (2, 38)


def test_very_many_entries_in_a_shelf_do_not_matter(ring: Ring, monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts are opened by name; nothing lists a directory of www-data."""
    line = ring.line()
    upid = line.split()[0].decode()
    shelf = ring.path / upid.split(":")[4][-1]
    shelf.mkdir()
    (shelf / upid).write_text("TASK OK\n")
    ring.append(line)

    def guard(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(path: Any = ".") -> Any:
            assert not str(path).startswith(str(ring.path)), "a directory of www-data was listed"
            return real(path)

        return call

    monkeypatch.setattr(os, "scandir", guard(os.scandir))
    monkeypatch.setattr(os, "listdir", guard(os.listdir))
    ring.harvest()
    assert store.load_state(ring.paths.state)["texts"] == 1


def test_the_sentence_names_the_file(ring: Ring) -> None:
    os.mkfifo(ring.path / "index")
    with pytest.raises(Refused, match=r"is a pipe: '.*ring/index'"):
        cli.harvest(ring.paths, 0)
