# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules: bad ones are explained, good ones match what they say, and the shipped ones find what they are for."""

from __future__ import annotations

from fnmatch import fnmatch
from typing import Any

import pytest

from ansible_collections.pve.audit.plugins.filter.anomalies import shipped_rules
from ansible_collections.pve.audit.plugins.module_utils._classify.action import ACTIONS
from ansible_collections.pve.audit.plugins.module_utils._evidence.read import classify_event
from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._parse.task import task_event
from ansible_collections.pve.audit.plugins.plugin_utils._detect.anomalies import find_anomalies
from ansible_collections.pve.audit.plugins.plugin_utils._detect.hours import working_hours
from ansible_collections.pve.audit.plugins.plugin_utils._detect.match import matcher
from ansible_collections.pve.audit.plugins.plugin_utils._detect.rules import check_rules
from tests.unit.plugins.plugin_utils._detect.test_access_rules import CASES as ACCESS_CASES

MONDAY_NOON = 1_795_435_200  # 2026-11-23T12:00:00Z
MONDAY_NIGHT = MONDAY_NOON + 10 * 3600
DAY = 86400
HOURS = working_hours(None, "UTC")


def task(
    number: int, kind: str, vmid: int | str = "", user: str = "alice@pve", status: str = "OK", at: int = MONDAY_NOON
) -> Any:
    """A classified event of one finished task."""
    upid = f"UPID:pve1:{number:08X}:00001000:{at + number:08X}:{kind}:{vmid}:{user}:"
    return classify_event(task_event({"upid": upid, "endtime": at + number + 1, "status": status}))


def many(count: int, kind: str, **more: Any) -> list[Any]:
    """`count` tasks a second apart, each for a guest of its own."""
    return [task(n, kind, 100 + n, **more) for n in range(count)]


def others(count: int, kind: str, first: int = 300, user: str = "bob@pve", **more: Any) -> list[Any]:
    """The same by somebody else, for other guests."""
    return [task(n, kind, first + n, user, **more) for n in range(count)]


CASES: list[tuple[str, list[Any], list[tuple[str, str, Any]]]] = [
    ("five guests are no alarm", many(5, "qmdestroy"), []),
    ("six are", many(6, "qmdestroy"), [("mass-guest-deletion", "CRITICAL", "alice@pve")]),
    ("containers count with machines", [*many(3, "qmdestroy"), *[task(n, "vzdestroy", n) for n in (200, 201, 202)]],
     [("mass-guest-deletion", "CRITICAL", "alice@pve")]),
    ("refused ones destroy nothing", many(6, "qmdestroy", status="protection mode enabled"),
     [("failed-task-burst", "MEDIUM", "alice@pve")]),
    ("one guest six times is one guest", [task(n, "qmdestroy", 100) for n in range(6)], []),
    ("two tokens are one account",
     [*many(3, "qmdestroy", user="ci@pve!aa"), *[task(n, "qmdestroy", n, "ci@pve!bb") for n in (200, 201, 202)]],
     [("mass-guest-deletion", "CRITICAL", "ci@pve")]),
    ("two accounts below the limit pass it together", [*many(3, "qmdestroy"), *others(3, "qmdestroy")],
     [("mass-guest-deletion-together", "CRITICAL", None)]),
    ("two accounts with five together", [*many(3, "qmdestroy"), *others(2, "qmdestroy")], []),
    ("one account above, one below: the rest does not shout", [*many(6, "qmdestroy"), *others(5, "qmdestroy")],
     [("mass-guest-deletion", "CRITICAL", "alice@pve"), ("mass-guest-deletion-together", "LOW", None)]),
    ("the rest is above by itself",
     [*many(6, "qmdestroy"), *others(3, "qmdestroy"), *others(3, "vzdestroy", 400, "carol@pve")],
     [("mass-guest-deletion", "CRITICAL", "alice@pve"), ("mass-guest-deletion-together", "CRITICAL", None)]),
    ("guests of today by their maker", [*many(6, "qmcreate"), *many(6, "qmdestroy", at=MONDAY_NOON + 900)],
     [("mass-guest-deletion", "LOW", "alice@pve")]),
    ("guests of today by somebody else",
     [*many(6, "qmcreate", user="bob@pve"), *many(6, "qmdestroy", at=MONDAY_NOON + 900)],
     [("mass-guest-deletion", "CRITICAL", "alice@pve")]),
    ("guests that could not be made are not new",
     [*many(6, "qmcreate", status="no space"), *many(6, "qmdestroy", at=MONDAY_NOON + 900)],
     [("mass-guest-deletion", "CRITICAL", "alice@pve"), ("failed-task-burst", "MEDIUM", "alice@pve")]),
    ("guests of the day before yesterday", [*many(6, "qmcreate", at=MONDAY_NOON - 2 * DAY), *many(6, "qmdestroy")],
     [("mass-guest-deletion", "CRITICAL", "alice@pve")]),
    ("six old guests hide among new ones",
     [*many(6, "qmcreate"), *many(12, "qmdestroy", at=MONDAY_NOON + 900)],
     [("mass-guest-deletion", "CRITICAL", "alice@pve")]),
    ("a guest made anew by another is not new to the first",
     [*many(6, "qmcreate"), *many(6, "qmcreate", user="bob@pve", at=MONDAY_NOON + 300),
      *many(6, "qmdestroy", at=MONDAY_NOON + 900)],
     [("mass-guest-deletion", "CRITICAL", "alice@pve")]),
    ("old guests of two accounts among new ones",
     [*many(3, "qmcreate"), *others(3, "qmcreate"), *many(6, "qmdestroy", at=MONDAY_NOON + 900),
      *others(6, "qmdestroy", at=MONDAY_NOON + 900)],
     [("mass-guest-deletion-together", "CRITICAL", None), ("mass-guest-deletion", "LOW", "bob@pve"),
      ("mass-guest-deletion", "LOW", "alice@pve")]),
    ("snapshots", many(6, "qmdelsnapshot"), [("mass-backup-deletion", "CRITICAL", "alice@pve")]),
    ("snapshots of two accounts", [*many(3, "qmdelsnapshot"), *others(3, "vzdelsnapshot")],
     [("mass-backup-deletion-together", "CRITICAL", None)]),
    ("volumes", [task(n, "imgdel", "103@local-lvm") for n in range(6)],
     [("mass-backup-deletion", "CRITICAL", "alice@pve")]),
    ("four failures", many(4, "qmstart", status="no KVM"), []),
    ("five failures", many(5, "qmstart", status="no KVM"), [("failed-task-burst", "MEDIUM", "alice@pve")]),
    ("warnings are no failures", many(5, "vzdump", status="WARNINGS: 2"), []),
    ("a deletion at night", many(1, "qmdestroy", at=MONDAY_NIGHT), [("action-outside-hours", "HIGH", "alice@pve")]),
    ("a start at night", many(1, "qmstart", at=MONDAY_NIGHT), []),
    ("a program at night", many(1, "qmdestroy", user="ci@pve!aa", at=MONDAY_NIGHT), []),
    ("the nightly backup", many(3, "vzdump", user="root@pam", at=MONDAY_NIGHT), []),
    ("a console at night", many(1, "vncproxy", at=MONDAY_NIGHT), [("console-outside-hours", "HIGH", "alice@pve")]),
    ("a console at noon", many(1, "vncproxy"), []),
    ("root@pam", many(2, "qmstart", user="root@pam"), [("root-pam-use", "MEDIUM", "root@pam")]),
    ("a token of root@pam", many(1, "qmstart", user="root@pam!xx"), [("root-pam-use", "MEDIUM", "root@pam")]),
]  # fmt: skip


@pytest.mark.parametrize(("events", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_shipped_rules(events: list[Any], expected: list[tuple[str, str, Any]]) -> None:
    found = find_anomalies(events, check_rules(shipped_rules(), None, HOURS))
    assert [(f.rule, f.severity, f.group.get("user.account")) for f in found] == expected


def test_every_shipped_rule_has_a_true_and_a_false_example() -> None:
    tables = [(case[0], case[2]) for case in CASES] + [(case[0], case[2]) for case in ACCESS_CASES]
    rules = {rule["id"] for rule in shipped_rules()}
    assert {row[0] for _text, expected in tables for row in expected} == rules
    assert len([text for text, expected in tables if not expected]) >= len(rules)


def test_every_shipped_rule_is_told_in_both_languages() -> None:
    for rule in shipped_rules():
        assert set(rule["title"]) == set(rule["remedy"]) == {"en", "de"}, rule["id"]


def test_a_finding_carries_its_evidence() -> None:
    events = many(6, "qmdestroy")
    finding = find_anomalies(events, check_rules(shipped_rules(), None, HOURS))[0]
    assert finding.values == [100, 101, 102, 103, 104, 105]
    assert finding.event_ids == [event["event"]["id"] for event in events]
    assert (finding.start, finding.end) == ("2026-11-23T12:00:00Z", "2026-11-23T12:00:05Z")
    assert finding.nodes == ["pve1"]
    assert finding.sentence == "alice@pve: Mass guest deletion: 6 within 5 s (100, 101, 102, 103, 104, 105) on pve1."
    assert (finding.actors, finding.young, finding.related) == (["alice@pve"], 0, [])
    again = find_anomalies(list(reversed(events)), check_rules(shipped_rules(), None, HOURS))[0]
    assert again.id == finding.id


def test_a_finding_says_who_was_together_and_what_others_told() -> None:
    events = [*many(6, "qmdestroy"), *others(2, "qmdestroy")]
    told, together = find_anomalies(events, check_rules(shipped_rules(), None, HOURS))
    assert together.related == [told.id]
    assert together.sentence == (
        "Mass guest deletion, all accounts together: 8 within 5 s (100, 300, 101, 301, 102, 103, 104, 105) on pve1 by "
        "alice@pve (6), bob@pve (2). 6 of the 8 events are told by other findings too."
    )


def test_a_finding_says_how_many_guests_were_young() -> None:
    events = [*many(6, "qmcreate"), *many(7, "qmdestroy", at=MONDAY_NOON + 900)]
    (finding,) = find_anomalies(events, check_rules(shipped_rules(), None, HOURS))
    assert finding.young == 6
    assert finding.sentence.endswith(". 6 of the guests had been made by the same account at most 1 d before.")


def test_a_finding_says_of_what_nobody_knows_whether_it_worked() -> None:
    events = [*many(1, "qmstart", status="unexpected status"), *others(1, "qmstart")]
    (finding,) = find_anomalies(events, check_rules([OWN], None, HOURS))
    assert finding.sentence.endswith(
        " by alice@pve (1), bob@pve (1). Of 1 nobody can say from the logs whether it worked."
    )


def test_shipped_rules_name_actions_that_exist() -> None:
    for rule in shipped_rules():
        parts = [rule, *rule.get("rules", [])]
        matches = [one for part in parts for one in _listed(part.get("match", {}))]
        for name in [name for one in matches for name in _listed(one.get("event.action", []))]:
            known = [action for action in ACTIONS if fnmatch(action, name)]
            assert known, f"{rule['id']}: {name}"


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


OWN = {"id": "own", "severity": "low", "type": "event_count", "timespan": "1h", "condition": {"gte": 1}}


def test_extra_rules_add_replace_and_switch_off() -> None:
    extra = [
        OWN,
        {**OWN, "id": "mass-guest-deletion"},
        {"id": "root-pam-use", "enabled": False},
    ]
    rules = {rule.id: rule for rule in check_rules(shipped_rules(), extra, HOURS)}
    assert set(rules) == {rule["id"] for rule in shipped_rules()} - {"root-pam-use"} | {"own"}
    assert rules["mass-guest-deletion"].severity == "LOW"


@pytest.mark.parametrize(
    ("rules", "extra", "message"),
    [
        ("mine", None, "rules must be a list of rules"),
        ([], {"id": "x"}, "extra_rules must be a list of rules"),
        ([7], None, "a rule must be a map"),
        ([{}], None, "rule id '' cannot be used"),
        ([{**OWN, "id": "Über alles"}], None, "rule id 'Über alles' cannot be used"),
        ([OWN, OWN], None, "rule id 'own' stands twice"),
        ([{**OWN, "windw": 1}], None, "rule own: unknown key windw"),
        ([{**OWN, "severity": "bad"}], None, "rule own: severity 'bad' is unknown"),
        ([{**OWN, "match": "guest.destroy"}], None, "rule own: match must be a map"),
        ([{**OWN, "exclude": []}], None, "rule own: exclude must be a map"),
        ([{**OWN, "outcome": "great"}], None, "rule own: outcome 'great' is unknown"),
        ([{**OWN, "outcome": 7}], None, "rule own: outcome 7 is unknown"),
        ([{**OWN, "hours": "sometimes"}], None, "rule own: hours 'sometimes' is unknown"),
        ([{**OWN, "timespan": None}], None, "rule own: None is not a length of time"),
        ([{**OWN, "type": None}], None, "rule own: type None is unknown"),
        ([{**OWN, "who": "everybody"}], None, "rule own: who 'everybody' is unknown"),
        ([{**OWN, "renewals": "include"}], None, "rule own: renewals 'include' is unknown"),
        ([{**OWN, "first_seen": ["source.ip"]}], None, "rule own: first_seen must be the name of a field"),
        ([{**OWN, "lower_when": {}}], None, "rule own: lower_when must be a map with made_within"),
        (
            [{**OWN, "lower_when": {"made_within": "1d", "by": "any"}}],
            None,
            "rule own: lower_when: by 'any' is unknown",
        ),
        ([{**OWN, "told_by": "other"}], None, "rule own: told_by must be a list of rule ids"),
        ([{**OWN, "told_by": ["own"]}], None, "rule own: told_by names 'own', which has told_by itself"),
    ],
)
def test_bad_rules_are_one_clear_sentence(rules: Any, extra: Any, message: str) -> None:
    with pytest.raises(InputError, match="^[^\n]*" + message + "[^\n]*$"):
        check_rules(rules, extra, HOURS)


@pytest.mark.parametrize(
    ("fields", "agrees"),
    [
        ({"pve.vmid": 100}, True),
        ({"pve.vmid": "100"}, True),
        ({"pve.vmid": [1, 100]}, True),
        ({"pve.vmid": "1*"}, True),
        ({"pve.vmid": "1.*"}, False),
        ({"pve.vmid": "10"}, False),
        ({"pve.vmid": "*"}, True),
        ({"pve.nothing": "*"}, False),
        ({"user.name": "al*ce", "pve.vmid": 100}, True),
        ({"user.name": "bob", "pve.vmid": 100}, False),
        ({"user.name.first": "alice"}, False),
    ],
)
def test_match(fields: dict[str, Any], agrees: bool) -> None:
    assert matcher(fields)(task(0, "qmdestroy", 100)) is agrees
