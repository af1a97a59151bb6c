# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""/cluster/metrics/server: external metric servers (pve-manager API2/Cluster/MetricServer.pm, Status/*.pm)."""

from __future__ import annotations

import socket

from tests.lab.context import Context, Result, api
from tests.lab.errors import server_error
from tests.lab.identity import edit_metric_servers
from tests.lab.metric_types import metric_file
from tests.lab.names import split_list
from tests.lab.realms import digest_of
from tests.lab.sections import Section, Sections
from tests.lab.usercfg_write import truthy

_PATIENCE = 1.0
_NO_TYPE = "cannot lookup undefined type! at /usr/share/perl5/PVE/API2/Cluster/MetricServer.pm line 295."


@api("GET", "/cluster/metrics/server")
def metric_servers(context: Context) -> Result:
    """All servers, disabled ones too."""
    return Result(
        [
            {
                "id": name,
                "disable": server.get("disable", 0),
                "type": server["type"],
                "server": server.get("server"),
                "port": server.get("port"),
            }
            for name, server in sorted(context.cluster.metric_servers.items())
        ]
    )


@api("GET", "/cluster/metrics/server/{id}")
def metric_server(context: Context) -> Result:
    """One server's settings, without its token."""
    name = str(context.parameters["id"])
    if name not in context.cluster.metric_servers:
        raise server_error(f"status server entry '{name}' does not exist")
    return Result(context.cluster.metric_servers[name])


# Type -> the option with its protocol, the port that is used without one, and what PVE says when nobody listens there.
_TESTS = {
    "graphite": ("proto", 2003, "couldn't create carbon socket [{server}]:{port} - {why}"),
    "influxdb": ("influxdbproto", 8089, "500 Can't connect to {server}:{port} ({why})"),
    "opentelemetry": (
        None,
        4318,
        "Connection test failed: 500 Can't connect to {server}:{port} ({why}) at"
        " /usr/share/perl5/PVE/Status/OpenTelemetry.pm line 707.",
    ),
}


def _test_connection(context: Context, server: Section) -> None:
    """PVE tries to reach the server: not a disabled one, unless it is OpenTelemetry, and UDP never fails."""
    option, port, text = _TESTS[str(server["type"])]
    if option is not None and (server.get("disable") or server.get(option, "udp") == "udp"):
        return
    host, port = str(server["server"]), int(server.get("port", port))
    known = context.cluster.metric_listeners
    why = _try(host, port) if known is None else None if f"{host}:{port}" in known else "Connection refused"
    if why:
        raise server_error(text.format(server=host, port=port, why=why))


def _try(host: str, port: int) -> str | None:
    """Why nobody can be reached there. PVE asks for more than a connection where it speaks HTTP."""
    try:
        socket.create_connection((host, port), timeout=_PATIENCE).close()
    except TimeoutError:
        return "Connection timed out"
    except OSError as error:
        return error.strerror or str(error)
    return None


@api("POST", "/cluster/metrics/server/{id}")
def create_metric_server(context: Context) -> Result:
    """A new server; PVE tries to reach it first."""
    parameters = context.parameters
    name, kind, token = str(parameters["id"]), str(parameters["type"]), parameters.get("token")
    given = {key: value for key, value in parameters.items() if key not in ("id", "type", "token")}

    def change(servers: Sections) -> None:
        if name in servers:
            raise server_error(f"Metric server '{name}' already exists")
        servers[name] = metric_file().check(kind, given, create=True)
        _test_connection(context, servers[name])
        if kind == "influxdb" and token is not None:
            context.cluster.metric_secrets[name] = str(token)

    edit_metric_servers(context.cluster, change)
    return Result(None)


def _remove_options(server: Section, settings: Section, names: list[str]) -> None:
    known = metric_file().types[str(server["type"])]
    for name in names:
        option = known.get(name)
        if option is None:
            raise server_error(f"no such option '{name}'")
        if option.required:
            raise server_error(f"unable to delete required option '{name}'")
        if settings.get(name) is not None:
            raise server_error(f"cannot set and delete property '{name}' at the same time!")
        server.pop(name, None)


def _keep_token(context: Context, name: str, kind: object, token: object, removed: bool) -> None:
    if kind == "influxdb" and token is not None:
        context.cluster.metric_secrets[name] = str(token)
    elif kind == "influxdb" and removed:
        context.cluster.metric_secrets.pop(name, None)


@api("PUT", "/cluster/metrics/server/{id}")
def update_metric_server(context: Context) -> Result:
    """Change what is given (server and port always are), remove what `delete` names."""
    parameters = context.parameters
    name, token, digest = str(parameters["id"]), parameters.get("token"), parameters.get("digest")
    remove = split_list(str(parameters.get("delete") or ""))
    given = {key: value for key, value in parameters.items() if key not in ("id", "token", "digest", "delete")}

    def change(servers: Sections) -> None:
        if truthy(digest) and digest != digest_of(metric_file().render(servers)):
            raise server_error("detected modified configuration - file changed by other user? Try again.")
        server = servers.get(name)
        if server is None:
            raise server_error(f"no such server '{name}'")
        settings = metric_file().check(str(server["type"]), given, create=False)
        server.update(settings)
        _remove_options(server, settings, remove)
        _keep_token(context, name, server["type"], token, "token" in remove)
        _test_connection(context, server)

    edit_metric_servers(context.cluster, change)
    return Result(None)


@api("DELETE", "/cluster/metrics/server/{id}")
def delete_metric_server(context: Context) -> Result:
    """Remove a server and its token."""
    name = str(context.parameters["id"])

    def change(servers: Sections) -> None:
        if name not in servers:
            raise server_error(_NO_TYPE)
        del servers[name]
        context.cluster.metric_secrets.pop(name, None)

    edit_metric_servers(context.cluster, change)
    return Result(None)
