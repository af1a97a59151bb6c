# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the simulator: `python -m tests.lab.simulator --state-dir DIR`, or `running_simulator(...)` in a test."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import secrets
import signal
import ssl
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.lab.authn import Authenticator
from tests.lab.certs import KINDS, make_certificates
from tests.lab.dispatch import Dispatcher, Timing
from tests.lab.identity import install, restore, save
from tests.lab.model import Cluster, Fault
from tests.lab.server import Listener
from tests.lab.story import StoryOptions, build_story, secret_for
from tests.lab.tfa import TfaUser
from tests.lab.usercfg_write import render_user_config

USER, TOKEN_ID = "audit@pve", "report"
NO_ROUTE = "No route to host"


@dataclass(slots=True)
class SimulatorOptions:
    """Everything that can be chosen. Delays in seconds. Unset times mean PVE's own values.

    `offline`, `hang`, `broken`: node names. `slow`: node name -> seconds. `cluster`: serve this one, not the story.
    `user_cfg`, `domains_cfg`: texts of these files, for users and realms. `passwords`: `name@realm` -> password; of all
    accounts, when given. `tfa`: `name@realm` -> second factors. `metric_listeners`: see Cluster.
    """

    nodes: int = 3
    tasks_per_node: int = 400
    seed: int = 1
    now: int | None = None
    days: int = 35
    hostile: bool = False
    latency_ms: float = 0.0
    unauthorized_delay: float = 3.0
    offline: tuple[str, ...] = ()
    offline_delay: float = 3.0
    hang: tuple[str, ...] = ()
    proxy_timeout: float = 30.0
    broken: tuple[str, ...] = ()
    slow: dict[str, float] = field(default_factory=dict)
    no_quorum: bool = False
    no_quorum_delay: float = 10.0
    certificate: str = "valid"
    every_node: bool = False
    host: str = "127.0.0.1"
    port: int = 0
    cluster: Cluster | None = None
    user_cfg: str | None = None
    domains_cfg: str | None = None
    passwords: dict[str, str] | None = None
    tfa: dict[str, TfaUser] | None = None
    metric_listeners: tuple[str, ...] | None = None


def _build(options: SimulatorOptions) -> Cluster:
    if options.cluster is not None:
        return options.cluster
    return build_story(
        StoryOptions(
            now=options.now if options.now is not None else int(time.time()),
            nodes=options.nodes,
            tasks_per_node=options.tasks_per_node,
            seed=options.seed,
            days=options.days,
            hostile=options.hostile,
        )
    )


def apply_faults(cluster: Cluster, options: SimulatorOptions) -> None:
    """Set the chosen faults; ValueError for an unknown node. Without quorum only the first node is up."""
    faults = [(name, Fault("offline", options.offline_delay, NO_ROUTE)) for name in options.offline]
    faults += [(name, Fault("hang", options.proxy_timeout)) for name in options.hang]
    faults += [(name, Fault("broken")) for name in options.broken]
    faults += [(name, Fault("slow", delay)) for name, delay in options.slow.items()]
    if options.no_quorum:
        cluster.quorate = False
        faults += [(name, Fault("offline", options.offline_delay, NO_ROUTE)) for name in list(cluster.nodes)[1:]]
    for name, fault in faults:
        if name not in cluster.nodes:
            raise ValueError(f"no node {name}: the nodes are {', '.join(cluster.nodes)}")
        cluster.nodes[name].fault = fault


class Simulator:
    """A running simulator. `ports`: node -> port (only the first node's unless `every_node`)."""

    def __init__(self, options: SimulatorOptions, directory: Path) -> None:
        self.options = options
        self.cluster = _build(options)
        apply_faults(self.cluster, options)
        if options.metric_listeners is not None:
            self.cluster.metric_listeners = frozenset(options.metric_listeners)
        install(
            self.cluster,
            user_cfg=options.user_cfg,
            domains_cfg=options.domains_cfg,
            passwords=options.passwords,
            tfa=options.tfa,
            secret=lambda token: secret_for(options.seed, token),
        )
        self._start = save(self.cluster)
        self.host = options.host
        self.ca_path, chain = make_certificates(directory, options.certificate)
        self.authenticator = Authenticator(self.cluster, secrets.token_bytes(32))
        timing = Timing(
            options.unauthorized_delay, options.latency_ms / 1000, options.proxy_timeout, options.no_quorum_delay
        )
        self.dispatcher = Dispatcher(self.cluster, self.authenticator, timing)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain)
        names = list(self.cluster.nodes) if options.every_node else [self.cluster.first_node()]
        self._listeners = {name: self._listener(name, context) for name in names}

    def _listener(self, name: str, context: ssl.SSLContext) -> Listener:
        port = self.options.port if name == self.cluster.first_node() else 0
        return Listener(lambda request: self.dispatcher(request, name), context, self.host, port)

    @property
    def ports(self) -> dict[str, int]:
        """The port of each node that can be entered."""
        return {name: listener.port for name, listener in self._listeners.items()}

    @property
    def port(self) -> int:
        """The port of the first node."""
        return self.ports[self.cluster.first_node()]

    @property
    def url(self) -> str:
        """The address of the first node."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"https://{host}:{self.port}"

    def token_header(self, token: str = f"{USER}!{TOKEN_ID}") -> dict[str, str]:
        """The header of a request with an API token."""
        return {"Authorization": f"PVEAPIToken={token}={self.cluster.secrets[token]}"}

    def info(self) -> dict[str, Any]:
        """What a client needs; also the content of sim.json."""
        return {
            "host": self.host,
            "port": self.port,
            "ports": self.ports,
            "user": USER,
            "token_id": TOKEN_ID,
            "token_secret": self.cluster.secrets.get(f"{USER}!{TOKEN_ID}", ""),
            "ca_path": str(self.ca_path),
            "pid": os.getpid(),
            "nodes": list(self.cluster.nodes),
            "passwords": self.cluster.passwords,
            "secrets": self.cluster.secrets,
        }

    def user_config(self) -> str:
        """The text of user.cfg as it stands now."""
        return render_user_config(self.cluster.users)

    def reset(self) -> None:
        """Back to the users, realms, passwords, second factors and metric servers of the start."""
        restore(self.cluster, self._start)

    def warm(self) -> None:
        """Read all task lists now, so that the first calls are as fast as the later ones."""
        for node in self.cluster.nodes.values():
            node.ring.archive()

    def start(self) -> None:
        """Begin to answer."""
        for listener in self._listeners.values():
            listener.start()

    def stop(self) -> None:
        """End all waits, close all connections."""
        self.dispatcher.stopping.set()
        for listener in self._listeners.values():
            listener.stop()


@contextlib.contextmanager
def running_simulator(options: SimulatorOptions | None = None, **choices: Any) -> Iterator[Simulator]:
    """A simulator for the time of a `with` block. `choices` are fields of SimulatorOptions."""
    with tempfile.TemporaryDirectory(prefix="pve-audit-lab-") as directory:
        simulator = Simulator(options or SimulatorOptions(**choices), Path(directory))
        simulator.start()
        try:
            yield simulator
        finally:
            simulator.stop()


def write_info(path: Path, info: dict[str, Any]) -> None:
    """Write a JSON file that only its owner can read, all at once."""
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        json.dump(info, stream, indent=2)
    temporary.replace(path)


def _slow(text: str) -> tuple[str, float]:
    name, _, seconds = text.partition("=")
    return name, float(seconds or 2.0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.lab.simulator", description=__doc__)
    add = parser.add_argument
    add("--state-dir", required=True, type=Path, help="certificates and sim.json go here")
    add("--nodes", type=int, default=3, help="1 to 64 (default 3)")
    add("--tasks-per-node", type=int, default=400, help="0 to 10000 (default 400)")
    add("--seed", type=int, default=1, help="the same seed and --now give the same data")
    add("--now", type=int, help="epoch seconds the data hangs on (default: the clock)")
    add("--days", type=int, default=35, help="age of the oldest tasks")
    add("--hostile", action="store_true", help="add users, states and logs that attack readers")
    add("--files", type=Path, help="serve recorded files (a directory, or a bundle of them) instead of the story")
    add("--user-cfg", type=Path, help="users, groups, roles, tokens and ACL from this file")
    add("--domains-cfg", type=Path, help="realms from this file")
    add("--host", default="127.0.0.1")
    add("--port", type=int, default=0, help="default: any free one")
    add("--every-node", action="store_true", help="one port for each node")
    add("--latency-ms", type=float, default=0.0, help="added to every request")
    add("--unauthorized-delay", type=float, default=3.0, help="seconds before a 401")
    add("--offline", action="append", default=[], metavar="NODE", help="595 after --offline-delay")
    add("--offline-delay", type=float, default=3.0)
    add("--slow", action="append", default=[], type=_slow, metavar="NODE=SECONDS")
    add("--hang", action="append", default=[], metavar="NODE", help="596 after --proxy-timeout")
    add("--proxy-timeout", type=float, default=30.0)
    add("--broken", action="append", default=[], metavar="NODE", help="596 at once")
    add("--lazy", action="store_true", help="read task lists when first asked: a quick start, slow first answers")
    add("--no-quorum", action="store_true", help="only the first node is up")
    add("--no-quorum-delay", type=float, default=10.0, help="seconds before a write without quorum fails")
    add(
        "--metric-listener",
        action="append",
        metavar="HOST:PORT",
        help="these metric servers answer, and no others; default: they are really tried",
    )
    add("--certificate", choices=KINDS, default="valid")
    return parser


def _options(arguments: argparse.Namespace) -> SimulatorOptions:
    values = vars(arguments).copy()
    del values["state_dir"]
    files = values.pop("files")
    del values["lazy"]
    listeners = values.pop("metric_listener")
    values["metric_listeners"] = None if listeners is None else tuple(listeners)
    for name in ("user_cfg", "domains_cfg"):
        values[name] = values[name].read_text("latin-1") if values[name] else None
    for name in ("offline", "hang", "broken"):
        values[name] = tuple(values[name])
    values["slow"] = dict(values["slow"])
    if files is not None:
        from tests.lab.recorded import load_files

        values["cluster"] = load_files(files)
    return SimulatorOptions(**values)


def main(argv: list[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    if not 1 <= arguments.nodes <= 64 or not 0 <= arguments.tasks_per_node <= 10000:
        parser.error("--nodes must be 1 to 64 and --tasks-per-node 0 to 10000")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    directory: Path = arguments.state_dir
    directory.mkdir(parents=True, exist_ok=True)
    try:
        simulator = Simulator(_options(arguments), directory)
    except ValueError as error:
        parser.error(str(error))
    if not arguments.lazy:
        simulator.warm()
    simulator.start()
    write_info(directory / "sim.json", simulator.info())
    print(f"serving {len(simulator.cluster.nodes)} nodes on {simulator.url}", flush=True)
    while not stop.wait(3600):
        pass
    simulator.stop()
    (directory / "sim.json").unlink(missing_ok=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
