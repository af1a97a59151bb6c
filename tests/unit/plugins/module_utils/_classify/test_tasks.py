# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Task types: every one of PVE's list is known, no row is stale."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.pve.audit.plugins.module_utils._classify.action import ACTIONS, OTHER
from ansible_collections.pve.audit.plugins.module_utils._classify.tasks import (
    LEGACY_TASK_ACTIONS,
    TASK_ACTIONS,
    classify_task,
)

TASK_TYPES: list[str] = json.loads((Path(__file__).parent / "data" / "task-types.json").read_text(encoding="utf-8"))


def test_complete_and_not_stale() -> None:
    assert len(TASK_TYPES) == 108
    assert set(TASK_ACTIONS) == set(TASK_TYPES)
    assert not set(LEGACY_TASK_ACTIONS) & set(TASK_ACTIONS)


@pytest.mark.parametrize("task_type", [*TASK_TYPES, *LEGACY_TASK_ACTIONS])
def test_every_type_is_known(task_type: str) -> None:
    found = classify_task(task_type)
    assert found.known
    assert found is ACTIONS[found.name]


@pytest.mark.parametrize(
    ("task_type", "task_id", "name"),
    [
        ("srvreload", "networking", "node.network.apply"),
        ("srvreload", "pveproxy", "node.service.reload"),
        ("srvreload", "", "node.service.reload"),
        ("srvrestart", "networking", "node.service.restart"),
        ("termproxy", "", "node.console.open"),
        ("termproxy", "100", "guest.console.open"),
        ("vncshell", "", "node.console.open"),
        ("srvrestart", "cluster-osd", "ceph.bulk.restart"),
        ("srvrestart", "osd.3", "node.service.restart"),
        ("srvrestart", "pve-ha-crm", "node.service.restart"),
        ("bulk-shutdown", "", "guest.bulk.shutdown"),
        ("qmdestroy", "100", "guest.destroy"),
        ("QMDESTROY", "100", "other"),
        ("VZDump", "100", "other"),
        ("", "", "other"),
        (" qmdestroy", "", "other"),
    ],
)
def test_table(task_type: str, task_id: str, name: str) -> None:
    assert classify_task(task_type, task_id).name == name


@given(st.text(), st.text())
def test_never_raises(task_type: str, task_id: str) -> None:
    found = classify_task(task_type, task_id)
    assert found is OTHER or found.known
