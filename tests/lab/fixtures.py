# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""pytest fixtures: in a conftest.py, `from tests.lab.fixtures import simulator, start_simulator`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.lab.simulator import Simulator, running_simulator

__all__ = ["simulator", "start_simulator"]


@pytest.fixture(scope="session")
def simulator() -> Iterator[Simulator]:
    """Three nodes with the story; refused calls are answered at once."""
    with running_simulator(unauthorized_delay=0.0, no_quorum_delay=0.0) as running:
        yield running


@pytest.fixture
def start_simulator() -> Iterator[Callable[..., Simulator]]:
    """Call it with fields of SimulatorOptions; what it started ends with the test. Delays are 0 unless given."""
    with ExitStack() as stack:

        def start(**choices: Any) -> Simulator:
            choices = {"unauthorized_delay": 0.0, "offline_delay": 0.0, "no_quorum_delay": 0.0, **choices}
            return stack.enter_context(running_simulator(**choices))

        yield start
