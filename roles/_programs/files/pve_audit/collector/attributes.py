# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The append-only and immutable attributes of a file, by ioctl as chattr(1) does it."""

from __future__ import annotations

import array
import errno
import fcntl
import os
from pathlib import Path

GET_FLAGS = 0x80086601
SET_FLAGS = 0x40086602
APPEND = 0x20
IMMUTABLE = 0x10
_UNSUPPORTED = {errno.ENOTTY, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}


def get_attribute(path: Path) -> str:
    """`append`, `immutable`, `none`, or `unsupported` by the file system."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        flags = _get(handle)
    finally:
        os.close(handle)
    if flags is None:
        return "unsupported"
    return "immutable" if flags & IMMUTABLE else "append" if flags & APPEND else "none"


def set_attribute(path: Path, wanted: str) -> str:
    """Make `append`, `immutable` or `none` hold; returns what holds now, `unsupported`, or `refused` (no privilege)."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        return _change(handle, {"append": APPEND, "immutable": IMMUTABLE, "none": 0}[wanted], wanted)
    finally:
        os.close(handle)


def _change(handle: int, bits: int, wanted: str) -> str:
    flags = _get(handle)
    if flags is None:
        return "unsupported"
    if flags & (APPEND | IMMUTABLE) == bits:
        return wanted
    try:
        fcntl.ioctl(handle, SET_FLAGS, array.array("l", [flags & ~(APPEND | IMMUTABLE) | bits]))
    except PermissionError:
        return "refused"
    except OSError as error:
        if error.errno in _UNSUPPORTED:
            return "unsupported"
        raise
    return wanted


def _get(handle: int) -> int | None:
    buffer = array.array("l", [0])
    try:
        fcntl.ioctl(handle, GET_FLAGS, buffer, True)
    except OSError as error:
        if error.errno in _UNSUPPORTED:
            return None
        raise
    return buffer[0] & 0xFFFFFFFF
