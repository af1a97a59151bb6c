# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""/access/groups: create, change and delete groups (pve-access-control API2/Group.pm)."""

from __future__ import annotations

from tests.lab.context import Context, Result, api
from tests.lab.errors import server_error
from tests.lab.identity import edit_users
from tests.lab.usercfg import Group, UserConfig
from tests.lab.validate import as_text


def _existing(config: UserConfig, name: str) -> Group:
    if name not in config.groups:
        raise server_error(f"group '{name}' does not exist")
    return config.groups[name]


@api("POST", "/access/groups")
def create_group(context: Context) -> Result:
    """A new group without members."""
    name = str(context.parameters["groupid"])

    def change(config: UserConfig) -> None:
        if name in config.groups:
            raise server_error(f"group '{name}' already exists")
        config.groups[name] = Group(comment=as_text(context.parameters, "comment"))

    edit_users(context.cluster, "create group failed", change)
    return Result(None)


@api("PUT", "/access/groups/{groupid}")
def update_group(context: Context) -> Result:
    """Change the comment; an empty one removes it."""
    name, comment = str(context.parameters["groupid"]), as_text(context.parameters, "comment")

    def change(config: UserConfig) -> None:
        group = _existing(config, name)
        group.comment = group.comment if comment is None else comment

    edit_users(context.cluster, "update group failed", change)
    return Result(None)


@api("DELETE", "/access/groups/{groupid}")
def delete_group(context: Context) -> Result:
    """Delete a group and its ACL entries, members or not."""
    name = str(context.parameters["groupid"])

    def change(config: UserConfig) -> None:
        _existing(config, name)
        del config.groups[name]
        for _, node in config.walk():
            node.entries.get("group", {}).pop(name, None)

    edit_users(context.cluster, "delete group failed", change)
    return Result(None)
