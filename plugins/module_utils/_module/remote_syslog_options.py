# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of the module remote_syslog."""

from __future__ import annotations

from typing import Any

TEXTS = {"type": "list", "elements": "str", "default": []}
SPEC: dict[str, dict[str, Any]] = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "delivery": {"type": "str", "choices": ["acknowledged", "queued"], "default": "acknowledged"},
    "targets": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "host": {"type": "str", "required": True},
            "port": {"type": "int", "default": 2514},
            "permitted_peers": {"type": "list", "elements": "str"},
        },
    },
    "mode": {"type": "str", "choices": ["failover", "parallel"], "default": "failover"},
    "protocol": {"type": "str", "choices": ["relp", "tcp"], "default": "relp"},
    "tls": {"type": "bool", "default": True},
    "ca_path": {"type": "path"},
    "cert_path": {"type": "path"},
    "key_path": {"type": "path", "no_log": False},
    "expiry_warning_days": {"type": "int", "default": 30},
    "node_name": {"type": "str"},
    "journal": {"type": "bool", "default": True},
    "journal_matches": TEXTS,
    "files": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "name": {"type": "str", "required": True},
            "path": {"type": "path", "required": True},
            "tag": {"type": "str"},
        },
    },
    "resend_seconds": {"type": "int", "default": 30},
    "ack_timeout": {"type": "int", "default": 30},
    "backoff_max": {"type": "int", "default": 60},
    "failback_seconds": {"type": "int", "default": 300},
    "heartbeat_seconds": {"type": "int", "default": 60},
    "message_bytes": {"type": "int", "default": 8000},
    "queue": {
        "type": "dict",
        "default": {},
        "options": {
            "directory": {"type": "path", "default": "/var/lib/pve-audit/queue"},
            "max_disk": {"type": "str", "default": "1g"},
            "size": {"type": "int", "default": 20000},
            "high_watermark": {"type": "int", "default": 15000},
            "low_watermark": {"type": "int", "default": 2000},
        },
    },
    "verify_seconds": {"type": "int", "default": 5},
    "backup": {"type": "bool", "default": False},
    "program": {"type": "path", "default": "/usr/local/lib/pve-audit/pve_audit.pyz"},
}
