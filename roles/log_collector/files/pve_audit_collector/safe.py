# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are written whole or not at all, and one tool at a time."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path


def write_atomic(path: Path, content: bytes, mode: int) -> None:
    """Write beside it, flush, rename."""
    candidate = path.with_name(f".{path.name}.new")
    handle = os.open(candidate, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    try:
        with open(handle, "wb", closefd=False) as stream:
            stream.write(content)
        os.fsync(handle)
    finally:
        os.close(handle)
    os.rename(candidate, path)
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Make a rename or removal in `path` last through a power cut."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def exclusive_lock(state: Path) -> Iterator[None]:
    """Wait until no other tool changes the archive."""
    state.mkdir(mode=0o750, parents=True, exist_ok=True)
    handle = os.open(state / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
