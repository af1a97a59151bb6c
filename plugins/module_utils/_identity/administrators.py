# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is active, and who is an administrator: one rule for the findings, the lock-out guard and the modules.

An administrator has all privileges of the role Administrator on / and below it, and has not lost what is needed to
repair access control: an entry on a deeper path replaces what is given above, so that `NoAccess` or a lesser role
there, of the user or of any of the groups, takes away what the role on / gives. On the nodes, guests and storages a
lesser role is everyday life, as of somebody who is an operator too; there only having nothing at all counts. Single
guests, storages and nodes are not looked at: to keep administrators out of some of them is nobody's lock-out.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from functools import partial

from ansible_collections.pve.audit.plugins.module_utils._identity.access import (
    ADMINISTRATOR,
    Directory,
    has,
    privileges_of,
)

_PERMISSIONS = "Permissions.Modify"
_TREES = ("/nodes", "/vms", "/storage")
# Whoever has these on the paths of access control can repair everything else.
_REPAIR = {
    "/access": (_PERMISSIONS, "Sys.Modify", "User.Modify", "Group.Allocate"),
    "/access/groups": (_PERMISSIONS, "User.Modify", "Group.Allocate"),
    "/access/realm": (_PERMISSIONS, "Realm.Allocate", "Realm.AllocateUser"),
}


def is_active(expire: int, now: float, enable: bool = True) -> bool:
    """Whether an account or token is enabled and not expired; `expire` 0 is never.

    [PVE::AccessControl check_user_enabled, verify_token]
    """
    return enable and not 0 < expire < now


def has_all_privileges(directory: Directory, user: str) -> bool:
    """All privileges of the role Administrator on / and below it, wherever no entry takes them away."""
    wanted = directory.roles.get(ADMINISTRATOR, frozenset())
    return bool(wanted) and all(
        wanted <= set(privileges_of(directory, user, "/", below=below)) for below in (False, True)
    )


def lost_privilege(directory: Directory, user: str) -> str | None:
    """What somebody with all privileges has lost where an administrator needs it, as `name on path`; None for nothing.

    Asks for little more than the right to give oneself the rest again.
    """
    for path in _TREES:
        if not all(privileges_of(directory, user, path, below=below) for below in (False, True)):
            return f"privilege on {path}"
    wanted = directory.roles.get(ADMINISTRATOR, frozenset())
    for label, granted, names in _needed(directory, user):
        for name in names:
            if name in wanted and name not in granted:
                return f"{name} on {label()}"
    return None


def _needed(directory: Directory, user: str) -> Iterator[tuple[Callable[[], str], Collection[str], tuple[str, ...]]]:
    """The paths of access control: how each is called, what the user has there, and what an administrator needs.

    Groups and realms that no entry names are all alike, so that one of each stands for all.
    """
    for path, names in _REPAIR.items():
        yield partial(str, path), privileges_of(directory, user, path), names
    for tree, existing, privilege in (
        ("/access/groups", directory.groups.keys(), "User.Modify"),
        ("/access/realm", directory.realms.keys(), "Realm.AllocateUser"),
    ):
        named = {path.rpartition("/")[2] for path in directory.named.get(tree, ())} & existing
        for name in sorted(named):
            path = f"{tree}/{name}"
            yield partial(str, path), privileges_of(directory, user, path), (_PERMISSIONS, privilege)
        if len(existing) > len(named):
            granted = privileges_of(directory, user, tree, below=True)
            yield partial(_first_unnamed, tree, existing, named), granted, (_PERMISSIONS, privilege)


def _first_unnamed(tree: str, existing: Collection[str], named: Collection[str]) -> str:
    return f"{tree}/{min(name for name in existing if name not in named)}"


def is_administrator(directory: Directory, user: str) -> bool:
    """All privileges of the role Administrator, and nothing lost that an administrator needs."""
    return has_all_privileges(directory, user) and lost_privilege(directory, user) is None


def way_to_administrator(directory: Directory, user: str) -> str | None:
    """By what somebody can get all privileges without anybody's help, as `privilege on path`; None when by nothing.

    Whoever may grant on / grants them to himself. Whoever may change an account that may, which root@pam is among all,
    makes a token for it, enables it, or joins its group: User.Modify is enough for that. [PVE::API2::User]
    """
    if has(directory, user, "/", _PERMISSIONS):
        return f"{_PERMISSIONS} on /"
    groups = "/access/groups"
    if has(directory, user, groups, "User.Modify"):
        return f"User.Modify on {groups}"
    for path in sorted(directory.named.get(groups, ())):
        members = directory.groups.get(path.rpartition("/")[2], set())
        if members and has(directory, user, path, "User.Modify") and any(_may_grant(directory, one) for one in members):
            return f"User.Modify on {path}"
    return None


def _may_grant(directory: Directory, user: str) -> bool:
    return user in directory.users and has(directory, user, "/", _PERMISSIONS)


def can_become_administrator(directory: Directory, user: str) -> bool:
    """No administrator, but somebody who can become one alone."""
    return way_to_administrator(directory, user) is not None and not is_administrator(directory, user)


def find_administrators(
    directory: Directory, now: float, counts: Callable[[Directory, str], bool] = is_administrator
) -> list[str]:
    """Active users who are administrators, sorted; `counts` where more or less is asked for than `is_administrator`."""
    return sorted(
        name
        for name, account in directory.users.items()
        if is_active(account.expire, now, account.enable) and counts(directory, name)
    )
