# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The forwarder's configuration file and systemd unit, as text. Pure: options in, text out.

The program reads them in roles/_programs/files/pve_audit/forward/settings.py.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError

STATE_NAME = "pve-audit/forward"
RUNTIME_NAME = "pve-audit"
LIMITS = ("resend_seconds", "ack_timeout", "backoff_max", "failback_seconds")
_PLAIN = re.compile(r"[^\x00-\x20\x7f\"'\\]+")
_HOST = re.compile(r"[A-Za-z0-9._:-]+")
_MATCH = re.compile(r"[A-Z0-9_]+=[^\x00-\x1f]+")
_LETTERS = "1 to 32 letters, digits, dots, - and _"
_NAME = re.compile(r"[A-Za-z0-9._-]{1,32}")

UNIT = """\
# Written by the module pve.audit.remote_syslog; changes are overwritten.
[Unit]
Description=Send the journal and log files to the log collector
After=network.target systemd-journald.service
StartLimitIntervalSec=0

[Service]
Type=exec
ExecStart=/usr/bin/python3 -I -B {program} forward --config {config}
SyslogIdentifier=pve-audit-forward
X-ProgramSHA256={digest}
Restart=always
RestartSec=5
TimeoutStopSec=30
UMask=0077
StateDirectory={state}
StateDirectoryMode=0700
RuntimeDirectory={runtime}
RuntimeDirectoryPreserve=yes
# It reads what only root may read, and writes only into the two directories above.
CapabilityBoundingSet=CAP_DAC_READ_SEARCH
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service

[Install]
WantedBy=multi-user.target
"""


@dataclass(frozen=True)
class ForwardPlaces:
    """Where the forwarder's files are."""

    config: str = "/etc/pve-audit/forward.json"
    state_dir: str = f"/var/lib/{STATE_NAME}"
    status_file: str = f"/run/{RUNTIME_NAME}/forward.json"


def check_options(params: Mapping[str, Any]) -> None:
    """What is wrong with the options whatever the node looks like. Raises InputError."""
    if not params["targets"]:
        raise InputError("targets needs at least one collector")
    for target in params["targets"]:
        _check_target(target)
    names = [(target["host"], target["port"]) for target in params["targets"]]
    if len(set(names)) != len(names):
        raise InputError("targets names one collector twice")
    _check_transport(params)
    _check_sources(params)
    for option in LIMITS:
        if params[option] < (0 if option == "resend_seconds" else 1):
            raise InputError(f"{option} must be positive, not {params[option]}")
    if params["message_bytes"] < 2048:
        raise InputError(f"message_bytes must be at least 2048, not {params['message_bytes']}")


def _check_target(target: Mapping[str, Any]) -> None:
    if not _HOST.fullmatch(target["host"]):
        raise InputError(f"{target['host']!r} is not the name or address of a collector")
    if not 1 <= target["port"] <= 65535:
        raise InputError(f"the port of {target['host']} must be from 1 to 65535, not {target['port']}")
    for peer in target["permitted_peers"] or []:
        if not re.fullmatch(r"[A-Za-z0-9.*:_-]+", peer):
            raise InputError(f"{peer!r} is not a name in a certificate")


def _check_transport(params: Mapping[str, Any]) -> None:
    if params["protocol"] == "tcp" and params["delivery"] != "queued":
        raise InputError("protocol tcp has no acknowledgements: use delivery queued with it, or protocol relp")
    for option in ("ca_path", "cert_path", "key_path"):
        value = params[option]
        if params["tls"] and not value:
            raise InputError(f"{option} is needed for TLS")
        if value and not (os.path.isabs(value) and _PLAIN.fullmatch(value)):
            raise InputError(f"{option} must be an absolute path without spaces and quotes, not {value!r}")


def _check_sources(params: Mapping[str, Any]) -> None:
    if not params["journal"] and not params["files"]:
        raise InputError("there is nothing to send: journal is false and files is empty")
    names = [one["name"] for one in params["files"]]
    for one in params["files"]:
        if not _NAME.fullmatch(one["name"]) or one["name"] in ("journal", "forward"):
            raise InputError(f"a file's name must be {_LETTERS}, and not journal or forward, not {one['name']!r}")
        if not (os.path.isabs(one["path"]) and _PLAIN.fullmatch(one["path"])):
            raise InputError(f"the path {one['path']!r} must be absolute, without spaces and quotes")
        if one["tag"] and not _NAME.fullmatch(one["tag"]):
            raise InputError(f"a tag must be {_LETTERS}, not {one['tag']!r}")
    if len(set(names)) != len(names):
        raise InputError("two of the files have the same name")
    for match in params["journal_matches"]:
        if not _MATCH.fullmatch(match):
            raise InputError(f"{match!r} is not a journal match such as _SYSTEMD_UNIT=pvedaemon.service")
    if not _NAME.fullmatch(params["node_name"]):
        raise InputError(f"node_name must be {_LETTERS}, not {params['node_name']!r}")


def render_config(params: Mapping[str, Any], places: ForwardPlaces) -> str:
    """The text of forward.json."""
    journal: Any = {"matches": list(params["journal_matches"])} if params["journal"] else False
    data = {
        "node": params["node_name"],
        "mode": params["mode"],
        "targets": [_target(target, params) for target in params["targets"]],
        "sources": {"journal": journal, "files": _files(params["files"])},
        "limits": {**{name: params[name] for name in LIMITS}, "frame_bytes": params["message_bytes"]},
        "state_dir": places.state_dir,
        "status_file": places.status_file,
    }
    return json.dumps(data, indent=2, sort_keys=True) + "\n"


def _target(target: Mapping[str, Any], params: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"host": target["host"], "port": target["port"], "tls": params["tls"]}
    if params["tls"]:
        found |= {"ca": params["ca_path"], "certificate": params["cert_path"], "key": params["key_path"]}
        found["permitted_peers"] = list(target["permitted_peers"] or [])
    return found


def _files(files: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{"name": one["name"], "path": one["path"], "tag": one["tag"] or ""} for one in files]


def render_unit(program: str, config: str, digest: str) -> str:
    """The systemd unit. `digest` of the programs makes a new program a change, and so restarts the service."""
    return UNIT.format(program=program, config=config, digest=digest, state=STATE_NAME, runtime=RUNTIME_NAME)
