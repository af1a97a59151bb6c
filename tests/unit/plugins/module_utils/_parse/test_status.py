# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one rule of task states."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.pve.audit.plugins.module_utils._parse.status import outcome, task_state

CASES: list[tuple[Any, bool, str, str]] = [
    ("OK", False, "ok", "success"),
    ("WARNINGS: 3", False, "warning", "success"),
    ("WARNINGS: 0", False, "warning", "success"),
    ("WARNINGS: ", False, "error", "failure"),
    ("WARNINGS: ١", False, "error", "failure"),
    ("warnings: 3", False, "error", "failure"),
    ("unexpected status", False, "unknown", "unknown"),
    ("O", False, "unknown", "unknown"),
    ("WARNI", False, "unknown", "unknown"),
    ("WARNINGS:", False, "unknown", "unknown"),
    ("WARNINGS", False, "error", "failure"),
    ("unexpected", False, "unknown", "unknown"),
    ("RUNNING", False, "running", "unknown"),
    ("ok", False, "error", "failure"),
    ("OK ", False, "error", "failure"),
    ("job errors", False, "error", "failure"),
    ("0", False, "unknown", "unknown"),
    ("", False, "unknown", "unknown"),
    (None, False, "unknown", "unknown"),
    (None, True, "running", "unknown"),
    ("", True, "running", "unknown"),
    ("OK", True, "ok", "success"),
    (7, False, "unknown", "unknown"),
    (["OK"], False, "unknown", "unknown"),
]


@pytest.mark.parametrize(("status", "running", "state", "result"), CASES)
def test_state_and_outcome(status: Any, running: bool, state: str, result: str) -> None:
    assert task_state(status, running) == state
    assert outcome(state) == result


def test_an_unknown_state_has_an_unknown_outcome() -> None:
    assert outcome("no such state") == "unknown"
