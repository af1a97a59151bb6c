# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shipped rules. They are data, and a user's own rules have the same form (see `anomalies.py`).

Actors are told apart by `user.id`, which holds the API token (`iac@pve!janitor`): two tokens of one account are two
programs with two purposes, and each is judged on its own.
"""

from __future__ import annotations

from typing import Any

# PVE's own daemons and timers start these as root@pam. A task does not show who asked for it.
_STARTED_BY_PVE = [
    "aptupdate",
    "startall",
    "stopall",
    "vzdump",
    "auth-realm-sync",
    "srvreload",
    "acmerenew",
    "migrateall",
]

DEFAULT_RULES: tuple[dict[str, Any], ...] = (
    {
        "id": "mass-guest-deletion",
        "title": "Mass guest deletion",
        "severity": "critical",
        "match": {"event.action": "guest.destroy"},
        "outcome": "success",
        "type": "value_count",
        "field": "pve.vmid",
        "timespan": "10m",
        "group_by": ["user.id"],
        "condition": {"gt": 5},
        "remedy": "Ask the person behind the account at once; disable it if it was not them; stop pruning of backups.",
    },
    {
        "id": "mass-backup-deletion",
        "title": "Mass deletion of snapshots, backups or volumes",
        "severity": "critical",
        "match": {
            "event.action": ["guest.snapshot.delete", "backup.prune", "storage.volume.delete"],
        },
        "outcome": "success",
        "type": "event_count",
        "timespan": "10m",
        "group_by": ["user.id"],
        "condition": {"gt": 5},
        "remedy": "Check that restorable copies exist elsewhere, and ask the person behind the account.",
    },
    {
        "id": "failed-task-burst",
        "title": "Burst of failed actions",
        "severity": "medium",
        "match": {"event.dataset": "pve.task"},
        "outcome": "failure",
        "type": "event_count",
        "timespan": "10m",
        "group_by": ["user.id"],
        "condition": {"gte": 5},
        "remedy": "Read the task logs: a broken job, or somebody trying what is not allowed.",
    },
    {
        "id": "action-outside-hours",
        "title": "Critical action outside working hours",
        "severity": "high",
        "match": {"pve.severity": ["critical", "high"], "event.dataset": "pve.task"},
        "exclude": {"pve.token": "*", "pve.task_type": _STARTED_BY_PVE},
        "hours": "outside",
        "type": "event_count",
        "timespan": "1h",
        "group_by": ["user.id"],
        "condition": {"gte": 1},
        "remedy": "Compare with the on-call roster and announced maintenance; ask the person.",
    },
    {
        "id": "console-outside-hours",
        "title": "Console opened outside working hours",
        "severity": "high",
        "match": {"event.action": ["guest.console.open", "node.console.open"]},
        "hours": "outside",
        "type": "event_count",
        "timespan": "1h",
        "group_by": ["user.id"],
        "condition": {"gte": 1},
        "remedy": "Ask the person; what was typed on a console is in no log of PVE.",
    },
    {
        "id": "root-pam-use",
        "title": "Use of the shared account root@pam",
        "severity": "medium",
        "match": {"user.id": ["root@pam", "root@pam!*"], "event.dataset": "pve.task"},
        "exclude": {"pve.task_type": _STARTED_BY_PVE},
        "type": "event_count",
        "timespan": "1d",
        "group_by": ["user.id"],
        "condition": {"gte": 1},
        "remedy": "Give every person a named account; root@pam is for emergencies.",
    },
)
