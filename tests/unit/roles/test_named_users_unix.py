# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role named_users makes of the declared people and of what preflight saw, by the real ansible-playbook."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.playbook import run_playbook

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
account gina 1006
account hans 1007
account nobody 65534
made gina
made hans
made erik
made nobody
sudoer root
sudoer alice
sudoer mallory
sudoer dora
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
- {id: dora, state: disabled, ssh_keys: [k2, k3]}
- {id: erik, state: absent, unix: true}
- {id: backup, state: disabled}
- {id: frida, state: disabled, unix: false}
- {id: gina}
- {id: Hugo, unix: true, expire: soon}
- {id: www-data, unix: true}
- {id: nobody, unix: true}
- {id: "mallory\\n", unix: true}
"""


def look(folder: Path, names: list[str], **extra: Any) -> dict[str, Any]:
    """The role's variables of a host, by the part of their names after pve_audit_named_users_unix_."""
    values = ", ".join(f"'{name}': pve_audit_named_users_unix_{name}" for name in names)
    given = {f"pve_audit_named_users_{name}": value for name, value in extra.items()}
    given["pve_audit_named_users_seen"] = {"stdout": SEEN}
    (folder / "people.yml").write_text(f"pve_audit_named_users_people:{PEOPLE}")
    (folder / "play.yml").write_text(
        "- hosts: localhost\n  gather_facts: false\n"
        f"  vars_files: [{ROLE}/defaults/main.yml, {ROLE}/vars/main.yml, people.yml, given.json]\n"
        "  tasks:\n    - ansible.builtin.copy:\n"
        f'        content: "{{{{ {{{values}}} | to_json }}}}"\n        dest: {folder}/made.json\n        mode: "0600"\n'
    )
    (folder / "given.json").write_text(json.dumps(given))
    done = run_playbook(folder / "play.yml", folder)
    assert done.returncode == 0, done.stdout
    found: dict[str, Any] = json.loads((folder / "made.json").read_text())
    # Before ansible-core 2.19 a template gives a text, also for a number.
    return found | {name: int(value) for name, value in found.items() if name == "confirm_seconds"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """All of them."""
    names = f"{KEYS} cut_off root_addresses made_undeclared sudo_undeclared left_keys confirm_seconds".split()
    declared = ["203.0.113.0/24", "198.51.100.12"]
    return look(tmp_path_factory.mktemp("vars"), names, unix_sshd_cluster_addresses=declared)


@pytest.mark.parametrize(
    ("name", "want"),
    [
        ("leavers", ["dora", "erik"]),
        ("names", ["alice", "bob", "carol", "www-data", "nobody", "dora", "backup", "erik"]),
        ("admins", ["alice", "bob"]),
        ("keyed_admins", ["alice"]),
        ("keys", [{"name": "alice", "keys": ["k1"]}, {"name": "carol", "keys": []}]),
        ("no_keys", [{"name": "dora", "keys": []}, {"name": "erik", "keys": []}]),
        ("bad_names", ["Hugo", "mallory\n"]),
        ("system_names", ["www-data", "nobody"]),
        ("made_undeclared", ["gina", "hans"]),
        ("sudo_undeclared", ["mallory"]),
        ("left_keys", ["k2", "k3"]),
        ("bad_expires", ["Hugo"]),
        ("undeclared", ["mallory"]),
        ("expires", {"alice": 1940630400, "bob": -1, "carol": 1940544000}),
        ("cut_off", "is declared as disabled"),
        ("root_addresses", ["198.51.100.11", "198.51.100.12", "203.0.113.0/24"]),
        ("confirm_seconds", 120),
    ],
)
def test_who_is_who(made: dict[str, Any], name: str, want: Any) -> None:
    assert made[name] == want


def test_whoever_is_taken_out_of_the_list_is_closed_only_when_asked_for(tmp_path: Path) -> None:
    made = look(tmp_path, "leavers cut_off confirm_seconds".split(), undeclared="disable", unix_sshd_confirm_seconds=0)
    assert made == {
        "leavers": ["dora", "erik", "gina", "hans"],
        "cut_off": "is declared as disabled",
        "confirm_seconds": 0,
    }
