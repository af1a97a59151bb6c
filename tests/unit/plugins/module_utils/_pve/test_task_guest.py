# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guest of a task: `tasks_info` finds by its number what `events` says to be about it, and nothing else."""

from __future__ import annotations

import pytest

from ansible_collections.pve.audit.plugins.filter.events import events
from ansible_collections.pve.audit.plugins.module_utils._parse.task import parse_task
from ansible_collections.pve.audit.plugins.module_utils._pve.tasks import TaskFilter

GUESTS: list[tuple[str, str, int | None]] = [
    ("qmdestroy", "100", 100),
    ("qmdestroy", "999999999", 999999999),
    ("qmdestroy", "99", None),
    ("qmdestroy", "1000000000", None),
    ("qmdestroy", "", None),
    ("qmfuture", "100", 100),
    ("hastart", "vm:100", 100),
    ("hastop", "ct\\x3a100", 100),
    ("vzdump", "", None),
    ("imgdel", "100@local-lvm", 100),
    ("prunebackups", "100@local", 100),
    ("prunebackups", "local", None),
    ("imgcopy", "pve1:local", None),
    ("qmmove", "100-scsi0>101-scsi1", 100),
    ("vncproxy", "100", 100),
    ("cephdestroypool", "100", None),
    ("cephdestroyosd", "osd.100", None),
    ("acmerefresh", "100", None),
]


@pytest.mark.parametrize(("kind", "identity", "guest"), GUESTS)
def test_both_say_the_same(kind: str, identity: str, guest: int | None) -> None:
    task = parse_task({"upid": f"UPID:pve1:0000010A:0002BBEF:6B046DE4:{kind}:{identity}:a@pve:", "status": "OK"})
    (event,) = events([task])
    assert event["pve"].get("vmid") == guest
    for number in (99, 100, 101, 999999999):
        assert TaskFilter(vmid=number).wants(task) == (number == guest)
