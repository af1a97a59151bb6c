# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Identity snapshots for tests: a fresh cluster, and one that works as it should."""

from __future__ import annotations

import copy
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._identity.guard.people import GuardContext

NOW = 1_795_455_600
DAY = 86_400
PRIVS = (
    "Datastore.Allocate Datastore.AllocateSpace Datastore.Audit Group.Allocate Permissions.Modify Pool.Allocate"
    " Realm.Allocate Realm.AllocateUser Sys.Audit Sys.Modify User.Modify VM.Allocate VM.Audit VM.PowerMgmt"
).split()
ROLES: dict[str, list[str]] = {
    "Administrator": list(PRIVS),
    "NoAccess": [],
    "PVEAdmin": [name for name in PRIVS if name not in ("Permissions.Modify", "Sys.Modify", "Realm.Allocate")],
    "PVEAuditor": ["Datastore.Audit", "Sys.Audit", "VM.Audit"],
    "PVEUserAdmin": ["Group.Allocate", "Realm.AllocateUser", "User.Modify"],
    "PVEVMAdmin": ["VM.Allocate", "VM.Audit", "VM.PowerMgmt"],
}
KINDS = ("users", "groups", "roles", "acl", "realms", "tfa", "tokens")


def user(userid: str, **more: Any) -> dict[str, Any]:
    """A user; enabled, never expires, in no group, without second factor."""
    return {"userid": userid, "enable": True, "expire": 0, "groups": [], "tokens": [], "tfa": [], **more}


def token(tokenid: str, **more: Any) -> dict[str, Any]:
    """A token of a user."""
    return {"tokenid": tokenid, "privsep": False, "expire": 0, **more}


def acl(path: str, kind: str, ugid: str, roleid: str, propagate: bool = True) -> dict[str, Any]:
    """A permission."""
    return {"path": path, "type": kind, "ugid": ugid, "roleid": roleid, "propagate": propagate}


def realm(name: str, kind: str, tfa: str | None = None) -> dict[str, Any]:
    """A realm."""
    return {"realm": name, "type": kind, "default": False, "tfa": tfa, "tfa_visible": True}


def snapshot(users: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    """A whole snapshot; groups get their members from the users."""
    groups = more.pop("groups", [])
    found = {
        "users": copy.deepcopy(users),
        "groups": [
            {"groupid": name, "users": sorted(row["userid"] for row in users if name in row["groups"])}
            for name in groups
        ],
        "roles": [{"roleid": name, "privs": list(privs), "special": True} for name, privs in ROLES.items()],
        "acl": [],
        "realms": [realm("pam", "pam"), realm("pve", "pve")],
        "coverage": {kind: {"complete": True, "reasons": []} for kind in KINDS},
    }
    return {**found, **more}


def fresh() -> dict[str, Any]:
    """What an installer leaves."""
    return snapshot([user("root@pam")])


def working() -> dict[str, Any]:
    """Two administrators in a group, break glass, an automation with a token, a directory realm."""
    users = [
        user("root@pam"),
        user("alice@pve", groups=["admins"], tfa=["totp"]),
        user("bob@pve", groups=["admins"]),
        user("carol@ldap", groups=["admins"]),
        user("breakglass@pve"),
        user("iac@pve", tokens=[token("run", privsep=True)], groups=[]),
        user("admin@pve", groups=["admins"]),
    ]
    return snapshot(
        users,
        groups=["admins", "ops"],
        realms=[realm("pam", "pam"), realm("pve", "pve"), realm("ldap", "ldap")],
        acl=[
            acl("/", "group", "admins", "Administrator"),
            acl("/", "user", "breakglass@pve", "Administrator"),
            acl("/", "user", "iac@pve", "Administrator"),
            acl("/", "token", "iac@pve!run", "Administrator"),
        ],
    )


PEOPLE = frozenset(
    f"{name}@{where}"
    for name in ("alice", "bob", "carol", "dan", "dora", "new")
    for where in ("pve", "pam", "ldap", "corp", "gone")
)
GROUND: dict[str, Any] = {"now": NOW, "break_glass": "breakglass@pve", "people": PEOPLE}


def as_automation(**more: Any) -> GuardContext:
    """The guard's context with the automation's token in use."""
    return GuardContext(**{**GROUND, "user": "iac@pve", "token": "run", **more})


def as_root(**more: Any) -> GuardContext:
    """The guard's context with root's password in use."""
    return GuardContext(**{**GROUND, "user": "root@pam", "token": None, **more})


def declared(**more: Any) -> dict[str, Any]:
    """A declaration of what `working` has; give a key to replace it, or None to leave it out."""
    found = {
        "people": [
            {"id": "alice", "groups": ["admins"], "password": "correct horse 1"},
            {"id": "bob", "groups": ["admins"], "password": "correct horse 2"},
        ],
        "groups": [{"id": "admins", "roles": [{"path": "/", "role": "Administrator"}]}],
        "break_glass": {"id": "breakglass", "password": "correct horse 3"},
        "service_accounts": [
            {
                "id": "iac",
                "roles": [{"path": "/", "role": "Administrator"}],
                "tokens": [{"id": "run", "roles": [{"path": "/", "role": "Administrator"}]}],
            }
        ],
        **more,
    }
    return {key: value for key, value in found.items() if value is not None}
