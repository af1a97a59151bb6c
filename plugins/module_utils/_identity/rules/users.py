# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules about users: who is nobody in particular, who is not there any more, and who has only a password."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.pve.audit.plugins.module_utils._identity.activity import (
    concurrent_addresses,
    covers,
)
from ansible_collections.pve.audit.plugins.module_utils._identity.administrators import is_active
from ansible_collections.pve.audit.plugins.module_utils._identity.rules.base import (
    Hit,
    IdentityFacts,
    IdentityRule,
    Row,
)
from ansible_collections.pve.audit.plugins.module_utils._model.names import ROOT, realm_of
from ansible_collections.pve.audit.plugins.module_utils._model.texts import some
from ansible_collections.pve.audit.plugins.module_utils._model.time import rfc3339


def _shared(facts: IdentityFacts) -> Iterator[Hit]:
    for row in facts.active_users():
        userid = row["userid"]
        name = userid.rpartition("@")[0]
        if not facts.policy.wants_details(userid):
            continue
        if userid == ROOT:
            yield Hit(userid, f"{userid} is enabled: what is done with it is done by nobody in particular.")
        elif any(pattern.fullmatch(name) for pattern in facts.policy.shared_patterns):
            level = "HIGH" if userid in facts.mighty else None
            yield Hit(userid, f"{userid} is named like an account that several people share.", level)


def _concurrent(facts: IdentityFacts) -> Iterator[Hit]:
    ignored = facts.policy.cluster_addresses | (facts.activity.cluster_addresses or frozenset())
    window = facts.policy.concurrency_window
    for userid, calls in sorted(facts.tally.calls.items()):
        found = concurrent_addresses(calls, window, ignored)
        if found:
            text = f"{userid} was used from {len(found)} addresses at the same time: {some(sorted(found))}."
            yield Hit(userid, text)


def _no_addresses(facts: IdentityFacts) -> str | None:
    if not facts.tally.calls:
        return "no lines of access logs were given"
    if facts.activity.cluster_addresses is None and not facts.policy.cluster_addresses:
        return "the addresses of the nodes are not known (privilege Sys.Audit on /, or policy.cluster_addresses)"
    return None


def _root_share(facts: IdentityFacts) -> Iterator[Hit]:
    done, total = facts.tally.actions[ROOT], facts.tally.tasks
    if total and done * 100 > facts.policy.root_share_percent * total:
        share = round(done * 100 / total)
        yield Hit(ROOT, f"{done} of {total} tasks ({share} %) name {ROOT} as their author, scheduled jobs included.")


def _too_few_tasks(facts: IdentityFacts) -> str | None:
    if facts.tally.tasks >= max(1, facts.policy.root_share_min_actions):
        return None
    return f"only {facts.tally.tasks} tasks were given, {facts.policy.root_share_min_actions} are needed"


def _login_start(facts: IdentityFacts) -> float | None:
    given = [since for since in (facts.activity.logins_since, facts.activity.access_since) if since is not None]
    return min(given) if given else None


def _inactive(facts: IdentityFacts) -> Iterator[Hit]:
    start, oldest = _login_start(facts), facts.now - facts.policy.inactive_days * 86400
    for row in facts.people():
        userid = row["userid"]
        last = facts.tally.used.get(userid)
        if last is None and start is not None:
            yield Hit(userid, f"{userid} is enabled, but was not used since {rfc3339(start)} or longer.")
        elif last is not None and last < oldest:
            yield Hit(userid, f"{userid} is enabled, but was last used at {rfc3339(last)}.")


def _logins_not_covered(facts: IdentityFacts) -> str | None:
    if covers(_login_start(facts), facts.policy.inactive_days, facts.now):
        return None
    return f"the events given do not hold all logins of the last {facts.policy.inactive_days} days"


def _no_email(facts: IdentityFacts) -> Iterator[Hit]:
    for row in facts.people():
        if not row.get("email", "").strip():
            yield Hit(row["userid"], f"{row['userid']} has no e-mail address.")


def _no_name(facts: IdentityFacts) -> Iterator[Hit]:
    for row in facts.people():
        if not (row.get("firstname", "").strip() and row.get("lastname", "").strip()):
            yield Hit(row["userid"], f"{row['userid']} has no first and last name.")


def _no_second_factor(facts: IdentityFacts) -> Iterator[Hit]:
    for row in facts.active_users():
        userid = row["userid"]
        if row["tfa"] or row["tfa"] is None or userid in facts.policy.service_accounts:
            continue
        if facts.realm_type(userid) == "openid":
            continue  # the identity provider asks for it, Proxmox VE does not
        if userid in facts.mighty:
            can = "can do everything" if userid in facts.administrators else "can make itself an administrator"
            yield Hit(userid, f"{userid} {can}, and has no second factor.", "HIGH")
        else:
            yield Hit(userid, f"{userid} has no second factor.")


def _expired(facts: IdentityFacts) -> Iterator[Hit]:
    for row in facts.identity["users"]:
        if row["enable"] and not is_active(row["expire"], facts.now):
            yield Hit(row["userid"], f"{row['userid']} expired at {rfc3339(row['expire'])}, but is still enabled.")


def is_external(facts: IdentityFacts, row: Row) -> bool:
    """By group, realm, pattern or the domain of the e-mail address (a subdomain counts)."""
    policy, userid = facts.policy, row["userid"]
    domain = row.get("email", "").rpartition("@")[2].lower()
    return (
        realm_of(userid) in policy.external_realms
        or bool(policy.external_groups.intersection(row["groups"]))
        or any(pattern.fullmatch(userid) for pattern in policy.external_patterns)
        or any(domain == name or domain.endswith(f".{name}") for name in policy.external_email_domains)
    )


def _external(facts: IdentityFacts) -> Iterator[Hit]:
    for row in facts.active_users():
        if not row["expire"] and is_external(facts, row):
            yield Hit(row["userid"], f"{row['userid']} is an external user and never expires.")


def _externals_unknown(facts: IdentityFacts) -> str | None:
    policy = facts.policy
    if policy.external_realms or policy.external_groups or policy.external_patterns or policy.external_email_domains:
        return None
    return "the policy does not say who is external"


def _missing_realm(facts: IdentityFacts) -> Iterator[Hit]:
    for row in facts.identity["users"]:
        realm = realm_of(row["userid"])
        if realm not in facts.directory.realms:
            yield Hit(row["userid"], f"{row['userid']} belongs to the realm {realm}, which does not exist.")


USER_RULES = (
    IdentityRule(
        "shared-account",
        "Shared or generic account",
        "MEDIUM",
        "user",
        "Give every person an account of their own and disable this one.",
        _shared,
    ),
    IdentityRule(
        "concurrent-addresses",
        "Account used from several addresses at once",
        "HIGH",
        "user",
        "Ask the owner. Change the password if it was shared or stolen, and give every person an account of their own.",
        _concurrent,
        needs=(),
        missing=_no_addresses,
    ),
    IdentityRule(
        "root-share",
        "Too many actions by root@pam",
        "MEDIUM",
        "user",
        "Work with named accounts, and give automation a token of its own.",
        _root_share,
        needs=(),
        missing=_too_few_tasks,
    ),
    IdentityRule(
        "inactive-user",
        "Enabled user that nobody uses",
        "MEDIUM",
        "user",
        "Ask whether the account is still needed; disable it if not.",
        _inactive,
        missing=_logins_not_covered,
    ),
    IdentityRule(
        "user-without-email",
        "User without e-mail address",
        "LOW",
        "user",
        "Enter the address of the person.",
        _no_email,
    ),
    IdentityRule(
        "user-without-name",
        "User without real name",
        "LOW",
        "user",
        "Enter the first and last name of the person.",
        _no_name,
    ),
    IdentityRule(
        "user-without-second-factor",
        "User without second factor",
        "MEDIUM",
        "user",
        "Have the user enrol TOTP or WebAuthn.",
        _no_second_factor,
        needs=("users", "tfa"),
    ),
    IdentityRule(
        "expired-but-enabled",
        "Expired user is still enabled",
        "LOW",
        "user",
        "Disable or delete the user.",
        _expired,
    ),
    IdentityRule(
        "external-without-expiry",
        "External user without expiry",
        "MEDIUM",
        "user",
        "Set the date on which the contract ends.",
        _external,
        missing=_externals_unknown,
    ),
    IdentityRule(
        "user-of-missing-realm",
        "User of a realm that does not exist",
        "MEDIUM",
        "user",
        "Delete the user: whoever creates a realm of this name decides who may log in as it.",
        _missing_realm,
        needs=("users", "realms"),
        partial=False,
    ),
)
