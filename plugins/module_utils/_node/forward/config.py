# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The forwarder's settings and systemd unit, as text. Pure: options in, text out.

What is right and wrong in the settings, the program says: roles/_programs/files/pve_audit/forward/settings.py.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

STATE_NAME = "pve-audit/forward"
RUNTIME_NAME = "pve-audit"
LIMITS = ("resend_seconds", "ack_timeout", "backoff_max", "failback_seconds", "heartbeat_seconds")

# What a program that reads logs has no business with; /root and /home are hidden by ProtectHome.
SECRETS = (
    "/etc/shadow",
    "/etc/shadow-",
    "/etc/gshadow",
    "/etc/gshadow-",
    "/etc/ssh",
    "/etc/ssl/private",
    "/etc/corosync",
    "/etc/pve/priv",
    "/var/lib/pve-cluster",
)

UNIT = """\
# Written by the module pve.audit.remote_syslog; changes are overwritten.
[Unit]
Description=Send the journal and log files to the log collector
After=network.target systemd-journald.service pve-cluster.service
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
# The program says that it moves only while all of its sources and links do.
WatchdogSec=180
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
# As root, since it reads the whole journal, the files of www-data and the key of its certificate, and writes only into
# the two directories above. It may read everything but what is named here, and change nothing.
CapabilityBoundingSet=CAP_DAC_READ_SEARCH
InaccessiblePaths={secrets}
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
PrivateMounts=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
"""


@dataclass(frozen=True)
class ForwarderPaths:
    """Where the forwarder's files are."""

    config: str = "/etc/pve-audit/forward.json"
    state_dir: str = f"/var/lib/{STATE_NAME}"
    status_file: str = f"/run/{RUNTIME_NAME}/forward.json"


def render_config(params: Mapping[str, Any], paths: ForwarderPaths) -> str:
    """The text of forward.json."""
    journal: Any = {"matches": list(params["journal_matches"])} if params["journal"] else False
    data = {
        "node": params["node_name"],
        "mode": params["mode"],
        "targets": [_target(target, params) for target in params["targets"]],
        "sources": {"journal": journal, "files": _files(params["files"])},
        "limits": {**{name: params[name] for name in LIMITS}, "frame_bytes": params["message_bytes"]},
        "state_dir": paths.state_dir,
        "status_file": paths.status_file,
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


def render_unit(program: str, config: str, digest: str, needed: Sequence[str] = ()) -> str:
    """The systemd unit. `digest` of the programs makes a new program a change, and so restarts the service.

    `needed` are the files that the settings name: where one of them lies stays visible.
    """
    hidden = [secret for secret in SECRETS if not any((path + "/").startswith(secret + "/") for path in needed)]
    secrets = " ".join(f"-{secret}" for secret in hidden)
    return UNIT.format(
        program=program, config=config, digest=digest, state=STATE_NAME, runtime=RUNTIME_NAME, secrets=secrets
    )
