# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ledger against databases that are written as pmxcfs writes them, and against a recording of a genuine one."""

from __future__ import annotations

import gzip
import hashlib
import json
import sqlite3
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pve_audit.ledger.database import Database
from pve_audit.ledger.follow import Follower
from tests.pmxcfs import Pmxcfs

DATA = Path(__file__).resolve().parents[3] / "data" / "ledger"
COROSYNC = (
    b"nodelist {\n  node {\n    name: pve1\n    nodeid: 1\n  }\n  node {\n    name: pve2\n    nodeid: 2\n  }\n}\n"
)


class Watched:
    """A database, who writes it, and a ledger that looks when it is told to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "config.db"
        self.pmxcfs = Pmxcfs(self.path, now=1_700_000_000)
        self.pmxcfs.write("corosync.conf", COROSYNC)
        self.pmxcfs.write("priv/pve-root-ca.key", b"the cluster's own secret")
        self.lines: list[str] = []
        self.clock = 0.0
        self.follower = self.begin()

    def begin(self) -> Follower:
        """A ledger that starts now."""
        self.follower = Follower(Database(str(self.path)), self.folder / "state.json", self.lines.append, self._now)
        self.look()
        return self.follower

    def look(self) -> list[dict[str, Any]]:
        """What the ledger tells of one look."""
        before = len(self.lines)
        self.clock += 0.05
        self.follower.once()
        return [json.loads(line) for line in self.lines[before:]]

    def _now(self) -> float:
        return self.clock


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    made = Watched(tmp_path)
    yield made
    made.pmxcfs.close()


def test_it_begins_with_a_line_and_without_news(watched: Watched) -> None:
    first = json.loads(watched.lines[0])
    assert (first["event"], first["files"]) == ("started", 3)
    assert len(watched.lines) == 1
    assert watched.look() == []


def test_a_change_by_a_tool_names_writer_process_and_what_is_different(watched: Watched) -> None:
    watched.pmxcfs.write("user.cfg", b"user:alice@pve:1:0:::::\n")
    assert watched.look()[0]["event"] == "created"
    watched.pmxcfs.writer = 2
    watched.pmxcfs.write("user.cfg", b"user:alice@pve:0:0:::::\nacl:1:/:alice@pve:Administrator:\n", lock=True)
    (line,) = watched.look()
    assert {key: line[key] for key in ("event", "path", "writer", "node", "mtime")} == {
        "event": "modified",
        "path": "user.cfg",
        "writer": 2,
        "node": "pve2",
        "mtime": 1_700_000_000,
    }
    assert line["changed"] == [["user alice@pve enable", "1", "0"]]
    assert line["added"] == [["acl / alice@pve Administrator", "propagate"]]
    assert "incomplete" not in line


def test_the_process_is_known_when_a_look_falls_in_between(watched: Watched) -> None:
    writer = watched.pmxcfs
    writer.write("storage.cfg", b"dir: local\n\tpath /var/lib/vz\n")
    watched.look()
    inode = writer._insert(0, "storage.cfg.tmp.815", 8)
    assert watched.look() == []
    writer._step("UPDATE tree SET data = ? WHERE inode = ?", b"dir: local\n\tpath /srv\n", inode, row=inode)
    writer.rename("storage.cfg.tmp.815", "storage.cfg")
    (line,) = watched.look()
    assert (line["process"], line["changed"]) == (815, [["dir local path", "/var/lib/vz", "/srv"]])


def test_editors_moves_and_deletions(watched: Watched) -> None:
    writer = watched.pmxcfs
    guest, other = "nodes/pve1/qemu-server/100.conf", "nodes/pve2/qemu-server/100.conf"
    writer.write(guest, b"memory: 512\n")
    writer.make_directory("nodes/pve2/qemu-server")
    watched.look()
    writer.append(guest, b"onboot: 1\n")
    assert [(one["event"], one["added"]) for one in watched.look()] == [("modified", [["onboot", "1"]])]
    writer.rename(guest, other)
    assert [(one["event"], one["path"], one["from"]) for one in watched.look()] == [("moved", other, guest)]
    writer.writer = 2
    writer.remove(other)
    (line,) = watched.look()
    assert (line["event"], line["path"], line["node"]) == ("deleted", other, "pve2")
    assert line["removed"] == [["memory", "512"], ["onboot", "1"]]


@pytest.mark.parametrize("name", ["priv/lock/u", "user.cfg.tmp.1"])
def test_a_file_that_is_given_the_name_of_a_lock_is_not_lost_from_sight(watched: Watched, name: str) -> None:
    watched.pmxcfs.write("user.cfg", b"user:alice@pve:1:0:::::\n")
    watched.pmxcfs.make_directory("priv/lock")
    watched.look()
    watched.pmxcfs.rename("user.cfg", name)
    assert [(one["event"], one["path"], one["from"]) for one in watched.look()] == [("moved", name, "user.cfg")]


def test_a_file_moved_over_another_one_is_compared_with_it(watched: Watched) -> None:
    watched.pmxcfs.write("user.cfg", b"user:alice@pve:1:0:::::\n")
    watched.pmxcfs.write("x", b"user:alice@pve:1:0:::::\nacl:1:/:alice@pve:Administrator:\n")
    watched.look()
    watched.pmxcfs.rename("x", "user.cfg")
    (line,) = watched.look()
    assert (line["event"], line["from"], line["added"]) == (
        "moved",
        "x",
        [["acl / alice@pve Administrator", "propagate"]],
    )


def test_one_look_that_fails_replaces_no_database(watched: Watched) -> None:
    watched.follower.database.close()
    watched.pmxcfs.write("jobs.cfg", b"vzdump: a\n")
    (line,) = watched.look()
    assert (line["event"], line.get("unseen")) == ("created", None)


def test_a_deletion_before_another_write_has_no_known_writer(watched: Watched) -> None:
    watched.pmxcfs.write("jobs.cfg", b"vzdump: a\n\tenabled 1\n")
    watched.look()
    watched.pmxcfs.remove("jobs.cfg")
    watched.pmxcfs.writer = 2
    watched.pmxcfs.append("corosync.conf", b"\n")
    deleted = next(one for one in watched.look() if one["event"] == "deleted")
    assert (deleted["path"], deleted.get("writer")) == ("jobs.cfg", None)


def test_what_was_written_and_overwritten_between_two_looks_is_counted(watched: Watched) -> None:
    guest = "nodes/pve1/qemu-server/100.conf"
    watched.pmxcfs.write(guest, b"memory: 512\n")
    watched.look()
    watched.pmxcfs.write(guest, b"memory: 1024\n")
    watched.pmxcfs.write(guest, b"memory: 2048\n")
    (line,) = watched.look()
    assert (line["changed"], line["incomplete"]) == ([["memory", "512", "2048"]], 3)


def test_locks_and_notes_of_the_ha_stack_are_no_news(watched: Watched) -> None:
    held = watched.pmxcfs.make_directory("priv/lock/file-user_cfg")
    watched.pmxcfs.write("ha/manager_status", b"{}")
    watched.pmxcfs.write("nodes/pve1/lrm_status", b"{}")
    watched.look()
    watched.pmxcfs.remove_inode(held)
    watched.pmxcfs.write("ha/manager_status", b'{"a":1}')
    assert watched.look() == []


def test_secrets_are_told_by_a_sum_that_is_the_same_on_all_nodes_and_cannot_be_tried(tmp_path: Path) -> None:
    sums = set()
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        node = Watched(tmp_path / name)
        node.pmxcfs.write("priv/storage/nas.pw", b"summer2026")
        (line,) = (one for one in node.look() if one["path"].endswith("nas.pw"))
        assert set(line) == {"event", "path", "version", "since", "mtime", "writer", "node", "sum"}
        sums.add(line["sum"])
        assert "summer2026" not in "".join(node.lines)
        node.pmxcfs.close()
    assert len(sums) == 1
    assert hashlib.sha256(b"summer2026").hexdigest()[:32] not in sums.pop()


def test_what_happened_while_nobody_looked_is_told_without_content(watched: Watched) -> None:
    watched.pmxcfs.write("jobs.cfg", b"vzdump: a\n\tenabled 1\n")
    watched.pmxcfs.write("datacenter.cfg", b"keyboard: de\n")
    watched.look()
    watched.follower.save()
    watched.pmxcfs.write("jobs.cfg", b"vzdump: a\n\tenabled 0\n")
    watched.pmxcfs.write("datacenter.cfg", b"keyboard: de\n")
    watched.pmxcfs.remove("corosync.conf")
    before = len(watched.lines)
    watched.begin()
    lines = [json.loads(line) for line in watched.lines[before:]]
    told = [(one["event"], one.get("path"), one.get("unseen")) for one in lines]
    assert told[0] == ("started", None, None)
    assert lines[0]["known"] < lines[0]["version"]
    assert sorted(told[1:]) == [("deleted", "corosync.conf", True), ("modified", "jobs.cfg", True)]
    assert not any("changed" in one for one in lines)
    watched.pmxcfs.write("jobs.cfg", b"vzdump: a\n\tenabled 1\n")
    assert watched.look()[0]["changed"] == [["vzdump a enabled", "0", "1"]]


@pytest.mark.parametrize("state", [b"", b"[]", b'{"version": 1, "entries": [[1]]}', b"\xff"])
def test_a_state_that_cannot_be_read_is_a_new_beginning(
    watched: Watched, state: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    (watched.folder / "state.json").write_bytes(state)
    watched.begin()
    assert json.loads(watched.lines[-1])["event"] == "started"
    assert "cannot be read, it begins anew" in capsys.readouterr().err


def test_a_full_disk_of_the_state_ends_nothing(watched: Watched, capsys: pytest.CaptureFixture[str]) -> None:
    watched.follower.state = Path("/dev/full/state.json")
    watched.follower.save()
    assert "cannot be saved" in capsys.readouterr().err
    watched.pmxcfs.write("jobs.cfg", b"vzdump: a\n")
    assert watched.look()[0]["event"] == "created"


def test_a_database_that_was_replaced_is_told_and_compared_by_path(watched: Watched) -> None:
    watched.pmxcfs.write("jobs.cfg", b"vzdump: a\n\tenabled 1\n")
    watched.look()
    watched.pmxcfs.close()
    for file in watched.folder.glob("config.db*"):
        file.unlink()
    watched.pmxcfs = Pmxcfs(watched.path)
    watched.pmxcfs.write("jobs.cfg", b"vzdump: a\n\tenabled 0\n")
    watched.pmxcfs.write("corosync.conf", COROSYNC)
    lines = watched.look()
    assert lines[0]["event"] == "database_replaced"
    assert {(one["event"], one["path"]) for one in lines[1:]} >= {("modified", "jobs.cfg"), ("deleted", "priv")}
    assert next(one for one in lines if one.get("path") == "jobs.cfg")["changed"] == [["vzdump a enabled", "1", "0"]]


def test_a_version_that_goes_back_is_told(watched: Watched) -> None:
    watched.pmxcfs.write("jobs.cfg", b"vzdump: a\n")
    watched.look()
    watched.pmxcfs._base.execute("UPDATE tree SET version = 3 WHERE inode = 0")
    assert [one["event"] for one in watched.look()] == ["database_replaced"]


@pytest.mark.parametrize("harm", ["gone", "text", "empty", "no root"])
def test_being_blind_is_told_once_and_seeing_again_too(watched: Watched, harm: str) -> None:
    away = watched.folder / "away"
    away.mkdir()
    for file in list(watched.folder.glob("config.db*")):
        file.rename(away / file.name)
    if harm == "text":
        watched.path.write_text("this is no database\n" * 200)
    elif harm == "empty":
        watched.path.touch()
    elif harm == "no root":
        with sqlite3.connect(watched.path) as base:
            base.execute("CREATE TABLE tree (inode, version, writer, mtime)")
    assert watched.look() == []
    watched.clock += 10
    assert [one["event"] for one in watched.look()] == ["blind"]
    assert watched.look() == []
    for file in list(watched.folder.glob("config.db*")):
        file.unlink()
    for file in away.iterdir():
        file.rename(watched.folder / file.name)
    watched.pmxcfs.write("jobs.cfg", b"vzdump: a\n")
    assert {one["event"] for one in watched.look()} >= {"sees", "created"}


def test_the_write_ahead_log_can_be_restarted_between_looks(watched: Watched) -> None:
    watched.pmxcfs.write("jobs.cfg", b"x" * 100_000)
    watched.look()
    busy, _log, _done = watched.pmxcfs._base.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    assert busy == 0
    assert (watched.folder / "config.db-wal").stat().st_size == 0


def recorded_looks() -> list[dict[str, Any]]:
    return [json.loads(line) for line in gzip.decompress((DATA / "looks.jsonl.gz").read_bytes()).splitlines()]


def replay(base: sqlite3.Connection, look: dict[str, Any]) -> None:
    """Bring a database to the state that a recorded look found."""
    root = look["root"]
    base.execute("BEGIN IMMEDIATE")
    values = (root["version"], root["writer"], root["mtime"])
    base.execute("UPDATE tree SET version = ?, writer = ?, mtime = ? WHERE inode = 0", values)
    base.executemany("DELETE FROM tree WHERE inode = ?", [(one["inode"],) for one in look["gone"]])
    for one in look["changed"]:
        data = b64decode(one["base64"]) if "base64" in one else one.get("text", one.get("sha256", "")).encode()
        head = (one[key] for key in ("inode", "parent", "version", "writer", "mtime", "type"))
        base.execute("REPLACE INTO tree VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (*head, one["path"].split("/")[-1], data))
    base.execute("COMMIT")


def test_a_genuine_cluster_is_followed_whole(tmp_path: Path) -> None:
    """Every content that twenty looks a second recorded is told, with its writer; nothing is told twice."""
    path = tmp_path / "config.db"
    path.write_bytes(gzip.decompress((DATA / "before.db.gz").read_bytes()))
    base = sqlite3.connect(path, isolation_level=None)
    base.execute("PRAGMA journal_mode=WAL")
    lines: list[str] = []
    follower = Follower(Database(str(path)), tmp_path / "state.json", lines.append)
    follower.once()
    wanted = set()
    for look in recorded_looks():
        replay(base, look)
        follower.once()
        wanted |= {
            (one["path"], one["version"], one["writer"])
            for one in look["changed"]
            if one["type"] == 8 and ".tmp." not in one["path"]
        }
    told = [json.loads(line) for line in lines[1:]]
    seen = [(one["path"], one["version"], one["writer"]) for one in told if one["event"] != "deleted"]
    assert set(seen) == wanted
    assert len(seen) == len(wanted)
    assert [one["path"] for one in told if one["event"] == "deleted"] == ["user.cfg.bak"]
    assert {one["node"] for one in told} == {"pve1", "pve2", "pve3"}
    # A file that was made and removed within one look, beside a line that was appended.
    assert next(one for one in told if one["path"] == "vzdump.cron")["incomplete"] >= 2


NAMES = st.sampled_from(["user.cfg", "storage.cfg", "x", "nodes/pve1/qemu-server/100.conf", "priv/shadow.cfg", "a/b/c"])
SECRET = b"7f3b1c9e-0d3a-4c55-9a53-0f0e2b1f7a10"
CONTENT = st.binary(max_size=60) | st.just(b"user:a@pve:1:0:::::\n") | st.just(b"password: " + SECRET)
DEEDS = st.lists(
    st.tuples(st.sampled_from(["write", "append", "remove", "move", "look", "begin"]), NAMES, NAMES, CONTENT)
)


@given(DEEDS)
def test_whatever_is_done_the_ledger_knows_the_tree_and_tells_no_secret(
    tmp_path_factory: pytest.TempPathFactory, deeds: list[tuple[str, str, str, bytes]]
) -> None:
    watched = Watched(tmp_path_factory.mktemp("tree"))
    writer = watched.pmxcfs
    for deed, name, other, content in deeds:
        there = name in writer.tree()
        if deed == "write":
            writer.write(name, content, lock=name == "user.cfg")
        elif deed == "append" and there:
            writer.append(name, content)
        elif deed == "remove" and there:
            writer.remove(name)
        elif deed == "move" and there and name != other:
            writer.rename(name, other)
        elif deed == "look":
            watched.look()
        elif deed == "begin":
            watched.follower.save()
            watched.begin()
    watched.look()
    tree = watched.follower.tree
    assert tree is not None
    files = {entry.path: entry for entry in tree.entries.values() if entry.kind == 8}
    assert {path: files[path].digest for path in files} == {
        path: tree.digest(path, data) for path, data in writer.tree().items()
    }
    assert SECRET.decode() not in "".join(watched.lines)
    writer.close()
