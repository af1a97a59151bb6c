# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The forwarder's pure parts: RELP frames, journal entries, checkpoints, configuration."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pve_audit import wire
from pve_audit.forward import journal, link, relp, service, settings, state
from pve_audit.settings_file import SettingsError
from tests.unit.roles._programs.test_wire import GRAMMAR


@given(st.lists(st.binary(max_size=200)), st.integers(1, 50))
def test_frames_come_back_whatever_the_cut(texts: list[bytes], step: int) -> None:
    sent = b"".join(relp.encode_frame(number, "rsp", text) for number, text in enumerate(texts, 1))
    buffer, found = bytearray(), []
    for start in range(0, len(sent), step):
        buffer += sent[start : start + step]
        while (frame := relp.take_frame(buffer)) is not None:
            found.append(frame.data)
    assert found == texts
    assert not buffer


@given(st.binary(max_size=300))
def test_noise_is_no_crash(noise: bytes) -> None:
    buffer = bytearray(noise)
    try:
        while relp.take_frame(buffer) is not None:
            pass
    except relp.RelpError:
        pass


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 400 Bad\r\n",
        b"1 rsp 6\n",
        b"1 rsp 99999999 x",
        b"1 rsp 2 okX",
        b"\x15\x03\x01\x00\x02\x02\x46\n",
        b"x" * 70,
    ],
)
def test_what_is_not_relp_is_refused(answer: bytes) -> None:
    with pytest.raises(relp.RelpError):
        relp.take_frame(bytearray(answer))


def test_window_hands_tokens_back_in_order() -> None:
    window = relp.Window(3)
    for name in "abc":
        window.send("syslog", b"x", name, 1.0)
    assert window.full
    assert window.acknowledge(relp.Frame(3, "rsp", b"200 OK")) == []
    assert window.acknowledge(relp.Frame(1, "rsp", b"200 OK")) == ["a"]
    assert window.acknowledge(relp.Frame(2, "rsp", b"200")) == ["b", "c"]
    assert len(window) == 0


@pytest.mark.parametrize(
    "frame",
    [
        relp.Frame(1, "rsp", b"500 no"),
        relp.Frame(1, "rsp", b"2000"),
        relp.Frame(2, "rsp", b"200 OK"),
        relp.Frame(0, "serverclose", b""),
        relp.Frame(1, "syslog", b""),
    ],
)
def test_window_refuses(frame: relp.Frame) -> None:
    window = relp.Window(3)
    window.send("syslog", b"x", "a", 1.0)
    with pytest.raises(relp.RelpError):
        window.acknowledge(frame)


def test_numbers_start_again() -> None:
    window = relp.Window(5)
    window._number = relp.LAST_NUMBER - 1
    assert [window.send("syslog", b"", None, 0.0).split()[0] for _ in range(2)] == [b"999999999", b"1"]


@pytest.mark.parametrize("answer", [b"500 no", b"200 OK", b"200 OK\ncommands=other", b""])
def test_offer_refused(answer: bytes) -> None:
    with pytest.raises(relp.RelpError):
        relp.check_offer(answer)


CURSOR = "s=ab;i=2;b=c;m=1;t=2;x=3"
ENTRIES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"MESSAGE": "hi"}, {"text": "hi"}),
    ({"MESSAGE": [104, 255, 10]}, {"text": "h\\xff\n"}),
    ({"MESSAGE": ["one", [116, 119, 111]]}, {"text": "one\ntwo"}),
    ({"MESSAGE": None}, {"text": ""}),
    ({"MESSAGE": [256]}, {"text": "256"}),
    ({"MESSAGE": {"a": 1}}, {"text": "{'a': 1}"}),
    ({"MESSAGE": 7}, {"text": "7"}),
    ({}, {"text": "", "params": {"note": "no_message"}}),
    ({"MESSAGE": "", "PRIORITY": "x", "SYSLOG_FACILITY": ["1", "2"]}, {"severity": 6, "facility": 3}),
    ({"MESSAGE": "", "PRIORITY": "3", "SYSLOG_FACILITY": "10"}, {"severity": 3, "facility": 10}),
    ({"MESSAGE": "", "_AUDIT_LOGINUID": "4294967295"}, {"params": {}}),
    ({"MESSAGE": "", "_AUDIT_LOGINUID": "1000", "_PID": "9", "_COMM": "qm"}, {"procid": "9", "app": "qm"}),
    ({"MESSAGE": "", "SYSLOG_PID": "5", "SYSLOG_IDENTIFIER": "x"}, {"procid": "5", "app": "x"}),
    ({"MESSAGE": "", "_AUDIT_LOGINUID": "1000"}, {"params": {"loginuid": "1000"}}),
    ({"MESSAGE": "", "_AUDIT_LOGINUID": "0", "_AUDIT_SESSION": "7"}, {"params": {"loginuid": "0", "session": "7"}}),
    ({"MESSAGE": "", "_AUDIT_SESSION": "4294967295"}, {"params": {}}),
    ({"MESSAGE": "", "LEADER": "77"}, {"params": {"leader": "77"}}),
    ({"MESSAGE": "", "_UID": "0", "_EXE": "/usr/bin/perl"}, {"params": {}}),
    ({"MESSAGE": "", "_UID": "1001", "_EXE": "/usr/bin/logger"}, {"params": {"uid": "1001", "exe": "/usr/bin/logger"}}),
]


@pytest.mark.parametrize(("fields", "expected"), ENTRIES)
def test_journal_entry(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    message = journal.message_of({"__CURSOR": CURSOR, "__REALTIME_TIMESTAMP": "5", **fields}, "pve1")
    assert message.micros == 5
    for name, value in expected.items():
        found = getattr(message, name)
        assert found == ({"cursor": CURSOR, **value} if name == "params" else value)


@given(
    st.dictionaries(
        st.sampled_from(["MESSAGE", "_PID", "PRIORITY", "__CURSOR", "_COMM", "__REALTIME_TIMESTAMP"]),
        st.recursive(
            st.none() | st.text() | st.integers() | st.floats() | st.booleans(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
            max_leaves=5,
        ),
    )
)
def test_any_entry_makes_a_line(entry: dict[str, Any]) -> None:
    for piece in wire.encode(journal.message_of(entry, "pve1"), 8000):
        assert GRAMMAR.fullmatch(piece)


@given(st.binary())
def test_any_bytes_make_an_entry(raw: bytes) -> None:
    assert isinstance(journal.parse_entry(raw), dict)


def test_hostile_message_cannot_fake_a_cursor() -> None:
    raw = json.dumps({"MESSAGE": '{"__CURSOR":"s=evil"}', "__CURSOR": CURSOR}).encode()
    assert journal.parse_entry(raw[:-1])["__CURSOR"] == CURSOR
    assert "__CURSOR" not in journal.parse_entry(raw[:40])


def test_huge_line_keeps_its_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "LONGEST_ENTRY", 1000)
    monkeypatch.setattr(journal, "KEPT_OF_HUGE", 200)
    lines = journal.LineBuffer()
    whole = b'{"MESSAGE":"' + b"x" * 50_000 + b'","__CURSOR":"' + CURSOR.encode() + b'"}\nnext\n'
    taken = []
    for start in range(0, len(whole), 300):
        lines.feed(whole[start : start + 300])
        while (line := lines.take()) is not None:
            taken.append(line)
    assert len(taken[0]) < 2000
    assert taken[1:] == [b"next"]
    assert journal.parse_entry(taken[0])["__CURSOR"] == CURSOR


@pytest.mark.parametrize(
    ("last", "found", "gap"),
    [
        (("s=a;i=f", 5), ("s=a;i=10;b=1", 9), False),
        (("s=a;i=f", 5), ("s=a;i=11", 9), True),
        (("s=a;i=f", 5), ("s=a;i=3", 1), False),
        (("s=a;i=f", 5), ("s=b;i=10", 9), True),
        (("s=a;i=f", 5), ("s=b;i=10", 4), False),
        (("", 0), ("s=b;i=10", 4), False),
        (("odd", 5), ("", 9), True),
    ],
)
def test_gap(last: tuple[str, int], found: tuple[str, int], gap: bool) -> None:
    assert journal.is_gap(last, found) is gap


def make_state(tmp_path: Path, resend: float = 30.0) -> state.State:
    return state.State(tmp_path / "s.json", resend)


def test_resume_goes_back_by_the_time_of_the_first_acknowledgement(tmp_path: Path) -> None:
    kept = make_state(tmp_path)
    for second in range(100):
        kept.record({"journal": {"cursor": str(second)}}, float(second))
    back = int(kept.resume(99.0)["journal"]["cursor"])
    assert 99 - 30 - 4 <= back <= 99 - 30
    assert kept.high_water == {"journal": {"cursor": "99"}}
    assert len(kept._checkpoints) < 16


def test_a_short_life_starts_from_nothing(tmp_path: Path) -> None:
    kept = make_state(tmp_path)
    kept.record({"journal": {"cursor": "1"}}, 10.0)
    kept.record({"journal": {"cursor": "2"}}, 20.0)
    assert kept.resume(21.0) == {}


def test_no_resend_starts_where_it_was(tmp_path: Path) -> None:
    kept = make_state(tmp_path, 0.0)
    for second in range(10):
        kept.record({"journal": {"cursor": str(second)}}, float(second))
    assert kept.resume(9.0) == {"journal": {"cursor": "9"}}


def test_state_survives_and_its_age_stands_still_while_nobody_runs(tmp_path: Path) -> None:
    kept = make_state(tmp_path)
    for second in range(100):
        kept.record({"journal": {"cursor": str(second)}}, float(second))
    kept.save(99.0)
    again = make_state(tmp_path)
    assert again.load(5_000.0) is None
    assert again.high_water == kept.high_water
    assert again.resume(5_000.0) == kept.resume(99.0)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"checkpoints": 3}',
        '{"checkpoints": [{"age": "x"}]}',
        '{"checkpoints": [{"age": 1, "positions": {"journal": 3}}]}',
    ],
)
def test_broken_state_is_said_and_starts_over(tmp_path: Path, text: str) -> None:
    (tmp_path / "s.json").write_text(text)
    kept = make_state(tmp_path)
    assert "sent again from the start" in (kept.load(0.0) or "")
    assert kept.resume(0.0) == {}


def test_unwritable_state_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = make_state(tmp_path)
    kept.record({"journal": {"cursor": "1"}}, 1.0)
    kept.save(1.0)
    before = (tmp_path / "s.json").read_text()
    kept.record({"journal": {"cursor": "2"}}, 2.0)

    def full(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError):
        kept.save(2.0)
    assert (tmp_path / "s.json").read_text() == before
    assert list(tmp_path.iterdir()) == [tmp_path / "s.json"]


GOOD: dict[str, Any] = {"node": "pve1", "targets": [{"host": "c", "port": 1, "tls": False}], "sources": {}}


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"targets": []}, "at least one target"),
        ({"targets": [{"host": "c", "port": 1}]}, "needs ca, certificate and key"),
        ({"targets": [{"host": "c", "port": 0, "tls": False}]}, "port"),
        ({"targets": [{"host": "c", "port": True, "tls": False}]}, "wrong type"),
        ({"targets": [{"host": "c", "port": 1, "tls": False, "typo": 1}]}, "unknown settings typo"),
        ({"targets": GOOD["targets"] * 2}, "twice"),
        ({"targets": [{"host": "a b", "port": 1, "tls": False}]}, "not the name or address"),
        ({"targets": [{"host": "c", "port": 1, "tls": False, "permitted_peers": ['x"']}]}, "name in a certificate"),
        ({"targets": [{"host": "c", "port": 1, "ca": "ca", "certificate": "/c", "key": "/k"}]}, "absolute"),
        ({"mode": "both"}, "mode"),
        ({"node": ""}, "name of the node"),
        ({"sources": {"journal": False}}, "nothing to send"),
        ({"sources": {"files": [{"name": "x", "path": "relative"}]}}, "absolute"),
        ({"sources": {"files": [{"name": "journal", "path": "/x"}]}}, "not journal, forward or heartbeat"),
        ({"sources": {"files": [{"name": "heartbeat", "path": "/x"}]}}, "not journal, forward or heartbeat"),
        ({"sources": {"files": [{"name": "x", "path": '/x"'}]}}, "quotes"),
        ({"sources": {"files": [{"name": "x", "path": "/x", "tag": "a b"}]}}, "tag"),
        ({"sources": {"files": [{"name": "x", "path": "/x"}] * 2}}, "same name"),
        ({"sources": {"journal": {"matches": [1]}}}, "list of texts"),
        ({"sources": {"journal": {"matches": ["no equals"]}}}, "journal match"),
        ({"limits": {"window": 0}}, "more than 0"),
        ({"limits": {"resend_seconds": -1}}, "not be negative"),
        ({"limits": {"heartbeat_seconds": -1}}, "not be negative"),
        ({"limits": {"frame_bytes": 100}}, "at least 2048"),
        ({"limits": {"ack_timeout": "5"}}, "wrong type"),
        ({"other": 1}, "unknown settings other"),
    ],
)
def test_configuration_refused(changes: dict[str, Any], word: str) -> None:
    with pytest.raises(SettingsError, match=word):
        settings.parse({**GOOD, **changes})


def test_configuration() -> None:
    found = settings.parse({**GOOD, "limits": {"ack_timeout": 5}})
    assert found.limits.ack_timeout == 5
    assert found.limits.window == 256
    assert found.journal == settings.JournalSpec()
    assert found.state_dir == "/var/lib/pve-audit/forward"


@pytest.mark.parametrize("text", ["", "[]", '{"node": 1}'])
def test_unreadable_configuration_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    path = tmp_path / "forward.json"
    path.write_text(text)
    assert service.main(["--config", str(path), "--check"]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize(
    ("names", "permitted", "good"),
    [
        (["collector"], ["collector"], True),
        (["Collector."], ["collector"], True),
        (["*.example.com"], ["c.example.com"], True),
        (["c.example.com"], ["*.example.com"], True),
        (["a.b.example.com"], ["*.example.com"], False),
        (["example.com"], ["*.example.com"], False),
        (["collector.evil.com"], ["collector"], False),
        (["192.0.2.1"], ["192.0.2.1"], True),
        (["2001:db8:0::1"], ["2001:db8::1"], True),
        ([], ["collector"], False),
        (["other"], ["collector", "other"], True),
    ],
)
def test_permitted_peer(names: list[str], permitted: list[str], good: bool) -> None:
    kinds = [("IP Address" if re.fullmatch("[0-9.:a-f]*[:.][0-9.:a-f]*", name) else "DNS", name) for name in names]
    certificate = {"subject": ((("commonName", "elsewhere"),),), "subjectAltName": tuple(kinds)}
    if not names:
        certificate = {"subject": ()}
    if good:
        link.check_peer(certificate, permitted)
    else:
        with pytest.raises(link.LinkError, match="permitted is"):
            link.check_peer(certificate, permitted)


def test_common_name_counts_only_without_alternatives() -> None:
    subject = ((("commonName", "collector"),),)
    link.check_peer({"subject": subject}, ["collector"])
    with pytest.raises(link.LinkError):
        link.check_peer({"subject": subject, "subjectAltName": (("DNS", "other"),)}, ["collector"])


def test_voice_repeats_rarely() -> None:
    said: list[str] = []
    clock = [0.0]
    voice = service.Voice(said.append, lambda: clock[0])
    for second in range(1300):
        clock[0] = float(second)
        voice.say(4, "link", "refused")
        voice.say(6, "link", f"connected {second // 650}")
    assert len(said) <= 8
