# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CSV that a spreadsheet may open."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.plugin_utils._render.csv import render_csv

CELLS: list[tuple[Any, str]] = [
    (None, '""'),  # an empty line would be no record
    ("plain", "plain"),
    (-5, "-5"),
    (0.5, "0.5"),
    (True, "true"),
    ("=1+1", "'=1+1"),
    ("+1", "'+1"),
    ("-1", "'-1"),
    ("@SUM(A1)", "'@SUM(A1)"),
    ("  =1", "'  =1"),
    ("'=1", "''=1"),
    ('"=1', '"\'""=1"'),
    ("\t=1", "\\t=1"),
    ("\r=1", "\\r=1"),
    ("a;=1", "a;'=1"),
    ("a, @b", '"a,\' @b"'),
    ("\uff1d1", "\\uff1d1"),
    ("alice@pve", "alice@pve"),
    ("UPID:pve1:0001:", "UPID:pve1:0001:"),
    ('say "hi"', '"say ""hi"""'),
    ("one\ntwo\r\nthree", "one\\ntwo\\r\\nthree"),
    ("\x1b[2J\x00", "\\x1b[2J\\x00"),
    ("\u202eexe", "\\u202eexe"),
    ([1, "b"], '"[1, ""b""]"'),
    ({"user.id": "x"}, '"{""user.id"": ""x""}"'),
]


@pytest.mark.parametrize(("value", "text"), CELLS)
def test_cell(value: Any, text: str) -> None:
    assert render_csv([{"c": value}], {"c": "c"}, header=False) == f"{text}\r\n"


def test_render_csv_walks_paths_and_ends_lines_as_rfc_4180_says() -> None:
    rows = [{"@timestamp": "t", "user": {"id": "a,b"}}, {}]
    assert render_csv(rows, {"time": "@timestamp", "actor": "user.id"}) == 'time,actor\r\nt,"a,b"\r\n,\r\n'
    assert render_csv(rows, {"time": "@timestamp"}, delimiter=";", header=False) == 't\r\n""\r\n'


@pytest.mark.parametrize(
    ("rows", "columns", "options", "message"),
    [
        ([{}], {}, {}, "at least one field"),
        ([{}], {"a": ""}, {}, "at least one field"),
        ([{}], {"a": "b"}, {"delimiter": "x"}, "delimiter 'x' cannot be used"),
        (["text"], {"a": "b"}, {}, "item 1 of the rows is str"),
    ],
)
def test_bad_input(rows: Any, columns: Any, options: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        render_csv(rows, columns, **options)


@given(st.lists(st.text(max_size=40), min_size=2, max_size=4), st.sampled_from([",", ";", "|", "\t"]))
def test_any_text_is_one_record_and_no_formula(texts: list[str], delimiter: str) -> None:
    columns = {f"c{i}": f"c{i}" for i in range(len(texts))}
    out = render_csv([{f"c{i}": text for i, text in enumerate(texts)}], columns, delimiter=delimiter, header=False)
    assert out.count("\n") == 1
    (record,) = csv.reader(io.StringIO(out, newline=""), delimiter=delimiter)
    assert len(record) == len(texts)
    for value in record:
        assert not value.lstrip(" \u00a0\"'").startswith(("=", "+", "-", "@")) or value.startswith("'")
    for other in ",;":  # a program that splits elsewhere finds no formula either
        for value in out.rstrip("\r\n").split(other):
            assert not value.lstrip(' "').startswith(("=", "+", "-", "@"))
