# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One grant: a role that a user, a group or a token has on a path."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils.model.errors import ForbiddenError, InputError
from ansible_collections.pve.audit.plugins.module_utils.pve.change import (
    Change,
    Record,
    Request,
    checked_name,
    rows,
    send,
)
from ansible_collections.pve.audit.plugins.module_utils.pve.identity_rows import acl_row
from ansible_collections.pve.audit.plugins.module_utils.pve.session import Api, ChangeApi

# Besides Permissions.Modify, who may see and change the grants of a path. [PVE::RPCEnvironment check_perm_modify]
_OWNERS = {"/storage/": "Datastore.Allocate", "/vms/": "VM.Allocate", "/pool/": "Pool.Allocate"}


def normal_path(path: str) -> str:
    """The path as Proxmox VE stores it. Raises InputError for an empty one. [PVE::AccessControl normalize_path]"""
    if not path.strip():
        raise InputError("path is empty: the root of all objects is /")
    return "/" + re.sub(r"/+", "/", path.strip()).strip("/")


def read_grant(api: Api, grant: Mapping[str, Any]) -> Record:
    """The grant with the same path, type, ugid and roleid; empty when there is none.

    The list leaves out what may not be seen, so before "not there" is said, the own privileges are asked.
    Raises ForbiddenError when the credential may not know.
    """
    key = ("path", "type", "ugid", "roleid")
    for row in rows(api.get("access", "acl"), "/access/acl"):
        found = acl_row(row)
        if found is not None and all(found[name] == grant[name] for name in key):
            return found
    _check_sight(api, str(grant["path"]))
    return {}


def _check_sight(api: Api, path: str) -> None:
    enough = {"Permissions.Modify", *(priv for start, priv in _OWNERS.items() if path.startswith(start))}
    if enough & _own_privileges(api, path) or "Sys.Audit" in _own_privileges(api, "/access"):
        return
    raise ForbiddenError(
        f"the grants on {path} cannot be read by {api.user}, so that nothing is known about them: "
        f"the credential needs Permissions.Modify on {path}, or to look only, Sys.Audit on /access",
        403,
    )


def _own_privileges(api: Api, path: str) -> set[str]:
    """The privileges that the credential has on the path; the value of each is only its propagate flag."""
    answer = api.get("access", "permissions", path=path)
    found = answer.get(path) if isinstance(answer, Mapping) else None
    return {str(name) for name in found} if isinstance(found, Mapping) else set()


def plan_acl(grant: Record, wanted: Mapping[str, Any]) -> Change:
    """Make the grant, or change whether it reaches the objects below."""
    propagate = wanted["propagate"]
    if grant and propagate in (None, grant["propagate"]):
        return Change(grant, grant)
    after = {
        **{name: wanted[name] for name in ("path", "type", "ugid", "roleid")},
        "propagate": propagate is not False,
    }
    return Change(grant, after, (_request("grant", after, {"propagate": int(after["propagate"])}),))


def plan_acl_absent(grant: Record) -> Change:
    """Take the grant back."""
    return Change(grant, {}, (_request("revoke", grant, {"delete": 1}),)) if grant else Change({}, {})


def _request(verb: str, grant: Mapping[str, Any], more: Mapping[str, Any]) -> Request:
    what = f"{verb} {grant['roleid']} on {grant['path']} for the {grant['type']} {grant['ugid']}"
    params = {"path": grant["path"], f"{grant['type']}s": grant["ugid"], "roles": grant["roleid"], **more}
    return Request(what, "PUT", ("access", "acl"), params)


def ensure_acl(api: ChangeApi, params: Mapping[str, Any], check_mode: bool) -> tuple[Change, dict[str, Any]]:
    """Bring the grant about. Raises AuditError."""
    wanted = {
        "path": normal_path(params["path"]),
        "type": params["type"],
        "ugid": checked_name("ugid", params["ugid"]),
        "roleid": checked_name("roleid", params["roleid"]),
        "propagate": params["propagate"],
    }
    grant = read_grant(api, wanted)
    change = plan_acl_absent(grant) if params["state"] == "absent" else plan_acl(grant, wanted)
    send(api, change, check_mode)
    return change, {"acl": change.after}
