#!/usr/bin/python
# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module pve.audit.metric_server: wiring only, the work is done in module_utils/_pve/metric_servers.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: metric_server
short_description: Manage the external metric servers of Proxmox VE (Graphite, InfluxDB, OpenTelemetry)
version_added: 0.1.0
description:
  - External metric servers carry measurements, such as load, memory, traffic and uptime. They carry B(no audit log).
    Nothing in them tells who did what. To keep the logs, use the role C(pve.audit.node_logging).
  - An option that is left out stays as it is. A text or dictionary that is given empty goes back to the default of
    Proxmox VE; a number or a flag does so when the default is given.
  - Proxmox VE tries to reach a server that is enabled before it stores it, and refuses what it cannot reach.
  - A server of type V(opentelemetry) is tried even with O(enabled=false). While the collector is down, it can only be
    removed.
extends_documentation_fragment:
  - pve.audit.api
  - pve.audit.api.changes
options:
  id:
    description: Name of the entry, of letters, digits, hyphens and underscores.
    type: str
    required: true
  state:
    description: V(absent) removes the entry with its token.
    type: str
    choices: [present, absent]
    default: present
  type:
    description: Kind of the server. Needed for a new entry, and cannot be changed later.
    type: str
    choices: [graphite, influxdb, opentelemetry]
  server:
    description: Name or address of the server. Needed for a new entry.
    type: str
  port:
    description: Port. Needed for a new V(influxdb); 2003 for a new V(graphite), 4318 (4317 without TLS) for a new
      V(opentelemetry) if left out.
    type: int
  enabled:
    description:
      - Whether measurements are sent. A new entry is enabled if this is left out.
      - Proxmox VE refuses V(false) for V(opentelemetry) too while the collector cannot be reached.
    type: bool
  timeout:
    description: Seconds to wait, for V(graphite) over TCP and V(influxdb) over HTTP.
    type: int
  mtu:
    description: Size of a packet over UDP, for V(graphite) and V(influxdb).
    type: int
  proto:
    description: Protocol of V(graphite).
    type: str
    choices: [udp, tcp]
  path:
    description: Start of the names of V(graphite), for example V(proxmox.mycluster).
    type: str
  influxdbproto:
    description: Protocol of V(influxdb).
    type: str
    choices: [udp, http, https]
  organization:
    description: Organization of V(influxdb), over HTTP. Like the others that are over HTTP it is refused with UDP.
    type: str
  bucket:
    description: Bucket or database of V(influxdb), over HTTP.
    type: str
  token:
    description:
      - Token of V(influxdb), over HTTP. It is never shown.
      - An empty one is removed with O(update_token=always).
    type: str
  update_token:
    description:
      - Proxmox VE never shows the stored token, so nobody can tell whether it is still the same.
      - V(on_create) sends O(token) only with a new entry. V(always) sends it in every run and always reports a change;
        set it only when the token was exchanged.
    type: str
    choices: [on_create, always]
    default: on_create
  api_path_prefix:
    description: Path before V(/api/v2) of V(influxdb), over HTTP, behind a reverse proxy.
    type: str
  max_body_size:
    description: Bytes in one request to V(influxdb).
    type: int
  verify_certificate:
    description: Whether the certificate of V(influxdb) must be valid, over HTTP.
    type: bool
  otel_protocol:
    description: Protocol of V(opentelemetry).
    type: str
    choices: [http, https]
  otel_path:
    description: Path of V(opentelemetry).
    type: str
  otel_timeout:
    description: Seconds to wait for V(opentelemetry).
    type: int
  otel_headers:
    description:
      - HTTP headers for V(opentelemetry). Their values may be credentials and are never shown.
      - Proxmox VE shows them to whoever has C(Sys.Audit) on C(/), so changes of them are seen.
    type: dict
  otel_verify_ssl:
    description: Whether the certificate of V(opentelemetry) must be valid.
    type: bool
  otel_max_body_size:
    description: Bytes in one request to V(opentelemetry).
    type: int
  otel_resource_attributes:
    description: More attributes for V(opentelemetry).
    type: dict
  otel_compression:
    description: Compression for V(opentelemetry).
    type: str
    choices: [none, gzip]
notes:
  - Needed privileges are C(Sys.Audit) and C(Sys.Modify) on C(/).
"""

EXAMPLES = r"""
- name: Measurements to InfluxDB
  pve.audit.metric_server:
    id: influx
    type: influxdb
    server: influx.example.com
    port: 8086
    influxdbproto: https
    organization: ops
    bucket: proxmox
    token: "{{ vault_influx }}"

- name: Pause it
  pve.audit.metric_server:
    id: influx
    enabled: false

- name: Measurements to an OpenTelemetry collector
  pve.audit.metric_server:
    id: otel
    type: opentelemetry
    server: otel.example.com
    port: 4318
    otel_headers:
      Authorization: "Bearer {{ vault_otel }}"
"""

RETURN = r"""
metric_server:
  description: The entry after the change, with the defaults of Proxmox VE, without secrets; empty when there is none.
  returned: success
  type: dict
  sample:
    id: graphite
    type: graphite
    server: graphite.example.com
    port: 2003
    enabled: true
    proto: udp
    path: proxmox
    timeout: 1
    mtu: 1500
error_code:
  description:
    - Kind of the failure, V(input), V(refused), V(authentication), V(not_permitted), V(certificate), V(unreachable),
      V(timed_out), V(node_unreachable), V(not_an_api) or V(server_error).
  returned: failure
  type: str
  sample: refused
http_status:
  description: HTTP status of the refused request, or null.
  returned: failure of a request
  type: int
  sample: 500
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.pve.audit.plugins.module_utils._module.wiring import STATE, api_spec, run_changing_module
from ansible_collections.pve.audit.plugins.module_utils._pve.change import Change
from ansible_collections.pve.audit.plugins.module_utils._pve.metric_servers import ensure_server
from ansible_collections.pve.audit.plugins.module_utils._pve.session import Session

OPTIONS: dict[str, dict[str, Any]] = {
    "id": {"type": "str", "required": True},
    "state": STATE,
    "type": {"type": "str", "choices": ["graphite", "influxdb", "opentelemetry"]},
    "server": {"type": "str"},
    "port": {"type": "int"},
    "enabled": {"type": "bool"},
    "timeout": {"type": "int"},
    "mtu": {"type": "int"},
    "proto": {"type": "str", "choices": ["udp", "tcp"]},
    "path": {"type": "str"},
    "influxdbproto": {"type": "str", "choices": ["udp", "http", "https"]},
    "organization": {"type": "str"},
    "bucket": {"type": "str"},
    "token": {"type": "str", "no_log": True},
    "update_token": {"type": "str", "choices": ["on_create", "always"], "default": "on_create", "no_log": False},
    "api_path_prefix": {"type": "str"},
    "max_body_size": {"type": "int"},
    "verify_certificate": {"type": "bool"},
    "otel_protocol": {"type": "str", "choices": ["http", "https"]},
    "otel_path": {"type": "str"},
    "otel_timeout": {"type": "int"},
    "otel_headers": {"type": "dict", "no_log": True},
    "otel_verify_ssl": {"type": "bool"},
    "otel_max_body_size": {"type": "int"},
    "otel_resource_attributes": {"type": "dict"},
    "otel_compression": {"type": "str", "choices": ["none", "gzip"]},
}


def ensure(session: Session, params: dict[str, Any], check_mode: bool) -> tuple[Change, dict[str, Any]]:
    """The change and the result. Raises AuditError."""
    return ensure_server(session, params, check_mode)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec={**api_spec(), **OPTIONS}, supports_check_mode=True)
    run_changing_module(module, ensure)


if __name__ == "__main__":
    main()
