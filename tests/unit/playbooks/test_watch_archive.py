# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The watcher of verify_logging.yml in an archive in which something is wrong."""

from __future__ import annotations

import importlib.util
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).resolve().parents[3] / "playbooks" / "files" / "watch_archive.py"
MARK = "pve-audit-proof-x"


def load() -> Any:
    spec = importlib.util.spec_from_file_location("watch_archive", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pipe(path: Path) -> None:
    os.mkfifo(path)


def link(path: Path) -> None:
    path.symlink_to("/etc/shadow")


def folder(path: Path) -> None:
    path.mkdir()


def dangling(path: Path) -> None:
    path.symlink_to("nowhere")


@pytest.mark.parametrize("harm", [pipe, link, folder, dangling])
def test_one_file_that_cannot_be_read_does_not_end_the_watch(tmp_path: Path, harm: Callable[[Path], None]) -> None:
    (tmp_path / "pve1" / "journal").mkdir(parents=True)
    bad = tmp_path / "pve1" / "journal" / "2026-11-22.log"
    harm(bad)
    file = tmp_path / "pve1" / "journal" / "2026-11-23.log"
    file.write_bytes(b"before\n")

    def write() -> None:
        with file.open("ab") as stream:
            stream.write(b"x" * (3 << 20) + f" {MARK}\n".encode())

    timer = threading.Timer(0.2, write)
    timer.start()
    found = load().watch(str(tmp_path), "pve1", MARK, 20.0, ["journal"])
    timer.join()
    assert set(found["seen"]) == {"journal"}
    assert len(found["problems"]) == 1 and str(bad) in found["problems"][0]


def test_an_archive_without_the_node_shows_nothing(tmp_path: Path) -> None:
    assert load().watch(str(tmp_path), "pve1", MARK, 0.1, ["journal"]) == {"seen": {}, "problems": []}
