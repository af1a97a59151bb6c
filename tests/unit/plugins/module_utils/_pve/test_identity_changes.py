# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The planners of the changing modules, as tables: what is there, what is wanted, what is sent.

What is not in `sent` must never be sent: that is what keeps leavers out, expiry dates set, and tokens alive.
"""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._pve.acl import plan_acl, plan_acl_absent, wanted_grant
from ansible_collections.pve.audit.plugins.module_utils._pve.change import Change
from ansible_collections.pve.audit.plugins.module_utils._pve.groups_roles import (
    plan_group,
    plan_group_absent,
    plan_role,
    plan_role_absent,
)
from ansible_collections.pve.audit.plugins.module_utils._pve.tokens import (
    find_token,
    plan_token,
    plan_token_absent,
    wanted_token,
)
from ansible_collections.pve.audit.plugins.module_utils._pve.users import (
    password_step,
    plan_user,
    plan_user_absent,
    wanted_user,
)

Record = dict[str, Any]

USER_OPTIONS = "enabled expire firstname lastname email comment groups password".split()
LEAVER = {
    "userid": "dave@pve",
    "enable": False,
    "expire": 1700000000,
    "comment": "left",
    "groups": ["admins", "ops"],
    "tokens": [{"tokenid": "ci", "privsep": True, "expire": 5}],
    "keys": "",
}


def user_params(**given: Any) -> Record:
    """The module's options."""
    empty = dict.fromkeys(USER_OPTIONS)
    return {"userid": "dave@pve", **empty, "groups_append": False, "update_password": "on_create", **given}


def sent(change: Change) -> tuple[str, str, Record] | None:
    """Method, path and parameters of the only request."""
    if not change.requests:
        return None
    (request,) = change.requests
    return request.method, "/" + "/".join(request.path), dict(request.params)


@pytest.mark.parametrize(
    ("given", "put", "diff"),
    [
        ({}, None, ({}, {})),
        ({"comment": "left"}, None, ({}, {})),
        ({"email": ""}, None, ({}, {})),
        ({"enabled": False, "expire": "1700000000", "groups": ["ops", "admins"]}, None, ({}, {})),
        ({"enabled": True}, {"enable": 1}, ({"enable": False}, {"enable": True})),
        ({"expire": "never"}, {"expire": 0}, ({"expire": 1700000000}, {"expire": 0})),
        ({"comment": "x"}, {"comment": "x"}, ({"comment": "left"}, {"comment": "x"})),
        ({"comment": ""}, {"comment": ""}, ({"comment": "left"}, {})),
        ({"groups": ["ops"]}, {"groups": "ops"}, ({"groups": ["admins", "ops"]}, {"groups": ["ops"]})),
        ({"groups": []}, {"groups": ""}, ({"groups": ["admins", "ops"]}, {"groups": []})),
        ({"groups": [""]}, {"groups": ""}, ({"groups": ["admins", "ops"]}, {"groups": []})),
        ({"comment": " left "}, None, ({}, {})),
        ({"comment": "0"}, {"comment": ""}, ({"comment": "left"}, {})),
        ({"email": "0", "firstname": "  ", "lastname": " 0 "}, None, ({}, {})),
        ({"groups": ["ops"], "groups_append": True}, None, ({}, {})),
        ({"groups": [], "groups_append": True}, None, ({}, {})),
        (
            {"groups": ["ops", "new"], "groups_append": True},
            {"groups": "new", "append": 1},
            ({"groups": ["admins", "ops"]}, {"groups": ["admins", "new", "ops"]}),
        ),
        ({"password": "never-sent-here"}, None, ({}, {})),
    ],
)
def test_existing_user(given: Record, put: Record | None, diff: tuple[Record, Record]) -> None:
    change = plan_user(LEAVER, wanted_user(user_params(**given)))
    assert sent(change) == (None if put is None else ("PUT", "/access/users/dave@pve", put))
    assert change.diff() == {"before": diff[0], "after": diff[1]}
    assert change.after["tokens"] == ["ci"]


@pytest.mark.parametrize(
    ("given", "post"),
    [
        ({}, {}),
        ({"comment": "", "groups": []}, {}),
        ({"comment": "0", "firstname": " ", "groups": [""]}, {}),
        ({"lastname": " Łoś "}, {"lastname": "Łoś"}),
        ({"enabled": False}, {"enable": 0}),
        ({"expire": "never"}, {"expire": 0}),
        (
            {"password": "s3cret-word", "groups": ["b", "a"], "email": "d@example.com"},
            {"password": "s3cret-word", "groups": "a,b", "email": "d@example.com"},
        ),
    ],
)
def test_new_user(given: Record, post: Record) -> None:
    change = plan_user({}, wanted_user(user_params(**given)))
    assert sent(change) == ("POST", "/access/users", {"userid": "dave@pve", **post})
    assert "s3cret-word" not in str(change.diff()) + str(change.after)
    assert change.diff()["after"]["enable"] is given.get("enabled", True)
    assert ("password" in change.diff()["after"]) is ("password" in given)


@pytest.mark.parametrize(
    ("user", "given", "step"),
    [
        ({"enable": True, "expire": 0}, {}, "keep"),
        ({"enable": True, "expire": 0}, {"password": "x"}, "keep"),
        ({"enable": True, "expire": 0}, {"password": "x", "update_password": "always"}, "try"),
        ({"enable": True, "expire": 99}, {"password": "x", "update_password": "always"}, "unproven"),
        ({"enable": True, "expire": 101}, {"password": "x", "update_password": "always"}, "try"),
        ({"enable": False, "expire": 0}, {"password": "x", "update_password": "always"}, "unproven"),
        ({"enable": False, "expire": 0}, {"password": "x", "update_password": "always", "enabled": True}, "set"),
        ({"enable": True, "expire": 9}, {"password": "x", "update_password": "always", "expire": "never"}, "set"),
        ({"enable": True, "expire": 9}, {"password": "x", "update_password": "always", "enabled": True}, "unproven"),
        (
            {"enable": True, "expire": 0, "tfa_locked_until": 500},
            {"password": "x", "update_password": "always"},
            "unproven",
        ),
    ],
)
def test_password_of_an_existing_user(user: Record, given: Record, step: str) -> None:
    assert password_step(user, wanted_user(user_params(**given)), now=100.0) == step


def test_delete_user() -> None:
    change = plan_user_absent(LEAVER, "dave@pve")
    assert sent(change) == ("DELETE", "/access/users/dave@pve", {})
    assert change.diff()["before"]["tokens"] == ["ci"] and change.after == {}
    assert not plan_user_absent({}, "dave@pve").changed


@pytest.mark.parametrize("user", [{}, {**LEAVER, "userid": "root@pam"}])
def test_root_is_never_deleted(user: Record) -> None:
    with pytest.raises(InputError, match="makes it again at once, enabled and without its tokens"):
        plan_user_absent(user, "root@pam")


TOKEN = {"tokenid": "ci", "privsep": True, "expire": 1900000000, "comment": "old"}
HOLDER = {"userid": "alice@pve", "tokens": [TOKEN]}


def token_params(**given: Any) -> Record:
    """The module's options."""
    return {"userid": "alice@pve", "name": "ci", "comment": None, "expire": None, "privsep": None, **given}


@pytest.mark.parametrize(
    ("given", "regenerate", "put"),
    [
        ({}, False, None),
        ({"comment": "old", "expire": "1900000000", "privsep": True}, False, None),
        ({"expire": "never"}, False, {"expire": 0}),
        ({"privsep": False}, False, {"privsep": 0}),
        ({"comment": ""}, False, {"comment": ""}),
        ({"comment": " old"}, False, None),
        ({"comment": "0"}, False, {"comment": ""}),
        ({}, True, {"regenerate": 1}),
        ({"comment": "new"}, True, {"comment": "new", "regenerate": 1}),
    ],
)
def test_existing_token(given: Record, regenerate: bool, put: Record | None) -> None:
    change = plan_token(find_token(HOLDER, "alice@pve", "ci"), wanted_token(token_params(**given)), regenerate)
    assert sent(change) == (None if put is None else ("PUT", "/access/users/alice@pve/token/ci", put))
    assert ("value" in change.diff()["after"]) is regenerate


@pytest.mark.parametrize(
    ("given", "post"),
    [
        ({}, {}),
        (
            {"privsep": False, "expire": "2000000000", "comment": "c"},
            {"privsep": 0, "expire": 2000000000, "comment": "c"},
        ),
    ],
)
@pytest.mark.parametrize("regenerate", [False, True])
def test_new_token(given: Record, post: Record, regenerate: bool) -> None:
    change = plan_token(
        find_token(HOLDER, "alice@pve", "new"), wanted_token(token_params(name="new", **given)), regenerate
    )
    assert sent(change) == ("POST", "/access/users/alice@pve/token/new", post)
    assert change.after["full_tokenid"] == "alice@pve!new"
    assert change.after["privsep"] is given.get("privsep", True)


def test_delete_token() -> None:
    assert sent(plan_token_absent(find_token(HOLDER, "alice@pve", "ci"))) == (
        "DELETE",
        "/access/users/alice@pve/token/ci",
        {},
    )
    assert not plan_token_absent({}).changed


GROUP = {"groupid": "ops", "comment": "c", "users": ["alice@pve"]}


@pytest.mark.parametrize(
    ("group", "comment", "request_"),
    [
        (GROUP, None, None),
        (GROUP, "c", None),
        (GROUP, "d", ("PUT", "/access/groups/ops", {"comment": "d"})),
        (GROUP, "", ("PUT", "/access/groups/ops", {"comment": ""})),
        ({}, None, ("POST", "/access/groups", {"groupid": "ops"})),
        ({}, "c", ("POST", "/access/groups", {"groupid": "ops", "comment": "c"})),
    ],
)
def test_group(group: Record, comment: str | None, request_: object) -> None:
    assert sent(plan_group(group, "ops", comment)) == request_


def test_delete_group() -> None:
    assert sent(plan_group_absent(GROUP)) == ("DELETE", "/access/groups/ops", {})
    assert not plan_group_absent({}).changed


ROLE = {"roleid": "Op", "privs": ["VM.Audit", "VM.Console"], "special": False}


@pytest.mark.parametrize(
    ("role", "privs", "append", "request_"),
    [
        (ROLE, None, False, None),
        (ROLE, None, True, None),
        (ROLE, ["VM.Console", "VM.Audit", "VM.Audit"], False, None),
        (ROLE, ["VM.Audit"], True, None),
        (ROLE, ["VM.Audit"], False, ("PUT", "/access/roles/Op", {"privs": "VM.Audit"})),
        (ROLE, ["Sys.Audit", "VM.Audit"], True, ("PUT", "/access/roles/Op", {"privs": "Sys.Audit", "append": 1})),
        (ROLE, [], False, ("PUT", "/access/roles/Op", {"privs": ""})),
        (ROLE, [], True, None),
        ({}, ["B", "A"], False, ("POST", "/access/roles", {"roleid": "Op", "privs": "A,B"})),
        ({}, None, False, ("POST", "/access/roles", {"roleid": "Op"})),
        ({**ROLE, "special": True}, ["VM.Audit", "VM.Console"], False, None),
    ],
)
def test_role(role: Record, privs: list[str] | None, append: bool, request_: object) -> None:
    assert sent(plan_role(role, "Op", privs, append)) == request_


def test_delete_role() -> None:
    assert sent(plan_role_absent(ROLE)) == ("DELETE", "/access/roles/Op", {})
    assert not plan_role_absent({}).changed


def test_built_in_roles_are_refused() -> None:
    for plan in (lambda role: plan_role(role, "Op", ["VM.Audit"]), plan_role_absent):
        with pytest.raises(InputError, match="the role Op is built into Proxmox VE"):
            plan({**ROLE, "special": True})


GRANT = {"path": "/vms", "type": "group", "ugid": "ops", "roleid": "Op", "propagate": False}


@pytest.mark.parametrize(
    ("grant", "propagate", "flag"),
    [(GRANT, None, None), (GRANT, False, None), (GRANT, True, 1), ({}, None, 1), ({}, False, 0), ({}, True, 1)],
)
def test_acl(grant: Record, propagate: bool | None, flag: int | None) -> None:
    change = plan_acl(grant, {**GRANT, "propagate": propagate})
    params = {"path": "/vms", "groups": "ops", "roles": "Op", "propagate": flag}
    assert sent(change) == (None if flag is None else ("PUT", "/access/acl", params))


def test_revoke() -> None:
    params = {"path": "/vms", "groups": "ops", "roles": "Op", "delete": 1}
    assert sent(plan_acl_absent(GRANT)) == ("PUT", "/access/acl", params)
    assert not plan_acl_absent({}).changed


def test_nothing_is_granted_to_root() -> None:
    """Proxmox VE answers 200 and stores nothing, so it would be a change in every run."""
    params = {**GRANT, "type": "user", "ugid": "root@pam", "state": "present"}
    with pytest.raises(InputError, match=r"^root@pam is always Administrator"):
        wanted_grant(params)
    assert wanted_grant({**params, "state": "absent"})["ugid"] == "root@pam"
    token = {**params, "type": "token", "ugid": "root@pam!ci"}
    assert wanted_grant(token)["ugid"] == "root@pam!ci"


def test_a_path_that_is_not_known_is_a_warning() -> None:
    """Proxmox VE has the last word: a newer one may know it."""
    wanted = wanted_grant({**GRANT, "path": "/sdn/new-things//x", "state": "present"})
    assert plan_acl({}, wanted).warnings[0].startswith("path '/sdn/new-things/x' is none on which")
    assert not plan_acl({}, {**wanted, "path": "/sdn/fabrics/x"}).warnings


def test_a_grant_on_an_old_path_can_be_taken_back() -> None:
    assert wanted_grant({**GRANT, "path": "/old/x/", "state": "absent"})["path"] == "/old/x"
