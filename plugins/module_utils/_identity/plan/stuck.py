# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Accounts that Proxmox VE cannot change: they are told, and all the rest of a plan is made.

That is safe, as nobody can work with such an account either: its login is accepted, and every call after it refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._identity.change import Change, Undeclared
from ansible_collections.pve.audit.plugins.module_utils._identity.plan.declaration import Declaration
from ansible_collections.pve.audit.plugins.module_utils._model.names import owner_of, unreachable


def set_apart(found: Iterable[Change | Undeclared], identity: Mapping[str, Any]) -> Iterator[Change | Undeclared]:
    """What was planned; in place of a change that cannot be made, a sentence that says so and what to do."""
    existing = {row["userid"] for row in identity["users"]}
    for item in found:
        owner = None if isinstance(item, Undeclared) else _owner(item)
        why = unreachable(owner) if owner in existing and owner is not None else None
        if why is None or isinstance(item, Undeclared):
            yield item
        else:
            text = f"{str(item['sentence']).rstrip('.')} is not possible: {why}."
            yield Undeclared(item["object"], item["id"], text)


def _owner(item: Change) -> str | None:
    """The account that a change is about."""
    if item["object"] == "acl":
        options = item["options"]
        return None if options["type"] == "group" else owner_of(str(options["ugid"]))
    return owner_of(str(item["id"])) if item["object"] in ("user", "token") else None


def find_garbled(wanted: Declaration, identity: Mapping[str, Any]) -> Iterator[Undeclared]:
    """Leavers and shared accounts that are there under a name of which the bytes were encoded twice.

    Perl writes user.cfg as UTF-8 as soon as one name has a letter beyond Latin-1, and reads all of it as Latin-1.
    """
    existing = {row["userid"] for row in identity["users"]}
    gone = [wish.userid for wish in wanted.users if wish.state == "absent"]
    for name in dict.fromkeys((*gone, *wanted.shared_accounts)):
        garbled = name.encode("utf-8", "replace").decode("latin-1")
        if name not in existing and garbled in existing and (why := unreachable(garbled)):
            yield Undeclared("user", garbled, f"The user {name} is there under a name that was encoded twice: {why}.")
