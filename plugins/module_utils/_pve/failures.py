# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a failure of the API means, as an error of the right class with one sentence: what is wrong, and what helps.

Errors are told apart by class and status code, as the answers of a genuine cluster show them. What the server says is
shown in one line, shortened, and made visible: its words may be anybody's.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from ansible_collections.pve.audit.plugins.module_utils._model.errors import (
    ApiError,
    AuthError,
    ConnectError,
    ForbiddenError,
    NodeUnreachableError,
    NotAnApiError,
    RefusedError,
    TimeoutReachedError,
    TlsError,
)
from ansible_collections.pve.audit.plugins.module_utils._model.visible import safe_text
from ansible_collections.pve.audit.plugins.module_utils._pve.transport import SecondFactorError, SlowError, WireError

with contextlib.suppress(ImportError):  # nobody comes here without it
    import requests

if TYPE_CHECKING:
    from ansible_collections.pve.audit.plugins.module_utils._pve.credentials import Credentials

_MARK = "REDACTED"
_SHOWN = 400


def status_error(status: int, reason: str, what: str, given: Credentials) -> ApiError:
    """The error for an HTTP status. The reason is the server's own, in one line."""
    text = one_line(reason, 200) or "no reason given"
    if status == 401:
        if given.token_name:
            return AuthError(
                f"{given.address} refused the token {given.user}!{given.token_name}: check id, secret, expiry, and "
                "that the account is enabled",
                status,
            )
        return AuthError(f"{given.address} refused the login of {given.user}: check user, realm and password", status)
    if status == 403:
        return ForbiddenError(f"not permitted: {what}: {text}", status)
    if 595 <= status <= 599:
        return NodeUnreachableError(_unreachable(status, text, what, given), status)
    return ApiError(f"{what} failed: {status} {text}", status)


def _unreachable(status: int, text: str, what: str, given: Credentials) -> str:
    """pveproxy of the host answers 595 to 599 when the one it hands the call to does not answer."""
    if re.search(r"/nodes/[^/]", what):
        return f"the node cannot be reached by {given.host} ({status} {text})"
    return (
        f"pveproxy of {given.address} answers, but pvedaemon behind it does not ({status} {text}): look there at "
        "systemctl status pvedaemon"
    )


def write_error(error: Any, what: str, given: Credentials, hidden: Collection[str]) -> ApiError:
    """The error for a refused write, without the values that nobody may see."""
    status = int(error.status_code)
    text = complaints(error) or str(error.content or "")
    for secret in hidden:
        text = text.replace(secret, _MARK)
    text = one_line(text, _SHOWN) or "no reason given"
    if status == 401 or 595 <= status <= 599:
        found = status_error(status, text, what, given)
        return type(found)(f"cannot {what}: {found}", status)
    if status == 403:
        return ForbiddenError(f"cannot {what}: {given.user} is not permitted (403 {text})", status)
    return RefusedError(f"cannot {what}: Proxmox VE answered {status} {text}", status, _fields(error))


def one_line(text: str, length: int) -> str:
    """Words of a server for a sentence."""
    return safe_text(" ".join(text.split()))[:length]


def complaints(error: Any) -> str:
    """Proxmox VE's complaint for each parameter of a 400."""
    return "; ".join(f"{name}: {text}" for name, text in sorted(_fields(error).items()))


def _fields(error: Any) -> dict[str, str]:
    errors = getattr(error, "errors", None)
    if error.status_code != 400 or not isinstance(errors, Mapping):
        return {}
    return {one_line(str(name), 64): one_line(text, _SHOWN) for name, text in errors.items() if isinstance(text, str)}


def foreign_page(status: int, what: str, given: Credentials) -> str:
    """A refusal with a page of its own is not Proxmox VE's."""
    return (
        f"{given.address} answered {what} with {status} and a page that is not the Proxmox VE API's: a proxy or "
        "firewall in front of it refused the request; check api_host and api_port, and what stands between"
    )


def bounded_error(error: WireError, what: str, given: Credentials) -> ApiError:
    """The error for an answer that was not taken, or that asks for a second factor after a right password."""
    if isinstance(error, SecondFactorError):
        return AuthError(
            f"{given.address} {error} of {given.user}, which cannot be given here: use an API token (api_token_id and "
            "api_token_secret)",
            200,
        )
    if isinstance(error, SlowError):
        return TimeoutReachedError(f"{given.address} {error} ({what})")
    return NotAnApiError(f"{given.address} {error} ({what}): check api_host and api_port")


def wire_error(error: Any, what: str, given: Credentials) -> ApiError:
    """The error for what requests raises, by its class."""
    kinds = requests.exceptions
    if isinstance(error, kinds.ProxyError):
        return ConnectError(
            f"{given.address} cannot be reached through the proxy of the environment ({_root_cause(error)}): check "
            "HTTPS_PROXY, or name the host in NO_PROXY"
        )
    if isinstance(error, kinds.SSLError):
        return TlsError(_tls_sentence(error, given))
    if isinstance(error, kinds.Timeout) or "ReadTimeoutError" in _classes(error):
        return TimeoutReachedError(f"{given.address} did not answer {what} within {given.timeout:g} s")
    if isinstance(error, kinds.ConnectionError):
        return ConnectError(
            f"{given.address} cannot be reached ({_root_cause(error)}): check api_host, api_port and firewall"
        )
    return NotAnApiError(f"{given.address} gave no usable answer to {what} ({type(error).__name__})")


def _classes(error: BaseException) -> set[str]:
    """The names of the classes of an error and of all that caused it."""
    found: set[str] = set()
    todo: list[BaseException] = [error]
    while todo:
        one = todo.pop()
        found.add(type(one).__name__)
        todo += [arg for arg in one.args if isinstance(arg, BaseException)]
    return found


def _root_cause(error: BaseException) -> str:
    """The innermost reason in a few words, without object addresses and URLs."""
    while True:
        inner = next((arg for arg in error.args if isinstance(arg, BaseException)), None)
        inner = inner or getattr(error, "reason", None) or error.__cause__ or error.__context__
        if not isinstance(inner, BaseException):
            break
        error = inner
    return getattr(error, "strerror", None) or type(error).__name__


# What OpenSSL says, and what helps against it; the first that fits.
_TLS: tuple[tuple[str, str, str], ...] = (
    (
        r"certificate has expired",
        "has expired",
        "renew it on the node with pvecm updatecerts --force, or renew the certificate of your own that was set there",
    ),
    (r"certificate is not yet valid", "is not valid yet", "set the clocks of the node and of this host"),
    (
        r"(?:Hostname|IP address) mismatch|doesn't match",
        "is not for this name",
        "set api_host to a name or address that the certificate has (openssl x509 -noout -ext subjectAltName)",
    ),
    (
        r"Missing Authority Key|Basic Constraints|key usage|keyUsage|Subject Key Identifier",
        "is made by a CA in an old form, which Python 3.13 and newer refuse",
        "make a new CA on the cluster, or run Ansible with Python 3.12",
    ),
    (
        r"self[- ]signed|unable to get (?:local )?issuer|unable to verify",
        "was not accepted",
        "set ca_path to the CA that signed it (on a node /etc/pve/pve-root-ca.pem)",
    ),
)
_NOT_TLS = r"WRONG_VERSION_NUMBER|wrong version number|HTTP_REQUEST|http request|RECORD_LAYER|record layer"


def _tls_sentence(error: BaseException, given: Credentials) -> str:
    """What is wrong with the certificate, and what to do about it."""
    text = str(error)
    found = re.search(r"certificate verify failed: ([^(\[\]']+)", text)
    detail = one_line(found[1], 200) if found else "the TLS handshake failed"
    for pattern, wrong, remedy in _TLS:
        if re.search(pattern, text):
            return f"the certificate of {given.address} {wrong} ({detail}): {remedy}"
    if re.search(_NOT_TLS, text):
        return f"{given.address} does not speak TLS there: check api_port, as a rule 8006"
    return f"the certificate of {given.address} was not accepted ({detail}): check ca_path, api_host and api_port"
