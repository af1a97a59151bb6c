# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which control of the role named_users a change of the plan belongs to: drift is told control by control."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._identity.plan.declaration import SERVICE, Declaration
from ansible_collections.pve.audit.plugins.module_utils._model.names import owner_of, split_token

SHARED = "PVA-IDN-01"
BREAK_GLASS = "PVA-IDN-02"
PEOPLE = "PVA-IDN-03"
RIGHTS = "PVA-IDN-04"
SERVICES = "PVA-IDN-05"
SECOND_FACTOR = "PVA-IDN-06"

_KINDS = {"user": PEOPLE, "group": PEOPLE, "role": RIGHTS, "acl": RIGHTS, "token": SERVICES, "realm": SECOND_FACTOR}


def control_of(item: Mapping[str, Any], wanted: Declaration) -> str:
    """The control of a change, or of something undeclared: {object, id, action?, options?}."""
    kind, options = str(item["object"]), item.get("options", {})
    whose = str(options.get("ugid", "")) if kind == "acl" else str(item["id"])
    owner = owner_of(whose)
    if kind == "user" and owner in wanted.shared_accounts:
        return SHARED
    if kind in ("user", "acl", "token") and owner == wanted.break_glass:
        return BREAK_GLASS
    if kind in ("user", "acl") and (split_token(whose) or owner in wanted.of_kind(SERVICE)):
        return SERVICES
    return _KINDS[kind]
