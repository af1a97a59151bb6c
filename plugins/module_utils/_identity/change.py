# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One change of a plan, and the order in which changes are safe: first all that adds, last all that takes away."""

from __future__ import annotations

from enum import IntEnum
from typing import Any, NamedTuple

Change = dict[str, Any]


class Phase(IntEnum):
    """When a kind of change is made."""

    ROLE_GAIN = 1
    GROUP = 2
    USER = 3
    GRANT = 4
    TOKEN = 5
    TOKEN_GRANT = 6
    REALM = 7
    REVOKE = 8
    USER_SHRINK = 9
    TOKEN_SHRINK = 10
    USER_DISABLE = 11
    USER_DELETE = 12
    GROUP_DELETE = 13
    ROLE_SHRINK = 14


class Undeclared(NamedTuple):
    """Something that exists and is not declared."""

    object: str
    id: str
    sentence: str


def change(phase: Phase, kind: str, name: str, action: str, options: dict[str, Any], sentence: str) -> Change:
    """A change. `options` are those of the module of that kind, without secrets."""
    return {
        "phase": int(phase),
        "object": kind,
        "id": name,
        "action": action,
        "options": options,
        "sentence": sentence,
    }


def expire_option(epoch: int) -> str:
    """An expiry as the modules take it."""
    return str(epoch) if epoch else "never"
