# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a request to an answer, in PVE's order: login, format, call, permission, proxy, parameters, code.

(pve-http-server AnyEvent.pm, pve-manager HTTPServer.pm)
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import tests.lab.routes
from tests.lab.authn import Authenticator, Caller
from tests.lab.context import CACHEABLE, HANDLERS, Context, Result
from tests.lab.errors import ApiError, not_implemented, param_error, perm_error, server_error
from tests.lab.formats import FORMATS, failure, plain, split_uri, success
from tests.lab.http import Answer, Request
from tests.lab.model import Cluster, Node
from tests.lab.permissions import PermissionCheck
from tests.lab.schema import Call, load_schema
from tests.lab.validate import validate

METHODS = frozenset(("GET", "POST", "PUT", "DELETE"))
BODY_TYPES = ("", "application/x-www-form-urlencoded", "application/json")
MAX_BODY = 512 * 1024
CACHE_SIZE = 2048
DUPLICATE = "duplicate parameter (already defined in URI) with conflicting values!"

for _module in pkgutil.iter_modules(tests.lab.routes.__path__):
    importlib.import_module(f"tests.lab.routes.{_module.name}")


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds: PVE's delay of refused calls, latency of every call, how long the entry node waits for a hanging one,
    how long a write tries for a lock that it cannot get without quorum."""

    unauthorized_delay: float = 3.0
    latency: float = 0.0
    proxy_timeout: float = 30.0
    no_quorum_delay: float = 10.0


def decode_form(text: str) -> dict[str, Any]:
    """PVE's form decoder: repeated names become lists, broken percent signs stay, a name without `=` is null."""
    result: dict[str, Any] = {}
    for pair in re.split(r"[&;]", text):
        if not pair:
            continue
        parts = pair.split("=")
        name = unquote(parts[0].replace("+", " "), encoding="latin-1")
        value: Any = unquote(parts[1].replace("+", " "), errors="replace") if len(parts) > 1 else None
        old = result.get(name)
        if value is not None and old is not None:
            value = [*old, value] if isinstance(old, list) else [old, value]
        result[name] = value
    return result


def _plain_value(value: Any) -> Any:
    if isinstance(value, bool):
        return "1" if value else "0"
    return str(value) if isinstance(value, int | float) else value


def _json_body(body: bytes) -> dict[str, Any]:
    try:
        values = json.loads(body)
    except ValueError as error:
        raise server_error(f"malformed JSON string: {error}") from error
    if not isinstance(values, dict):
        raise server_error("Not a HASH reference")
    return {name: _plain_value(value) for name, value in values.items()}


def _parameters(request: Request) -> dict[str, Any]:
    parameters: dict[str, Any] = {}
    if request.method in ("PUT", "POST") and request.body:
        if request.headers.get("content-type", "").startswith("application/json"):
            parameters = _json_body(request.body)
        else:
            parameters = decode_form(request.body.decode("latin-1"))
    parameters.update(decode_form(request.query))
    parameters.pop("_dc", None)
    return parameters


@dataclass(slots=True)
class Dispatcher:
    """Answers requests to one cluster. Safe for many threads. `stopping` ends all waits."""

    cluster: Cluster
    authenticator: Authenticator
    timing: Timing = field(default_factory=Timing)
    stopping: threading.Event = field(default_factory=threading.Event)
    _cache: OrderedDict[tuple[Any, ...], Answer] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, request: Request, entry: str | None = None) -> Answer:
        """The answer of the node `entry` (default: the first node)."""
        started = time.monotonic()
        if self.timing.latency:
            self.stopping.wait(self.timing.latency)
        answer = self._answer(request, entry or self.cluster.first_node())
        if answer.status in (301, 401):
            self.stopping.wait(max(0.0, self.timing.unauthorized_delay - (time.monotonic() - started)))
        elif answer.delay:
            self.stopping.wait(answer.delay)
        return answer

    def _answer(self, request: Request, entry: str) -> Answer:
        if request.method not in METHODS:
            return Answer(501, f"method '{request.method}' not available", b"", None)
        path = unquote(request.path, encoding="latin-1")
        if not path.startswith("/api2"):
            return plain(500, f"no such file '{path}'")
        relative, form = split_uri(path)
        if form is None:
            return plain(501, "no such uri")
        try:
            caller = self.authenticator.caller(request, relative)
        except ApiError as error:
            return Answer(301, "Moved", b"", None) if form == "html" else failure(error, "json")
        refused = self._refuse_body(request)
        if refused:
            return refused
        if form not in FORMATS:
            return plain(501, f"no formatter for uri {relative}, {form}")
        if form == "png":
            return plain(500, "Not a HASH reference at /usr/share/perl5/PVE/APIServer/Formatter/Standard.pm line 150.")
        return self._api(request, caller, relative, form, entry)

    @staticmethod
    def _refuse_body(request: Request) -> Answer | None:
        """Bodies PVE does not read."""
        if not request.body:
            return None
        if request.method not in ("PUT", "POST"):
            return plain(501, f"Unexpected content for method '{request.method}'")
        if len(request.body) > MAX_BODY:
            return plain(501, "for data too large")
        kind = request.headers.get("content-type", "")
        if re.split(r"\s*[;,]\s*", kind)[0] not in BODY_TYPES:
            return plain(506, f"upload 'Content-Type '{kind}' not implemented")
        return None

    def _api(self, request: Request, caller: Caller, path: str, form: str, entry: str) -> Answer:
        try:
            found = load_schema().find(request.method, path)
            if found is None:
                raise not_implemented(request.method, path)
            call, uri = found
            parameters = self._merge(uri, _parameters(request))
            if caller.is_token and not call.allow_token:
                raise perm_error(f"URI '{path}' not available with API token, need proper ticket.\n")
            PermissionCheck(self.cluster.permissions, caller.user).call(call, parameters)
            delay, local = self._proxy(call, parameters, entry)
            answer = self._run(call, parameters, caller, form, local, path)
            if delay:
                answer = Answer(
                    answer.status, answer.reason, answer.body, answer.content_type, answer.headers, delay,
                    answer.compress, answer.packed,
                )  # fmt: skip
            return answer
        except ApiError as error:
            answer = failure(error, form)
            answer.delay = self.timing.no_quorum_delay if error.waited else getattr(error, "delay", 0.0)
            return answer

    @staticmethod
    def _merge(uri: dict[str, str], given: dict[str, Any]) -> dict[str, Any]:
        for name in sorted(given):
            if name in uri and uri[name] != given[name]:
                raise param_error({name: DUPLICATE})
        return {**uri, **given}

    def _run(self, call: Call, parameters: dict[str, Any], caller: Caller, form: str, local: str, path: str) -> Answer:
        key = self._key(call, parameters, caller, form)
        if key is not None:
            with self._lock:
                known = self._cache.get(key)
            if known is not None:
                return known
        values = validate(call, parameters)
        handler = HANDLERS.get((call.method, call.path))
        if handler is None:
            raise not_implemented(call.method, path)
        result = handler(Context(self.cluster, self.authenticator, local, caller.user or "", values))
        answer = success(result, form) if isinstance(result, Result) else result
        if key is not None:
            with self._lock:
                self._cache[key] = answer
                if len(self._cache) > CACHE_SIZE:
                    self._cache.popitem(last=False)
        return answer

    def _key(self, call: Call, parameters: dict[str, Any], caller: Caller, form: str) -> tuple[Any, ...] | None:
        if (call.method, call.path) not in CACHEABLE:
            return None
        version = self.cluster.identity_version
        return (
            call.path,
            caller.user,
            form,
            version,
            *sorted((name, str(value)) for name, value in parameters.items()),
        )

    def forget(self) -> None:
        """Drop all kept answers: call after every change of the cluster."""
        with self._lock:
            self._cache.clear()
        self.cluster.identity_changed()

    def _proxy(self, call: Call, parameters: dict[str, Any], entry: str) -> tuple[float, str]:
        """Send the call to its node: the extra delay and the node that executes it."""
        if call.proxy_to is None:
            return 0.0, entry
        name = str(parameters.get(call.proxy_to) or "")
        if name == "localhost":
            parameters[call.proxy_to] = entry
            return 0.0, entry
        node = self.cluster.nodes.get(name)
        if node is None:
            raise self._unknown_node(name)
        if name == entry:
            return self._slow(node), name
        if not node.reachable():
            fault = node.fault
            raise _proxy_failure(595, (fault and fault.reason) or "No route to host", fault.delay if fault else 0.0)
        return self._remote(node), name

    def _slow(self, node: Node) -> float:
        if node.fault and node.fault.kind == "hang":
            self.stopping.wait()
        return node.fault.delay if node.fault and node.fault.kind == "slow" else 0.0

    def _remote(self, node: Node) -> float:
        fault = node.fault
        if fault and fault.kind == "broken":
            raise _proxy_failure(596, fault.reason or "Broken pipe", fault.delay)
        if fault and fault.kind == "hang":
            raise _proxy_failure(596, fault.reason or "Connection timed out", fault.delay or self.timing.proxy_timeout)
        return self._slow(node)

    def _unknown_node(self, name: str) -> ApiError:
        """What the resolver says. A full name of a member resolves, but its certificate is not pinned under it."""
        host, _, domain = name.partition(".")
        if host in self.cluster.nodes and domain == self.cluster.search_domain:
            return _proxy_failure(596, "error:0A000086:SSL routines::certificate verify failed", 0.0)
        good = re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.\-]*[A-Za-z0-9])?", name)
        why = "Temporary failure in name resolution" if good else "Name or service not known"
        return server_error(f"hostname lookup '{name}' failed - failed to get address info for: {name}: {why}")


class ProxyFailure(ApiError):
    """The entry node could not get an answer from the node; known only after `delay` seconds."""

    def __init__(self, status: int, reason: str, delay: float) -> None:
        super().__init__(status, reason, empty_body=True)
        self.delay = delay


def _proxy_failure(status: int, reason: str, delay: float) -> ApiError:
    return ProxyFailure(status, reason, delay)
