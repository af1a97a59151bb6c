# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fixed call forms of the filters, and their errors: one sentence that begins with the filter's name."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.pve.audit.plugins.filter.anomalies import FilterModule as Anomalies
from ansible_collections.pve.audit.plugins.filter.attribute import FilterModule as Attribute
from ansible_collections.pve.audit.plugins.filter.events import FilterModule as Events
from ansible_collections.pve.audit.plugins.filter.outside_hours import FilterModule as OutsideHours
from ansible_collections.pve.audit.plugins.filter.query import FilterModule as Query
from ansible_collections.pve.audit.plugins.filter.windows import FilterModule as Windows

FILTERS = {
    name: call
    for module in (Anomalies, Attribute, Events, OutsideHours, Query, Windows)
    for name, call in module().filters().items()
}  # fmt: skip
RULE = {
    "type": "value_count",
    "field": "pve.vmid",
    "timespan": "10m",
    "group_by": ["user.name"],
    "condition": {"gt": 5},
}

STEPS = [{"name": "a", "match": {"event.action": "guest.destory"}}, {"name": "b", "match": {"user.id": "b"}}]
MISSPELT = {"id": "own", "severity": "low", "type": "temporal", "timespan": "1h", "rules": STEPS}


def destructions(count: int) -> list[dict[str, Any]]:
    """Events of `count` guests destroyed a second apart at 02:13 UTC, one failed start, through the real filter."""
    upid = "UPID:pve1:{0:08X}:00001000:{1:08X}:{2}:{3}:dario@pve:"
    start = 1_795_399_980
    tasks = [
        {"upid": upid.format(n, start + n, "qmdestroy", 100 + n), "endtime": start + n, "status": "OK"}
        for n in range(count)
    ]
    tasks.append({"upid": upid.format(99, start, "qmstart", 99), "endtime": start, "status": "no"})
    result: list[dict[str, Any]] = FILTERS["events"](tasks)
    return result


def test_windows() -> None:
    only = {"match": {"event.action": "guest.destroy"}, "outcome": "success"}
    assert FILTERS["windows"](destructions(5), **RULE, **only) == []
    (window,) = FILTERS["windows"](destructions(6), **RULE, **only)
    assert (window["group"], window["count"], window["values"]) == ({"user.name": "dario"}, 6, list(range(100, 106)))
    assert set(window) == {"group", "start", "end", "count", "total", "values", "event_ids"}


def test_outside_hours() -> None:
    events = destructions(1)
    assert FILTERS["outside_hours"](events) == events
    assert FILTERS["outside_hours"](events, {"spans": ["00:00-24:00"]}, timezone="Europe/Berlin") == []


def test_attribute() -> None:
    people = {"dario@pve": "Dario"}
    acts = FILTERS["attribute"](destructions(2), nodes={"pve1": "192.0.2.1"}, people=people)
    assert [(act["event"]["action"], act["person"]) for act in acts] == [
        ("guest.destroy", "Dario"),
        ("guest.start", "Dario"),
        ("guest.destroy", "Dario"),
    ]


def test_anomalies() -> None:
    found = FILTERS["anomalies"](destructions(6))
    assert [finding["rule"] for finding in found] == ["mass-guest-deletion", "action-outside-hours"]
    rules = [{**RULE, "id": "mine", "severity": "low", "condition": {"gte": 1}}]
    assert [finding["severity"] for finding in FILTERS["anomalies"](destructions(1), rules)] == ["LOW"]


def test_query() -> None:
    assert FILTERS["query"]({"a": [{"b": "x"}]}, "a[?starts_with(b, 'x')].b") == ["x"]


@pytest.mark.parametrize(
    ("name", "value", "options", "message"),
    [
        ("windows", "text", RULE, "a list of events is needed, not str"),
        ("windows", [1], RULE, "item 1 of the list is not an event"),
        ("windows", [], {**RULE, "timespan": None}, "None is not a length of time"),
        ("windows", [], {**RULE, "match": "x"}, "match must be a map"),
        ("windows", [], {**RULE, "outcome": "x"}, "outcome 'x' is unknown"),
        ("outside_hours", {}, {}, "a list of events is needed, not dict"),
        ("outside_hours", [], {"timezone": "Nowhere"}, "time zone 'Nowhere' is unknown"),
        ("anomalies", None, {}, "a list of events is needed, not NoneType"),
        ("anomalies", [], {"rules": {}}, "rules must be a list of rules"),
        ("anomalies", [], {"working_hours": 9}, "working hours must be a map"),
        ("windows", [], {**RULE, "field": "pve.vmdi"}, "'pve.vmdi' is no field of any event, did you mean pve.vmid?"),
        ("windows", [], {**RULE, "group_by": ["user.acount"]}, "did you mean user.account?"),
        ("windows", [], {**RULE, "match": {"event.action": "guest.destory"}}, "did you mean guest.destroy?"),
        ("windows", [], {**RULE, "match": [{"event.acton": "x"}]}, "did you mean event.action?"),
        ("anomalies", [], {"extra_rules": [{**MISSPELT}]}, "rule own: 'guest.destory' is the action of no event, did"),
        ("attribute", "text", {}, "a list of events is needed, not str"),
        ("attribute", [], {"nodes": ["192.0.2.1"]}, "nodes must be a map of nodes and addresses"),
        ("attribute", [], {"nodes": {"pve1": []}}, "pve1 needs an address or a list of addresses"),
        ("attribute", [], {"nodes": {"pve1": "pve1.example.org"}}, "'pve1.example.org' of pve1 is no IP address"),
        ("attribute", [], {"people": {"a@pve": 1}}, "people must be a map of user ids and names"),
        ("query", [], {"expression": "["}, "is not a JMESPath expression"),
        ("query", [], {"expression": None}, "query must be a JMESPath expression"),
        ("query", "x", {"expression": "abs(@)"}, "does not fit the data"),
    ],
)
def test_errors_are_one_sentence(name: str, value: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(AnsibleFilterError) as failure:
        FILTERS[name](value, **options)
    text = str(failure.value)
    assert text.startswith(f"pve.audit.{name}: ") and message in text and "\n" not in text
