# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records of the task API: three shapes, odd types, and the event they become."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._parse.index import parse_index_line
from ansible_collections.pve.audit.plugins.module_utils._parse.task import parse_task, task_event

UPID = "UPID:pve1:0000010A:0002BBEF:6B046DE4:vzdump:103:svc@pve!backup:"
BASE = {"upid": UPID, "node": "pve1", "type": "vzdump", "id": "103"}
UNIFORM = {
    "upid": UPID,
    "node": "pve1",
    "pid": 266,
    "pstart": 179183,
    "starttime": 1795452388,
    "type": "vzdump",
    "id": "103",
    "user": "svc@pve",
    "tokenid": "backup",
}
RECORDS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (
        {"user": "svc@pve", "tokenid": "backup", "endtime": 1795453355, "status": "OK"},
        {"endtime": 1795453355, "status": "OK", "state": "ok"},
    ),
    ({"user": "svc@pve!backup", "status": "RUNNING", "saved": "0"}, {"status": "RUNNING", "state": "running"}),
    ({"user": "svc@pve", "saved": "0", "pid": 266}, {"status": "RUNNING", "state": "running"}),
    ({"user": "svc@pve", "saved": 0}, {"status": "RUNNING", "state": "running"}),
    ({"saved": "1"}, {"state": "unknown"}),
    ({}, {"state": "unknown"}),
    ({"status": None, "endtime": None}, {"state": "unknown"}),
    ({"status": 5, "endtime": "1795453355"}, {"endtime": 1795453355, "state": "unknown"}),
    ({"status": "OK", "endtime": True}, {"status": "OK", "state": "ok"}),
    ({"status": "OK", "endtime": -1}, {"status": "OK", "state": "ok"}),
    ({"status": "OK", "endtime": 10**15}, {"status": "OK", "state": "ok"}),
    ({"status": "OK", "endtime": 1795453355.0}, {"endtime": 1795453355, "status": "OK", "state": "ok"}),
    ({"status": "OK", "endtime": [1], "pid": "x", "starttime": {}}, {"status": "OK", "state": "ok"}),
    ({"status": "dÃ©faut"}, {"status": "défaut", "state": "error"}),
]


@pytest.mark.parametrize(("fields", "want"), RECORDS)
def test_records_become_uniform(fields: dict[str, Any], want: dict[str, Any]) -> None:
    task = parse_task(BASE | fields)
    assert task == UNIFORM | want
    assert parse_task(task) == task
    assert task_event(task) == task_event(BASE | fields)


@pytest.mark.parametrize("record", [None, [], "x", {}, {"upid": None}, {"upid": 7}, {"upid": "UPID:x"}])
def test_no_readable_upid_is_an_input_error(record: Any) -> None:
    with pytest.raises(InputError):
        parse_task(record)


def test_bytes_that_the_api_took_for_characters_are_put_together_once() -> None:
    name = "UPID:pve1:001E6CB4:11C89A04:6B042D4D:qmstop:100:zoÃ«@pve:"
    as_api = name.encode().decode("latin-1")
    task = parse_task({"upid": as_api, "status": "OK"})
    assert task["upid"] == name
    assert parse_task(task) == task
    assert parse_task({"upid": "UPID:pve1:001E6CB4:11C89A04:6B042D4D:qmstop:日本:a@pve:"})["id"] == "日本"


def test_event_of_a_finished_task() -> None:
    line = f"{UPID} 6B0471AB failed: --password hunter2"
    assert task_event(parse_index_line(line)) == {
        "@timestamp": "2026-11-23T16:46:28Z",
        "event": {
            "id": UPID,
            "kind": "event",
            "dataset": "pve.task",
            "outcome": "failure",
            "original": f"{UPID} 6B0471AB failed: --password REDACTED",
            "start": "2026-11-23T16:46:28Z",
            "end": "2026-11-23T17:02:35Z",
        },
        "user": {"id": "svc@pve!backup", "account": "svc@pve", "name": "svc", "domain": "pve"},
        "host": {"name": "pve1"},
        "error": {"message": "failed: --password REDACTED"},
        "pve": {
            "upid": UPID,
            "task_type": "vzdump",
            "state": "error",
            "status": "failed: --password REDACTED",
            "object": "103",
            "token": "backup",
            "channel": "api_token",
        },
    }


def test_event_of_a_running_task_has_no_end() -> None:
    event = task_event({"upid": "UPID:pve1:0000010A:0002BBEF:6B046DE4:aptupdate::root@pam:", "status": "RUNNING"})
    assert "end" not in event["event"]
    assert event["event"]["outcome"] == "unknown"
    assert event["pve"] == {
        "upid": event["event"]["id"],
        "task_type": "aptupdate",
        "state": "running",
        "status": "RUNNING",
        "channel": "unknown",
    }
