# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a planned change on a directory in memory, as the modules and Proxmox VE would make it.

Sources: pve-access-control PVE/API2/{User,Group,Role,ACL}.pm; what they refuse (a missing group) changes nothing here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._identity.access import Account, ApiToken, Directory
from ansible_collections.pve.audit.plugins.module_utils._model.expiry import parse_expire
from ansible_collections.pve.audit.plugins.module_utils._model.names import ROOT

Options = Mapping[str, Any]


def apply_change(directory: Directory, change: Mapping[str, Any]) -> None:
    """Change the directory in place. `change` as in _identity/change.py."""
    _MAKERS[change["object"]](directory, change["options"], change)


def _gone(options: Options) -> bool:
    return options.get("state") == "absent"


def _role(directory: Directory, options: Options, _change: Options) -> None:
    name = options["roleid"]
    if _gone(options):
        directory.forget_role(name)
        return
    old = directory.roles.get(name, frozenset())
    if options.get("privs") is not None:
        old = frozenset(options["privs"]) | (old if options.get("append") else frozenset())
    directory.roles[name] = old


def _group(directory: Directory, options: Options, _change: Options) -> None:
    if _gone(options):
        directory.drop_group(options["groupid"])
    else:
        directory.groups.setdefault(options["groupid"], set())


def _user(directory: Directory, options: Options, change: Options) -> None:
    name = options["userid"]
    if _gone(options):
        _delete_user(directory, name)
        return
    account = directory.users.get(name)
    if account is None:
        account = Account(True, 0, tfa=frozenset(), created=True, password=bool(change.get("sets_password")))
        directory.add_user(name, account)
    if options.get("enabled") is not None:
        account.enable = bool(options["enabled"])
    if options.get("expire") is not None:
        account.expire = parse_expire(options["expire"])
    if options.get("groups") is not None:
        wanted = set(options["groups"])
        for group in wanted:
            directory.join(name, group)
        if not options.get("groups_append"):
            for group in directory.member_of.get(name, set()) - wanted:
                directory.leave(name, group)


def _delete_user(directory: Directory, name: str) -> None:
    """Memberships and permissions go with the user. root@pam comes back at once, enabled and without tokens."""
    directory.drop_user(name)
    if name == ROOT:
        directory.add_user(ROOT, Account(True, 0, tfa=frozenset()))


def _token(directory: Directory, options: Options, _change: Options) -> None:
    account = directory.users.get(options["userid"])
    if account is None:
        return
    if _gone(options):
        account.tokens.pop(options["name"], None)
        return
    token = account.tokens.setdefault(options["name"], ApiToken(True, 0))
    if options.get("privsep") is not None:
        token.privsep = bool(options["privsep"])
    if options.get("expire") is not None:
        token.expire = parse_expire(options["expire"])


def _acl(directory: Directory, options: Options, _change: Options) -> None:
    where = (options["path"], options["type"], options["ugid"], options["roleid"])
    if _gone(options):
        directory.revoke(*where)
    elif options["roleid"] in directory.roles:
        present = directory.acl.get(where[0], {}).get(where[1], {}).get(where[2], {}).get(where[3], True)
        propagate = options.get("propagate")
        directory.grant(*where, present if propagate is None else bool(propagate))


def _realm(directory: Directory, options: Options, _change: Options) -> None:
    if _gone(options):
        directory.realms.pop(options["realm"], None)
    elif options["realm"] in directory.realms and options.get("tfa") is not None:
        directory.realms[options["realm"]]["tfa"] = None if options["tfa"] == "none" else options["tfa"]


_MAKERS: dict[str, Callable[[Directory, Options, Options], None]] = {
    "role": _role,
    "group": _group,
    "user": _user,
    "token": _token,
    "acl": _acl,
    "realm": _realm,
}
