# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings of the forwarder: a JSON file, checked as a whole before anything starts.

The module remote_syslog writes the file. It knows the options, and lets `forward --check` say what is wrong with them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from pve_audit.settings_file import SettingsError, read_settings
from pve_audit.wire import HEARTBEAT

STATE_DIR = "/var/lib/pve-audit/forward"
STATUS_FILE = "/run/pve-audit/forward.json"
SHORTEST_FRAME = 2048
RESERVED = ("journal", "forward", HEARTBEAT)
# Limits that may be 0: nothing is sent again, no heartbeat is sent.
MAY_BE_ZERO = ("resend_seconds", "heartbeat_seconds")
_HOST = re.compile(r"[A-Za-z0-9._:-]+")
_PEER = re.compile(r"[A-Za-z0-9.*:_-]+")
_NAME = re.compile(r"[A-Za-z0-9._-]{1,32}")
_LETTERS = "1 to 32 letters, digits, dots, - and _"
_PATH = re.compile(r"/[^\x00-\x20\x7f\"'\\]*")
_PATH_RULE = "must be an absolute path without spaces and quotes"
_MATCH = re.compile(r"[A-Z0-9_]+=[^\x00-\x1f]+")


@dataclass(frozen=True, slots=True)
class Target:
    """One collector."""

    host: str
    port: int
    tls: bool = True
    ca: str = ""
    certificate: str = ""
    key: str = ""
    permitted_peers: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """`collector:2514`, `[2001:db8::1]:2514`."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class JournalSpec:
    """`matches` are journalctl matches (`_SYSTEMD_UNIT=pvedaemon.service`); none means the whole journal."""

    matches: tuple[str, ...] = ()
    command: tuple[str, ...] = ("/usr/bin/journalctl",)


@dataclass(frozen=True, slots=True)
class FileSpec:
    """A log file with its rotated forms, or a pattern for several files that are only appended to."""

    name: str
    path: str
    tag: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """Times in seconds, sizes in bytes."""

    window: int = 256
    frame_bytes: int = 8000
    ack_timeout: float = 30.0
    connect_timeout: float = 10.0
    backoff_min: float = 1.0
    backoff_max: float = 60.0
    resend_seconds: float = 30.0
    failback_seconds: float = 300.0
    save_seconds: float = 1.0
    poll_seconds: float = 1.0
    heartbeat_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Config:
    """The whole file."""

    node: str
    mode: str
    targets: tuple[Target, ...]
    journal: JournalSpec | None
    files: tuple[FileSpec, ...]
    limits: Limits = field(default_factory=Limits)
    state_dir: str = STATE_DIR
    status_file: str = STATUS_FILE


def load(path: str) -> Config:
    """Raises SettingsError."""
    return parse(read_settings(path))


def parse(data: Any) -> Config:
    """Raises SettingsError."""
    top = _Fields(data, "the configuration")
    sources = _Fields(top.take("sources", dict), "sources")
    config = Config(
        node=top.take("node", str),
        mode=top.take("mode", str, "failover"),
        targets=tuple(_target(one, number) for number, one in enumerate(top.take("targets", list), 1)),
        journal=_journal(sources.take("journal", (dict, bool), True)),
        files=tuple(_file(one, number) for number, one in enumerate(sources.take("files", list, []), 1)),
        limits=_limits(top.take("limits", dict, {})),
        state_dir=top.take("state_dir", str, STATE_DIR),
        status_file=top.take("status_file", str, STATUS_FILE),
    )
    top.end()
    sources.end()
    _check(config)
    return config


def _target(data: Any, number: int) -> Target:
    fields = _Fields(data, f"target {number}")
    target = Target(
        host=fields.take("host", str),
        port=fields.take("port", int),
        tls=fields.take("tls", bool, True),
        ca=fields.take("ca", str, ""),
        certificate=fields.take("certificate", str, ""),
        key=fields.take("key", str, ""),
        permitted_peers=tuple(fields.take("permitted_peers", list, [])),
    )
    fields.end()
    _check_target(target, f"target {number}")
    return target


def _check_target(target: Target, where: str) -> None:
    if not _HOST.fullmatch(target.host):
        raise SettingsError(f"{where}: {target.host!r} is not the name or address of a collector")
    if not 1 <= target.port <= 65535:
        raise SettingsError(f"{where}: the port must be from 1 to 65535, not {target.port}")
    for peer in target.permitted_peers:
        if not _PEER.fullmatch(peer):
            raise SettingsError(f"{where}: {peer!r} is not a name in a certificate")
    for name in ("ca", "certificate", "key") if target.tls else ():
        path = getattr(target, name)
        if not path:
            raise SettingsError(f"{where} uses TLS and so needs ca, certificate and key")
        if not _PATH.fullmatch(path):
            raise SettingsError(f"{where}: {name} {_PATH_RULE}, not {path!r}")


def _journal(data: Any) -> JournalSpec | None:
    if data is False:
        return None
    fields = _Fields({} if data is True else data, "sources.journal")
    matches, command = fields.take("matches", list, []), fields.take("command", list, list(JournalSpec().command))
    fields.end()
    for match in matches:
        if not _MATCH.fullmatch(match):
            raise SettingsError(f"{match!r} is not a journal match such as _SYSTEMD_UNIT=pvedaemon.service")
    return JournalSpec(tuple(matches), tuple(command))


def _file(data: Any, number: int) -> FileSpec:
    fields = _Fields(data, f"file {number}")
    spec = FileSpec(fields.take("name", str), fields.take("path", str), fields.take("tag", str, ""))
    fields.end()
    if not _NAME.fullmatch(spec.name) or spec.name in RESERVED:
        raise SettingsError(
            f"a file's name must be {_LETTERS}, and not {', '.join(RESERVED[:-1])} or {RESERVED[-1]}, not {spec.name!r}"
        )
    if not _PATH.fullmatch(spec.path):
        raise SettingsError(f"the path of the file {spec.name} {_PATH_RULE}, not {spec.path!r}")
    if spec.tag and not _NAME.fullmatch(spec.tag):
        raise SettingsError(f"a tag must be {_LETTERS}, not {spec.tag!r}")
    return spec


def _limits(data: Any) -> Limits:
    fields = _Fields(data, "limits")
    default = Limits()
    values = {
        name: fields.take(
            name, (int, float) if isinstance(getattr(default, name), float) else int, getattr(default, name)
        )
        for name in Limits.__slots__
    }
    fields.end()
    for name, value in values.items():
        if value < 0 or (value == 0 and name not in MAY_BE_ZERO):
            least = "not be negative" if name in MAY_BE_ZERO else "be more than 0"
            raise SettingsError(f"limits.{name} must {least}, not {value}")
    if values["frame_bytes"] < SHORTEST_FRAME:
        least = f"must be at least {SHORTEST_FRAME} bytes"
        raise SettingsError(f"the longest message (limits.frame_bytes) {least}, not {values['frame_bytes']}")
    return Limits(**values)


def _check(config: Config) -> None:
    if not _NAME.fullmatch(config.node):
        raise SettingsError(f"the name of the node in the lines (node) must be {_LETTERS}, not {config.node!r}")
    if config.mode not in ("failover", "parallel"):
        raise SettingsError(f"mode must be failover or parallel, not {config.mode}")
    if not config.targets:
        raise SettingsError("there must be at least one target")
    if config.journal is None and not config.files:
        raise SettingsError("there is nothing to send: sources has neither the journal nor files")
    if len({(one.host, one.port) for one in config.targets}) != len(config.targets):
        raise SettingsError("targets names one collector twice")
    if len({one.name for one in config.files}) != len(config.files):
        raise SettingsError("two of the files have the same name")


class _Fields:
    """A JSON object whose keys are taken one by one; what is left over is a typing error of somebody."""

    def __init__(self, data: Any, where: str) -> None:
        if not isinstance(data, dict):
            raise SettingsError(f"{where} must be an object with keys")
        self._data = dict(data)
        self._where = where

    def take(self, key: str, kind: Any, *default: Any) -> Any:
        """The value. Raises SettingsError when it is missing without a default, or of another type."""
        if key not in self._data:
            if default:
                return default[0]
            raise SettingsError(f"{self._where}: {key} is missing")
        value = self._data.pop(key)
        wrong_bool = isinstance(value, bool) and kind is not bool and not (isinstance(kind, tuple) and bool in kind)
        if wrong_bool or not isinstance(value, kind):
            raise SettingsError(f"{self._where}: {key} has a value of the wrong type: {value!r}")
        texts = key in ("permitted_peers", "matches", "command")
        if texts and not all(isinstance(one, str) for one in value):
            raise SettingsError(f"{self._where}: {key} must be a list of texts")
        return value

    def end(self) -> None:
        """Raises SettingsError when keys are left over."""
        if self._data:
            raise SettingsError(f"{self._where}: unknown settings {', '.join(sorted(self._data))}")
