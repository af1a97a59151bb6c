# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the cluster says besides the task logs, in every shape in which it may come."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.pve.audit.plugins.module_utils._pve.proofs import listed_tasks, node_boot

NOW = 1_795_455_600
UPID = "UPID:pve1:000005E3:0007C336:6B047AC4:qmdestroy:510:dario@pve:"
OTHER = "UPID:pve2:000005E3:12A0D8541:6B047AC4:vzdump::svc@pve!backup:"


class Answering:
    """Answers every request with the same."""

    user = "audit@pve"

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def get(self, *path: str, **params: Any) -> Any:
        """One GET."""
        return self.answer


def row(upid: object, end: object = NOW) -> dict[str, object]:
    """A line of the list."""
    return {"upid": upid, "endtime": end, "status": "OK", "saved": "1"}


@pytest.mark.parametrize(
    ("answer", "listed"),
    [
        ([row(UPID)], {"pve1": {UPID: NOW}}),
        ([row(UPID, str(NOW))], {"pve1": {UPID: NOW}}),
        ([row(UPID), row(OTHER), row(UPID)], {"pve1": {UPID: NOW}, "pve2": {OTHER: NOW}}),
        # still running
        ([row(UPID, None), row(UPID, ""), {"upid": UPID}], {}),
        # nodes have these in their log, and do not show them
        ([row(UPID.replace("510", "pve1:local")), row(UPID.replace("510", "a b")), row(UPID.replace("510", "ö"))], {}),
        # no list of tasks at all
        ([row(None), row(7), row("UPID"), row(UPID, "soon"), row(UPID, -1), row(UPID, True), None, "x"], {}),
        ({}, {}),
        (None, {}),
        ("a page", {}),
    ],
)
def test_finished_tasks_that_the_cluster_lists(answer: Any, listed: dict[str, dict[str, float]]) -> None:
    assert listed_tasks(Answering(answer)) == listed


@pytest.mark.parametrize(
    ("answer", "boot"),
    [
        ({"uptime": 60}, NOW - 60),
        ({"uptime": 60.5}, NOW - 60.5),
        ({"uptime": 579 * 86_400}, NOW - 579 * 86_400),
        ({"uptime": 0}, None),
        ({"uptime": -5}, None),
        ({"uptime": 1e300}, None),
        ({"uptime": float("nan")}, None),
        ({"uptime": True}, None),
        ({"uptime": "60"}, None),
        ({}, None),
        ([], None),
        (None, None),
    ],
)
def test_since_when_a_node_runs(answer: Any, boot: float | None) -> None:
    assert node_boot(Answering(answer), "pve1", NOW) == boot
