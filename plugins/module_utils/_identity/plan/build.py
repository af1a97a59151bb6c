# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what is and what is declared to the changes between them, in a safe order. Nothing is changed here."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import Any, NamedTuple

from ansible_collections.pve.audit.plugins.module_utils._identity.change import Change, Undeclared
from ansible_collections.pve.audit.plugins.module_utils._identity.plan.access import (
    plan_acl,
    plan_groups,
    plan_realms,
    plan_roles,
)
from ansible_collections.pve.audit.plugins.module_utils._identity.plan.declaration import (
    Declaration,
    read_declaration,
)
from ansible_collections.pve.audit.plugins.module_utils._identity.plan.mistakes import find_doubts, find_mistakes
from ansible_collections.pve.audit.plugins.module_utils._identity.plan.stuck import find_garbled, set_apart
from ansible_collections.pve.audit.plugins.module_utils._identity.plan.users import plan_tokens, plan_users
from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError


class DeclarationError(InputError):
    """The declaration has mistakes; `mistakes` holds one sentence for each."""

    def __init__(self, mistakes: list[str]) -> None:
        count = "a mistake" if len(mistakes) == 1 else f"{len(mistakes)} mistakes"
        super().__init__(f"the declaration has {count}: {'; '.join(mistakes)}")
        self.mistakes = mistakes


class IdentityPlan(NamedTuple):
    """`changes`: in the order in which they must be made, each {phase, object, id, action, options, sentence}.
    `undeclared`: {object, id, sentence} of what exists and is not declared, or cannot be changed. `wanted`: the checked
    declaration. `warnings`: what of it may be refused by Proxmox VE, or is not what it looks like."""

    changes: list[Change]
    undeclared: list[dict[str, str]]
    wanted: Declaration
    warnings: list[str]


def plan_identity(identity: Mapping[str, Any], declaration: Mapping[str, Any], now: float) -> IdentityPlan:
    """The plan. What adds comes first, then second factors of realms, then what takes away.

    Raises DeclarationError with every mistake of the declaration.
    """
    mistakes: list[str] = []
    wanted = read_declaration(declaration, mistakes)
    mistakes += find_mistakes(wanted, identity, now)
    if mistakes:
        raise DeclarationError(list(dict.fromkeys(mistakes)))
    planned = chain(
        plan_roles(wanted, identity),
        plan_groups(wanted, identity),
        plan_users(wanted, identity, now),
        plan_acl(wanted, identity),
        plan_tokens(wanted, identity, now),
        plan_realms(wanted, identity),
        find_garbled(wanted, identity),
    )
    found = list(set_apart(planned, identity))
    changes = [item for item in found if not isinstance(item, Undeclared)]
    return IdentityPlan(
        sorted(changes, key=lambda item: int(item["phase"])),
        [item._asdict() for item in found if isinstance(item, Undeclared)],
        wanted,
        find_doubts(wanted),
    )
