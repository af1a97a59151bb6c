# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real rsyslogd as a process of its own on the loopback, with the configuration of the role."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml

ROLE = Path(__file__).resolve().parents[2] / "roles" / "log_collector"
PROGRAMS = ROLE.parent / "_programs" / "files"
ROLE_VARS = yaml.safe_load((ROLE / "vars" / "main.yml").read_text(encoding="utf-8"))
NODES = ("pve1", "pve2")
RSYSLOGD = shutil.which("rsyslogd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


def openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


def make_authority(directory: Path, name: str) -> None:
    key = directory / f"{name}.key"
    openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", key)
    extensions = ("-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign")
    certificate = directory / f"{name}.pem"
    openssl("req", "-x509", "-new", "-key", key, "-subj", "/CN=test", "-days", "10", *extensions, "-out", certificate)


def make_certificate(
    directory: Path, file: str, name: str, usage: str, authority: str = "ca", days: int = 5, others: Sequence[str] = ()
) -> None:
    """`days` may be negative: then it has expired. `others` are further names that it carries."""
    key, request, extensions = (directory / f"{file}.{ending}" for ending in ("key", "csr", "ext"))
    openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", key)
    openssl("req", "-new", "-key", key, "-subj", f"/CN={name}", "-out", request)
    names = ",".join(f"DNS:{one}" for one in (name, *others))
    extensions.write_text(f"subjectAltName={names}\nextendedKeyUsage={usage}\nkeyUsage=digitalSignature\n")
    signer = ("-CA", directory / f"{authority}.pem", "-CAkey", directory / f"{authority}.key", "-CAcreateserial")
    openssl(
        *("x509", "-req", "-in", request, *signer, "-days", str(days), "-extfile", extensions),
        *("-out", directory / f"{file}.pem"),
    )


def fingerprint(directory: Path, file: str) -> str:
    """As the role log_certificates lays it down."""
    command = ["openssl", "x509", "-in", str(directory / f"{file}.pem"), "-noout", "-fingerprint", "-sha1"]
    return "SHA1:" + subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip().split("=")[1]


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("pki")
    make_authority(directory, "ca")
    make_authority(directory, "wrong-ca")
    make_certificate(directory, "collector", "collector", "serverAuth")
    for node in (*NODES, "eve"):
        make_certificate(directory, node, node, "clientAuth")
    make_certificate(directory, "wrong", "pve1", "clientAuth", "wrong-ca")
    make_certificate(directory, "expired", "pve1", "clientAuth", days=-1)
    make_certificate(directory, "old", "pve1", "clientAuth")
    make_certificate(directory, "both", "pve2", "clientAuth", others=("pve1",))
    return directory


@dataclass
class Collector:
    """One collector below `base`; `archive` may be elsewhere.

    `pinned` has the certificate that alone is a node's, `more` are further settings.
    """

    base: Path
    pki: Path
    archive: Path
    ports: dict[str, int]
    process: subprocess.Popen[bytes] | None = None
    pinned: dict[str, str] = field(default_factory=dict)
    more: dict[str, Any] = field(default_factory=dict)

    def write(self) -> None:
        """Render the configuration and the settings."""
        for name in ("state", "rejected", "run", "peers"):
            (self.base / name).mkdir(exist_ok=True)
        listeners = {f"{kind}-{node}": node for node in NODES for kind in ("relp", "tcp")}
        settings = {"archive": str(self.archive), "listeners": listeners}
        settings |= {name: str(self.base / name) for name in ("state", "rejected")} | {
            "runtime": str(self.base / "run")
        }
        (self.base / "settings.json").write_text(json.dumps(settings | self.more))
        for node, certificate in self.pinned.items():
            (self.base / "peers" / node).write_text(fingerprint(self.pki, certificate))
        prefix = "pve_audit_log_collector_"
        values = {
            "state_dir": str(self.base / "state"),
            "max_line_bytes": 65536,
            "tcp_enabled": True,
            "writer": f"{self.tool} write",
            "bind_address": "127.0.0.1",
            "nodes": NODES,
            "relp_ports": {node: self.ports[f"relp-{node}"] for node in NODES},
            "tcp_ports": {node: self.ports[f"tcp-{node}"] for node in NODES},
            "ca": str(self.pki / "ca.pem"),
            "certificate": str(self.pki / "collector.pem"),
            "key": str(self.pki / "collector.key"),
            "tls": {"results": []},
            "tls_priority": ROLE_VARS["pve_audit_log_collector_tls_priority"],
            "peers_dir": str(self.base / "peers"),
            "pinned": sorted(self.pinned),
        }
        environment = jinja2.Environment(trim_blocks=True, keep_trailing_newline=True, undefined=jinja2.StrictUndefined)
        environment.filters["bool"] = bool
        text = (ROLE / "templates" / "collector.conf.j2").read_text(encoding="utf-8")
        rendered = environment.from_string(text).render({prefix + name: value for name, value in values.items()})
        (self.base / "rsyslog.conf").write_text(rendered)

    @property
    def tool(self) -> str:
        return f"{sys.executable} -B -I {PROGRAMS} collector --config {self.base / 'settings.json'}"

    def run_tool(self, *arguments: str, stdin: str = "") -> Any:
        """The JSON of a command."""
        done = subprocess.run([*self.tool.split(), "--json", *arguments], input=stdin, capture_output=True, text=True)
        return json.loads(done.stdout)

    def start(self) -> None:
        assert RSYSLOGD is not None
        with open(self.base / "errors", "ab") as errors:
            command = [RSYSLOGD, "-n", "-iNONE", "-f", str(self.base / "rsyslog.conf")]
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=errors)
        for port in self.ports.values():
            _wait_for(port)

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.kill()

    def writer_pid(self) -> int:
        """The process that rsyslogd writes through."""
        assert self.process is not None
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        children += [
            child
            for task in Path(f"/proc/{self.process.pid}/task").iterdir()
            for child in (task / "children").read_text().split()
        ]
        return int(children[0])

    def lines(self, node: str = "*", source: str = "*") -> list[bytes]:
        """All archived lines without their line breaks."""
        found = []
        for path in sorted(self.archive.glob(f"{node}/{source}/*.log")):
            found += path.read_bytes().split(b"\n")[:-1]
        return found

    def refused(self) -> Any:
        """What the report says of the messages until now."""
        return self.run_tool("refused", "--stdin", stdin=(self.base / "errors").read_text(errors="replace"))


def _wait_for(port: int) -> None:
    """Until somebody listens, by the kernel's table: a connection would be reported as refused."""
    wanted = f":{port:04X} "
    for _ in range(1200):
        rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        if any(f"{row[1]} ".endswith(wanted) and row[3] == "0A" for row in rows):
            return
        time.sleep(0.05)
    raise TimeoutError(f"nobody listens at port {port}")


def free_ports(names: list[str]) -> dict[str, int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in names]
    ports = {name: one.getsockname()[1] for name, one in zip(names, sockets, strict=True)}
    for one in sockets:
        one.close()
    return ports


def new_collector(base: Path, pki: Path, archive: Path | None = None, **options: Any) -> Collector:
    ports = free_ports([f"{kind}-{node}" for node in NODES for kind in ("relp", "tcp")])
    place = archive or base / "archive"
    place.mkdir(exist_ok=True)
    collector = Collector(base, pki, place, ports, **options)
    collector.write()
    return collector


@pytest.fixture
def collector(tmp_path: Path, pki: Path) -> Iterator[Collector]:
    if RSYSLOGD is None or not Path("/usr/lib").glob("*/rsyslog/imrelp.so"):
        pytest.skip("needs rsyslog, rsyslog-relp and rsyslog-gnutls")
    made = new_collector(tmp_path, pki)
    made.start()
    yield made
    made.stop()
