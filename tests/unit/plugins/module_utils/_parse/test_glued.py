# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records that ran together: what is whole is recovered, and no stump names anybody."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ansible_collections.pve.audit.plugins.module_utils._evidence.read import read_events
from ansible_collections.pve.audit.plugins.module_utils._evidence.source import Context
from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._model.event import Event, get_field
from ansible_collections.pve.audit.plugins.module_utils._parse.glued import AMBIGUOUS, NULS, STUMP
from ansible_collections.pve.audit.plugins.module_utils._parse.index import parse_index
from ansible_collections.pve.audit.plugins.module_utils._parse.task import parse_task

BOB = "UPID:pve1:00001002:000AAAA2:6A48CA03:qmdestroy:102:bob@pve:"
CAROL = "UPID:pve1:00001003:000AAAA3:6A48CA05:qmstop:103:carol@pve!ci:"
END = f"{CAROL} 6A48CA06 OK"
QUOTE = f"no lock: held by {CAROL} for 5 s"
NUL = "\0" * 40

# A line, and what stands in it: a user with a status, or why it is not believed.
LINES: list[tuple[str, list[tuple[str, str | None] | str]]] = [
    (f"{BOB} 6A48CA04 {QUOTE}", [("bob@pve", QUOTE)]),
    (f"{BOB} 6A48CA04 waits for '{CAROL}'", [("bob@pve", f"waits for '{CAROL}'")]),
    (f"UP{END}", [STUMP, ("carol@pve!ci", "OK")]),
    (f"UPID:{END}", [STUMP, ("carol@pve!ci", "OK")]),
    (f"UPID:pv{END}", [STUMP, ("carol@pve!ci", "OK")]),
    (f"UPID:pve1:00001002:000AAAA2:6A48CA03:qmdestroy:10{END}", [STUMP, ("carol@pve!ci", "OK")]),
    (f"UPID:pve1:00001002:000AAAA2:6A48CA03:vzdump::root@p{END}", [STUMP, ("carol@pve!ci", "OK")]),
    (f"{BOB}{END}", [STUMP, ("carol@pve!ci", "OK")]),
    (f"{BOB} {END}", [STUMP, ("carol@pve!ci", "OK")]),
    (f"{BOB} 6A48C{END}", [STUMP, ("carol@pve!ci", "OK")]),
    (f"{BOB} 6A48CA04{END}", [STUMP, ("carol@pve!ci", "OK")]),
    (f"{BOB} 6A48CA04 {END}", [STUMP, ("carol@pve!ci", "OK")]),
    (f"{BOB} 6A48CA04 O{END}", [STUMP, ("carol@pve!ci", "OK")]),
    (f"{BOB} 6A48CA04 OK{END}", [STUMP, ("carol@pve!ci", "OK")]),
    (f"{BOB} 6A48CA04 WARNINGS: 1{END}", [STUMP, ("carol@pve!ci", "OK")]),
    (f"{BOB} 6A48CA04 job err{END}", [STUMP, ("carol@pve!ci", "OK")]),
    (f"{BOB} 1 6A48CA04 OK{CAROL} 1 6A48CA06 OK", [STUMP, ("carol@pve!ci", "OK")]),
    (f"{BOB} 6A48CA04 OK{CAROL} 6A48CA06", [STUMP, ("carol@pve!ci", None)]),
    (f"{BOB} 6A48CA04 OK{CAROL}", [STUMP, STUMP]),
    (f"{BOB} 6A48CA04 OK{CAROL} 6A48CA06 OK{NUL}", [STUMP, NULS]),
    (f"{BOB} 6A4{BOB} 6A48CA04 O{END}", [STUMP, STUMP, ("carol@pve!ci", "OK")]),
    (f"{BOB} 6A4{BOB} 6A48CA04 {QUOTE}", [STUMP, ("bob@pve", QUOTE)]),
    (f"{NUL}{END}", [NULS, ("carol@pve!ci", "OK")]),
    (f"{BOB} 6A{NUL}{END}", [NULS, ("carol@pve!ci", "OK")]),
    (f"{BOB} 6A48CA04 O{NUL}", [NULS]),
    (NUL, [NULS]),
    (f"{BOB} 6A48CA04 failed: {END}", [AMBIGUOUS]),
    (f"{BOB} 6A48CA04 command 'lvrem{END}", [AMBIGUOUS]),
    (f"{BOB} 6A48CA04 command 'lvrem{CAROL[:40]}", [AMBIGUOUS]),
    (f"{BOB} 6A48CA04 command 'lvrem{NUL}{END}", [AMBIGUOUS]),
    (f"{BOB} 6A48CA04 agent said: {CAROL}", [AMBIGUOUS]),
    (f"{BOB} 6A48CA04 agent said: {CAROL} ", [AMBIGUOUS]),
    (f"{BOB} 6A48CA04 agent said: {CAROL} 6A48C", [AMBIGUOUS]),
    (f"{BOB} 6A48CA04 agent said: {CAROL} 1 6A48C", [AMBIGUOUS]),
    (f"{BOB} 6A48C{'UPID:' * 40}", [AMBIGUOUS]),
    # Two halves, with the beginning of the second lost.
    ("UPID:pve1:00001002:000AAAA2:6A48CA03:qmdestroy:10AAA3:6A48CA05:qmstop:103:carol@pve: 6A48CA06 OK", ["damaged"]),
    ("UPID:pve1:00001002:000AAAA2:6A48CA03:imgdel:a@b:6A48CA05:qmstop:103:carol@pve: 6A48CA06 OK", ["damaged"]),
    ("UPID:pbs:00000A33:0004F2B2:0000000B:6AF81410:backup:s1:root@pam: 6AF81490 OK", ["Proxmox Backup Server"]),
]  # fmt: skip


def shown(event: Event) -> tuple[str, str | None] | str:
    """What the table says of an event."""
    if event["event"]["kind"] == "event":
        return event["user"]["id"], get_field(event, "pve.status")
    assert "user" not in event
    assert event["pve"] == {}
    return event["error"]["message"]


@pytest.mark.parametrize(("line", "want"), LINES)
def test_a_line_is_taken_apart(line: str, want: list[tuple[str, str | None] | str]) -> None:
    events = read_events([line.encode()], "task", Context("pve1"))
    got = [shown(event) for event in events]
    assert len(got) == len(want)
    for one, other in zip(got, want, strict=True):
        assert one == other or (isinstance(other, str) and other in one)
    assert [get_field(event, "pve.recovered") for event in events if event["event"]["kind"] == "event"] == [
        None if len(want) == 1 else True for item in want if not isinstance(item, str)
    ]
    index = parse_index([line], "pve1")
    assert index.lines == 1
    assert len(index.corrupt) == sum(isinstance(item, str) for item in want)


@pytest.mark.parametrize("head", ["", "U", "UPI", "UPID", NUL, f"{NUL}UP"])
def test_the_source_is_known_by_what_is_left(head: str) -> None:
    assert shown(read_events([head + END])[-1]) == ("carol@pve!ci", "OK")


@pytest.mark.parametrize(
    ("fields", "want"),
    [
        ({"status": f"OK{END}", "endtime": 0x6A48CA04}, [STUMP, ("carol@pve!ci", "OK")]),
        ({"status": f"OK{END}"}, [STUMP, ("carol@pve!ci", "OK")]),
        ({"status": f"failed {END}", "endtime": 0x6A48CA04}, [AMBIGUOUS]),
        ({"status": f"failed{NUL}", "endtime": 0x6A48CA04}, [NULS]),
        ({"status": QUOTE, "endtime": 0x6A48CA04}, [("bob@pve", QUOTE)]),
        ({"status": f"OK{END}", "endtime": 0x6A48CA04, "state": "error"}, [STUMP, ("carol@pve!ci", "OK")]),
    ],
)
def test_a_record_of_the_api_is_taken_apart(fields: dict[str, Any], want: list[Any]) -> None:
    record = {"upid": BOB, "user": "bob@pve"} | fields
    assert [shown(event) for event in read_events([record])] == want
    if want[0] in (STUMP, AMBIGUOUS, NULS):
        with pytest.raises(InputError):
            parse_task(record)


WHOLE = [
    f"{BOB} 6A48CA04 OK",
    f"{BOB} 6A48CA04 command 'lvremove' failed: exit code 5",
    END,
    f"{CAROL} 6A48CA06 WARNINGS: 12",
    "UPID:pve2:00001004:1000AAAA4:6A48CA07:vzdump::root@pam: 6A48CA08 job errors",
    "UPID:abc:00001005:000AAAA5:6A48CA09:imgcopy:pve1:local:dave@pve: 6A48CA0A unexpected status",
    "UPID:pve1:00001006:000AAAA6:6A48CA0B:qmigrate:104:CORP\\erin@ad: 6A48CA0C migration aborted",
]
LINE = st.sampled_from(WHOLE)


def told(event: Event) -> tuple[Any, ...]:
    """Who did what to which guest."""
    return event["user"]["id"], event["pve"]["task_type"], event["pve"].get("object")


@settings(max_examples=1500, database=None)
@given(
    st.sampled_from(WHOLE), st.integers(0, 120), st.sampled_from(WHOLE), st.integers(0, 120), st.sampled_from((0, 9))
)
@example(WHOLE[0], 90, WHOLE[2], 0, 0)
@example(WHOLE[1], 96, WHOLE[0], 4, 0)
@example(WHOLE[0], 0, WHOLE[5], 36, 0)
def test_two_lines_cut_anywhere_blame_nobody_wrongly(one: str, cut: int, other: str, rest: int, nuls: int) -> None:
    first, second = one[:cut], other[: len(other) - rest] if rest < len(other) else other
    true = {told(event) for line in (one, other) for event in read_events([line])}
    events = read_events([first + "\0" * nuls + second], "task", Context("pve1"))
    assert events
    assert {told(event) for event in events if event["event"]["kind"] == "event"} <= true
    # A stump is never a success or failure of its own, and a whole record behind one that no text could hide is there.
    if cut < len(one) and second.startswith("UPID:") and first.startswith("UPID:"):
        assert any(event["event"]["kind"] == "pipeline_error" for event in events)
    if cut < one.index(": ") and second == other:
        assert told(events[-1]) == told(read_events([other])[0])
