# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules about API tokens. Only tokens that work are judged: those of active users, not expired."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.pve.audit.plugins.module_utils._identity.activity import covers
from ansible_collections.pve.audit.plugins.module_utils._identity.administrators import is_active
from ansible_collections.pve.audit.plugins.module_utils._identity.rules.base import (
    Hit,
    IdentityFacts,
    IdentityRule,
    Row,
)
from ansible_collections.pve.audit.plugins.module_utils._model.names import ROOT
from ansible_collections.pve.audit.plugins.module_utils._model.time import rfc3339


def _active_tokens(facts: IdentityFacts) -> Iterator[tuple[str, str, Row]]:
    """Full name, owner and token."""
    for row in facts.active_users():
        for token in row["tokens"]:
            if is_active(token["expire"], facts.now):
                yield f"{row['userid']}!{token['tokenid']}", row["userid"], token


def _endless(facts: IdentityFacts) -> Iterator[Hit]:
    for name, _owner, token in _active_tokens(facts):
        if not token["expire"]:
            yield Hit(name, f"The token {name} never expires.")


def _unseparated(facts: IdentityFacts) -> Iterator[Hit]:
    for name, owner, token in _active_tokens(facts):
        if not token["privsep"]:
            level = "HIGH" if owner in facts.mighty else None
            yield Hit(name, f"The token {name} may do everything that {owner} may do.", level)


def _unused(facts: IdentityFacts) -> Iterator[Hit]:
    start, oldest = facts.activity.access_since, facts.now - facts.policy.inactive_days * 86400
    for name, _owner, _token in _active_tokens(facts):
        last = facts.tally.used.get(name)
        if last is None and start is not None:
            yield Hit(name, f"The token {name} was not used since {rfc3339(start)} or longer.")
        elif last is not None and last < oldest:
            yield Hit(name, f"The token {name} was last used at {rfc3339(last)}.")


def _calls_not_covered(facts: IdentityFacts) -> str | None:
    if covers(facts.activity.access_since, facts.policy.inactive_days, facts.now):
        return None
    return f"the events given do not hold the access logs of the last {facts.policy.inactive_days} days"


def _of_root(facts: IdentityFacts) -> Iterator[Hit]:
    for name, owner, token in _active_tokens(facts):
        if owner == ROOT:
            power = "has its own permissions" if token["privsep"] else "may do everything"
            yield Hit(name, f"The token {name} belongs to {ROOT} and {power}.", "MEDIUM" if token["privsep"] else None)


TOKEN_RULES = (
    IdentityRule(
        "token-without-expiry",
        "Token without expiry",
        "MEDIUM",
        "token",
        "Set an expiry date, and replace the token before it.",
        _endless,
        needs=("tokens",),
    ),
    IdentityRule(
        "token-without-privilege-separation",
        "Token without privilege separation",
        "MEDIUM",
        "token",
        "Switch privilege separation on and grant the token what its work needs.",
        _unseparated,
        needs=("tokens",),
    ),
    IdentityRule(
        "unused-token",
        "Token that nothing uses",
        "MEDIUM",
        "token",
        "Delete the token.",
        _unused,
        needs=("tokens",),
        missing=_calls_not_covered,
    ),
    IdentityRule(
        "root-token",
        "Token of root@pam",
        "HIGH",
        "token",
        "Give the automation an account of its own with a token, and delete this one.",
        _of_root,
        needs=("tokens",),
    ),
)
