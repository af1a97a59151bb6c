# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of compliance: honest about what was not looked at."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleFilterError

from ansible_collections.pve.audit.plugins.filter import compliance
from tools.controls import load

DATA = load()
TABLE = compliance.FilterModule().filters()["compliance"]
NOW = "2026-12-01T06:00:00Z"
MONDAY = "2026-11-30T06:00:00Z"


def control(name: str, per: str = "drift") -> dict[str, Any]:
    """A control."""
    iso, gdpr = [{"id": "8.15", "why": "Yes."}], [{"id": "32", "why": "Yes."}]
    return {"id": name, "title": "T", "implements": "role x", "per": per, "iso": iso, "gdpr": gdpr, "evidence": "E"}


def drift(*states: str, name: str = "A-1") -> dict[str, Any]:
    """A drift report with one node for each state."""
    rows = [{"node": f"pve{number}", "control": name, "state": state} for number, state in enumerate(states, 1)]
    return {"generated": MONDAY, "rows": rows}


@pytest.mark.parametrize(
    ("report", "options", "state", "date"),
    [
        (drift("ok", "ok"), {}, "ok", MONDAY),
        (drift("ok", "drift", "unknown"), {}, "drift", MONDAY),
        (drift("ok", "unknown"), {}, "not_checked", MONDAY),
        (drift("ok", "off"), {}, "ok", MONDAY),
        (drift("off"), {}, "off", MONDAY),
        (drift("ok")["rows"], {"date": MONDAY}, "ok", MONDAY),
        (drift("ok")["rows"], {}, "not_checked", None),
        (drift("ok"), {"max_age": "1h"}, "not_checked", MONDAY),
        (drift("drift"), {"now": "2027-12-01T06:00:00Z"}, "not_checked", MONDAY),
        ([], {}, "not_checked", None),
        (drift("unknown", name="all"), {}, "not_checked", None),
        ({"generated": MONDAY, "rows": [*drift("ok")["rows"], *drift("unknown", name="all")["rows"]]}, {},
         "not_checked", MONDAY),
    ],
)  # fmt: skip
def test_state_of_hosts(report: Any, options: dict[str, Any], state: str, date: str | None) -> None:
    (row,) = TABLE({"controls": [control("A-1")]}, report, **{"now": NOW, **options})
    assert (row["state"], row["date"], row["iso"], row["gdpr"]) == (state, date, ["8.15"], ["32"])


@pytest.mark.parametrize(
    ("performed", "state"),
    [
        ({}, "not_checked"),
        (None, "not_checked"),
        ({"R-1": MONDAY}, "ok"),
        ({"R-1": "2026-01-01T00:00:00Z"}, "not_checked"),
    ],
)
def test_state_of_runs(performed: Any, state: str) -> None:
    report = drift("unknown", name="all")
    (row,) = TABLE({"controls": [control("R-1", "run")]}, report, performed=performed, now=NOW)
    assert (row["state"], row["nodes"]) == (state, [])


def test_the_shipped_mapping_makes_a_table() -> None:
    table = TABLE(DATA, {"generated": MONDAY, "rows": []}, now=NOW)
    assert [row["control"] for row in table] == [one["id"] for one in DATA["controls"]]
    assert {row["state"] for row in table} == {"not_checked"}


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        ([], {}, "the input must be the mapping of the controls, not list"),
        ({}, {}, "the controls or the rows of the drift report have not the right shape"),
        ({"controls": [{"id": "x"}]}, {}, "have not the right shape"),
        ({"controls": []}, {"drift": "x"}, "drift must be a drift report or its rows, not str"),
        ({"controls": []}, {"drift": ["x"]}, "have not the right shape"),
        ({"controls": []}, {"drift": drift("odd")}, "have not the right shape"),
        ({"controls": []}, {"drift": drift("ok")}, "the control A-1, which the mapping does not know"),
        ({"controls": []}, {"performed": []}, None),
        ({"controls": []}, {"performed": ["x"]}, "performed must be a map"),
        ({"controls": []}, {"max_age": "old"}, "'old' is not a length of time"),
        ({"controls": []}, {"date": "noon"}, "'noon' is not an RFC 3339 time"),
    ],
)
def test_errors_are_one_sentence(data: Any, options: dict[str, Any], message: str | None) -> None:
    if message is None:
        assert TABLE(data, **options, now=NOW) == []
        return
    with pytest.raises(AnsibleFilterError) as caught:
        TABLE(data, **options, now=NOW)
    assert str(caught.value).startswith("pve.audit.compliance: ")
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_documentation() -> None:
    assert yaml.safe_load(compliance.DOCUMENTATION)["name"] == "compliance"
    assert yaml.safe_load(compliance.EXAMPLES)
    assert yaml.safe_load(compliance.RETURN)["_value"]["contains"]
