# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who gets what into the archive, by the real rsyslogd: intruders, liars, and a collector that dies."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.collector.conftest import NODES, RSYSLOGD, Collector, new_collector
from tests.collector.relp import Relp, connect

HEAD = '<30>1 2026-11-20T10:00:00Z {node} app 1 - [pveaudit@32473 node="{node}" source="{source}"'


def line(number: int, node: str = "pve1", source: str = "journal", text: str = "hello") -> bytes:
    head = HEAD.format(node=node, source=source)
    return f'{head} cursor="s=aa;i={number:x};b=bb"] {text}'.encode()


def test_the_configuration_passes_the_real_check(collector: Collector) -> None:
    done = subprocess.run(
        [str(RSYSLOGD), "-N1", "-f", str(collector.base / "rsyslog.conf")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "error" not in done.stderr


def test_each_node_writes_its_own_files(collector: Collector) -> None:
    for node in NODES:
        session = Relp(collector.ports[f"relp-{node}"], collector.pki, node)
        for number in range(50):
            session.log(line(number, node))
        with contextlib.closing(connect(collector.ports[f"tcp-{node}"], collector.pki, node)) as tcp:
            data = line(1, node, "access.log")
            tcp.sendall(b"%d %s" % (len(data), data))
        wait_until(lambda: bool(collector.lines(node, "access.log")))  # noqa: B023
        assert collector.lines(node, "journal") == [line(number, node) for number in range(50)]
        assert collector.lines(node, "access.log") == [line(1, node, "access.log")]
    assert collector.refused() == {"refused": [], "rejected": [], "damaged": []}
    assert collector.run_tool("gaps")["complete"]


INTRUDERS = {
    "other-node": ("pve2", "the certificate is of another peer"),
    "unknown": ("eve", "the certificate is of another peer"),
    "wrong-authority": ("wrong", "the certificate is not valid"),
    "expired": ("expired", "the certificate is not valid"),
    "no-certificate": ("", "there is no certificate"),
    "plain-text": (None, "there was no TLS handshake"),
}


@pytest.mark.parametrize("kind", ["relp", "tcp"])
@pytest.mark.parametrize("intruder", INTRUDERS)
def test_an_intruder_gets_nothing_in_and_is_reported(collector: Collector, kind: str, intruder: str) -> None:
    name, reason = INTRUDERS[intruder]
    port = collector.ports[f"{kind}-pve1"]
    data = line(1)
    with contextlib.suppress(OSError):
        peer = connect(port, None if name is None else collector.pki, name or "", timeout=3)
        with contextlib.closing(peer):
            frame = b"1 syslog %d %s\n" if kind == "relp" else b"%d %s"
            peer.sendall(frame % ((len(data), data)))
            peer.recv(1000)
    wait_until(lambda: bool(collector.refused()["refused"]))
    (found,) = collector.refused()["refused"]
    assert (found["protocol"], found["reason"]) == (kind, reason)
    assert found["address"] == "127.0.0.1" or (kind, intruder) == ("tcp", "plain-text")
    assert found["names"] == ([name] if name in ("pve2", "eve") else [])
    assert not list(collector.archive.iterdir())


@pytest.mark.parametrize(
    "lie",
    [
        line(1, "pve1"),
        line(1, "pve2").replace(b" pve2 app", b" pve1 app"),
        line(1, "pve2").replace(b"[pveaudit", b'[x@1 node="pve2"][pveaudit'),
        line(1, "../pve1"),
        b"<30>Nov 23 10:00:00 pve1 app: hello",
        b"\n",
        b'{"input": "relp-pve1"}',
        b'x"}\n{"input":"relp-pve1","address":"1","raw":' + b'"' + line(1) + b'"}',
    ],
)
def test_a_spoofed_node_gets_nothing_in_and_is_reported(collector: Collector, lie: bytes) -> None:
    session = Relp(collector.ports["relp-pve2"], collector.pki, "pve2")
    session.log(lie)
    session.log(line(2, "pve2"))
    assert collector.lines() == [line(2, "pve2")]
    (found,) = collector.refused()["rejected"]
    assert (found["peer"], found["address"], found["lines"]) == ("pve2", "127.0.0.1", 1)


def test_hostile_text_stays_one_line_in_one_directory(collector: Collector) -> None:
    session = Relp(collector.ports["relp-pve1"], collector.pki, "pve1")
    texts = ["a\nb", "nul\0nul", "\x1b[31mred", "tab\there", "x" * 60_000, "y" * 200_000, "ä\u2028ö"]
    for number, text in enumerate(texts):
        session.log(line(number, text=text))
    for source in ("..", "../../../etc", "/etc/passwd", "a b", "", ".hidden", "$(id)", "x" * 200):
        session.log(line(1, source=source))
    session.log(line(1).replace(b"hello", b"\xff\xfe"))
    assert len(collector.lines("pve1", "journal")) == len(texts) + 1
    assert len(collector.lines("pve1", "other")) == 8
    assert {path.name for path in collector.archive.iterdir()} == {"pve1"}
    assert {path.name for path in (collector.archive / "pve1").iterdir()} == {"journal", "other"}
    assert collector.lines("pve1", "journal")[0].endswith(b"a#012b")


def test_a_killed_collector_has_every_line_it_acknowledged(collector: Collector) -> None:
    acknowledged: list[bytes] = []
    number = 0
    for _round in range(4):
        session = Relp(collector.ports["relp-pve1"], collector.pki, "pve1", timeout=30)
        killer = threading.Thread(target=collector.kill)
        sent: dict[int, bytes] = {}
        enough = len(acknowledged) + 50
        with contextlib.suppress(OSError, ssl.SSLError):
            while True:
                number += 1
                sent[session.send(line(number))] = line(number)
                if len(sent) >= 64:
                    acknowledged.append(sent.pop(session.answer()))
                if len(acknowledged) == enough and killer.ident is None:
                    killer.start()
        assert killer.ident is not None, "the collector hung up on its own"
        killer.join()
        collector.start()
    session = Relp(collector.ports["relp-pve1"], collector.pki, "pve1")
    session.log(line(number + 1))
    assert set(acknowledged) <= set(collector.lines("pve1", "journal"))


def test_a_killed_writer_is_started_again_and_loses_nothing(collector: Collector) -> None:
    session = Relp(collector.ports["relp-pve1"], collector.pki, "pve1", timeout=30)
    for number in range(300):
        if number % 100 == 50:
            os.kill(collector.writer_pid(), signal.SIGKILL)
        session.log(line(number))
    assert set(collector.lines("pve1", "journal")) >= {line(number) for number in range(300)}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MiB."""
    if os.geteuid() != 0 or shutil.which("mkfs.ext4", path="/usr/sbin:/sbin") is None:
        pytest.skip("needs root and mkfs.ext4")
    image, place = tmp_path / "image", tmp_path / "small"
    place.mkdir()
    with open(image, "wb") as stream:
        stream.truncate(8 << 20)
    subprocess.run(["/usr/sbin/mkfs.ext4", "-q", "-m", "0", str(image)], check=True)
    if subprocess.run(["mount", "-o", "loop", str(image), str(place)], capture_output=True).returncode != 0:
        pytest.skip("loop mounts are not allowed here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_full_disk_keeps_lines_with_the_node(tmp_path: Path, pki: Path, small_disk: Path) -> None:
    if RSYSLOGD is None:
        pytest.skip("needs rsyslog")
    collector = new_collector(tmp_path, pki, small_disk / "archive")
    collector.start()
    try:
        free = os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize
        (small_disk / "ballast").write_bytes(b"\0" * (free - (600 << 10)))
        session = Relp(collector.ports["relp-pve1"], pki, "pve1", timeout=4)
        acknowledged = []
        with contextlib.suppress(OSError):
            for number in range(2000):
                session.log(line(number, text="x" * 1000))
                acknowledged.append(number)
        assert 100 < len(acknowledged) < 2000, "the disk was never full"
        (small_disk / "ballast").unlink()
        again = Relp(collector.ports["relp-pve1"], pki, "pve1", timeout=30)
        for number in range(acknowledged[-1] + 1, 2000):
            again.log(line(number, text="x" * 1000))
        assert set(collector.lines("pve1", "journal")) >= {line(number, text="x" * 1000) for number in range(2000)}
    finally:
        collector.stop()


def wait_until(condition: object, seconds: float = 60.0) -> None:
    """Until the function is true."""
    assert callable(condition)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.1)
    raise TimeoutError("it never came true")
