# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does the credential in use last: is it accepted before each change and after the last, and may it make it?

The privileges are those that the API calls ask for: pve-access-control PVE/API2/{User,Group,Role,ACL,Domains}.pm,
PVE/RPCEnvironment.pm exec_api2_perm_check.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._identity.access import (
    NO_ACCESS,
    OWNER_PRIVILEGES,
    Directory,
    has,
    privileges_of,
    roles_of,
)
from ansible_collections.pve.audit.plugins.module_utils._identity.administrators import is_active
from ansible_collections.pve.audit.plugins.module_utils._identity.guard.people import GuardContext
from ansible_collections.pve.audit.plugins.module_utils._model.names import ROOT, realm_of
from ansible_collections.pve.audit.plugins.module_utils._model.time import rfc3339

Options = Mapping[str, Any]
_RUN = 3600


def credential_obstacle(directory: Directory, context: GuardContext) -> str | None:
    """Why Proxmox VE would refuse the credential now or within the next hour; None when it would not."""
    account = directory.users.get(context.user)
    if account is None:
        return f"the user {context.user} does not exist"
    if not account.enable:
        return f"the user {context.user} is disabled"
    if not is_active(account.expire, context.now + _RUN):
        return f"the user {context.user} expires at {rfc3339(account.expire)}"
    if context.token is None:
        return _ticket_obstacle(directory, context)
    token = account.tokens.get(context.token)
    if token is None:
        return f"the token {context.credential} does not exist"
    if not is_active(token.expire, context.now + _RUN):
        return f"the token {context.credential} expires at {rfc3339(token.expire)}"
    return None


def cut_off_obstacle(directory: Directory, context: GuardContext) -> str | None:
    """Why Proxmox VE would refuse the credential after the run; None when it would not."""
    if context.user == ROOT and context.token is None and context.root_locked:
        return f"the Unix password of {ROOT} is locked"
    return credential_obstacle(directory, context)


def _ticket_obstacle(directory: Directory, context: GuardContext) -> str | None:
    """Every module logs in anew, and cannot answer for a second factor."""
    realm = realm_of(context.user)
    row = directory.realms.get(realm)
    if row is None:
        return f"the realm {realm} does not exist"
    if row.get("tfa"):
        return f"the realm {realm} asks {context.user} for a second factor at each login"
    return None


def missing_privilege(directory: Directory, context: GuardContext, change: Mapping[str, Any]) -> str | None:
    """The privilege that the credential would need for the change and does not have; None when it has it."""
    if change["object"] == "acl":
        return _acl(directory, context, change["options"])
    return _NEEDS[change["object"]](directory, context.credential, change["options"], change["action"])


def _need(directory: Directory, who: str, path: str, *names: str) -> str | None:
    missing = [name for name in names if not has(directory, who, path, name)]
    return f"{missing[0]} on {path}" if missing else None


def _role(directory: Directory, who: str, _options: Options, _action: str) -> str | None:
    return _need(directory, who, "/access", "Sys.Modify")


def _group(directory: Directory, who: str, _options: Options, _action: str) -> str | None:
    return _need(directory, who, "/access/groups", "Group.Allocate")


def _realm(directory: Directory, who: str, _options: Options, _action: str) -> str | None:
    return _need(directory, who, "/access/realm", "Realm.Allocate")


def _user(directory: Directory, who: str, options: Options, action: str) -> str | None:
    realm = realm_of(options["userid"])
    if action in ("create", "delete"):
        missing = _need(directory, who, f"/access/realm/{realm}", "Realm.AllocateUser")
        if missing:
            return missing
    if has(directory, who, "/access/groups", "User.Modify"):
        return None
    given = options.get("groups")
    # The module names the groups itself when a change has none.
    by_groups = action != "create" if given is None else bool(given) and _may_change(directory, who, given)
    member = action == "create" or _is_member(directory, who, options["userid"])
    return None if by_groups and member else "User.Modify on /access/groups"


def _may_change(directory: Directory, who: str, groups: Iterable[str]) -> bool:
    """Whether the members of all the groups may be changed."""
    return all(
        name in directory.groups and has(directory, who, f"/access/groups/{name}", "User.Modify") for name in groups
    )


def _is_member(directory: Directory, who: str, userid: str) -> bool:
    """Whether the user is in a group of which the members may be changed."""
    return any(_may_change(directory, who, [name]) for name in directory.member_of.get(userid, ()))


def _token(directory: Directory, who: str, options: Options, _action: str) -> str | None:
    """Users may manage tokens of their own; tokens may not, not even those of their user."""
    if who == options["userid"] or has(directory, who, "/access/groups", "User.Modify"):
        return None
    return None if _is_member(directory, who, options["userid"]) else "User.Modify on /access/groups"


def _acl(directory: Directory, context: GuardContext, options: Options) -> str | None:
    """Without Permissions.Modify one may hand on what one has on a guest, storage or pool oneself."""
    path = options["path"]
    granted = {*privileges_of(directory, context.credential, path), *_through_pools(directory, context, path)}
    if "Permissions.Modify" in granted:
        return None
    narrow = next((name for start, name in OWNER_PRIVILEGES.items() if path.startswith(start)), None)
    role = directory.roles.get(options["roleid"], frozenset())
    if narrow in granted and role and role <= granted:
        return None
    return f"Permissions.Modify on {path}"


def _through_pools(directory: Directory, context: GuardContext, path: str) -> set[str]:
    """What the credential has on a guest or storage by a pool. Who is in which pool stands nowhere in the directory.

    So it is what Proxmox VE says of the path, as far as the credential still has it on some pool; NoAccess on the path
    shuts it out. [PVE::RPCEnvironment compile_acl_path]
    """
    said = set(context.own.get(path, ()))
    if not said or NO_ACCESS in roles_of(directory, context.credential, path):
        return set()
    pools = [place for place in context.own if place.startswith("/pool/")]
    return said & {name for pool in pools for name in privileges_of(directory, context.credential, pool)}


_NEEDS: dict[str, Callable[[Directory, str, Options, str], str | None]] = {
    "role": _role,
    "group": _group,
    "user": _user,
    "token": _token,
    "realm": _realm,
}
