# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Realms and metric servers: property strings, defaults, what is deleted, and secrets that only a mark shows."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._pve.change import Change
from ansible_collections.pve.audit.plugins.module_utils._pve.metric_servers import (
    decoded,
    encoded,
    plan_server,
    plan_server_absent,
    server_record,
)
from ansible_collections.pve.audit.plugins.module_utils._pve.realms import plan_realm

Record = dict[str, Any]

REALM = {"realm": "pve", "type": "pve", "comment": "Proxmox VE authentication server", "digest": "d1"}
REALM_OPTIONS = "tfa tfa_digits tfa_step tfa_yubico_id tfa_yubico_key tfa_yubico_url comment default".split()
YUBICO = {"tfa": "type=yubico,id=1,key=S3CRETKEY"}


def sent(change: Change) -> Record | None:
    """The parameters of the only request."""
    return dict(change.requests[0].params) if change.requests else None


@pytest.mark.parametrize(
    ("config", "given", "put"),
    [
        ({}, {}, None),
        ({}, {"tfa": "none", "default": False, "comment": ""}, None),
        ({}, {"tfa": "oath"}, {"tfa": "type=oath"}),
        ({"tfa": "type=oath,digits=8"}, {"tfa": "oath"}, None),
        ({"tfa": "digits=8,type=oath"}, {"tfa_step": 60}, {"tfa": "type=oath,digits=8,step=60"}),
        ({"tfa": "type=oath"}, {"tfa_digits": 6, "tfa_step": 30}, None),
        ({"tfa": "type=oath"}, {"tfa": "none"}, {"delete": "tfa"}),
        ({"tfa": "type=oath"}, {"comment": "new"}, {"comment": "new"}),
        ({"comment": "x"}, {"comment": ""}, {"comment": "Proxmox VE authentication server"}),
        ({"comment": "x", "type": "ldap"}, {"comment": ""}, {"delete": "comment"}),
        ({"comment": "x", "type": "ldap"}, {"comment": "0"}, {"delete": "comment"}),
        ({"comment": "x"}, {"comment": " x "}, None),
        ({}, {"comment": "0"}, None),
        ({}, {"default": True}, {"default": 1}),
        ({"default": "1"}, {"default": True}, None),
        ({"default": 1}, {"default": False}, {"delete": "default"}),
        ({"default": 1, "tfa": "type=oath"}, {"default": False, "tfa": "none"}, {"delete": "default,tfa"}),
        (YUBICO, {"tfa_yubico_key": "S3CRETKEY"}, None),
        (YUBICO, {"tfa_yubico_key": "N3WKEY="}, {"tfa": "type=yubico,id=1,key=N3WKEY="}),
        (YUBICO, {"tfa": "oath"}, {"tfa": "type=oath"}),
    ],
)
def test_realm(config: Record, given: Record, put: Record | None) -> None:
    change = plan_realm({**REALM, **config}, {**dict.fromkeys(REALM_OPTIONS), **given})
    assert sent(change) == (None if put is None else {**put, "digest": "d1"})
    shown = str((change.diff(), change.before, change.after))
    assert "S3CRETKEY" not in shown and "N3WKEY" not in shown


def test_a_new_yubico_key_is_mentioned() -> None:
    change = plan_realm({**REALM, **YUBICO}, {**dict.fromkeys(REALM_OPTIONS), "tfa_yubico_key": "N3WKEY"})
    assert change.diff()["after"] == {"tfa_yubico_key": "(new value, not shown)"}


@pytest.mark.parametrize(
    ("config", "given", "sentence"),
    [
        ({}, {"tfa_digits": 6}, "tfa_digits cannot be used with the second factor 'none'"),
        ({}, {"tfa": "yubico"}, "yubico needs tfa_yubico_id and tfa_yubico_key"),
        ({}, {"tfa": "oath", "tfa_yubico_id": "1"}, "tfa_yubico_id cannot be used with the second factor 'oath'"),
        (YUBICO, {"tfa_yubico_id": "1,type=oath"}, "must not have commas"),
        ({}, {"tfa": "oath", "tfa_digits": 5}, "tfa_digits must be from 6 to 8, not 5"),
        ({}, {"tfa": "oath", "tfa_digits": 9}, "tfa_digits must be from 6 to 8, not 9"),
        ({}, {"tfa": "oath", "tfa_step": 9}, "tfa_step must be at least 10, not 9"),
    ],
)
def test_realm_refused(config: Record, given: Record, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        plan_realm({**REALM, **config}, {**dict.fromkeys(REALM_OPTIONS), **given})


GRAPHITE = {"type": "graphite", "server": "g", "port": "2003", "path": "a.b", "disable": "1"}
INFLUX = {"type": "influxdb", "server": "i", "port": 8086, "influxdbproto": "https", "bucket": "b"}
OTEL = {
    "type": "opentelemetry",
    "server": "o",
    "port": 4318,
    "otel-headers": encoded({"Authorization": "S3CRET"}),
}


def metric_params(**given: Any) -> Record:
    """The module's options."""
    return {"id": "m", "type": None, "token": None, "update_token": "on_create", **given}


@pytest.mark.parametrize(
    ("row", "given", "put"),
    [
        (GRAPHITE, {}, None),
        (GRAPHITE, {"proto": "udp", "mtu": 1500, "timeout": 1, "path": "a.b", "enabled": False}, None),
        (GRAPHITE, {"enabled": True}, {"disable": 0}),
        (GRAPHITE, {"path": ""}, {"delete": "path"}),
        (GRAPHITE, {"proto": "tcp", "path": ""}, {"proto": "tcp", "delete": "path"}),
        (GRAPHITE, {"server": "h", "type": "graphite"}, {"server": "h"}),
        (INFLUX, {"api_path_prefix": "", "verify_certificate": True}, None),
        (
            INFLUX,
            {"verify_certificate": False, "max_body_size": 1000},
            {"verify-certificate": 0, "max-body-size": 1000},
        ),
        (INFLUX, {"token": "S3CRET"}, None),
        (INFLUX, {"token": "S3CRET", "update_token": "always"}, {"token": "S3CRET"}),
        (INFLUX, {"token": "", "update_token": "always"}, {"delete": "token"}),
        (OTEL, {"otel_headers": {"Authorization": "S3CRET"}, "otel_timeout": 5}, None),
        (OTEL, {"otel_headers": {"Authorization": "N3W"}}, {"otel-headers": encoded({"Authorization": "N3W"})}),
        (OTEL, {"otel_headers": {}}, {"delete": "otel-headers"}),
        (OTEL, {"otel_resource_attributes": {"n": 1}}, {"otel-resource-attributes": encoded({"n": "1"})}),
    ],
)
def test_existing_metric_server(row: Record, given: Record, put: Record | None) -> None:
    change = plan_server(server_record(row, "m"), metric_params(**given))
    always = {"server": row["server"], "port": int(row["port"])}
    assert sent(change) == (None if put is None else {**always, **put})
    shown = str((change.diff(), change.before, change.after))
    assert "S3CRET" not in shown and "N3W" not in shown


@pytest.mark.parametrize(
    ("given", "post"),
    [
        ({"type": "graphite", "server": "g"}, {"type": "graphite", "server": "g", "port": 2003}),
        (
            {
                "type": "influxdb",
                "server": "i",
                "port": 1,
                "influxdbproto": "http",
                "token": "S3CRET",
                "enabled": False,
                "bucket": "",
            },
            {"type": "influxdb", "server": "i", "port": 1, "influxdbproto": "http", "token": "S3CRET", "disable": 1},
        ),
        (
            {"type": "opentelemetry", "server": "o", "otel_protocol": "http", "otel_headers": {"A": "S3CRET"}},
            {
                "type": "opentelemetry",
                "server": "o",
                "port": 4317,
                "otel-protocol": "http",
                "otel-headers": encoded({"A": "S3CRET"}),
            },
        ),
    ],
)
def test_new_metric_server(given: Record, post: Record) -> None:
    change = plan_server({}, metric_params(**given))
    assert change.requests[0].method == "POST"
    assert sent(change) == post
    assert "S3CRET" not in str((change.diff(), change.after))
    stored = {name: value for name, value in post.items() if name != "token"}
    again = plan_server(server_record(stored, "m"), metric_params(**given))
    assert not again.changed and again.after == change.after


@pytest.mark.parametrize(
    ("row", "given", "sentence"),
    [
        (None, {}, "type is missing"),
        (None, {"type": "influxdb", "server": "i"}, "give server and port"),
        (None, {"type": "graphite"}, "give server and port"),
        (GRAPHITE, {"type": "influxdb"}, "is of type graphite, which cannot be changed"),
        (GRAPHITE, {"bucket": "b"}, "bucket cannot be used with a metric server of type graphite"),
        (GRAPHITE, {"token": "t"}, "token cannot be used with a metric server of type graphite"),
        (INFLUX, {"server": ""}, "cannot be cleared"),
        (INFLUX, {"influxdbproto": "udp", "token": "t", "bucket": "b"}, "token, bucket cannot be used over UDP"),
        (None, {"type": "influxdb", "server": "i", "port": 1, "token": "t"}, "set influxdbproto to http or https"),
        (GRAPHITE, {"port": 0}, "port is 0: Proxmox VE takes 1 to 65535"),
        (GRAPHITE, {"mtu": 511}, "mtu is 511: Proxmox VE takes 512 to 65536"),
        (GRAPHITE, {"timeout": -1}, "timeout is -1: Proxmox VE takes at least 0"),
        (GRAPHITE, {"path": "a..b"}, r"path 'a\.\.b' is no path of graphite"),
        (GRAPHITE, {"server": "https://x"}, "server 'https://x' is neither an IP address nor the name of a host"),
        (GRAPHITE, {"server": "[2001:db8::1]"}, "is neither an IP address"),
        (GRAPHITE, {"server": "fe80::1%eth0"}, "is neither an IP address"),
        (GRAPHITE, {"server": "192.0.2.300"}, "is neither an IP address"),
        (INFLUX, {"max_body_size": 0}, "max_body_size is 0: Proxmox VE takes at least 1"),
        (None, {"type": "opentelemetry", "server": "o", "otel_timeout": 11}, "otel_timeout is 11: .* 1 to 10"),
        (None, {"type": "opentelemetry", "server": "o", "otel_headers": {"a": "x" * 800}}, "otel_headers is too long"),
    ],
)
def test_metric_server_refused(row: Record | None, given: Record, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        plan_server(server_record(row, "m") if row else {}, metric_params(**given))


def test_remove_metric_server() -> None:
    change = plan_server_absent(server_record(OTEL, "m"))
    assert change.requests[0].method == "DELETE" and "S3CRET" not in str(change.diff())
    assert not plan_server_absent({}).changed


@pytest.mark.parametrize("text", ["%%%", "", encoded({})[:-2], "WzFd"])
def test_headers_that_are_none(text: str) -> None:
    assert decoded(text) is None
