# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Room on the file system of the archive that no node can take: closing, retention and the manifest need it.

A file holds it. Closing and retention give it free when the disk is full, and make it again when they are done; while
it is not there the writer leaves as much free. So lines wait with their nodes, and what makes room can always run.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from pve_audit.collector.settings import Settings
from pve_audit.files import open_regular

# Of a small file system not more than this part is kept.
PART = 20


def wanted(settings: Settings) -> int:
    """Bytes that are to be kept."""
    found = os.statvfs(settings.archive)
    return min(settings.reserve_bytes, found.f_blocks * found.f_frsize // PART)


def free(settings: Settings) -> int:
    """Bytes that are free for everybody."""
    found = os.statvfs(settings.archive)
    return found.f_bavail * found.f_frsize


def held(settings: Settings) -> int:
    """Bytes that the file really takes; less than its size where the file system packs zeros."""
    try:
        return os.lstat(settings.reserve).st_blocks * 512
    except FileNotFoundError:
        return 0


def is_lacking(settings: Settings) -> bool:
    """Whether another line would take what is kept."""
    return free(settings) + held(settings) < wanted(settings)


def keep(settings: Settings) -> bool:
    """Make the file if there is room for it. Returns whether the room is kept now."""
    size = wanted(settings)
    with contextlib.suppress(FileNotFoundError):
        if os.lstat(settings.reserve).st_size == size:
            return not is_lacking(settings)
    if free(settings) + held(settings) < size:
        return False
    _release(settings)
    handle = open_regular(settings.reserve, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        if size:
            os.posix_fallocate(handle, 0, size)
    except OSError:
        _release(settings)
    finally:
        os.close(handle)
    return not is_lacking(settings)


@contextlib.contextmanager
def released(settings: Settings) -> Iterator[None]:
    """Give the room free for what makes room, if there is no other; keep it again afterwards."""
    if free(settings) < wanted(settings):
        _release(settings)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            keep(settings)


def _release(settings: Settings) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(settings.reserve)
