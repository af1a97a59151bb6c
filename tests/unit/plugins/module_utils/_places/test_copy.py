# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A copy and an archive of the recordings, against the truth of every action, and copies that somebody changed."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
from collections import Counter
from collections.abc import Callable
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.pve.audit.plugins.module_utils._evidence.found import Found
from ansible_collections.pve.audit.plugins.module_utils._evidence.question.answer import answer
from ansible_collections.pve.audit.plugins.module_utils._evidence.question.question import Question
from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._model.time import to_epoch
from ansible_collections.pve.audit.plugins.module_utils._places import copy
from ansible_collections.pve.audit.plugins.module_utils._places.archive import read_archive
from ansible_collections.pve.audit.plugins.module_utils._places.copy import read_copy
from ansible_collections.pve.audit.plugins.module_utils._places.files import Root, UnreadableError, read_lines
from ansible_collections.pve.audit.plugins.module_utils._places.reading import Interval
from pve_audit.wire import Message, encode
from tools.attribution import NAMES, NODES, RECORDINGS, score, truth

NOW = 1_795_500_000.0
ALL = Question()


def read(path: Path) -> Found:
    return read_copy(str(path), Interval(), UTC, now=NOW)


def said(name: str, found: Found, nodes: Any = None) -> Counter[str]:
    """How often each thing was said about the actions of a recording."""
    acts = answer(found, ALL, nodes)["acts"]
    return Counter(one.says for _row, one in score(truth(name), found.events, acts))


@pytest.mark.parametrize("name", NAMES)
def test_a_copy_tells_the_truth_and_reads_alone_do_not_change_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = RECORDINGS / name / "nodes"
    whole = said(name, read(path), NODES)
    assert not {"wrong certain", "wrong likely", "no act"} & set(whole)
    monkeypatch.setattr(copy, "_THIN", 0)
    thin = read(path)
    assert len(thin.events) < len(read_all(path, monkeypatch).events)
    assert said(name, thin, NODES) == whole
    assert "wrong certain" not in said(name, thin)


def read_all(path: Path, monkeypatch: pytest.MonkeyPatch) -> Found:
    monkeypatch.setattr(copy, "_THIN", 1 << 30)
    return read(path)


def archive_of(nodes: Path, folder: Path) -> Path:
    """The archive that a collector has of these nodes."""
    for node in sorted(nodes.iterdir()):
        for source, file in (("access.log", "access.log"), ("tasks", "tasks/index")):
            lines = (node / file).read_text().splitlines()
            params = {"file": f"/var/log/{'pveproxy/access.log' if source == 'access.log' else 'pve/tasks/index'}"}
            rows = [Message(node.name, source, line, LATE, "pve", params=params | {"offset": str(at)})
                    for at, line in enumerate(lines)]  # fmt: skip
            write(folder / node.name / source, rows)
        with gzip.open(node / "journal.json.gz", "rt") as journal:
            write(folder / node.name / "journal", [entry(node.name, json.loads(line)) for line in journal])
    return folder


FIELDS = {
    "cursor": "__CURSOR",
    "pid": "_PID",
    "comm": "_COMM",
    "loginuid": "_AUDIT_LOGINUID",
    "session": "_AUDIT_SESSION",
}


def entry(node: str, record: dict[str, Any]) -> Message:
    """An entry of the journal as the forwarder sends it."""
    params = {name: str(record[field]) for name, field in FIELDS.items() if field in record}
    app, pid = str(record.get("SYSLOG_IDENTIFIER", "")), str(record.get("_PID", ""))
    text = (
        record["MESSAGE"] if isinstance(record["MESSAGE"], str) else bytes(record["MESSAGE"]).decode(errors="replace")
    )
    return Message(node, "journal", text, int(record["__REALTIME_TIMESTAMP"]), app, pid, params=params)


def write(folder: Path, messages: list[Message]) -> None:
    rows = [part for message in messages for part in encode(message, 8000)]
    folder.mkdir(parents=True)
    with gzip.open(folder / "2026-11-23.log.gz", "wb") as stream:
        stream.write(b"\n".join(rows) + b"\n")


LATE = 1_795_456_000_000_000  # when the lines of files were sent, in microseconds


@pytest.mark.parametrize("name", ["cli-and-sudo", "revenge"])
def test_an_archive_gives_the_acts_of_the_copy(name: str, tmp_path: Path) -> None:
    nodes = RECORDINGS / name / "nodes"
    archive = archive_of(nodes, tmp_path / "archive")
    found = read_archive(str(archive), Interval(), UTC, now=NOW)
    copied = read(nodes)
    assert said(name, found, NODES) == said(name, copied, NODES)
    assert [(row.node, row.source) for row in found.coverage if not row.complete] == []
    assert answer(found, ALL, NODES)["gaps"] == answer(copied, ALL, NODES)["gaps"]
    shutil.rmtree(archive / "pve1" / "journal")
    rows = {(row.node, row.source): row for row in read_archive(str(archive), Interval(), UTC, now=NOW).coverage}
    assert [reason["code"] for reason in rows["pve1", "pve.auth"].reasons] == ["no_file"]
    assert rows["pve2", "pve.auth"].complete
    with pytest.raises(InputError, match="nothing of pve9, only of pve1, pve2, pve3"):
        read_archive(str(archive), Interval(), UTC, now=NOW, nodes=["pve9"])


@pytest.fixture
def revenge(tmp_path: Path) -> Path:
    """A copy of a recording that may be changed."""
    shutil.copytree(RECORDINGS / "revenge" / "nodes", tmp_path / "nodes")
    return tmp_path / "nodes"


def test_a_question_gives_its_acts_with_their_lines(revenge: Path) -> None:
    result = answer(read(revenge), Question(vmid=510, actions=("guest.destroy",)))
    (act,) = result["acts"]
    assert (act["user"]["id"], act["source"]["ip"]) == ("dario@pve", "10.99.77.27")
    lines = {(one["file"], one["place"]): one["line"] for one in act["attribution"]["witnesses"]}
    assert any(file == "pve2/access.log" and "DELETE" in line for (file, _place), line in lines.items())
    for (file, place), line in lines.items():
        if file.endswith("access.log"):
            text = (revenge / file).read_text().splitlines()
            assert text[int(place.removeprefix("line ")) - 1] == line
    assert result["agreements"][0]["sources"] == ["journal (start)", "tasks/index"]
    assert {row["source"] for row in result["not_looked_at"]} == {"pve.config"}


def test_what_lies_there_packed_as_well_counts_once(revenge: Path) -> None:
    before = answer(read(revenge), Question())["acts"]
    for log in (revenge / "pve2" / "access.log", revenge / "pve1" / "tasks" / "index"):
        (log.parent / f"{log.name}.gz").write_bytes(gzip.compress(log.read_bytes()))
    assert len(answer(read(revenge), Question())["acts"]) == len(before)


def test_an_empty_file_hides_no_packed_one(revenge: Path) -> None:
    before = answer(read(revenge), Question())["acts"]
    log = revenge / "pve2" / "access.log"
    (revenge / "pve2" / "access.log.1.gz").write_bytes(gzip.compress(log.read_bytes()))
    (revenge / "pve2" / "access.log.1").touch()
    log.write_bytes(b"")
    assert len(answer(read(revenge), Question())["acts"]) == len(before)


UPID = "UPID:pve1:000005E3:0007C336:6B047AC4:qmdestroy:510:dario@pve:"


def without(file: str, words: str) -> Callable[[Path], None]:
    """Take the lines with these words out of a file."""

    def change(nodes: Path) -> None:
        for path in nodes.glob(file):
            packed = path.name.endswith(".gz")
            text = gzip.decompress(path.read_bytes()) if packed else path.read_bytes()
            left = b"".join(line for line in text.splitlines(keepends=True) if words.encode() not in line)
            assert left != text
            path.write_bytes(gzip.compress(left) if packed else left)

    return change


def with_text(nodes: Path) -> None:
    """One task has its text, which is the oldest; all later ones have none."""
    first = (nodes / "pve1/tasks/index").read_text().splitlines()[0].split(" ")[0]
    (nodes / "pve1/tasks/A").mkdir()
    (nodes / "pve1/tasks/A" / first).touch()


NAMED = (
    without("pve1/tasks/index", UPID),
    without("pve1/journal.json.gz", f"starting task {UPID}"),
    without("*/access.log", "/qemu/510"),
)


def emptied(nodes: Path) -> None:
    (nodes / "pve1/access.log").write_bytes(b"")


def taken_out(nodes: Path) -> None:
    """The record of the task and all its lines in the journal are gone; the call is not."""
    without("pve1/tasks/index", UPID)(nodes)
    without("pve1/journal.json.gz", UPID)(nodes)
    (nodes / "pve1/tasks/active").touch()


def shifted(nodes: Path) -> None:
    """The clock of pve1 is two seconds ahead, as its access log shows."""
    path = nodes / "pve1/access.log"
    path.write_text(
        re.sub(r"(?<=:\d\d:)\d\d(?= )", lambda second: f"{min(59, int(second[0]) + 2):02}", path.read_text())
    )


def set_back(nodes: Path) -> None:
    path = nodes / "pve1/access.log"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([*lines, lines[-1].replace(":17:41:", ":17:21:")]))


@pytest.mark.parametrize(
    ("change", "code", "node"),
    [
        (without("pve1/access.log", "/qemu/510"), "call_missing", "pve1"),
        (emptied, "call_missing", "pve1"),
        (taken_out, "task_removed", "pve1"),
        (shifted, "clock_differs", "pve1"),
        (set_back, "clock_back", "pve1"),
        (NAMED[0], "task_removed", "pve1"),
        (NAMED[1], "start_not_logged", "pve1"),
        (NAMED[2], "call_missing", "pve1"),
        (with_text, "text_missing", "pve1"),
    ],
    ids=["twin", "emptied", "all_records", "clock", "set_back", "index", "journal", "access.log", "text"],
)
def test_what_one_source_lacks_is_a_gap(revenge: Path, change: Callable[[Path], None], code: str, node: str) -> None:
    before = {gap["code"] for gap in answer(read(revenge), ALL)["gaps"]}
    assert before == {"logging.messages.lost"}
    change(revenge)
    result = answer(read(revenge), ALL, NODES)
    (gap, *_more) = [gap for gap in result["gaps"] if gap["code"] == code]
    assert gap["node"] == node
    assert UPID in gap["upids"] or change not in NAMED
    if change is NAMED[0]:
        assert node not in {row["node"] for row in result["agreements"]}


def bomb(path: Path) -> None:
    path.write_bytes(gzip.compress(b"x" * (66 << 20)))


def cut(path: Path) -> None:
    path.write_bytes(gzip.compress(os.urandom(4096).hex().encode())[:-2000])


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (os.mkfifo, "is a pipe"),
        (lambda path: path.symlink_to("/etc/passwd"), "is a link"),
        (lambda path: path.mkdir(), None),
        (bomb, "unpacks to more than"),
        (cut, "is damaged behind line"),
    ],
    ids=["pipe", "link", "folder", "bomb", "cut"],
)
def test_a_hostile_file_is_told_and_the_others_are_read(
    revenge: Path, make: Callable[[Path], None], why: str | None
) -> None:
    make(revenge / "pve1" / "access.log.1")
    (row,) = [row for row in read(revenge).coverage if (row.node, row.source) == ("pve1", "pve.access")]
    assert row.records >= 200
    told = [reason["message"] for reason in row.reasons if reason["code"] == "unreadable"]
    assert len(told) == bool(why)
    assert all(why is not None and why in message for message in told)


def test_a_node_follows_links_of_root_and_no_others(revenge: Path, tmp_path: Path) -> None:
    """/var/log may lie elsewhere; what pveproxy's user puts into its folder may lead to any secret."""
    shutil.copytree(revenge / "pve1", tmp_path / "elsewhere" / "pveproxy")
    (tmp_path / "root" / "var").mkdir(parents=True)
    (tmp_path / "root" / "var" / "log").symlink_to(tmp_path / "elsewhere")
    for folder in (tmp_path, *(tmp_path / "root").rglob("*"), tmp_path / "root", tmp_path / "elsewhere"):
        folder.chmod(0o755)
    root = Root(str(tmp_path / "root"), live=True)
    log = "var/log/pveproxy/access.log"
    assert len(list(read_lines(root, log))) > 200
    with pytest.raises(UnreadableError):
        list(read_lines(Root(root.path), log))
    os.link(tmp_path / "elsewhere/pveproxy/access.log", tmp_path / "second")
    (tmp_path / "elsewhere/pveproxy").chmod(0o777)
    with pytest.raises(UnreadableError, match="second name"):
        list(read_lines(root, log))
    (tmp_path / "elsewhere").chmod(0o777)
    (tmp_path / "elsewhere/pveproxy").rename(tmp_path / "away")
    (tmp_path / "elsewhere/pveproxy").symlink_to(tmp_path / "away")
    with pytest.raises(UnreadableError, match="cannot be opened"):
        list(read_lines(root, log))


@pytest.mark.parametrize(
    ("since", "until", "codes"),
    [
        (None, None, set()),
        ("2026-11-23T17:39:30Z", "2026-11-23T17:42:00Z", set()),
        ("2026-11-23T16:00:00Z", None, {"begins_late"}),
        ("2026-11-23T17:39:30Z", "2026-11-23T18:30:00Z", {"ends_early"}),
    ],
)
def test_what_a_copy_cannot_show_is_told(since: str | None, until: str | None, codes: set[str]) -> None:
    times = [None if text is None else to_epoch(text) for text in (since, until)]
    found = read_copy(str(RECORDINGS / "revenge" / "nodes"), Interval(*times), UTC, now=NOW)
    for row in found.coverage:
        assert {reason["code"] for reason in row.reasons} == codes


def test_a_record_from_the_future_makes_no_copy_whole(revenge: Path) -> None:
    with (revenge / "pve1/tasks/index").open("a") as index:
        index.write("UPID:pve1:000005E3:0007C336:7FFFFFFF:qmstart:510:dario@pve: 7FFFFFFF OK\n")
    found = read_copy(str(revenge), Interval(None, to_epoch("2026-12-24T00:00:00Z")), UTC, now=NOW)
    assert {reason["code"] for row in found.coverage for reason in row.reasons} == {"ends_early"}
    assert all(row.reasons for row in found.coverage)


def test_a_link_to_a_folder_is_no_node(revenge: Path) -> None:
    (revenge / "pve9").symlink_to(revenge / "pve1")
    assert {row.node for row in read(revenge).coverage} == {"pve1", "pve2", "pve3"}


@pytest.mark.parametrize("tree", ["", "var/log"])
def test_a_tree_of_a_node_is_read_as_well(revenge: Path, tmp_path: Path, tree: str) -> None:
    other = tmp_path / "other" / "pve1" / tree
    (other / "pveproxy").mkdir(parents=True)
    shutil.copy(revenge / "pve1/access.log", other / "pveproxy")
    shutil.copytree(revenge / "pve1/tasks", other / "pve" / "tasks")
    found = read(tmp_path / "other")
    assert len([one for one in found.events if one["event"]["dataset"] == "pve.access"]) > 100
    assert len([one for one in found.events if one["event"]["dataset"] == "pve.task"]) > 10
    assert [row.reasons[0]["code"] for row in found.coverage if row.source == "pve.auth"] == ["no_file"]


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.mkdir()], ids=["missing", "empty"])
def test_a_place_without_logs_is_one_sentence(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "place")
    for place in (read, lambda path: read_archive(str(path), Interval(), UTC, now=NOW)):
        with pytest.raises(InputError, match=r"^path '.*place'"):
            place(tmp_path / "place")


def ledger_line(second: int, **line: Any) -> str:
    """A line of a ledger in the journal, as journalctl shows it."""
    record = {
        "__REALTIME_TIMESTAMP": str((1_795_455_600 + second) * 1_000_000),
        "SYSLOG_IDENTIFIER": "pve-audit-ledger",
        "MESSAGE": json.dumps(line),
    }
    return json.dumps(record)


def change(second: int, version: int, **more: Any) -> str:
    added = [["user eve@pve", ""]]
    return ledger_line(second, event="modified", path="user.cfg", version=version, writer=1, added=added, **more)


START = [ledger_line(0, event="started"), change(10, 50), change(90, 70)]


@pytest.mark.parametrize(
    ("lines", "codes"),
    [
        ({"pve1": [*START, change(40, 60)], "pve2": [*START, change(41, 60)]}, []),
        ({"pve1": [*START, change(40, 60)], "pve2": START}, [("pve2", "ledger_differs")]),
        ({"pve1": [*START, change(40, 60)], "pve2": [*START, change(42, 65, incomplete=1)], "pve3": START},
         [("pve1", "ledger_differs"), ("pve2", "ledger_incomplete"), ("pve3", "ledger_differs")]),
        ({"pve1": [*START, change(40, 60, unseen=True)]}, [("pve1", "ledger_unseen")]),
    ],
    ids=["same", "lacks", "incomplete", "unseen"],
)  # fmt: skip
def test_ledgers_are_witnesses_of_each_other(
    tmp_path: Path, lines: dict[str, list[str]], codes: list[tuple[str, str]]
) -> None:
    for node, listed in lines.items():
        (tmp_path / node).mkdir()
        ordered = sorted(listed, key=lambda line: json.loads(line)["__REALTIME_TIMESTAMP"])
        (tmp_path / node / "journal.json").write_text("\n".join(ordered) + "\n")
    result = answer(read(tmp_path), ALL)
    assert [(gap["node"], gap["code"]) for gap in result["gaps"]] == codes
    rows = {row["node"]: row for row in result["coverage"] if row["source"] == "pve.config"}
    assert set(rows) == set(lines)
    assert "pve.config" not in {row["source"] for row in result["not_looked_at"]}
