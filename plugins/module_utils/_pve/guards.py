# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two cheap guards of single changes: not the own account, and not the last administrator.

They look at one change only. The guard of whole plans, with second factors and the break-glass account, stands in
_identity/guard/lockout.py and runs in the module identity_plan and the role named_users.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._identity.access import directory_of
from ansible_collections.pve.audit.plugins.module_utils._identity.administrators import find_administrators, is_active
from ansible_collections.pve.audit.plugins.module_utils._identity.change import expire_option
from ansible_collections.pve.audit.plugins.module_utils._identity.guard.credential import missing_privilege
from ansible_collections.pve.audit.plugins.module_utils._identity.guard.people import GuardContext, can_repair
from ansible_collections.pve.audit.plugins.module_utils._identity.guard.state import apply_change
from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._pve.change import Record, refuse
from ansible_collections.pve.audit.plugins.module_utils._pve.identity import read_identity
from ansible_collections.pve.audit.plugins.module_utils._pve.session import Api, ChangeApi


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
    directory = directory_of(read_identity(api))
    if name not in find_administrators(directory, now, partial(can_repair, now=now)):
        return None
    apply_change(directory, _change_of(name, after))
    if find_administrators(directory, now, partial(can_repair, now=now)):
        return None
    return (
        f"{name} is the last enabled administrator that {api.user} can see, and after this change nobody could manage "
        "the cluster: first make somebody else Administrator on /"
    )


def _change_of(name: str, after: Mapping[str, Any]) -> Record:
    """The change of a user to its record afterwards, which is empty for a deletion."""
    options = {"userid": name, "state": "absent"}
    if after:
        options = {"userid": name, "enabled": after["enable"], "groups": after["groups"]}
        options["expire"] = expire_option(after["expire"])
    return {"object": "user", "action": "update" if after else "delete", "options": options}


def _stranded(api: ChangeApi, change: Record, now: float) -> str | None:
    """The privilege that the credential of the connection has for this change, and would not have to take it back."""
    before, after = (directory_of(read_identity(api)) for _state in range(2))
    apply_change(after, change)
    context = GuardContext(api.user, (api.token or "").rpartition("!")[2] or None, now)
    if missing_privilege(before, context, change):
        return None
    missing = missing_privilege(after, context, change)
    return missing and (
        f"{context.credential}, which this module is logged in with, would have no {missing} any more and could not "
        "take this back: use another credential for that, or set allow_self: true"
    )


def refuse_own_account(
    api: ChangeApi, before: Mapping[str, Any], after: Mapping[str, Any], params: Mapping[str, Any], now: float
) -> None:
    """Raises InputError when the account of the connection would be closed, or lose what it needs to undo the change.

    Not with `allow_self`.
    """
    if params["allow_self"] or before.get("userid") != api.user:
        return
    if _closes(before, after, now):
        raise InputError(
            f"{api.user} is the account that this module is logged in with, and would be {_verb(after, now)}: use "
            "another account for that, or set allow_self: true"
        )
    if set(before["groups"]) - set(after["groups"]):
        refuse([_stranded(api, _change_of(api.user, after), now)])


def refuse_own_token(
    api: ChangeApi, before: Mapping[str, Any], after: Mapping[str, Any], params: Mapping[str, Any], now: float
) -> None:
    """The same for the token of the connection, which may be cut down to privileges of its own as well."""
    if params["allow_self"] or before.get("full_tokenid") != api.token:
        return
    if _closes(before, after, now):
        raise InputError(
            f"{api.token} is the token that this module is logged in with, and would be {_verb(after, now)}: use "
            "another credential for that, or set allow_self: true"
        )
    if after["privsep"] and not before["privsep"]:
        options = {"userid": api.user, "name": before["tokenid"], "privsep": True}
        refuse([_stranded(api, {"object": "token", "action": "update", "options": options}, now)])


def _closes(before: Mapping[str, Any], after: Mapping[str, Any], now: float) -> bool:
    return is_active_record(before, now) and not is_active_record(after, now)


def _verb(after: Mapping[str, Any], now: float) -> str:
    if not after:
        return "deleted"
    return "disabled" if is_active(after["expire"], now) else "expired at once"
