# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real processes for the tests: certificates, a collector (rsyslogd), the forwarder, and the count of what arrived."""

from __future__ import annotations

import datetime
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "roles/_programs/files"
FAKE_JOURNALCTL = Path(__file__).with_name("fake_journalctl.py")
RSYSLOGD = shutil.which("rsyslogd", path="/usr/sbin:/usr/bin:/sbin")
_LINE = re.compile(r'source="journal" cursor="([^"]+)".*\] numbered message (\d+) of the test$')

COLLECTOR = """
global(workDirectory="{dir}" maxMessageSize="64k")
module(load="imrelp" tls.tlslib="openssl")
template(name="whole" type="string" string="%rawmsg%\\n")
template(name="text" type="string" string="%msg%\\n")
ruleset(name="archive" queue.type="Direct") {{
  action(type="omfile" file="{dir}/archive.log" template="whole" asyncWriting="off" flushOnTXEnd="on")
}}
input(type="imrelp" address="127.0.0.1" port="{port}" ruleset="archive" maxDataSize="64k" keepAlive="on" tls="on"
  tls.caCert="{pki}/ca.crt" tls.myCert="{pki}/{certificate}.crt" tls.myPrivKey="{pki}/{certificate}.key"
  tls.authMode="name" tls.permittedPeer=["pve1"])
action(type="omfile" file="{dir}/internal.log" template="text")
"""


class Authority:
    """A CA and its certificates, as NAME.crt and NAME.key in one directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test CA")])
        directory.mkdir(exist_ok=True)
        self._write("ca", self._sign(self._name, self._key, ca=True, days=10), self._key)

    def issue(self, name: str, common_name: str, days: float = 5) -> None:
        """Make (again) NAME.crt and NAME.key; `days` below 0 makes an expired one."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
        self._write(name, self._sign(subject, key, ca=False, days=days), key)

    def _sign(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, *, ca: bool, days: float) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=20))
            .not_valid_after(now + datetime.timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if not ca:
            common = str(subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)
            builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(common)]), critical=False)
        return builder.sign(self._key, hashes.SHA256())

    def _write(self, name: str, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        text = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        (self.directory / f"{name}.key").write_bytes(text)
        (self.directory / f"{name}.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


class Collector:
    """A real rsyslogd on a loopback port."""

    def __init__(self, directory: Path, pki: Path, certificate: str = "collector", config: str = COLLECTOR) -> None:
        self.directory = directory
        directory.mkdir()
        self.port = free_port()
        text = config.format(dir=directory, port=self.port, pki=pki, certificate=certificate)
        (directory / "rsyslog.conf").write_text(text, encoding="ascii")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def archive(self) -> Path:
        """What was received."""
        return self.directory / "archive.log"

    def start(self) -> None:
        """Start, and wait for the port."""
        assert RSYSLOGD
        (self.directory / "pid").unlink(missing_ok=True)
        command = [RSYSLOGD, "-n", "-f", str(self.directory / "rsyslog.conf"), "-i", str(self.directory / "pid")]
        with (self.directory / "output").open("ab") as output:
            self._process = subprocess.Popen(command, stdout=output, stderr=output)
        wait_for(lambda: accepts(self.port), 10)

    def end(self, number: signal.Signals) -> None:
        """Stop (SIGTERM) or kill (SIGKILL) it."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(timeout=30)
            self._process = None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal that it survives."""
        assert self._process is not None
        self._process.send_signal(number)

    def lines(self) -> int:
        """How many lines are in the archive."""
        return self.archive.read_bytes().count(b"\n") if self.archive.exists() else 0


class Forwarder:
    """The forwarder as the service starts it, with a feed in place of the journal."""

    def __init__(self, directory: Path, config: dict[str, Any]) -> None:
        self.directory = directory
        directory.mkdir(exist_ok=True)
        self.config = directory / "forward.json"
        self._feed = directory / "feed"
        self.state_dir = directory / "state"
        self.feed(0)
        journal = {"command": [sys.executable, str(FAKE_JOURNALCTL)]}
        whole = {
            "node": "pve1",
            "sources": {"journal": journal},
            "state_dir": str(self.state_dir),
            "status_file": str(directory / "status.json"),
            **config,
        }
        self.config.write_text(json.dumps(whole), encoding="utf-8")
        self._process: subprocess.Popen[bytes] | None = None

    def feed(self, newest: int, oldest: int = 1) -> None:
        """From now on the journal holds the entries `oldest` to `newest`."""
        temporary = self._feed.with_suffix(".new")
        temporary.write_text(f"{newest} {oldest}", encoding="ascii")
        temporary.replace(self._feed)

    def start(self, **variables: str) -> None:
        """Start it, with more environment variables."""
        environment = {"PATH": os.environ["PATH"], "PVE_AUDIT_FEED": str(self._feed), "PYTHONDONTWRITEBYTECODE": "1"}
        environment |= variables
        command = [sys.executable, "-I", str(PROGRAM), "forward", "--config", str(self.config)]
        with (self.directory / "output").open("ab") as output:
            self._process = subprocess.Popen(command, stdout=output, stderr=output, env=environment)

    def end(self, number: signal.Signals) -> int:
        """Stop (SIGTERM) or kill (SIGKILL) it. Returns the exit status."""
        if self._process is None:
            return 0
        self._process.send_signal(number)
        status = self._process.wait(timeout=30)
        self._process = None
        return status

    def output(self) -> str:
        """What it said."""
        return (self.directory / "output").read_text(encoding="utf-8")

    def status(self) -> dict[str, Any]:
        """The first pipeline in the status file."""
        try:
            whole = json.loads((self.directory / "status.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        first: dict[str, Any] = whole["pipelines"][0]
        return first


@dataclass(frozen=True)
class Count:
    """What the archive holds of the entries 1 to `sent`."""

    sent: int
    lines: int
    lost: int
    duplicates: int
    unmarked: int


def count(archive: Path, sent: int) -> Count:
    """`unmarked` are lines that repeat a number under another cursor, or other lines under a cursor that was used."""
    cursors: dict[str, int] = {}
    numbers: set[int] = set()
    lines = unmarked = 0
    for line in archive.read_text(encoding="utf-8").splitlines() if archive.exists() else []:
        found = _LINE.search(line)
        if found is None:
            continue
        lines += 1
        number = int(found[2])
        unmarked += cursors.setdefault(found[1], number) != number
        numbers.add(number)
    unmarked += len(cursors) - len(numbers)
    return Count(sent, lines, len(set(range(1, sent + 1)) - numbers), lines - len(cursors), unmarked)


def free_port() -> int:
    """A port on loopback that is free at present."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def accepts(port: int) -> bool:
    """Whether somebody listens."""
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


def wait_for(condition: Callable[[], bool], seconds: float) -> bool:
    """Wait until it is true; returns whether it became true."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True
