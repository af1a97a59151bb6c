# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What rsyslogd says about refused connections, as recorded from versions 8.2302 and 8.2504."""

from __future__ import annotations

import io
import json
import os
import stat
import time
from pathlib import Path
from typing import Any

import pytest

from pve_audit.collector import cli
from pve_audit.collector import refused as module
from pve_audit.collector.refused import Refusal, refusals, rejected_lines, summary
from pve_audit.collector.settings import Settings
from pve_audit.collector.when import parse_moment
from tests.unit.roles._programs.collector.conftest import NOW

PEER = "the certificate is of another peer"
INVALID = "the certificate is not valid"
NONE = "there is no certificate"
PLAIN = "there was no TLS handshake"
END = " [v8.2302.0 try https://www.rsyslog.com/e/2353 ]"
OBJECT = f"object  'lstn 20514: conn to clt 198.51.100.7/198.51.100.7' - input may not work as intended{END}"
HANDSHAKE = f"imrelp[20514]: error 'TLS handshake failed [gnutls error -43: Error in the certificate.]', {OBJECT}"
WRITE = f"imrelp[20514]: error 'TLS record write failed [gnutls error -408: Cannot perform this action.]', {OBJECT}"
CLOSED = "netstream session 0x7f988401fcd0 from 198.51.100.7 will be closed due to error [v8.2302.0]"
NAMES = (
    "error: peer name not authorized -  not permitted to talk to it. Names: DNSname: eve; CN: eve;  [v8.2302.0 try x ]"
)
SIGNER = "not permitted to talk to peer, certificate invalid: signer not found [v8.2302.0]"
SIGNER_2504 = "not permitted to talk to peer '198.51.100.7', certificate invalid: signer not found [v8.2504.0]"
CERT_INFO = "invalid cert info: peer provided 1 certificate(s). Certificate 1 info: SAN:DNSname: pve1;  [v8.2302.0]"
NO_CERT = "peer did not provide a certificate, not permitted to talk to it [v8.2302.0]"
NO_CERT_2504 = "peer 198.51.100.7 did not provide a certificate, not permitted to talk to it [v8.2504.0]"
RETRY = "GnuTLS handshake retry returned error: An unexpected TLS packet was received.  [v8.2302.0]"
RELP_PLAIN = f"imrelp[20514]: error 'TLS handshake failed [gnutls error -15: An unexpected TLS packet.]', {OBJECT}"
HUNG_UP = f"imrelp[20514]: error 'TLS record reception failed [gnutls error -110: not properly terminated.]', {OBJECT}"


def auth(text: str, peer: str) -> str:
    return f"imrelp[20514]: authentication error '{text}', peer is '{peer}'{END}"


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([auth("no permited name found", "DNSname: eve; DNSname: eve; "), HANDSHAKE, WRITE], ("relp", PEER, ["eve"])),
        ([auth("certificate validation failed", ""), HANDSHAKE, WRITE], ("relp", INVALID, [])),
        ([auth("peer did not provide a certificate", ""), HANDSHAKE, WRITE], ("relp", NONE, [])),
        ([RELP_PLAIN, WRITE], ("relp", PLAIN, [])),
        ([NAMES, CLOSED], ("tcp", PEER, ["eve"])),
        ([SIGNER, CERT_INFO, CLOSED], ("tcp", INVALID, [])),
        ([SIGNER_2504, CERT_INFO, CLOSED], ("tcp", INVALID, [])),
        ([NO_CERT, CLOSED], ("tcp", NONE, [])),
        ([NO_CERT_2504, CLOSED], ("tcp", NONE, [])),
        ([RETRY, CLOSED], ("tcp", PLAIN, [])),
    ],
)
def test_a_refused_connection_is_told_once(messages: list[str], expected: tuple[str, str, list[str]]) -> None:
    (found,) = refusals([("2026-11-23T10:00:00Z", message) for message in messages])
    assert (found.protocol, found.reason, found.names) == expected
    assert found.port == ("20514" if found.protocol == "relp" else "")
    assert found.address == "198.51.100.7"


def test_a_client_without_tls_on_tcp_has_no_address() -> None:
    """rsyslog tells none when the first bytes are wrong at once."""
    (found,) = refusals(
        [
            ("", "gnutls returned error on handshake: An unexpected TLS packet was received.  [v8.2504.0]"),
            ("", "tcpsrv listener (inputname: 'tcp-pve1') failed to process incoming connection with error -2083"),
        ]
    )
    assert (found.address, found.reason) == ("unknown", PLAIN)


def test_a_peer_that_hangs_up_is_not_refused() -> None:
    messages = [
        ("", HUNG_UP),
        ("", f"imrelp[20514]: error 'error when receiving data, session broken', {OBJECT}"),
        ("", "unexpected GnuTLS error -110 in nsd_gtls.c:606: The TLS connection was non-properly terminated."),
        ("", CLOSED),
    ]
    assert list(refusals(messages)) == []


def test_the_summary_counts_and_names_the_node_that_was_tried() -> None:
    one = Refusal("1", "relp", "198.51.100.7", "20514", PEER, ["eve"])
    two = Refusal("2", "relp", "198.51.100.7", "20514", PEER, ["eve"])
    (group,) = summary([one, two], [], {"20514": "pve1"})["refused"]
    assert (group["count"], group["node"], group["first"], group["last"]) == (2, "pve1", "1", "2")


def test_a_flood_of_names_is_counted_together(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "MOST_GROUPS", 10)
    found = [Refusal("1", "relp", "198.51.100.7", "20514", PEER, [f"eve{number}"]) for number in range(100)]
    groups = summary(found, [], {})["refused"]
    assert len(groups) == 11 and (groups[0]["count"], groups[0]["reason"]) == (90, module.OTHERS)
    notes = [reject(f"the line claims the node 'x{number}'") for number in range(100)]
    (tmp_path / "2026-11-23.jsonl").write_bytes(b"".join(notes))
    rejected, _damaged = rejected_lines(tmp_path, "")
    assert len(rejected) == 11 and (rejected[0]["lines"], rejected[0]["reason"]) == (90, module.OTHERS)


def reject(reason: str = "why", moment: str = "2026-11-23T10:00:00Z") -> bytes:
    note = {"time": moment, "peer": "pve2", "listener": "l", "address": "198.51.100.7", "reason": reason, "raw": "x"}
    return json.dumps(note).encode() + b"\n"


@pytest.mark.parametrize(
    ("since", "lines"),
    [
        ("2026-11-23 10:30:00 UTC", 1),
        ("2026-11-23 10:00:00 UTC", 2),
        ("2026-11-23T10:30:00+00:00", 1),
        ("-90min", 1),
        ("150min ago", 2),
        ("-2d", 3),
        (f"@{NOW:.0f}", 0),
    ],
)
def test_since_limits_all_that_is_told(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], since: str, lines: int
) -> None:
    Path(settings.rejected, "2026-11-22.jsonl").write_bytes(reject(moment="2026-11-22T23:59:59Z"))
    times = ("2026-11-23T10:00:00Z", "2026-11-23T11:00:00Z")
    Path(settings.rejected, "2026-11-23.jsonl").write_bytes(b"".join(reject(moment=one) for one in times))
    monkeypatch.setattr(time, "time", lambda: NOW)
    status, data = run(settings, monkeypatch, capsys, "refused", "--stdin", f"--since={since}")
    assert sum(one["lines"] for one in data["rejected"]) == lines
    assert status == (1 if lines else 0)


def run(
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *words: str,
    stdin: bytes = b"",
) -> tuple[int, Any]:
    file = Path(settings.state) / "collector.json"
    file.write_text(json.dumps({name: getattr(settings, name) for name in ("archive", "state", "rejected")}))
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin)))
    status = cli.main(["--config", str(file), "--json", *words])
    text = capsys.readouterr().out
    return status, json.loads(text) if text else None


@pytest.mark.parametrize(
    ("stdin", "lists", "status"),
    [
        (b"", b"", 0),
        (CLOSED.encode(), b"", 0),
        (RETRY.encode() + b"\n" + CLOSED.encode(), b"", 1),
        (b"\xff\xfe\n" + RETRY.encode() + b"\n" + CLOSED.encode(), b"", 1),
        (b"", reject(), 1),
        (b"", b"torn {", 1),
        (b"", b"[" * 100_000, 1),
        (b"", b"[]\n", 1),
    ],
)
def test_the_exit_status_says_whether_somebody_was_refused(
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    stdin: bytes,
    lists: bytes,
    status: int,
) -> None:
    Path(settings.rejected, "2026-11-23.jsonl").write_bytes(lists)
    found, data = run(settings, monkeypatch, capsys, "refused", "--stdin", "--since=2026-11-01", stdin=stdin)
    assert found == status
    assert bool(data["damaged"]) == (bool(lists) and lists != reject())


def test_a_pipe_in_the_list_of_rejected_lines_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "2026-11-23.jsonl")
    rejected, damaged = rejected_lines(tmp_path, "")
    assert rejected == [] and "2026-11-23.jsonl cannot be read" in damaged[0]


@pytest.mark.parametrize("script", ["exit 1", "echo '{'; exit 1", None])
def test_a_journal_that_cannot_be_read_is_not_nobody(
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    script: str | None,
) -> None:
    if script is not None:
        (tmp_path / "journalctl").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "journalctl").chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert run(settings, monkeypatch, capsys, "refused") == (2, None)


@pytest.mark.parametrize("text", ["", "-", "x", "-1x", "-1h junk", "2026-13-01", "@x", "ago", "-²h", "9" * 5000])
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_moment(text, NOW)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("-1h", NOW - 3600),
        ("-1h30min", NOW - 5400),
        ("2 days ago", NOW - 172800),
        ("@1795000000", 1795000000),
        ("now", NOW),
        ("2026-11-23 12:00:00 UTC", NOW),
        ("2026-11-23 12:00 UTC", NOW),
        ("2026-11-23 12:00", NOW),
        ("2026-11-23T13:00+01:00", NOW),
        ("today", NOW - 43200),
        ("yesterday", NOW - 129600),
    ],
)
@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo"])
def test_moments_are_read_as_journalctl_reads_them_but_in_utc(
    text: str, expected: float, zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        found = parse_moment(text, NOW)
    finally:
        monkeypatch.undo()
        time.tzset()
    assert found == expected
