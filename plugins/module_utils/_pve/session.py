# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One authenticated connection to the Proxmox VE API, through proxmoxer.

proxmoxer does the talking; this file decides what its answers mean. Errors are told apart by class and status code,
as the answers of a genuine cluster show them: the reason stands in the HTTP status line, 401 and 595 have empty bodies.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

from ansible_collections.pve.audit.plugins.module_utils._model.errors import (
    ApiError,
    AuthError,
    ConnectError,
    ForbiddenError,
    InputError,
    NodeUnreachableError,
    NotAnApiError,
    RefusedError,
    TimeoutReachedError,
    TlsError,
)
from ansible_collections.pve.audit.plugins.module_utils._model.names import ROOT

try:
    import requests
    from proxmoxer import ProxmoxAPI
    from proxmoxer.core import AuthenticationError, ResourceException

    MISSING: ImportError | None = None
except ImportError as error:
    MISSING = error

_RETRY_STATUS = (502, 503, 504)
_RETRY_PAUSE = 0.5
_PRINTABLE = re.compile(r"[!-~]+")
_MARK = "REDACTED"


class Api(Protocol):
    """What the rest of this room needs of a connection."""

    @property
    def user(self) -> str:
        """The account, without the token."""

    def get(self, *path: str, **params: Any) -> Any:
        """The `data` of the answer to a GET of the path. Raises ApiError."""


class ChangeApi(Api, Protocol):
    """What changing modules need besides."""

    @property
    def uses_token(self) -> bool:
        """True when the connection has an API token, which may not do all that its account may."""

    @property
    def token(self) -> str | None:
        """The API token in use with its account, `user@realm!name`; None with a password."""

    def write(
        self, method: str, path: Collection[str], params: Mapping[str, Any], *, what: str, secrets: Collection[str] = ()
    ) -> Any:
        """The `data` of the answer to a POST, PUT or DELETE. Raises ApiError."""

    def accepts_login(self, userid: str, password: str) -> bool:
        """True when this is the password of the user. Raises ApiError when nothing can be said."""

    def change_password(self, userid: str, password: str) -> None:
        """Set the password of a user. Raises ApiError."""


@dataclass(frozen=True)
class Credentials:
    """Where and as whom to connect. Secrets are kept out of the text form."""

    host: str
    user: str
    port: int = 8006
    password: str | None = field(default=None, repr=False)
    token_id: str | None = None
    token_secret: str | None = field(default=None, repr=False)
    validate_certs: bool = True
    ca_path: str | None = None
    timeout: float = 15.0

    def __post_init__(self) -> None:
        """Raises InputError for what no server could accept, before anything is sent."""
        mistakes = (
            (
                not self.host or not _PRINTABLE.fullmatch(self.host) or "/" in self.host,
                f"api_host {self.host!r} is not a host name or address: give it without https:// and path",
            ),
            (not 0 < self.port < 65536, f"api_port {self.port} is not a port: use 1 to 65535, as a rule 8006"),
            (self.timeout <= 0, f"request_timeout must be at least 1 second, not {self.timeout:g}"),
            ("@" not in self.user, f"api_user {self.user!r} has no realm: write it as name@pam or name@pve"),
            (
                self.token_id and not self.token_secret,
                "api_token_secret is missing: a token needs its id and its secret",
            ),
            (self.token_secret and not self.token_id, "api_token_id is missing: a token needs its id and its secret"),
            (
                not self.token_id and not self.password,
                "no credential: set api_token_id and api_token_secret, or api_password",
            ),
            (
                self.token_secret and not _PRINTABLE.fullmatch(self.token_secret),
                "api_token_secret has blanks or characters that no token secret has: copy it again",
            ),
            (
                self.ca_path and not Path(self.ca_path).exists(),
                f"ca_path {self.ca_path!r} does not exist on the host that runs the module",
            ),
        )
        for wrong, sentence in mistakes:
            if wrong:
                raise InputError(sentence)

    @property
    def token_name(self) -> str | None:
        """The token's own name; `user@realm!name` is accepted for it. Raises InputError when it is another user's."""
        if not self.token_id or "!" not in self.token_id:
            return self.token_id
        owner, _bang, name = self.token_id.rpartition("!")
        if owner != self.user:
            raise InputError(f"api_token_id {self.token_id!r} belongs to {owner}, but api_user is {self.user}")
        return name

    @property
    def address(self) -> str:
        """Host and port for messages."""
        return f"{self.host}:{self.port}"


class Session:
    """A connection that retries what is safe to retry and raises only ApiError. It may be used from several threads."""

    def __init__(self, credentials: Credentials, sleep: Callable[[float], None] = time.sleep) -> None:
        """Log in. Raises ApiError when a password is refused or the host cannot be reached."""
        self._credentials = credentials
        self._sleep = sleep
        self._api = self._translated(self._connect, "log in")

    @property
    def user(self) -> str:
        """The account, without the token."""
        return self._credentials.user

    def get(self, *path: str, **params: Any) -> Any:
        """The `data` of the answer to a GET of the path. Raises ApiError.

        A GET changes nothing, so a broken connection or a proxy's 502 to 504 is tried once more.
        """
        what = "GET /" + "/".join(path)
        resource = self._api([quote(part, safe=":@!") for part in path])

        def ask() -> Any:
            return resource.get(**params)

        try:
            return self._translated(ask, what)
        except TimeoutReachedError:
            raise
        except ApiError as error:
            if not isinstance(error, ConnectError) and error.status not in _RETRY_STATUS:
                raise
        self._sleep(_RETRY_PAUSE)
        return self._translated(ask, what)

    @property
    def uses_token(self) -> bool:
        """True when the connection has an API token, which may not do all that its account may."""
        return bool(self._credentials.token_id)

    @property
    def token(self) -> str | None:
        """The API token in use with its account, `user@realm!name`; None with a password."""
        name = self._credentials.token_name
        return f"{self.user}!{name}" if name else None

    def write(
        self, method: str, path: Collection[str], params: Mapping[str, Any], *, what: str, secrets: Collection[str] = ()
    ) -> Any:
        """The `data` of the answer to a POST, PUT or DELETE, sent once and never again.

        `what` completes the sentence "cannot ...", `secrets` names the parameters that no message may show.
        Raises RefusedError when Proxmox VE says no, ForbiddenError when a privilege is missing, other ApiErrors when
        it is not known whether the change was made.
        """
        resource = self._api([quote(part, safe=":@!") for part in path])
        hidden = [str(params[name]) for name in secrets if params.get(name)]

        def ask() -> Any:
            return getattr(resource, method.lower())(**params)

        try:
            return self._translated(ask, what, lambda error: _write_error(error, what, self._credentials, hidden))
        except (ConnectError, TimeoutReachedError, NotAnApiError) as error:
            raise type(error)(
                f"{error}; whether it was able to {what} is not known: run it again", error.status
            ) from None

    def accepts_login(self, userid: str, password: str) -> bool:
        """True when this is the password of the user, also when a second factor is asked for after it.

        A disabled or expired account is refused like a wrong password. The request has no credential of its own, for
        Proxmox VE would refuse it with a token. [PVE::API2::AccessControl create_ticket, PVE::HTTPServer rest_handler]
        """
        given = self._credentials
        host = f"[{given.host}]" if ":" in given.host and not given.host.startswith("[") else given.host
        what = f"try the password of {userid}"

        def ask() -> Any:
            return requests.post(
                f"https://{host}:{given.port}/api2/json/access/ticket",
                data={"username": userid, "password": password},
                verify=self._verify,
                timeout=given.timeout,
                allow_redirects=False,
            )

        status = int(self._translated(ask, what).status_code)
        if status not in (200, 401):
            raise status_error(status, "", what, given)
        return status == 200

    def change_password(self, userid: str, password: str) -> None:
        """Set the password of a user. Everybody but root@pam has to confirm it with the own one, since Proxmox VE 8."""
        what = f"set the password of {userid}"
        params = {"userid": userid, "password": password}
        path, secrets = ("access", "password"), ("password", "confirmation-password")
        if self.user == ROOT:
            self.write("PUT", path, params, what=what, secrets=secrets)
            return
        try:
            confirmed = {**params, "confirmation-password": self._credentials.password}
            self.write("PUT", path, confirmed, what=what, secrets=secrets)
        except RefusedError as error:
            if error.status != 400 or "confirmation-password" not in error.fields:
                raise
            self.write("PUT", path, params, what=what, secrets=secrets)

    @property
    def _verify(self) -> bool | str:
        """How requests checks the server's certificate."""
        return self._credentials.validate_certs and (self._credentials.ca_path or True)

    def _connect(self) -> Any:
        given = self._credentials
        options: dict[str, Any] = {
            "port": given.port,
            "user": given.user,
            "verify_ssl": self._verify,
            "timeout": given.timeout,
        }
        if given.token_name:
            options.update(token_name=given.token_name, token_value=given.token_secret)
        else:
            options.update(password=given.password)
        return ProxmoxAPI(given.host, backend="https", **options)

    def _translated(self, call: Callable[[], Any], what: str, refused: Callable[[Any], ApiError] | None = None) -> Any:
        """Run a call of proxmoxer and translate what it raises; `refused` makes the error of an HTTP status."""
        given = self._credentials
        try:
            answer = call()
        except ResourceException as error:
            if refused is not None:
                raise refused(error) from None
            reason = _complaints(error) or str(error.content or "")
            raise status_error(error.status_code, reason, what, given) from None
        except AuthenticationError:
            raise AuthError(
                f"{given.address} refused the login of {given.user}: check user, realm and password", 401
            ) from None
        except requests.exceptions.RequestException as error:
            raise _transport_error(error, what, given) from None
        except (KeyError, TypeError, AttributeError):
            raise NotAnApiError(
                f"{given.address} answered {what}, but not as the Proxmox VE API does: check host and port"
            ) from None
        if isinstance(answer, dict) and set(answer) == {"errors"}:
            raise NotAnApiError(f"{given.address} answered {what}, but not with JSON: check host and port")
        return answer


def _transport_error(error: Exception, what: str, given: Credentials) -> ApiError:
    """The error for a request that got no answer of HTTP."""
    if isinstance(error, requests.exceptions.SSLError):
        return TlsError(_tls_sentence(error, given))
    if isinstance(error, requests.exceptions.Timeout):
        return TimeoutReachedError(f"{given.address} did not answer {what} within {given.timeout:g} s")
    if isinstance(error, requests.exceptions.ConnectionError):
        return ConnectError(
            f"{given.address} cannot be reached ({_root_cause(error)}): check api_host, api_port and firewall"
        )
    return NotAnApiError(f"{given.address} gave no usable answer to {what} ({type(error).__name__})")


def status_error(status: int, reason: str, what: str, given: Credentials) -> ApiError:
    """The error for an HTTP status. The reason is the server's own sentence, shortened to one line."""
    text = " ".join(reason.split())[:200]
    if status == 401:
        who = f"token {given.user}!{given.token_name}" if given.token_name else f"user {given.user}"
        return AuthError(
            f"{given.address} refused the {who}: check id, secret, expiry, and that the account is enabled", status
        )
    if status == 403:
        return ForbiddenError(f"not permitted: {what}: {text}", status)
    if 595 <= status <= 599:
        return NodeUnreachableError(
            f"the node cannot be reached by {given.host} ({status} {text or 'no reason given'})", status
        )
    return ApiError(f"{what} failed: {status} {text or 'no reason given'}", status)


def _fields(error: Any) -> dict[str, str]:
    """Proxmox VE's complaint for each parameter of a 400."""
    errors = getattr(error, "errors", None)
    if error.status_code != 400 or not isinstance(errors, Mapping):
        return {}
    return {str(name): " ".join(text.split()) for name, text in errors.items() if isinstance(text, str)}


def _complaints(error: Any) -> str:
    """The same in one line."""
    return "; ".join(f"{name}: {text}" for name, text in sorted(_fields(error).items()))


def _write_error(error: Any, what: str, given: Credentials, hidden: Collection[str]) -> ApiError:
    """The error for a refused write, without the values that nobody may see."""
    status = int(error.status_code)
    fields = _fields(error)
    text = _complaints(error) or " ".join(str(error.content or "").split()) or "no reason given"
    for secret in hidden:
        text = text.replace(secret, _MARK)
    if status == 401 or 595 <= status <= 599:
        found = status_error(status, text, what, given)
        return type(found)(f"cannot {what}: {found}", status)
    if status == 403:
        return ForbiddenError(f"cannot {what}: {given.user} is not permitted (403 {text[:400]})", status)
    return RefusedError(f"cannot {what}: Proxmox VE answered {status} {text[:400]}", status, fields)


def _root_cause(error: BaseException) -> str:
    """The innermost reason in a few words, without object addresses and URLs."""
    while True:
        inner = next((arg for arg in error.args if isinstance(arg, BaseException)), None)
        inner = inner or getattr(error, "reason", None) or error.__cause__ or error.__context__
        if not isinstance(inner, BaseException):
            break
        error = inner
    return getattr(error, "strerror", None) or type(error).__name__


def _tls_sentence(error: BaseException, given: Credentials) -> str:
    """What is wrong with the certificate, and what to do about it."""
    found = re.search(r"certificate verify failed: ([^(\[\]']+)", str(error))
    detail = found[1].strip() if found else "the TLS handshake failed"
    return (
        f"the certificate of {given.address} was not accepted ({detail}): "
        "set ca_path to the CA that signed it (on a node /etc/pve/pve-root-ca.pem)"
    )
