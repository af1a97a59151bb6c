# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two cheap guards of single changes: not the own account, and not the last administrator.

They look at one change only. The guard of whole plans, with second factors and the break-glass account, stands in
_identity/guard/lockout.py and runs in the module identity_plan and the role named_users.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._identity.access import directory_of
from ansible_collections.pve.audit.plugins.module_utils._identity.administrators import find_administrators, is_active
from ansible_collections.pve.audit.plugins.module_utils._identity.change import expire_option
from ansible_collections.pve.audit.plugins.module_utils._identity.guard.state import apply_change
from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._pve.change import Record, rows
from ansible_collections.pve.audit.plugins.module_utils._pve.identity_rows import (
    acl_row,
    group_row,
    realm_row,
    role_row,
    user_row,
)
from ansible_collections.pve.audit.plugins.module_utils._pve.session import Api, ChangeApi

# What the directory is made of: its list below /access, and how a row is read.
_LISTS: dict[str, tuple[str, Callable[[Mapping[str, Any]], Record | None]]] = {
    "users": ("users", user_row),
    "groups": ("groups", group_row),
    "roles": ("roles", role_row),
    "acl": ("acl", acl_row),
    "realms": ("domains", realm_row),
}


def is_active_record(record: Mapping[str, Any], now: float) -> bool:
    """Whether the user or token of a record is active; an empty record is one that is gone."""
    return bool(record) and is_active(record["expire"], now, record.get("enable", True))


def last_administrator(api: Api, before: Mapping[str, Any], after: Mapping[str, Any], now: float) -> str | None:
    """Why this change of a user leaves no administrator, as far as the credential sees; None when it does not.

    `after` is empty for a deletion. Proxmox VE is asked only when the change takes something away.
    """
    left = set(before["groups"]) - set(after.get("groups", ()))
    if not is_active_record(before, now) or not (left or _closes(before, after, now)):
        return None
    name = before["userid"]
    directory = directory_of({kind: _rows(api, *source) for kind, source in _LISTS.items()})
    if name not in find_administrators(directory, now):
        return None
    options = {"userid": name, "state": "absent"}
    if after:
        options = {"userid": name, "enabled": after["enable"], "groups": after["groups"]}
        options["expire"] = expire_option(after["expire"])
    apply_change(directory, {"object": "user", "options": options})
    if find_administrators(directory, now):
        return None
    return (
        f"{name} is the last enabled administrator that {api.user} can see, and after this change nobody could manage "
        "the cluster: first make somebody else Administrator on /"
    )


def _rows(api: Api, name: str, reader: Callable[[Mapping[str, Any]], Record | None]) -> list[Record]:
    answer = api.get("access", name, **({"full": 1} if name == "users" else {}))
    return [found for row in rows(answer, f"/access/{name}") if (found := reader(row))]


def refuse_own_account(
    api: Api, before: Mapping[str, Any], after: Mapping[str, Any], params: Mapping[str, Any], now: float
) -> None:
    """Raises InputError when the account of the connection would be closed and `allow_self` is not set."""
    if not params["allow_self"] and before.get("userid") == api.user and _closes(before, after, now):
        raise InputError(
            f"{api.user} is the account that this module is logged in with, and would be {_verb(after, now)}: use "
            "another account for that, or set allow_self: true"
        )


def refuse_own_token(
    api: ChangeApi, before: Mapping[str, Any], after: Mapping[str, Any], params: Mapping[str, Any], now: float
) -> None:
    """Raises InputError when the token of the connection would be closed and `allow_self` is not set."""
    if not params["allow_self"] and before.get("full_tokenid") == api.token and _closes(before, after, now):
        raise InputError(
            f"{api.token} is the token that this module is logged in with, and would be {_verb(after, now)}: use "
            "another credential for that, or set allow_self: true"
        )


def _closes(before: Mapping[str, Any], after: Mapping[str, Any], now: float) -> bool:
    return is_active_record(before, now) and not is_active_record(after, now)


def _verb(after: Mapping[str, Any], now: float) -> str:
    if not after:
        return "deleted"
    return "disabled" if is_active(after["expire"], now) else "expired at once"
