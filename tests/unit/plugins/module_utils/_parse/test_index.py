# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines of the task index and of the list of active tasks, whole and broken."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._parse.index import parse_index, parse_index_line
from ansible_collections.pve.audit.plugins.module_utils._parse.lines import EventIds

UPID = "UPID:pve1:0000010A:0002BBEF:6B046DE4:vzdump:103:svc@pve!backup:"
COLON = "UPID:pve1:0000010A:0002BBEF:6B046DE4:imgcopy:pve1:local:root@pam:"
SPACE = "UPID:pve1:0000010A:0002BBEF:6B046DE4:imgcopy:a b: c:root@pam:"
TASKS: list[tuple[str | bytes, dict[str, Any]]] = [
    (f"{UPID} 6B0471AB OK\n", {"upid": UPID, "endtime": 0x6B0471AB, "status": "OK", "state": "ok", "user": "svc@pve"}),
    (f"{UPID} 6b0471ab OK", {"endtime": 0x6B0471AB, "tokenid": "backup"}),
    (f"{UPID} 6B0471AB OK\r\n", {"status": "OK", "state": "ok"}),
    (f"{UPID} 6B0471AB WARNINGS: 2", {"state": "warning"}),
    (f"{UPID} 6B0471AB command 'x' failed: 6B0471AB OK", {"status": "command 'x' failed: 6B0471AB OK"}),
    (f"{UPID} 6B0471AB OK ", {"status": "OK", "state": "ok"}),
    (f"{UPID} 6B0471AB O", {"status": "O", "state": "unknown"}),
    (f"{UPID} 6B0471AB WARNI", {"status": "WARNI", "state": "unknown"}),
    (f"{UPID} 6B0471AB", {"endtime": 0x6B0471AB, "status": None, "state": "unknown"}),
    (f"{UPID} 6B0471AB ", {"endtime": 0x6B0471AB, "status": None, "state": "unknown"}),
    (UPID, {"endtime": None, "status": None, "state": "unknown"}),
    (f"{UPID} 00000000 OK", {"endtime": None, "status": "OK"}),
    (f"{UPID} 0", {"endtime": None, "status": "RUNNING", "state": "running"}),
    (f"{UPID} 1", {"endtime": None, "status": None, "state": "unknown"}),
    (f"{UPID} 1 6B0471AB OK", {"endtime": 0x6B0471AB, "status": "OK", "state": "ok"}),
    (f"{UPID} 0 6B0471AB", {"endtime": 0x6B0471AB, "status": None, "state": "unknown"}),
    (f"{COLON} 6B0471AB OK", {"upid": COLON, "id": "pve1:local", "state": "ok", "user": "root@pam"}),
    (f"{SPACE} 6B0471AB OK", {"upid": SPACE, "id": "a b: c", "state": "ok"}),
    (f"{UPID} 6B0471AB".encode() + b" caf\xe9 \xc3\xa9", {"status": "caf\\xe9 é", "state": "error"}),
    (f"{UPID} 6B0471AB caf\udce9 é", {"status": "caf\\xe9 é"}),
]
CORRUPT = [
    ("garbage line", "does not start with a UPID"),
    (b"\xff\xfe binary \x00 stuff", "has NUL bytes"),
    (b"\xff\xfe binary \x00 UPID:pve1:", "does not start with a UPID"),
    ("UPID:pve2:short:x", "UPID is not complete"),
    ("UPID:pve1:0000010A:0002BBEF:6B046DE4:vzdump:103:svc@pve", "UPID is not complete"),
    ("UPID:pve1:0000010A:0002BBEF:6B046DE4:imgcopy:pve1:local:", "UPID is not complete"),
    (f"{UPID} notahex OK", "not eight hexadecimal digits"),
    (f"{UPID} 6B0471A OK", "not eight hexadecimal digits"),
    (f"{UPID} 6B0471ABC OK", "not eight hexadecimal digits"),
    (f"{UPID} OK", "not eight hexadecimal digits"),
]


@pytest.mark.parametrize(("line", "want"), TASKS)
def test_a_line_is_a_task(line: str | bytes, want: dict[str, Any]) -> None:
    task = parse_index_line(line)
    assert {key: task.get(key) for key in want} == want


@pytest.mark.parametrize(("line", "reason"), CORRUPT)
def test_a_broken_line_says_why(line: str | bytes, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        parse_index_line(line)


def test_an_index_loses_no_line() -> None:
    lines = [
        UPID,
        f"{UPID} 6B0471AB",
        "",
        f"{UPID} 6B0471AB OK",
        f"{COLON} 6B0471AB OK",
        "garbage",
        f"{UPID} 0",
        "garbage",
    ]
    result = parse_index(lines, "pve1")
    assert [(task["upid"], task.get("status")) for task in result.tasks] == [(UPID, "OK"), (COLON, "OK")]
    assert [(item.number, item.line) for item in result.corrupt] == [(6, "garbage"), (8, "garbage")]
    assert (result.repeated, result.blank, result.lines) == (3, 1, len(lines))
    events = result.corrupt_events(EventIds())
    assert [event["event"]["kind"] for event in events] == ["pipeline_error"] * 2
    assert len({event["event"]["id"] for event in events}) == 2
    assert events[0]["host"] == {"name": "pve1"}
    assert events[0]["event"]["original"] == "garbage"
