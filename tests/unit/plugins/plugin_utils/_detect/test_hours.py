# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Working hours: time zones, several spans, spans over midnight, holidays, daylight-saving changes."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._model.event import Event
from ansible_collections.pve.audit.plugins.module_utils._model.time import to_epoch
from ansible_collections.pve.audit.plugins.plugin_utils._detect.hours import outside_hours, working_hours

OFFICE = {
    "days": ["mon", "tue", "wed", "thu", "fri"],
    "spans": ["07:00-12:00", "13:00-19:00"],
    "holidays": ["2026-12-25"],
}
NIGHT = {"days": ["mon", "tue", "wed", "thu", "fri"], "spans": ["22:00-06:00"], "holidays": ["2026-12-25"]}
BERLIN = "Europe/Berlin"

# 2026-11-23 is a Monday.
CASES: list[tuple[str, Any, str, str, bool]] = [
    ("Monday morning", OFFICE, BERLIN, "2026-11-23T08:00:00+01:00", True),
    ("the start is inside", OFFICE, BERLIN, "2026-11-23T07:00:00+01:00", True),
    ("a second before is not", OFFICE, BERLIN, "2026-11-23T06:59:59+01:00", False),
    ("the end is outside", OFFICE, BERLIN, "2026-11-23T19:00:00+01:00", False),
    ("a second before is inside", OFFICE, BERLIN, "2026-11-23T18:59:59+01:00", True),
    ("lunch", OFFICE, BERLIN, "2026-11-23T12:30:00+01:00", False),
    ("Sunday", OFFICE, BERLIN, "2026-11-22T10:00:00+01:00", False),
    ("holiday", OFFICE, BERLIN, "2026-12-25T10:00:00+01:00", False),
    ("UTC text, local clock", OFFICE, BERLIN, "2026-11-23T06:30:00Z", True),
    ("the zone decides", OFFICE, "UTC", "2026-11-23T06:30:00Z", False),
    ("summer time", OFFICE, BERLIN, "2026-07-20T05:30:00Z", True),
    ("Friday before the change to winter time", OFFICE, BERLIN, "2026-10-23T05:00:00Z", True),
    ("Monday after it, the same UTC second", OFFICE, BERLIN, "2026-10-26T05:00:00Z", False),
    ("night shift, evening", NIGHT, BERLIN, "2026-11-23T23:00:00+01:00", True),
    ("night shift, after midnight", NIGHT, BERLIN, "2026-11-24T05:59:59+01:00", True),
    ("night shift of Friday ends on Saturday", NIGHT, BERLIN, "2026-11-28T02:00:00+01:00", True),
    ("no night shift of Sunday", NIGHT, BERLIN, "2026-11-23T02:00:00+01:00", False),
    ("no shift starts on a holiday", NIGHT, BERLIN, "2026-12-26T02:00:00+01:00", False),
    ("the shift before the holiday goes on", NIGHT, BERLIN, "2026-12-25T02:00:00+01:00", True),
    ("whole days", {"days": ["sat"], "spans": ["00:00-24:00"]}, BERLIN, "2026-11-28T23:59:59+01:00", True),
    (
        "whole days end at midnight",
        {"days": ["sat"], "spans": ["00:00-24:00"]},
        BERLIN,
        "2026-11-29T00:00:00+01:00",
        False,
    ),
    (
        "rows for different days",
        [OFFICE, {"days": ["Saturday"], "spans": ["09:00-12:00"]}],
        BERLIN,
        "2026-11-28T09:00:00+01:00",
        True,
    ),
    ("one text instead of a list", {"days": "mon", "spans": "7:00 - 19:00"}, BERLIN, "2026-11-23T08:00:00+01:00", True),
    ("left out: Monday to Friday, 7 to 19", None, "UTC", "2026-11-23T18:59:00Z", True),
    (
        "the hour that comes twice, first time",
        {"days": ["sun"], "spans": ["02:00-02:30"]},
        BERLIN,
        "2026-10-25T00:15:00Z",
        True,
    ),
    (
        "the hour that comes twice, second time",
        {"days": ["sun"], "spans": ["02:00-02:30"]},
        BERLIN,
        "2026-10-25T01:15:00Z",
        True,
    ),
    ("the hour that never comes", {"days": ["sun"], "spans": ["02:00-03:00"]}, BERLIN, "2026-03-29T01:15:00Z", False),
]


@pytest.mark.parametrize(
    ("hours", "tz", "when", "inside"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_hours(hours: Any, tz: str, when: str, inside: bool) -> None:
    checked = working_hours(hours, tz)
    assert checked.contains(to_epoch(when)) is inside
    events: list[Event] = [{"@timestamp": when, "event": {}}, {"event": {}}]
    assert outside_hours(events, checked) == ([] if inside else events[:1])


@pytest.mark.parametrize(
    ("hours", "tz", "message"),
    [
        (OFFICE, "Europe/Atlantis", "time zone 'Europe/Atlantis' is unknown"),
        (OFFICE, "../../etc/passwd", "is unknown"),
        ("office", "UTC", "must be a map with days and spans"),
        ([], "UTC", "must be a map with days and spans"),
        ({"days": ["Funday"]}, "UTC", "day 'Funday' is unknown"),
        ({"spans": ["8-17"]}, "UTC", "span '8-17' is not of the form"),
        ({"spans": ["08:00-08:00"]}, "UTC", "is not of the form"),
        ({"spans": ["08:00-25:00"]}, "UTC", "is not of the form"),
        ({"spans": ["08:60-10:00"]}, "UTC", "is not of the form"),
        ({"spans": 8}, "UTC", "spans must be a list"),
        ({"holidays": ["Christmas"]}, "UTC", "holiday 'Christmas' is not a date"),
        ({"weekdays": ["mon"]}, "UTC", "not weekdays"),
        ([{"days": ["mon"]}, "x"], "UTC", "a row of working hours must be a map"),
    ],
)
def test_bad_hours_are_one_clear_sentence(hours: Any, tz: str, message: str) -> None:
    with pytest.raises(InputError, match="^[^\n]*" + message + "[^\n]*$"):
        working_hours(hours, tz)
