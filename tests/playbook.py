# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real ansible-playbook of the Python that runs pytest."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

TESTS = Path(__file__).resolve().parent
BUILD = TESTS.parent / ".build"
FOREIGN = ("ANSIBLE_", "PROXMOX_")


def run_playbook(
    playbook: str | Path, folder: Path, *arguments: str, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a playbook in a folder of its own, with no settings of the user. All that it prints is in `stdout`."""
    bytecode = BUILD / "bytecode"
    bytecode.mkdir(parents=True, exist_ok=True)
    kept = {key: value for key, value in os.environ.items() if not key.startswith(FOREIGN)}
    settings = {
        "ANSIBLE_COLLECTIONS_PATH": str(BUILD / "collections"),
        "ANSIBLE_HOME": str(folder / "ansible"),
        "ANSIBLE_REMOTE_TEMP": str(folder / "ansible" / "tmp"),
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
        "ANSIBLE_NOCOLOR": "1",
        "LC_ALL": "C.UTF-8",
        # Most of a short module's time goes by in compiling what it imports from its archive.
        "PYTHONPATH": str(TESTS / "bytecode"),
        "PVE_AUDIT_BYTECODE": str(bytecode),
    }
    return subprocess.run(
        [str(Path(sys.executable).with_name("ansible-playbook")), str(playbook), *arguments],
        cwd=folder,
        env={**kept, **settings, **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        text=True,
        timeout=600,
    )
