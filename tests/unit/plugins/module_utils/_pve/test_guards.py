# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which single change is refused because it takes the last administrator away."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.pve.audit.plugins.module_utils._pve.guards import is_active_record, last_administrator

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


def acl(ugid: str, roleid: str, path: str = "/", propagate: bool = True) -> Record:
    """A grant."""
    kind = "user" if "@" in ugid else "group"
    return {"path": path, "type": kind, "ugid": ugid, "roleid": roleid, "propagate": propagate}


ALICE, ROOT = user("alice@pve", groups=("admins",)), user("root@pam")
ADMINS = acl("admins", "Administrator")


def test_an_account_that_is_gone_is_not_active() -> None:
    assert not is_active_record({}, NOW)


class Directory:
    """The lists as Proxmox VE gives them."""

    user = "iac@pve"

    def __init__(self, users: list[Record], grants: list[Record]) -> None:
        groups = [{"groupid": name} for name in ("admins", "ops")]
        realms = [{"realm": "pam"}, {"realm": "pve"}]
        self.lists: Record = {"users": users, "groups": groups, "acl": grants, "roles": ROLES, "domains": realms}

    def get(self, *path: str, **_params: Any) -> Any:
        return self.lists.get(path[-1], [])


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


@pytest.mark.parametrize(
    ("grants", "refused"),
    [
        ([ADMINS], False),
        ([ADMINS, acl("bob@pve", "Half")], True),
        ([ADMINS, acl("bob@pve", "NoAccess", "/access")], True),
        ([ADMINS, acl("bob@pve", "NoAccess", "/access/groups/ops")], True),
        ([acl("alice@pve", "Administrator"), acl("bob@pve", "Administrator", propagate=False)], True),
        ([acl("alice@pve", "Administrator"), acl("bob@pve", "Own")], False),
        ([acl("alice@pve", "Administrator"), acl("bob@pve", "Half"), acl("bob@pve", "Rest")], False),
    ],
    ids=[
        "two",
        "a lesser role of his own",
        "NoAccess on a deeper path",
        "NoAccess on one group",
        "a role that does not propagate",
        "a role of the same privileges",
        "two roles that add up to them",
    ],
)
def test_who_is_left_counts_as_in_the_analysis(grants: list[Record], refused: bool) -> None:
    """Alice is deleted, and bob is left."""
    assert (last_administrator(Directory([ALICE, BOB], grants), ALICE, {}, NOW) is not None) is refused


def test_nothing_is_asked_when_nothing_is_taken() -> None:
    api = Directory([], [])
    api.lists = {}
    assert last_administrator(api, ALICE, {**ALICE, "comment": "x"}, NOW) is None
