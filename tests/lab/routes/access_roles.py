# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""/access/roles: create, change and delete roles (pve-access-control API2/Role.pm)."""

from __future__ import annotations

from tests.lab.context import Context, Result, api
from tests.lab.errors import param_error, server_error
from tests.lab.identity import edit_users
from tests.lab.names import split_list
from tests.lab.roles import BUILTIN_ROLES
from tests.lab.usercfg import UserConfig
from tests.lab.usercfg_write import truthy
from tests.lab.validate import as_text

_RESERVED = "cannot use role ID starting with the (case-insensitive) 'PVE' namespace"


def _privileges(context: Context) -> frozenset[str]:
    text = as_text(context.parameters, "privs")
    return frozenset(split_list(text or "")) if truthy(text) else frozenset()


def _existing(config: UserConfig, name: str) -> frozenset[str]:
    if name not in config.roles:
        raise server_error(f"role '{name}' does not exist")
    return config.roles[name]


@api("POST", "/access/roles")
def create_role(context: Context) -> Result:
    """A new role."""
    name, privileges = str(context.parameters["roleid"]), _privileges(context)
    if name.upper().startswith("PVE"):
        raise param_error({"roleid": _RESERVED})

    def change(config: UserConfig) -> None:
        if name in config.roles:
            raise server_error(f"role '{name}' already exists")
        config.roles[name] = privileges

    edit_users(context.cluster, "create role failed", change)
    return Result(None)


@api("PUT", "/access/roles/{roleid}")
def update_role(context: Context) -> Result:
    """Set the privileges, or add to them with `append`."""
    name, privileges = str(context.parameters["roleid"]), _privileges(context)
    if name in BUILTIN_ROLES:
        raise server_error(f"auto-generated role '{name}' cannot be modified")

    def change(config: UserConfig) -> None:
        known = _existing(config, name)
        config.roles[name] = privileges | known if truthy(context.parameters.get("append")) else privileges

    edit_users(context.cluster, "update role failed", change)
    return Result(None)


@api("DELETE", "/access/roles/{roleid}")
def delete_role(context: Context) -> Result:
    """Delete a role; ACL entries with it are void."""
    name = str(context.parameters["roleid"])
    if name in BUILTIN_ROLES:
        raise server_error(f"auto-generated role '{name}' cannot be deleted")

    def change(config: UserConfig) -> None:
        _existing(config, name)
        del config.roles[name]

    edit_users(context.cluster, "delete role failed", change)
    return Result(None)
