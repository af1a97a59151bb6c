# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""End to end: the real ansible-playbook of the Python that runs pytest, against a simulated cluster."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.lab.fixtures import start_simulator
from tests.lab.simulator import Simulator, running_simulator
from tests.playbook import run_playbook

__all__ = ["start_simulator"]


@dataclass(frozen=True)
class Played:
    """What a run of ansible-playbook left: exit status, everything it printed, and the folder of its report."""

    status: int
    output: str
    folder: Path

    def report(self) -> dict[str, Any]:
        """The JSON report."""
        report: dict[str, Any] = json.loads((self.folder / "pve-audit-report.json").read_text(encoding="utf-8"))
        return report


def connection(lab: Simulator, token: str = "audit@pve!report") -> dict[str, str]:
    """The environment that leads to the simulator, with one of its tokens."""
    user, name = token.split("!")
    return {
        "PROXMOX_HOST": lab.host,
        "PROXMOX_PORT": str(lab.port),
        "PROXMOX_USER": user,
        "PROXMOX_TOKEN_ID": name,
        "PROXMOX_TOKEN_SECRET": lab.cluster.secrets[token],
        "PROXMOX_CA_PATH": str(lab.ca_path),
    }


@dataclass
class Ansible:
    """Runs playbooks in a folder of its own, with no settings of the user."""

    folder: Path

    def play(self, playbook: str, environment: dict[str, str], *arguments: str, **variables: object) -> Played:
        """Run a playbook by name, or one given as text."""
        if "\n" in playbook:
            (self.folder / "site.yml").write_text(playbook, encoding="utf-8")
            playbook = "site.yml"
        report = self.folder / "report"
        variables = {"pve_audit_report_output_dir": str(report), **variables}
        done = run_playbook(playbook, self.folder, "-e", json.dumps(variables), *arguments, environment=environment)
        return Played(done.returncode, done.stdout, report)


@pytest.fixture
def ansible(tmp_path: Path) -> Ansible:
    """A fresh place to run playbooks."""
    return Ansible(tmp_path)


@pytest.fixture(scope="session")
def lab() -> Iterator[Simulator]:
    """Three nodes, all well, and two metric servers that answer."""
    listeners = ("192.0.2.1:8086", "192.0.2.1:4318")
    with running_simulator(nodes=3, unauthorized_delay=0.1, metric_listeners=listeners) as simulator:
        yield simulator


@pytest.fixture(scope="session")
def ill_lab() -> Iterator[Simulator]:
    """Three nodes of which one is off; users, states and logs that attack readers."""
    with running_simulator(nodes=3, offline=("pve2",), offline_delay=0.1, hostile=True) as simulator:
        yield simulator
