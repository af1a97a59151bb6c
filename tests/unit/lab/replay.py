# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Send recorded requests to a simulator and compare its answers with the recorded ones."""

from __future__ import annotations

import gzip
import http.client
import json
import posixpath
import ssl
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from tests.lab.simulator import Simulator
from tests.lab.story import PASSWORD

JSON_BODY = "JSON body"
DATA = Path(__file__).with_name("data")
# Values that no file carries or that change from call to call: only their type is compared.
VOLATILE = frozenset(("ticket", "CSRFPreventionToken", "digest", "value"))
# PVE takes these lists from Perl hashes, so their order differs from call to call: compared sorted by these keys.
UNORDERED: dict[str, tuple[str, ...]] = {
    "/cluster/status": ("type", "id"),
    "/nodes": ("node",),
    "/cluster/resources": ("type", "id"),
    "/access/roles": ("roleid",),
    "/access/groups": ("groupid",),
    "/access/domains": ("realm",),
    "/access/acl": ("path", "type", "ugid", "roleid"),
    "/access/users/{}/token": ("tokenid",),
    "/cluster/tasks": ("node",),
}


@dataclass(frozen=True)
class Row:
    """One recorded request and its answer; `name` is file:number."""

    name: str
    data: dict[str, Any] = field(hash=False, compare=False)

    def __getattr__(self, key: str) -> Any:
        return self.data.get(key)


@cache
def rows(name: str) -> tuple[Row, ...]:
    """All rows of a recording."""
    text = gzip.decompress((DATA / f"{name}.jsonl.gz").read_bytes()).decode()
    return tuple(Row(f"{name}:{number}", json.loads(line)) for number, line in enumerate(text.splitlines()))


def _target(row: Row) -> str:
    """The request target as a client (requests, urllib3) makes it from the recorded path."""
    path: str = row.path
    if path.startswith("/api") or path.endswith(".html"):
        return path
    full = quote(f"/api2/{row.format or 'json'}{path}", safe="/:!$&'()*+,;=@~%-._")
    if "/.." in full:
        full = posixpath.normpath(full)
    pairs = row.query if not isinstance(row.query, list) else [tuple(pair) for pair in row.query]
    query = urlencode(pairs, doseq=True) if pairs else ""
    return f"{full}?{query}" if query else full


def _noted_headers(row: Row, simulator: Simulator) -> dict[str, str]:
    """The headers of the requests that were about headers; the note says what was sent."""
    note: str = row.note or ""
    secrets = simulator.cluster.secrets
    if note.startswith("Authorization header: "):
        value = note.removeprefix("Authorization header: ")
        token = value.partition("=")[2].partition("=")[0] or "audit@pve!ro"
        if "!expired=" in value or "dave@pve" in value:
            value = f"PVEAPIToken={token}={secrets[token]}"
        return {"Authorization": value.replace("<secret>", secrets.get("audit@pve!ro", ""))}
    ticket = simulator.authenticator.ticket("root@pam")
    bad = {"Authorization": f"PVEAPIToken=audit@pve!ro={secrets['audit@pve!ro'][:-1]}x"}
    good = {"Authorization": f"PVEAPIToken=audit@pve!ro={secrets['audit@pve!ro']}"}
    special = {
        "ticket unquoted": {"Cookie": f"PVEAuthCookie={ticket}"},
        "ticket percent-encoded": {"Cookie": f"PVEAuthCookie={quote(ticket, safe='')}"},
        "good ticket, bad token": {"Cookie": f"PVEAuthCookie={ticket}", **bad},
        "bad ticket, good token": {"Cookie": f"PVEAuthCookie={ticket[:-1]}x", **good},
        "forged ticket": {"Cookie": "PVEAuthCookie=PVE:root@pam:6B046E27::Zm9yZ2Vk"},
        "token in the cookie": {"Cookie": f"PVEAuthCookie=audit@pve!ro={secrets['audit@pve!ro']}"},
        "very long header": {"X-Long": "x" * 20000},
        "many headers": {f"X-{number}": "x" for number in range(100)},
        JSON_BODY: {"Content-Type": "application/json"},
        "content type": {"Content-Type": "text/plain"},
        "forwarded headers": {"X-Forwarded-For": "192.0.2.99", "PVEClientIP": "192.0.2.98"},
        "referer": {"Referer": "https://elsewhere.example.com/"},
        "identity": {"Accept-Encoding": "identity"},
    }
    return special.get(note, {})


def _login_headers(row: Row, simulator: Simulator) -> dict[str, str]:
    who: str | None = row.auth
    if not who or who.startswith("raw:"):
        return {}
    if "!" in who:
        return simulator.token_header(who)
    ticket = simulator.authenticator.ticket(who)
    cookie = {"Cookie": f"PVEAuthCookie={quote(ticket, safe='')}"}
    if row.note == "ticket without CSRF token":
        return cookie
    return {**cookie, "CSRFPreventionToken": simulator.authenticator.csrf(who)}


def _body(row: Row) -> str | None:
    if row.data.get("repeat"):
        return str(row.data["data"]) * int(row.data["repeat"])
    if isinstance(row.data["data"], dict):
        filled = {key: PASSWORD if value == "REDACTED" else value for key, value in row.data["data"].items()}
        if row.note == JSON_BODY:
            return json.dumps(filled)
        return urlencode(filled, doseq=True)
    return row.data["data"] or ("" if row.method in ("POST", "PUT") else None)


@dataclass(frozen=True)
class Answer:
    """What came back; `body` is None when it is empty or no JSON. `status` None: closed without an answer."""

    status: int | None
    reason: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None
    size: int = 0


def send(row: Row, simulator: Simulator) -> Answer:
    """Send the request over HTTPS to the node it was recorded on."""
    context = ssl.create_default_context(cafile=str(simulator.ca_path))
    connection = http.client.HTTPSConnection(simulator.host, simulator.ports[row.host], timeout=30, context=context)
    headers = {"Accept-Encoding": "gzip, deflate", **_login_headers(row, simulator), **_noted_headers(row, simulator)}
    body = _body(row)
    if body:
        headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
    try:
        connection.request(row.method, _target(row), body=body, headers=headers)
        response = connection.getresponse()
        raw = response.read()
    except (http.client.RemoteDisconnected, ConnectionError):
        return Answer(None)
    finally:
        connection.close()
    got = {name: value for name, value in response.getheaders() if name.startswith("Content-") and name[8:] != "Length"}
    if got.get("Content-Encoding") == "gzip":
        raw = gzip.decompress(raw)
    parsed = json.loads(raw) if "json" in got.get("Content-Type", "") else None
    return Answer(response.status, response.reason, got, parsed, len(raw))


def _sorted(path: str, data: list[Any]) -> list[Any]:
    parts = path.strip("/").split("/")
    if len(parts) == 4 and parts[3] == "token":
        path = "/access/users/{}/token"
    keys = UNORDERED.get(path)
    if not keys or not all(isinstance(row, dict) for row in data):
        return data
    return sorted(data, key=lambda row: tuple(str(row.get(key)) for key in keys))


def _difference(path: str, want: Any, got: Any, where: str) -> str | None:
    name = where.rpartition(".")[2]
    if name in VOLATILE:
        return None if type(want) is type(got) else f"{where}: {type(got).__name__} for {type(want).__name__}"
    if name == "saved":  # a string as read from the file, a number when the daemon has just written it
        return None if str(want) == str(got) else f"{where}: {got!r} for {want!r}"
    if name in ("content", "users") and isinstance(want, str):  # joined from a hash
        want, got = sorted(want.split(",")), sorted(str(got).split(","))
    if type(want) is not type(got):
        return f"{where}: {type(got).__name__} {got!r:.80} for {type(want).__name__} {want!r:.80}"
    if isinstance(want, dict):
        if want.keys() != got.keys():
            return f"{where}: keys missing {sorted(want.keys() - got.keys())}, added {sorted(got.keys() - want.keys())}"
        pairs = [(f"{where}.{key}", want[key], got[key]) for key in want]
    elif isinstance(want, list):
        if len(want) != len(got):
            return f"{where}: {len(got)} for {len(want)} entries"
        pairs = [(f"{where}[{index}]", left, right) for index, (left, right) in enumerate(zip(want, got, strict=True))]
    else:
        return None if want == got else f"{where}: {got!r:.120} for {want!r:.120}"
    return next((problem for pair in pairs if (problem := _difference(path, pair[1], pair[2], pair[0]))), None)


def compare(row: Row, answer: Answer) -> str | None:
    """What is different, or None: status, reason, content headers, and the body with keys, types, values and order."""
    if row.status is None:
        return None if answer.status is None else f"answered {answer.status}"
    if (answer.status, answer.reason) != (row.status, row.reason):
        return f"{answer.status} {answer.reason!r} for {row.status} {row.reason!r}"
    if answer.headers != row.headers:
        return f"headers {answer.headers} for {row.headers}"
    if "body" not in row.data:
        empty = row.status in (301, 401, 595, 596)
        return f"body of {answer.size} bytes" if answer.body is not None or (empty and answer.size) else None
    want, got = row.data["body"], answer.body
    if isinstance(want, dict) and isinstance(got, dict) and isinstance(want.get("data"), list):
        got_data = got.get("data")
        want = {**want, "data": _sorted(row.path, want["data"])}
        got = {**got, "data": _sorted(row.path, got_data) if isinstance(got_data, list) else got_data}
    return _difference(row.path, want, got, "")
