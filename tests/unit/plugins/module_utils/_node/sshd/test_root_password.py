# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The password of root: never shown, never in a list of processes, and locked only where others can become root."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._node.command import Outcome
from ansible_collections.pve.audit.plugins.module_utils._node.sshd import root_password as rp
from ansible_collections.pve.audit.plugins.module_utils._node.sshd.config import Account

OLD = "$y$j9T$oldoldoldoldoldoldoldo$" + "o" * 43
NEW = "$6$newnewnew$" + "n" * 86
SSHD = "pubkeyauthentication yes\nauthenticationmethods any\nauthorizedkeysfile .ssh/authorized_keys\n"


@dataclass
class Node:
    """A shadow file, and programs that note what they are told."""

    shadow: Path
    argv: list[list[str]] = field(default_factory=list)
    fed: list[str] = field(default_factory=list)
    no_sudo: tuple[str, ...] = ()
    sshd: str = SSHD

    def run(self, argv: Sequence[str]) -> Outcome:
        self.argv.append(list(argv))
        if argv[0] == "sshd":
            return Outcome(0, self.sshd)
        if argv[0] == "runuser" and argv[2] in self.no_sudo:
            return Outcome(1, stderr="sudo: a password\nis required")
        return Outcome(0)

    def feed(self, argv: Sequence[str], text: str) -> Outcome:
        self.argv.append(list(argv))
        self.fed.append(text)
        return Outcome(0)

    def bring(self, check: bool = False, **options: Any) -> dict[str, Any]:
        base = {"state": "locked", "hash": None, "administrators": ["alice", "bob"], "minimum": 2}
        return rp.ensure({**base, **options}, rp.Machine(self.run, self.feed, str(self.shadow)), check)


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Node:
    shadow = tmp_path / "shadow"
    shadow.write_text(f"daemon:*:1:0:99999:7:::\nroot:{OLD}:1:0:99999:7:::\n")
    monkeypatch.setattr(rp, "find_account", lambda name, _files: Account(name, (name,), name != "keyless"))
    return Node(shadow)


def test_rotation(node: Node) -> None:
    assert node.bring(check=True, state="set", hash=NEW)["changed"]
    assert node.argv == []
    result = node.bring(state="set", hash=NEW)
    assert node.fed == [f"root:{NEW}\n"]
    assert NEW not in json.dumps([result, node.argv])
    assert OLD not in json.dumps(result)
    assert not node.bring(state="set", hash=OLD)["changed"]


@pytest.mark.parametrize("bad", ["", "secret", "$1$abcdefgh$" + "x" * 22, f"!{NEW}", f"{NEW}:x", f"{NEW}\n", "*"])
def test_what_is_no_strong_hash(node: Node, bad: str) -> None:
    with pytest.raises(InputError, match="no password hash") as caught:
        node.bring(state="set", hash=bad)
    assert not bad or bad not in str(caught.value)
    assert not node.argv
    assert not node.fed


def test_locking(node: Node) -> None:
    assert node.bring(check=True)["changed"]
    assert node.bring()["changed"]
    assert node.argv[-1] == ["usermod", "-L", "root"]
    node.shadow.write_text(f"root:!{OLD}:1::::::\n")
    assert not node.bring(administrators=[])["changed"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"administrators": []}, "only 0 of the 2"),
        ({"administrators": ["alice", "alice"]}, "only 1 of the 2"),
        ({"administrators": ["alice", "keyless"]}, "keyless: it has no key in .ssh/authorized_keys"),
        ({"administrators": ["alice", "carol"]}, "carol: `sudo -n true` fails: sudo: a password is required"),
        ({"minimum": 3}, "only 2 of the 3"),
    ],
)
def test_locking_is_refused(node: Node, options: dict[str, Any], words: str) -> None:
    node.no_sudo = ("carol",)
    with pytest.raises(InputError) as caught:
        node.bring(**options)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    seen = node.bring(check=True, **options)
    assert seen["changed"]
    assert words in seen["warnings"][0]
    assert not [argv for argv in node.argv if argv[0] == "usermod"]


def test_whom_sshd_keeps_out_does_not_count(node: Node) -> None:
    node.sshd += "allowusers alice\n"
    with pytest.raises(InputError, match="bob: AllowUsers does not name it"):
        node.bring()
