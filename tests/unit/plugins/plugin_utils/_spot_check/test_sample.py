# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sample of the spot check: reproducible, stratified, and honest about what it leaves out."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.pve.audit.plugins.module_utils._model.coverage import UNEXPLAINED, Coverage
from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._model.event import Event
from ansible_collections.pve.audit.plugins.module_utils._model.names import owner_of
from ansible_collections.pve.audit.plugins.plugin_utils._spot_check.sample import (
    SampleOptions,
    digest_of,
    draw_sample,
    file_name,
)

ROOT = Path(__file__).resolve().parents[5]
NOW = "2026-12-01T06:00:00Z"
WHOLE, PART = Coverage("pve1"), Coverage("pve2", reasons=[UNEXPLAINED])
SEVERITY = {"guest.destroy": "critical", "guest.stop": "medium", "guest.start": "low", "api.read": "info"}


def act(number: int, user: str | None = "alice@pve", action: str = "guest.start", **pve: Any) -> Event:
    """One event."""
    event: Event = {
        "@timestamp": f"2026-11-{number % 28 + 1:02d}T10:00:00Z",
        "event": {"id": f"UPID:{number}", "kind": "event", "action": action, "outcome": "success"},
        "host": {"name": "pve1"},
        "pve": {"severity": SEVERITY.get(action, "medium"), "object": str(number), **pve},
    }
    return event | ({"user": {"id": user}} if user else {})


def acts(**counts: int) -> list[Event]:
    """So many events of each action (`guest_start=3`)."""
    names = [name.replace("_", ".") for name, count in counts.items() for _turn in range(count)]
    return [act(number, "alice@pve", name) for number, name in enumerate(names)]


def draw(events: list[Event], seed: str = "s", **options: Any) -> dict[str, Any]:
    """The sample set."""
    return draw_sample(events, seed, SampleOptions(**options), now=NOW)


def sampled(sample: dict[str, Any], person: str = "alice@pve") -> dict[str, int]:
    """Action -> number of questions about a person."""
    (row,) = [row for row in sample["people"] if row["person"] == person]
    return {stratum["action"]: stratum["sampled"] for stratum in row["strata"]}


@pytest.mark.parametrize(
    ("counts", "options", "expected"),
    [
        ({"guest_start": 1}, {}, {"guest.start": 1}),
        ({"guest_start": 100}, {}, {"guest.start": 5}),
        ({"guest_start": 90, "guest_stop": 10}, {"size": 1}, {"guest.start": 0, "guest.stop": 1}),
        ({"guest_start": 90, "guest_stop": 10}, {"size": 2}, {"guest.start": 1, "guest.stop": 1}),
        ({"guest_start": 90, "guest_stop": 10}, {"size": 10}, {"guest.start": 9, "guest.stop": 1}),
        ({"guest_destroy": 12, "guest_start": 9}, {}, {"guest.destroy": 12, "guest.start": 5}),
        ({"guest_destroy": 12, "guest_start": 9}, {"always_limit": 3}, {"guest.destroy": 3, "guest.start": 5}),
        ({"guest_destroy": 90}, {"always_limit": 0}, {"guest.destroy": 90}),
        ({"guest_destroy": 90}, {"always": []}, {"guest.destroy": 5}),
        ({"guest_stop": 3, "guest_start": 9}, {"min_severity": "medium"}, {"guest.stop": 3}),
        ({"api_read": 3, "guest_start": 1}, {"min_severity": "info"}, {"api.read": 3, "guest.start": 1}),
    ],
)
def test_sizes(counts: dict[str, int], options: dict[str, Any], expected: dict[str, int]) -> None:
    found = draw(acts(**counts), **options)
    assert sampled(found) == expected
    assert found["statistics"]["sampled"] == len(found["questions"]) == sum(expected.values())


def test_tokens_are_asked_of_their_owner_and_shared_accounts_of_their_contact() -> None:
    users = ["alice@pve", "alice@pve!ci", "root@pam", "root@pam!old", "backup@pve!nightly", "admin@pve"]
    events = [act(number, user) for number, user in enumerate(users)]
    contacts = {"root@pam": "lena@pve", "backup@pve!nightly": "paul@pve"}
    found = draw(events, contacts=contacts, shared=["root@pam", "admin@pve"])
    assert {one["user"]: (one["person"], one["asked"]) for one in found["questions"]} == {
        "alice@pve": ("alice@pve", "alice@pve"),
        "alice@pve!ci": ("alice@pve", "alice@pve"),
        "root@pam": ("root@pam", "lena@pve"),
        "root@pam!old": ("root@pam", "lena@pve"),
        "backup@pve!nightly": ("backup@pve", "paul@pve"),
        "admin@pve": ("admin@pve", "admin@pve"),
    }
    assert found["statistics"]["unassigned"] == ["admin@pve"]
    assert {row["asked"]: row["questions"] for row in found["asked"]} == {
        "admin@pve": 1, "alice@pve": 2, "lena@pve": 2, "paul@pve": 1}  # fmt: skip


BEHIND = [
    ("certain", ["tessa@pam"], "tessa@pam"),
    ("likely", ["tessa@pam", "tessa@pam"], "tessa@pam"),
    ("certain", [None], "root@pam"),
    ("ambiguous", ["tessa@pam", "mirko@pam"], "root@pam"),
    ("unknown", ["tessa@pam"], "root@pam"),
]


@pytest.mark.parametrize(("confidence", "users", "asked"), BEHIND)
def test_who_was_behind_root_is_asked_where_there_is_only_one(
    confidence: str, users: list[str | None], asked: str
) -> None:
    done: Any = act(1, "root@pam")
    done["attribution"] = {"confidence": confidence, "candidates": [{"user": user} for user in users]}
    assert [one["asked"] for one in draw([done])["questions"]] == [asked]


def test_what_is_left_out_is_counted() -> None:
    broken: Event = {"event": {"id": "x", "kind": "pipeline_error"}, "error": {"message": "no"}}
    found = draw([act(1), act(2, None), act(3, "alice@pve", "api.read"), broken])
    assert found["statistics"]["left_out"] == {"harmless": 1, "nobody": 1, "unreadable": 1}
    assert found["statistics"]["acted"] == 1
    assert not found["complete"], "nothing is known about what was seen"


@pytest.mark.parametrize(("coverage", "complete"), [([WHOLE], True), ([WHOLE, PART], False), ([], False)])
def test_incomplete_coverage_is_told(coverage: list[Coverage], complete: bool) -> None:
    assert draw_sample([act(1)], "s", SampleOptions(), now=NOW, coverage=coverage)["complete"] is complete


def test_a_task_that_is_seen_running_and_ended_is_one_act() -> None:
    both = [act(1, state="running"), act(1, state="ok", status="OK")]
    for events in (both, both[::-1]):
        (question,) = draw(events)["questions"]
        assert question["status"] == "OK"


def test_file_names_are_harmless_and_never_shared() -> None:
    people = ["alice@pve", "alice_pve", "Alice@pve", "../../etc/passwd@pam", "x" * 300, "\ud800\n@pve", "", "-rf", ".."]
    names = [file_name(person) for person in people]
    assert len({name.lower() for name in names}) == len(people)
    assert not [name for name in names if "/" in name or name.startswith((".", "-rf")) or len(name) > 60]


@given(
    st.lists(
        st.tuples(st.sampled_from(["a@pve", "a@pve!aa", "b@pam"]), st.sampled_from(sorted(SEVERITY))), max_size=60
    ),
    st.text(min_size=1),
    st.randoms(use_true_random=False),
    st.integers(1, 8),
)
def test_properties(rows: list[tuple[str, str]], seed: str, dice: random.Random, size: int) -> None:
    events = [act(number, user, action) for number, (user, action) in enumerate(rows)]
    found = draw(events, seed, size=size)
    mixed = [*events, *events[:3]]
    dice.shuffle(mixed)
    assert draw(mixed, seed, size=size) == found, "order and repetition change nothing"
    assert found["digest"] == digest_of(json.loads(json.dumps(found)))
    asked = {one["event_id"] for one in found["questions"]}
    assert len(asked) == len(found["questions"]) == len({one["id"] for one in found["questions"]})
    for person in found["people"]:
        assert person["sampled"] >= 1
        assert person["acted"] == sum(one["acted"] for one in person["strata"])
        for stratum in person["strata"]:
            assert stratum["severity"] != "critical" or stratum["share"] == 1
    assert {owner_of(user) for user, action in rows if action != "api.read"} == {
        one["person"] for one in found["people"]
    }


def test_another_seed_is_another_sample() -> None:
    events = acts(guest_start=200)
    samples = [[one["event_id"] for one in draw(events, seed)["questions"]] for seed in ("one", "two")]
    assert samples[0] != samples[1]


def test_every_python_draws_the_same() -> None:
    code = (
        "import sys; sys.path[:0] = [sys.argv[1], sys.argv[2]]\n"
        "from tests.unit.plugins.plugin_utils._spot_check.test_sample import acts, draw\n"
        "print(draw(acts(guest_start=50, guest_stop=9, guest_destroy=3))['digest'])"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code, str(ROOT), str(ROOT / ".build" / "collections")],
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("0", "1")
    }
    assert found == {draw(acts(guest_start=50, guest_stop=9, guest_destroy=3))["digest"] + "\n"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 0}, "size must be a whole number from 1 to 1000, not 0"),
        ({"size": True}, "size must be a whole number"),
        ({"always_limit": -1}, "always_limit must be"),
        ({"always": "critical"}, "always must be a list"),
        ({"always": ["worst"]}, "severity 'worst' is unknown"),
        ({"min_severity": "LOW"}, "severity 'LOW' is unknown"),
        ({"contacts": ["lena"]}, "contacts must be a map"),
        ({"contacts": {"root@pam": ""}}, "contacts must be a map"),
        ({"shared": "root@pam"}, "shared must be a list"),
        ({"deadline": "soon"}, "'soon' is not a length of time"),
    ],
)
def test_wrong_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        SampleOptions(**options)


def test_no_seed() -> None:
    with pytest.raises(InputError, match="needs a seed"):
        draw([act(1)], "")
