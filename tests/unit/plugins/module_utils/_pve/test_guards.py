# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is an administrator, and which single change is refused because of it, or because it closes the own account."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.pve.audit.plugins.module_utils._pve.guards import administrators, is_active, last_administrator

Record = dict[str, Any]

NOW = 1_800_000_000.0
ROLES = [
    {"roleid": "Administrator", "privs": ["Permissions.Modify", "Sys.Modify"], "special": True},
    {"roleid": "NoAccess", "privs": [], "special": True},
    {"roleid": "Own", "privs": ["Permissions.Modify", "Sys.Modify", "VM.Audit"], "special": False},
    {"roleid": "Half", "privs": ["Permissions.Modify"], "special": False},
    {"roleid": "Rest", "privs": ["Sys.Modify"], "special": False},
]


def user(userid: str, enable: bool = True, expire: int = 0, groups: tuple[str, ...] = ()) -> Record:
    """A user as `user_row` has it."""
    return {"userid": userid, "enable": enable, "expire": expire, "groups": list(groups)}


def acl(ugid: str, roleid: str, path: str = "/", kind: str = "") -> Record:
    """A grant."""
    return {"path": path, "type": kind or ("user" if "@" in ugid else "group"), "ugid": ugid, "roleid": roleid}


ALICE, ROOT = user("alice@pve", groups=("admins",)), user("root@pam")
ADMINS = acl("admins", "Administrator")


@pytest.mark.parametrize(
    ("users", "grants", "found"),
    [
        ([ROOT], [], {"root@pam"}),
        ([user("root@pam", enable=False)], [], set()),
        ([user("root@pam", expire=5)], [], set()),
        ([user("root@pam", expire=1_900_000_000)], [], {"root@pam"}),
        ([ROOT, ALICE], [], {"root@pam"}),
        ([ROOT, ALICE], [ADMINS], {"root@pam", "alice@pve"}),
        ([ALICE], [acl("admins", "Own")], {"alice@pve"}),
        ([ALICE], [acl("admins", "Half")], set()),
        ([ALICE], [acl("admins", "Half"), acl("admins", "Rest")], {"alice@pve"}),
        ([ALICE], [acl("admins", "Administrator", "/vms")], set()),
        ([ALICE], [acl("alice@pve", "Administrator")], {"alice@pve"}),
        ([ALICE], [ADMINS, acl("alice@pve", "Half")], set()),
        ([ALICE], [ADMINS, acl("admins", "NoAccess")], set()),
        ([ALICE], [acl("alice@pve!ci", "Administrator", kind="token")], set()),
        ([user("alice@pve", expire=5, groups=("admins",))], [ADMINS], set()),
    ],
)
def test_administrators(users: list[Record], grants: list[Record], found: set[str]) -> None:
    assert administrators(users, grants, ROLES, NOW) == found


def test_an_account_that_is_gone_is_not_live() -> None:
    assert not is_active({}, NOW)


class Directory:
    """The lists as Proxmox VE gives them."""

    user = "iac@pve"

    def __init__(self, users: list[Record], grants: list[Record]) -> None:
        self.lists: Record = {"users": users, "acl": grants, "roles": ROLES}

    def get(self, *path: str, **_params: Any) -> Any:
        return self.lists[path[-1]]


BOB = user("bob@pve", groups=("admins",))


@pytest.mark.parametrize(
    ("others", "before", "after", "refused"),
    [
        ([], ALICE, {**ALICE, "enable": False}, True),
        ([], ALICE, {**ALICE, "expire": 100_000_000}, True),
        ([], ALICE, {**ALICE, "expire": 1_900_000_000}, False),
        ([], ALICE, {**ALICE, "groups": []}, True),
        ([], ALICE, {**ALICE, "groups": ["admins", "ops"], "comment": "x"}, False),
        ([], ALICE, {}, True),
        ([BOB], ALICE, {}, False),
        ([{**BOB, "enable": False}], ALICE, {}, True),
        ([ROOT], ALICE, {}, False),
        ([], ROOT, {**ROOT, "enable": False}, True),
        ([ALICE], ROOT, {**ROOT, "enable": False}, False),
        ([], user("carl@pve"), {}, False),
        ([], {**ALICE, "enable": False}, {}, False),
    ],
)
def test_the_last_administrator(others: list[Record], before: Record, after: Record, refused: bool) -> None:
    api = Directory([*others, before], [ADMINS])
    sentence = last_administrator(api, before, after, NOW)
    if not refused:
        assert sentence is None
    else:
        assert sentence is not None
        assert sentence.startswith(f"{before['userid']} is the last enabled administrator that iac@pve can see")


def test_nothing_is_asked_when_nothing_is_taken() -> None:
    api = Directory([], [])
    api.lists = {}
    assert last_administrator(api, ALICE, {**ALICE, "comment": "x"}, NOW) is None
