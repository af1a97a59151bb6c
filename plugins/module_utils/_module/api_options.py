# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of a connection to the API. What talks to it lies in `wiring.py`, and needs packages."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.basic import env_fallback


def api_spec() -> dict[str, Any]:
    """The connection options, named as in community.proxmox, with the same environment fallbacks."""
    return {
        "api_host": {"type": "str", "required": True, "fallback": (env_fallback, ["PROXMOX_HOST"])},
        "api_port": {"type": "int", "default": 8006, "fallback": (env_fallback, ["PROXMOX_PORT"])},
        "api_user": {"type": "str", "required": True, "fallback": (env_fallback, ["PROXMOX_USER"])},
        "api_password": {"type": "str", "no_log": True, "fallback": (env_fallback, ["PROXMOX_PASSWORD"])},
        "api_token_id": {"type": "str", "no_log": False, "fallback": (env_fallback, ["PROXMOX_TOKEN_ID"])},
        "api_token_secret": {"type": "str", "no_log": True, "fallback": (env_fallback, ["PROXMOX_TOKEN_SECRET"])},
        "validate_certs": {"type": "bool", "default": True, "fallback": (env_fallback, ["PROXMOX_VALIDATE_CERTS"])},
        "ca_path": {"type": "path", "fallback": (env_fallback, ["PROXMOX_CA_PATH"])},
        "request_timeout": {"type": "int", "default": 15},
        "total_timeout": {"type": "int", "default": 300},
        "concurrency": {"type": "int", "default": 8},
    }
