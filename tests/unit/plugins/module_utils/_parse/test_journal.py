# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: E501  (log lines are long)
"""Messages of logins, sessions and commands, in every form a journal is handed on."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._model.event import Event, get_field
from ansible_collections.pve.audit.plugins.module_utils._model.time import to_epoch
from ansible_collections.pve.audit.plugins.module_utils._parse.journal import (
    looks_like_journal,
    parse_journal_line,
    parse_journal_record,
)
from ansible_collections.pve.audit.plugins.module_utils._parse.line_time import WallClock
from ansible_collections.pve.audit.plugins.module_utils._parse.lines import EventIds

UPID = "UPID:pve1:000005A4:00079323:6B047A49:qmcreate:501:iac@pve!terraform:"
ROOT = "UPID:pve1:000005A4:00079323:6B047A49:qmcreate:501:root@pam:"
REFERENCE = 1795456000.0  # 2026-11-23T17:46:40Z
AUTH, OPEN, CLOSE, SUDO = "access.authenticate", "session.ssh.open", "session.ssh.close", "session.sudo.command"
SESSION, CONSOLE, START, END = "session.open", "session.console.login", "session.task.start", "session.task.end"
FAIL = "authentication failure; rhost="
MESSAGES: list[tuple[str, str, tuple[Any, ...], dict[str, Any]]] = [
    ("pvedaemon", "<root@pam> successful auth for user 'al@pve'", (AUTH, "success", "al@pve", None), {"event.dataset": "pve.auth"}),
    ("pvedaemon", "<root@pam> successful auth for user 'a'b@pve'", (AUTH, "success", "a'b@pve", None), {}),
    ("pvedaemon", "<root@pam> successful openid auth for user 'al@sso'", (AUTH, "success", "al@sso", None), {}),
    ("pvedaemon", f"{FAIL}::ffff:192.0.2.1 user=a@pve msg=invalid credentials", (AUTH, "failure", "a@pve", "192.0.2.1"), {"error.message": "invalid credentials"}),
    ("pvedaemon", f"{FAIL}192.0.2.1 user=evil user=root@pam msg=value 'evil user=root@pam' does not look like a valid user name", (AUTH, "failure", "evil user=root@pam", "192.0.2.1"), {}),
    ("pvedaemon", f"{FAIL}192.0.2.1 user=x msg=y msg=value 'x msg=y' does not look like a valid user name", (AUTH, "failure", "x msg=y", "192.0.2.1"), {"error.message": "value 'x msg=y' does not look like a valid user name"}),
    ("pvedaemon", f"{FAIL}192.0.2.1 user=x msg=y msg=too long", (AUTH, "failure", "x msg=y", "192.0.2.1"), {"error.message": "too long"}),
    ("pvedaemon", f"{FAIL}192.0.2.1 user=evil\nroot@pam msg=value 'evil\nroot@pam' does not", (AUTH, "failure", "evil\nroot@pam", "192.0.2.1"), {}),
    ("pvedaemon", f"{FAIL}192.0.2.1 user=evil", (AUTH, "failure", "evil", "192.0.2.1"), {}),
    ("pvedaemon", f"{FAIL}192.0.2.1 user= msg=user name '' is too short", (AUTH, "failure", None, "192.0.2.1"), {}),
    ("pvedaemon", f"{FAIL} user=a@pve msg=no", (AUTH, "failure", "a@pve", None), {}),
    ("pvedaemon", f"openid {FAIL}192.0.2.1 msg=bad state", (AUTH, "failure", None, "192.0.2.1"), {"error.message": "bad state"}),
    ("pveproxy", "authentication failure: invalid token value!#012", (AUTH, "failure", None, None), {"error.message": "invalid token value!"}),
    ("pveproxy", "authentication failure: user 'root@pam' is disabled", (AUTH, "failure", "root@pam", None), {"pve.credential": "ticket_or_token"}),
    ("pveproxy", "authentication failure: no such user ('no@pve')", (AUTH, "failure", "no@pve", None), {}),
    ("pveproxy", "authentication failure: no such token 'x' for user 'a@pve'", (AUTH, "failure", "a@pve", None), {}),
    ("IPCC.xs", "pam_unix(proxmox-ve-auth:auth): authentication failure; logname= uid=0 euid=0 tty= ruser= rhost=::ffff:192.0.2.1  user=root", (AUTH, "failure", "root@pam", "192.0.2.1"), {"event.dataset": "linux.auth"}),
    ("sshd", "Accepted publickey for opal from 192.0.2.1 port 52889 ssh2: ED25519 SHA256:Dj9a6V", (OPEN, "success", "opal@pam", "192.0.2.1"), {"pve.method": "publickey", "event.dataset": "linux.auth"}),
    ("sshd-session", "Failed password for root from 2001:db8::1 port 1 ssh2", (OPEN, "failure", "root@pam", "2001:db8::1"), {}),
    ("sshd", "Failed password for invalid user x from 192.0.2.9 port 1 ssh2 from 192.0.2.1 port 2 ssh2", (OPEN, "failure", "x from 192.0.2.9 port 1 ssh2@pam", "192.0.2.1"), {}),
    ("sshd", "Failed none for invalid user  from 192.0.2.1 port 2 ssh2", (OPEN, "failure", None, "192.0.2.1"), {}),
    ("sshd", "Disconnected from user opal 192.0.2.1 port 52889", (CLOSE, "success", "opal@pam", "192.0.2.1"), {}),
    ("sudo", "   mirko : TTY=pts/0 ; PWD=/root ; USER=root ; COMMAND=/bin/bash --login -c 'a ; b'", (SUDO, "success", "mirko@pam", None), {"process.command_line": "/bin/bash --login -c 'a ; b'", "pve.tty": "pts/0", "pve.target_user": "root", "process.working_directory": "/root", "pve.channel": "cli"}),
    ("sudo", "   quinn : user NOT in sudoers ; PWD=/home/quinn ; USER=root ; COMMAND=/usr/sbin/qm list", (SUDO, "failure", "quinn@pam", None), {"error.message": "user NOT in sudoers"}),
    ("sudo", "  al : 3 incorrect password attempts ; TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/ls", (SUDO, "failure", "al@pam", None), {"pve.tty": "pts/0"}),
    ("sudo", "  al : command not allowed ; PWD=/ ; USER=root ; ENV=A=1 ; COMMAND=/bin/ls COMMAND=x", (SUDO, "failure", "al@pam", None), {"process.command_line": "/bin/ls COMMAND=x"}),
    ("sudo", "  al : PWD=/ ; USER=root ; COMMAND=/usr/bin/pveum passwd x --password hunter2", (SUDO, "success", "al@pam", None), {"process.command_line": "/usr/bin/pveum passwd x --password REDACTED"}),
    ("su", "(to root) al on pts/0", (SESSION, "success", "al@pam", None), {"pve.target_user": "root", "pve.tty": "pts/0"}),
    ("su", "FAILED SU (to root) al on pts/0", (SESSION, "failure", "al@pam", None), {}),
    ("su", "Successful su for root by al", (SESSION, "success", "al@pam", None), {}),
    ("systemd-logind", "New session 12 of user root.", (SESSION, "success", "root@pam", None), {"pve.session": "12"}),
    ("systemd-logind", "New session '12' of user 'root' with class 'user' and type 'tty'.", (SESSION, "success", "root@pam", None), {}),
    ("login", "ROOT LOGIN ON tty1", (CONSOLE, "success", "root@pam", None), {"pve.tty": "tty1"}),
    ("login", "ROOT LOGIN  on '/dev/pts/0' from '192.0.2.1'", (CONSOLE, "success", "root@pam", "192.0.2.1"), {"pve.tty": "pts/0"}),
    ("login", "LOGIN ON tty1 BY al", (CONSOLE, "success", "al@pam", None), {}),
    ("login", "FAILED LOGIN (1) on '/dev/tty1' FOR 'root', Authentication failure", (CONSOLE, "failure", "root@pam", None), {}),
    ("login", "FAILED LOGIN 1 FROM 192.0.2.1 FOR al, Authentication failure", (CONSOLE, "failure", "al@pam", "192.0.2.1"), {}),
    ("login", "pam_unix(login:session): session opened for user al(uid=1000) by LOGIN(uid=0)", (CONSOLE, "success", "al@pam", None), {}),
    ("qm", f"<root@pam> starting task {ROOT}", (START, "unknown", "root@pam", None), {"pve.upid": ROOT, "pve.channel": "cli", "pve.task_type": None}),
    ("pct", f"<root@pam> end task {ROOT} OK", (END, "success", "root@pam", None), {"pve.status": "OK", "pve.state": "ok"}),
    ("pvedaemon", f"<iac@pve!terraform> end task {UPID} got: no", (END, "failure", "iac@pve!terraform", None), {"error.message": "got: no", "pve.channel": "api_token", "pve.token": "terraform"}),
    ("pvedaemon", f"<root@pam> end task {ROOT} WARNINGS: 3", (END, "success", "root@pam", None), {"pve.state": "warning"}),
    ("pvedaemon", f"<alice@pve> end task {UPID[:50]}Nov 23 17:39:20 pve1 pvedaemon[1]: <root@pam> end task {ROOT} OK", (END, "unknown", None, None), {"pve.upid": None, "pve.status": None}),
    ("pvedaemon", "<root@pam> successful auth for user 'alNov 23 17:39:20 pve1 pvedaemon[1]: <root@pam> successful auth for user 'bob@pve'", (AUTH, "unknown", None, None), {}),
    ("sshd", "Accepted publickey for op2026-11-23T17:39:20+00:00 pve1 sshd[1]: Accepted publickey for bob from 192.0.2.9 port 5 ssh2", (OPEN, "unknown", None, None), {}),
    ("pvedaemon", "<alNov 23 17:39:20 pve1 pvedaemon[1]: <bob@pve> update VM 100: -memory 1", ("guest.config.modify", "unknown", None, None), {}),
    ("pvedaemon", f"<alice@pve> end task {ROOT} OK", (END, "unknown", None, None), {"pve.upid": None}),
    ("pvedaemon", f"<alice@pve> starting task {ROOT[:40]}{ROOT}", (START, "unknown", None, None), {"pve.upid": None}),
    ("qm", "<root@pam> end task UPID:pve1:000005A4:00079323:6B047A49:imgcopy:pve1:local:root@pam: unexpected status", (END, "unknown", "root@pam", None), {"pve.upid": "UPID:pve1:000005A4:00079323:6B047A49:imgcopy:pve1:local:root@pam:"}),
]  # fmt: skip
NOTHING = [
    ("pmxcfs", "[status] notice: received log"),
    ("pvedaemon", "starting server"),
    ("pvedaemon", "authentication key rotated"),
    ("pvedaemon", f"destroy VM 100: {UPID}"),
    ("sshd", "Received disconnect from 192.0.2.1 port 1:11: disconnected by user"),
    ("sudo", "pam_unix(sudo:session): session opened for user root(uid=0) by (uid=0)"),
    ("login", "pam_unix(login:session): session opened for user root(uid=0) by LOGIN(uid=0)"),
    ("kernel", "<x> task UPID: y"),
    ("corosync", ""),
]


def forms(ident: str, message: str) -> list[Event | None]:
    """The same message as a record and as three kinds of lines."""
    record = {
        "__REALTIME_TIMESTAMP": "1795455560000002",
        "_SOURCE_REALTIME_TIMESTAMP": "1795455560000001",
        "_HOSTNAME": "pve1",
        "SYSLOG_IDENTIFIER": ident,
        "_PID": "77",
        "MESSAGE": message,
    }
    tail = f"pve1 {ident}[77]: {message}"
    lines = [
        f"{head} {tail}"
        for head in ("2026-11-23T18:39:20.000001+01:00", "2026-11-23T17:39:20.000001+0000", "Nov 23 17:39:20")
    ]
    return [
        parse_journal_record(record, "", EventIds()),
        parse_journal_record(record | {"MESSAGE": list(message.encode())}, "", EventIds()),
        *(parse_journal_line(text, "", EventIds(), reference=REFERENCE) for text in lines),
    ]


@pytest.mark.parametrize(("ident", "message", "who", "more"), MESSAGES)
def test_a_message_is_an_event_in_every_form(
    ident: str, message: str, who: tuple[Any, ...], more: dict[str, Any]
) -> None:
    keys = ("event.action", "event.outcome", "user.id", "source.ip")
    for event in forms(ident, message):
        assert event is not None
        assert tuple(get_field(event, key) for key in keys) == who
        assert {key: get_field(event, key) for key in more} == more
        assert event["event"]["kind"] == "event"
        assert event["host"] == {"name": "pve1"}
        assert event["process"]["name"] == ident
        assert event["process"]["pid"] == 77
        assert event["@timestamp"][:19] == "2026-11-23T17:39:20"
        assert event["event"]["id"].startswith("auth:")


@pytest.mark.parametrize(("ident", "message"), NOTHING)
def test_other_messages_are_nothing(ident: str, message: str) -> None:
    assert forms(ident, message) == [None] * 5


LOGIN = "<root@pam> successful auth for user 'a@pve'"
RECORD: dict[str, Any] = {
    "SYSLOG_IDENTIFIER": "pvedaemon",
    "MESSAGE": LOGIN,
    "__REALTIME_TIMESTAMP": "1795455560000002",
    "_HOSTNAME": "pve1.example.com",
    "__CURSOR": "s=1;i=2",
    "_AUDIT_LOGINUID": "1001",
}
RECORDS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (
        {},
        {
            "pve.loginuid": 1001,
            "pve.cursor": "s=1;i=2",
            "host.name": "pve1",
            "@timestamp": "2026-11-23T17:39:20.000002Z",
        },
    ),
    (
        {"_AUDIT_LOGINUID": "4294967295", "_AUDIT_SESSION": "4294967295"},
        {"pve.loginuid": None, "pve.audit_session": None},
    ),
    ({"_AUDIT_LOGINUID": "1001", "_AUDIT_SESSION": "279"}, {"pve.audit_session": 279}),
    ({"_AUDIT_LOGINUID": ["1001", "1002"]}, {"pve.loginuid": 1001}),
    ({"MESSAGE": [LOGIN, "x"]}, {"user.id": "a@pve"}),
    ({"MESSAGE": [*LOGIN[:-2].encode(), 0xE9, 0x27]}, {"user.id": "a@pv\\xe9"}),
    ({"_HOSTNAME": None}, {"host.name": "given"}),
    ({"_HOSTNAME": "192.0.2.1"}, {"host.name": "192.0.2.1"}),
    ({"_PID": 7}, {"process.pid": 7}),
    ({"SYSLOG_IDENTIFIER": None, "_COMM": "pvedaemon"}, {"user.id": "a@pve"}),
    ({"_SOURCE_REALTIME_TIMESTAMP": "x"}, {"@timestamp": "2026-11-23T17:39:20.000002Z"}),
    ({"MESSAGE": None}, {"event.kind": "pipeline_error", "@timestamp": "2026-11-23T17:39:20.000002Z"}),
    ({"__REALTIME_TIMESTAMP": "soon"}, {"event.kind": "pipeline_error", "@timestamp": None}),
    ({"__REALTIME_TIMESTAMP": "9" * 19}, {"event.kind": "pipeline_error"}),
]


@pytest.mark.parametrize(("fields", "want"), RECORDS)
def test_odd_records(fields: dict[str, Any], want: dict[str, Any]) -> None:
    event = parse_journal_record(RECORD | fields, "given", EventIds())
    assert event is not None
    assert {key: get_field(event, key) for key in want} == want


@pytest.mark.parametrize(
    "record", [{}, {"MESSAGE": 7}, {"MESSAGE": {}}, {"MESSAGE": [], "SYSLOG_IDENTIFIER": []}, {"MESSAGE": None}]
)
def test_records_without_evidence(record: dict[str, Any]) -> None:
    assert parse_journal_record(record, "", EventIds()) is None


def test_a_record_is_a_dictionary() -> None:
    with pytest.raises(InputError, match="not list"):
        parse_journal_record([], "", EventIds())  # type: ignore[arg-type]


def test_the_cursor_makes_the_id() -> None:
    ids = EventIds()
    twice = [parse_journal_record(RECORD, "", ids) for _ in range(2)]
    without = [parse_journal_record({**RECORD, "__CURSOR": None}, "", ids) for _ in range(2)]
    got = [event["event"]["id"] for event in twice + without if event]
    assert got[0] == got[1]
    assert len(set(got)) == 3


YEARS: list[tuple[str, float, Any, str | None]] = [
    ("Nov 23 17:39:20", REFERENCE, "UTC", "2026-11-23T17:39:20Z"),
    ("Nov 24 17:46:40", REFERENCE, "UTC", "2026-11-24T17:46:40Z"),
    ("Nov 24 17:46:41", REFERENCE, "UTC", "2025-11-24T17:46:41Z"),
    ("Dec 31 23:59:59", 1798761600.0, "UTC", "2026-12-31T23:59:59Z"),
    ("Jan  1 00:00:00", 1798761599.0, "UTC", "2027-01-01T00:00:00Z"),
    ("Feb 29 12:00:00", REFERENCE, "UTC", "2024-02-29T12:00:00Z"),
    ("Jul  1 12:00:00", REFERENCE, "Europe/Berlin", "2026-07-01T10:00:00Z"),
    ("Nov 23 12:00:00.5", REFERENCE, "Europe/Berlin", "2026-11-23T11:00:00.500000Z"),
    ("2026-11-23T12:00:00", REFERENCE, "Europe/Berlin", "2026-11-23T11:00:00Z"),
    ("2026-11-23 12:00:00,123456789Z", REFERENCE, "Europe/Berlin", "2026-11-23T12:00:00.123456Z"),
    ("Feb 30 12:00:00", REFERENCE, "UTC", None),
    ("Nov 23 25:00:00", REFERENCE, "UTC", None),
    ("Nix 23 12:00:00", REFERENCE, "UTC", None),
    *(
        (f"{month} 23 12:00:00", REFERENCE, "UTC", None)
        for month in ("Okt", "Mai", "Mär", "déc.", "févr.", "12月", " 2月", " 2월", "gru", "nov")
    ),
    ("Oct 25 02:30:00", REFERENCE, "Europe/Berlin", "2026-10-25T00:30:00Z"),
    ("2026-10-25T02:30:00", REFERENCE, "Europe/Berlin", "2026-10-25T00:30:00Z"),
    ("Mar 29 02:30:00", REFERENCE, "Europe/Berlin", "2026-03-29T01:30:00Z"),
    ("2026-02-30T12:00:00Z", REFERENCE, "UTC", None),
    ("1960-01-01T12:00:00Z", REFERENCE, "UTC", None),
    ("Nov 23 17:39:20", 1e30, "UTC", None),
]


@pytest.mark.parametrize(("head", "reference", "name", "want"), YEARS)
def test_the_time_of_a_line(head: str, reference: float, name: str, want: str | None) -> None:
    line = f"{head} pve1 pvedaemon[1]: {LOGIN}"
    event = parse_journal_line(line, "", EventIds(), reference=reference, clock=WallClock(ZoneInfo(name)))
    assert event is not None
    assert event.get("@timestamp") == want
    assert event["event"]["kind"] == ("event" if want else "pipeline_error")


# The hour that a clock shows twice: times of day as they stand in a file, and the minute of each after 02:00 (00:00Z).
DOUBLED: list[tuple[str, list[tuple[str, int]]]] = [
    ("both passes", [("01:59", -1), ("02:30", 30), ("02:59", 59), ("02:00", 60), ("02:30", 90), ("03:00", 120)]),
    ("one pass", [("01:59", -1), ("02:10", 10), ("02:50", 50), ("03:10", 130)]),
    ("nothing before", [("02:10", 10), ("02:50", 50)]),
    ("newest first", [("03:10", 130), ("02:40", 40), ("02:10", 10), ("01:10", -50)]),
    ("newest first, and nothing before", [("02:40", 40), ("02:10", 10)]),
    ("a second file", [("02:50", 50), ("05:00", 240), ("02:10", 10), ("02:50", 50)]),
]


@pytest.mark.parametrize(("_name", "lines"), DOUBLED)
@pytest.mark.parametrize("head", ["Oct 25 {}:00", "2026-10-25T{}:00"])
@pytest.mark.parametrize("before", ["sshd", "pmxcfs"])
def test_the_order_of_lines_tells_the_hours_apart(
    head: str, _name: str, lines: list[tuple[str, int]], before: str
) -> None:
    """Lines that are no evidence tell of the clock, too; only where nothing tells is there a note."""
    clock = WallClock(ZoneInfo("Europe/Berlin"))
    for place, (time, minute) in enumerate(lines):
        ident = before if place + 1 < len(lines) else "sshd"
        line = f"{head.format(time)} pve1 {ident}[1]: Accepted publickey for root from 192.0.2.5 port 1 ssh2"
        event = parse_journal_line(line, "", EventIds(), reference=REFERENCE, clock=clock)
        if ident == "sshd":
            assert event is not None
            assert to_epoch(event["@timestamp"]) == to_epoch("2026-10-25T00:00:00Z") + 60 * minute
            assert ("time_note" in event["pve"]) is (0 <= minute < 60)


def test_lines_of_one_second_out_of_order_do_not_move_the_clock() -> None:
    clock = WallClock(ZoneInfo("Europe/Berlin"))
    walls = ["02:30:05", "02:30:03", "02:30:06"]
    got = [clock.instant("pve1", datetime.fromisoformat(f"2026-10-25T{wall}"))[0].fold for wall in walls]
    assert got == [0, 0, 0]


def test_a_line_without_a_year_needs_a_reference() -> None:
    event = parse_journal_line(f"Nov 23 17:39:20 pve1 pvedaemon[1]: {LOGIN}", "", EventIds())
    assert event is not None
    assert "reference" in event["error"]["message"]


def test_a_zone_may_be_an_offset() -> None:
    tz = timezone(timedelta(hours=-3))
    event = parse_journal_line(
        f"Nov 23 12:00:00 pve1 pvedaemon: {LOGIN}", "", EventIds(), reference=REFERENCE, clock=WallClock(tz)
    )
    assert event is not None
    assert event["@timestamp"] == "2026-11-23T15:00:00Z"


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("", None),
        ("    root@pam msg=value 'evil", None),
        ("   Nov 23 16:59:28 pve1 sshd[168]: Accepted none for al from 192.0.2.1 port 1 ssh2", "pipeline_error"),
        (" 2026-11-23T16:59:28Z pve1 sshd[168]: Accepted none for al from 192.0.2.1 port 1 ssh2", "pipeline_error"),
        ("   Nov 23 16:59:28 pve1 pmxcfs[168]: x", None),
        (
            "Nov 23 16:59:28 pve1 pmxcfs[1]: [stNov 23 16:59:28 pve1 sshd[2]: ROOT LOGIN REFUSED FROM ::1",
            "pipeline_error",
        ),
        ("Nov 23 16:59:28 pve1 pmxcfs[1]: [2026-11-23T16:59:28Z pve1 sudo[2]: a : COMMAND=b", "pipeline_error"),
        ("Nov 23 16:59:28 pve1 pmxcfs[1]: [stNov 23 16:59:28 pve1 pmxcfs[2]: x", None),
        ("-- No entries --", None),
        ("-- Boot 03cdfdd70f3f4f779ed03af265de8851 --", None),
        ("s=9b8a58e19c104663a55591e1750a5e51;i=722;b=03cd;m=127;t=660f;x=92ca", None),
        ("2026-11-23T16:59:28+0000 pve1 pvestatd[168]: [85B blob data]", None),
        ("2026-11-23T16:59:28+0000 pve1 pvedaemon[168]: [85B blob data]", "pipeline_error"),
        ("Nov 23 16:59:28 pve1 sshd[168]: [1.2K blob data]", "pipeline_error"),
        ("Jun 11 06:02:33 pvedaemon[2210]: a: b", "pipeline_error"),
        ("Nov 20 08:15:09 pve1 daemon.err pvedaemon[14]: authentication failure; rhost=::1", "pipeline_error"),
        ("Nov 20 08:15:09 pve1 last message repeated 5 times", "pipeline_error"),
        ("garbage", "pipeline_error"),
        (b"\xff\xfe", "pipeline_error"),
    ],
)
def test_lines_between_and_broken_lines(line: str | bytes, kind: str | None) -> None:
    event = parse_journal_line(line, "pve1", EventIds(), reference=REFERENCE)
    assert (event["event"]["kind"] if event else None) == kind
    assert looks_like_journal(line.decode("latin-1") if isinstance(line, bytes) else line) is (
        line not in ("garbage", b"\xff\xfe")
    )
