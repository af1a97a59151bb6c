# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PUT /access/acl (pve-access-control API2/ACL.pm)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from tests.lab.context import Context, Result, api
from tests.lab.errors import param_error, server_error
from tests.lab.identity import edit_users
from tests.lab.names import normalize_path, split_list, split_token
from tests.lab.permissions import Privileges
from tests.lab.routes.access_tokens import existing_token
from tests.lab.usercfg import UserConfig
from tests.lab.usercfg_write import truthy

_NAME, _DOTTED = r"[A-Za-z0-9]+", r"[A-Za-z0-9.\-_]+"
_PATHS = (
    r"/",
    rf"/access(/groups(/{_DOTTED})?|/realm(/{_DOTTED})?)?",
    rf"/nodes(/{_DOTTED})?",
    rf"/pool(/{_DOTTED}){{0,3}}",
    r"/sdn(/controllers(/[A-Za-z0-9_\-]+)?)?",
    rf"/sdn/(dns|fabrics|ipams|prefix-lists|route-maps)(/{_NAME})?",
    rf"/sdn/zones(/{_DOTTED}(/{_DOTTED}(/[1-9][0-9]{{0,3}})?)?)?",
    rf"/storage(/{_DOTTED})?",
    r"/vms(/[1-9][0-9]{2,})?",
    rf"/mapping(/{_DOTTED}(/{_DOTTED})?)?",
)
_KNOWN_PATH = re.compile("|".join(_PATHS))
_WHO = "either 'users', 'groups' or 'tokens' is required."


def check_path(path: str) -> bool:
    """Is it a path that access may be given on?"""
    return _KNOWN_PATH.fullmatch(path) is not None


def _refuse_role(config: UserConfig, role: str, own: Privileges, *, remove: bool, propagate: int) -> None:
    """Without Permissions.Modify one may only hand out what one has."""
    verb = "remove" if remove else "add"
    for privilege in sorted(config.roles[role]):
        if privilege not in own:
            text = f"Cannot {verb} role '{role}' - requires 'Permissions.Modify' or superset of privileges."
            raise param_error({"role": text})
        if propagate and own[privilege] != propagate and not remove:
            text = (
                f"Cannot {verb} role '{role}' with propagation - requires 'Permissions.Modify' or propagated superset"
                " of privileges."
            )
            raise param_error({"role": text})
    if role == "NoAccess":
        raise param_error({"role": f"Cannot {verb} role '{role}' - requires 'Permissions.Modify'"})


def _subjects(config: UserConfig, parameters: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(kind, id) of each one named; 500 for one that does not exist."""
    for name in split_list(str(parameters.get("groups") or "")):
        if name not in config.groups:
            raise server_error(f"group '{name}' does not exist")
        yield "group", name
    for name in split_list(str(parameters.get("users") or "")):
        if name not in config.users:
            raise server_error(f"user '{name}' does not exist")
        yield "user", name
    for name in split_list(str(parameters.get("tokens") or "")):
        user, token = split_token(name) or ("", "")
        existing_token(config, user, token)
        yield "token", name


@api("PUT", "/access/acl")
def update_acl(context: Context) -> Result:
    """Add or remove roles of users, groups and tokens on one path."""
    parameters = context.parameters
    if not any(truthy(parameters.get(name)) for name in ("users", "groups", "tokens")):
        raise param_error(dict.fromkeys(("users", "groups", "tokens"), _WHO))
    path, remove = normalize_path(str(parameters["path"])), truthy(parameters.get("delete"))
    if path is None or not (remove or check_path(path)):
        raise param_error({"path": f"invalid ACL path '{parameters['path']}'"})
    given = parameters.get("propagate")
    propagate = 1 if given is None or truthy(given) else 0

    def change(config: UserConfig) -> None:
        own = context.permissions.of(context.who, path)
        node = config.node(path)
        for role in split_list(str(parameters["roles"])):
            if role not in config.roles:
                raise server_error(f"role '{role}' does not exist")
            if "Permissions.Modify" not in own:
                _refuse_role(config, role, own, remove=remove, propagate=propagate)
            for kind, name in _subjects(config, parameters):
                roles = node.entries.setdefault(kind, {}).setdefault(name, {})
                if remove:
                    roles.pop(role, None)
                else:
                    roles[role] = propagate

    edit_users(context.cluster, "ACL update failed", change)
    return Result(None)
