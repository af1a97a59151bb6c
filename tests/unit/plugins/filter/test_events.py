# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter pve.audit.events: options, shapes of the input, and sentences for wrong ones."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.pve.audit.plugins.filter.events import FilterModule, events

TASK = {
    "upid": "UPID:pve1:000005D0:0007AF88:6B047A91:qmdestroy:501:dario@pve:",
    "endtime": 1795455635,
    "status": "OK",
}
ACCESS = '192.0.2.7 - a@pve [23/11/2026:02:13:05 +0100] "DELETE /api2/json/nodes/pve1/qemu/100 HTTP/1.1" 200 83'
JOURNAL = "Nov 23 17:39:20 pve1 pvedaemon[1]: <root@pam> successful auth for user 'a@pve'"


@pytest.mark.parametrize("value", [[TASK], {"tasks": [TASK], "coverage": []}, {"data": [TASK]}, (TASK,), iter([TASK])])
def test_shapes_of_the_input(value: Any) -> None:
    (event,) = events(value)
    assert event["event"]["action"] == "guest.destroy"
    assert event["pve"]["vmid"] == 501
    assert event["pve"]["severity"] == "critical"
    assert event["event"]["id"] == TASK["upid"]


def test_calls_are_named_too() -> None:
    (event,) = events([ACCESS], source="access", node="pve7")
    assert (event["event"]["action"], event["pve"]["vmid"], event["host"]["name"]) == ("guest.destroy", 100, "pve7")


def test_a_request_that_the_server_could_not_read_has_no_call() -> None:
    (event,) = events(['192.0.2.7 - - [23/11/2026:02:13:05 +0100] "-" 400 11'])
    assert event["event"]["kind"] == "event"
    assert "url" not in event


@pytest.mark.parametrize("reference", [1795456000, "1795456000", "2026-11-23T17:46:40Z", "2026-11-24", 1795456000.5])
def test_the_reference_gives_the_year(reference: Any) -> None:
    (event,) = events([JOURNAL], reference=reference, timezone="Europe/Berlin")
    assert event["@timestamp"] == "2026-11-23T16:39:20Z"


def test_without_a_reference_it_is_now() -> None:
    (event,) = events([JOURNAL])
    assert event["event"]["kind"] == "event"


WRONG: list[tuple[Any, dict[str, Any], str]] = [
    (None, {}, "a list of tasks, lines or records is needed, not NoneType"),
    ("UPID:x", {}, "not str"),
    (7, {}, "not int"),
    ({"results": []}, {}, "is needed, not dict"),
    ([TASK, 7], {}, "item 2 of the list: a int is neither"),
    ([{}], {}, "item 1 of the list"),
    ([], {"source": "syslog"}, "source 'syslog' is unknown"),
    ([], {"source": []}, "is unknown"),
    ([], {"node": None}, "node is a name"),
    ([], {"timezone": "Mars/Base"}, "Mars/Base"),
    ([], {"reference": "soon"}, "'soon' is not a time"),
    ([], {"reference": {}}, "is not a time"),
]


@pytest.mark.parametrize(("value", "options", "sentence"), WRONG)
def test_wrong_types_give_one_sentence(value: Any, options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(AnsibleFilterError, match=r"^pve\.audit\.events: ") as error:
        events(value, **options)
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)


def test_the_filter_has_its_name() -> None:
    assert FilterModule().filters() == {"events": events}
