# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an administrator has lost below /: an entry on a deeper path replaces what is given above.

`NoAccess` or a lesser role there, of the user or of any of the groups, takes away what the role on / gives. Below
/access that may be the right to give oneself the rest again. On the nodes, guests and storages a lesser role is
everyday life, as of somebody who is an operator too; there only having nothing at all counts. Single guests, storages
and nodes are not looked at: to keep administrators out of some of them is nobody's lock-out.
"""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.pve.audit.plugins.module_utils._identity.access import (
    ADMINISTRATOR,
    Directory,
    privileges_of,
)

_PERMISSIONS = "Permissions.Modify"
_ACCESS = "/access"
_TREES = ("/nodes", "/vms", "/storage")
_GROUP, _REALM = "/access/groups/", "/access/realm/"


def lost_privilege(directory: Directory, user: str) -> str | None:
    """What is missing first where an administrator needs it, as `name on path`; None when nothing is.

    Asks for little more than the right to give oneself the rest again. Groups and realms count when they exist and
    an entry names their path: without one they are like the path above.
    """
    for path in _TREES:
        if not privileges_of(directory, user, path):
            return f"privilege on {path}"
    wanted = directory.roles.get(ADMINISTRATOR, frozenset())
    for path, names in _needed(directory):
        granted = privileges_of(directory, user, path)
        for name in names:
            if name in wanted and name not in granted:
                return f"{name} on {path}"
    return None


def _needed(directory: Directory) -> Iterator[tuple[str, tuple[str, ...]]]:
    yield _ACCESS, (_PERMISSIONS,)
    for path in sorted(directory.acl):
        if path.startswith(_GROUP) and path.removeprefix(_GROUP) in directory.groups:
            yield path, (_PERMISSIONS, "User.Modify")
        elif path.startswith(_REALM) and path.removeprefix(_REALM) in directory.realms:
            yield path, (_PERMISSIONS, "Realm.AllocateUser")
