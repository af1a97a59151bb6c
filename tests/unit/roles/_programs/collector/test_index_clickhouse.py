# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same questions to SQLite and to ClickHouse's engine, which runs in this process: both answer alike."""

from __future__ import annotations

import importlib
import json
import warnings
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest

from pve_audit.collector.index.database import open_index
from pve_audit.collector.index.find import collect, find
from pve_audit.collector.index.keep import keep
from pve_audit.collector.index.reading import Line, order_of
from pve_audit.collector.index.table import CLICKHOUSE, COLUMNS, Question, clickhouse_row, clickhouse_select
from pve_audit.collector.settings import Settings
from pve_audit.collector.store import DayFile, read_name
from pve_audit.wire import Message, encode

HOSTILE = ["alice@pve", "o'neil@pve", 'a"b@pve', "a\\'b@pve", "{user:String}@pve", "é@pve", "tab\tline\n@pve"]
QUESTIONS = [
    Question(),
    Question(vmid=110),
    Question(vmid=110, user="alice@pve", address="192.0.2.7"),
    Question(object="111"),
    Question(since=1_795_168_801_000_000, until=1_795_168_803_000_000),
    *(Question(user=user) for user in HOSTILE),
]


@pytest.fixture(scope="module")
def engine() -> Any:
    """An empty database in memory."""
    try:
        return importlib.import_module("chdb.session").Session()
    except ImportError:
        warnings.warn("NOT TESTED: chdb, ClickHouse's engine in a Python package, is not there", stacklevel=1)
        pytest.skip("NOT TESTED: chdb is not there")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """An archive of calls by users with odd names, some twice, one in parts, one with a byte that is no UTF-8."""
    settings = Settings(str(tmp_path / "archive"), str(tmp_path / "state"), str(tmp_path / "rejected"))
    Path(settings.state).mkdir()
    for node in ("pve1", "pve2"):
        calls = [
            (user, f"PUT /api2/json/nodes/{node}/qemu/{110 + second % 2}/config") for second, user in enumerate(HOSTILE)
        ]
        calls += [("alice@pve", f"DELETE /api2/json/nodes/{node}/qemu/110?purge={'1' * 900}"), calls[0]]
        source = Path(settings.archive, node, "access.log")
        source.mkdir(parents=True)
        lines = [line for place, call in enumerate(calls) for line in call_lines(node, place, *call)]
        (source / "2026-11-20.log").write_bytes(
            b"\n".join([*lines, lines[0].replace(b"config", b"conf\xffig"), lines[0], b""])
        )
    return settings


def call_lines(node: str, place: int, user: str, request: str) -> list[bytes]:
    text = f'::ffff:192.0.2.{7 + place % 2} - {user} [20/11/2026:10:00:0{place % 6} +0000] "{request} HTTP/1.1" 200 25'
    where = {"file": "/var/log/pveproxy/access.log", "inode": "7", "fingerprint": "f", "offset": str(place)}
    return encode(Message(node, "access.log", text, 1_795_168_800_000_000, params=where), 700)


def test_both_engines_answer_alike(settings: Settings, engine: Any) -> None:
    keep(settings)
    engine.query(CLICKHOUSE)
    with open_index(settings) as index:
        names = {number: "/".join(name) for number, *name in index.execute("SELECT id, node, source, name FROM files")}
        rows = index.execute(f"SELECT {', '.join(COLUMNS)} FROM acts").fetchall()
    data = "\n".join(json.dumps(clickhouse_row(names[row[0]], row)) for row in rows)
    for _time in range(2):  # what is sent twice counts once
        engine.query(f"INSERT INTO acts FORMAT JSONEachRow {data}")
    for question in QUESTIONS:
        query, params = clickhouse_select(question)
        answer = str(engine.query(query, "JSONEachRow", params=params))
        lines = [line_of(settings, json.loads(row)) for row in answer.splitlines()]
        lines.sort(key=lambda one: (order_of(one[0]), one[1].place))
        theirs = [one.told() for one in collect(lines, question)]
        assert theirs == [one.told() for one in find(settings, question).found]
        assert theirs or question.user not in ("", "alice@pve")


def line_of(settings: Settings, row: dict[str, Any]) -> tuple[DayFile, Line]:
    file = read_name(Path(settings.archive, row["file"]))
    assert file is not None
    return file, Line(int(row["place"]), int(row["line"]), b64decode(row["text"]))
