# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading identities: against the answers of a genuine cluster to credentials that may see all, some and nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.pve.audit.plugins.module_utils._model.errors import (
    ApiError,
    AuthError,
    ConnectError,
    ForbiddenError,
    NoQuorumError,
    NotAnApiError,
)
from ansible_collections.pve.audit.plugins.module_utils._pve.identity import (
    read_cluster_addresses,
    read_identity,
    refuse_without_quorum,
)
from ansible_collections.pve.audit.plugins.module_utils._pve.identity_rows import (
    acl_row,
    as_bool,
    as_int,
    group_row,
    legacy_factors,
    role_row,
    tfa_row,
    user_row,
)

ALL = {"/access": {"Sys.Audit": 0}, "/access/groups": {"Sys.Audit": 1}}
USERS = [
    {
        "userid": "alice@pve",
        "enable": 1,
        "expire": 0,
        "groups": "admins,ops",
        "tokens": [{"tokenid": "ci", "privsep": 0, "expire": 0}],
        "keys": "x!oath",
        "email": "a@lab.test",
        "realm-type": "pve",
    },
    {"userid": "bob@ldap", "enable": "0", "expire": "5", "groups": "", "tokens": None, "totp-locked": 1},
]
ANSWERS: dict[str, Any] = {
    "access/permissions": ALL,
    "access/users": USERS,
    "access/groups": [{"groupid": "admins", "users": "alice@pve"}, {"groupid": "ops", "users": "alice@pve"}],
    "access/roles": [{"roleid": "R", "privs": "VM.Audit,Sys.Audit", "special": 0}],
    "access/acl": [{"path": "/", "type": "user", "ugid": "alice@pve", "roleid": "R", "propagate": 0}],
    "access/domains": [{"realm": "pve", "type": "pve", "tfa": "oath", "default": 1}, {"realm": "ldap", "type": "ldap"}],
    "access/domains/ldap": {"type": "ldap", "case-sensitive": 0},
    "cluster/status": [{"type": "cluster", "quorate": 1}, {"type": "node", "ip": "192.0.2.1"}],
    "access/tfa": [{"userid": "alice@pve", "entries": [{"type": "totp", "id": "1"}, {"type": "u2f", "enable": 0}]}],
}


def _path(name: str) -> str:
    """The path of an answer that a test names."""
    return {"status": "cluster/status", "nodes": "nodes", "ldap": "access/domains/ldap"}.get(name, f"access/{name}")


class FakeApi:
    """Answers from a table; an exception in it is raised. Any other request fails the test."""

    user = "audit@pve"

    def __init__(self, **changed: Any) -> None:
        self.answers = ANSWERS | {_path(key): value for key, value in changed.items()}

    def get(self, *path: str, **params: Any) -> Any:
        """One GET."""
        assert params == ({"full": 1} if path[-1] == "users" else {})
        answer = self.answers["/".join(path)]
        if isinstance(answer, Exception):
            raise answer
        return json.loads(json.dumps(answer))


def test_everything_is_seen_with_pveauditor() -> None:
    identity = read_identity(FakeApi())
    assert identity["realms"][0]["case_sensitive"] is False
    assert identity["users"] == [
        {
            "userid": "alice@pve",
            "enable": True,
            "expire": 0,
            "email": "a@lab.test",
            "groups": ["admins", "ops"],
            "tokens": [{"tokenid": "ci", "privsep": False, "expire": 0}],
            "realm_type": "pve",
            "tfa": ["totp"],
        },
        {
            "userid": "bob@ldap",
            "enable": False,
            "expire": 5,
            "groups": [],
            "tokens": [],
            "tfa": [],
            "totp_locked": True,
        },
    ]
    assert identity["realms"][1] == {
        "realm": "pve",
        "type": "pve",
        "default": True,
        "tfa": "oath",
        "tfa_visible": True,
    }
    assert all(entry == {"complete": True, "reasons": []} for entry in identity["coverage"].values())
    assert set(identity["coverage"]) == {"users", "groups", "roles", "acl", "realms", "tfa", "tokens"}


@pytest.mark.parametrize(
    ("privileges", "incomplete"),
    [
        ({}, {"users", "tokens", "tfa", "groups", "acl"}),
        (None, {"users", "tokens", "tfa", "groups", "acl"}),
        ({"/access": {"Sys.Audit": 1}}, {"users", "tokens", "tfa", "groups"}),
        ({"/access/groups": {"User.Modify": 0}}, {"groups", "acl"}),
        ({"/access/groups": {"Group.Allocate": "1"}, "/access": {"Sys.Audit": "0"}}, {"users", "tokens", "tfa"}),
    ],
)
def test_privileges_decide_what_was_seen(privileges: Any, incomplete: set[str]) -> None:
    identity = read_identity(FakeApi(permissions=privileges))
    assert {kind for kind, entry in identity["coverage"].items() if not entry["complete"]} == incomplete
    codes = {reason["code"] for entry in identity["coverage"].values() for reason in entry["reasons"]}
    assert codes == {"not_permitted"}


def test_groups_of_users_that_are_not_listed_are_hidden() -> None:
    identity = read_identity(FakeApi(groups=[{"groupid": "admins", "users": "alice@pve"}]))
    (reason,) = identity["coverage"]["groups"]["reasons"]
    assert reason["message"] == "the credential does not see the groups ops"


def test_second_factors_are_visible_for_groups_one_may_read() -> None:
    identity = read_identity(FakeApi(permissions={"/access/groups/ops": {"Sys.Audit": 1}}, tfa=[]))
    assert [row["tfa"] for row in identity["users"]] == [[], None]


@pytest.mark.parametrize(
    ("error", "code"),
    [(ForbiddenError("not permitted", 403), "not_permitted"), (ApiError("no such path", 501), "server_error")],
)
def test_refused_list_is_noted(error: ApiError, code: str) -> None:
    identity = read_identity(FakeApi(tfa=error))
    assert identity["coverage"]["tfa"] == {"complete": False, "reasons": [{"code": code, "message": str(error)}]}
    assert [row["tfa"] for row in identity["users"]] == [None, None]


@pytest.mark.parametrize(
    ("key", "answer", "error"),
    [
        ("tfa", AuthError("refused", 401), AuthError),
        ("acl", ConnectError("gone"), ConnectError),
        ("users", ForbiddenError("no", 403), ForbiddenError),
        ("users", {"a": 1}, NotAnApiError),
        ("groups", "text", NotAnApiError),
    ],
)
def test_what_makes_no_sense_is_raised(key: str, answer: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        read_identity(FakeApi(**{key: answer}))


def test_broken_rows_are_counted() -> None:
    identity = read_identity(FakeApi(acl=[{"path": "/", "type": "dog"}, 7]))
    (reason,) = identity["coverage"]["acl"]["reasons"]
    assert reason == {"code": "corrupt_records", "message": "2 entries of the list of acl cannot be read"}


def test_old_keys_leave_no_trace() -> None:
    secret = "ABCDEFGH23456777"
    users = [{"userid": "a@pve", "enable": 1, "keys": secret}, {"userid": "b@ldap", "enable": 1, "keys": secret}]
    identity = read_identity(FakeApi(users=users, tfa=[]))
    assert secret not in repr(identity)
    assert [row["tfa"] for row in identity["users"]] == [["totp"], []]


@pytest.mark.parametrize(
    ("keys", "required", "expected"),
    [
        ("", "oath", []),
        ("x", "oath", []),
        ("x!oath", "oath", []),
        ("v2-0xAB12", "oath", ["totp"]),
        ("a" * 40, "oath", ["totp"]),
        ("nonsense", "oath", []),
        ("cccccc", "yubico", ["yubico"]),
        ("cccccc", None, []),
    ],
)
def test_legacy_factors(keys: str, required: str | None, expected: list[str]) -> None:
    assert legacy_factors(keys, required) == expected


@pytest.mark.parametrize(
    ("shape", "row", "expected"),
    [
        (user_row, {}, None),
        (group_row, {"comment": "x"}, None),
        (group_row, {"groupid": "g", "members": ["b", "a"]}, {"groupid": "g", "users": ["a", "b"]}),
        (group_row, {"groupid": "g"}, {"groupid": "g", "users": []}),
        (role_row, {"roleid": "R", "privs": {"VM.Audit": 1}}, {"roleid": "R", "privs": ["VM.Audit"], "special": False}),
        (acl_row, {"path": "/", "type": "user", "ugid": "a"}, None),
        (tfa_row, {"entries": []}, None),
        (
            tfa_row,
            {"userid": "a", "entries": None},
            {"userid": "a", "types": [], "totp_locked": False, "tfa_locked_until": 0},
        ),
    ],
)
def test_rows(shape: Any, row: dict[str, Any], expected: dict[str, Any] | None) -> None:
    assert shape(row) == expected


@pytest.mark.parametrize("tokens", [[{"tokenid": "t", "privsep": "1"}], {"t": {"privsep": 1, "expire": 0}}])
def test_tokens_in_any_shape(tokens: Any) -> None:
    row = user_row({"userid": "a@pve", "tokens": tokens})
    assert row and row["tokens"] == [{"tokenid": "t", "privsep": True, "expire": 0}]


def test_values() -> None:
    assert [as_bool(value) for value in (0, "0", "", None, False, 1, "1", True)] == [False] * 5 + [True] * 3
    assert [as_int(value) for value in ("7", 7, None, "x", "-1")] == [7, 7, 0, 0, -1]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (
            [{"type": "cluster"}, {"type": "node", "ip": "10.0.0.2"}, {"type": "node", "ip": "10.0.0.1"}],
            ["10.0.0.1", "10.0.0.2"],
        ),
        (ForbiddenError("no", 403), None),
        ({}, None),
    ],
)
def test_cluster_addresses(answer: Any, expected: list[str] | None) -> None:
    api = FakeApi()
    api.answers["cluster/status"] = answer
    assert read_cluster_addresses(api) == expected


def test_cluster_addresses_of_nobody() -> None:
    api = FakeApi()
    api.answers["cluster/status"] = ConnectError("gone")
    with pytest.raises(ConnectError):
        read_cluster_addresses(api)


NO = ForbiddenError("no", 403)
UP, DOWN = {"status": "online"}, {"status": "unknown"}


@pytest.mark.parametrize(
    ("answers", "doubt"),
    [
        ({}, None),
        ({"status": [{"type": "node"}]}, None),
        ({"status": [{"type": "cluster", "quorate": 0}]}, "the node that answers has no quorum"),
        ({"status": [{"type": "cluster", "quorate": "0"}]}, "the node that answers has no quorum"),
        ({"status": NO, "nodes": [UP]}, None),
        ({"status": NO, "nodes": [DOWN, UP, UP]}, None),
        ({"status": NO, "nodes": [DOWN, UP, DOWN]}, "only 1 of 3 nodes are online"),
        ({"status": NO, "nodes": [DOWN, UP]}, "only 1 of 2 nodes are online"),
        ({"status": NO, "nodes": NO}, None),
    ],
)
def test_what_a_node_without_quorum_says_is_not_complete(answers: dict[str, Any], doubt: str | None) -> None:
    identity = read_identity(FakeApi(**answers))
    for entry in identity["coverage"].values():
        assert entry["complete"] is (doubt is None)
        assert [reason["code"] for reason in entry["reasons"]] == ([] if doubt is None else ["no_quorum"])
    if doubt is None:
        refuse_without_quorum(identity)
    else:
        with pytest.raises(NoQuorumError, match=f"^nothing is planned: {doubt}.*: what it says may be old; ask a node"):
            refuse_without_quorum(identity)


@pytest.mark.parametrize(("answer", "known"), [(NO, None), ({"case-sensitive": 1}, True), ({}, True)])
def test_case_of_a_directory(answer: Any, known: bool | None) -> None:
    ldap, pve = read_identity(FakeApi(ldap=answer))["realms"]
    assert ldap["case_sensitive"] is known and "case_sensitive" not in pve
