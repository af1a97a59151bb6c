# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the status of a task means. This is the only place that knows the rule.

Source: pve-common PVE/UPID.pm (read_status, status_is_error, normalize_status_type), pve-manager PVE/API2/Tasks.pm.
"""

from __future__ import annotations

import re

RUNNING = "RUNNING"
STATES = ("ok", "warning", "error", "unknown", "running")

_WARNINGS = re.compile(r"WARNINGS: \d+", re.ASCII)
# `WARNINGS` alone stays the error that Proxmox VE takes it for.
_CUT = frozenset(
    {"WARNINGS:"}
    | {whole[:length] for whole in ("OK", "WARNINGS", "unexpected status") for length in range(1, len(whole))}
)
_OUTCOMES = {"ok": "success", "warning": "success", "error": "failure"}


def task_state(status: object, running: bool = False) -> str:
    """The state of a task: `ok`, `warning`, `error`, `unknown` or `running`.

    `status` is the text of the index or of the API; a task without one is unknown, or running when `running` says so.
    Proxmox VE is written in Perl: a status of "0" is no status. One that was cut off says no more than that, although
    Proxmox VE itself takes `O` for an error.
    """
    if status is None or status in ("", "0") or not isinstance(status, str):
        return "running" if running else "unknown"
    if status == "OK":
        return "ok"
    if status == RUNNING:
        return "running"
    if status == "unexpected status" or is_cut(status):
        return "unknown"
    return "warning" if _WARNINGS.fullmatch(status) else "error"


def is_cut(status: str) -> bool:
    """True for the beginning of a status that Proxmox VE writes word for word: a full disk cuts lines anywhere."""
    return status in _CUT


def outcome(state: str) -> str:
    """The outcome of an event from the state of its task: `success`, `failure` or `unknown`."""
    return _OUTCOMES.get(state, "unknown")
