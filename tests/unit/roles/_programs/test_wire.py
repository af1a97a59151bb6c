# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lines between node and collector: as they are written, as they are read, and as nobody should write them."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pve_audit import wire
from pve_audit.collector.writer import check_origin
from pve_audit.wire import Message, parse_line

BASE = Message("pve1", "journal", "hello", 1_795_455_684_123_456, "sudo", "77", 10, 5, {"cursor": "s=1;i=2"})
HEAD = (
    b"<85>1 2026-11-23T17:41:24.123456Z pve1 sudo 77 journal "
    b'[pveaudit@32473 node="pve1" source="journal" cursor="s=1;i=2"]'
)

# RFC 5424: VERSION SP TIMESTAMP SP HOSTNAME SP APP-NAME SP PROCID SP MSGID SP one SD-ELEMENT SP MSG.
GRAMMAR = re.compile(
    rb"<(\d{1,3})>1 (-|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z) "
    rb"([!-~]{1,255}) ([!-~]{1,48}) ([!-~]{1,128}) ([!-~]{1,32}) "
    rb'\[pveaudit@32473((?: [a-z]+="(?:[^"\\\]]|\\["\\\]])*")+)\] ([^\x00-\x1f\x7f]*)'
)
PARAM = re.compile(rb' ([a-z]+)="((?:[^"\\\]]|\\["\\\]])*)"')
ANY = st.text() | st.text('"\\] \n=[', max_size=20)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({}, HEAD + b" hello"),
        ({"text": ""}, HEAD + b" "),
        ({"text": "a\nb\x00c\td\x7f"}, HEAD + b" a#012b#000c#011d#177"),
        ({"text": "grün"}, HEAD + " grün".encode()),
        ({"text": "lone \udc80"}, HEAD + b" lone \\udc80"),
        ({"facility": 99, "severity": -1}, HEAD.replace(b"<85>", b"<30>") + b" hello"),
        ({"app": "", "procid": ""}, HEAD.replace(b"sudo 77", b"- -") + b" hello"),
        ({"app": "a b\n", "procid": "ü"}, HEAD.replace(b"sudo 77", b"a_b_ _") + b" hello"),
        ({"micros": -(10**18)}, HEAD.replace(b"2026-11-23T17:41:24.123456Z", b"-") + b" hello"),
        ({"params": {"comm": 'x" y]\\z\n'}}, HEAD.replace(b'cursor="s=1;i=2"', rb'comm="x\" y\]\\z#012"') + b" hello"),
    ],
)
def test_message(changes: dict[str, Any], line: bytes) -> None:
    assert wire.encode(replace(BASE, **changes), 8000) == [line]


@given(ANY, ANY, ANY, st.integers(), st.integers(), st.integers(), st.integers(600, 3000))
def test_any_message_keeps_to_the_grammar_and_comes_back(
    text: str, value: str, app: str, facility: int, severity: int, micros: int, size: int
) -> None:
    message = Message("pve1", "x.log", text, micros, app, app, facility, severity, {"comm": value[:100]})
    pieces = wire.encode(message, size)
    body = b""
    for number, piece in enumerate(pieces, 1):
        found = GRAMMAR.fullmatch(piece)
        assert found
        params = dict(PARAM.findall(found[7]))
        assert params[b"node"] == b"pve1"
        assert re.sub(rb"\\(.)", rb"\1", params[b"comm"]) == value[:100].translate(wire._CONTROL).encode(
            "utf-8", "backslashreplace"
        )
        assert params.get(b"part") == (b"%d/%d" % (number, len(pieces)) if len(pieces) > 1 else None)
        found[8].decode("utf-8")
        body += found[8]
    assert body == text.translate(wire._CONTROL).encode("utf-8", "backslashreplace")


def test_long_text_is_split_within_the_limit() -> None:
    pieces = wire.encode(replace(BASE, text="ä" * 20_000), 2048)
    assert len(pieces) > 20
    assert max(map(len, pieces)) <= 2048


PREFIX = "<30>1 2026-11-20T10:00:00Z"
GOOD = '[pveaudit@32473 node="pve1" source="journal"]'


@pytest.mark.parametrize(
    ("line", "source", "reason"),
    [
        (f"{PREFIX} pve1 app 1 - {GOOD} text", "journal", ""),
        (f"{PREFIX} pve1.example.org app 1 - {GOOD} text", "journal", ""),
        (f"{PREFIX} pve1 app 1 - {GOOD}", "journal", ""),
        (f'{PREFIX} pve1 app 1 - {GOOD}[other@1 node="pve9"] text', "journal", ""),
        (f'{PREFIX} pve1 app 1 - [pveaudit@32473 node="pve1" source="../../etc"] text', "other", ""),
        (f'{PREFIX} pve1 app 1 - [pveaudit@32473 node="pve1" source=".."] text', "other", ""),
        (f'{PREFIX} pve1 app 1 - [pveaudit@32473 node="pve1" source="a/b"] text', "other", ""),
        (f'{PREFIX} pve1 app 1 - [pveaudit@32473 node="pve1" source=""] text', "other", ""),
        (f'{PREFIX} pve1 app 1 - [pveaudit@32473 node="pve1" source="{"x" * 64}"] text', "other", ""),
        (f'{PREFIX} pve1 app 1 - [pveaudit@32473 node="pve2" source="journal"] text', "", "node 'pve2'"),
        (f'{PREFIX} pve1 app 1 - [pveaudit@32473 node="pve2" node="pve1" source="journal"] text', "", "node 'pve2'"),
        (f"{PREFIX} pve2 app 1 - {GOOD} text", "", "host 'pve2'"),
        (f"{PREFIX} pve11 app 1 - {GOOD} text", "", "host 'pve11'"),
        (f'{PREFIX} pve1 app 1 - [other@1 node="pve1"]{GOOD} text', "", "does not say"),
        (f"{PREFIX} pve1 app 1 - - text {GOOD}", "", "does not say"),
        (f'{PREFIX} pve1 app 1 - [pveaudit@32473x node="pve1" source="journal"] text', "", "does not say"),
        (f'{PREFIX} pve1 app 1 - [pveaudit@32473 node="pve1', "", "does not say"),
        ("<13>Nov 23 10:00:00 pve1 app: text", "", "does not say"),
        ("", "", "does not say"),
    ],
)
def test_a_line_goes_where_its_peer_may_write(line: str, source: str, reason: str) -> None:
    found, why = check_origin("pve1", line.encode())
    assert found == source
    assert reason in why and bool(reason) == bool(why)


@given(st.text())
def test_values_come_back_as_they_were(value: str) -> None:
    text = value.replace("\\", "\\\\").replace('"', '\\"').replace("]", "\\]")
    raw = f'{PREFIX} pve1 app 1 - [pveaudit@32473 node="{text}" source="x"] body'.encode("utf-8", "surrogatepass")
    if "\n" in value or "\r" in value:
        return
    line = parse_line(raw)
    assert line is not None
    assert line.text == "body"
    assert line.params["node"].encode("utf-8", "surrogateescape") == value.encode("utf-8", "surrogatepass")


@given(st.binary(max_size=300))
def test_no_bytes_make_it_fail(raw: bytes) -> None:
    parse_line(raw)
    source, reason = check_origin("pve1", raw)
    assert bool(source) != bool(reason)
    parse_line(f"{PREFIX} pve1 app 1 - ".encode() + raw)
