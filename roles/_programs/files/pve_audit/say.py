# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a program tells the journal through its standard error, with the priorities of sd-daemon(3)."""

from __future__ import annotations

import sys

CRITICAL, ERROR, WARNING, NOTICE = 2, 3, 4, 5


def say(priority: int, text: str) -> None:
    """One line."""
    print(f"<{priority}>{text}", file=sys.stderr, flush=True)
