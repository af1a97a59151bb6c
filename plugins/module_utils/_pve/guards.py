# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two cheap guards of single changes: not the own account, and not the last administrator.

They look at one change only. The guard of whole plans, with second factors and the break-glass account, stands in
_identity/guard/lockout.py and runs in the module identity_plan and the role named_users.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._model.names import ROOT
from ansible_collections.pve.audit.plugins.module_utils._pve.change import Record, rows
from ansible_collections.pve.audit.plugins.module_utils._pve.identity_rows import acl_row, role_row, user_row
from ansible_collections.pve.audit.plugins.module_utils._pve.session import Api, ChangeApi

Rows = Sequence[Mapping[str, Any]]
_ADMINISTRATOR, _NO_ACCESS = "Administrator", "NoAccess"


def is_active(account: Mapping[str, Any], now: float) -> bool:
    """Enabled and not expired; an empty record is an account that is gone. [PVE::AccessControl check_user_enabled]"""
    return bool(account) and bool(account.get("enable", True)) and not 0 < account["expire"] < now


def administrators(users: Rows, acl: Rows, roles: Rows, now: float) -> set[str]:
    """Who can log in and has all privileges of Administrator on /, as a user or through groups; root@pam always has.

    A user's own roles on a path replace those of the groups. [PVE::AccessControl roles]
    """
    privs = {row["roleid"]: set(row["privs"]) for row in roles}
    wanted = privs.get(_ADMINISTRATOR) or {_ADMINISTRATOR}
    on_root = [row for row in acl if row["path"] == "/"]
    found = set()
    for user in users:
        name, groups = user["userid"], set(user["groups"])
        own = {row["roleid"] for row in on_root if row["type"] == "user" and row["ugid"] == name}
        joined = {row["roleid"] for row in on_root if row["type"] == "group" and row["ugid"] in groups}
        has = own or joined
        granted = set().union(*(privs.get(role, ()) for role in has))
        if is_active(user, now) and (name == ROOT or (wanted <= granted and _NO_ACCESS not in has)):
            found.add(name)
    return found


def last_administrator(api: Api, before: Mapping[str, Any], after: Mapping[str, Any], now: float) -> str | None:
    """Why this change of a user leaves no administrator, as far as the credential sees; None when it does not.

    `after` is empty for a deletion. Proxmox VE is asked only when the change takes something away.
    """
    left = set(before["groups"]) - set(after.get("groups", ()))
    if not is_active(before, now) or (is_active(after, now) and not left):
        return None
    name = before["userid"]
    users = [user for row in rows(api.get("access", "users", full=1), "/access/users") if (user := user_row(row))]
    acl = [grant for row in rows(api.get("access", "acl"), "/access/acl") if (grant := acl_row(row))]
    roles = [role for row in rows(api.get("access", "roles"), "/access/roles") if (role := role_row(row))]
    others: list[Record] = [user for user in users if user["userid"] != name]
    changed = [{**before, **after}] if after else []
    if name not in administrators([*others, before], acl, roles, now):
        return None
    if administrators([*others, *changed], acl, roles, now):
        return None
    return (
        f"{name} is the last enabled administrator that {api.user} can see, and after this change nobody could manage "
        "the cluster: first make somebody else Administrator on /"
    )


def refuse_own_account(
    api: Api, before: Mapping[str, Any], after: Mapping[str, Any], params: Mapping[str, Any], now: float
) -> None:
    """Raises InputError when the account of the connection would be closed and `allow_self` is not set."""
    if params["allow_self"] or before.get("userid") != api.user or not is_active(before, now) or is_active(after, now):
        return
    raise InputError(
        f"{api.user} is the account that this module is logged in with, and would be {_verb(after, now)}: use another "
        "account for that, or set allow_self: true"
    )


def refuse_own_token(
    api: ChangeApi, before: Mapping[str, Any], after: Mapping[str, Any], params: Mapping[str, Any], now: float
) -> None:
    """Raises InputError when the token of the connection would be closed and `allow_self` is not set."""
    if (
        params["allow_self"]
        or not is_active(before, now)
        or is_active(after, now)
        or before["full_tokenid"] != api.token
    ):
        return
    raise InputError(
        f"{api.token} is the token that this module is logged in with, and would be {_verb(after, now)}: use another "
        "credential for that, or set allow_self: true"
    )


def _verb(after: Mapping[str, Any], now: float) -> str:
    if not after:
        return "deleted"
    return "expired at once" if 0 < after["expire"] < now else "disabled"
