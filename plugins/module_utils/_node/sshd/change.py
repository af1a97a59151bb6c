# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring our drop-in of sshd to a node, take it away, or confirm the change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._model.errors import AuditError, InputError
from ansible_collections.pve.audit.plugins.module_utils._node.command import Runner
from ansible_collections.pve.audit.plugins.module_utils._node.managed_file import (
    FileState,
    Wanted,
    differences,
    read_state,
    remove_file,
    restore_file,
    show_diff,
    write_file,
)
from ansible_collections.pve.audit.plugins.module_utils._node.sshd.check import (
    Proof,
    SshdPlaces,
    check_order,
    prove,
    prove_settings,
    stage,
)
from ansible_collections.pve.audit.plugins.module_utils._node.sshd.commit import (
    RELOAD,
    CommitPlaces,
    arm,
    disarm,
    is_new,
    is_pending,
    locked,
    reload_sshd,
    undo,
    undone_at,
)
from ansible_collections.pve.audit.plugins.module_utils._node.sshd.config import (
    outside_addresses,
    parse_networks,
    probes,
    render,
)
from ansible_collections.pve.audit.plugins.module_utils._node.sshd.session import (
    Session,
    find_session,
    superusers,
)


@dataclass(frozen=True)
class Host:
    """The node: its programs and the places of its files."""

    run: Runner
    sshd: SshdPlaces = field(default_factory=SshdPlaces)
    commit: CommitPlaces = field(default_factory=CommitPlaces)
    owner: str = "root"

    @property
    def path(self) -> str:
        """Our file."""
        return self.sshd.path


def ensure(params: Mapping[str, Any], host: Host, check_mode: bool) -> dict[str, Any]:
    """Do what the module's options say, and return its result. Raises InputError, then nothing was changed."""
    if params["state"] == "confirmed":
        return _confirm(host, check_mode)
    before, pending = read_state(host.path), is_pending(host.commit)
    wanted = _wanted(params, host)
    changes = differences(wanted, before) if wanted else ["content"] if before else []
    proofs = _validate(params, wanted, before, host) if wanted or changes else []
    changed, warnings = bool(changes) or pending, _warnings(host)
    if changed and not check_mode:
        _apply(wanted, bool(changes), params["confirm_seconds"], host)
    return {
        "changed": changed,
        "path": host.path,
        "pending": is_pending(host.commit),
        "proofs": [proof.result() for proof in proofs],
        "diff": [_diff(host.path, before, wanted, changes, pending)] if changed else [],
        "warnings": warnings,
    }


def _warnings(host: Host) -> list[str]:
    at = None if is_pending(host.commit) else undone_at(host.commit)
    return [f"the change before this one was undone at {at}: nobody confirmed it"] if at else []


def _diff(
    path: str, before: FileState | None, wanted: Wanted | None, changes: list[str], pending: bool
) -> dict[str, str]:
    """The two texts, or what differs beside them."""
    content, new = before.content if before else None, wanted.content if wanted else None
    if content != new:
        return show_diff(path, content, new)
    words = [f"{name} differs" for name in changes] + (["the change is not confirmed yet"] if pending else [])
    return {"prepared": "\n".join(words) + "\n"}


def _wanted(params: Mapping[str, Any], host: Host) -> Wanted | None:
    if params["state"] == "absent":
        return None
    if not params["root_addresses"]:
        raise InputError(
            "root_addresses is empty: root could log in from nowhere, which breaks migration and replication; name the"
            " addresses of all nodes of the cluster (with the role named_users in"
            " pve_audit_named_users_unix_sshd_management_addresses)"
        )
    text = render(parse_networks(params["root_addresses"]), params["settings"], superusers())
    return Wanted(host.path, text.encode(), 0o644, host.owner, host.owner)


def _validate(params: Mapping[str, Any], wanted: Wanted | None, before: FileState | None, host: Host) -> list[Proof]:
    """Raises InputError with sshd's own words when it does not want the configuration, or would lock somebody out."""
    session = find_session(params["connection_user"], params["connection_address"])
    with stage(wanted.content.decode() if wanted else "", host.sshd, host.run, session) as staged:
        problem = staged.check()
        if problem:
            raise InputError(_blame(problem, before, host, session))
        if wanted:
            check_order(params["settings"], host.sshd)
        networks = parse_networks(params["root_addresses"]) if wanted else []
        proofs = prove(staged, networks, superusers(), session)
        if wanted:
            # From inside and from outside, because a Match may ask for either.
            places = [probes(networks)[0], outside_addresses(networks)[0]]
            people = dict.fromkeys(["root", *params["accounts"], *([session.user] if session else [])])
            prove_settings(staged, params["settings"], [(user, address) for user in people for address in places])
        return proofs


def _blame(problem: str, before: FileState | None, host: Host, session: Session | None) -> str:
    """Whether the new file is wrong, or what was there before."""
    old = before.content.decode("utf-8", "surrogateescape") if before else ""
    with stage(old, host.sshd, host.run, session) as staged:
        if staged.check() is None:
            return f"sshd refuses the new configuration, nothing was changed: {problem}"
    return f"sshd refuses the configuration of this node, repair it first, nothing was changed: {problem}"


def _apply(wanted: Wanted | None, differs: bool, seconds: int, host: Host) -> None:
    """The timer, then the file, then sshd. On a failure all is as it was last confirmed."""
    with locked(host.commit):
        before = read_state(host.path)
        try:
            if seconds:
                arm(host.path, wanted.content if wanted else None, seconds, host.commit, host.run)
            if differs and wanted:
                write_file(wanted)
            elif differs:
                remove_file(host.path)
            reload_sshd(host.run)
        except (AuditError, OSError) as error:
            if seconds:
                undo(host.path, host.commit, host.run)
            else:
                restore_file(host.path, before)
            host.run(RELOAD)
            raise InputError(f"{error}; the configuration is as it was") from error
        if not seconds and is_pending(host.commit):
            disarm(host.commit, host.run)


def _confirm(host: Host, check_mode: bool) -> dict[str, Any]:
    """Keep the change that waits. Raises InputError when it is no longer there."""
    result = {"path": host.path, "proofs": [], "warnings": [], "diff": []}
    with locked(host.commit):
        waits = is_pending(host.commit)
        if not waits and (at := undone_at(host.commit)):
            raise InputError(f"the change of sshd was undone at {at}, it was not confirmed in time; run again")
        if waits and not is_new(read_state(host.path), host.commit):
            raise InputError(f"{host.path} was changed since by somebody else: not confirmed, it will be undone")
        if waits and not check_mode:
            disarm(host.commit, host.run)
    diff = [{"prepared": "the change is not confirmed yet\n"}] if waits else []
    return {**result, "diff": diff, "changed": waits, "pending": is_pending(host.commit)}
