# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who made each change of /etc/pve, on a recording of a genuine cluster with the truth of every action."""

from __future__ import annotations

import gzip
import json
import sqlite3
from base64 import b64decode
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.pve.audit.plugins.filter.events import events
from ansible_collections.pve.audit.plugins.module_utils._evidence.acts.act import join_acts
from ansible_collections.pve.audit.plugins.module_utils._model.act import Act
from ansible_collections.pve.audit.plugins.module_utils._model.event import Event
from pve_audit.ledger.database import Database
from pve_audit.ledger.follow import Follower
from tools.attribution import NODES, score

DATA = Path(__file__).resolve().parents[4] / "data" / "ledger"
TRUTH: list[dict[str, Any]] = [json.loads(line) for line in (DATA / "truth.jsonl").read_text().splitlines()]
# What was typed on a node: the kind of the action, and how the actions of its changes begin.
BY_HAND = {
    "acl.modify": "access.acl.",
    "guest.move": "guest.migrate",
    "options.modify": "cluster.options.",
    "pool.modify": "pool.",
    "role.modify": "access.role.",
    "storage.modify": "storage.",
    "token.create": "access.token.",
    "user.create": "access.user.",
    "user.delete": "access.user.",
    "user.modify": "access.user.",
}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What the ledger tells of the recorded looks."""
    path = tmp_path_factory.mktemp("ledger") / "config.db"
    path.write_bytes(gzip.decompress((DATA / "before.db.gz").read_bytes()))
    base = sqlite3.connect(path, isolation_level=None)
    base.execute("PRAGMA journal_mode=WAL")
    lines: list[str] = []
    follower = Follower(Database(str(path)), path.with_name("state.json"), lines.append)
    follower.once()
    for text in gzip.decompress((DATA / "looks.jsonl.gz").read_bytes()).splitlines():
        look = json.loads(text)
        base.execute("BEGIN IMMEDIATE")
        root = [look["root"][key] for key in ("version", "writer", "mtime")]
        base.execute("UPDATE tree SET version = ?, writer = ?, mtime = ? WHERE inode = 0", root)
        base.executemany("DELETE FROM tree WHERE inode = ?", [(one["inode"],) for one in look["gone"]])
        for one in look["changed"]:
            data = b64decode(one["base64"]) if "base64" in one else one.get("text", one.get("sha256", "")).encode()
            head = (one[key] for key in ("inode", "parent", "version", "writer", "mtime", "type"))
            base.execute("REPLACE INTO tree VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (*head, one["path"].split("/")[-1], data))
        base.execute("COMMIT")
        follower.once()
    return lines


@cache
def of_the_nodes() -> tuple[Event, ...]:
    """The events of access.log and task index of all nodes."""
    found: list[Event] = []
    for folder in sorted((DATA / "nodes").iterdir()):
        found += events((folder / "access.log").read_text().splitlines(), source="access", node=folder.name)
        found += events((folder / "tasks" / "index").read_text().splitlines(), source="task", node=folder.name)
    return tuple(found)


def of_the_ledgers(told: list[str], *nodes: str) -> list[Event]:
    """What the ledgers of these nodes say, which all saw the same."""
    found: list[Event] = []
    for node in nodes:
        for number, line in enumerate(told):
            time = str((json.loads(line).get("mtime") or 1795807698) * 1_000_000 + 900_000)
            record = {"MESSAGE": line, "SYSLOG_IDENTIFIER": "pve-audit-ledger", "__REALTIME_TIMESTAMP": time}
            record |= {
                "_HOSTNAME": node,
                "__CURSOR": f"s={node};i={number}",
                "_UID": "0",
                "_EXE": "/usr/bin/python3.13",
            }
            found += events([record], source="journal", node=node)
    return found


def own(acts: list[Act]) -> list[Act]:
    """Acts that are changes of their own, which no call or task made."""
    return [
        act
        for act in acts
        if act["attribution"]["witnesses"]
        and not any(one["file"] in ("access.log", "tasks/index") for one in act["attribution"]["witnesses"])
    ]


@pytest.fixture(scope="module")
def acts(told: list[str]) -> list[Act]:
    """All acts, from all sources and three ledgers."""
    return join_acts([*of_the_nodes(), *of_the_ledgers(told, "pve1", "pve2", "pve3")], NODES)


def test_what_was_typed_on_a_node_is_an_act_and_nobody_of_the_api_is_named(acts: list[Act]) -> None:
    typed = [row for row in TRUTH if row["channel"] == "cli_root"]
    assert len(typed) == 22
    ambiguous = [act for act in acts if act["attribution"]["confidence"] == "ambiguous"]
    for row in typed:
        if row["kind"] in ("guest.config", "other"):
            continue  # `qm set` has a line of its own in the journal; what came and went within one look has nothing
        near = [
            act
            for act in (*own(acts), *ambiguous)
            if str(act["event"]["action"]).startswith(BY_HAND[row["kind"]])
            and row["t_start"] // 1000 <= _second(act) <= row["t_end"] // 1000 + 1
        ]
        assert near, row
        assert any(None in _users(act) or "root@pam" in _users(act) for act in near), row
        assert all(act["attribution"]["confidence"] in ("unknown", "ambiguous") for act in near), row


def _second(act: Act) -> int:
    return int(datetime.fromisoformat(str(act["@timestamp"])).timestamp())


def _users(act: Act) -> set[str | None]:
    return {one["user"] for one in act["attribution"]["candidates"]}


def test_every_call_that_changed_something_is_told_rightly(told: list[str], acts: list[Act]) -> None:
    found = [*of_the_nodes(), *of_the_ledgers(told, "pve1", "pve2", "pve3")]
    rows = [row | {"label": "silent"} for row in TRUTH if row["channel"] != "cli_root" and row["outcome"] == "OK"]
    rows = [row for row in rows if row["kind"] not in ("login", "ticket_renewal") and not row["upid"]]
    says = [(row["kind"], said.says) for row, said in score(rows, found, acts)]
    assert {said for _kind, said in says} == {"certain"}


def test_ledgers_of_more_nodes_are_more_witnesses_and_no_more_acts(told: list[str], acts: list[Act]) -> None:
    one = join_acts([*of_the_nodes(), *of_the_ledgers(told, "pve2")], NODES)
    assert len(one) == len(acts)
    witnesses = [sum(len(act["attribution"]["witnesses"]) for act in some) for some in (one, acts)]
    assert witnesses[1] > 2 * witnesses[0] - len(of_the_nodes())


def test_without_access_log_a_change_says_nothing_about_a_shell(told: list[str]) -> None:
    alone = join_acts(of_the_ledgers(told, "pve1"), NODES)
    assert alone
    assert {(act["pve"]["channel"], act["attribution"]["confidence"]) for act in alone} == {("unknown", "unknown")}
    assert all(act["user"]["id"] is None for act in alone)


def test_a_command_of_sudo_that_names_the_object_is_the_likely_one(told: list[str]) -> None:
    made = next(line for line in told if "user zed@pve" in line)
    written = json.loads(made)["mtime"]
    message = "alice : TTY=pts/0 ; PWD=/home/alice ; USER=root ; COMMAND=/usr/sbin/pveum user add zed@pve"
    sudo = {"MESSAGE": message, "SYSLOG_IDENTIFIER": "sudo", "_HOSTNAME": json.loads(made)["node"]}
    sudo |= {"__REALTIME_TIMESTAMP": str((written - 1) * 1_000_000), "__CURSOR": "s=sudo;i=1", "_UID": "0"}
    found = [*of_the_nodes(), *of_the_ledgers(told, "pve1"), *events([sudo], source="journal")]
    act = next(act for act in join_acts(found, NODES) if act["pve"]["object"] == "zed@pve")
    assert (act["attribution"]["confidence"], act["person"], act["pve"]["channel"]) == ("likely", "alice", "cli_sudo")
