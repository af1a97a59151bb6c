# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The archive as it lies on a host: each program starts from it, and anything else is refused in one line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ansible_collections.pve.audit.plugins.lookup.zipapp import make_archive, read_folder
from pve_audit.cli import PROGRAMS
from tests.forward.harness import PROGRAM


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("lib") / "pve_audit.pyz"
    path.write_bytes(make_archive(read_folder(PROGRAM)))
    return path


def run(archive: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", "-B", str(archive), *words]
    return subprocess.run(command, capture_output=True, text=True, cwd="/", check=False)


@pytest.mark.parametrize("name", PROGRAMS)
def test_each_program_starts(archive: Path, name: str) -> None:
    done = run(archive, name, "--help")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("usage: pve")


@pytest.mark.parametrize("words", [(), ("other",), ("--help",)])
def test_anything_else_is_refused(archive: Path, words: tuple[str, ...]) -> None:
    done = run(archive, *words)
    assert done.returncode == 2
    assert done.stderr == "say which program: collector, disk-guard, forward, ledger, preserve\n"


def test_the_former_name_of_a_command_still_works(archive: Path, tmp_path: Path) -> None:
    settings = tmp_path / "collector.json"
    folders = {name: str(tmp_path / name) for name in ("archive", "state", "rejected")}
    settings.write_text(str(folders).replace("'", '"'))
    (tmp_path / "archive").mkdir()
    told = [run(archive, "collector", "--config", str(settings), name) for name in ("gaps", "holes")]
    assert [(one.returncode, one.stdout) for one in told] == [(0, "0 lines, 0 unreadable: complete\n")] * 2


def test_a_byte_more_or_less_is_noticed_by_the_checksum_and_survived(archive: Path, tmp_path: Path) -> None:
    longer = tmp_path / "pve_audit.pyz"
    longer.write_bytes(archive.read_bytes() + b"# x\n")
    assert run(longer, "preserve", "--help").returncode == 0
    longer.write_bytes(archive.read_bytes()[:-1])
    assert run(longer, "preserve", "--help").returncode == 1
