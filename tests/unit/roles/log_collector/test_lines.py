# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines as the forwarder sends them, and as nobody should."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roles.log_collector.files.pve_audit_collector.lines import parse_line
from roles.log_collector.files.pve_audit_collector.writer import judge

HEAD = "<30>1 2026-11-20T10:00:00Z"
GOOD = '[pveaudit@32473 node="pve1" source="journal"]'


@pytest.mark.parametrize(
    ("line", "source", "reason"),
    [
        (f"{HEAD} pve1 app 1 - {GOOD} text", "journal", ""),
        (f"{HEAD} pve1.example.org app 1 - {GOOD} text", "journal", ""),
        (f"{HEAD} pve1 app 1 - {GOOD}", "journal", ""),
        (f'{HEAD} pve1 app 1 - {GOOD}[other@1 node="pve9"] text', "journal", ""),
        (f'{HEAD} pve1 app 1 - [pveaudit@32473 node="pve1" source="../../etc"] text', "other", ""),
        (f'{HEAD} pve1 app 1 - [pveaudit@32473 node="pve1" source=".."] text', "other", ""),
        (f'{HEAD} pve1 app 1 - [pveaudit@32473 node="pve1" source="a/b"] text', "other", ""),
        (f'{HEAD} pve1 app 1 - [pveaudit@32473 node="pve1" source=""] text', "other", ""),
        (f'{HEAD} pve1 app 1 - [pveaudit@32473 node="pve1" source="{"x" * 64}"] text', "other", ""),
        (f'{HEAD} pve1 app 1 - [pveaudit@32473 node="pve2" source="journal"] text', "", "node 'pve2'"),
        (f'{HEAD} pve1 app 1 - [pveaudit@32473 node="pve2" node="pve1" source="journal"] text', "", "node 'pve2'"),
        (f"{HEAD} pve2 app 1 - {GOOD} text", "", "host 'pve2'"),
        (f"{HEAD} pve11 app 1 - {GOOD} text", "", "host 'pve11'"),
        (f'{HEAD} pve1 app 1 - [other@1 node="pve1"]{GOOD} text', "", "does not say"),
        (f"{HEAD} pve1 app 1 - - text {GOOD}", "", "does not say"),
        (f'{HEAD} pve1 app 1 - [pveaudit@32473x node="pve1" source="journal"] text', "", "does not say"),
        (f'{HEAD} pve1 app 1 - [pveaudit@32473 node="pve1', "", "does not say"),
        ("<13>Nov 23 10:00:00 pve1 app: text", "", "does not say"),
        ("", "", "does not say"),
    ],
)
def test_a_line_goes_where_its_peer_may_write(line: str, source: str, reason: str) -> None:
    found, why = judge("pve1", line.encode())
    assert found == source
    assert reason in why and bool(reason) == bool(why)


@given(st.text())
def test_values_come_back_as_they_were(value: str) -> None:
    text = value.replace("\\", "\\\\").replace('"', '\\"').replace("]", "\\]")
    raw = f'{HEAD} pve1 app 1 - [pveaudit@32473 node="{text}" source="x"] body'.encode("utf-8", "surrogatepass")
    if "\n" in value or "\r" in value:
        return
    line = parse_line(raw)
    assert line is not None
    assert line.text == "body"
    assert line.params["node"].encode("utf-8", "surrogateescape") == value.encode("utf-8", "surrogatepass")


@given(st.binary(max_size=300))
def test_no_bytes_make_it_fail(raw: bytes) -> None:
    parse_line(raw)
    source, reason = judge("pve1", raw)
    assert bool(source) != bool(reason)
    parse_line(f"{HEAD} pve1 app 1 - ".encode() + raw)
