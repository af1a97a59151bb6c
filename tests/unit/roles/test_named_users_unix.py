# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role named_users makes of the declared people and of what preflight saw, by the real ansible-playbook."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROLE = Path(__file__).resolve().parents[3] / "roles" / "named_users"
KEYS = (
    "left present leavers names admins keyed_admins keys no_keys bad_names system_names bad_expires undeclared expires"
)
SEEN = """
os debian 13
account dora 1004
account erik 1005
account backup 34
account www-data 33
person dora
person mallory
session dora 192.0.2.7
sudoers alice, dora
node 198.51.100.12
node 198.51.100.11
node 198.51.100.11
"""
PEOPLE = """
- {id: alice, unix: true, sudo: true, ssh_keys: [k1], expire: 2031-06-30}
- {id: bob, unix: true, sudo: true, expire: never}
- {id: carol, unix: true, ssh_keys: [], expire: 1940543999}
- {id: dora, state: disabled}
- {id: erik, state: absent, unix: true}
- {id: backup, state: disabled}
- {id: frida, state: disabled, unix: false}
- {id: gina}
- {id: Hugo, unix: true, expire: soon}
- {id: www-data, unix: true}
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The role's variables of a host, by the part of their names after pve_audit_named_users_unix_."""
    folder = tmp_path_factory.mktemp("vars")
    names = [*KEYS.split(), "cut_off", "root_addresses"]
    values = ", ".join(f"'{name}': pve_audit_named_users_unix_{name}" for name in names)
    (folder / "people.yml").write_text(f"pve_audit_named_users_people:{PEOPLE}")
    (folder / "play.yml").write_text(
        "- hosts: localhost\n  gather_facts: false\n"
        f"  vars_files: [{ROLE}/defaults/main.yml, {ROLE}/vars/main.yml, people.yml]\n"
        f"  vars: {{pve_audit_named_users_seen: {{stdout: {json.dumps(SEEN)}}}}}\n"
        "  tasks:\n    - ansible.builtin.copy:\n"
        f'        content: "{{{{ {{{values}}} | to_json }}}}"\n        dest: {folder}/made.json\n        mode: "0600"\n'
    )
    program = Path(sys.executable).with_name("ansible-playbook")
    env = os.environ | {"ANSIBLE_HOME": str(folder), "ANSIBLE_LOCALHOST_WARNING": "false"}
    done = subprocess.run([program, "-c", "local", folder / "play.yml"], capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads((folder / "made.json").read_text())
    return found


@pytest.mark.parametrize(
    ("name", "want"),
    [
        ("leavers", ["dora", "erik"]),
        ("names", ["alice", "bob", "carol", "www-data", "dora", "backup", "erik"]),
        ("admins", ["alice", "bob"]),
        ("keyed_admins", ["alice"]),
        ("keys", [{"name": "alice", "keys": ["k1"]}, {"name": "carol", "keys": []}]),
        ("no_keys", [{"name": "dora", "keys": []}, {"name": "erik", "keys": []}]),
        ("bad_names", ["Hugo"]),
        ("system_names", ["www-data"]),
        ("bad_expires", ["Hugo"]),
        ("undeclared", ["mallory"]),
        ("expires", {"alice": 1940630400, "bob": -1, "carol": 1940544000}),
        ("cut_off", "is declared as disabled"),
        ("root_addresses", ["198.51.100.11", "198.51.100.12"]),
    ],
)
def test_who_is_who(made: dict[str, Any], name: str, want: Any) -> None:
    assert made[name] == want
