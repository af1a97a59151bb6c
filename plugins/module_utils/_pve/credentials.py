# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where and as whom to connect, with everything refused before anything is sent that no server could accept."""

from __future__ import annotations

import ipaddress
import re
import ssl
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError

_PRINTABLE = re.compile(r"[!-~]+")
_TOKEN_ID = re.compile(r"[A-Za-z][A-Za-z0-9._-]+")
_WITH_PORT = re.compile(r"(?:\[(?P<bare>[^\[\]]*)\]|(?P<name>[^:\[\]]+)):(?P<port>\d*)")
_HASHED = re.compile(r"[0-9a-f]{8}\.\d+")


@dataclass(frozen=True)
class Credentials:
    """Where and as whom to connect. Secrets are kept out of the text form."""

    host: str
    user: str
    port: int = 8006
    password: str | None = field(default=None, repr=False)
    token_id: str | None = field(default=None, repr=False)
    token_secret: str | None = field(default=None, repr=False)
    validate_certs: bool = True
    ca_path: str | None = None
    timeout: float = 15.0

    def __post_init__(self) -> None:
        """Raises InputError for what no server could accept, before anything is sent."""
        _check_host(self.host)
        if not 0 < self.port < 65536:
            raise InputError(f"api_port {self.port} is not a port: use 1 to 65535, as a rule 8006")
        if self.timeout <= 0:
            raise InputError(f"request_timeout must be at least 1 second, not {self.timeout:g}")
        _check_user(self.user)
        self._check_token()
        if self.validate_certs and self.ca_path:
            _check_ca(self.ca_path)

    def _check_token(self) -> None:
        """The first that is wrong is told, and no secret with it."""
        name, secret = self.token_id or "", self.token_secret or ""
        mistakes = (
            (name and not secret, "api_token_secret is missing: a token needs its id and its secret"),
            (secret and not name, "api_token_id is missing: a token needs its id and its secret"),
            (not name and not self.password, "no credential: set api_token_id and api_token_secret, or api_password"),
            (
                "=" in name,
                "api_token_id has an = in it, as if the secret stood behind it: write the name of the token alone "
                "there, and the secret in api_token_secret",
            ),
            (
                "!" in secret,
                "api_token_secret holds a whole header value: write only what stands behind the = there, the user in "
                "api_user and the name of the token in api_token_id",
            ),
            (
                secret and not _PRINTABLE.fullmatch(secret),
                "api_token_secret has blanks or characters that no token secret has: copy it again",
            ),
        )
        for wrong, sentence in mistakes:
            if wrong:
                raise InputError(sentence)
        if self.token_name is not None and not _TOKEN_ID.fullmatch(self.token_name):
            raise InputError(
                f"api_token_id {self.token_name!r} is not the name of a token: use its name without blanks, as it "
                "stands behind the ! in the token's full name"
            )

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

    @property
    def url(self) -> str:
        """Where the API is, without a slash at the end."""
        bare = self.host.strip("[]")
        host = f"[{bare.replace('%', '%25')}]" if ":" in bare else bare
        return f"https://{host}:{self.port}/api2/json"


def _check_host(host: str) -> None:
    if not host or not _PRINTABLE.fullmatch(host) or "/" in host or "@" in host:
        raise InputError(f"api_host {host!r} is not a host name or address: give it without https:// and path")
    with_port = _WITH_PORT.fullmatch(host)
    if with_port:
        raise InputError(
            f"api_host {host!r} has a port in it: write api_host: {with_port['bare'] or with_port['name']}, and the "
            f"port as api_port: {with_port['port'] or 8006}"
        )
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    try:
        if set(":[]") & set(bare):
            ipaddress.IPv6Address(bare)
    except ValueError:
        raise InputError(
            f"api_host {host!r} is not an address: write an IPv6 address as 2001:db8::1 or [2001:db8::1]"
        ) from None


def _check_user(user: str) -> None:
    if "@" not in user:
        raise InputError(f"api_user {user!r} has no realm: write it as name@pam or name@pve")
    owner, bang, name = user.rpartition("!")
    if bang and "@" in owner and "@" not in name:
        raise InputError(
            f"api_user {user!r} is the full name of a token: write {owner} as api_user and {name} as api_token_id"
        )


def _check_ca(path: str) -> None:
    """What requests would find out only when it connects, and then tell in the words of OpenSSL."""
    place = Path(path)
    try:
        if place.is_dir():
            if not any(_HASHED.fullmatch(file.name) for file in place.iterdir()):
                raise InputError(
                    f"ca_path {path!r} is a directory without hashed certificates: name the file with the CA itself"
                )
            return
        if not place.exists():
            raise InputError(f"ca_path {path!r} does not exist on the host that runs the module")
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
    except ssl.SSLError:
        raise InputError(
            f"ca_path {path!r} holds no certificate: copy /etc/pve/pve-root-ca.pem of a node there, BEGIN CERTIFICATE "
            "and all"
        ) from None
    except OSError as error:
        raise InputError(f"ca_path {path!r} cannot be read: {error.strerror}") from None
