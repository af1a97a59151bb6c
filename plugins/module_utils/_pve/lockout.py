# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guard of a single change of a group, a grant, a role or a realm, from the state that the credential can see.

It plays the change through with the rules of the guard of whole plans (_identity/guard): somebody must be left who can
manage access and log in, the credential in use must be able to take the change back, and who must have a second factor
must have one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import replace
from functools import partial
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._identity.access import Directory, directory_of
from ansible_collections.pve.audit.plugins.module_utils._identity.administrators import (
    find_administrators,
    is_active,
)
from ansible_collections.pve.audit.plugins.module_utils._identity.guard.credential import missing_privilege
from ansible_collections.pve.audit.plugins.module_utils._identity.guard.people import (
    GuardContext,
    can_repair,
    factor_obstacle,
)
from ansible_collections.pve.audit.plugins.module_utils._identity.guard.state import apply_change
from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._model.names import realm_of
from ansible_collections.pve.audit.plugins.module_utils._model.texts import counted, some
from ansible_collections.pve.audit.plugins.module_utils._pve.change import Change
from ansible_collections.pve.audit.plugins.module_utils._pve.identity import read_identity
from ansible_collections.pve.audit.plugins.module_utils._pve.session import ChangeApi

OPTION: dict[str, Any] = {"type": "bool", "default": False}


def guarded(
    api: ChangeApi, change: Change, kind: str, params: Mapping[str, Any], check_mode: bool, now: float
) -> Change:
    """The change, when it locks nobody out or `allow_lockout` is set. Raises InputError.

    `kind` is group, acl, role or realm, and `params` are the options of that module. In check mode an earlier task may
    only have said that it would make another administrator, so that there it is a warning.
    """
    if not change.changed or params["allow_lockout"] or not _may_take(kind, params):
        return change
    before = directory_of(read_identity(api))
    after = deepcopy(before)
    step = {"object": kind, "action": "delete" if params["state"] == "absent" else "update", "options": params}
    apply_change(after, step)
    context = GuardContext(api.user, (api.token or "").rpartition("!")[2] or None, now)
    reasons = tuple(_reasons(before, after, step, context))
    if reasons and not check_mode:
        raise InputError(f"{'; '.join(reasons)}. If this is meant, set allow_lockout: true")
    return replace(change, warnings=(*change.warnings, *reasons))


def _may_take(kind: str, params: Mapping[str, Any]) -> bool:
    """Whether a change of this kind can take anything from anybody; what only adds is not worth asking for."""
    if kind == "realm":
        return params["tfa"] not in (None, "none")
    if kind == "group":
        return bool(params["state"] == "absent")
    return True


def _reasons(before: Directory, after: Directory, step: Mapping[str, Any], context: GuardContext) -> Iterator[str]:
    """Why the change would lock somebody out."""
    had, left = (_repairers(state, context.now) for state in (before, after))
    if had and not left:
        yield (
            f"after this change nobody whom {context.credential} can see could manage the cluster: {some(had)} would "
            "be no administrator who can log in any more; first make somebody else Administrator on /"
        )
    if step["object"] == "realm":
        yield from _without_factor(before, after, str(step["options"]["realm"]), context.now)
    elif context.user not in left and not missing_privilege(before, context, step):
        missing = missing_privilege(after, context, step)
        yield from _stranded(context.credential, missing) if missing else ()


def _stranded(credential: str, missing: str) -> Iterator[str]:
    yield (
        f"after this change {credential}, which this module is logged in with, would have no {missing} any more and "
        "could not take it back"
    )


def _repairers(directory: Directory, now: float) -> list[str]:
    """Administrators who can log in, as far as names and second factors tell."""
    return find_administrators(directory, now, partial(can_repair, now=now))


def _without_factor(before: Directory, after: Directory, realm: str, now: float) -> Iterator[str]:
    hit = {
        name: obstacle
        for name, account in sorted(after.users.items())
        if realm_of(name) == realm and is_active(account.expire, now, account.enable)
        if (obstacle := factor_obstacle(after, name, now)) and factor_obstacle(before, name, now) is None
    }
    if hit:
        reasons = some((f"{name} {obstacle}" for name, obstacle in hit.items()), 5)
        yield f"the realm {realm} would lock out {counted(len(hit), 'user')}: {reasons}"
