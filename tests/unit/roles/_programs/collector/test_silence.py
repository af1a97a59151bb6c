# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes that never sent, fell silent, began anew, are behind, cannot read a file, or have a wrong clock."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pve_audit.collector import cli
from pve_audit.collector.settings import Settings
from pve_audit.collector.silence import silence
from pve_audit.settings_file import SettingsError
from pve_audit.wire import Message, encode
from tests.unit.roles._programs.collector.conftest import NOW

DAY = "2026-11-23"
Lay = Callable[..., Path]


@pytest.fixture
def one_node(settings: Settings) -> Settings:
    return dataclasses.replace(settings, listeners={"relp-pve1": "pve1", "tcp-pve1": "pve1"})


@pytest.fixture
def lay(one_node: Settings) -> Lay:
    """Lay down a file whose last line came `ago` seconds before NOW, and was written `ahead` of that."""

    def make(
        source: str = "heartbeat", ago: float = 5, ahead: float = 0, name: str = f"{DAY}.log", **params: str
    ) -> Path:
        beat = {"state": "aa", "beat": "7", "every": "60", "behind": "0", "broken": "", "missing": "", "journal": "ee"}
        more = beat | params if source == "heartbeat" else params
        line = Message("pve1", source, "{}", int((NOW - ago + ahead) * 1_000_000), params=more)
        path = Path(one_node.archive, "pve1", source, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"an older line\n" + encode(line, 8000)[0] + b"\n")
        os.utime(path, (NOW - ago, NOW - ago))
        return path

    return make


def verdicts(settings: Settings, now: float = NOW, accept: list[str] | None = None) -> list[tuple[str, str]]:
    result = silence(settings, now, accept or [])
    assert result["ok"] == (not result["findings"])
    json.dumps(result)
    return [(one["source"], one["verdict"]) for one in result["findings"]]


CASES: list[tuple[str, list[dict[str, Any]], list[tuple[str, str]]]] = [
    ("never a line", [], [("", "never")]),
    ("all is well", [{}, {"source": "journal"}], []),
    ("a quiet access log", [{}, {"source": "access.log", "ago": 90_000}], []),
    ("no heartbeat", [{"ago": 601}, {"source": "journal"}], [("heartbeat", "silent")]),
    ("a heartbeat without a journal", [{}, {"source": "journal", "ago": 3700}], [("journal", "silent")]),
    ("rsyslog, which has no heartbeat", [{"source": "journal", "ago": 30}], []),
    ("rsyslog that was stopped", [{"source": "journal", "ago": 601}], [("", "silent")]),
    ("a line of the collector itself", [{"source": "journal", "ago": 601}, {"source": "collector"}], [("", "silent")]),
    ("behind", [{"behind": "601"}], [("heartbeat", "behind")]),
    ("a little behind", [{"behind": "60"}], []),
    ("a pipe for a file", [{"broken": "access.log,tasks"}], [("access.log", "broken"), ("tasks", "broken")]),
    ("a file that never was", [{"missing": "proof"}], []),
    ("a file that came after the heartbeat", [{"missing": "proof", "ago": 50}, {"source": "proof", "ago": 5}], []),
    (
        "a file that is gone",
        [{"missing": "access.log"}, {"source": "access.log", "ago": 900}],
        [("access.log", "broken")],
    ),
    ("a clock that is ahead", [{"ahead": 90}], [("heartbeat", "clock")]),
    ("a clock that is behind", [{"ahead": -86400}], [("heartbeat", "clock")]),
    ("a little drift", [{"ahead": 20}], []),
    ("a last line of tomorrow", [{"ago": -86400}], [("heartbeat", "clock")]),
    ("no number", [{"beat": "²"}], [("heartbeat", "broken")]),
    ("5,000 digits", [{"behind": "9" * 5000}], [("heartbeat", "broken")]),
    ("no state", [{"state": ""}], [("heartbeat", "broken")]),
]


@pytest.mark.parametrize(("case", "files", "expected"), CASES, ids=[row[0] for row in CASES])
def test_verdicts(
    case: str, files: list[dict[str, Any]], expected: list[tuple[str, str]], one_node: Settings, lay: Lay
) -> None:
    for one in files:
        lay(**one)
    assert verdicts(one_node) == expected, case


def test_all_nodes_of_the_settings_are_looked_at(settings: Settings, lay: Lay) -> None:
    lay()
    result = silence(settings, NOW, [])
    assert [(one["node"], one["verdict"]) for one in result["findings"]] == [("pve2", "never")]
    assert [(one["node"], one["source"], one["verdict"]) for one in result["rows"]] == [
        ("pve1", "heartbeat", "ok"),
        ("pve2", "", "never"),
    ]


ANEW = [
    ("another state", {"state": "bb", "beat": "1"}, "heartbeat"),
    ("an older state, as of a snapshot", {"beat": "3"}, "heartbeat"),
    ("another journal", {"journal": "f0", "beat": "8"}, "journal"),
]


@pytest.mark.parametrize(("case", "later", "source"), ANEW, ids=[row[0] for row in ANEW])
def test_a_forwarder_that_began_anew_is_told_until_somebody_accepts_it(
    case: str, later: dict[str, str], source: str, one_node: Settings, lay: Lay
) -> None:
    lay()
    assert verdicts(one_node) == []
    lay(**later)
    assert verdicts(one_node) == [(source, "restarted")], case
    assert verdicts(one_node) == [(source, "restarted")], case
    assert verdicts(one_node, accept=["pve1"]) == []
    assert verdicts(one_node) == []


def test_a_journal_that_cannot_be_read_is_no_other_one(one_node: Settings, lay: Lay) -> None:
    for name in ("", "ee", "", "ee"):
        lay(journal=name)
        assert verdicts(one_node) == []


def test_the_same_number_again_is_no_news(one_node: Settings, lay: Lay) -> None:
    """A forwarder that was killed before it had saved the number says it once more."""
    for number in ("7", "8", "7"):
        lay(beat=number)
        assert verdicts(one_node) == []


@pytest.mark.parametrize("known", [True, False], ids=["with a memory", "without"])
def test_closing_the_day_wakes_nobody(one_node: Settings, lay: Lay, known: bool) -> None:
    """A closed file has the time of its closing, which is after the node fell silent."""
    path = lay(name="2026-11-22.log", ago=18 * 3600)
    if known:
        assert verdicts(one_node) == [("heartbeat", "silent")]
    path.rename(path.with_name("2026-11-22.log.gz"))
    os.utime(path.with_name("2026-11-22.log.gz"), (NOW - 10, NOW - 10))
    assert verdicts(one_node) == [("heartbeat", "silent")]
    row = silence(one_node, NOW, [])["rows"][0]
    assert row["age_seconds"] == (18 if known else 12) * 3600


def test_a_memory_that_was_tampered_with_is_an_error(one_node: Settings, lay: Lay) -> None:
    lay()
    Path(one_node.state, "silence.json").write_text("[1]")
    with pytest.raises(OSError, match="cannot be used"):
        silence(one_node, NOW, [])


def test_only_a_node_can_be_accepted(one_node: Settings) -> None:
    with pytest.raises(SettingsError, match="pve9"):
        silence(one_node, NOW, ["pve9"])


def test_the_command(one_node: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "collector.json"
    config.write_text(json.dumps(dataclasses.asdict(one_node)))
    assert cli.main(["--config", str(config), "--journal", "silence"]) == 1
    assert capsys.readouterr().out == "<3>pve1: never sent a line\n"
    assert cli.main(["--config", str(config), "silence", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["findings"][0]["verdict"] == "never"
