# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a request line of access.log was, and on what: its path is decoded once, as the server does."""

from __future__ import annotations

import pytest

from ansible_collections.pve.audit.plugins.module_utils._evidence.read import classify_event, read_events
from ansible_collections.pve.audit.plugins.module_utils._evidence.source import Context

LINE = '192.0.2.7 - a@pve [23/11/2026:02:13:05 +0100] "{} HTTP/1.1" 200 25'
CALLS = [
    ("DELETE /api2/extjs/access/users/b%40pve", "access.user.delete", "b@pve", None),
    ("DELETE /api2/extjs/access/users/b%3Fc%40pve", "access.user.delete", "b?c@pve", None),
    ("DELETE /api2/extjs/access/users/b%23c@pve", "access.user.delete", "b#c@pve", None),
    ("DELETE /api2/extjs/access/users/b%252Ftoken%252Fc@pve", "access.user.delete", "b%2Ftoken%2Fc@pve", None),
    ("PUT /api2/extjs/access/users/b%2525@pve", "access.user.modify", "b%25@pve", None),
    ("DELETE /api2/extjs/access%2Fusers%2Fb%40pve", "access.user.delete", "b@pve", None),
    ("DELETE /api2/extjs/nodes/pve1/qemu/100?purge=1&destroy-unreferenced-disks=1", "guest.destroy", "100", 100),
    ("DELETE /api2/extjs/pools?poolid=dev%2Fweb", "pool.delete", "dev/web", None),
    ("DELETE /api2/extjs/nodes/pve1/storage/local/prunebackups?type=qemu&vmid=100", "backup.prune", "local", 100),
    ("DELETE /api2/extjs/nodes/pve1/storage/local/prunebackups?vmid=x", "backup.prune", "local", None),
]


@pytest.mark.parametrize(("request_line", "action", "identity", "vmid"), CALLS)
def test_call(request_line: str, action: str, identity: str, vmid: int | None) -> None:
    (read,) = read_events([LINE.format(request_line)], "access", Context("pve1", 1795456000.0))
    event = classify_event(read)
    assert event["event"]["action"] == action
    assert event["pve"].get("object") == identity
    assert event["pve"].get("vmid") == vmid
