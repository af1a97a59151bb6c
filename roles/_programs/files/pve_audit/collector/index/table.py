# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of the index, and the questions to it, for SQLite and for ClickHouse: the only place that has SQL.

A row is one event of one line: where the line lies (file and place), what questions ask for, and the line itself. The
line is there so that an answer needs no packed file.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pve_audit.collector.index.lines import Keys

SQLITE = (
    """CREATE TABLE files (
        id INTEGER PRIMARY KEY, node TEXT NOT NULL, source TEXT NOT NULL, name TEXT NOT NULL, seen TEXT NOT NULL,
        head TEXT NOT NULL, last INTEGER NOT NULL, tail TEXT NOT NULL, place INTEGER NOT NULL, line INTEGER NOT NULL,
        damage TEXT NOT NULL, broken INTEGER NOT NULL, broken_line INTEGER NOT NULL)""",
    """CREATE TABLE acts (
        file INTEGER NOT NULL, place INTEGER NOT NULL, line INTEGER NOT NULL, time INTEGER NOT NULL, kind TEXT NOT NULL,
        vmid INTEGER, user TEXT NOT NULL, account TEXT NOT NULL, object TEXT NOT NULL, address TEXT NOT NULL,
        action TEXT NOT NULL, parts TEXT NOT NULL, text BLOB NOT NULL)""",
    """CREATE TABLE pieces (
        parts TEXT NOT NULL, file INTEGER NOT NULL, place INTEGER NOT NULL, line INTEGER NOT NULL,
        text BLOB NOT NULL)""",
    "CREATE INDEX acts_file ON acts (file)",
    "CREATE INDEX acts_time ON acts (time)",
    "CREATE INDEX acts_vmid ON acts (vmid, time) WHERE vmid IS NOT NULL",
    "CREATE INDEX acts_user ON acts (user, time)",
    "CREATE INDEX acts_account ON acts (account, time)",
    "CREATE INDEX acts_object ON acts (object, time)",
    "CREATE INDEX acts_address ON acts (address, time)",
    "CREATE INDEX acts_parts ON acts (parts) WHERE parts <> ''",
    "CREATE INDEX pieces_parts ON pieces (parts)",
    "CREATE INDEX pieces_file ON pieces (file)",
)
"""What an empty database needs."""

COLUMNS = ("file", "place", "line", *Keys._fields, "parts", "text")
INSERT = f"INSERT INTO acts ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked for; empty and None are no condition. Times are in microseconds, both ends belong to it."""

    vmid: int | None = None
    user: str = ""
    object: str = ""
    address: str = ""
    since: int | None = None
    until: int | None = None

    def fits(self, keys: Keys) -> bool:
        """What the SQL says, of one event."""
        return (
            (self.vmid is None or keys.vmid == self.vmid)
            and (not self.user or self.user in (keys.user, keys.account))
            and (not self.object or keys.object == self.object)
            and (not self.address or keys.address == self.address)
            and (self.since is None or keys.time >= self.since)
            and (self.until is None or keys.time <= self.until)
        )


def _conditions(question: Question) -> Iterator[tuple[str, str, Any]]:
    """Each condition, with the name and the value of what it is compared with."""
    if question.vmid is not None:
        yield "vmid = {}", "vmid", question.vmid
    if question.user:
        yield "(user = {} OR account = {})", "user", question.user
    if question.object:
        yield "object = {}", "object", question.object
    if question.address:
        yield "address = {}", "address", question.address
    if question.since is not None:
        yield "time >= {}", "since", question.since
    if question.until is not None:
        yield "time <= {}", "until", question.until


CLICKHOUSE = """CREATE TABLE IF NOT EXISTS acts (
    file String, place Int64, line Int64, time Int64, kind LowCardinality(String), vmid Nullable(Int64), user String,
    account String, object String, address String, action LowCardinality(String), parts String, text String)
    ENGINE = ReplacingMergeTree ORDER BY (time, file, place, kind, user, object, address, action, parts)"""
"""The same table in ClickHouse, where rows that come twice count once. `file` is the name below the archive, and `text`
is the line in Base64, which JSON can carry."""

_TYPES = {int: "Int64", str: "String"}
_ESCAPES = {ord("\\"): "\\\\", ord("\t"): "\\t", ord("\n"): "\\n"}


def clickhouse_row(name: str, row: tuple[Any, ...]) -> dict[str, Any]:
    """A row of SQLite's table, in the order of COLUMNS, for the format JSONEachRow. `name` is that of its file."""
    values = dict(zip(COLUMNS, row, strict=True))
    return values | {"file": name, "text": b64encode(values["text"]).decode("ascii")}


def clickhouse_select(question: Question) -> tuple[str, dict[str, str]]:
    """The question of `select` for ClickHouse, and the parameters `param_NAME` of its HTTP interface."""
    found = list(_conditions(question))
    texts = (text.replace("{}", f"{{{name}:{_TYPES[type(value)]}}}") for text, name, value in found)
    where = " AND ".join(texts) or "1 = 1"
    # ClickHouse reads a parameter as a field of a tab-separated row.
    values = {name: str(value).translate(_ESCAPES) for _text, name, value in found}
    return f"SELECT DISTINCT file, place, line, text FROM acts WHERE {where}", values


def select(question: Question) -> tuple[str, dict[str, Any]]:
    """For SQLite: each line once, with its file and place; and the parameters."""
    found = list(_conditions(question))
    where = " AND ".join(text.replace("{}", f":{name}") for text, name, _value in found) or "1 = 1"
    values = {name: value for _text, name, value in found}
    return f"SELECT DISTINCT file, place, line, text FROM acts WHERE {where}", values
