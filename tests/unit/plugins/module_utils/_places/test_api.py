# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a cluster shows through its API, in the answer to a question about an interval."""

from __future__ import annotations

import time
from typing import Any

import pytest

from ansible_collections.pve.audit.plugins.module_utils._places.api import read_api
from ansible_collections.pve.audit.plugins.module_utils._places.reading import Interval
from ansible_collections.pve.audit.plugins.module_utils._pve.credentials import Credentials
from ansible_collections.pve.audit.plugins.module_utils._pve.session import Session
from tests.lab.recorded import build_recorded
from tests.lab.simulator import running_simulator

DAY = 86_400


def index(*days: int) -> str:
    """A task log with a task so many days ago each."""
    moments = [int(time.time()) - day * DAY for day in sorted(days, reverse=True)]
    return "".join(f"UPID:pve1:{at:08X}:00000002:{at:08X}:aptupdate::root@pam: {at:08X} OK\n" for at in moments)


@pytest.mark.parametrize(
    ("days", "since", "reasons"),
    [
        (range(9), 7, []),
        (range(3), 7, ["begins_late"]),
        (range(3), None, []),
        ([0, 1, 5, 6, 7, 8], 7, ["gap"]),
        ([], 7, ["empty"]),
    ],
)
def test_the_task_log_is_judged_for_the_interval_that_is_asked_for(
    days: Any, since: int | None, reasons: list[str]
) -> None:
    with running_simulator(cluster=build_recorded({"pve1/tasks/index": index(*days)})) as lab:
        info = lab.info()
        given = {key: info[key] for key in ("host", "port", "user", "token_id", "token_secret", "ca_path")}
        interval = Interval(None if since is None else time.time() - since * DAY, time.time())
        found = read_api(Session(Credentials(**given)), {"total_timeout": 20, "concurrency": 2}, interval)
    [row] = [entry for entry in found.coverage if entry.source == "pve.task"]
    assert [reason["code"] for reason in row.reasons] == reasons
    assert len([event for event in found.events if event["event"]["dataset"] == "pve.task"]) == len(days)
