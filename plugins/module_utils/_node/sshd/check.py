# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask the real sshd about a configuration that is not in place yet: whether it takes it, and whom it would let in."""

from __future__ import annotations

import contextlib
import glob
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._node.command import Outcome, Runner
from ansible_collections.pve.audit.plugins.module_utils._node.sshd.config import (
    Effective,
    Network,
    find_override,
    find_rival,
    key_refusal,
    login,
    outside_addresses,
    parse_effective,
    password_allowed,
    probes,
    refusal,
    stage_main,
    words,
)
from ansible_collections.pve.audit.plugins.module_utils._node.sshd.session import Session, find_account

# What sshd takes for the address of a peer that has none: vsock, or a pipe.
NO_ADDRESS = "UNKNOWN"


@dataclass(frozen=True)
class SshdPlaces:
    """Where sshd looks; only tests use others."""

    main: str = "/etc/ssh/sshd_config"
    path: str = "/etc/ssh/sshd_config.d/00-pve-audit.conf"


@dataclass(frozen=True)
class Proof:
    """What sshd said of one login: `allowed` is what it would do, `reason` why not."""

    user: str
    address: str
    allowed: bool
    reason: str = ""

    def result(self) -> dict[str, Any]:
        """As the module returns it."""
        return {"user": self.user, "address": self.address, "allowed": self.allowed, "reason": self.reason}


class Staged:
    """A configuration as it would be, in a directory of its own. Every question goes to the real sshd."""

    def __init__(self, main: str, candidate: str, places: SshdPlaces, run: Runner, session: Session | None) -> None:
        self._main, self._candidate, self._run = main, candidate, run
        self._names = {main: places.main, candidate: places.path}
        self._server = (session.server or "127.0.0.1", session.port) if session else ("127.0.0.1", "22")

    def check(self) -> str | None:
        """What `sshd -t` has against it, in one line, or None."""
        outcome = self._ask("-t")
        if outcome.ok:
            return None
        return self._words(outcome) or f"sshd -t ended with status {outcome.code}"

    def effective(self, user: str, address: str) -> Effective:
        """What counts for this login. Raises InputError when sshd cannot say."""
        outcome = self._ask("-T", "-C", login(user, address, *self._server))
        if not outcome.ok:
            raise InputError(f"sshd cannot say what counts for {user} at {address}: {self._words(outcome)}")
        return parse_effective(outcome.stdout)

    def declared(self, host_keys: Sequence[str]) -> Effective:
        """What our file means by itself, in sshd's own spelling. Raises InputError."""
        keys = [word for path in host_keys for word in ("-h", path)]
        outcome = self._ask("-T", *keys, main=self._candidate)
        if not outcome.ok:
            raise InputError(f"sshd cannot say what the settings mean: {self._words(outcome)}")
        return parse_effective(outcome.stdout)

    def _ask(self, *arguments: str, main: str | None = None) -> Outcome:
        outcome = self._run(["sshd", "-f", main or self._main, *arguments])
        if outcome.missing or outcome.timed_out:
            raise InputError(f"the configuration of sshd cannot be validated: {outcome.stderr}")
        return outcome

    def _words(self, outcome: Outcome) -> str:
        text = outcome.stderr.strip() or outcome.stdout.strip()
        for path, real in self._names.items():
            text = text.replace(path, real)
        lines = [line.strip() for line in text.splitlines() if "terminating," not in line]
        return "; ".join(lines)


@contextlib.contextmanager
def stage(content: str, places: SshdPlaces, run: Runner, session: Session | None) -> Iterator[Staged]:
    """The configuration with `content` as our file; an empty one counts for none.

    Raises InputError when the main file cannot be read or does not include our file.
    """
    with tempfile.TemporaryDirectory(prefix="pve-audit-sshd-") as root:
        main, candidate = os.path.join(root, "sshd_config"), os.path.join(root, "candidate.conf")
        text = stage_main(read_text(places.main), places.path, candidate, expand)
        for path, inside in {main: text, candidate: content}.items():
            with open(path, "w", encoding="utf-8", errors="surrogateescape") as stream:
                stream.write(inside)
        yield Staged(main, candidate, places, run, session)


def read_text(path: str) -> str:
    """A file of the configuration. Raises InputError when it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as stream:
            return stream.read()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): is openssh-server installed?") from error


def expand(pattern: str) -> Sequence[str]:
    """The files of an Include, without those that went in the meantime."""
    return sorted(glob.glob(pattern))


def check_order(settings: Mapping[str, Any], places: SshdPlaces) -> None:
    """Raises InputError when something that is read before our file would win over it: the first value does."""
    rival = find_rival(places.main, places.path, settings, read_text, expand)
    if rival:
        raise InputError(
            f"{rival.place} ({rival.text}) is read before {places.path} and would win; move it below"
            f" the Include of {os.path.dirname(places.path)}, nothing was changed"
        )


def prove(staged: Staged, networks: Sequence[Network], names: Sequence[str], session: Session | None) -> list[Proof]:
    """What sshd would do with root from everywhere that matters, and with the session that is at work.

    `names` are all accounts with uid 0. Raises InputError when that is not what it should: nobody is to be locked out,
    and nobody let in from outside.
    """
    proofs = [_prove_root(staged, address) for address in (probes(networks) if networks else [])]
    outside = [*outside_addresses(networks), NO_ADDRESS] if networks else []
    proofs += [_prove_outside(staged, name, address) for name in names for address in outside]
    if session:
        proofs.append(_prove_session(staged, session))
    return proofs


def prove_settings(staged: Staged, settings: Mapping[str, Any], logins: Sequence[tuple[str, str]]) -> None:
    """Raises InputError when a Match block that is read after our file has other values for one of these logins."""
    wanted: Effective | None = None
    for user, address in logins if settings else ():
        found = staged.effective(user, address)
        wanted = wanted or staged.declared(found.get("hostkey", []))
        other = find_override(settings, wanted, found)
        if other:
            keyword, value, instead = other
            raise InputError(
                f"{keyword} would be {instead or 'nothing'} for {user} at {address}, and not {value} as declared: a"
                " Match block of the configuration of sshd says so; remove it there, nothing was changed"
            )


def _prove_root(staged: Staged, address: str) -> Proof:
    reason = _reason(staged, "root", address, key_only=True)
    if reason:
        raise InputError(
            f"root could not log in with a key from {address}, which migration and replication may need: {reason};"
            " nothing was changed"
        )
    return Proof("root", address, True)


def _prove_outside(staged: Staged, name: str, address: str) -> Proof:
    effective = staged.effective(name, address)
    reason = refusal(effective, find_account(name, []), address)
    if not reason:
        raise InputError(f"{name} could still log in from {address}: look for Match blocks in sshd_config")
    return Proof(name, address, False, reason)


def _prove_session(staged: Staged, session: Session) -> Proof:
    reason = _reason(staged, session.user, session.address, key_only=False)
    if reason:
        raise InputError(
            f"{session.user} at {session.address}, the login of this very session, would be refused afterwards:"
            f" {reason}; allow that address in root_addresses (with the role named_users in"
            " pve_audit_named_users_unix_sshd_management_addresses) or use another account, nothing was changed"
        )
    return Proof(session.user, session.address, True)


def _reason(staged: Staged, user: str, address: str, key_only: bool) -> str | None:
    """Why this login would be refused, or None."""
    effective = staged.effective(user, address)
    account = find_account(user, words(effective, "authorizedkeysfile"))
    reason = refusal(effective, account, address)
    if reason:
        return reason
    if key_only and password_allowed(effective, account):
        return "it could use a password too"
    by_key = key_refusal(effective, account)
    return by_key if by_key and not password_allowed(effective, account) else None
