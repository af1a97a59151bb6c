# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules about names: which pass for another, which nobody can log in with, and which Proxmox VE cannot change."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.pve.audit.plugins.module_utils._identity.rules.base import Hit, IdentityFacts, IdentityRule
from ansible_collections.pve.audit.plugins.module_utils._model.names import realm_of, unreachable
from ansible_collections.pve.audit.plugins.module_utils._model.texts import some
from ansible_collections.pve.audit.plugins.module_utils._model.visible import safe_text


def _twins(facts: IdentityFacts) -> Iterator[Hit]:
    for row in facts.identity["users"]:
        userid = row["userid"]
        realm = facts.directory.realms.get(realm_of(userid), {})
        twins = sorted(facts.directory.twins(userid))
        if not twins:
            continue
        same = f"{userid} differs from {some(twins)} by upper and lower case only"
        sensitive = realm.get("case_sensitive", True)
        if sensitive is False:
            yield Hit(userid, f"{same}, which the realm {realm_of(userid)} does not tell apart: neither can log in.")
        else:
            yield Hit(userid, f"{same}.", "LOW" if sensitive else None)


def _disguised(facts: IdentityFacts) -> Iterator[Hit]:
    for row in facts.identity["users"]:
        if (seen := safe_text(row["userid"])) != row["userid"]:
            yield Hit(row["userid"], f"The name {seen} hides characters or passes for another.")


def _unreachable(facts: IdentityFacts) -> Iterator[Hit]:
    for row in facts.identity["users"]:
        if why := unreachable(row["userid"]):
            yield Hit(row["userid"], f"{why.partition(':')[0]}.")


NAME_RULES = (
    IdentityRule(
        "twin-by-case",
        "Two accounts that differ by case only",
        "MEDIUM",
        "user",
        "Find out which account the person uses and delete the other one.",
        _twins,
    ),
    IdentityRule(
        "disguised-name",
        "Name that passes for another",
        "HIGH",
        "user",
        "Find out who made the account and what for, and delete it with pveum user delete on a node.",
        _disguised,
    ),
    IdentityRule(
        "unchangeable-account",
        "Account that Proxmox VE cannot change",
        "MEDIUM",
        "user",
        "Delete it with pveum user delete on a node, and make one with the letters a to z.",
        _unreachable,
    ),
)
