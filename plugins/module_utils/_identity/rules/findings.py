# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judge an identity snapshot by all rules: findings, and what could not be answered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ansible_collections.pve.audit.plugins.module_utils._identity.activity import Activity
from ansible_collections.pve.audit.plugins.module_utils._identity.policy import check_policy
from ansible_collections.pve.audit.plugins.module_utils._identity.rules.access import ACCESS_RULES
from ansible_collections.pve.audit.plugins.module_utils._identity.rules.base import IdentityFacts, IdentityRule
from ansible_collections.pve.audit.plugins.module_utils._identity.rules.names import NAME_RULES
from ansible_collections.pve.audit.plugins.module_utils._identity.rules.tokens import TOKEN_RULES
from ansible_collections.pve.audit.plugins.module_utils._identity.rules.users import USER_RULES
from ansible_collections.pve.audit.plugins.module_utils._model.finding import IdentityFinding, finding_id
from ansible_collections.pve.audit.plugins.module_utils._model.severity import FINDING_SEVERITIES

# Without all of these nobody can say who may do what.
_RIGHTS = ("users", "groups", "roles", "acl")
RULES: tuple[IdentityRule, ...] = (*USER_RULES, *NAME_RULES, *ACCESS_RULES, *TOKEN_RULES)


class Judgement(NamedTuple):
    """`findings`: worst first. `not_checked`: {rule, title, reason}, for what the credential may not see or no events
    cover. `summary`: counts. `administrators`: who has all rights or can take them, of what was seen."""

    findings: list[IdentityFinding]
    not_checked: list[dict[str, str]]
    summary: dict[str, Any]
    administrators: list[str]


def find_identity_findings(
    identity: Mapping[str, Any], now: float, policy: Mapping[str, Any], activity: Activity | None = None
) -> Judgement:
    """Judge the snapshot as it is at `now` (epoch seconds). Names in sentences are kept as they are: hostile text.

    A rule without an answer is in `not_checked`, never silently clean. Raises InputError for a policy with mistakes.
    """
    checked = check_policy(policy, (rule.id for rule in RULES))
    facts = IdentityFacts(identity, now, checked, activity or Activity())
    findings: list[IdentityFinding] = []
    not_checked: list[dict[str, str]] = []
    for rule in RULES:
        if rule.id in checked.disabled_rules:
            continue
        reasons, runs = _obstacles(rule, facts)
        not_checked += [{"rule": rule.id, "title": rule.title, "reason": reason} for reason in reasons]
        if runs:
            findings += _findings(rule, facts)
    findings.sort(key=lambda item: (FINDING_SEVERITIES.index(item["severity"]), item["rule"], item["object"]))
    return Judgement(findings, not_checked, _summary(facts, findings, not_checked), sorted(facts.mighty))


def _obstacles(rule: IdentityRule, facts: IdentityFacts) -> tuple[list[str], bool]:
    """Why a rule has no whole answer, and whether it can be run all the same."""
    reasons = [reason["message"] for kind in rule.needs for reason in facts.identity["coverage"][kind]["reasons"]]
    runs = rule.partial or not reasons
    missing = rule.missing(facts) if rule.missing else None
    if missing:
        reasons.append(missing)
        runs = runs and not rule.missing_stops
    return list(dict.fromkeys(reasons)), runs


def _findings(rule: IdentityRule, facts: IdentityFacts) -> list[IdentityFinding]:
    chosen = facts.policy.severities.get(rule.id)
    return [
        {
            "id": finding_id(rule.id, {"object": hit.object}, ""),
            "rule": rule.id,
            "title": rule.title,
            "severity": chosen or hit.severity or rule.severity,
            "object": hit.object,
            "object_type": rule.object_type,
            "sentence": hit.sentence,
            "remedy": rule.remedy,
        }
        for hit in rule.find(facts)
    ]


def _summary(
    facts: IdentityFacts, findings: list[IdentityFinding], not_checked: list[dict[str, str]]
) -> dict[str, Any]:
    """A number is None, unknown, when what it counts was not seen whole: what is not shown is not 0."""
    identity, by_severity = facts.identity, Counter(finding["severity"] for finding in findings)
    users = identity["users"]
    counts: dict[str, tuple[tuple[str, ...], Callable[[], int]]] = {
        "users": (("users",), lambda: len(users)),
        "enabled_users": (("users",), lambda: sum(row["enable"] for row in users)),
        "disabled_users": (("users",), lambda: sum(not row["enable"] for row in users)),
        "groups": (("groups",), lambda: len(identity["groups"])),
        "roles": (("roles",), lambda: len(identity["roles"])),
        "acl": (("acl",), lambda: len(identity["acl"])),
        "realms": (("realms",), lambda: len(identity["realms"])),
        "tokens": (("tokens",), lambda: sum(len(row["tokens"]) for row in users)),
        "administrators": (_RIGHTS, lambda: len(facts.administrators)),
        "hidden_administrators": (_RIGHTS, lambda: len(facts.climbers)),
    }
    return {
        **{name: count() if all(map(facts.complete, kinds)) else None for name, (kinds, count) in counts.items()},
        "findings": len(findings),
        "by_severity": {severity: by_severity[severity] for severity in FINDING_SEVERITIES},
        "not_checked": len({entry["rule"] for entry in not_checked}),
        "complete": all(entry["complete"] for entry in identity["coverage"].values()),
    }
