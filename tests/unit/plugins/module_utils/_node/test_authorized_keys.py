# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SSH keys in homes whose owners may have laid traps."""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._node import authorized_keys as ak

ED = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINFTHGWWa7drnDCs0euiCZEndO3ZgZlMvjYphypEr02E"
OTHER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEGMLqENlkguSZbIbkCl46cdE5dnuMk9DJl18yhZ7/zr"
# Who owns the homes: as root somebody else, so that the change of rights is tested too.
OWNER = 65534 if os.geteuid() == 0 else os.geteuid()


@pytest.mark.parametrize("key", [f"{ED} alice", ED, f'from="192.0.2.0/24",no-pty {ED} a b', f"  {ED}\n"])
def test_a_key(key: str) -> None:
    assert ak.check_key(key) == key.strip()


@pytest.mark.parametrize(
    ("key", "word"),
    [
        ("", "no line"),
        ("alice", "no line"),
        ("ssh-ed25519", "no line"),
        ("ssh-ed25519 AAAA alice", "no whole"),
        (ED.replace("ssh-ed25519 ", "ssh-rsa "), "no whole"),
        (f"{ED} a\n{OTHER} b", "no line"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nc2VjcmV0", "private"),
    ],
)
def test_no_key(key: str, word: str) -> None:
    with pytest.raises(InputError, match=word) as caught:
        ak.check_key(key)
    assert "c2VjcmV0" not in str(caught.value)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of an account `alice`."""
    for folder in (tmp_path, *tmp_path.parents):
        if folder == tmp_path or folder.name.startswith("pytest-"):
            folder.chmod(folder.stat().st_mode | 0o001)
    if os.geteuid() != OWNER and not all(folder.stat().st_mode & 0o001 for folder in tmp_path.parents):
        pytest.skip(f"NOT TESTED: another account cannot reach {tmp_path}")
    made = tmp_path / "alice"
    made.mkdir()
    os.chown(made, OWNER, OWNER)
    entry = pwd.struct_passwd(("alice", "x", OWNER, OWNER, "", str(made), "/bin/sh"))
    known = {"alice": entry}
    monkeypatch.setattr(pwd, "getpwnam", known.__getitem__)
    return made


def bring(*keys: str, check: bool = False, name: str = "alice") -> dict[str, Any]:
    return ak.ensure([{"name": name, "keys": list(keys)}], check)


def test_exactly_the_declared_keys(home: Path) -> None:
    assert bring(ED, check=True)["changed"]
    assert list(home.iterdir()) == []
    assert bring(ED, OTHER, ED)["accounts"] == ["alice"]
    file = home / ".ssh" / "authorized_keys"
    assert file.read_text() == f"{ED}\n{OTHER}\n"
    states = [(path.stat().st_uid, path.stat().st_mode & 0o777) for path in (file.parent, file)]
    assert states == [(OWNER, 0o700), (OWNER, 0o600)]
    assert not bring(ED, OTHER)["changed"]
    assert bring(ED)["diff"][0]["before"] == f"{ED}\n{OTHER}\n"
    assert bring()["changed"]
    assert not file.exists()
    assert not bring()["changed"]


@pytest.mark.parametrize("trap", ["mode", "second", "root"])
def test_what_is_put_right(home: Path, trap: str) -> None:
    bring(ED)
    file = home / ".ssh" / "authorized_keys"
    if trap == "mode":
        file.parent.chmod(0o777)
        file.chmod(0o666)
    elif trap == "second":
        (home / ".ssh" / "authorized_keys2").write_text(OTHER)
    else:
        os.chown(file.parent, os.geteuid(), -1)
        os.chown(file, os.geteuid(), -1)
    changed = bring(ED, check=True)["changed"]
    assert changed is (trap != "root" or os.geteuid() == 0)
    bring(ED)
    assert not bring(ED)["changed"]
    assert sorted(path.name for path in (home / ".ssh").iterdir()) == ["authorized_keys"]
    assert file.read_text() == f"{ED}\n"


@pytest.mark.parametrize("link", [".ssh", ".ssh/authorized_keys"])
def test_a_link_leads_nowhere(home: Path, tmp_path: Path, link: str) -> None:
    target = tmp_path / "root"
    (target / "authorized_keys").mkdir(parents=True) if link == ".ssh" else target.write_text("secret\n")
    if link != ".ssh":
        (home / ".ssh").mkdir(0o700)
        os.chown(home / ".ssh", OWNER, OWNER)
    (home / link).symlink_to(target)
    with pytest.raises(InputError, match="move it away first"):
        bring(ED)
    assert target.is_dir() or target.read_text() == "secret\n"


@pytest.mark.parametrize("end", ["\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\r"])
def test_a_line_ends_where_it_does_for_sshd(home: Path, end: str) -> None:
    bring(OTHER)
    file = home / ".ssh" / "authorized_keys"
    file.write_text(f'environment="A={end}x" {ED} hidden\n{OTHER} stays\n', newline="")
    ak.ensure([{"name": "alice", "without": [ED]}], False)
    assert file.read_bytes() == f"{OTHER} stays\n".encode()


def test_keys_that_must_not_be_there(home: Path) -> None:
    bring(ED, OTHER)
    file = home / ".ssh" / "authorized_keys"
    file.write_text(f'# mine {ED}\nfrom="192.0.2.1" {ED} again\n{OTHER} stays')
    one = {"name": "alice", "without": [f"{ED} another comment"]}
    assert ak.ensure([one], True)["accounts"] == ["alice"]
    assert ED in file.read_text().splitlines()[1]
    assert ak.ensure([one], False)["changed"]
    assert file.read_text() == f"# mine {ED}\n{OTHER} stays"
    assert not ak.ensure([one], False)["changed"]
    assert not ak.ensure([{"name": "ghost", "without": [ED]}], False)["changed"]
    with pytest.raises(InputError, match="either"):
        ak.ensure([{"name": "alice"}], False)


def test_all_are_checked_before_the_first_is_touched(home: Path) -> None:
    with pytest.raises(InputError, match="key 1 of bob"):
        ak.ensure([{"name": "alice", "keys": [ED]}, {"name": "bob", "keys": ["x"]}], False)
    assert list(home.iterdir()) == []


@pytest.mark.usefixtures("home")
def test_an_account_that_is_not_there() -> None:
    assert not bring(ED, name="ghost", check=True)["changed"]
    assert not bring(name="ghost")["changed"]
    with pytest.raises(InputError, match="no account ghost"):
        bring(ED, name="ghost")
