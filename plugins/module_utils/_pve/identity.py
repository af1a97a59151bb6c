# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who there is and what they may do: users, groups, roles, ACL, realms, tokens and second factors in one snapshot.

A read-only token with `Sys.Audit` on `/access` is enough. With less, Proxmox VE answers 200 with shorter lists, so the
effective privileges are asked first, and what they do not cover is marked in `coverage`: an empty list that may not
be seen is never called empty. Sources: pve-access-control PVE/API2/{User,Group,Role,ACL,Domains,TFA}.pm.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._model.errors import (
    ApiError,
    AuthError,
    NoQuorumError,
    NotAnApiError,
)
from ansible_collections.pve.audit.plugins.module_utils._model.names import realm_of
from ansible_collections.pve.audit.plugins.module_utils._pve.identity_rows import (
    acl_row,
    as_bool,
    group_row,
    legacy_factors,
    realm_row,
    role_row,
    tfa_row,
    user_row,
)
from ansible_collections.pve.audit.plugins.module_utils._pve.quorum import NO_QUORUM, quorum_doubt
from ansible_collections.pve.audit.plugins.module_utils._pve.session import Api

Identity = dict[str, Any]
Row = dict[str, Any]
_Privileges = dict[str, dict[str, bool]]
_USER_READERS = ("User.Modify", "Sys.Audit")
_GROUP_READERS = (*_USER_READERS, "Group.Allocate")
KINDS = ("users", "groups", "roles", "acl", "realms", "tfa", "tokens")
_WITH_CASE = ("ad", "ldap")


class _Coverage:
    """Collects, for each kind of object, why it was not seen whole."""

    def __init__(self) -> None:
        self._reasons: dict[str, list[dict[str, str]]] = {kind: [] for kind in KINDS}

    def add(self, kinds: Sequence[str], code: str, message: str) -> None:
        for kind in kinds:
            self._reasons[kind].append({"code": code, "message": message})

    def as_dict(self) -> dict[str, Any]:
        return {kind: {"complete": not found, "reasons": found} for kind, found in self._reasons.items()}


def read_identity(api: Api) -> Identity:
    """The identity snapshot, sorted by name.

    Raises ApiError when the users or the own privileges cannot be asked at all; what else is refused is in `coverage`.
    """
    coverage = _Coverage()
    privileges = own_privileges(api)
    users = _rows(api.get("access", "users", full=1), user_row, coverage, ("users", "tokens"))
    groups = _ask(api, ("groups",), group_row, coverage)
    roles = _ask(api, ("roles",), role_row, coverage)
    acl = _ask(api, ("acl",), acl_row, coverage)
    realms = [with_case(api, row) for row in _ask(api, ("domains",), realm_row, coverage, "realms")]
    factors = _ask(api, ("tfa",), tfa_row, coverage)
    _judge_coverage(privileges, users, groups, coverage)
    if doubt := quorum_doubt(api):
        coverage.add(KINDS, NO_QUORUM, doubt)
    covered = coverage.as_dict()
    _add_factors(users, factors, realms, _factor_readers(privileges, groups, covered["tfa"]["complete"]))
    return {
        "users": sorted(users, key=lambda row: row["userid"]),
        "groups": sorted(groups, key=lambda row: row["groupid"]),
        "roles": sorted(roles, key=lambda row: row["roleid"]),
        "acl": sorted(acl, key=lambda row: (row["path"], row["type"], row["ugid"], row["roleid"])),
        "realms": sorted(realms, key=lambda row: row["realm"]),
        "coverage": covered,
    }


def with_case(api: Api, realm: Row) -> Row:
    """A realm of a directory with whether it tells upper from lower case; None when that may not be seen.

    Only the realm itself shows it, to whoever has Sys.Audit or Realm.Allocate on /access/realm (Domains.pm read).
    """
    if realm["type"] not in _WITH_CASE:
        return realm
    try:
        detail = api.get("access", "domains", realm["realm"])
    except AuthError:
        raise
    except ApiError as error:
        if error.status is None:
            raise
        detail = None
    known = isinstance(detail, Mapping)
    return {**realm, "case_sensitive": as_bool(detail.get("case-sensitive", 1)) if known else None}


def refuse_without_quorum(identity: Identity) -> None:
    """Raises NoQuorumError when the snapshot may be old, as nothing can be planned from it."""
    reasons = identity["coverage"]["users"]["reasons"]
    if doubt := next((reason["message"] for reason in reasons if reason["code"] == NO_QUORUM), None):
        raise NoQuorumError(f"nothing is planned: {doubt}")


def read_cluster_addresses(api: Api) -> list[str] | None:
    """The nodes' own addresses, or None when the credential may not see them (Sys.Audit on /)."""
    try:
        rows = api.get("cluster", "status")
    except AuthError:
        raise
    except ApiError as error:
        if error.status is None:
            raise
        return None
    if not isinstance(rows, list):
        return None
    return sorted(str(row["ip"]) for row in rows if isinstance(row, Mapping) and row.get("ip"))


def own_privileges(api: Api) -> _Privileges:
    """Path to privilege to whether it propagates; a privilege that is there is granted, also with the value 0."""
    answer = api.get("access", "permissions")
    if not isinstance(answer, Mapping):
        return {}
    return {
        str(path): {str(name): str(flag) not in ("0", "", "False") for name, flag in granted.items()}
        for path, granted in answer.items()
        if isinstance(granted, Mapping)
    }


def _ask(
    api: Api,
    path: tuple[str, ...],
    shape: Callable[[Mapping[str, Any]], Row | None],
    coverage: _Coverage,
    kind: str = "",
) -> list[Row]:
    """The rows of a list; a refusal is noted, a dead connection or a refused credential is raised."""
    kind = kind or path[-1]
    try:
        answer = api.get("access", *path)
    except AuthError:
        raise
    except ApiError as error:
        if error.status is None:
            raise
        coverage.add([kind], error.code, str(error))
        return []
    return _rows(answer, shape, coverage, (kind,))


def _rows(
    answer: Any, shape: Callable[[Mapping[str, Any]], Row | None], coverage: _Coverage, kinds: Sequence[str]
) -> list[Row]:
    if not isinstance(answer, list):
        raise NotAnApiError(f"the list of {kinds[0]} is not a list: this is not an answer of Proxmox VE")
    found = [shape(row) if isinstance(row, Mapping) else None for row in answer]
    broken = sum(row is None for row in found)
    if broken:
        coverage.add(kinds, "corrupt_records", f"{broken} entries of the list of {kinds[0]} cannot be read")
    return [row for row in found if row is not None]


def _has(privileges: _Privileges, path: str, names: Sequence[str]) -> bool:
    return any(name in privileges.get(path, {}) for name in names)


def _judge_coverage(privileges: _Privileges, users: list[Row], groups: list[Row], coverage: _Coverage) -> None:
    """Note what the privileges do not let through. The tests are those of the calls themselves."""
    if not _has(privileges, "/access/groups", _USER_READERS):
        coverage.add(
            ["users", "tokens", "tfa"],
            "not_permitted",
            "the credential has neither Sys.Audit nor User.Modify on /access/groups: it does not see all users",
        )
    granted = privileges.get("/access/groups", {})
    known = {row["groupid"] for row in groups}
    named = {group for row in users for group in row["groups"]}
    if not any(granted.get(name) for name in _GROUP_READERS):
        coverage.add(
            ["groups"],
            "not_permitted",
            "the credential has neither Sys.Audit nor Group.Allocate on all of /access/groups: "
            "it does not see all groups",
        )
    elif named - known:
        missing = ", ".join(sorted(named - known))
        coverage.add(["groups"], "not_permitted", f"the credential does not see the groups {missing}")
    if not _has(privileges, "/access", ("Sys.Audit",)):
        coverage.add(
            ["acl"], "not_permitted", "the credential has no Sys.Audit on /access: it does not see all permissions"
        )


def _factor_readers(privileges: _Privileges, groups: list[Row], complete: bool) -> Callable[[Row], bool]:
    """Tells of which users the second factors can be seen (TFA.pm list_tfa)."""
    if complete:
        return lambda _user: True
    if _has(privileges, "/access/groups", _USER_READERS):
        return lambda _user: False
    seen = {row["groupid"] for row in groups if _has(privileges, f"/access/groups/{row['groupid']}", _USER_READERS)}
    members = {user for row in groups if row["groupid"] in seen for user in row["users"]}
    return lambda user: user["userid"] in members or bool(seen & set(user["groups"]))


def _add_factors(users: list[Row], factors: list[Row], realms: list[Row], visible: Callable[[Row], bool]) -> None:
    """Give each user its `tfa`; the keys of old versions count as what the realm makes of them, and are dropped."""
    entries = {row["userid"]: row for row in factors}
    required = {row["realm"]: row["tfa"] for row in realms}
    for user in users:
        found = entries.get(user["userid"], {})
        legacy = legacy_factors(user.pop("keys"), required.get(realm_of(user["userid"])))
        types = sorted({*found.get("types", ()), *legacy})
        user["tfa"] = types if types or visible(user) else None
        for key in ("totp_locked", "tfa_locked_until"):
            value = user.pop(key) or found.get(key)
            if value:
                user[key] = value
