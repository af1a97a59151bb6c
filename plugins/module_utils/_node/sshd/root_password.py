# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The password of root: set to a hash or locked, and only where others can still become root."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._node.command import Outcome, Runner, find_program
from ansible_collections.pve.audit.plugins.module_utils._node.sshd.config import (
    key_refusal,
    login,
    parse_effective,
    refusal,
    words,
)
from ansible_collections.pve.audit.plugins.module_utils._node.sshd.session import find_account

# yescrypt, gost-yescrypt, scrypt, SHA-512, SHA-256, bcrypt: crypt(5). MD5 and DES are not taken.
_HASH = re.compile(r"\$(?:y|gy|7|6|5|2b)\$[./A-Za-z0-9$=,]{20,}")

# Gives a program a text on its standard input.
Feeder = Callable[[Sequence[str], str], Outcome]


@dataclass(frozen=True)
class Machine:
    """The node's programs and its shadow file."""

    run: Runner
    feed: Feeder
    shadow: str = "/etc/shadow"


def check_hash(text: str) -> None:
    """Raises InputError, which never shows the text, unless it is a strong hash as crypt(5) has them."""
    if not _HASH.fullmatch(text):
        raise InputError(
            "hash is no password hash of crypt(5) that may be used here: take one that begins with $y$ or $6$, made for"
            " example by `mkpasswd`; the password itself must not be given"
        )


def read_hash(machine: Machine) -> str:
    """What stands in the shadow file for root. Raises InputError."""
    try:
        with open(machine.shadow, encoding="utf-8") as stream:
            lines = [line.split(":") for line in stream]
    except OSError as error:
        raise InputError(f"{machine.shadow} cannot be read: {error.strerror}") from error
    found = next((fields[1] for fields in lines if fields[0] == "root" and len(fields) > 1), None)
    if found is None:
        raise InputError(f"{machine.shadow} has no root")
    return found


def administrators_without(names: Sequence[str], machine: Machine) -> dict[str, str]:
    """Of these accounts, those that could not become root, each with the reason."""
    found = {}
    for name in dict.fromkeys(names):
        try:
            reason = _reason(name, machine)
        except InputError as error:
            reason = str(error)
        if reason:
            found[name] = reason
    return found


def _reason(name: str, machine: Machine) -> str | None:
    """Why this account could not log in with a key and become root, or None. sshd, shadow and sudo are asked."""
    outcome = machine.run(["sshd", "-T", "-C", login(name, "127.0.0.1")])
    if not outcome.ok:
        return f"sshd does not say what counts for it: {outcome.stderr.strip()}"
    effective = parse_effective(outcome.stdout)
    account = find_account(name, words(effective, "authorizedkeysfile"))
    reason = refusal(effective, account, "127.0.0.1") or key_refusal(effective, account)
    if reason:
        return reason
    # Through PAM's account check: an expired account is refused there, as by sshd.
    become = machine.run(["runuser", "-u", name, "--", "sudo", "-n", "-k", "true"])
    if become.ok:
        return None
    return f"`sudo -n true` fails: {' '.join(become.stderr.split())}"


def ensure(params: dict[str, Any], machine: Machine, check_mode: bool) -> dict[str, Any]:
    """Set or lock. Raises InputError, then nothing was changed."""
    old = read_hash(machine)
    warnings: list[str] = []
    if params["state"] == "set":
        check_hash(params["hash"] or "")
        changed = old != params["hash"]
        if changed and not check_mode:
            _must(machine.feed(["chpasswd", "-e"], f"root:{params['hash']}\n"))
    else:
        changed = not old.startswith(("!", "*"))
        if changed:
            try:
                _check_administrators(params["administrators"], params["minimum"], machine)
            except InputError as error:
                # Who is to be an administrator may be made by the run that is only looked at here.
                if not check_mode:
                    raise
                warnings.append(f"as it is now, {error}")
        if changed and not check_mode:
            _must(machine.run(["usermod", "-L", "root"]))
    after = {"set": "as declared", "locked": "locked"}[params["state"]]
    before = "locked" if old.startswith(("!", "*")) else "another one"
    headers = {"before_header": "password of root", "after_header": "password of root"}
    diff = {"before": f"{before}\n", "after": f"{after}\n", **headers}
    return {"changed": changed, "diff": diff if changed else {}, "warnings": warnings}


def _check_administrators(names: Sequence[str], minimum: int, machine: Machine) -> None:
    failing = administrators_without(names, machine)
    good = len(dict.fromkeys(names)) - len(failing)
    if good < minimum:
        raise InputError(
            f"root is not locked: only {good} of the {minimum} other administrators that it takes can log in with a key"
            f" and use sudo without a password{''.join(f'; {name}: {why}' for name, why in failing.items())}"
        )


def _must(outcome: Outcome) -> None:
    if not outcome.ok:
        raise InputError(f"the password of root could not be changed: {outcome.stderr.strip()}")


def feed(argv: Sequence[str], text: str) -> Outcome:
    """Run a program with a text on its standard input, where no list of processes shows it."""
    program = find_program(argv[0])
    if program is None:
        return Outcome(127, missing=True, stderr=f"there is no program {argv[0]}")
    done = subprocess.run(  # pylint: disable=ansible-bad-function
        [program, *argv[1:]],
        input=text.encode(),
        capture_output=True,
        check=False,
        timeout=30,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    )
    return Outcome(done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"))
