# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""/access/users/{userid}/token: create, change and delete tokens (pve-access-control API2/User.pm, TokenConfig.pm)."""

from __future__ import annotations

import uuid
from typing import Any

from tests.lab.context import Context, Result, api
from tests.lab.errors import param_error, server_error
from tests.lab.identity import edit_users
from tests.lab.names import split_list
from tests.lab.usercfg import Token, UserConfig
from tests.lab.usercfg_write import truthy


def existing_token(config: UserConfig, user: str, token: str) -> Token:
    """The token, or PVE's 500 for the user or the token."""
    if user not in config.users:
        raise server_error(f"no such user ('{user}')")
    found = config.token(user, token)
    if found is None:
        raise server_error(f"no such token '{token}' for user '{user}'")
    return found


def _new_secret(context: Context, full: str) -> str:
    value = str(uuid.uuid4())
    context.cluster.secrets[full] = value
    return value


@api("POST", "/access/users/{userid}/token/{tokenid}")
def generate_token(context: Context) -> Result:
    """A new token; `value` is its secret. What was given comes back as text."""
    parameters = context.parameters
    user, token = str(parameters["userid"]), str(parameters["tokenid"])
    known = context.cluster.users
    if user not in known.users:
        raise server_error(f"no such user ('{user}')")
    if known.token(user, token):
        raise param_error({"tokenid": "Token already exists."})
    full = f"{user}!{token}"
    info: dict[str, Any] = {"privsep": 1 if parameters.get("privsep") is None else parameters["privsep"]}
    if parameters.get("expire") is not None:
        info["expire"] = parameters["expire"]
    if truthy(parameters.get("comment")):
        info["comment"] = parameters["comment"]
    value = ""

    def change(config: UserConfig) -> None:
        nonlocal value
        if user not in config.users:
            raise server_error(f"no such user ('{user}')")
        if config.token(user, token):
            raise server_error("Token already exists.")
        value = _new_secret(context, full)
        entry = config.users[user]
        entry.tokens = {
            **(entry.tokens or {}),
            token: Token(int(info["privsep"]), int(info.get("expire", 0)), info.get("comment")),
        }

    edit_users(context.cluster, "generating token failed", change)
    return Result({"info": info, "value": value, "full-tokenid": full})


def _changed(entry: Token, given: dict[str, str]) -> dict[str, Any]:
    """Change the token; the answer has what was given as text."""
    answer = entry.info()
    for name in ("privsep", "expire", "comment"):
        if name in given:
            answer[name] = given[name]
    if answer.get("comment") == "":
        del answer["comment"]
    for name in split_list(given["delete"]) if truthy(given.get("delete")) else []:
        if name != "comment":
            raise param_error({"delete": f"unknown option '{name}'"})
        answer.pop(name, None)
    entry.privsep, entry.expire = int(str(answer["privsep"])), int(str(answer["expire"]))
    entry.comment = None if answer.get("comment") is None else str(answer["comment"])
    return answer


@api("PUT", "/access/users/{userid}/token/{tokenid}")
def update_token(context: Context) -> Result:
    """Change what is given; `regenerate` makes a new secret."""
    given = {name: str(value) for name, value in context.parameters.items() if value is not None}
    user, token = given["userid"], given["tokenid"]
    existing_token(context.cluster.users, user, token)
    full = f"{user}!{token}"
    answer: dict[str, Any] = {}

    def change(config: UserConfig) -> None:
        answer.update(_changed(existing_token(config, user, token), given))
        if truthy(given.get("regenerate")):
            answer.update({"value": _new_secret(context, full), "full-tokenid": full})

    edit_users(context.cluster, "updating token info failed", change)
    return Result(answer)


@api("DELETE", "/access/users/{userid}/token/{tokenid}")
def remove_token(context: Context) -> Result:
    """Delete a token; its ACL entries go with it."""
    user, token = str(context.parameters["userid"]), str(context.parameters["tokenid"])
    existing_token(context.cluster.users, user, token)

    def change(config: UserConfig) -> None:
        existing_token(config, user, token)
        context.cluster.secrets.pop(f"{user}!{token}", None)
        del (config.users[user].tokens or {})[token]

    edit_users(context.cluster, "deleting token failed", change)
    return Result(None)
