# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""External metric servers: graphite, InfluxDB and OpenTelemetry. They carry measurements, never an audit log.

An update has to name `server` and `port` again, leaves alone what else is absent, and removes what `delete` names.
The token of InfluxDB lies in a file of its own and is never shown. [PVE::API2::Cluster::MetricServer, PVE::Status::*]
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError, RefusedError
from ansible_collections.pve.audit.plugins.module_utils._model.limits import (
    ENCODED_LONGEST,
    address_mistake,
    graphite_path_mistake,
    number_mistake,
)
from ansible_collections.pve.audit.plugins.module_utils._model.names import check_name
from ansible_collections.pve.audit.plugins.module_utils._pve.change import (
    NOT_SHOWN,
    Change,
    Record,
    Request,
    parameters,
    read_detail,
    refuse,
    rows,
    send,
)
from ansible_collections.pve.audit.plugins.module_utils._pve.identity_rows import as_bool, as_int
from ansible_collections.pve.audit.plugins.module_utils._pve.session import Api, ChangeApi

# What each kind knows besides server, port and enabled, and what Proxmox VE takes when it is not set.
DEFAULTS: dict[str, Record] = {
    "graphite": {"proto": "udp", "path": "proxmox", "timeout": 1, "mtu": 1500},
    "influxdb": {
        "influxdbproto": "udp",
        "organization": "proxmox",
        "bucket": "proxmox",
        "api_path_prefix": "",
        "timeout": 1,
        "mtu": 1500,
        "max_body_size": 25_000_000,
        "verify_certificate": True,
    },
    "opentelemetry": {
        "otel_protocol": "https",
        "otel_path": "/v1/metrics",
        "otel_timeout": 5,
        "otel_headers": {},
        "otel_verify_ssl": True,
        "otel_max_body_size": 10_000_000,
        "otel_resource_attributes": {},
        "otel_compression": "gzip",
    },
}
_ENCODED = ("otel_headers", "otel_resource_attributes")
_SECRET = "otel_headers"
# What InfluxDB gets over HTTP only: with UDP Proxmox VE keeps it and never uses it. [PVE::Status::InfluxDB]
_HTTP_ONLY = ("token", "organization", "bucket", "api_path_prefix", "verify_certificate")


def _api_name(option: str) -> str:
    """Proxmox VE writes hyphens."""
    return option.replace("_", "-")


def default_port(kind: str, otel_protocol: str) -> int | None:
    """The port that Proxmox VE takes when none is set. [PVE::Status::*]"""
    if kind == "graphite":
        return 2003
    if kind == "opentelemetry":
        return 4318 if otel_protocol == "https" else 4317
    return None


def server_record(row: Mapping[str, Any], ident: str) -> Record:
    """A configured server with our names and types; what is not set has Proxmox VE's default."""
    kind = str(row.get("type") or "")
    record: Record = {"id": ident, "type": kind, "server": str(row.get("server") or "")}
    record["enabled"] = not as_bool(row.get("disable"))
    for name, default in DEFAULTS.get(kind, {}).items():
        value = row.get(_api_name(name))
        if value in (None, ""):
            record[name] = default
        elif name in _ENCODED:
            record[name] = decoded(str(value))
        elif isinstance(default, bool):
            record[name] = as_bool(value)
        else:
            record[name] = as_int(value) if isinstance(default, int) else str(value)
    record["port"] = as_int(row.get("port")) or default_port(kind, record.get("otel_protocol", ""))
    return record


def decoded(text: str) -> Record | None:
    """The object in base64 of JSON, or None when it is none."""
    try:
        value = json.loads(base64.b64decode(text))
    except (binascii.Error, ValueError):
        return None
    return {str(name): str(part) for name, part in value.items()} if isinstance(value, dict) else None


def encoded(value: Mapping[str, Any]) -> str:
    """JSON in base64, always the same text for the same object."""
    return base64.b64encode(json.dumps(dict(value), sort_keys=True).encode()).decode()


def read_server(api: Api, ident: str) -> Record:
    """The configured server; empty when there is none. Needs Sys.Audit on /; without it the API says so."""
    listed = rows(api.get("cluster", "metrics", "server"), "/cluster/metrics/server")
    if all(row.get("id") != ident for row in listed):
        return {}
    row = read_detail(api, ("cluster", "metrics", "server", ident), f"the metric server {ident}")
    return {} if row is None else server_record(row, ident)


def wanted_options(params: Mapping[str, Any], kind: str) -> Record:
    """The given options of this kind. Raises InputError for options of another kind."""
    every = {name for table in DEFAULTS.values() for name in table} | {"token"}
    allowed = {*DEFAULTS[kind], *(["token"] if kind == "influxdb" else [])}
    given = {name for name in every if params.get(name) is not None}
    if wrong := sorted(given - allowed):
        raise InputError(f"{', '.join(wrong)} cannot be used with a metric server of type {kind}")
    wanted: Record = {name: params[name] for name in sorted(given - {"token"})}
    for name in _ENCODED:
        if name in wanted:
            wanted[name] = {str(key): str(value) for key, value in wanted[name].items()}
    wanted |= {name: params[name] for name in ("server", "port", "enabled") if params.get(name) is not None}
    refuse(_mistakes(wanted))
    return wanted


def _mistakes(wanted: Record) -> Iterator[str | None]:
    """What Proxmox VE would refuse; an empty text or object clears a value."""
    for name, value in wanted.items():
        yield number_mistake(name, value)
        if name in _ENCODED and value and len(encoded(value)) > ENCODED_LONGEST:
            yield f"{name} is too long: in base64 Proxmox VE takes at most {ENCODED_LONGEST} characters of it"
    if wanted.get("server"):
        yield address_mistake("server", wanted["server"])
    if wanted.get("path"):
        yield graphite_path_mistake("path", wanted["path"])


def plan_server(current: Record, params: Mapping[str, Any]) -> Change:
    """Create or change the server. Raises InputError for options that do not go together."""
    kind = params["type"] or current.get("type")
    if current and kind != current["type"]:
        raise InputError(
            f"the metric server {current['id']} is of type {current['type']}, which cannot be changed to {kind}: "
            "remove it first"
        )
    if kind not in DEFAULTS:
        raise InputError(f"type is missing: the metric server {params['id']} does not exist yet")
    wanted = wanted_options(params, kind)
    refuse([_unused(current, params, kind)])
    return _plan_update(current, wanted, params) if current else _plan_new(kind, wanted, params)


def _unused(current: Record, params: Mapping[str, Any], kind: str) -> str | None:
    """Options that would do nothing, as a token that is never sent."""
    protocol = params.get("influxdbproto") or current.get("influxdbproto", "udp")
    given = [name for name in _HTTP_ONLY if params.get(name) not in (None, "")]
    if kind != "influxdb" or protocol != "udp" or not given:
        return None
    return f"{', '.join(given)} cannot be used over UDP: set influxdbproto to http or https"


def _plan_new(kind: str, wanted: Record, params: Mapping[str, Any]) -> Change:
    ident, token = params["id"], params["token"]
    port = wanted.get("port") or default_port(kind, wanted.get("otel_protocol", "https"))
    if not wanted.get("server") or not port:
        raise InputError(f"the metric server {ident} does not exist yet: give server and port")
    given = {name: value for name, value in wanted.items() if value not in ("", {})} | {"port": port}
    after = {
        "id": ident,
        "type": kind,
        "enabled": True,
        **DEFAULTS[kind],
        **given,
    }
    sent = {"type": kind, **_sent(given), **({"token": token} if token else {})}
    request = Request(f"create the metric server {ident}", "POST", _path(ident), sent, ("token", _api_name(_SECRET)))
    secret = ("token",) if token else ()
    return Change({}, shown(after), (request,), secret)


def _plan_update(current: Record, wanted: Record, params: Mapping[str, Any]) -> Change:
    if "" in (wanted.get("server"), wanted.get("port")):
        raise InputError("server and port cannot be cleared")
    defaults = DEFAULTS[current["type"]]
    # An empty text or object means Proxmox VE's default.
    cleared = {name for name, value in wanted.items() if value in ("", {})}
    target = {**wanted, **{name: defaults[name] for name in cleared}}
    changes = {name: value for name, value in target.items() if value != current[name]}
    token = params["token"] if params["update_token"] == "always" else None
    if not changes and token is None:
        return Change(shown(current), shown(current))
    after = {**current, **changes}
    secret = {_SECRET: _SECRET in changes, "token": token is not None}
    request = _update_request(after, changes, cleared, token)
    return Change(shown(current), shown(after), (request,), tuple(name for name, new in secret.items() if new))


def _update_request(after: Record, changes: Record, cleared: set[str], token: str | None) -> Request:
    ident = after["id"]
    sent = {"server": after["server"], "port": after["port"]}
    sent |= _sent({name: value for name, value in changes.items() if name not in cleared})
    gone = [_api_name(name) for name in changes if name in cleared]
    if token:
        sent["token"] = token
    elif token is not None:
        gone.append("token")
    if gone:
        sent["delete"] = ",".join(gone)
    return Request(f"change the metric server {ident}", "PUT", _path(ident), sent, ("token", _api_name(_SECRET)))


def _path(ident: str) -> tuple[str, ...]:
    return ("cluster", "metrics", "server", ident)


def _sent(changes: Mapping[str, Any]) -> Record:
    """As the API takes it."""
    texts = {name: encoded(value) if name in _ENCODED else value for name, value in changes.items()}
    if "enabled" in texts:
        texts["disable"] = not texts.pop("enabled")
    return parameters({_api_name(name): value for name, value in texts.items()})


def shown(record: Record) -> Record:
    """The record without the values of the headers, which may be credentials."""
    if not record.get(_SECRET):
        return record
    return {**record, _SECRET: dict.fromkeys(record[_SECRET], NOT_SHOWN)}


def plan_server_absent(current: Record) -> Change:
    """Remove the server."""
    if not current:
        return Change({}, {})
    ident = current["id"]
    return Change(shown(current), {}, (Request(f"remove the metric server {ident}", "DELETE", _path(ident)),))


def _send(api: ChangeApi, change: Change, check_mode: bool) -> None:
    """Proxmox VE first connects to the server, and refuses with 500 when it cannot. [PVE::Status::* test_connection]"""
    try:
        send(api, change, check_mode)
    except RefusedError as error:
        if error.status != 500 or not change.after:
            raise
        where = f"{change.after['server']} port {change.after['port']}"
        raise RefusedError(
            f"{error}. Proxmox VE tries to reach a metric server before it writes it down: if that failed, see that "
            f"something listens on {where} and that the node which was asked can reach it, then run again",
            error.status,
        ) from None


def ensure_server(api: ChangeApi, params: Mapping[str, Any], check_mode: bool) -> tuple[Change, dict[str, Any]]:
    """Make the metric server as the options say. Raises AuditError."""
    absent = params["state"] == "absent"
    current = read_server(api, check_name("name" if absent else "entry", "id", params["id"]))
    change = plan_server_absent(current) if absent else plan_server(current, params)
    _send(api, change, check_mode)
    return change, {"metric_server": change.after}
