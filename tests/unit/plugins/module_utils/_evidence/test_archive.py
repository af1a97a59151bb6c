# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: E501  (log lines are long)
"""Lines of the archive, as the programs of nodes write them, say what the sources say; and so do relayed ones."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.pve.audit.plugins.module_utils._evidence.read import classify_event, read_events
from ansible_collections.pve.audit.plugins.module_utils._evidence.source import Context
from ansible_collections.pve.audit.plugins.module_utils._model.event import Event, get_field
from pve_audit.forward.journal import message_of, parse_entry
from pve_audit.forward.source import remark
from pve_audit.wire import Message, encode

from .._parse.recordings import CORPUS, read_lines

REFERENCE = 1795456000.0
MICROS = 1795455560000001
ACCESS = '192.0.2.9 - al@pve [23/11/2026:18:39:20 +0100] "DELETE /api2/json/nodes/pve1/qemu/105 HTTP/1.1" 200 70'
TASK = "UPID:pve1:000005D0:0007AF88:6B047A91:qmdestroy:501:dario@pve: 6B047AD3 OK"
REFUSED = "authentication failure; rhost=::ffff:192.0.2.9 user=root@pam msg=no"
BEAT = {"state": "1f", "beat": "7", "every": "60", "behind": "0"}


def archived(message: Message, frame: int = 8000) -> list[str]:
    """The lines that the collector keeps of a message."""
    return [frame_.decode() for frame_ in encode(message, frame)]


def of_file(path: str, texts: list[str], frame: int = 8000) -> list[str]:
    """The lines that are kept of a file."""
    lines, offset = [], 0
    for text in texts:
        params = {"file": path, "inode": "7", "fingerprint": "f", "offset": str(offset)}
        lines += archived(Message("pve1", "file", text, MICROS, app="x", facility=16, params=params), frame)
        offset += len(text.encode()) + 1
    return lines


def read(lines: list[Any]) -> list[Event]:
    """The events of lines."""
    return [classify_event(event) for event in read_events(lines, context=Context("", REFERENCE))]


def essence(event: Event) -> tuple[Any, ...]:
    """What an event says, but for its time: a record has two. A line has `#012` where a record has a line break."""
    keys = ("event.id", "event.action", "event.outcome", "user.id", "source.ip", "host.name", "process.pid")
    values = [
        get_field(event, key) for key in (*keys, "pve.cursor", "pve.loginuid", "pve.audit_session", "error.message")
    ]
    return tuple(value.replace("\n", "#012") if isinstance(value, str) else value for value in values)


@pytest.mark.parametrize("node", ["pve1", "pve2"])
def test_a_journal_and_its_archive_are_the_same_events(node: str) -> None:
    raw = read_lines(CORPUS / node / "journal.json")
    records = read([json.loads(line) for line in raw])
    lines = [text for line in raw for text in archived(message_of(parse_entry(line), node))]
    from_archive = read(lines)
    assert len(records) > 20
    assert list(map(essence, from_archive)) == list(map(essence, records))
    assert len(read([*(json.loads(line) for line in raw), *lines])) == len(records)


def test_a_forged_line_is_forged_in_the_archive_too() -> None:
    record = {"SYSLOG_IDENTIFIER": "pvedaemon", "MESSAGE": "<root@pam> successful auth for user 'bob@pve'", "_PID": "9"}
    record |= {"_UID": "1001", "_EXE": "/usr/bin/logger", "__REALTIME_TIMESTAMP": str(MICROS), "__CURSOR": "s=1;i=2"}
    (told,) = read([{**record, "_HOSTNAME": "pve1"}])
    (kept,) = read(archived(message_of(parse_entry(json.dumps(record).encode()), "pve1")))
    assert told["event"]["kind"] == kept["event"]["kind"] == "pipeline_error"
    assert told["error"] == kept["error"] and "somebody forged it" in told["error"]["message"]


@pytest.mark.parametrize(
    ("path", "name", "source"),
    [
        ("/var/log/pveproxy/access.log", "access.log", "access"),
        ("/var/log/pve-audit/tasks/2026.index", "index", "task"),
    ],
)
def test_a_file_and_its_archive_are_the_same_events(path: str, name: str, source: str) -> None:
    raw = [line.decode() for line in read_lines(CORPUS / "pve2" / name) if line.strip() and line.isascii()]
    texts = [line for line in raw if line.isprintable()]
    direct = [classify_event(event) for event in read_events(texts, source, Context("pve2", REFERENCE))]
    lines = [line.replace("pve1", "pve2") for line in of_file(path, texts)] if False else of_file(path, texts)
    lines = [line.replace(" pve1 ", " pve2 ", 1).replace('node="pve1"', 'node="pve2"', 1) for line in lines]
    assert read(lines) == direct
    assert read(lines + lines) == direct


RELAYED: list[tuple[str, tuple[Any, ...]]] = [
    (f"<30>Nov 23 17:39:20 pve1 pvedaemon[14]: {REFUSED}", ("access.authenticate", "root@pam", "192.0.2.9", "pve1")),
    (f"<30>2026-11-23T18:39:20+01:00 pve1 pvedaemon[14]: {REFUSED}", ("access.authenticate", "root@pam", "192.0.2.9", "pve1")),
    (f"<27>1 2026-11-23T18:39:20.1+01:00 pve1.lan pvedaemon 14 - - {REFUSED}", ("access.authenticate", "root@pam", "192.0.2.9", "pve1")),
    (f"<27>1 2026-11-23T17:39:20Z pve1 pvedaemon[14]: - - - {REFUSED}", ("access.authenticate", "root@pam", "192.0.2.9", "pve1")),
    (f"<27>1 2026-11-23T17:39:20Z pve1 - - - - pvedaemon[14]: {REFUSED}", ("access.authenticate", "root@pam", "192.0.2.9", "pve1")),
    (f'<27>1 2026-11-23T17:39:20Z pve1 pvedaemon 14 x [a@1 b="c\\"\\]"][d@1] \ufeff{REFUSED}', ("access.authenticate", "root@pam", "192.0.2.9", "pve1")),
    (f"<134>1 2026-11-23T17:39:20Z pve1.lan pveproxy - - - {ACCESS}", ("guest.destroy", "al@pve", "192.0.2.9", "pve1")),
    (f"<134>Nov 23 17:39:20 pve1 pveproxy: {ACCESS}", ("guest.destroy", "al@pve", "192.0.2.9", "pve1")),
    (f"Nov 23 17:39:20 pve1 pveproxy: {ACCESS}", ("guest.destroy", "al@pve", "192.0.2.9", "pve1")),
    (f"2026-11-23T17:39:20Z pve1 access: {ACCESS}", ("guest.destroy", "al@pve", "192.0.2.9", "pve1")),
    (f"<134>1 2026-11-23T17:39:20Z pve1 pve-task - - - {TASK}", ("guest.destroy", "dario@pve", None, "pve1")),
]  # fmt: skip


@pytest.mark.parametrize("source", ["auto", "journal", "archive"])
@pytest.mark.parametrize(("line", "says"), RELAYED)
def test_a_relayed_line_is_read(line: str, says: tuple[Any, ...], source: str) -> None:
    if source == "archive" and not line.startswith("<"):
        return
    found = [classify_event(event) for event in read_events([line], source, Context("other", REFERENCE))]
    keys = ("event.action", "user.id", "source.ip", "host.name")
    assert [tuple(get_field(event, key) for key in keys) for event in found] == [says]


BROKEN = [
    "<192>Nov 23 17:39:20 pve1 sshd[1]: Invalid user a from 192.0.2.9",
    "<30>soon pve1 sshd[1]: Invalid user a from 192.0.2.9",
    "<30>",
    "<30> ",
    "<27>1 2026-11-23T17:39:20Z pve1 sshd 14 - Invalid user a from 192.0.2.9",
    "<27>1 - pve1 sshd 14 - - Invalid user a from 192.0.2.9",
    "<27>1 2026-11-23T17:39:20 pve1 sshd 14 - - Invalid user a from 192.0.2.9",
    f'<13>1 2026-11-23T17:39:20Z pve1 x - - [pveaudit@32473 node="pve2" source="access.log" offset="1"] {ACCESS}',
    f'<13>1 2026-11-23T17:39:20Z pve1 x - - [pveaudit@32473 node="pve1" source="a" file="access.log" offset="1"] {ACCESS[9:]}',
]


@pytest.mark.parametrize("line", BROKEN)
def test_a_broken_line_is_shown(line: str) -> None:
    assert [event["event"]["kind"] for event in read([line])] == ["pipeline_error"]


def test_a_line_in_parts_is_one_event() -> None:
    command = "x" * 3000
    text = f"  al : PWD=/ ; USER=root ; COMMAND=/bin/echo {command}"
    params = {"cursor": "s=1f;i=5", "pid": "9"}
    parts = archived(Message("pve1", "journal", text, MICROS, app="sudo", procid="9", params=params), 1200)
    assert len(parts) > 2
    whole = read([*parts, *parts])
    assert [get_field(event, "process.command_line") for event in whole] == [f"/bin/echo {command}"]
    for missing in range(len(parts)):
        found = read(parts[:missing] + parts[missing + 1 :])
        assert [event["event"]["kind"] for event in found] == ["pipeline_error"]


LOST: list[tuple[Message, tuple[Any, ...]]] = [
    (remark("pve1", "journal_hole", "entries may be missing", MICROS, after="s=1"), ("logging.messages.lost", "journal_hole", None)),
    (remark("pve1", "file_gone", "/a is gone", MICROS, file="/a"), ("logging.messages.lost", "file_gone", None)),
    (Message("pve1", "collector", "the quota is used up", MICROS, params={"event": "quota", "lines": "44"}), ("logging.messages.lost", "quota", 44)),
    (Message("pve1", "task-gaps", '{"message": "lost"}', MICROS, params={"file": "/var/log/pve-audit/tasks/gaps.jsonl", "offset": "0"}), ("logging.messages.lost", "task_gap", None)),
    (Message("pve1", "heartbeat", "{}", MICROS, params={**BEAT, "broken": "journal", "missing": ""}), ("logging.stopped", "journal", None)),
    (Message("pve1", "journal", "Suppressed 9 messages from pvedaemon.service", MICROS, app="systemd-journald", params={"cursor": "s=1;i=1"}), ("logging.messages.lost", "pvedaemon.service", 9)),
]  # fmt: skip


@pytest.mark.parametrize(("message", "says"), LOST)
def test_what_was_lost_on_the_way_is_told(message: Message, says: tuple[Any, ...]) -> None:
    found = read(archived(message) * 2)
    assert [tuple(get_field(event, key) for key in ("event.action", "pve.object", "pve.lost")) for event in found][
        :1
    ] == [says]
    assert {event["event"]["outcome"] for event in found} == {"failure"}


def test_a_forwarder_that_is_well_says_nothing() -> None:
    quiet = Message("pve1", "heartbeat", "{}", MICROS, params={**BEAT, "broken": "", "missing": ""})
    text = Message(
        "pve1", "task-texts", "TASK OK", MICROS, params={"file": "/var/log/pve-audit/tasks/A/UPID:x", "offset": "0"}
    )
    assert read([*archived(quiet), *archived(text)]) == []


PIECES = [
    *archived(Message("pve1", "journal", REFUSED, MICROS, app="pvedaemon", procid="1", params={"cursor": "s=1;i=1"})),
    *of_file("/var/log/pveproxy/access.log", [ACCESS, TASK, "x" * 3000], 1024),
    *(line for line, _says in RELAYED),
    *BROKEN,
    *(line for message, _says in LOST for line in archived(message)),
]  # fmt: skip


@settings(max_examples=60, database=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 2**32), st.lists(st.text(max_size=12), min_size=1, max_size=6))
def test_no_line_raises_and_none_that_is_damaged_vanishes_unseen(seed: int, extra: list[str]) -> None:
    chance = random.Random(seed)
    lines = []
    for _number in range(100):
        text = chance.choice(PIECES)
        for _change in range(chance.choice((0, 1, 2))):
            start = chance.randrange(len(text) + 1)
            end = min(len(text), start + chance.choice((0, 1, 9)))
            text = text[:start] + chance.choice([*extra, "<", "]", '"', "\\", " ", "1/2", PIECES[0]]) + text[end:]
        lines.append(text)
    for event in read(lines):
        json.dumps(event, ensure_ascii=False).encode()
        assert event["event"]["kind"] == "event" or ("user" not in event and event["error"]["message"])
