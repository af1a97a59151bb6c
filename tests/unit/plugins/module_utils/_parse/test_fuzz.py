# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: E501  (log lines are long)
"""Hostile input for every parser: no error but InputError, no line lost, and every event is JSON.

A strategy makes one seed and a few pieces; from each seed come many lines, made of fragments of real lines that are cut,
joined, repeated and mixed with noise. Hypothesis alone would need minutes for the same number of lines.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.pve.audit.plugins.module_utils._evidence.read import read_events, read_item
from ansible_collections.pve.audit.plugins.module_utils._evidence.registry import BY_NAME, CHOICES
from ansible_collections.pve.audit.plugins.module_utils._evidence.source import Context
from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._model.event import Event
from ansible_collections.pve.audit.plugins.module_utils._model.names import split_userid
from ansible_collections.pve.audit.plugins.module_utils._parse.access import parse_access
from ansible_collections.pve.audit.plugins.module_utils._parse.index import parse_index
from ansible_collections.pve.audit.plugins.module_utils._parse.journal import parse_journal_line, parse_journal_record
from ansible_collections.pve.audit.plugins.module_utils._parse.lines import EventIds, client_ip
from ansible_collections.pve.audit.plugins.module_utils._parse.messages import read_message
from ansible_collections.pve.audit.plugins.module_utils._parse.redact import redact, redact_query
from ansible_collections.pve.audit.plugins.module_utils._parse.status import STATES, task_state
from ansible_collections.pve.audit.plugins.module_utils._parse.task import parse_task, task_event
from ansible_collections.pve.audit.plugins.module_utils._parse.upid import log_path, parse_upid

LINES = 400  # for each example
EXAMPLES = 30  # for each parser
REFERENCE = 1795456000.0
UPID = "UPID:pve1:0000010A:0002BBEF:6B046DE4:vzdump:103:svc@pve!backup:"
SEEDS = [
    UPID,
    f"{UPID} 6B0471AB OK",
    f"{UPID} 0",
    f"{UPID} 1 6B0471AB WARNINGS: 2",
    "UPID:pve1:0000010A:0002BBEF:6B046DE4:imgcopy:pve1:local:root@pam: 6B0471AB job errors",
    '::ffff:192.0.2.7 - a@pve!ci [23/11/2026:02:13:05 +0100] "DELETE /api2/json/nodes/pve1/qemu/1?p=1 HTTP/1.1" 200 83',
    '192.0.2.7 - - [23/11/2026:02:13:05 +0100] "-" 400 11',
    'fd99::1 - b@pve [1/1/1:1:1:1 +0] "GET /api2/extjs/%41?vncticket=PVEVNC%3A6B%3A%3Aabc&password=x HTTP/1.1" 200 -',
    "Nov 23 17:39:20 pve1 pvedaemon[1345]: <root@pam> successful auth for user 'noc@pve'",
    "2026-11-23T16:59:22.050631+0000 pve1 pvedaemon[1]: authentication failure; rhost=::1 user=evil user=a msg=no msg=x",
    f"2026-11-23T16:59:22+00:00 pve1 qm[1]: <root@pam> end task {UPID} OK",
    "Nov  3 17:51:44 pve1 sudo:    mirko : TTY=pts/0 ; PWD=/root ; USER=root ; COMMAND=/bin/bash --password x",
    "Nov 23 17:51:26 pve1 sshd[2054]: Accepted publickey for opal from 192.0.2.7 port 52889 ssh2: ED25519 SHA256:Dj9a6VZ6",
    "Nov 23 17:51:26 pve1 sshd[9]: Disconnecting invalid user a 192.0.2.7 port 5: Too many authentication failures [preauth]",
    "Nov 23 17:51:26 pve1 sshd[9]: User root from 192.0.2.7 not allowed because listed in DenyUsers",
    "Nov 23 17:51:26 pve1 useradd[9]: new user: name=al, UID=1004, GID=1004, home=/home/al, shell=/bin/bash, from=none",
    "Nov 23 17:51:26 pve1 pvedaemon[9]: <al@pve!ci> update VM 100: -cipassword a b -ciuser c",
    "Nov 23 17:51:26 pve1 systemd-journald[9]: Suppressed 12 messages from pvedaemon.service",
    "Nov 23 17:51:26 pve1 systemd-logind[4]: New session 12 of user root.",
    "Nov 23 17:51:26 pve1 login[4]: FAILED LOGIN (1) on '/dev/tty1' FOR 'root', Authentication failure",
    "Authorization: PVEAPIToken=audit@pve!ro=8142ac92-43ac-4b44-b570-3793fc7fd12b PVE:root@pam:6B04::AAAAAAAAAAAAAAAAAAAAAAAA",
]
NOISE = ["", " ", ":", "::", "%", "%3A", '"', "'", "\\", "[", "]", "=", "&", "!", "@", "/", "\n", "\r", "\0", "\x1b[31m", "é", "日",
         "\udce9", "\ud800", "٣", "9" * 30, "-", "--", "{{ x }}", "<script>", "=cmd|' '!A0", " msg=", " user=", "#012", "\u2028"]  # fmt: skip
RELAXED = settings(max_examples=EXAMPLES, database=None, suppress_health_check=list(HealthCheck))
SEED = st.integers(min_value=0, max_value=2**32)
EXTRA = st.lists(st.text(max_size=12), min_size=1, max_size=8)


def make_lines(seed: int, extra: list[str]) -> list[str]:
    """Lines that look almost right."""
    chance = random.Random(seed)
    noise = NOISE + extra
    lines = []
    for _number in range(LINES):
        text = chance.choice(SEEDS)
        for _change in range(chance.choice((0, 1, 1, 2, 4))):
            start = chance.randrange(len(text) + 1)
            end = min(len(text), start + chance.choice((0, 0, 1, 5, 40)))
            middle = chance.choice((noise, SEEDS))
            text = text[:start] + chance.choice(middle) * chance.choice((1, 1, 1, 3)) + text[end:]
        lines.append(text)
    return lines


def make_raw(seed: int, extra: list[str]) -> list[str | bytes]:
    """The same, some of them as bytes that are not UTF-8."""
    return [
        line if number % 3 else line.encode("utf-8", "surrogatepass") + bytes((number % 256,))
        for number, line in enumerate(make_lines(seed, extra))
    ]


def check(event: Event) -> None:
    """An event has its parts, and JSON and UTF-8 can carry it."""
    json.dumps(event, ensure_ascii=False).encode()
    about = event["event"]
    assert about["kind"] in ("event", "pipeline_error")
    assert about["outcome"] in ("success", "failure", "unknown")
    assert about["id"]
    assert "original" in about
    if about["kind"] == "pipeline_error":
        assert event["error"]["message"]
        assert "user" not in event
    else:
        assert event["@timestamp"].endswith("Z")


@RELAXED
@given(SEED, EXTRA)
def test_index(seed: int, extra: list[str]) -> None:
    lines = make_raw(seed, extra)
    result = parse_index(lines, "pve1")
    assert result.lines == len(lines)
    events = [task_event(task) for task in result.tasks] + result.corrupt_events(EventIds())
    assert len(events) + result.repeated + result.blank - result.extra == len(lines)
    for event in events:
        check(event)


@RELAXED
@given(SEED, EXTRA)
def test_access(seed: int, extra: list[str]) -> None:
    lines = make_raw(seed, extra)
    events = list(parse_access(lines, "pve1"))
    assert len(events) + sum(not line.strip() for line in lines) == len(lines)
    assert len({event["event"]["id"] for event in events}) == len(events)
    for event in events:
        check(event)


@RELAXED
@given(SEED, EXTRA)
def test_journal_lines(seed: int, extra: list[str]) -> None:
    ids = EventIds()
    for line in make_raw(seed, extra):
        event = parse_journal_line(line, "pve1", ids, reference=REFERENCE)
        if event is not None:
            check(event)


@RELAXED
@given(SEED, EXTRA)
def test_journal_records(seed: int, extra: list[str]) -> None:
    chance = random.Random(seed)
    odd: list[object] = [
        None,
        7,
        "",
        "x",
        [],
        ["a", "b"],
        [1, 2],
        [300],
        {},
        True,
        "1795455560000001",
        "pve1",
        "pvedaemon",
        "sudo",
    ]
    ids = EventIds()
    for line in make_lines(seed, extra):
        message = line.partition("]: ")[2] or line
        record: dict[str, object] = {
            "SYSLOG_IDENTIFIER": chance.choice(("pvedaemon", "pveproxy", "sudo", "sshd", "qm", "login", "su")),
            "MESSAGE": message if chance.random() < 0.7 else list(message.encode("utf-8", "surrogatepass")),
            "__REALTIME_TIMESTAMP": "1795455560000001",
        }
        for name in ("MESSAGE", "SYSLOG_IDENTIFIER", "__REALTIME_TIMESTAMP", "_HOSTNAME", "_PID", "__CURSOR"):
            if chance.random() < 0.15:
                record[name] = chance.choice(odd)
        event = parse_journal_record(record, "pve1", ids)
        if event is not None:
            check(event)


@RELAXED
@given(SEED, EXTRA)
def test_api_records(seed: int, extra: list[str]) -> None:
    chance = random.Random(seed)
    odd: list[object] = [
        None,
        7,
        -1,
        2**70,
        1.5,
        float("nan"),
        float("inf"),
        "",
        "OK",
        "0",
        True,
        [],
        {},
        "RUNNING",
        "dÃ©",
    ]
    for line in make_lines(seed, extra):
        record = {name: chance.choice(odd) for name in ("endtime", "status", "saved", "user") if chance.random() < 0.6}
        try:
            task = parse_task({"upid": line if chance.random() < 0.5 else UPID} | record)
        except InputError as err:
            assert str(err)
            continue
        assert task["state"] in STATES
        assert parse_task(task) == task
        check(task_event(task))


@RELAXED
@given(SEED, EXTRA)
def test_upids(seed: int, extra: list[str]) -> None:
    for line in make_lines(seed, extra):
        text = line[: line.rfind(":") + 1]
        for strict in (True, False):
            try:
                upid = parse_upid(text, strict=strict)
            except InputError as err:
                assert str(err)
                continue
            assert upid.upid == text
            assert text.endswith(f":{upid.type}:{upid.id}:{upid.userid}:")
            assert upid.strict or not strict
            assert log_path(upid).endswith(text)


@RELAXED
@given(SEED, EXTRA)
def test_redaction_is_idempotent(seed: int, extra: list[str]) -> None:
    for line in make_lines(seed, extra):
        for change in (redact, redact_query):
            once = change(line)
            assert change(once) == once


@RELAXED
@given(SEED, EXTRA, st.sampled_from(CHOICES))
def test_mixed_lists(seed: int, extra: list[str], source: str) -> None:
    items = make_raw(seed, extra)
    context = Context("pve1", REFERENCE)
    read = [read_item(item, BY_NAME.get(source), context) for item in items]
    assert len(read) == len(items)
    for events in read:
        for event in events:
            check(event)
    if source in ("task", "access"):
        assert sum(not events for events in read) == sum(not item.strip() for item in items)


@RELAXED
@given(SEED, EXTRA)
def test_no_reader_of_messages_raises(seed: int, extra: list[str]) -> None:
    for line in make_lines(seed, extra):
        message = line.partition(": ")[2]
        for ident in (
            "pvedaemon",
            "sshd",
            "sudo",
            "su",
            "systemd-logind",
            "login",
            "useradd",
            "rsyslogd",
            "kernel",
            "other",
        ):
            read_message(ident, message)


@pytest.mark.parametrize("function", [split_userid, client_ip, task_state, redact, redact_query])
def test_any_text_is_taken(function: Callable[[str], object]) -> None:
    @settings(max_examples=500, database=None)
    @given(st.text(alphabet=st.characters()))
    def run(text: str) -> None:
        function(text)

    run()


def test_enough_lines_are_made() -> None:
    assert LINES * EXAMPLES * 9 >= 100_000


@pytest.mark.parametrize(
    "line",
    [
        "UPID:" + "a:" * 50_000,
        "UPID:pve1:0000010A:0002BBEF:6B046DE4:x:" + "a b: " * 20_000,
        '192.0.2.7 - a [23/11/2026:02:13:05 +0100] "' + 'GET / HTTP/1.1" 200 ' * 20_000,
        "1 - " + "[23/11/2026:02:13:05 " * 10_000,
        "Nov 23 17:39:20 pve1 pvedaemon[1]: authentication failure; rhost=::1 user=" + " msg=" * 2_000,
        "Nov 23 17:39:20 pve1 sudo: a : " + "PWD=/ ; " * 2_000,
        "Nov 23 17:39:20 pve1 sudo: " + " : " * 2_000 + "COMMAND",
        "Nov 23 17:39:20 pve1 sshd[1]: Failed none for " + " from x" * 5_000,
        "Nov 23 17:39:20 pve1 qm[1]: <" + "> end task UPID:" * 2_000,
        "Nov 23 17:39:20 pve1 sshd[1]: " + "message repeated 2 times: [ " * 5_000 + "x" + "]" * 5_000,
        "Nov 23 17:39:20 pve1 sshd[1]: PAM: a" + " for x" * 20_000,
        "Nov 23 17:39:20 pve1 sshd[1]: Disconnecting invalid user a" + " 192.0.2.1 port 1: x" * 8_000,
        "Nov 23 17:39:20 pve1 useradd[1]: add '" + "' to group '" * 10_000,
        "Nov 23 17:39:20 pve1 rsyslogd: action '" + "' (module '" * 10_000,
        "Nov 23 17:39:20 pve1 su[1]: pam_unix(su:session): session opened for user " + " by x" * 20_000,
        "Nov 23 17:39:20 pve1 su[1]: (to " + ") x" * 30_000,
        "Nov 23 17:39:20 pve1 pvedaemon[1]: <a> update VM 100: -cipassword " + " -ciuser" * 20_000,
        '<13>1 2026-11-23T17:39:20Z pve1 x - - [a@1 b="' + '\\"' * 50_000,
        "<13>1 2026-11-23T17:39:20Z pve1 x - - " + "[a]" * 50_000,
        '{"MESSAGE": ' + "[" * 900 + "]" * 900 + ', "__CURSOR": "s"}',
        "{" * 100_000,
        "password" + "=" * 100_000,
    ],
)
def test_long_lines_are_read(line: str) -> None:
    for source in CHOICES:
        read_events([line], source, Context("pve1", REFERENCE))
