# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan must not accept what a module refuses in the middle of a run, nor refuse what the module would make."""

from __future__ import annotations

from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from ansible_collections.pve.audit.plugins.module_utils._identity.plan.build import (
    DeclarationError,
    IdentityPlan,
    plan_identity,
)
from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._model.names import check_name, new_name_mistake
from ansible_collections.pve.audit.plugins.module_utils._pve.acl import plan_acl, wanted_grant
from ansible_collections.pve.audit.plugins.module_utils._pve.change import refuse
from ansible_collections.pve.audit.plugins.module_utils._pve.groups_roles import plan_role
from tests.unit.plugins.module_utils._identity.identities import NOW, working

NAMES = st.one_of(
    st.sampled_from(
        ("x", "we!rd", "PVEx", "pve-ops", "a@b", "-dash", "x" * 60, "x" * 61, "a\u00a0b", "0", "\u0430lice", "a\u200bb")
    ),
    st.text(st.sampled_from("aP1ä@!/:.-_ ,;\n"), max_size=6),
)
PARTS = st.sampled_from((*"access groups sdn dns fabrics zones vms 100 a-b a_b a:b ä".split(), ""))
PATHS = st.builds(lambda parts: "/" + "/".join(parts), st.lists(PARTS, max_size=5))


def planned(**declaration: Any) -> IdentityPlan | None:
    """The plan, or None when there are mistakes."""
    try:
        return plan_identity(working(), declaration, NOW)
    except DeclarationError:
        return None


def taken(kind: Any, name: str, new: bool = True) -> bool:
    """Whether the module of that kind takes the name, for something new or at all."""
    try:
        check_name(kind, "name", name)
        if new:
            refuse([new_name_mistake(kind, "name", name)])
        if kind == "role":
            plan_role({}, name, [])
    except InputError:
        return False
    return True


@settings(max_examples=500)
@given(name=NAMES)
def test_names(name: str) -> None:
    assert (planned(groups=[{"id": name}]) is not None) == taken("group", name)
    assert (planned(roles=[{"id": name}]) is not None) == taken("role", name)
    assert (planned(people=[{"id": name, "realm": "pve"}]) is not None) == taken("user", f"{name}@pve")
    assert (planned(shared_accounts=[name]) is not None) == taken("user", name, new=False)
    service = {"id": "svc", "tokens": [{"id": name}]}
    assert (planned(service_accounts=[service]) is not None) == taken("token name", name)


@settings(max_examples=500)
@given(path=st.one_of(PATHS, NAMES))
@example(path="/sdn/dns/a-b")
@example(path="/sdn/fabrics/a_b")
@example(path="//vms//")
@example(path="")
def test_paths(path: str) -> None:
    plan = planned(groups=[{"id": "new", "roles": [{"path": path, "role": "PVEAuditor"}]}])
    params = {"type": "group", "ugid": "new", "roleid": "PVEAuditor", "propagate": True, "state": "present"}
    try:
        wanted = wanted_grant({"path": path, **params})
    except InputError:
        assert plan is None
        return
    assert plan is not None
    granted = next(change["options"] for change in plan.changes if change["object"] == "acl")
    assert granted["path"] == wanted["path"]
    assert len(plan.warnings) == len(plan_acl({}, wanted).warnings)
