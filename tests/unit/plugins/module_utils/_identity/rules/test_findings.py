# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Identity rules: a table of snapshots and events, and what each rule says of them."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from ansible_collections.pve.audit.plugins.module_utils._identity.activity import (
    Activity,
    concurrent_addresses,
)
from ansible_collections.pve.audit.plugins.module_utils._identity.rules.findings import (
    RULES,
    find_identity_findings,
)
from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._model.time import rfc3339
from tests.unit.plugins.module_utils._identity.identities import DAY, NOW, acl, realm, snapshot, token, user

WHOLE = {"email": "a@lab.test", "firstname": "A", "lastname": "B", "tfa": ["totp"]}
HOSTILE = "<script>{{ 7*7 }}\n=cmd|@pve"


def good() -> dict[str, Any]:
    """Nothing to complain about."""
    return snapshot(
        [
            user("root@pam", enable=False),
            user("alice@pve", groups=["admins"], **WHOLE),
            user("bob@pve", groups=["ops"], **WHOLE),
            user("ci@pve", tokens=[token("run", privsep=True, expire=NOW + DAY)]),
        ],
        groups=["admins", "ops"],
        realms=[realm("pam", "pam", "oath"), realm("pve", "pve", "oath")],
        acl=[acl("/", "group", "admins", "Administrator"), acl("/vms", "group", "ops", "PVEVMAdmin")],
    )


def event(who: str, days: float = 1, dataset: str = "pve.access", action: str = "other", **more: Any) -> Any:
    """Something `who` did so many days ago."""
    found: dict[str, Any] = {
        "@timestamp": rfc3339(NOW - days * DAY),
        "event": {"kind": "event", "dataset": dataset, "action": action, "outcome": more.pop("outcome", "success")},
        "user": {"id": who},
        "pve": {"vmid": more.pop("vmid")} if "vmid" in more else {},
    }
    if "ip" in more:
        found["source"] = {"ip": more.pop("ip")}
    return found


def task(who: str, action: str = "guest.start", vmid: int = 100, days: float = 1) -> Any:
    """A task of `who`."""
    return event(who, days, "pve.task", action, vmid=vmid)


LIVELY = [event(who, days) for who in ("alice@pve", "bob@pve", "ci@pve!run") for days in (95, 2)]
CALM = [task("alice@pve") for _number in range(30)]
ACTIVITY = Activity([*LIVELY, *CALM], NOW - 100 * DAY, NOW - 100 * DAY, frozenset({"10.0.0.1"}))
POLICY: dict[str, Any] = {"service_accounts": ["ci@pve"], "external_groups": ["contractors"]}


def edited(userid: str, **values: Any) -> dict[str, Any]:
    """The good snapshot with other values of one user."""
    identity = good()
    next(row for row in identity["users"] if row["userid"] == userid).update(values)
    return identity


def plus(key: str, *rows: dict[str, Any]) -> dict[str, Any]:
    """The good snapshot with more rows."""
    identity = good()
    identity[key] += copy.deepcopy(list(rows))
    return identity


def acting(*events: Any) -> Activity:
    """The good activity with more events."""
    return Activity([*ACTIVITY.events, *events], NOW - 100 * DAY, NOW - 100 * DAY, frozenset({"10.0.0.1"}))


def at(seconds: float, who: str, ip: str) -> Any:
    """A call from an address, so many seconds after a moment."""
    found = event(who, 1, ip=ip)
    return found | {"@timestamp": rfc3339(NOW - DAY + seconds)}


def test_nothing_to_complain_about() -> None:
    judged = find_identity_findings(good(), NOW, POLICY, ACTIVITY)
    assert judged.findings == []
    # No lines with addresses were given.
    assert [row["rule"] for row in judged.not_checked] == ["concurrent-addresses"]
    assert judged.summary["complete"] and judged.summary["administrators"] == 1 and judged.summary["tokens"] == 1


ROWS: list[tuple[str, dict[str, Any], Activity, list[tuple[str, str, str]]]] = [
    (
        "root may log in",
        edited("root@pam", enable=True, tfa=["totp"]),
        ACTIVITY,
        [("shared-account", "MEDIUM", "root@pam")],
    ),
    *(
        (
            f"{name} is shared",
            plus("users", user(f"{name}@pve", **WHOLE)),
            acting(event(f"{name}@pve")),
            [("shared-account", "MEDIUM", f"{name}@pve")],
        )
        for name in (
            "admin",
            "Admin",
            "sysadmin",
            "administrator",
            "test",
            "test2",
            "operator",
            "support",
            "noc",
            "it",
            "it-team",
            "helpdesk",
            "user1",
            "guest",
            "root",
        )
    ),
    *(
        (f"{name} is nobody's", plus("users", user(f"{name}@pve", **WHOLE)), acting(event(f"{name}@pve")), [])
        for name in ("adminka", "itamar", "opal", "usermann", "noctis", "testa")
    ),
    (
        "a shared administrator is worse",
        plus("users", user("admin@pve", groups=["admins"], **WHOLE)),
        acting(event("admin@pve")),
        [("shared-account", "HIGH", "admin@pve")],
    ),
    ("disabled ones may be called anything", plus("users", user("admin@pve", enable=False)), ACTIVITY, []),
    ("no e-mail", edited("bob@pve", email=" "), ACTIVITY, [("user-without-email", "LOW", "bob@pve")]),
    ("no last name", edited("bob@pve", lastname=""), ACTIVITY, [("user-without-name", "LOW", "bob@pve")]),
    ("no factor", edited("bob@pve", tfa=[]), ACTIVITY, [("user-without-second-factor", "MEDIUM", "bob@pve")]),
    (
        "an administrator without",
        edited("alice@pve", tfa=[]),
        ACTIVITY,
        [("user-without-second-factor", "HIGH", "alice@pve")],
    ),
    ("expired", edited("bob@pve", expire=NOW - 1), ACTIVITY, [("expired-but-enabled", "LOW", "bob@pve")]),
    ("expired and disabled", edited("bob@pve", expire=NOW - 1, enable=False), ACTIVITY, []),
    (
        "external",
        edited("bob@pve", groups=["contractors"]),
        ACTIVITY,
        [("external-without-expiry", "MEDIUM", "bob@pve")],
    ),
    ("external until tomorrow", edited("bob@pve", groups=["contractors"], expire=NOW + DAY), ACTIVITY, []),
    (
        "of a realm that is gone",
        plus("users", user("eve@gone", **WHOLE)),
        acting(event("eve@gone")),
        [("user-of-missing-realm", "MEDIUM", "eve@gone")],
    ),
    (
        "a name beyond ASCII",
        plus("users", user("ren\u00e9@pve", **WHOLE)),
        acting(event("ren\u00e9@pve")),
        [("unchangeable-account", "MEDIUM", "ren\u00e9@pve")],
    ),
    (
        "a name that looks alike",
        plus("users", user("\u0430lice@pve", **WHOLE)),
        acting(event("\u0430lice@pve")),
        [("disguised-name", "HIGH", "\u0430lice@pve"), ("unchangeable-account", "MEDIUM", "\u0430lice@pve")],
    ),
    (
        "twins where case counts",
        plus("users", user("eva@pve", **WHOLE), user("Eva@pve", **WHOLE)),
        acting(event("eva@pve"), event("Eva@pve")),
        [("twin-by-case", "LOW", "Eva@pve"), ("twin-by-case", "LOW", "eva@pve")],
    ),
    (
        "a role of one's own",
        plus("acl", acl("/vms", "user", "bob@pve", "PVEVMAdmin")),
        ACTIVITY,
        [("direct-grant", "LOW", "/vms user:bob@pve PVEVMAdmin")],
    ),
    (
        "administrator of one's own",
        plus("acl", acl("/nodes", "user", "bob@pve", "Administrator")),
        ACTIVITY,
        [("direct-grant", "MEDIUM", "/nodes user:bob@pve Administrator")],
    ),
    (
        "who may change everybody",
        plus("acl", acl("/access", "group", "ops", "PVEUserAdmin")),
        ACTIVITY,
        [("hidden-administrator", "MEDIUM", "bob@pve")],
    ),
    (
        "who does not exist has roles",
        plus(
            "acl",
            acl("/", "user", "x@pve", "PVEAdmin"),
            acl("/", "group", "x", "PVEAdmin"),
            acl("/", "token", "ci@pve!x", "PVEAdmin"),
        ),
        ACTIVITY,
        [
            ("acl-of-missing-object", "MEDIUM", "/ group:x PVEAdmin"),
            ("acl-of-missing-object", "MEDIUM", "/ token:ci@pve!x PVEAdmin"),
            ("acl-of-missing-object", "MEDIUM", "/ user:x@pve PVEAdmin"),
        ],
    ),
    (
        "who does not exist is a member",
        plus("groups", {"groupid": "g", "users": ["x@pve"]}),
        ACTIVITY,
        [("member-of-missing-user", "LOW", "g x@pve")],
    ),
    (
        "a realm without a factor",
        plus("realms", realm("ldap", "ldap")) | {"users": [*good()["users"], user("carl@ldap", **WHOLE)]},
        acting(event("carl@ldap")),
        [("realm-without-second-factor", "LOW", "ldap")],
    ),
    ("a realm that nobody uses", plus("realms", realm("ldap", "ldap")), ACTIVITY, []),
    (
        "a token without end",
        edited("ci@pve", tokens=[token("run", privsep=True)]),
        ACTIVITY,
        [("token-without-expiry", "MEDIUM", "ci@pve!run")],
    ),
    (
        "a token without separation",
        edited("ci@pve", tokens=[token("run", expire=NOW + DAY)]),
        ACTIVITY,
        [("token-without-privilege-separation", "MEDIUM", "ci@pve!run")],
    ),
    (
        "that of an administrator is worse",
        edited("alice@pve", tokens=[token("ci", expire=NOW + DAY)]),
        acting(event("alice@pve!ci")),
        [("token-without-privilege-separation", "HIGH", "alice@pve!ci")],
    ),
    (
        "a token of root",
        edited("root@pam", enable=True, tfa=["totp"], tokens=[token("a", privsep=True, expire=NOW + DAY)]),
        acting(event("root@pam!a")),
        [("root-token", "MEDIUM", "root@pam!a"), ("shared-account", "MEDIUM", "root@pam")],
    ),
    (
        "a token nothing uses",
        edited(
            "ci@pve",
            tokens=[token("run", privsep=True, expire=NOW + DAY), token("idle", privsep=True, expire=NOW + DAY)],
        ),
        ACTIVITY,
        [("unused-token", "MEDIUM", "ci@pve!idle")],
    ),
    ("a token that expired", edited("ci@pve", tokens=[token("run", expire=NOW - DAY)]), ACTIVITY, []),
    (
        "a user nobody uses",
        plus("users", user("idle@pve", **WHOLE)),
        ACTIVITY,
        [("inactive-user", "MEDIUM", "idle@pve")],
    ),
    (
        "a user last used long ago",
        plus("users", user("idle@pve", **WHOLE)),
        acting(event("idle@pve", 95)),
        [("inactive-user", "MEDIUM", "idle@pve")],
    ),
    (
        "a failed login is no sign of life",
        plus("users", user("idle@pve", **WHOLE)),
        acting(event("idle@pve", 1, "pve.auth", "access.authenticate", outcome="failure")),
        [("inactive-user", "MEDIUM", "idle@pve")],
    ),
    (
        "root does the work",
        good(),
        acting(*(task("root@pam") for _number in range(5))),
        [("root-share", "MEDIUM", "root@pam")],
    ),
    (
        "two people, one account",
        good(),
        acting(at(0, "bob@pve", "192.0.2.1"), at(60, "bob@pve", "192.0.2.2"), at(120, "bob@pve", "::ffff:192.0.2.1")),
        [("concurrent-addresses", "HIGH", "bob@pve")],
    ),
    (
        "one who moved",
        good(),
        acting(at(0, "bob@pve", "192.0.2.1"), at(60, "bob@pve", "192.0.2.2"), at(120, "bob@pve", "192.0.2.2")),
        [],
    ),
    (
        "calls through a node",
        good(),
        acting(at(0, "bob@pve", "192.0.2.1"), at(1, "bob@pve", "10.0.0.1"), at(2, "bob@pve", "192.0.2.1")),
        [],
    ),
    (
        "a token from two machines",
        good(),
        acting(at(0, "ci@pve!run", "192.0.2.1"), at(1, "ci@pve!run", "192.0.2.2"), at(2, "ci@pve!run", "192.0.2.1")),
        [],
    ),
    (
        "guests of somebody who left",
        edited("bob@pve", enable=False),
        acting(
            task("bob@pve", "guest.create", 101, 9),
            task("bob@pve", "guest.start", 101, 8),
            task("root@pam", "guest.stop", 101, 7),
        ),
        [("guest-of-leaver", "MEDIUM", "guest 101")],
    ),
    (
        "guests of somebody who left and others took over, or that are gone",
        edited("bob@pve", enable=False),
        acting(
            task("bob@pve", "guest.create", 101, 9),
            task("alice@pve", "guest.start", 101, 7),
            task("bob@pve", "guest.create", 102, 9),
            task("alice@pve", "guest.destroy", 102, 7),
        ),
        [],
    ),
    (
        "permissions of somebody who left",
        plus("acl", acl("/vms/100", "user", "eve@pve", "PVEVMAdmin"), acl("/pool/dev", "user", "eve@pve", "PVEVMAdmin"))
        | {"users": [*good()["users"], user("eve@pve", enable=False)]},
        ACTIVITY,
        [
            ("direct-grant", "LOW", "/pool/dev user:eve@pve PVEVMAdmin"),
            ("direct-grant", "LOW", "/vms/100 user:eve@pve PVEVMAdmin"),
            ("guest-of-leaver", "MEDIUM", "guest 100: eve@pve"),
            ("guest-of-leaver", "MEDIUM", "pool dev: eve@pve"),
        ],
    ),
]


@pytest.mark.parametrize(("identity", "activity", "expected"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_rules(identity: dict[str, Any], activity: Activity, expected: list[tuple[str, str, str]]) -> None:
    found = find_identity_findings(identity, NOW, POLICY, activity).findings
    assert sorted((one["rule"], one["severity"], one["object"]) for one in found) == sorted(expected)
    assert all(one["sentence"].endswith(".") and one["remedy"].endswith(".") for one in found)
    again = find_identity_findings(copy.deepcopy(identity), NOW + 60, POLICY, activity).findings
    assert [one["id"] for one in again] == [one["id"] for one in found]


def test_too_many_administrators_without_those_who_can_become_one() -> None:
    identity = good()
    identity["users"] += [user(f"boss{number}@pve", groups=["admins"], **WHOLE) for number in range(5)]
    identity["users"] += [
        user("gone@pve", enable=False, groups=["admins"]),
        user("late@pve", expire=1, groups=["admins"]),
    ]
    identity["acl"].append(acl("/", "group", "ops", "PVEAdmin"))
    found = find_identity_findings(identity, NOW, POLICY).findings
    (one,) = [one for one in found if one["rule"] == "too-many-administrators"]
    assert one["severity"] == "HIGH" and "6 accounts" in one["sentence"] and "bob@pve" not in one["sentence"]
    spared = find_identity_findings(identity, NOW, {**POLICY, "break_glass": ["boss0@pve"]}).findings
    assert not [one for one in spared if one["rule"] == "too-many-administrators"]


def test_administrators_are_named_with_those_who_can_become_one() -> None:
    identity = good()
    identity["users"] += [user("climber@pve"), user("gone@pve", enable=False), user("reader@pve")]
    identity["roles"] += [{"roleid": "Granter", "privs": ["Permissions.Modify"], "special": False}]
    identity["acl"] += [acl("/", "user", "climber@pve", "Granter"), acl("/", "user", "gone@pve", "Administrator")]
    before = find_identity_findings(good(), NOW, POLICY).administrators
    assert find_identity_findings(identity, NOW, POLICY).administrators == sorted([*before, "climber@pve"])


def test_without_events_nothing_is_said_of_activity() -> None:
    judged = find_identity_findings(good(), NOW, {})
    assert {row["rule"] for row in judged.not_checked} == {
        "concurrent-addresses",
        "root-share",
        "inactive-user",
        "external-without-expiry",
        "guest-of-leaver",
        "unused-token",
    }
    assert all(row["reason"] and row["title"] for row in judged.not_checked)


RIGHTS = {"administrators", "hidden_administrators"}
UNKNOWN = {
    "users": {"users", "enabled_users", "disabled_users", *RIGHTS},
    "acl": {"acl", *RIGHTS},
    "tokens": {"tokens"},
    "tfa": set(),
    "realms": {"realms"},
}


@pytest.mark.parametrize(
    ("kind", "silent", "partial"),
    [
        ("users", {"too-many-administrators", "user-of-missing-realm", "acl-of-missing-object"}, {"shared-account"}),
        ("acl", {"too-many-administrators", "acl-of-missing-object"}, {"direct-grant"}),
        ("tokens", set(), {"token-without-expiry", "root-token"}),
        ("tfa", set(), {"user-without-second-factor"}),
        ("realms", {"user-of-missing-realm"}, {"realm-without-second-factor"}),
    ],
)
def test_what_may_not_be_seen_is_not_checked(kind: str, silent: set[str], partial: set[str]) -> None:
    identity = good()
    identity["users"] += [user("eve@gone"), user("admin@pve", tokens=[token("x1")])]
    identity["acl"] += [acl("/", "user", "nobody@pve", "PVEAdmin")]
    reason = {"code": "not_permitted", "message": "not for your eyes"}
    identity["coverage"][kind] = {"complete": False, "reasons": [reason]}
    judged = find_identity_findings(identity, NOW, {**POLICY, "max_administrators": 0}, ACTIVITY)
    reasons = {row["rule"] for row in judged.not_checked if row["reason"] == "not for your eyes"}
    assert silent | partial <= reasons
    assert not silent & {one["rule"] for one in judged.findings}
    assert not judged.summary["complete"]
    assert {name for name, count in judged.summary.items() if count is None} == UNKNOWN[kind]


def test_second_factors_that_may_not_be_seen_are_no_finding() -> None:
    identity = edited("bob@pve", tfa=None)
    assert find_identity_findings(identity, NOW, POLICY, ACTIVITY).findings == []


def test_names_are_kept_as_they_are() -> None:
    identity = plus("users", user(HOSTILE, **{**WHOLE, "email": ""}))
    found = find_identity_findings(identity, NOW, POLICY).findings
    assert {one["object"] for one in found} == {HOSTILE}
    assert {one["rule"] for one in found} == {"user-without-email", "disguised-name"}


def test_rules_can_be_switched_off_and_weighed_otherwise() -> None:
    identity = edited("bob@pve", email="", lastname="")
    policy = {**POLICY, "disabled_rules": ["user-without-name"], "severities": {"user-without-email": "high"}}
    found = find_identity_findings(identity, NOW, policy, ACTIVITY).findings
    assert [(one["rule"], one["severity"]) for one in found] == [("user-without-email", "HIGH")]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ({"nope": 1}, "policy has no key 'nope'"),
        ({"inactive_days": -1}, "policy.inactive_days must be a whole number"),
        ({"max_administrators": "many"}, "policy.max_administrators must be a whole number"),
        ({"shared_patterns": ["("]}, "policy.shared_patterns holds '('"),
        ({"concurrency_window": "soon"}, "policy.concurrency_window: 'soon' is not a length of time"),
        ({"disabled_rules": ["nope"]}, "policy.disabled_rules names the unknown rule 'nope'"),
        ({"severities": {"root-token": "bad"}}, "severity 'bad' is unknown"),
    ],
)
def test_mistakes_of_the_policy(policy: dict[str, Any], expected: str) -> None:
    with pytest.raises(InputError) as caught:
        find_identity_findings(good(), NOW, policy)
    assert expected in str(caught.value)


def test_externals() -> None:
    identity = good()
    for policy in (
        {"external_realms": ["pve"]},
        {"external_patterns": [".*@PVE"]},
        {"external_email_domains": ["@Lab.Test"]},
        {"external_email_domains": ["test"]},
    ):
        found = find_identity_findings(identity, NOW, policy).findings
        assert {"alice@pve", "bob@pve"} <= {
            one["object"] for one in found if one["rule"] == "external-without-expiry"
        }, policy


def test_every_rule_is_shown_at_least_once_in_the_tables() -> None:
    shown = {rule for row in ROWS for rule, _severity, _object in row[3]} | {"too-many-administrators"}
    assert shown == {rule.id for rule in RULES}


@pytest.mark.parametrize(
    ("calls", "expected"),
    [
        ([], set()),
        ([(0, "192.0.2.1"), (1, "192.0.2.2"), (2, "192.0.2.1")], {"192.0.2.1", "192.0.2.2"}),
        ([(0, "192.0.2.1"), (1, "192.0.2.2"), (200, "192.0.2.1")], set()),
        ([(0, "192.0.2.1"), (1, "192.0.2.9"), (2, "192.0.2.1")], set()),
    ],
)
def test_concurrent_addresses(calls: list[tuple[float, str]], expected: set[str]) -> None:
    assert concurrent_addresses(calls, 100, frozenset({"::ffff:192.0.2.9"})) == expected


def test_twins_in_a_realm_without_case_cannot_log_in() -> None:
    identity = plus("users", user("eva@corp", **WHOLE), user("Eva@corp", **WHOLE))
    identity["realms"].append({**realm("corp", "ad", "oath"), "case_sensitive": False})
    found = find_identity_findings(identity, NOW, POLICY, ACTIVITY).findings
    twins = [one for one in found if one["rule"] == "twin-by-case"]
    assert [(one["object"], one["severity"]) for one in twins] == [("Eva@corp", "MEDIUM"), ("eva@corp", "MEDIUM")]
    assert twins[1]["sentence"] == (
        "eva@corp differs from Eva@corp by upper and lower case only, which the realm corp does not tell apart: "
        "neither can log in."
    )
