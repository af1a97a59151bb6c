# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists of everything become one list of events."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.pve.audit.plugins.module_utils._evidence.read import read_events
from ansible_collections.pve.audit.plugins.module_utils._evidence.source import Context
from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._model.event import Event

UPID = "UPID:pve1:0000010A:0002BBEF:6B046DE4:vzdump:103:svc@pve!backup:"
ACCESS = '192.0.2.7 - a@pve [23/11/2026:02:13:05 +0100] "GET / HTTP/1.1" 200 83'
JOURNAL = "Nov 23 17:39:20 pve1 pvedaemon[1]: <root@pam> successful auth for user 'a@pve'"
RUNNING = {"upid": UPID, "status": "RUNNING", "saved": "0", "user": "svc@pve!backup"}
DONE = {"upid": UPID, "status": "OK", "endtime": 1795453355}
REFERENCE = 1795456000.0
RECORD = json.dumps(
    {
        "MESSAGE": "<root@pam> successful auth for user 'a@pve'",
        "SYSLOG_IDENTIFIER": "pvedaemon",
        "__CURSOR": "s=1;i=1",
        "__REALTIME_TIMESTAMP": "1795452098185390",
    }
)

LISTS: list[tuple[list[Any], list[tuple[str | None, str]]]] = [
    ([], []),
    (["", " ", "\n", b""], []),
    ([RUNNING, DONE], [("pve.task", "success")]),
    ([DONE, RUNNING, f"{UPID} 0"], [("pve.task", "success")]),
    ([f"{UPID} 0", f"{UPID} 6B0471AB OK"], [("pve.task", "success")]),
    ([f"{UPID} 1 6B0471AB OK".encode()], [("pve.task", "success")]),
    ([ACCESS, ACCESS], [("pve.access", "success")] * 2),
    ([JOURNAL, {"n": 3, "t": JOURNAL}], [("pve.auth", "success")] * 2),
    (["s=9b8a58e1;i=722;b=03", "-- No entries --", {"n": 1, "t": "-- No entries --"}], []),
    ([{"MESSAGE": "x", "SYSLOG_IDENTIFIER": "cron"}], []),
    ([{"upid": "UPID:broken", "node": "pve9"}, "UPID:broken"], [("pve.task", "unknown")] * 2),
    (["what is this"], [(None, "unknown")]),
    ([f" {UPID} 6B0471AB OK", f"\t{ACCESS}", " more of a message"], [(None, "unknown")] * 2),
    ([RECORD, json.loads(RECORD)], [("pve.auth", "success")]),
    ([RECORD[:-5], "{}", '{"event": {"id": "1"}}', "{" * 3000], [(None, "unknown")] * 4),
    ([DONE, ACCESS, JOURNAL], [("pve.task", "success"), ("pve.access", "success"), ("pve.auth", "success")]),
]


def read(items: list[Any], source: str = "auto") -> list[Event]:
    """The events of lines of pve1, with a reference time."""
    return read_events(items, source, Context("pve1", REFERENCE))


@pytest.mark.parametrize(("items", "want"), LISTS)
def test_lists(items: list[Any], want: list[tuple[str | None, str]]) -> None:
    events = read(items)
    assert [(event["event"].get("dataset"), event["event"]["outcome"]) for event in events] == want
    assert read(events) == events
    assert len({event["event"]["id"] for event in events}) == len(events)


def test_an_event_kept_by_an_older_release_gets_its_account() -> None:
    kept = {"event": {"id": "1"}, "user": {"id": "svc@pve!backup", "name": "svc", "domain": "pve"}}
    (event,) = read([kept])
    assert event["user"] == {**kept["user"], "account": "svc@pve"}
    assert "account" not in kept["user"]


@pytest.mark.parametrize(
    ("source", "dataset"), [("task", "pve.task"), ("access", "pve.access"), ("journal", "pve.auth"), ("auto", None)]
)
def test_a_broken_line_belongs_to_the_source_that_was_named(source: str, dataset: str | None) -> None:
    (event,) = read(["broken"], source)
    assert event["event"].get("dataset") == dataset
    assert event["event"]["kind"] == "pipeline_error"
    assert event["host"] == {"name": "pve1"}


@pytest.mark.parametrize("item", [None, 7, 1.5, True, [], {}, {"upid": None}, {"t": 1}, {"event": "x"}, ("UPID:",)])
def test_an_item_of_no_known_kind_is_named(item: Any) -> None:
    with pytest.raises(InputError, match="item 2 of the list"):
        read([ACCESS, item])


def test_lines_that_the_api_wraps_are_read_when_their_source_is_named() -> None:
    (event,) = read([{"n": 3, "t": JOURNAL}], "journal")
    assert event["event"]["dataset"] == "pve.auth"


def test_the_order_of_the_input_is_kept_when_a_finished_task_replaces_a_running_one() -> None:
    events = read([RUNNING, ACCESS, DONE])
    assert [event["event"]["dataset"] for event in events] == ["pve.task", "pve.access"]


@pytest.mark.parametrize("part", ["pve", "user", "source", "host"])
@pytest.mark.parametrize("value", [None, [], 5])
def test_an_event_of_a_wrong_shape_is_refused(part: str, value: object) -> None:
    with pytest.raises(InputError, match=f"item 1 of the list: the event has '{part}', which is no mapping"):
        read([{"event": {"id": "1", "dataset": "pve.task"}, part: value}])
