# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Attacks on the real rsyslogd: certificates of others, old TLS, floods, and connections without end."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.collector.conftest import NODES, RSYSLOGD, Collector, fingerprint, new_collector
from tests.collector.relp import Relp, connect
from tests.collector.test_receiver import line, wait_until


@pytest.fixture
def pinned(tmp_path: Path, pki: Path) -> Iterator[Collector]:
    """A collector that knows the one certificate of each node."""
    if RSYSLOGD is None:
        pytest.skip("NOT TESTED: needs rsyslog, rsyslog-relp and rsyslog-gnutls")
    made = new_collector(tmp_path, pki, pinned={node: node for node in NODES})
    made.start()
    yield made
    made.stop()


def knock(collector: Collector, kind: str, node: str, certificate: str) -> None:
    """Try to bring a line in."""
    data = line(1, node)
    with (
        contextlib.suppress(OSError),
        contextlib.closing(connect(collector.ports[f"{kind}-{node}"], collector.pki, certificate, timeout=3)) as peer,
    ):
        peer.sendall((b"1 syslog %d %s\n" if kind == "relp" else b"%d %s") % (len(data), data))
        peer.recv(1000)


@pytest.mark.parametrize("kind", ["relp", "tcp"])
@pytest.mark.parametrize(
    ("node", "certificate"),
    [("pve1", "both"), ("pve2", "both"), ("pve1", "old"), ("pve1", "wrong"), ("pve1", "expired"), ("pve1", "pve2")],
    ids=["the name of another too", "another one", "before renewal", "other authority", "expired", "another node"],
)
def test_a_certificate_that_is_not_the_one_of_the_node_is_refused(
    pinned: Collector, kind: str, node: str, certificate: str
) -> None:
    knock(pinned, kind, node, certificate)
    wait_until(lambda: bool(pinned.refused()["refused"]))
    (found,) = pinned.refused()["refused"]
    assert found["reason"] == "the certificate is of another peer"
    assert found["names"] == [fingerprint(pinned.pki, certificate)]
    assert pinned.lines() == []


def test_the_pinned_certificates_open_their_own_ports(pinned: Collector) -> None:
    for node in NODES:
        Relp(pinned.ports[f"relp-{node}"], pinned.pki, node).log(line(1, node))
        assert pinned.lines(node) == [line(1, node)]
    assert not any(pinned.refused().values())


def test_a_renewed_certificate_makes_the_old_one_useless(pinned: Collector) -> None:
    pinned.stop()
    pinned.pinned["pve1"] = "old"
    pinned.write()
    pinned.start()
    Relp(pinned.ports["relp-pve1"], pinned.pki, "old").log(line(1))
    knock(pinned, "relp", "pve1", "pve1")
    wait_until(lambda: bool(pinned.refused()["refused"]))
    assert pinned.lines() == [line(1)]


@pytest.mark.parametrize("kind", ["relp", "tcp"])
@pytest.mark.parametrize(
    ("version", "spoken"), [("tls1", False), ("tls1_1", False), ("tls1_2", True), ("tls1_3", True)]
)
def test_only_new_tls_is_spoken(collector: Collector, kind: str, version: str, spoken: bool) -> None:
    port, pki = collector.ports[f"{kind}-pve1"], collector.pki
    own = ["-cert", f"{pki}/pve1.pem", "-key", f"{pki}/pve1.key", "-CAfile", f"{pki}/ca.pem"]
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", f"-{version}", "-cipher", "DEFAULT@SECLEVEL=0"]
    done = subprocess.run([*command, *own], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30)
    assert ("Cipher is (NONE)" not in done.stdout) == spoken, done.stdout


def test_a_flood_of_one_node_stops_at_its_quota_and_the_other_goes_on(tmp_path: Path, pki: Path) -> None:
    if RSYSLOGD is None:
        pytest.skip("NOT TESTED: needs rsyslog, rsyslog-relp and rsyslog-gnutls")
    collector = new_collector(tmp_path, pki, more={"quota_bytes": 200_000})
    collector.start()
    try:
        flooding = Relp(collector.ports["relp-pve1"], pki, "pve1", timeout=30)
        other = Relp(collector.ports["relp-pve2"], pki, "pve2", timeout=30)
        for number in range(600):
            flooding.log(line(number, text="x" * (40_000 if number < 3 else 500)))
            if number % 100 == 0:
                other.log(line(number, "pve2"))
        assert len(collector.lines("pve2")) == 6
        assert sum(map(len, collector.lines("pve1", "journal"))) <= 100_000
        wait_until(lambda: bool(collector.lines("pve1", "collector")))
        assert b'event="quota" of="journal"' in collector.lines("pve1", "collector")[0]
        disk = collector.run_tool("disk")
        assert (disk["state"], [one["node"] for one in disk["unkept"]]) == ("critical", ["pve1"])
    finally:
        collector.stop()


def test_connections_without_end_leave_the_nodes_theirs(tmp_path: Path, pki: Path) -> None:
    nft = shutil.which("nft", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if RSYSLOGD is None or nft is None or os.geteuid() != 0:
        pytest.skip("NOT TESTED: needs root, rsyslog with RELP and TLS, and nftables")
    if subprocess.run(["unshare", "--net", nft, "list", "ruleset"], capture_output=True).returncode != 0:
        pytest.skip("NOT TESTED: needs a network namespace with nftables")
    command = ["unshare", "--net", sys.executable, "-m", "tests.collector.exhaust", str(tmp_path), str(pki), nft]
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=root)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"held": 16, "lines": 1, "again": True, "strangers": 0, "allowed": 1}


def test_connections_that_say_nothing_are_closed_and_the_node_stays(tmp_path: Path, pki: Path) -> None:
    if RSYSLOGD is None or os.geteuid() != 0 or shutil.which("ss") is None:
        pytest.skip("NOT TESTED: needs root, ss, and rsyslog with RELP and TLS")
    collector = new_collector(tmp_path, pki)
    port = collector.ports["relp-pve1"]
    collector.more = {"ports": {str(port): "pve1"}}
    collector.write()
    collector.start()
    try:
        node = Relp(port, pki, "pve1")
        silent = [connect(port, None, "") for _ in range(3)]
        silent[0].sendall(b"\x16\x03\x01\x02\x00\x01\x00")  # the head of a hello that never comes
        command = [*collector.tool.split(), "handshakes", "--seconds=1", "--json"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        closed = json.loads(done.stdout)["closed"]
        assert {one["peer_port"] for one in closed} == {one.getsockname()[1] for one in silent}
        assert {(one["port"], one["address"]) for one in closed} == {(port, "127.0.0.1")}
        for one in silent:
            with pytest.raises(OSError):  # the kernel says at once that it is gone
                one.recv(1)
                raise ConnectionResetError("an orderly end is an end, too")
        node.log(line(1))
        assert len(collector.lines("pve1")) == 1
    finally:
        collector.stop()
