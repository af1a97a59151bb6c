# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A minimal client for the tests of the simulator."""

from __future__ import annotations

import gzip
import http.client
import json
import ssl
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from tests.lab.simulator import Simulator


@dataclass(frozen=True)
class Got:
    """An answer."""

    status: int
    reason: str
    body: Any

    @property
    def data(self) -> Any:
        """The data of a JSON answer."""
        return self.body["data"]


def get(simulator: Simulator, path: str, token: str = "audit@pve!report", headers: dict[str, str] | None = None) -> Got:
    """GET below /api2/json with an API token, or with the headers given."""
    context = ssl.create_default_context(cafile=str(simulator.ca_path))
    connection = http.client.HTTPSConnection(simulator.host, simulator.port, timeout=20, context=context)
    try:
        connection.request("GET", f"/api2/json{path}", headers=headers or simulator.token_header(token))
        response = connection.getresponse()
        raw = response.read()
    finally:
        connection.close()
    if response.headers.get("Content-Encoding") == "gzip":
        raw = gzip.decompress(raw)
    body = json.loads(raw) if raw and "json" in response.headers.get("Content-Type", "") else None
    return Got(response.status, response.reason, body)


def ticket_headers(simulator: Simulator, user: str) -> dict[str, str]:
    """The headers of a logged-in user."""
    ticket = quote(simulator.authenticator.ticket(user), safe="")
    return {"Cookie": f"PVEAuthCookie={ticket}", "CSRFPreventionToken": simulator.authenticator.csrf(user)}


def call(
    simulator: Simulator, method: str, path: str, data: dict[str, Any] | None = None, who: str | None = "root@pam"
) -> Got:
    """Any call below /api2/json, as a user (with a ticket), a token, or nobody."""
    context = ssl.create_default_context(cafile=str(simulator.ca_path))
    connection = http.client.HTTPSConnection(simulator.host, simulator.port, timeout=20, context=context)
    headers = {}
    if who is not None:
        headers = simulator.token_header(who) if "!" in who else ticket_headers(simulator, who)
    body = urlencode(data or {}) if method in ("POST", "PUT") else None
    if body:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    try:
        connection.request(method, f"/api2/json{path}", body=body, headers=headers)
        response = connection.getresponse()
        raw = response.read()
    finally:
        connection.close()
    parsed = json.loads(raw) if raw and "json" in response.headers.get("Content-Type", "") else None
    return Got(response.status, response.reason, parsed)


def all_tasks(simulator: Simulator, query: str = "") -> list[dict[str, Any]]:
    """All finished tasks of all nodes."""
    path = f"tasks?limit=100000{query}"
    return [task for node in simulator.cluster.nodes for task in get(simulator, f"/nodes/{node}/{path}").data]
