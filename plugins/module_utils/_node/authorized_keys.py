# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The SSH keys of accounts: exactly those that are declared, in files of their owner.

A home belongs to its owner, who may have put a symbolic link where the keys should be. All below it is therefore done
with the owner's own rights, and nothing outside can be reached that the owner could not have changed anyway.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import itertools
import os
import pwd
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._node.managed_file import (
    FileState,
    Wanted,
    read_state,
    remove_file,
    show_diff,
    write_file,
)

# As sshd cuts them: at line feeds, and at none of the other characters that end a line for Python.
_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_TYPE = re.compile(r"(?:sk-)?(?:ssh|ecdsa)-[a-z0-9-]+(?:@openssh\.com)?")
# sshd reads both unless told otherwise; the second one is never ours.
FILES = ("authorized_keys", "authorized_keys2")


def check_key(text: str) -> str:
    """A line of authorized_keys, without space around it. Raises InputError; the text is never shown."""
    line = text.strip()
    if "PRIVATE KEY" in line:
        raise InputError("this is a private key; give the public one, and take the private one for known to others")
    words = line.split()
    for kind, blob in itertools.pairwise(words):
        if _TYPE.fullmatch(kind) and line.isprintable():
            if _named(blob) != kind:
                raise InputError(f"it is no whole {kind} key")
            return line
    raise InputError("it is no line with a public key, such as `ssh-ed25519 AAAA... name`")


def _named(blob: str) -> str:
    """The type that the key itself names, or nothing."""
    try:
        data = base64.b64decode(blob, validate=True)
    except binascii.Error:
        return ""
    length = int.from_bytes(data[:4], "big")
    return data[4 : 4 + length].decode("ascii", "replace")


def blobs_of(line: str) -> set[str]:
    """The keys on a line, as base64; nothing for a comment."""
    words = [] if line.lstrip().startswith("#") else line.split()
    return {blob for kind, blob in itertools.pairwise(words) if _TYPE.fullmatch(kind)}


def render(name: str, keys: Sequence[str]) -> bytes | None:
    """The content of the file, None for an account without keys. Raises InputError naming the account and the key."""
    lines = []
    for number, key in enumerate(keys, 1):
        try:
            lines.append(check_key(key))
        except InputError as error:
            raise InputError(f"key {number} of {name} cannot be used: {error}") from error
    return ("\n".join(dict.fromkeys(lines)) + "\n").encode() if lines else None


@contextlib.contextmanager
def rights_of(entry: pwd.struct_passwd) -> Iterator[None]:
    """Everything inside is done with the rights of this account. For root only."""
    if entry.pw_uid == os.geteuid():
        yield
        return
    groups = os.getgroups()
    os.setgroups([])
    os.setegid(entry.pw_gid)
    os.seteuid(entry.pw_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


def ensure(accounts: Sequence[Mapping[str, Any]], check_mode: bool) -> dict[str, Any]:
    """The keys of each account, `{"name": str, "keys": [str]}`: all are checked before the first one is touched.

    With `without` instead of `keys`, these keys go, and all others stay.
    """
    wanted, without = _declared(accounts)
    done = [
        (name, _bring_one(entry, content, check_mode)) for name, content in wanted.items() if (entry := _entry(name))
    ]
    done += [(name, _take_away(entry, blobs, check_mode)) for name, blobs in without.items() if (entry := _entry(name))]
    missing = [name for name in wanted if _entry(name) is None]
    if not check_mode and any(wanted[name] for name in missing):
        raise InputError(f"the node has no account {', '.join(missing)}")
    changed = [name for name, diffs in done if diffs]
    return {"changed": bool(changed), "accounts": changed, "diff": [diff for _name, diffs in done for diff in diffs]}


def _declared(accounts: Sequence[Mapping[str, Any]]) -> tuple[dict[str, bytes | None], dict[str, set[str]]]:
    """The whole file of each account with `keys`, and the keys to take from each one with `without`."""
    wanted: dict[str, bytes | None] = {}
    without: dict[str, set[str]] = {}
    for one in accounts:
        name, given = str(one["name"]), one.get("keys")
        if (given is None) is (one.get("without") is None):
            raise InputError(f"say either keys or without for {name}")
        text = render(name, one["without"] if given is None else given)
        if given is None:
            without[name] = set().union(*(blobs_of(line) for line in (text or b"").decode().split("\n")))
        else:
            wanted[name] = text
    return wanted, without


def _entry(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def _bring_one(entry: pwd.struct_passwd, content: bytes | None, check_mode: bool) -> list[dict[str, str]]:
    """Bring one account's keys about, and return the differences; empty when all was right."""
    folder = os.path.join(entry.pw_dir, ".ssh")
    diffs = _directory(folder, entry, content is not None, check_mode)
    with rights_of(entry):
        for name, wanted in zip(FILES, (content, None), strict=True):
            path = os.path.join(folder, name)
            try:
                diffs += _bring_file(path, wanted, entry, check_mode)
            except OSError as error:
                raise InputError(f"{path} of {entry.pw_name} cannot be changed: {error.strerror}") from error
    return diffs


def _take_away(entry: pwd.struct_passwd, blobs: set[str], check_mode: bool) -> list[dict[str, str]]:
    diffs = []
    with rights_of(entry):
        for file in FILES:
            path = os.path.join(entry.pw_dir, ".ssh", file)
            # That of root is a link into /etc/pve, and nobody else can have made it.
            path = os.path.realpath(path) if entry.pw_uid == 0 else path
            found = read_state(path)
            if found is None:
                continue
            lines = _LINE.findall(found.content.decode("utf-8", "surrogateescape"))
            kept = "".join(line for line in lines if not blobs_of(line) & blobs).encode("utf-8", "surrogateescape")
            if kept != found.content:
                diffs.append(show_diff(path, found.content, kept))
                if not check_mode:
                    write_file(Wanted(path, kept, found.mode))
    return diffs


def _bring_file(path: str, content: bytes | None, entry: pwd.struct_passwd, check_mode: bool) -> list[dict[str, str]]:
    found = _readable_state(path, check_mode)
    if content is None:
        if found and not check_mode:
            remove_file(path)
        return [show_diff(path, found.content, None)] if found else []
    if found and (found.content, found.mode, found.uid) == (content, 0o600, entry.pw_uid):
        return []
    if not check_mode:
        write_file(Wanted(path, content, 0o600))
    if found and found.content == content:
        return [{"prepared": f"{path}: mode {found.mode:04o} and owner {found.uid} differ\n"}]
    return [show_diff(path, found.content if found else None, content)]


def _readable_state(path: str, check_mode: bool) -> FileState | None:
    try:
        return read_state(path)
    except PermissionError:
        # Somebody else's file in the owner's directory, who may remove it.
        if not check_mode:
            os.unlink(path)
        return FileState(b"", 0, -1, -1)


def _directory(folder: str, entry: pwd.struct_passwd, needed: bool, check_mode: bool) -> list[dict[str, str]]:
    """The directory of the keys is its owner's alone; sshd refuses it otherwise. Never follows a link."""
    try:
        home = os.open(entry.pw_dir, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        if not needed or check_mode:
            return []
        raise InputError(f"the home of {entry.pw_name}, {entry.pw_dir}, cannot be used: {error.strerror}") from error
    try:
        return _own_directory(home, folder, entry, needed, check_mode)
    except OSError as error:
        raise InputError(f"{folder} is not a directory of {entry.pw_name}; move it away first") from error
    finally:
        os.close(home)


def _own_directory(
    home: int, folder: str, entry: pwd.struct_passwd, needed: bool, check_mode: bool
) -> list[dict[str, str]]:
    try:
        found = os.stat(".ssh", dir_fd=home, follow_symlinks=False)
    except FileNotFoundError:
        if needed and not check_mode:
            with rights_of(entry):
                os.mkdir(".ssh", 0o700, dir_fd=home)
        return [{"prepared": f"{folder} is missing\n"}] if needed else []
    mode = stat.S_IMODE(found.st_mode)
    if stat.S_ISDIR(found.st_mode) and found.st_uid == entry.pw_uid and mode == 0o700:
        return []
    inside = os.open(".ssh", os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=home)
    try:
        if not check_mode:
            os.fchown(inside, entry.pw_uid, entry.pw_gid)
            os.fchmod(inside, 0o700)
    finally:
        os.close(inside)
    return [{"prepared": f"{folder}: mode {mode:04o} and owner {found.st_uid} differ\n"}]
