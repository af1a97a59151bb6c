# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The example of docs/sources.md, as a user runs it: a snapshot, a change, another snapshot, and what is different."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from tests.e2e.conftest import Ansible, connection
from tests.lab.simulator import Simulator
from tests.unit.lab.client import call

PAGE = Path(__file__).resolve().parents[2] / "docs" / "sources.md"
EXAMPLE = r"```yaml\n(- name: What was changed since the last run\n.*?)```"


def test_two_snapshots(ansible: Ansible, start_simulator: Callable[..., Simulator]) -> None:
    lab = start_simulator(tasks_per_node=0)
    example = re.search(EXAMPLE, PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert example is not None
    kept = ansible.folder / "config.json"
    first = ansible.play(example[1], connection(lab), kept=str(kept))
    assert first.status == 0, first.output
    assert "changed back" not in first.output and kept.stat().st_mode & 0o777 == 0o600
    assert call(lab, "POST", "/access/users", {"userid": "eve@pve", "comment": "{{ 7 * 7 }}"}).status == 200
    second = ansible.play(example[1], connection(lab), kept=str(kept))
    assert second.status == 0, second.output
    assert '"access.user.create"' in second.output and "{{ 7 * 7 }}" in second.output
    assert "changed back before" in second.output
    assert connection(lab)["PROXMOX_TOKEN_SECRET"] not in second.output + kept.read_text(encoding="utf-8")
