# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""/access/users: create, change and delete users (pve-access-control API2/User.pm)."""

from __future__ import annotations

from typing import Any

from tests.lab.authn import lookup_username, set_password
from tests.lab.context import Context, Result, api
from tests.lab.errors import server_error
from tests.lab.identity import edit_users, locked
from tests.lab.names import split_list, verify_username
from tests.lab.usercfg import User, UserConfig
from tests.lab.usercfg_write import truthy

_TEXTS = ("firstname", "lastname", "email", "comment", "keys")


def _join_groups(config: UserConfig, user: str, groups: str) -> None:
    for name in split_list(groups):
        if name not in config.groups:
            raise server_error(f"no such group '{name}'")
        config.groups[name].users[user] = None


def leave_groups(config: UserConfig, user: str) -> None:
    """Take a user out of all groups."""
    for group in config.groups.values():
        group.users.pop(user, None)


def _existing(config: UserConfig, user: str) -> User:
    if user not in config.users:
        raise server_error(f"no such user ('{user}')")
    return config.users[user]


@api("POST", "/access/users")
def create_user(context: Context) -> Result:
    """A new user; the password is set first and stays when something after it fails."""
    parameters = context.parameters
    wanted = str(parameters["userid"])

    def change(config: UserConfig) -> None:
        name = lookup_username(context.cluster, wanted, strict=False)
        if name in config.users:
            raise server_error(f"user '{name}' already exists")
        if parameters.get("password") is not None:
            set_password(context.cluster, wanted, str(parameters["password"]))
        given = parameters.get("enable")
        user = config.users[name] = User(enable=1 if given is None else int(given))
        if truthy(parameters.get("expire")):
            user.expire = int(parameters["expire"])
        if truthy(parameters.get("groups")):
            _join_groups(config, name, str(parameters["groups"]))
        user.texts = {key: str(parameters[key]) for key in _TEXTS if truthy(parameters.get(key))}

    edit_users(context.cluster, "create user failed", change)
    return Result(None)


def _update(config: UserConfig, name: str, parameters: dict[str, Any]) -> None:
    user = _existing(config, name)
    given = {key: str(value) for key, value in parameters.items() if value is not None}
    if "enable" in given:
        user.enable = int(given["enable"])
    if "expire" in given:
        user.expire = int(given["expire"])
    if "groups" in given:
        if not truthy(given.get("append")):
            leave_groups(config, name)
        if truthy(given["groups"]):
            _join_groups(config, name, given["groups"])
    user.texts.update({key: given[key] for key in _TEXTS if key in given})


@api("PUT", "/access/users/{userid}")
def update_user(context: Context) -> Result:
    """Change what is given, and nothing else."""
    name = str(context.parameters["userid"])
    edit_users(context.cluster, "update user failed", lambda config: _update(config, name, context.parameters))
    return Result(None)


@api("DELETE", "/access/users/{userid}")
def delete_user(context: Context) -> Result:
    """Delete a user with password, second factors, memberships, tokens and its own ACL entries.

    A missing user is no error here (the permission check finds it for all but root@pam). root@pam comes back at
    once, enabled and without tokens, because PVE always has one.
    """
    cluster, name = context.cluster, str(context.parameters["userid"])
    realm = verify_username(name)[2]

    def change(config: UserConfig) -> None:
        if cluster.realms.get(realm, {}).get("type") == "pve":
            with locked(cluster, "priv/shadow.cfg"):
                cluster.passwords.pop(name, None)
        config.users.pop(name, None)
        cluster.tfa.pop(name, None)
        leave_groups(config, name)
        for _, node in config.walk():
            node.entries.get("user", {}).pop(name, None)

    edit_users(cluster, "delete user failed", change)
    return Result(None)


@api("PUT", "/access/users/{userid}/unlock-tfa")
def unlock_tfa(context: Context) -> Result:
    """Unlock a user's second factors: 1 when they were locked."""
    with locked(context.cluster, "priv/tfa.cfg"):
        entry = context.cluster.tfa.get(str(context.parameters["userid"]))
        if entry is None:
            raise server_error("no such challenge")
        if not entry.locks():
            return Result(0)
        entry.totp_locked, entry.locked_until = False, None
        return Result(1)
