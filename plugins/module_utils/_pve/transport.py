# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The wire below proxmoxer, so that no server can hold the reader, fill its memory, or send it elsewhere.

An answer may have `MAX_BYTES` and take `PATIENCE` times the request's time-out from the first byte sent to the last
received, since a server that sends a byte now and then never meets a time-out of one read. Redirects are not followed:
the API knows none, and the credential would go along.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

try:
    import proxmoxer
    import requests
    from proxmoxer.backends.https import JsonSerializer, ProxmoxHTTPApiTokenAuth, ProxmoxHTTPAuth, ProxmoxHttpSession
    from proxmoxer.core import ProxmoxResource, ResourceException
    from requests.adapters import HTTPAdapter

    MISSING: ImportError | None = None
    TOO_OLD = proxmoxer.__version__ if proxmoxer.__version__.split(".")[0] in ("0", "1") else None
except ImportError as error:
    MISSING, TOO_OLD = error, None
    if not TYPE_CHECKING:
        HTTPAdapter = ProxmoxHttpSession = ProxmoxHTTPAuth = object

if TYPE_CHECKING:
    from ansible_collections.pve.audit.plugins.module_utils._pve.credentials import Credentials

MAX_BYTES = 64 * 1024 * 1024
PATIENCE = 4
_PIECE = 256 * 1024
_REASON_BYTES = 64 * 1024
Answer = TypeVar("Answer")


class WireError(Exception):
    """The answer was not taken; the text completes the sentence "HOST ..."."""


class SlowError(WireError):
    """The whole answer took too long."""


class SecondFactorError(WireError):
    """The password is right, and a second factor is asked for."""


class BoundedAdapter(HTTPAdapter):
    """Takes whole answers of a bounded size, and follows no redirect."""

    def send(self, request: Any, *arguments: Any, **options: Any) -> Any:
        """The answer with its body read. Raises WireError."""
        response = super().send(request, *arguments, **{**options, "stream": True})
        if 300 <= response.status_code < 400:
            response.close()
            raise WireError(f"answered {response.status_code} and wants to send the request elsewhere")
        pieces, size = [], 0
        for piece in response.iter_content(_PIECE):
            size += len(piece)
            if size > MAX_BYTES:
                response.close()
                raise WireError(f"sent more than {MAX_BYTES // 1024 // 1024} MiB in one answer")
            pieces.append(piece)
        response._content = b"".join(pieces)
        return response


class BoundedSession(ProxmoxHttpSession):  # type: ignore[misc] # proxmoxer has no types
    """proxmoxer's session on bounded answers; a refusal carries the whole of Proxmox VE's message."""

    def __init__(self) -> None:
        super().__init__()
        self.mount("https://", BoundedAdapter())

    def request(self, *arguments: Any, **options: Any) -> Any:
        """The answer. Proxmox VE's HTTP reason has the first line of its message only, the body has them all."""
        response = super().request(*arguments, **{**options, "allow_redirects": False})
        if response.status_code >= 400:
            response.reason = _message(response) or response.reason
        return response


def _foreign_page(response: Any) -> dict[str, bytes] | None:
    """As proxmoxer hands on a refusal that is no JSON."""
    try:
        json.loads(response.content or b"null")
    except (ValueError, RecursionError):
        return {"errors": response.content}
    return None


def _message(response: Any) -> str:
    if len(response.content) > _REASON_BYTES:
        return ""
    try:
        body = json.loads(response.content)
    except (ValueError, RecursionError):
        return ""
    text = body.get("message") if isinstance(body, dict) else None
    return text if isinstance(text, str) else ""


class TicketAuth(ProxmoxHTTPAuth):  # type: ignore[misc] # proxmoxer has no types
    """A login with a password, by bounded answers as well. `account` is whom the ticket is for."""

    pve_auth_ticket: str
    account: str

    def _get_new_tokens(self, password: str | None = None, **_otp: Any) -> None:
        """Get or renew the ticket. Raises ResourceException, WireError and what requests raises."""
        secret: str = password or self.pve_auth_ticket
        with plain_session() as http:
            data = ask_for_ticket(http, self.base_url, self.username, secret, self.verify_ssl, self.timeout)
        if data.get("NeedTFA") is not None:
            raise SecondFactorError("asks for a second factor")
        self.account = _account(self.username, data.get("username"))
        self.birth_time = time.monotonic()
        self.pve_auth_ticket, self.csrf_prevention_token = data["ticket"], data["CSRFPreventionToken"]


def _account(given: str, named: object) -> str:
    """In a realm that does not tell upper from lower case Proxmox VE names the account it found. [lookup_username]"""
    return named if isinstance(named, str) and named.lower() == given.lower() else given


def plain_session() -> Any:
    """A session without any credential, also none of ~/.netrc."""
    http = requests.Session()
    http.mount("https://", BoundedAdapter())
    http.auth = _no_credential
    return http


def _no_credential(request: Any) -> Any:
    return request


def ask_for_ticket(http: Any, url: str, user: str, password: str, verify: bool | str, timeout: float) -> dict[str, Any]:
    """The `data` of POST /access/ticket. Raises ResourceException, WireError and what requests raises."""
    response = http.post(
        f"{url}/access/ticket", data={"username": user, "password": password}, verify=verify, timeout=timeout
    )
    if response.status_code != 200:
        raise ResourceException(
            response.status_code, "", _message(response) or response.reason, errors=_foreign_page(response)
        )
    data: dict[str, Any] = json.loads(response.content)["data"]
    return data


def open_api(given: Credentials, verify: bool | str) -> tuple[Any, str]:
    """proxmoxer's resource at the root of the API, and the account as the cluster calls it. Logs in with a password."""
    http = BoundedSession()
    account = given.user
    if given.token_name:
        http.auth = ProxmoxHTTPApiTokenAuth(
            given.user, given.token_name, given.token_secret, verify_ssl=verify, timeout=given.timeout
        )
    else:
        http.auth = TicketAuth(given.user, given.password, base_url=given.url, verify_ssl=verify, timeout=given.timeout)
        account = http.auth.account
    serializer = JsonSerializer()
    http.headers["accept"] = serializer.get_accept_types()
    return ProxmoxResource(base_url=given.url, session=http, serializer=serializer), account


def within(seconds: float, call: Callable[[], Answer]) -> Answer:
    """What `call` gives or raises, or SlowError when it takes longer; it is left to itself then, in a daemon thread."""
    outcome: list[Answer] = []
    failure: list[BaseException] = []

    def work() -> None:
        try:
            outcome.append(call())
        except BaseException as error:  # noqa: BLE001 - raised again by the one who waits
            failure.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    if failure:
        raise failure[0]
    if not outcome:
        raise SlowError(f"did not finish within {seconds:g} s")
    return outcome[0]
