# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans: the changes between what is and what is declared, their order and options, and mistakes of declarations."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from ansible_collections.pve.audit.plugins.module_utils._identity.access import directory_of
from ansible_collections.pve.audit.plugins.module_utils._identity.guard.state import apply_change
from ansible_collections.pve.audit.plugins.module_utils._identity.plan.build import DeclarationError, plan_identity
from tests.unit.plugins.module_utils._identity.identities import (
    DAY,
    NOW,
    acl,
    declared,
    fresh,
    realm,
    snapshot,
    token,
    user,
    working,
)

Declared = dict[str, Any]
SECRET = "correct horse battery"


def changes_of(identity: dict[str, Any], declaration: Declared) -> list[dict[str, Any]]:
    """The changes of a plan, without those that are nobody's concern here."""
    return plan_identity(identity, declaration, NOW).changes


def short(changes: list[dict[str, Any]]) -> list[tuple[int, str, str, str]]:
    """Phase, object, action and id."""
    return [(one["phase"], one["object"], one["action"], one["id"]) for one in changes]


def test_first_set_up_is_in_a_safe_order() -> None:
    declaration = declared(shared_accounts=["root@pam"], tfa_realms={"pam": "oath"})
    assert short(changes_of(fresh(), declaration)) == [
        (2, "group", "create", "admins"),
        (3, "user", "create", "alice@pve"),
        (3, "user", "create", "bob@pve"),
        (3, "user", "create", "iac@pve"),
        (3, "user", "create", "breakglass@pve"),
        (4, "acl", "grant", "/ group:admins Administrator"),
        (4, "acl", "grant", "/ user:iac@pve Administrator"),
        (4, "acl", "grant", "/ user:breakglass@pve Administrator"),
        (5, "token", "create", "iac@pve!run"),
        (6, "acl", "grant", "/ token:iac@pve!run Administrator"),
        (7, "realm", "update", "pam"),
        (11, "user", "disable", "root@pam"),
    ]


BASE = snapshot(
    [
        user("root@pam", tokens=[token("old")]),
        user("alice@pve", groups=["admins", "ops"], email="old@lab.test", comment="keep", expire=NOW + 10 * DAY),
        user("dave@pve", enable=False, groups=["ops"]),
        user("svc@pve", tokens=[token("tk", privsep=True, expire=NOW + 10 * DAY), token("extra")]),
        user("left@pve"),
    ],
    groups=["admins", "ops"],
    roles=[
        *working()["roles"],
        {"roleid": "Own", "privs": ["Sys.Audit", "VM.Audit"], "special": False},
        {"roleid": "Spare", "privs": [], "special": False},
    ],
    acl=[acl("/", "group", "admins", "Administrator"), acl("/vms", "group", "ops", "PVEVMAdmin")],
    realms=[realm("pam", "pam"), realm("pve", "pve"), realm("sso", "openid"), realm("ldap", "ldap")],
)

# Declaration, and the changes: phase, object, action, id, options without state.
CHANGES: list[tuple[str, Declared, list[tuple[int, str, str, str, dict[str, Any]]]]] = [
    ("nothing declared, nothing changed", {}, []),
    ("left out is untouched", {"people": [{"id": "alice"}, {"id": "dave"}]}, []),
    (
        "texts, and a text that is cleared",
        {"people": [{"id": "alice", "email": "new@lab.test", "comment": "", "firstname": None}]},
        [(3, "user", "update", "alice@pve", {"email": "new@lab.test", "comment": ""})],
    ),
    (
        "joining and leaving are two changes",
        {"people": [{"id": "dave", "groups": ["admins"]}]},
        [
            (3, "user", "update", "dave@pve", {"groups": ["admins"], "groups_append": True}),
            (9, "user", "update", "dave@pve", {"groups": ["admins"]}),
        ],
    ),
    (
        "enabling is asked for",
        {"people": [{"id": "dave", "state": "present"}]},
        [(3, "user", "update", "dave@pve", {"enabled": True})],
    ),
    (
        "disabling",
        {"people": [{"id": "alice", "state": "disabled"}]},
        [(11, "user", "disable", "alice@pve", {"enabled": False})],
    ),
    ("deleting", {"people": [{"id": "alice", "state": "absent"}]}, [(12, "user", "delete", "alice@pve", {})]),
    ("deleting who is not there", {"people": [{"id": "nobody", "state": "absent"}]}, []),
    (
        "never is later",
        {"people": [{"id": "alice", "expire": "never"}]},
        [(3, "user", "update", "alice@pve", {"expire": "never"})],
    ),
    (
        "a sooner expiry takes away",
        {"people": [{"id": "alice", "expire": str(NOW + DAY)}]},
        [(9, "user", "update", "alice@pve", {"expire": str(NOW + DAY)})],
    ),
    (
        "a new person",
        {"people": [{"id": "new", "realm": "ldap", "lastname": "N", "groups": ["ops"], "expire": "2027-06-30"}]},
        [
            (
                3,
                "user",
                "create",
                "new@ldap",
                {"enabled": True, "lastname": "N", "groups": ["ops"], "expire": "1814399999"},
            )
        ],
    ),
    (
        "a group, its comment and roles",
        {
            "groups": [
                {
                    "id": "ops",
                    "comment": "people",
                    "roles": [{"path": "//nodes/", "role": "PVEAuditor", "propagate": False}],
                }
            ]
        },
        [
            (2, "group", "update", "ops", {"groupid": "ops", "comment": "people"}),
            (
                4,
                "acl",
                "grant",
                "/nodes group:ops PVEAuditor",
                {"path": "/nodes", "type": "group", "ugid": "ops", "roleid": "PVEAuditor", "propagate": False},
            ),
        ],
    ),
    (
        "not propagating any more takes away",
        {"groups": [{"id": "ops", "roles": [{"path": "/vms", "role": "PVEVMAdmin", "propagate": False}]}]},
        [
            (
                8,
                "acl",
                "grant",
                "/vms group:ops PVEVMAdmin",
                {"path": "/vms", "type": "group", "ugid": "ops", "roleid": "PVEVMAdmin", "propagate": False},
            )
        ],
    ),
    (
        "a role gains first and loses last",
        {"roles": [{"id": "Own", "privs": ["Sys.Audit", "VM.PowerMgmt"]}, {"id": "New", "privs": ["VM.Audit"]}]},
        [
            (1, "role", "update", "Own", {"roleid": "Own", "privs": ["VM.PowerMgmt"], "append": True}),
            (1, "role", "create", "New", {"roleid": "New", "privs": ["VM.Audit"]}),
            (14, "role", "update", "Own", {"roleid": "Own", "privs": ["Sys.Audit", "VM.PowerMgmt"], "append": False}),
        ],
    ),
    (
        "a token without expiry gets the policy's",
        {
            "service_accounts": [{"id": "svc", "tokens": [{"id": "tk"}, {"id": "uk", "comment": "c"}]}],
            "token_policy": {"max_days": 30},
        },
        [
            (
                5,
                "token",
                "create",
                "svc@pve!uk",
                {"userid": "svc@pve", "name": "uk", "expire": str(NOW + 30 * DAY), "privsep": True, "comment": "c"},
            )
        ],
    ),
    (
        "a token is tightened late",
        {
            "service_accounts": [
                {"id": "svc", "tokens": [{"id": "extra", "privsep": True, "comment": "x", "expire": str(NOW + DAY)}]}
            ]
        },
        [
            (5, "token", "update", "svc@pve!extra", {"userid": "svc@pve", "name": "extra", "comment": "x"}),
            (
                10,
                "token",
                "update",
                "svc@pve!extra",
                {"userid": "svc@pve", "name": "extra", "expire": str(NOW + DAY), "privsep": True},
            ),
        ],
    ),
    (
        "undeclared persons are disabled on request",
        {"people": [{"id": "alice"}], "service_accounts": [{"id": "svc"}], "undeclared": "disable"},
        [(11, "user", "disable", "left@pve", {"enabled": False})],
    ),
    (
        "what is undeclared is removed on request, of given sections only",
        {
            "people": [{"id": "alice"}, {"id": "left"}],
            "service_accounts": [{"id": "svc", "tokens": [{"id": "tk"}]}],
            "undeclared": "remove",
        },
        [
            (10, "token", "delete", "root@pam!old", {"userid": "root@pam", "name": "old"}),
            (10, "token", "delete", "svc@pve!extra", {"userid": "svc@pve", "name": "extra"}),
            (12, "user", "delete", "dave@pve", {}),
        ],
    ),
    (
        "permissions, groups and roles are removed on request",
        {"groups": [{"id": "admins", "roles": []}], "roles": [{"id": "Own"}], "undeclared": "remove"},
        [
            (
                8,
                "acl",
                "revoke",
                "/ group:admins Administrator",
                {"path": "/", "type": "group", "ugid": "admins", "roleid": "Administrator"},
            ),
            (10, "token", "delete", "root@pam!old", {"userid": "root@pam", "name": "old"}),
            (13, "group", "delete", "ops", {"groupid": "ops"}),
            (14, "role", "delete", "Spare", {"roleid": "Spare"}),
        ],
    ),
    (
        "texts as Proxmox VE keeps them",
        {
            "people": [{"id": "alice", "email": " old@lab.test ", "comment": " keep", "firstname": "0"}],
            "groups": [{"id": "ops", "comment": " 0 "}],
            "service_accounts": [{"id": "svc", "tokens": [{"id": "tk", "comment": "  "}]}],
        },
        [],
    ),
    (
        "a text that differs is written without the spaces around it",
        {"people": [{"id": "alice", "comment": " new one "}]},
        [(3, "user", "update", "alice@pve", {"comment": "new one"})],
    ),
    (
        "shared accounts",
        {"shared_accounts": ["root@pam", "dave@pve", "nobody@pve"]},
        [(11, "user", "disable", "root@pam", {"enabled": False})],
    ),
    ("root as break glass needs no permission", {"break_glass": {"id": "root", "realm": "pam"}}, []),
    (
        "break glass is enabled and never expires",
        {"break_glass": {"id": "alice"}},
        [
            (3, "user", "update", "alice@pve", {"expire": "never"}),
            (
                4,
                "acl",
                "grant",
                "/ user:alice@pve Administrator",
                {"path": "/", "type": "user", "ugid": "alice@pve", "roleid": "Administrator", "propagate": True},
            ),
        ],
    ),
    (
        "a second factor",
        {"tfa_realms": {"pve": "oath", "pam": "none"}},
        [(7, "realm", "update", "pve", {"realm": "pve", "tfa": "oath"})],
    ),
]


@pytest.mark.parametrize(("declaration", "expected"), [case[1:] for case in CHANGES], ids=[case[0] for case in CHANGES])
def test_changes(declaration: Declared, expected: list[tuple[int, str, str, str, dict[str, Any]]]) -> None:
    found = []
    for one in changes_of(BASE, declaration):
        options = {key: value for key, value in one["options"].items() if key != "state"}
        if one["object"] == "user":
            assert options.pop("userid") == one["id"]
        assert (one["action"] in ("delete", "revoke")) == (one["options"].get("state") == "absent")
        found.append((one["phase"], one["object"], one["action"], one["id"], options))
    assert found == expected


def test_second_plan_is_empty() -> None:
    """What the changes make is what was declared."""
    identity = working()
    identity["users"] = [row for row in identity["users"] if row["userid"] != "iac@pve"]
    identity["users"].append(user("iac@pve", tokens=[token("run", privsep=True, expire=NOW + DAY)]))
    assert changes_of(identity, declared()) == []


def test_what_is_undeclared_is_reported() -> None:
    plan = plan_identity(BASE, {"people": [{"id": "alice"}], "groups": [{"id": "ops", "roles": []}]}, NOW)
    assert plan.changes == []
    assert [(row["object"], row["id"]) for row in plan.undeclared] == [
        ("role", "Own"),
        ("role", "Spare"),
        ("group", "admins"),
        ("user", "dave@pve"),
        ("user", "svc@pve"),
        ("user", "left@pve"),
        ("acl", "/vms group:ops PVEVMAdmin"),
        ("token", "root@pam!old"),
    ]
    assert all(row["sentence"].endswith(".") for row in plan.undeclared)


# Declaration with `undeclared: remove`, which groups and roles are deleted, and which are named and only reported.
NAMED: list[tuple[str, Declared, list[str], list[str]]] = [
    ("nothing named", {"groups": [], "roles": []}, ["admins", "ops", "Own", "Spare"], []),
    (
        "a person's group",
        {"groups": [{"id": "admins"}], "people": [{"id": "dave", "groups": ["ops"]}]},
        [],
        ["ops"],
    ),
    (
        "the group of somebody who leaves",
        {"groups": [], "people": [{"id": "dave", "groups": ["ops"], "state": "absent"}]},
        ["admins"],
        ["ops"],
    ),
    (
        "a program's group",
        {"groups": [], "service_accounts": [{"id": "svc", "groups": ["admins"]}]},
        ["ops"],
        ["admins"],
    ),
    (
        "a group's role",
        {"roles": [], "groups": [{"id": "admins"}, {"id": "ops", "roles": [{"path": "/vms", "role": "Own"}]}]},
        ["Spare"],
        ["Own"],
    ),
    (
        "the roles of a program and its token",
        {
            "roles": [],
            "service_accounts": [
                {
                    "id": "svc",
                    "roles": [{"path": "/", "role": "Own"}],
                    "tokens": [{"id": "tk", "roles": [{"path": "/vms", "role": "Spare"}]}],
                }
            ],
        },
        [],
        ["Own", "Spare"],
    ),
]


@pytest.mark.parametrize("case", NAMED, ids=lambda case: case[0])
def test_what_the_declaration_names_is_never_deleted(case: tuple[str, Declared, list[str], list[str]]) -> None:
    _name, declaration, deleted, kept = case
    plan = plan_identity(BASE, {**declaration, "undeclared": "remove"}, NOW)
    found = [one["id"] for one in plan.changes if one["action"] == "delete" and one["object"] in ("group", "role")]
    assert sorted(found) == sorted(deleted)
    reported = {row["id"]: row["sentence"] for row in plan.undeclared if row["object"] in ("group", "role")}
    assert set(kept) | set(deleted) <= set(reported)
    assert {name for name, text in reported.items() if "it stays, as the declaration names it" in text} == set(kept)


def test_no_secret_is_in_a_plan() -> None:
    plan = plan_identity(fresh(), declared(people=[{"id": "alice", "password": SECRET}]), NOW)
    assert SECRET not in repr(plan)
    assert [one["sets_password"] for one in plan.changes if one["action"] == "create" and one["object"] == "user"] == [
        True,
        False,
        True,
    ]


def test_applied_changes_make_what_is_declared() -> None:
    directory = directory_of(fresh())
    for one in changes_of(fresh(), declared()):
        apply_change(directory, one)
    assert directory.groups["admins"] == {"alice@pve", "bob@pve"}
    assert directory.users["iac@pve"].tokens["run"].privsep
    assert directory.acl["/"]["user"]["breakglass@pve"] == {"Administrator": True}


MISTAKES: list[tuple[Declared, str]] = [
    (
        {"people": [{"id": "j\u00f6rg"}]},
        "people[0].id 'j\u00f6rg@pve' has letters beyond ASCII: Proxmox VE would make it",
    ),
    (
        {"people": [{"id": "\u0430lice"}]},
        "people[0].id is '\\u0430lice@pve', which hides characters or passes for another",
    ),
    ({"people": [{"id": "new", "email": "no-mail"}]}, "people[0].email 'no-mail' is no address that Proxmox VE takes"),
    (
        {"people": [{"id": "new", "lastname": "x" * 1025}]},
        "people[0].lastname has 1025 characters: Proxmox VE takes at",
    ),
    ({"people": [{"id": "new", "comment": "x" * 2049}]}, "people[0].comment has 2049 characters: Proxmox VE takes at"),
    ({"groups": [{"id": "0"}]}, "groups[0].id '0' cannot be used: Proxmox VE forgets a group of this name at once"),
    ({"groups": [{"id": "g", "comment": "x" * 70_000}]}, "groups[0].comment has 70000 characters, which is more than"),
    ({"roles": [{"id": "0"}]}, "roles[0].id '0' cannot be used: Proxmox VE forgets a role of this name at once"),
    (
        {"roles": [{"id": "R", "privs": ["VM.Monitor"]}]},
        "roles[0].privs names VM.Monitor, which is no privilege of this",
    ),
    (
        {"service_accounts": [{"id": "svc", "tokens": [{"id": "tk", "comment": "x" * 70_000}]}]},
        "service_accounts[0].tokens[0].comment has 70000 characters, which is more than fits into a request",
    ),
    ({"people": [{"id": "a b"}]}, "people[0].id 'a b' is not one name"),
    ({"people": [{"id": ""}]}, "people[0].id '' is not a user name without its realm: it must not be empty"),
    ({"people": [{"id": "a:b"}]}, "people[0].id 'a:b' is not a user name"),
    ({"people": [{"id": "a,b"}]}, "people[0].id 'a,b' is not one name"),
    (
        {"people": [{"id": "a;b"}]},
        "people[0].id 'a;b' is not one name: give it without blanks, commas and semicolons",
    ),
    ({"service_accounts": [{"id": "a,b"}]}, "service_accounts[0].id 'a,b' is not one name"),
    ({"break_glass": {"id": "a;b"}}, "break_glass.id 'a;b' is not one name"),
    ({"shared_accounts": ["a,b@pve"]}, "shared_accounts[0] 'a,b@pve' is not one name"),
    ({"groups": [{"id": "a,b"}]}, "groups[0].id 'a,b' is not one name"),
    ({"roles": [{"id": "a;b"}]}, "roles[0].id 'a;b' is not one name"),
    ({"people": [{"id": "a@pve"}]}, "people[0].id 'a@pve' holds an @: write the name only"),
    ({"people": [{"id": "x" * 70}]}, "in at most 64 characters"),
    ({"people": [{"id": "bob"}, {"id": "alice"}, {"id": "bob"}]}, "people[2] declares bob@pve again: it is people[0]"),
    ({"people": [{"id": "svc"}], "service_accounts": [{"id": "svc"}]}, "service_accounts[0] declares svc@pve again"),
    ({"people": [{"id": "bob"}], "break_glass": {"id": "bob"}}, "break_glass declares bob@pve again"),
    ({"people": [{"id": "bob", "realm": "corp"}]}, "people[0].realm names the realm corp, which does not exist"),
    ({"people": [{"id": "bob"}], "realm": "c/rp"}, "people[0].realm 'c/rp' is not the name of a realm"),
    (
        {"people": [{"id": "bob", "groups": ["nosuch"]}]},
        "people[0].groups names the group nosuch, which neither exists",
    ),
    ({"people": [{"id": "bob", "expire": "2020-01-01"}]}, "people[0].expire lies in the past (2020-01-01T23:59:59Z)"),
    ({"people": [{"id": "bob", "expire": "soon"}]}, "people[0].expire: 'soon' is no date"),
    ({"people": [{"id": "bob", "state": "gone"}]}, "people[0].state is 'gone'"),
    ({"people": [{"id": "bob", "password": "short"}]}, "people[0].password is shorter than 12 characters"),
    ({"people": [{"id": "bob", "password": "x" * 65}]}, "people[0].password is longer than the 64 characters"),
    ({"people": [{"id": "bob", "password": "x" * 15}], "password_policy": {"min_length": 16}}, "is shorter than 16"),
    ({"people": [{"id": "bob", "password": "1234567"}], "password_policy": {"min_length": 1}}, "is shorter than 8"),
    ({"people": [{"id": "bob", "realm": "ldap", "password": SECRET}]}, "the realm ldap keeps its passwords elsewhere"),
    ({"people": [{"id": "Bob", "unix": True}]}, "people[0].id 'Bob' cannot be a Unix account"),
    ({"people": [{"id": "root", "realm": "pam"}]}, "people[0]: root@pam is nobody in particular"),
    ({"groups": [{"id": "a b"}]}, "groups[0].id 'a b' is not one name"),
    ({"groups": [{"id": "gr/p"}]}, "groups[0].id 'gr/p' is not the name of a group"),
    ({"groups": [{"id": "ops"}, {"id": "ops"}]}, "groups[1] declares ops again: it is groups[0]"),
    (
        {"groups": [{"id": "ops", "roles": [{"path": "/", "role": "Nope"}]}]},
        "groups[0].roles[0].role names the role Nope",
    ),
    (
        {"groups": [{"id": "ops", "roles": [{"path": "/x:y", "role": "PVEAuditor"}]}]},
        "groups[0].roles[0].path '/x:y' has characters that no path has",
    ),
    (
        {
            "groups": [
                {
                    "id": "ops",
                    "roles": [{"path": "/vms", "role": "PVEAuditor"}, {"path": "/vms/", "role": "PVEAuditor"}],
                }
            ]
        },
        "groups[0].roles[1] declares the role PVEAuditor on /vms again",
    ),
    ({"roles": [{"id": "PVEmine"}]}, "roles[0].id 'PVEmine' cannot be created: Proxmox VE keeps"),
    ({"roles": [{"id": "Administrator"}]}, "roles[0].id Administrator is a role of Proxmox VE itself"),
    ({"roles": [{"id": "R", "privs": ["No.Such"]}]}, "roles[0].privs names No.Such"),
    ({"roles": [{"id": "R"}, {"id": "R"}]}, "roles[1] declares R again"),
    (
        {"service_accounts": [{"id": "svc", "tokens": [{"id": "1x"}]}]},
        "service_accounts[0].tokens[0].id '1x' is not the name of a token",
    ),
    (
        {"service_accounts": [{"id": "svc", "tokens": [{"id": "ab"}, {"id": "ab"}]}]},
        "service_accounts[0].tokens[1] declares ab again",
    ),
    (
        {"service_accounts": [{"id": "svc", "tokens": [{"id": "ab", "expire": "never"}]}]},
        "tokens[0].expire (never) is later than the 365 days",
    ),
    (
        {"service_accounts": [{"id": "svc", "tokens": [{"id": "ab", "expire": "2040-01-01"}]}]},
        "is later than the 365 days",
    ),
    (
        {"service_accounts": [{"id": "svc", "tokens": [{"id": "ab", "expire": "2020-01-01"}]}]},
        "tokens[0].expire lies in the past",
    ),
    (
        {"service_accounts": [{"id": "svc", "tokens": [{"id": "ab", "privsep": False}]}]},
        "tokens[0].privsep is false, but token_policy",
    ),
    ({"break_glass": {"id": "bg", "realm": "ldap"}}, "break_glass.realm ldap needs a server"),
    (
        {"break_glass": {"id": "bg"}, "shared_accounts": ["bg@pve"]},
        "shared_accounts[0] would disable bg@pve, which is the break-glass",
    ),
    (
        {"people": [{"id": "bob"}], "shared_accounts": ["bob@pve"]},
        "shared_accounts[0] would disable bob@pve, which is a person",
    ),
    ({"shared_accounts": ["root"]}, "shared_accounts[0] 'root' is not the name of a user"),
    ({"shared_accounts": ["root@pam", "root@pam"]}, "shared_accounts[1] declares root@pam again"),
    ({"tfa_realms": {"corp": "oath"}}, "tfa_realms.corp: the realm corp does not exist"),
    ({"tfa_realms": {"pve": "sms"}}, "tfa_realms.pve is 'sms'"),
    ({"tfa_realms": {"sso": "oath"}}, "tfa_realms.sso: a realm of type openid"),
    ({"tfa_realms": {"pve": "yubico"}}, "tfa_realms.pve: yubico needs the id and key"),
    ({"undeclared": "burn"}, "undeclared is 'burn'"),
    ({"persons": []}, "persons is unknown: use one of"),
]


@pytest.mark.parametrize(("declaration", "expected"), MISTAKES, ids=[case[1][:50] for case in MISTAKES])
def test_mistake_is_one_sentence_with_its_place(declaration: Declared, expected: str) -> None:
    before = copy.deepcopy(declaration)
    with pytest.raises(DeclarationError) as caught:
        plan_identity(BASE, declaration, NOW)
    assert any(expected in mistake for mistake in caught.value.mistakes), caught.value.mistakes
    assert SECRET not in str(caught.value) and "\n" not in str(caught.value)
    assert declaration == before


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(DeclarationError, match=r"2 mistakes: .*; ") as caught:
        plan_identity(BASE, {"people": [{"id": "a b"}], "undeclared": "burn"}, NOW)
    assert len(caught.value.mistakes) == 2


def test_a_path_that_is_not_known_is_a_warning_with_its_place() -> None:
    roles = [{"path": "/vms", "role": "PVEAuditor"}, {"path": "/sdn/new/", "role": "PVEAuditor"}]
    (warning,) = plan_identity(BASE, {"groups": [{"id": "ops", "roles": roles}]}, NOW).warnings
    assert warning.startswith("groups[0].roles[1].path '/sdn/new' is none on which Proxmox VE 9.2 grants anything")


def test_an_account_that_cannot_be_changed_is_told_and_the_rest_goes_on() -> None:
    identity = copy.deepcopy(BASE)
    stuck = "j\u00f6rg@pve"
    identity["users"].append(user(stuck, groups=["ops"], tokens=[token("ci")]))
    identity["users"].append(user("left@pve"))
    identity["acl"].append(acl("/vms", "user", stuck, "PVEVMAdmin"))
    service = {"id": "j\u00f6rg", "roles": [], "tokens": [], "groups": []}
    for declaration in (
        {"people": [{"id": "j\u00f6rg", "state": "absent"}, {"id": "left", "state": "absent"}]},
        {"people": [{"id": "j\u00f6rg", "state": "disabled"}, {"id": "left", "state": "disabled"}]},
        {"shared_accounts": [stuck, "left@pve"]},
        {"people": [{"id": "left", "state": "absent"}], "service_accounts": [service], "undeclared": "remove"},
        {"people": [], "undeclared": "disable"},
    ):
        plan = plan_identity(identity, declaration, NOW)
        assert "left@pve" in [change["id"] for change in plan.changes]
        assert not any(stuck in str(change) for change in plan.changes)
        told = [
            row["sentence"] for row in plan.undeclared if stuck in row["id"] and "is not possible" in row["sentence"]
        ]
        assert told and all("use pveum user modify or pveum user delete on a node" in sentence for sentence in told)


def test_a_twin_in_a_realm_without_case_is_a_mistake() -> None:
    identity = copy.deepcopy(BASE)
    identity["realms"].append({**realm("corp", "ad"), "case_sensitive": False})
    identity["users"].append(user("bob@corp"))
    people = [{"id": name, "realm": "corp"} for name in ("bob", "BOB", "Bob")]
    with pytest.raises(DeclarationError) as caught:
        plan_identity(identity, {"people": people}, NOW)
    sentence = "cannot be made as {}@corp: the realm corp does not tell upper from lower case, and there is bob@corp"
    assert caught.value.mistakes == [
        f"people[{at}].id {sentence.format(name)}" for at, name in ((1, "BOB"), (2, "Bob"))
    ]
    identity["realms"][-1]["case_sensitive"] = True
    assert plan_identity(identity, {"people": people}, NOW).changes


def test_what_is_not_what_it_looks_like_is_a_warning() -> None:
    people = [{"id": "new", "lastname": "Arch\u200ber", "comment": "\u0430dmin"}]
    assert plan_identity(BASE, {"people": people}, NOW).warnings == [
        "people[0].lastname holds characters that hide or pass for others: it is 'Arch\\u200ber'",
        "people[0].comment holds characters that hide or pass for others: it is '\\u0430dmin'",
    ]


@pytest.mark.parametrize(
    "declaration", [{"people": [{"id": "j\u00f6rg", "state": "absent"}]}, {"shared_accounts": ["j\u00f6rg@pve"]}]
)
def test_a_leaver_whose_name_was_encoded_twice_is_told(declaration: Declared) -> None:
    identity = copy.deepcopy(BASE)
    identity["users"].append(user("j\u00c3\u00b6rg@pve"))
    plan = plan_identity(identity, declaration, NOW)
    told = [row["sentence"] for row in plan.undeclared if "encoded twice" in row["sentence"]]
    assert len(told) == 1 and "use pveum user modify or pveum user delete on a node" in told[0] and not plan.changes
