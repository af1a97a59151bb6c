# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One grant: a role that a user, a group or a token has on a path."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._identity.access import OWNER_PRIVILEGES
from ansible_collections.pve.audit.plugins.module_utils._model.errors import ForbiddenError, InputError
from ansible_collections.pve.audit.plugins.module_utils._model.names import (
    ROOT,
    Kind,
    check_name,
    normal_path,
    unknown_path,
)
from ansible_collections.pve.audit.plugins.module_utils._pve.change import (
    Change,
    Record,
    Request,
    rows,
    send,
)
from ansible_collections.pve.audit.plugins.module_utils._pve.identity_rows import acl_row
from ansible_collections.pve.audit.plugins.module_utils._pve.lockout import guarded
from ansible_collections.pve.audit.plugins.module_utils._pve.session import Api, ChangeApi

_KINDS: dict[str, Kind] = {"user": "user", "group": "group", "token": "token"}


def wanted_grant(params: Mapping[str, Any]) -> Record:
    """The options, the path as it is stored. Raises InputError for what Proxmox VE would refuse or not keep."""
    kind, absent = params["type"], params["state"] == "absent"
    ugid = check_name(_KINDS[kind], "ugid", params["ugid"])
    if ugid == ROOT and kind == "user" and not absent:
        raise InputError(
            "root@pam is always Administrator on everything, and Proxmox VE stores no grant for it: leave this out"
        )
    return {
        "path": normal_path("path", params["path"]),
        "type": kind,
        "ugid": ugid,
        "roleid": check_name("role", "roleid", params["roleid"]),
        "propagate": params["propagate"],
    }


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
    enough = {"Permissions.Modify", *(priv for start, priv in OWNER_PRIVILEGES.items() if path.startswith(start))}
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
    request = _request("grant", after, {"propagate": int(after["propagate"])})
    doubt = unknown_path("path", str(after["path"]))
    return Change(grant, after, (request,), warnings=(doubt,) if doubt else ())


def plan_acl_absent(grant: Record) -> Change:
    """Take the grant back."""
    return Change(grant, {}, (_request("revoke", grant, {"delete": 1}),)) if grant else Change({}, {})


def _request(verb: str, grant: Mapping[str, Any], more: Mapping[str, Any]) -> Request:
    what = f"{verb} {grant['roleid']} on {grant['path']} for the {grant['type']} {grant['ugid']}"
    params = {"path": grant["path"], f"{grant['type']}s": grant["ugid"], "roles": grant["roleid"], **more}
    return Request(what, "PUT", ("access", "acl"), params)


def ensure_acl(
    api: ChangeApi, params: Mapping[str, Any], check_mode: bool, now: float
) -> tuple[Change, dict[str, Any]]:
    """Make the grant as the options say. Raises AuditError."""
    wanted = wanted_grant(params)
    grant = read_grant(api, wanted)
    change = plan_acl_absent(grant) if params["state"] == "absent" else plan_acl(grant, wanted)
    change = guarded(api, change, "acl", {**params, "path": wanted["path"]}, check_mode, now)
    send(api, change, check_mode)
    return change, {"acl": change.after}
