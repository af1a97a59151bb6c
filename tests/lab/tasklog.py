# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The text of one task and its status (pve-common Tools.pm dump_logfile, UPID.pm read_status)."""

from __future__ import annotations

import re

NO_FILE = "unable to open file - No such file or directory"


def log_page(text: str | None, start: int, limit: int) -> tuple[list[dict[str, object]], int]:
    """Lines `start`..`start + limit` (all when `limit` is 0) as n and t, and the number of all lines."""
    if text is None:
        return [{"n": 1, "t": NO_FILE}], 1
    lines = text.split("\n")
    if not lines[-1]:
        lines.pop()
    if not lines:
        return [{"n": 1, "t": "no content"}], 1
    stop = len(lines) if limit == 0 else start + limit
    return [{"n": number, "t": line} for number, line in enumerate(lines, 1) if start < number <= stop], len(lines)


def exit_status(text: str) -> str:
    """The status in the last line of a log."""
    last = text.rstrip("\n").rsplit("\n", 1)[-1]
    if last == "TASK OK":
        return "OK"
    match = re.fullmatch(r"TASK ERROR: (.+)", last) or re.fullmatch(r"TASK (WARNINGS: \d+)", last)
    return match[1] if match else "unexpected status"
