# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""508 requests about identities and metric servers, answered as a genuine cluster did.

They were sent one after the other to a cluster of pve-manager 9.2.11, and each answer depends on all before it.
"""

from __future__ import annotations

import http.client
import json
import ssl
from typing import Any
from urllib.parse import quote, urlencode

from tests.lab.simulator import Simulator, running_simulator
from tests.lab.story import PASSWORD
from tests.unit.lab.replay import Answer, Row, compare, rows

RECORDING = rows("identity_genuine")
USER_CFG = """\
user:audit@pve:1:0::::reads the audit trail::
token:audit@pve!report:0:1::
user:chief@pve:1:0::::::
token:chief@pve!deploy:0:0::
user:least@pve:1:0::::one privilege::
token:least@pve!report:0:1::
user:nobody@pve:1:0::::::
token:nobody@pve!none:0:0::
user:op@pve:1:0::::::
user:root@pam:1:0::::::
token:root@pam!ansible:0:0::
role:AuditTrail:Sys.Audit:
acl:1:/:chief@pve:Administrator:
acl:1:/:least@pve,least@pve!report:AuditTrail:
acl:1:/:audit@pve,audit@pve!report:PVEAuditor:
"""
DOMAINS_CFG = """\
pam: pam
\tcomment Linux PAM standard authentication

pve: pve
\tcomment Proxmox VE authentication server

"""
# Rows that are not compared, each with its reason. A row here that would pass fails the test.
EXCLUDED = {
    "identity_genuine:467": "load and fingerprints of the recorded machines",
    "identity_genuine:496": "a password that is too short, which the recording does not show",
}


def _send(row: Row, simulator: Simulator) -> Answer:
    context = ssl.create_default_context(cafile=str(simulator.ca_path))
    connection = http.client.HTTPSConnection(simulator.host, simulator.port, timeout=30, context=context)
    ticket = quote(simulator.authenticator.ticket("root@pam"), safe="")
    headers = {"Cookie": f"PVEAuthCookie={ticket}", "CSRFPreventionToken": simulator.authenticator.csrf("root@pam")}
    given: dict[str, Any] | None = row.data["body"]
    body = "" if row.method in ("POST", "PUT") else None
    if given:
        body = urlencode({name: PASSWORD if value == "REDACTED" else value for name, value in given.items()})
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    try:
        connection.request(row.method, row.url, body=body, headers=headers)
        response = connection.getresponse()
        raw = response.read()
    finally:
        connection.close()
    kind = response.headers.get("Content-Type", "")
    return Answer(response.status, response.reason, {}, json.loads(raw) if "json" in kind else raw.decode(), len(raw))


def _digest(body: Any) -> Any:
    data = body.get("data") if isinstance(body, dict) else None
    return data.get("digest") if isinstance(data, dict) else None


def _problem(row: Row, got: Answer) -> str | None:
    """What is different, the digest of the file that is written by each change of a realm included."""
    path = row.url.removeprefix("/api2/json").partition("?")[0]
    expected = {"path": path, "status": row.status, "reason": row.reason, "headers": {}, "body": row.answer}
    if _digest(got.body) != _digest(row.answer):
        return f"digest {_digest(got.body)} for {_digest(row.answer)}"
    return compare(Row(row.name, expected), got)


def test_answers_are_as_recorded() -> None:
    """Same status, reason, keys, types, values and order."""
    with running_simulator(
        nodes=3,
        tasks_per_node=927,  # one of them runs,
        user_cfg=USER_CFG,
        domains_cfg=DOMAINS_CFG,
        metric_listeners=(),
        unauthorized_delay=0.0,
    ) as simulator:
        simulator.cluster.name, simulator.cluster.config_version = "genuine", 1
        simulator.cluster.version["repoid"] = "14a22df3lab"
        for number, node in enumerate(simulator.cluster.nodes.values(), 11):
            node.ip = f"10.99.77.{number}"
        problems = {row.name: _problem(row, _send(row, simulator)) for row in RECORDING}
    assert len(problems) == 508
    wrong = {name: problem for name, problem in problems.items() if problem and name not in EXCLUDED}
    assert not wrong, "\n".join(f"{name}: {problem}" for name, problem in wrong.items())
    assert not [name for name in EXCLUDED if not problems[name]], "these pass and need no exclusion"
