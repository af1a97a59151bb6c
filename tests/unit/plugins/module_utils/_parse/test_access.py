# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines of access.log, honest and hostile."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.pve.audit.plugins.module_utils._model.event import get_field
from ansible_collections.pve.audit.plugins.module_utils._parse.access import (
    looks_like_access,
    parse_access,
    parse_access_line,
    read_access_line,
)
from ansible_collections.pve.audit.plugins.module_utils._parse.lines import EventIds

TIME = "[23/11/2026:02:13:05 +0100]"


def line(
    request: str, *, client: str = "192.0.2.7", user: str = "a@pve", tail: str = "200 83", time: str = TIME
) -> str:
    """A line of the log."""
    return f'{client} - {user} {time} "{request}" {tail}'


DELETE = "DELETE /api2/json/nodes/pve1/qemu/100?purge=1 HTTP/1.1"
LINES: list[tuple[str | bytes, dict[str, Any]]] = [
    (
        line(DELETE),
        {
            "@timestamp": "2026-11-23T01:13:05Z",
            "event.kind": "event",
            "event.dataset": "pve.access",
            "event.outcome": "success",
            "event.original": line(DELETE),
            "user": {"id": "a@pve", "account": "a@pve", "name": "a", "domain": "pve"},
            "source.ip": "192.0.2.7",
            "host.name": "pve1",
            "http": {"request": {"method": "DELETE"}, "response": {"status_code": 200, "body": {"bytes": 83}}},
            "url": {"path": "/api2/json/nodes/pve1/qemu/100", "query": "purge=1"},
            "pve": {"channel": "api"},
        },
    ),
    (line(DELETE, client="::ffff:192.0.2.7"), {"source.ip": "192.0.2.7"}),
    (line(DELETE, client="2001:DB8::0:1"), {"source.ip": "2001:db8::1"}),
    (line(DELETE, client="-"), {"source": None, "event.kind": "event"}),
    (line(DELETE, user="-"), {"user": None}),
    (
        line(DELETE, user="iac@pve!ci"),
        {"user.id": "iac@pve!ci", "user.name": "iac", "pve": {"channel": "api_token", "token": "ci"}},
    ),
    (line(DELETE, user='a[b]"c@pve'), {"user.name": 'a[b]"c'}),
    (line(DELETE, time="[01/01/2027:00:30:00 +0530]"), {"@timestamp": "2026-12-31T19:00:00Z"}),
    (line(DELETE, time="[31/12/2026:23:30:00 -0100]"), {"@timestamp": "2027-01-01T00:30:00Z"}),
    (line(DELETE, tail="403 -"), {"event.outcome": "failure", "http.response": {"status_code": 403}}),
    (line(DELETE, tail="500 -"), {"event.outcome": "failure"}),
    (line(DELETE, tail="- -"), {"event.outcome": "unknown", "http.response": None}),
    (line(DELETE, tail="101 -"), {"event.outcome": "success"}),
    (
        line("POST /api2/extjs/access/ticket HTTP/1.1", user="-"),
        {"event.outcome": "unknown", "pve": {"channel": "gui_ticket"}},
    ),
    (
        line("POST /api2/%65xtjs//access/ticket HTTP/1.1"),
        {"event.outcome": "unknown", "url.path": "/api2/extjs/access/ticket"},
    ),
    (line("POST /api2/htmljs/nodes/a/upload HTTP/1.1"), {"event.outcome": "unknown"}),
    (line("POST /api2/extjs/x HTTP/1.1", tail="401 1"), {"event.outcome": "failure"}),
    (line("GET / HTTP/1.1", user="-"), {"event.outcome": "success", "pve": {"channel": "unknown"}}),
    (
        line("-", user="-", tail="400 11"),
        {"http": {"response": {"status_code": 400, "body": {"bytes": 11}}}, "url": None, "event.kind": "event"},
    ),
    (line("GET /api2/json/%71emu HTTP/1.1"), {"url.path": "/api2/json/qemu"}),
    (line("GET /api2/json/users/zo%C3%AB%40pve HTTP/1.1"), {"url.path": "/api2/json/users/zoë@pve"}),
    (line("GET /api2/json/%FF HTTP/1.1"), {"url.path": "/api2/json/\\xff"}),
    (
        line("GET https://pve1:8006/api2/json/version?a=1#b HTTP/1.1"),
        {"url": {"path": "/api2/json/version", "query": "a=1"}},
    ),
    (
        line("GET /innocent DELETE /api2/json/pools/x HTTP/1.1"),
        {"http.request.method": "DELETE", "url.path": "/api2/json/pools/x"},
    ),
    (line("GET /a?x=a b HTTP/1.1", tail="501 -"), {"http.request.method": "/a?x=a", "url.path": "b"}),
    (line('EVIL"X /api2/json/version HTTP/1.1', tail="501 -"), {"http.request.method": 'EVIL"X'}),
    (line('GET /a" 200 5 HTTP/1.1', tail="403 7"), {"event.outcome": "failure"}),
    (
        line('GET /x HTTP/1.1" 200 5\r1.2.3.4 - root@pam [23/11/2026:02:13:05 +0100] "GET /y HTTP/1.1'),
        {"user.id": "a@pve", "url.path": "/x", "event.outcome": "unknown", "http.response": None},
    ),
    (line("get /x HTTP/1.0"), {"http.request.method": "get"}),
    (line("GET /x\x1b[31m HTTP/1.1"), {"url.path": "/x\x1b[31m"}),
    (line("GET /x HTTP/1.1").encode().replace(b"/x", b"/\xe9\xff"), {"url.path": "/\\xe9\\xff"}),
    (line("GET /x HTTP/1.1").replace("/x", "/\udce9"), {"url.path": "/\\xe9"}),
    (line("GET /\ud800 HTTP/1.1"), {"url.path": "/\\ud800"}),
    (
        line("GET /api2/json/w?port=1&vncticket=PVEVNC%3A6B%3A%3Aabc HTTP/1.1"),
        {
            "url.query": "port=1&vncticket=REDACTED",
            "event.original": line("GET /api2/json/w?port=1&vncticket=REDACTED HTTP/1.1"),
        },
    ),
    (line('GET /a?password=x"y HTTP/1.1'), {"event.original": line("GET /a?password=REDACTED HTTP/1.1")}),
]
CORRUPT: list[str | bytes] = [
    "garbage",
    "",
    b"\x00\xff",
    line(DELETE)[:-4],
    line(DELETE)[5:],
    line(DELETE, time="[23/Nov/2026:02:13:05 +0100]"),
    line(DELETE, time="[31/02/2026:02:13:05 +0100]"),
    line(DELETE, time="[23/13/2026:02:13:05 +0100]"),
    line(DELETE, time="[23/11/2026:24:13:05 +0100]"),
    line(DELETE, time="[23/11/2026:02:13:05 +9900]"),
    line(DELETE, time="[01/01/0001:02:13:05 +0100]"),
    line(DELETE, tail="200 83 x"),
    line(DELETE, tail="two 83"),
    line(DELETE, user="a b@pve"),
    line(DELETE, user="a\0b@pve"),
]


@pytest.mark.parametrize(("text", "want"), LINES)
def test_a_line_is_an_event(text: str | bytes, want: dict[str, Any]) -> None:
    event = parse_access_line(text, "pve1", EventIds())
    assert {key: get_field(event, key) for key in want} == want


BOB = line(DELETE, user="bob@pve", client="192.0.2.7")
CAROL = line("PUT /api2/json/pools/x HTTP/1.1", user="carol@pve", client="2001:db8::15", tail="403 25")
AT = BOB.index("DELETE")


@pytest.mark.parametrize("cut", range(1, len(BOB)))
@pytest.mark.parametrize("nuls", ["", "\0\0\0\0"])
def test_a_cut_line_names_nobody_for_what_ran_into_it(cut: int, nuls: str) -> None:
    found = read_access_line(BOB[:cut] + nuls + CAROL, "pve1", EventIds())
    events = found if isinstance(found, list) else [found]
    assert any(event["event"]["kind"] == "pipeline_error" for event in events)
    for event in events:
        assert event["event"]["outcome"] == "unknown"
        if event["event"]["kind"] == "event":
            assert (event["user"]["id"], event["http"]["request"]["method"]) == ("bob@pve", "DELETE")
            assert event["source"]["ip"] == "192.0.2.7"
            assert event["error"]["message"]
            assert cut > AT + len("DELETE /")


def test_a_client_cannot_hide_behind_a_line_of_its_own_making() -> None:
    event = parse_access_line(line(f"{DELETE} {CAROL[:-8]}", user="bob@pve"), "pve1", EventIds())
    assert (event["user"]["id"], event["url"]["path"]) == ("bob@pve", "/api2/json/nodes/pve1/qemu/100")


def test_a_line_behind_what_the_disk_lost_is_whole() -> None:
    found = read_access_line("\0" * 30 + CAROL, "pve1", EventIds())
    assert isinstance(found, list)
    assert [event["event"]["kind"] for event in found] == ["pipeline_error", "event"]
    assert found[1]["user"]["id"] == "carol@pve"


@pytest.mark.parametrize("text", CORRUPT)
def test_a_broken_line_is_shown(text: str | bytes) -> None:
    event = parse_access_line(text, "pve1", EventIds())
    assert event["event"]["kind"] == "pipeline_error"
    assert event["event"]["outcome"] == "unknown"
    assert event["error"]["message"]
    assert "user" not in event
    assert event["host"] == {"name": "pve1"}


def test_identical_lines_of_one_log_stay_two_and_reading_again_gives_the_same_ids() -> None:
    lines: list[str | bytes] = [line(DELETE), line(DELETE), line("GET / HTTP/1.1"), line(DELETE) + "\n", b"", "\n"]
    first = [event["event"]["id"] for event in parse_access(lines, "pve1")]
    assert len(set(first)) == 4
    assert all(len(item) == 39 and item.startswith("access:") for item in first)
    assert first == [event["event"]["id"] for event in parse_access([*lines, line("GET /2 HTTP/1.1")], "pve1")][:4]
    assert not set(first) & {event["event"]["id"] for event in parse_access(lines, "pve2")}


@pytest.mark.parametrize(
    ("text", "want"),
    [
        (line(DELETE), True),
        (line(DELETE)[:40], True),
        ("UPID:x", False),
        ("Nov 23 17:39:20 pve1 a[1]: b - c [2", False),
    ],
)
def test_the_shape_tells(text: str, want: bool) -> None:
    assert looks_like_access(text) is want
