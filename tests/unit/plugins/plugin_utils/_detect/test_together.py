# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""However deletions are spread over accounts, tokens and young guests: what must be told is told, and once."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.pve.audit.plugins.filter.anomalies import shipped_rules
from ansible_collections.pve.audit.plugins.module_utils._model.event import get_field
from ansible_collections.pve.audit.plugins.plugin_utils._detect.anomalies import find_anomalies
from ansible_collections.pve.audit.plugins.plugin_utils._detect.hours import working_hours
from ansible_collections.pve.audit.plugins.plugin_utils._detect.rules import check_rules
from tests.unit.plugins.plugin_utils._detect.test_anomalies import MONDAY_NOON, task

MASS = ("mass-guest-deletion", "mass-guest-deletion-together")
RULES = check_rules([rule for rule in shipped_rules() if rule["id"] in MASS], None, working_hours())
SPAN, LIMIT = 600, 5
ACTORS = ("alice@pve", "alice@pve!one", "alice@pve!two", "bob@pve", "carol@pve")
# When, whose guest, by whom, and whether the same account made it an hour before.
DELETIONS = st.lists(
    st.tuples(st.integers(0, 1500), st.integers(100, 130), st.sampled_from(ACTORS), st.booleans()),
    max_size=24,
    unique_by=lambda row: row[1],
)


def played(rows: list[tuple[int, int, str, bool]]) -> list[Any]:
    """The tasks of these deletions, and of the creations before them."""
    made = [task(0, "qmcreate", guest, user, at=MONDAY_NOON + at - 3600) for at, guest, user, young in rows if young]
    return made + [task(0, "qmdestroy", guest, user, at=MONDAY_NOON + at) for at, guest, user, _young in rows]


def crossings(rows: list[tuple[int, int, str, bool]]) -> list[set[int]]:
    """The guests of each ten minutes in which more than five were destroyed, by anybody."""
    windows = [{guest for at, guest, _user, _young in rows if end - SPAN <= at <= end} for end, *_rest in rows]
    return [window for window in windows if len(window) > LIMIT]


@settings(max_examples=400)
@given(DELETIONS)
def test_more_than_five_old_guests_in_ten_minutes_are_critical_whoever_did_it(
    rows: list[tuple[int, int, str, bool]],
) -> None:
    critical = [set(one.values) for one in find_anomalies(played(rows), RULES) if one.severity == "CRITICAL"]
    for window in crossings([row for row in rows if not row[3]]):
        assert any(window & guests for guests in critical)


@settings(max_examples=400)
@given(DELETIONS)
def test_every_guest_of_a_crossing_is_told_young_ones_too(rows: list[tuple[int, int, str, bool]]) -> None:
    told = {guest for one in find_anomalies(played(rows), RULES) for guest in one.values}
    assert set().union(*crossings(rows)) <= told


@settings(max_examples=400)
@given(DELETIONS)
def test_a_critical_finding_has_more_than_five_old_guests_that_no_other_one_told(
    rows: list[tuple[int, int, str, bool]],
) -> None:
    events = played(rows)
    accounts = {event["event"]["id"]: get_field(event, "user.account") for event in events}
    old = {guest for _at, guest, _user, young in rows if not young}
    critical = [one for one in find_anomalies(events, RULES) if one.severity == "CRITICAL"]
    own = {guest for one in critical if one.rule == MASS[0] for guest in one.values}
    for one in critical:
        left = set(one.values) & old - (own if one.rule == MASS[1] else set())
        assert len(left) > LIMIT
        assert one.rule == MASS[1] or len({accounts[name] for name in one.event_ids}) == 1
