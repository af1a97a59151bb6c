# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab of its own for these tests; the images come from the common cache."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.hosts import lab as actions
from tests.lab.hosts.layout import Host, Lab, find_lab
from tests.lab.hosts.machine import why_not


class Hosts:
    """The booted hosts, as a test talks to them."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab

    def run(self, name: str, command: str) -> str:
        """The output of a shell command on a host, which must succeed; sshd may be on its way back from a reload."""
        done = actions.ssh(self.lab, self.host(name), command)
        for _attempt in range(5):
            if done.returncode != 255 or "Connection closed by UNKNOWN" not in done.stderr:
                break
            time.sleep(1)
            done = actions.ssh(self.lab, self.host(name), command)
        assert done.returncode == 0, f"{name}: {command}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def host(self, name: str) -> Host:
        return self.lab.host(name)

    def boot_id(self, name: str) -> str:
        return self.run(name, "cat /proc/sys/kernel/random/boot_id")


@pytest.fixture(scope="session")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    if reason := why_not():
        pytest.skip(reason)
    state: Path = tmp_path_factory.mktemp("lab")
    lab = find_lab(str(state))
    actions.up(lab)
    try:
        yield Hosts(lab)
    finally:
        actions.down(lab)
