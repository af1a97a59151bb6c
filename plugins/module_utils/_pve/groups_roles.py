# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Groups and roles: small objects with a name and one property."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._identity.access import ADMINISTRATOR
from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._model.limits import disguised_texts, text_mistakes
from ansible_collections.pve.audit.plugins.module_utils._model.names import (
    check_name,
    new_name_mistake,
    reserved_role_mistake,
    unknown_privileges,
)
from ansible_collections.pve.audit.plugins.module_utils._model.texts import plain_text
from ansible_collections.pve.audit.plugins.module_utils._pve.change import (
    Change,
    Record,
    Request,
    differing,
    parameters,
    read_detail,
    refuse,
    rows,
    send,
    updated,
    with_warnings,
)
from ansible_collections.pve.audit.plugins.module_utils._pve.identity_rows import group_row, role_row
from ansible_collections.pve.audit.plugins.module_utils._pve.lockout import guarded
from ansible_collections.pve.audit.plugins.module_utils._pve.session import Api, ChangeApi


def read_group(api: Api, groupid: str) -> Record:
    """The group as `group_row` has it; empty when there is none.

    Raises ForbiddenError when the credential may not know.
    """
    for row in rows(api.get("access", "groups"), "/access/groups"):
        if row.get("groupid") == groupid:
            return group_row(row) or {}
    detail = read_detail(api, ("access", "groups", groupid), f"the group {groupid}")
    return {} if detail is None else group_row({**detail, "groupid": groupid}) or {}


def plan_group(group: Record, groupid: str, comment: str | None) -> Change:
    """Create the group or change its comment; the members are not touched."""
    if not group:
        given = {"comment": comment} if comment else {}
        request = Request(f"create the group {groupid}", "POST", ("access", "groups"), {"groupid": groupid, **given})
        return Change({}, {"groupid": groupid, **given, "users": []}, (request,))
    changes = differing(group, {"comment": comment})
    if not changes:
        return Change(group, group)
    request = Request(f"change the group {groupid}", "PUT", ("access", "groups", groupid), changes)
    return Change(group, updated(group, changes), (request,))


def plan_group_absent(group: Record) -> Change:
    """Delete the group. Its grants go with it. [PVE::API2::Group delete_group]"""
    if not group:
        return Change({}, {})
    groupid = group["groupid"]
    return Change(group, {}, (Request(f"delete the group {groupid}", "DELETE", ("access", "groups", groupid)),))


def ensure_group(
    api: ChangeApi, params: Mapping[str, Any], check_mode: bool, now: float
) -> tuple[Change, dict[str, Any]]:
    """Make the group as the options say. Raises AuditError."""
    groupid = check_name("group", "groupid", params["groupid"])
    comment = None if params["comment"] is None else plain_text(params["comment"])
    group = read_group(api, groupid)
    absent = params["state"] == "absent"
    if not absent:
        refuse([*text_mistakes("group", {"comment": comment}), new_name_mistake("group", "groupid", groupid)])
    change = plan_group_absent(group) if absent else plan_group(group, groupid, comment)
    change = with_warnings(change, disguised_texts({"comment": comment}))
    change = guarded(api, change, "group", params, check_mode, now)
    send(api, change, check_mode)
    return change, {"group": change.after}


def read_roles(api: Api) -> dict[str, Record]:
    """All roles by name, as `role_row` has them. Everybody may read them."""
    found = (role_row(row) for row in rows(api.get("access", "roles"), "/access/roles"))
    return {role["roleid"]: role for role in found if role}


def plan_role(role: Record, roleid: str, privs: list[str] | None, append: bool = False) -> Change:
    """Create the role or change its privileges.

    An update without privileges would empty the role, so it is never sent. [PVE::API2::Role update_role]
    Raises InputError for a change of a built-in role, and for a new one with a name that Proxmox VE keeps for itself.
    """
    if not role:
        if mistake := reserved_role_mistake("roleid", roleid):
            raise InputError(mistake)
        given = {"privs": sorted(set(privs))} if privs else {}
        request = Request(
            f"create the role {roleid}", "POST", ("access", "roles"), parameters({"roleid": roleid, **given})
        )
        return Change({}, {"roleid": roleid, "privs": [], **given, "special": False}, (request,))
    have = set(role["privs"])
    target = have if privs is None else set(privs) | (have if append else set())
    if target == have:
        return Change(role, role)
    _refuse_special(role)
    sent: Record = {"privs": sorted(target - have), "append": True} if append else {"privs": sorted(target)}
    request = Request(f"change the role {roleid}", "PUT", ("access", "roles", roleid), parameters(sent))
    return Change(role, {**role, "privs": sorted(target)}, (request,))


def plan_role_absent(role: Record) -> Change:
    """Delete the role. Grants of it lose their effect. Raises InputError for a built-in role."""
    if not role:
        return Change({}, {})
    _refuse_special(role)
    roleid = role["roleid"]
    return Change(role, {}, (Request(f"delete the role {roleid}", "DELETE", ("access", "roles", roleid)),))


def _refuse_special(role: Record) -> None:
    if role["special"]:
        raise InputError(
            f"the role {role['roleid']} is built into Proxmox VE and cannot be changed or deleted: "
            "make one of your own with the privileges you need"
        )


def ensure_role(
    api: ChangeApi, params: Mapping[str, Any], check_mode: bool, now: float
) -> tuple[Change, dict[str, Any]]:
    """Make the role as the options say. Raises AuditError."""
    absent = params["state"] == "absent"
    roleid = check_name("name" if absent else "role", "roleid", params["roleid"])
    privs = None if params["privs"] is None else [check_name("name", "privs", priv) for priv in params["privs"] if priv]
    roles = read_roles(api)
    role = roles.get(roleid, {})
    if not absent:
        every = roles.get(ADMINISTRATOR, {}).get("privs", ())
        refuse([new_name_mistake("role", "roleid", roleid), *unknown_privileges("privs", privs or (), every)])
    change = plan_role_absent(role) if absent else plan_role(role, roleid, privs, params["append"])
    if role:
        change = guarded(api, change, "role", params, check_mode, now)
    send(api, change, check_mode)
    return change, {"role": change.after}
