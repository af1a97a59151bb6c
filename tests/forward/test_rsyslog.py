# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The forwarder against a real rsyslogd: 20,000 numbered messages in each case, none lost, repeats are marked."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.forward import cases
from tests.forward.harness import RSYSLOGD, Authority, Collector, Forwarder, count, wait_for

pytestmark = pytest.mark.skipif(
    RSYSLOGD is None, reason="rsyslog with rsyslog-relp and rsyslog-openssl is not installed"
)

ROOT_CASES = {"disk of the state full, forwarder kill -9"}


@pytest.mark.parametrize("name", cases.CASES)
def test_nothing_is_lost(name: str, tmp_path: Path) -> None:
    if name in ROOT_CASES and os.geteuid() != 0:
        pytest.skip("needs root for a small file system")
    done = cases.run(name, tmp_path)
    assert (done.lost, done.unmarked) == (0, 0)
    if name == "clean burst":
        assert done.duplicates == 0


@pytest.mark.parametrize("name", ["collector kill -9, three times", "collector stopped and started"])
def test_an_acknowledged_line_is_written(name: str, tmp_path: Path) -> None:
    """Without any resending: what this collector acknowledged before it was killed is in its file."""
    done = cases.run(name, tmp_path, limits={"resend_seconds": 0})
    assert (done.lost, done.unmarked) == (0, 0)


STRANGERS = [("a name that is not permitted", "stranger", False), ("another authority", "pve1", True)]


@pytest.mark.parametrize(("case", "name", "other"), STRANGERS, ids=[row[0] for row in STRANGERS])
def test_a_stranger_gets_nothing_in_and_knows_it(case: str, name: str, other: bool, tmp_path: Path) -> None:
    pki, foreign = Authority(tmp_path / "pki"), Authority(tmp_path / "foreign")
    pki.issue("collector", "collector")
    (foreign if other else pki).issue("node", name)
    collector = Collector(tmp_path / "collector", pki.directory)
    owner = foreign.directory if other else pki.directory
    target = {
        "host": "127.0.0.1",
        "port": collector.port,
        "ca": str(pki.directory / "ca.crt"),
        "certificate": str(owner / "node.crt"),
        "key": str(owner / "node.key"),
        "permitted_peers": ["collector"],
    }
    forwarder = Forwarder(tmp_path / "node", {"targets": [target], "limits": cases.LIMITS})
    forwarder.feed(10)
    collector.start()
    forwarder.start()
    try:
        assert wait_for(lambda: bool(forwarder.status().get("last_error")), 60), case
        assert forwarder.status()["acknowledged"] == 0
    finally:
        forwarder.end(signal.SIGTERM)
        collector.end(signal.SIGTERM)
    assert count(collector.archive, 10).lines == 0


def test_the_wrong_collector_gets_nothing(tmp_path: Path) -> None:
    pki = Authority(tmp_path / "pki")
    pki.issue("collector", "somebody-else")
    pki.issue("node", "pve1")
    collector = Collector(tmp_path / "collector", pki.directory)
    files = {"ca": "ca.crt", "certificate": "node.crt", "key": "node.key"}
    target = {
        "host": "127.0.0.1",
        "port": collector.port,
        "permitted_peers": ["collector"],
        **{option: str(pki.directory / name) for option, name in files.items()},
    }
    forwarder = Forwarder(tmp_path / "node", {"targets": [target], "limits": cases.LIMITS})
    forwarder.feed(10)
    collector.start()
    forwarder.start()
    try:
        assert wait_for(lambda: "is for somebody-else, permitted is collector" in forwarder.output(), 60)
    finally:
        forwarder.end(signal.SIGTERM)
        collector.end(signal.SIGTERM)
    assert count(collector.archive, 10).lines == 0


def test_two_forwarders_do_not_share_a_state(tmp_path: Path) -> None:
    forwarder = Forwarder(tmp_path, {"targets": [{"host": "127.0.0.1", "port": 1, "tls": False}]})
    forwarder.start()
    assert wait_for(lambda: bool(forwarder.status()), 60)
    other = Forwarder(tmp_path, {"targets": [{"host": "127.0.0.1", "port": 1, "tls": False}]})
    other.start()
    assert wait_for(lambda: "another forwarder already uses" in forwarder.output(), 60)
    assert other.end(signal.SIGCONT) == 1
    assert forwarder.end(signal.SIGTERM) == 0
