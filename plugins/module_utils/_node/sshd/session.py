# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is logged in where this module runs, and which keys an account has on this node."""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Sequence
from dataclasses import dataclass

from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._node.sshd.config import Account

_VARIABLE = b"SSH_CONNECTION="


@dataclass(frozen=True)
class Session:
    """An SSH login: the account, the client's address, and the server's address and port."""

    user: str
    address: str
    server: str = ""
    port: str = "22"


def find_session(user: str | None, address: str | None, proc: str = "/proc") -> Session | None:
    """The login through which this process was started, or None when it was not over SSH.

    sudo drops SSH_CONNECTION, so that the processes above are looked at as well; the outermost that has it was started
    by sshd, and its owner is the account that logged in.
    """
    found = None
    process = os.getpid()
    for _step in range(100):
        found = _login(proc, process) or found
        process = _parent(proc, process)
        if process <= 1:
            break
    if found is None:
        return Session(user or "root", address) if address else None
    return Session(user or found.user, address or found.address, found.server, found.port)


def _login(proc: str, process: int) -> Session | None:
    try:
        with open(f"{proc}/{process}/environ", "rb") as stream:
            entries = stream.read().split(b"\0")
        owner = pwd.getpwuid(os.stat(f"{proc}/{process}").st_uid).pw_name
    except (OSError, KeyError):
        return None
    value = next((entry.removeprefix(_VARIABLE) for entry in entries if entry.startswith(_VARIABLE)), b"")
    words = value.decode("ascii", "replace").split()
    # sshd writes UNKNOWN for a connection that has no address.
    return Session(owner, words[0], words[2], words[3]) if len(words) == 4 and words[0] != "UNKNOWN" else None


def _parent(proc: str, process: int) -> int:
    try:
        with open(f"{proc}/{process}/stat", encoding="utf-8", errors="replace") as stream:
            # The name in brackets may hold anything.
            return int(stream.read().rpartition(")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return 0


def find_account(name: str, key_files: Sequence[str]) -> Account:
    """An account of the node; `key_files` as AuthorizedKeysFile has them. Raises InputError when there is none."""
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise InputError(f"the node has no account {name!r}") from None
    groups = []
    for number in os.getgrouplist(name, entry.pw_gid):
        try:
            groups.append(grp.getgrgid(number).gr_name)
        except KeyError:
            continue
    paths = [_key_path(pattern, entry) for pattern in key_files if pattern != "none"]
    return Account(name, tuple(groups), any(_has_key(path) for path in paths), entry.pw_uid == 0)


def superusers() -> list[str]:
    """All accounts with uid 0, root first: sshd tells them apart by their names."""
    return ["root", *sorted({entry.pw_name for entry in pwd.getpwall() if entry.pw_uid == 0} - {"root"})]


def _key_path(pattern: str, entry: pwd.struct_passwd) -> str:
    tokens = {"%h": entry.pw_dir, "%u": entry.pw_name, "%U": str(entry.pw_uid), "%%": "%"}
    for token, value in tokens.items():
        pattern = pattern.replace(token, value)
    return os.path.join(entry.pw_dir, pattern)


def _has_key(path: str) -> bool:
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return any(line.strip() and not line.lstrip().startswith("#") for line in stream)
    except OSError:
        return False
