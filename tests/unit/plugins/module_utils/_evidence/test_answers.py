# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The length of an answer says how a call ended: by the formats of the server, and on recordings with the truth."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.pve.audit.plugins.module_utils._classify.returns import ID_LENGTHS, type_lengths
from ansible_collections.pve.audit.plugins.module_utils._classify.tasks import TASK_ACTIONS
from ansible_collections.pve.audit.plugins.module_utils._evidence.read import classify_event, read_events
from ansible_collections.pve.audit.plugins.module_utils._evidence.source import Context
from ansible_collections.pve.audit.plugins.module_utils._model.event import Event, get_field

from .._parse.recordings import SCENARIOS, read_lines, read_records

UPID = "UPID:pve1:000005D0:0007AF88:6B047A91:qmdestroy:501:a@pve:"


def extjs(data: Any, status: int = 200, message: str | None = None) -> int:
    """The length of an answer for the web interface."""
    refusal = {} if message is None else {"message": message, "status": status}
    answer = {"data": data, **refusal, "success": int(message is None)}
    return len(json.dumps(answer, separators=(",", ":"), ensure_ascii=False).encode())


def outcome(call: str, length: int | str, *, user: str = "a@pve", status: int = 200) -> str:
    """The outcome of a call, with `+` where a task was started."""
    line = f'192.0.2.7 - {user} [23/11/2026:02:13:05 +0100] "{call} HTTP/1.1" {status} {length}'
    (event,) = [classify_event(found) for found in read_events([line], "access", Context("pve1"))]
    return event["event"]["outcome"] + ("+" if event["pve"].get("accepted") else "")


X, J = "/api2/extjs", "/api2/json"
DENIED = extjs(None, 403, "Permission check failed (/vms/501, VM.Allocate)\n")
CASES = [
    (f"PUT {X}/access/users/b%40pve", extjs(None), "success"),
    (f"PUT {X}/access/users/b%40pve", DENIED, "failure"),
    (f"PUT {X}/access/users/b%40pve", extjs(None, 500, "x"), "failure"),
    (f"PUT {X}/access/users/b%40pve", 40, "unknown"),
    (f"PUT {X}/access/users/b%40pve", "-", "unknown"),
    (f"PUT {J}/access/users/b%40pve", 13, "success"),
    (f"POST {X}/access/users/b@pve/token/ci", DENIED, "unknown"),
    (f"POST {X}/storage", extjs({"storage": "a", "type": "dir"}), "unknown"),
    (f"POST {X}/nodes/pve1/qemu/501/vncproxy", 2667, "unknown"),
    (f"POST {X}/nosuch", extjs(None), "unknown"),
    (f"POST {X}/access/tfa", extjs(None), "unknown"),  # of older releases
    (f"POST {X}/access/ticket", 77, "failure"),
    (f"POST {X}/access/ticket", 615, "success"),
    (f"POST {X}/access/ticket", 40, "unknown"),
    (f"POST {X}/access/openid/login", 700, "success"),
    (f"POST {X}/access/openid/login", extjs(None, 401, "authentication failure\n"), "failure"),
    (f"PUT {X}/access/users/b@pve/unlock-tfa", extjs(1), "success"),
    (f"PUT {X}/access/users/b@pve/unlock-tfa", DENIED, "failure"),
    (f"DELETE {X}/nodes/pve1/qemu/501?purge=1", extjs(UPID), "unknown+"),
    (f"DELETE {X}/nodes/pve1/qemu/501", extjs(UPID) + 1, "unknown+"),
    (f"DELETE {X}/nodes/pve1/qemu/501", extjs(UPID) - 1, "unknown"),
    (f"DELETE {X}/nodes/pve1/qemu/501", extjs(None), "unknown+"),
    (f"DELETE {X}/nodes/pve1/qemu/501", DENIED, "failure"),
    (f"DELETE {X}/nodes/localhost/qemu/501", DENIED, "unknown"),
    (f"DELETE {J}/nodes/pve1/qemu/501", 70, "unknown+"),
    (f"DELETE {J}/nodes/pve1/qemu/501", "-", "unknown+"),
    (f"POST {J}/nodes/pve1/qemu/501/vncproxy", 2010, "unknown+"),
    (f"POST {X}/nodes/pve1/qemu", extjs(UPID.replace("qmdestroy", "qmcreate")), "unknown+"),
    (f"POST {X}/nodes/pve1/qemu", extjs(UPID.replace("qmdestroy:501", "qmrestore:999999999")), "unknown+"),
    (f"POST {X}/nodes/pve1/qemu", DENIED, "failure"),
    (f"POST {X}/nodes/pve1/vzdump", extjs(UPID.replace("qmdestroy:501", "vzdump:")), "unknown+"),
    (f"PUT {X}/nodes/pve1/disks/wipedisk", DENIED, "unknown"),  # the id of the task is not known
    (f"POST {X}/cluster/bulk-action/guest/start", DENIED, "unknown"),  # nor is the node here
    ("POST /api2/htmljs/nodes/pve1/storage/local/upload", 120, "unknown"),
    (f"GET {X}/nodes", 25, "unknown"),
    (f"GET {J}/nodes", 99, "success"),
]


@pytest.mark.parametrize(("call", "length", "want"), CASES)
def test_the_length_decides(call: str, length: int | str, want: str) -> None:
    assert outcome(call, length) == want


ENDS = [
    (400, 91, "failure"),
    (401, "-", "failure"),
    (403, "-", "failure"),
    (500, 96, "failure"),
    (501, "-", "failure"),
    (595, "-", "failure"),
    (500, "-", "unknown"),  # the client did not wait
    (596, "-", "unknown"),  # the other node did not answer
    (599, "-", "unknown"),
]


@pytest.mark.parametrize(("status", "length", "want"), ENDS)
@pytest.mark.parametrize("call", [f"PUT {X}/access/acl", f"DELETE {J}/nodes/pve1/qemu/501"])
def test_a_refused_call_is_a_failure_and_one_without_an_answer_is_not(
    call: str, status: int, length: int | str, want: str
) -> None:
    assert outcome(call, length, status=status) == want


def test_a_read_without_an_answer_changed_nothing() -> None:
    assert outcome(f"GET {J}/nodes/pve1/lxc", "-", status=596) == "failure"


@pytest.mark.parametrize("user", ["CORP\\adm.bob@corp-ad", "a@pve!ci", 'b"c@pve'])
def test_the_user_is_written_as_json_does(user: str) -> None:
    upid = UPID.replace("a@pve", user)
    assert outcome(f"DELETE {X}/nodes/pve1/qemu/501", extjs(upid), user=user) == "unknown+"


def test_a_user_beyond_ascii_decides_nothing() -> None:
    assert outcome(f"DELETE {X}/nodes/pve1/qemu/501", DENIED, user="zoë@pve") == "unknown"


@given(st.integers(100, 999_999_999), st.sampled_from(["pve1", "a", "node-with-a-long-name"]), st.booleans())
def test_no_task_of_a_guest_is_a_refusal(vmid: int, node: str, long_up: bool) -> None:
    pstart = "100000000" if long_up else "0007AF88"
    for kind, action in (
        ("qmdestroy", "destroy"),
        ("hastart", "start"),
        ("hastop", "shutdown"),
        ("qmigrate", "migrate"),
    ):
        method, tail = ("DELETE", "") if action == "destroy" else ("POST", f"/status/{action}")
        tail = "/migrate" if action == "migrate" else tail
        upid = f"UPID:{node}:000005D0:{pstart}:6B047A91:{kind}:{vmid}:a@pve:"
        assert outcome(f"{method} {X}/nodes/{node}/qemu/{vmid}{tail}", extjs(upid)) == "unknown+"


@pytest.mark.parametrize("action", ID_LENGTHS)
def test_every_call_whose_task_is_known_has_types(action: str) -> None:
    assert type_lengths(action) <= {len(kind) for kind in TASK_ACTIONS}
    assert type_lengths(action)


# scenario: (kind of the call, what it was in truth, what the line says): how often
TOLD = {
    "busy-day": {
        ("login", "failure", "failure"): 2, ("login", "success", "success"): 16,
        ("silent", "failure", "failure"): 28, ("silent", "success", "success"): 38,
        ("task", "success", "unknown"): 2, ("task", "success", "unknown+"): 176,
    },
    "revenge": {
        ("login", "failure", "failure"): 2, ("login", "success", "success"): 7,
        ("silent", "failure", "failure"): 3, ("silent", "success", "success"): 14, ("silent", "success", "unknown"): 1,
        ("task", "success", "unknown+"): 57,
    },
    "silent-changes": {
        ("login", "success", "success"): 6,
        ("silent", "failure", "failure"): 4, ("silent", "success", "success"): 74, ("silent", "success", "unknown"): 6,
        ("task", "success", "unknown+"): 3,
    },
}  # fmt: skip


def told_and_true(scenario: str) -> list[tuple[Event, dict[str, Any]]]:
    """Each writing call of the recording with its line on the node that took it."""
    lines: defaultdict[Any, list[Event]] = defaultdict(list)
    for node in ("pve1", "pve2", "pve3"):
        raw = read_lines(SCENARIOS / scenario / "nodes" / node / "access.log")
        for event in read_events(raw, "access", Context(node)):
            classify_event(event)
            call = (get_field(event, "http.request.method"), get_field(event, "url.path"), event["source"]["ip"])
            lines[(node, *call)].append(event)
    rows: defaultdict[Any, list[dict[str, Any]]] = defaultdict(list)
    for row in read_records(SCENARIOS / scenario / "truth.jsonl"):
        if row["path"].startswith("/api2/") and row["method"] != "GET":
            path = unquote(row["path"].partition("?")[0])
            rows[row["entry_node"], row["method"], path, row["client_ip"]].append(row)
    pairs = []
    for key, acts in rows.items():
        acts.sort(key=lambda row: row["t_end"])
        pairs += list(zip(sorted(lines[key], key=lambda event: event["@timestamp"]), acts, strict=True))
    return pairs


@pytest.mark.parametrize("scenario", TOLD)
def test_recorded_calls_end_as_the_truth_says(scenario: str) -> None:
    count: Counter[tuple[str, str, str]] = Counter()
    for event, row in told_and_true(scenario):
        kind = "task" if row["upid"] else "login" if row["path"].endswith("/ticket") else "silent"
        said = event["event"]["outcome"] + ("+" if event["pve"].get("accepted") else "")
        count[kind, "success" if row["api_status"] == 200 else "failure", said] += 1
    assert count == TOLD[scenario]
