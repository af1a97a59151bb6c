# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one message of a log says, and what all readers of messages share."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

PVE_AUTH = "pve.auth"
LINUX_AUTH = "linux.auth"
LINUX_LOG = "linux.log"

ACTION_SSH_OPEN = "session.ssh.open"
ACTION_SSH_CLOSE = "session.ssh.close"
ACTION_SUDO = "session.sudo.command"
ACTION_SESSION_OPEN = "session.open"
ACTION_CONSOLE = "session.console.login"
ACTION_PASSWORD = "node.password.modify"
ACTION_LOST = "logging.messages.lost"
ACTION_DAMAGED = "logging.journal.damaged"
ACTION_REMOVED = "logging.journal.removed"
ACTION_STOPPED = "logging.stopped"
ACTION_STARTED = "logging.started"


@dataclass(slots=True)
class Facts:
    """What one message says. `user` is a user id, `extra` goes to `pve.*` and `process` to `process.*` of the event."""

    dataset: str
    action: str
    outcome: str
    user: str | None = None
    ip: str | None = None
    error: str | None = None
    extra: dict[str, Any] = field(default_factory=dict)
    process: dict[str, Any] = field(default_factory=dict)


def pattern(text: str) -> re.Pattern[str]:
    """A pattern of a whole message: a dot is any character, `\\d` and `\\s` are ASCII's."""
    return re.compile(text, re.ASCII | re.DOTALL)


def unix_user(name: str) -> str | None:
    """Unix users are the users of realm pam; the text of an attacker stays as it is."""
    name = clean(name)
    return f"{name}@pam" if name else None


def clean(text: str) -> str:
    """Without the line end, which rsyslog writes as #012."""
    return text.removesuffix("#012").strip()
