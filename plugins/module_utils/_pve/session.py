# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One authenticated connection to the Proxmox VE API, through proxmoxer.

proxmoxer does the talking, `transport.py` keeps the wire within bounds, `failures.py` says what a failure means.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any, Protocol
from urllib.parse import quote

from ansible_collections.pve.audit.plugins.module_utils._model.errors import (
    ApiError,
    AuthError,
    ConnectError,
    NotAnApiError,
    RefusedError,
    TimeoutReachedError,
)
from ansible_collections.pve.audit.plugins.module_utils._model.names import ROOT
from ansible_collections.pve.audit.plugins.module_utils._pve import transport
from ansible_collections.pve.audit.plugins.module_utils._pve.credentials import Credentials
from ansible_collections.pve.audit.plugins.module_utils._pve.failures import (
    bounded_error,
    complaints,
    foreign_page,
    status_error,
    wire_error,
    write_error,
)

with contextlib.suppress(ImportError):  # `transport.MISSING` has the reason, and the modules tell it before
    import requests
    from proxmoxer.core import ResourceException

_RETRY_STATUS = (502, 503, 504)
_RETRY_PAUSE = 0.5


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


class Session:
    """A connection that retries what is safe to retry and raises only ApiError. It may be used from several threads."""

    def __init__(self, credentials: Credentials, sleep: Callable[[float], None] = time.sleep) -> None:
        """Log in. Raises ApiError when a password is refused or the host cannot be reached."""
        self._credentials = credentials
        self._sleep = sleep
        self._account: str
        self._api, self._account = self._translated(lambda: transport.open_api(credentials, self._verify), "log in")

    @property
    def user(self) -> str:
        """The account, without the token, as the cluster calls it: it may differ by case from what was given."""
        return self._account

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
            return self._translated(ask, what, lambda error: write_error(error, what, self._credentials, hidden))
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
        what = f"try the password of {userid}"

        def ask() -> Any:
            with transport.plain_session() as http:
                return transport.ask_for_ticket(http, given.url, userid, password, self._verify, given.timeout)

        try:
            self._translated(ask, what)
        except AuthError:
            return False
        return True

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

    def _translated(self, call: Callable[[], Any], what: str, refused: Callable[[Any], ApiError] | None = None) -> Any:
        """Run a call of proxmoxer and translate what it raises; `refused` makes the error of an HTTP status."""
        given = self._credentials
        try:
            answer = transport.within(transport.PATIENCE * given.timeout, call)
        except ResourceException as error:
            if _is_page(error):
                raise NotAnApiError(foreign_page(error.status_code, what, given), error.status_code) from None
            if refused is not None:
                raise refused(error) from None
            raise status_error(error.status_code, complaints(error) or str(error.content or ""), what, given) from None
        except transport.WireError as error:
            raise bounded_error(error, what, given) from None
        except requests.exceptions.RequestException as error:
            raise wire_error(error, what, given) from None
        except (KeyError, TypeError, AttributeError, RecursionError, ValueError):
            raise NotAnApiError(
                f"{given.address} answered {what}, but not as the Proxmox VE API does: check host and port"
            ) from None
        if isinstance(answer, dict) and set(answer) == {"errors"}:
            raise NotAnApiError(f"{given.address} answered {what}, but not with JSON: check host and port")
        return answer


def _is_page(error: Any) -> bool:
    """Whether the body of a refusal is something other than JSON, which Proxmox VE never sends."""
    page = error.errors.get("errors") if isinstance(error.errors, dict) and set(error.errors) == {"errors"} else None
    return isinstance(page, bytes) and bool(page.strip())
