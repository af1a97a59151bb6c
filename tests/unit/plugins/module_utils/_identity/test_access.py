# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Effective privileges: against the answers of a genuine cluster, and against a second, independent implementation."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.pve.audit.plugins.module_utils._identity.access import (
    directory_of,
    privileges_of,
)
from ansible_collections.pve.audit.plugins.module_utils._pve.identity import read_identity
from tests.lab.permissions import Permissions
from tests.lab.usercfg import UserConfig, parse_user_config
from tests.unit.lab.replay import rows
from tests.unit.plugins.module_utils._identity.identities import acl, snapshot, token, user

RECORDED = rows("access_read")


class Recorded:
    """Answers as the cluster gave them to whoever saw most."""

    user = "root@pam"

    def get(self, *path: str, **params: Any) -> Any:
        """The longest recorded answer to the request."""
        if path == ("cluster", "status") or path[2:]:
            return []
        wanted = ("GET", "/" + "/".join(path), params, 200)
        found = [row for row in RECORDED if (row.method, row.path, row.query or {}, row.status) == wanted]
        return max((row.body["data"] for row in found), key=len)


ASKED = [
    (row.name, (row.query or {}).get("userid", row.auth), row.body["data"])
    for row in RECORDED
    if row.path == "/access/permissions" and row.status == 200 and row.method == "GET"
]


@pytest.mark.parametrize(("who", "answer"), [case[1:] for case in ASKED], ids=[case[0] for case in ASKED])
def test_privileges_are_those_of_a_genuine_cluster(who: str, answer: dict[str, dict[str, Any]]) -> None:
    directory = directory_of(read_identity(Recorded()))
    assert len(ASKED) > 10
    for path, granted in answer.items():
        assert {name: int(flag) for name, flag in privileges_of(directory, who, path).items()} == {
            name: int(flag) for name, flag in granted.items()
        }, path


def identity_of(config: UserConfig) -> dict[str, Any]:
    """The snapshot that the API would show of a user.cfg."""
    return snapshot(
        [
            user(
                name,
                enable=bool(account.enable),
                groups=sorted(account.groups),
                tokens=[token(key, privsep=bool(info.privsep)) for key, info in (account.tokens or {}).items()],
            )
            for name, account in config.users.items()
        ],
        groups=[],
        roles=[{"roleid": name, "privs": sorted(privs), "special": False} for name, privs in config.roles.items()],
        acl=[
            acl(path, kind, name, role, bool(flag))
            for path, node in config.walk()
            for kind, entries in node.entries.items()
            for name, given_roles in entries.items()
            for role, flag in given_roles.items()
        ],
    ) | {"groups": [{"groupid": name, "users": list(group.users)} for name, group in config.groups.items()]}


USERS = ("root@pam", "ann@pve", "ben@pve", "cyd@ldap")
TOKENS = ("ann@pve!full", "ann@pve!sep", "root@pam!full", "root@pam!sep", "ben@pve!sep")
PATHS = (
    "/",
    "/access",
    "/access/groups",
    "/access/realm",
    "/access/realm/pve",
    "/nodes",
    "/nodes/a",
    "/vms",
    "/vms/100",
)
WHO = (*USERS, *TOKENS, "@g1", "@g2", "@none", "gone@pve")
ENTRIES = st.tuples(
    st.booleans(),
    st.sampled_from(PATHS),
    st.sampled_from(WHO),
    st.sampled_from(("Administrator", "NoAccess", "PVEAuditor", "PVEVMAdmin", "Own", "Missing")),
)


def text_of(members: dict[str, list[str]], entries: list[tuple[bool, str, str, str]], own: list[str]) -> str:
    """A user.cfg."""
    lines = [f"user:{name}:1:0::::::" for name in USERS]
    lines += [f"token:{name}:0:{int(name.endswith('sep'))}::" for name in TOKENS]
    lines += [f"group:{name}:{','.join(users)}::" for name, users in members.items()]
    lines.append(f"role:Own:{','.join(own)}:")
    lines += [f"acl:{int(flag)}:{path}:{who}:{role}:" for flag, path, who, role in entries]
    return "\n".join(lines)


@settings(max_examples=200)
@given(
    members=st.fixed_dictionaries(
        {name: st.lists(st.sampled_from(USERS), unique=True) for name in ("g1", "g2")},
    ),
    entries=st.lists(ENTRIES, max_size=12),
    own=st.lists(st.sampled_from(("Sys.Audit", "User.Modify", "VM.Audit")), unique=True),
)
def test_privileges_are_those_of_the_simulator(
    members: dict[str, list[str]], entries: list[tuple[bool, str, str, str]], own: list[str]
) -> None:
    config = parse_user_config(text_of(members, entries, own))
    other, directory = Permissions(config), directory_of(identity_of(config))
    for who in (*USERS, *TOKENS):
        for path in PATHS:
            assert privileges_of(directory, who, path) == other.of(who, path), (who, path)
            below = f"{path.rstrip('/')}/no-entry-here"
            assert set(privileges_of(directory, who, path, below=True)) == set(other.of(who, below)), (who, below)
