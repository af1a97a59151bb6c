# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""UPIDs, lines of the task index and of the active tasks (pve-common UPID.pm, INotify.pm, pve-manager Tasks.pm)."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from tests.lab.names import split_token

# UPID.pm runs under unicode string rules: its \s also means the no-break space and NEL.
_NO = r"[^:/ \t\n\r\f\v\x85\xa0]"
_ID = r"[^:/ \t\n\r\f\v\x85\xa0]*"
_UPID = re.compile(
    r"UPID:([a-zA-Z0-9](?:[a-zA-Z0-9\-]*[a-zA-Z0-9])?):([0-9A-Fa-f]{8}):([0-9A-Fa-f]{8,9}):([0-9A-Fa-f]{8})"
    rf":({_NO}+):({_ID}):({_NO}+):"
)
_ARCHIVE = re.compile(r"(\S+)(?:\s([0-9A-Za-z]{8})(?:\s(\S[^\n]*))?)?", re.ASCII)
_ACTIVE = re.compile(r"(\S+)\s(0|1)(?:\s([0-9A-Za-z]{8})(?:\s(\s*\S[^\n]*))?)?", re.ASCII)
_WARNINGS = re.compile(r"WARNINGS: \d+\n?", re.ASCII)


@dataclass(slots=True)
class Task:
    """One task as PVE sees it. `user` is without the token when `token` is set; `saved` only for active tasks."""

    upid: str
    node: str
    pid: int
    pstart: int
    starttime: int
    type: str
    id: str
    user: str
    token: str | None = None
    endtime: int | None = None
    status: str | None = None
    saved: str | None = None

    def owned_by(self, who: str) -> bool:
        """A token sees its own tasks, a user those of its tokens too."""
        return who == self.user or (self.token is not None and who == f"{self.user}!{self.token}")

    def identity(self) -> dict[str, object]:
        """The parts of the UPID and, when split, the token, as in API answers."""
        data: dict[str, object] = {
            "upid": self.upid,
            "node": self.node,
            "pid": self.pid,
            "pstart": self.pstart,
            "starttime": self.starttime,
            "type": self.type,
            "id": self.id,
            "user": self.user,
        }
        if self.token is not None:
            data["tokenid"] = self.token
        return data

    def record(self) -> dict[str, object]:
        """The record of a task list."""
        data = self.identity()
        if self.endtime is not None:
            data["endtime"] = self.endtime
        if self.status is not None:
            data["status"] = self.status
        if self.saved is not None:
            data["saved"] = self.saved
        return data


def _hex(text: str) -> int:
    """Perl's hex(): stops at the first character that is none."""
    digits = re.match(r"[0-9A-Fa-f]*", text)
    return int(digits[0], 16) if digits and digits[0] else 0


def decode_upid(upid: str) -> Task | None:
    """The parts of a UPID, or None when PVE cannot parse it. The user keeps its token."""
    match = _UPID.fullmatch(upid)
    if not match:
        return None
    node, pid, pstart, start, kind, ident, user = match.groups()
    return Task(upid, node, int(pid, 16), int(pstart, 16), int(start, 16), kind, ident, user)


def _finish(task: Task, end: str | None, status: str | None) -> Task:
    task.endtime = _hex(end) if end else None
    task.status = status if status and status != "0" else None
    return task


def split_user(task: Task) -> Task:
    """The same task with its token split off the user."""
    parts = split_token(task.user) if "!" in task.user else None
    return replace(task, user=parts[0], token=parts[1]) if parts else task


def parse_archive_line(line: str) -> Task | None:
    """A line of `index` or `index.1`; None for lines that PVE does not show."""
    match = _ARCHIVE.fullmatch(line)
    task = decode_upid(match[1]) if match else None
    return _finish(split_user(task), match[2], match[3]) if match and task else None


def parse_active_line(line: str) -> Task | None:
    """A line of `active`; the token stays part of the user."""
    match = _ACTIVE.fullmatch(line)
    task = decode_upid(match[1]) if match else None
    if not match or not task:
        return None
    task.saved = match[2]
    return _finish(task, match[3], match[4])


def status_class(status: str | None) -> str:
    """PVE's class of a status: ok, warning, error or unknown."""
    if not status or status == "unexpected status":
        return "unknown"
    if status == "OK":
        return "ok"
    return "warning" if _WARNINGS.fullmatch(status) else "error"
