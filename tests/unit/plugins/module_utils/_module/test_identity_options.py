# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of the identity modules are those of their documentation, and plans use options that the modules have."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.pve.audit.plugins.module_utils._identity.plan.build import plan_identity
from ansible_collections.pve.audit.plugins.module_utils._identity.policy import DEFAULTS
from ansible_collections.pve.audit.plugins.module_utils._module.identity_options import info_options, plan_options
from tests.unit.plugins.module_utils._identity.identities import NOW, acl, declared, token, user, working

MODULES = Path(__file__).parents[5] / "plugins" / "modules"
KEYS = ("type", "elements", "required", "default", "choices")


def documented(name: str) -> dict[str, Any]:
    """The documented options of a module."""
    tree = ast.parse((MODULES / f"{name}.py").read_text(encoding="utf-8"))
    text = next(
        node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and node.targets[0].id == "DOCUMENTATION"
        and isinstance(node.value, ast.Constant)
    )
    options: dict[str, Any] = yaml.safe_load(str(text))["options"]
    return options


def plain(options: dict[str, Any], inner: str) -> dict[str, Any]:
    """Options reduced to what both sides say."""
    return {
        name: {key: value[key] for key in KEYS if key in value}
        | ({"options": plain(value[inner], inner)} if inner in value else {})
        for name, value in options.items()
    }


@pytest.mark.parametrize(("name", "spec"), [("identity_info", info_options()), ("identity_plan", plan_options())])
def test_options_are_those_of_the_documentation(name: str, spec: dict[str, Any]) -> None:
    assert plain(spec, "options") == plain(documented(name), "suboptions")


def test_policy_of_the_module_is_that_of_the_rules() -> None:
    assert set(info_options()["policy"]["options"]) == set(DEFAULTS)


def test_changes_use_options_that_the_modules_have() -> None:
    identity = working()
    identity["users"] += [user("dave@pve", enable=False, groups=["ops"], expire=NOW + 5, tokens=[token("t1")])]
    identity["roles"] += [{"roleid": "Own", "privs": ["Sys.Audit"], "special": False}]
    identity["acl"].append(acl("/vms", "group", "admins", "PVEAuditor"))
    declaration = declared(
        people=[{"id": "dave", "state": "present", "groups": ["admins"], "expire": "never", "comment": "x"}],
        roles=[{"id": "Own", "privs": ["VM.Audit"]}, {"id": "New", "privs": []}],
        tfa_realms={"pve": "oath"},
        shared_accounts=["root@pam"],
        undeclared="remove",
    )
    declaration["groups"].append({"id": "new", "comment": "new", "roles": [{"path": "/vms", "role": "NoAccess"}]})
    changes = plan_identity(identity, declaration, NOW).changes
    assert {one["object"] for one in changes} == {"role", "group", "user", "acl", "token", "realm"}
    assert {one["action"] for one in changes} == {"create", "update", "delete", "grant", "revoke", "disable"}
    for one in changes:
        known = documented(one["object"])
        assert set(one["options"]) <= set(known), one
        missing = {name for name, spec in known.items() if spec.get("required")} - set(one["options"])
        assert not missing, one
