# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pytest fixtures other tests use."""

from __future__ import annotations

from collections.abc import Callable

from tests.lab.simulator import Simulator
from tests.unit.lab.client import get


def test_shared(simulator: Simulator) -> None:
    """Three nodes with the story."""
    assert len(get(simulator, "/nodes").data) == 3


def test_started(start_simulator: Callable[..., Simulator]) -> None:
    """Several at once, each with its own options and an entry for every node when wanted."""
    small, large = start_simulator(nodes=1, tasks_per_node=5), start_simulator(nodes=4, every_node=True)
    assert len(get(small, "/nodes").data) == 1
    assert list(large.ports) == ["pve1", "pve2", "pve3", "pve4"]
