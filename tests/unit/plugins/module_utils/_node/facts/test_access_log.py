# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may lie in place of the access log, for real, and who may write it."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.pve.audit.plugins.module_utils._node.facts import access_log as access_log_state
from ansible_collections.pve.audit.plugins.module_utils._node.facts import logging as logging_state
from tests.unit.plugins.module_utils._node.facts.test_logging import node


def nothing(path: Path) -> None:
    """Leave it missing."""


def regular(path: Path) -> None:
    path.write_text("x\n")


def to_null(path: Path) -> None:
    path.symlink_to("/dev/null")


def folder_elsewhere(path: Path) -> None:
    path.parent.rmdir()
    elsewhere = path.parents[1] / "elsewhere"
    elsewhere.mkdir()
    path.parent.symlink_to(elsewhere)
    regular(path)


def read_only(path: Path) -> None:
    regular(path)
    path.chmod(0o440)


def listener(path: Path) -> None:
    short = Path(f"/proc/self/fd/{os.open(path.parent, os.O_RDONLY)}")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(short / path.name))
    os.close(int(short.name))


ACCESS_LOGS: list[tuple[Callable[[Path], object], str, str]] = [
    (regular, "file", ""),
    (nothing, "missing", "there is no /var/log/pveproxy/access.log"),
    (to_null, "link", "is a link to /dev/null"),
    (os.mkfifo, "pipe", "is a pipe and no file"),
    (Path.mkdir, "directory", "is a directory and no file"),
    (listener, "socket", "is a socket and no file"),
    (folder_elsewhere, "file", "/var/log/pveproxy is a link to"),
    (read_only, "file", "cannot be written by www-data"),
]


@pytest.mark.parametrize(("make", "kind", "problem"), ACCESS_LOGS)
def test_access_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], object], kind: str, problem: str
) -> None:
    monkeypatch.setattr(access_log_state, "writer", lambda: (os.getuid(), os.getgid()))
    path = tmp_path / "var/log/pveproxy/access.log"
    path.parent.mkdir(parents=True)
    make(path)
    found = logging_state.look_at(node(tmp_path), ["access_log"])
    assert found["access_log"]["kind"] == kind
    assert problem in "".join(logging_state.problems_of(found))
    assert bool(found["access_log"]["problems"]) == bool(problem)


WRITABLE = [
    (0o640, 33, 33, True),
    (0o644, 0, 0, False),
    (0o660, 0, 33, True),
    (0o640, 0, 33, False),
    (0o666, 0, 0, True),
]


@pytest.mark.parametrize(("mode", "uid", "gid", "writable"), WRITABLE)
def test_who_may_write(mode: int, uid: int, gid: int, writable: bool) -> None:
    found = os.stat_result((mode, 1, 1, 1, uid, gid, 0, 0, 0, 0))
    assert access_log_state._writable(found, 33, 33) is writable
