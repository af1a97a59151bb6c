# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is an administrator: one answer for guard, findings and modules."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ansible_collections.pve.audit.plugins.module_utils._identity.access import directory_of
from ansible_collections.pve.audit.plugins.module_utils._identity.administrators import (
    can_become_administrator,
    find_administrators,
    is_active,
    is_administrator,
    lost_privilege,
    way_to_administrator,
)
from ansible_collections.pve.audit.plugins.module_utils._identity.guard.people import administrators
from ansible_collections.pve.audit.plugins.module_utils._pve.identity import read_identity
from tests.unit.plugins.module_utils._identity.identities import NOW, acl, as_root, snapshot, user, working

Entry = dict[str, Any]
IDENTITIES = Path(__file__).resolve().parents[3] / "data" / "identities.json.gz"


class Case(NamedTuple):
    """Alice is in admins, which has Administrator on /; then the entries. `lost`: what she has not any more."""

    name: str
    entries: list[Entry]
    lost: str | None = None


def admins(path: str, role: str, propagate: bool = True) -> Entry:
    """An entry of the group admins."""
    return acl(path, "group", "admins", role, propagate)


def ops(path: str, role: str, propagate: bool = True) -> Entry:
    """An entry of the group ops."""
    return acl(path, "group", "ops", role, propagate)


def alice(path: str, role: str, propagate: bool = True) -> Entry:
    """An entry of alice herself."""
    return acl(path, "user", "alice@pve", role, propagate)


GROUPS, REALM, OPS = "/access/groups", "/access/realm", "/access/groups/ops"
CASES = [
    Case("nothing else", []),
    Case("a lesser role on one guest", [admins("/vms/100", "PVEAuditor")]),
    Case("a lesser role on all guests", [admins("/vms", "PVEVMAdmin")]),
    Case("the role again, there only, of another group", [ops("/", "Administrator", False)]),
    Case("the role again, there only, of her own", [alice("/", "Administrator", False)]),
    Case("the role again on a deeper path, there only", [admins("/access", "Administrator", False)]),
    Case("a lesser role of her own on /", [alice("/", "PVEAuditor")], "all"),
    Case("a lesser role of her own on /, there only", [alice("/", "PVEAuditor", False)], "all"),
    Case("NoAccess on /, there only", [admins("/", "NoAccess", False)], "all"),
    Case("NoAccess on /access, there only", [admins("/access", "NoAccess", False)], "Permissions.Modify on /access"),
    Case("NoAccess on one group", [admins(OPS, "NoAccess")], f"Permissions.Modify on {OPS}"),
    Case("NoAccess on a group that does not exist", [admins("/access/groups/gone", "NoAccess")]),
    Case("NoAccess on one realm", [ops(f"{REALM}/pve", "NoAccess")], f"Permissions.Modify on {REALM}/pve"),
    Case("a lesser role on the realms", [alice(REALM, "PVEAuditor")], f"Permissions.Modify on {REALM}"),
    Case("NoAccess on the nodes", [admins("/nodes", "NoAccess")], "privilege on /nodes"),
    Case(
        "on the groups the role there only, a lesser one below",
        [admins(GROUPS, "Administrator", False), admins(GROUPS, "PVEAuditor")],
        f"Permissions.Modify on {GROUPS}/admins",
    ),
    Case(
        "on the realms the role there only, a lesser one below",
        [admins(REALM, "Administrator", False), admins(REALM, "PVEAuditor")],
        f"Permissions.Modify on {REALM}/pam",
    ),
    Case(
        "on the guests a role of her own there only, NoAccess below",
        [alice("/vms", "PVEVMAdmin", False), admins("/vms", "NoAccess")],
        "privilege on /vms",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_what_makes_and_unmakes_an_administrator(case: Case) -> None:
    identity = snapshot(
        [user("root@pam"), user("alice@pve", groups=["admins", "ops"])],
        groups=["admins", "ops"],
        acl=[admins("/", "Administrator"), *case.entries],
    )
    directory = directory_of(identity)
    everybody = ["alice@pve", "root@pam"] if case.lost is None else ["root@pam"]
    assert is_administrator(directory, "alice@pve") is (case.lost is None)
    assert find_administrators(directory, NOW) == everybody
    assert administrators(directory, as_root()) == everybody
    if case.lost != "all":
        assert lost_privilege(directory, "alice@pve") == case.lost


def test_a_role_that_does_not_reach_below_makes_no_administrator_but_lets_become_one() -> None:
    directory = directory_of(
        snapshot([user("alice@pve", groups=["admins"])], groups=["admins"], acl=[admins("/", "Administrator", False)])
    )
    assert find_administrators(directory, NOW) == []
    assert find_administrators(directory, NOW, can_become_administrator) == ["alice@pve"]


PVE_USER_ADMIN, ADMIN = "PVEUserAdmin", "Administrator"
WAYS: list[tuple[str, list[Entry], str | None]] = [
    ("nothing", [], None),
    ("an administrator has no way to go", [ops("/", ADMIN)], None),
    ("may grant on / only", [ops("/", ADMIN, False)], "Permissions.Modify on /"),
    ("everything but granting", [ops("/", "PVEAdmin")], "User.Modify on /access/groups"),
    ("may change everybody", [ops("/access", PVE_USER_ADMIN)], "User.Modify on /access/groups"),
    ("may change everybody, but not there", [ops("/access", PVE_USER_ADMIN, False)], None),
    (
        "may change the group of administrators",
        [ops(f"{GROUPS}/admins", PVE_USER_ADMIN)],
        f"User.Modify on {GROUPS}/admins",
    ),
    ("may change another group", [ops(OPS, PVE_USER_ADMIN)], None),
    ("may change a group that is gone", [ops(f"{GROUPS}/gone", PVE_USER_ADMIN)], None),
    ("NoAccess on the groups", [ops("/access", PVE_USER_ADMIN), ops(GROUPS, "NoAccess")], None),
]


@pytest.mark.parametrize(("entries", "way"), [case[1:] for case in WAYS], ids=[case[0] for case in WAYS])
def test_who_can_become_one(entries: list[Entry], way: str | None) -> None:
    """Bob is in ops, Alice is the administrator."""
    directory = directory_of(
        snapshot(
            [user("root@pam"), user("alice@pve", groups=["admins"]), user("bob@pve", groups=["ops"])],
            groups=["admins", "ops"],
            acl=[admins("/", ADMIN), *entries],
        )
    )
    found = find_administrators(directory, NOW, can_become_administrator)
    assert found == (["bob@pve"] if way else [])
    assert not way or way_to_administrator(directory, "bob@pve") == way


class Recorded:
    """The lists below /access as root@pam got them from a genuine cluster."""

    user = "root@pam"

    def __init__(self, scenario: str) -> None:
        """Of one of the scenarios, at its end."""
        self._lists = json.loads(gzip.decompress(IDENTITIES.read_bytes()))[scenario]

    def get(self, *path: str, **_params: Any) -> Any:
        """The recorded list; what was not recorded is empty."""
        return self._lists.get(path[1], []) if len(path) == 2 else []


# Who had the role Administrator on /, himself or by a group, enabled and not expired; who had User.Modify on all.
GENUINE = [
    ("busy-day", "alice@pve anna@pve root@pam", "boris@pve deploy@pve ops@pve svc@pve uadmin@pve"),
    ("cli-and-sudo", "alice@pve rita@pve root@pam", "svc@pve uadmin@pve"),
    ("revenge", "alice@pve lena@pve root@pam", "iac@pve svc@pve uadmin@pve"),
    (
        "silent-changes",
        "alice@pve fwbot@pve greta@pve hugo@pve root@pam zed@pve",
        "net@pve svc@pve uadmin@pve uma@pve",
    ),
]


@pytest.mark.parametrize(("scenario", "are", "can_become"), GENUINE)
def test_administrators_of_genuine_clusters(scenario: str, are: str, can_become: str) -> None:
    directory = directory_of(read_identity(Recorded(scenario)))
    assert find_administrators(directory, NOW) == are.split()
    assert find_administrators(directory, NOW, can_become_administrator) == can_become.split()


def test_nothing_takes_it_from_root() -> None:
    identity = working()
    identity["acl"] += [acl("/", "user", "root@pam", "NoAccess")]
    assert is_administrator(directory_of(identity), "root@pam")


@pytest.mark.parametrize(
    ("expire", "enable", "expected"),
    [
        (0, True, True),
        (0, False, False),
        (NOW - 1, True, False),
        (NOW, True, True),
        (NOW + 1, True, True),
        (NOW + 1, False, False),
    ],
)
def test_active(expire: int, enable: bool, expected: bool) -> None:
    """An account works in the second in which it expires."""
    assert is_active(expire, NOW, enable) is expected
    identity = snapshot([user("root@pam", enable=enable, expire=expire)])
    assert find_administrators(directory_of(identity), NOW) == (["root@pam"] if expected else [])
