# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What pvedaemon writes while it answers: the node's journal and the cluster log (pve-cluster Cluster.pm log_msg)."""

from __future__ import annotations

import time

from tests.lab.context import Context

_PID = 1200
_CLIENT = "::ffff:127.0.0.1"


def _journal(context: Context, priority: int, text: str) -> None:
    context.cluster.nodes[context.local].journal.append(
        context.local,
        {
            "_TRANSPORT": "syslog",
            "_PID": str(_PID),
            "_COMM": "pvedaemon worke",
            "_SYSTEMD_UNIT": "pvedaemon.service",
            "PRIORITY": str(priority),
            "SYSLOG_IDENTIFIER": "pvedaemon",
            "MESSAGE": text,
        },
    )


def log_message(context: Context, user: str, text: str) -> None:
    """A line in the journal and in the cluster log."""
    cluster = context.cluster
    _journal(context, 6, f"<{user}> {text}")
    with cluster.lock:
        entry = {
            "uid": 1 + max((int(old["uid"]) for old in cluster.log if old["node"] == context.local), default=0),
            "time": int(time.time()),
            "pri": 6,
            "tag": "pvedaemon",
            "pid": _PID,
            "node": context.local,
            "user": user,
            "msg": text,
        }
        cluster.log = [entry, *cluster.log]


def log_failure(context: Context, user: str, reason: str) -> None:
    """A refused login: only in the journal, with the address and whatever name was given."""
    _journal(context, 3, f"authentication failure; rhost={_CLIENT} user={user} msg={reason}")
