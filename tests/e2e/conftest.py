# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""End to end: the real ansible-playbook of the Python that runs pytest, against a simulated cluster."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.lab.fixtures import start_simulator
from tests.lab.simulator import Simulator, running_simulator

__all__ = ["start_simulator"]

ROOT = Path(__file__).resolve().parents[2]
FOREIGN = ("ANSIBLE_", "PROXMOX_")


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
    common: dict[str, str] = field(default_factory=dict)

    def play(self, playbook: str, environment: dict[str, str], *arguments: str, **variables: object) -> Played:
        """Run a playbook by name, or one given as text."""
        if "\n" in playbook:
            (self.folder / "site.yml").write_text(playbook, encoding="utf-8")
            playbook = "site.yml"
        report = self.folder / "report"
        variables = {"pve_audit_report_output_dir": str(report), **variables}
        program = str(Path(sys.executable).parent / "ansible-playbook")
        done = subprocess.run(
            [program, playbook, "-e", json.dumps(variables), *arguments],
            cwd=self.folder,
            env=self.common | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            text=True,
            timeout=180,
        )
        return Played(done.returncode, done.stdout, report)


@pytest.fixture
def ansible(tmp_path: Path) -> Ansible:
    """A fresh place to run playbooks."""
    env = {key: value for key, value in os.environ.items() if not key.startswith(FOREIGN)}
    env |= {
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".build" / "collections"),
        "ANSIBLE_HOME": str(tmp_path / "ansible"),
        "ANSIBLE_REMOTE_TEMP": str(tmp_path / "ansible" / "tmp"),
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
        "LC_ALL": "C.UTF-8",
    }
    return Ansible(tmp_path, env)


@pytest.fixture(scope="session")
def lab() -> Iterator[Simulator]:
    """Three nodes, all well."""
    with running_simulator(nodes=3, unauthorized_delay=0.1) as simulator:
        yield simulator


@pytest.fixture(scope="session")
def ill_lab() -> Iterator[Simulator]:
    """Three nodes of which one is off; users, states and logs that attack readers."""
    with running_simulator(nodes=3, offline=("pve2",), offline_delay=0.1, hostile=True) as simulator:
        yield simulator
