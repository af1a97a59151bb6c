# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Planning and guarding takes about linear time: calls are counted, at 100, 400 and 1,600 people."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from ansible_collections.pve.audit.plugins.module_utils._identity.guard.lockout import administrators_of, find_lockouts
from ansible_collections.pve.audit.plugins.module_utils._identity.guard.people import GuardContext
from ansible_collections.pve.audit.plugins.module_utils._identity.plan.build import plan_identity
from ansible_collections.pve.audit.plugins.module_utils._identity.plan.controls import control_of
from ansible_collections.pve.audit.plugins.module_utils._identity.plan.declaration import PERSON, SERVICE
from tests.steps import count_calls
from tests.unit.plugins.module_utils._identity.identities import NOW, acl, declared, realm, snapshot, user, working

Identity = dict[str, Any]
Declared = dict[str, Any]


def leavers(size: int) -> tuple[Identity, Declared]:
    """Half of the people have left; each had a grant of their own, and a group of ten."""
    groups = [f"team{number}" for number in range(size // 10)]
    names = [f"p{number}" for number in range(size)]
    identity = working()
    users = [user(f"{name}@pve", groups=[groups[number // 10]]) for number, name in enumerate(names)]
    whole = snapshot([*identity["users"], *users], groups=["admins", "ops", *groups], acl=identity["acl"])
    whole["acl"] += [
        acl(f"/vms/{1000 + number}", "user", f"{name}@pve", "PVEVMAdmin") for number, name in enumerate(names)
    ]
    whole["realms"].append(realm("ldap", "ldap"))
    people = [*declared()["people"], *({"id": name, "groups": ["ops"]} for name in names[::2])]
    return whole, declared(people=people, undeclared="remove")


def newcomers(size: int) -> tuple[Identity, Declared]:
    """Everybody is to be made."""
    people = [{"id": f"p{number}", "groups": ["ops"]} for number in range(size)]
    return working(), declared(people=[*declared()["people"], *people])


def administrators(size: int) -> tuple[Identity, Declared]:
    """Everybody is an administrator, and nobody but two is to be."""
    identity = working()
    people = [user(f"p{number}@pve", groups=["admins"]) for number in range(size)]
    return snapshot(
        [*identity["users"], *people], groups=["admins", "ops"], acl=identity["acl"], realms=identity["realms"]
    ), declared(undeclared="disable")


def work(identity: Identity, declaration: Declared) -> None:
    """What the module does besides reading."""
    plan = plan_identity(identity, declaration, NOW)
    changes = [{**change, "control": control_of(change, plan.wanted)} for change in plan.changes]
    people, services = plan.wanted.of_kind(PERSON), plan.wanted.of_kind(SERVICE)
    context = GuardContext("root@pam", None, NOW, plan.wanted.break_glass, services, people)
    administrators_of(identity, changes, context)
    assert find_lockouts(identity, changes, context) == []
    assert len(changes) >= len(identity["users"]) // 3


@pytest.mark.parametrize("case", [leavers, newcomers, administrators])
def test_four_times_the_people_take_four_times_the_calls(case: Callable[[int], tuple[Identity, Declared]]) -> None:
    small, middle, large = (count_calls(partial(work, *case(size))) for size in (100, 400, 1600))
    assert middle < 4.5 * small and large < 4.5 * middle
