# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The environment that Ansible and the tests get: without the user's settings, writing nothing to the user's home."""

from __future__ import annotations

import os

from tools.paths import BUILD, link_collection
from tools.venvs import Venv

_FOREIGN = ("ANSIBLE_", "PROXMOX_", "PYTEST_", "PYTHON", "VIRTUAL_ENV")


def clean_env(venv: Venv, **extra: str) -> dict[str, str]:
    """This process's environment with the programs of `venv` first, for use with `subprocess`."""
    env = {key: value for key, value in os.environ.items() if not key.startswith(_FOREIGN)}
    home = BUILD / "ansible" / venv.name
    home.mkdir(parents=True, exist_ok=True)
    settings = home / "ansible.cfg"  # empty: the user's own settings must not decide what is tested
    settings.touch()
    env["PATH"] = os.pathsep.join([str(venv.bin), env.get("PATH", os.defpath)])
    env |= {
        "LC_ALL": "C.UTF-8",
        "ANSIBLE_COLLECTIONS_PATH": str(link_collection()),
        "ANSIBLE_CONFIG": str(settings),
        "ANSIBLE_HOME": str(home),
        "ANSIBLE_REMOTE_TEMP": str(home / "tmp"),
        "HYPOTHESIS_STORAGE_DIRECTORY": str(BUILD / "hypothesis" / venv.name),
    }
    return env | extra
