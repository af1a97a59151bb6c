# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tickets, CSRF tokens and API tokens (pve-manager HTTPServer.pm auth_handler, pve-access-control AccessControl.pm)."""

from __future__ import annotations

import hmac
import re
import time
from dataclasses import dataclass
from urllib.parse import quote, unquote

from tests.lab.errors import ApiError, no_quorum, server_error
from tests.lab.http import Request
from tests.lab.model import Cluster
from tests.lab.names import is_username, split_token

COOKIE = "PVEAuthCookie"
TOKEN_NAME = "PVEAPIToken"
TICKET_LIFETIME = 7200
GRACE = 300
_OPEN_CALLS = {
    ("GET", "/access/domains"),
    ("GET", "/access/ticket"),
    ("POST", "/access/ticket"),
    ("POST", "/access/vncticket"),
    ("POST", "/access/openid/login"),
    ("POST", "/access/openid/auth-url"),
}


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls; `user` is None for calls that need no login. `is_token`: a token was sent, checked or not."""

    user: str | None
    is_token: bool = False


def _header_value(header: str | None, key: str) -> str | None:
    """PVE takes `KEY=value` and `KEY value`, up to a semicolon, percent-decoded."""
    match = re.search(rf"(?:^|\s){re.escape(key)}(?:=| )([^;]*)", header) if header else None
    return unquote(match[1], encoding="latin-1") if match else None


def _refused(text: str) -> ApiError:
    return ApiError(401, f"{text}\n", empty_body=True)


class Authenticator:
    """Make and check tickets and tokens of one cluster. `clock` gives seconds since the epoch."""

    def __init__(self, cluster: Cluster, key: bytes) -> None:
        self._cluster = cluster
        self._key = key

    def _sign(self, text: str) -> str:
        return hmac.new(self._key, text.encode("utf-8", "surrogateescape"), "sha256").hexdigest()

    def ticket(self, user: str, now: float | None = None) -> str:
        """A login ticket."""
        text = f"PVE:{user}:{int(now or time.time()):08X}"
        return f"{text}::{self._sign(text)}"

    def challenge_ticket(self, challenge: str, user: str) -> str:
        """A ticket that stands for a password given and a second factor missing."""
        text = f"PVE:!tfa!{quote(challenge, safe='')}:{int(time.time()):08X}"
        return f"{text}::{self._sign(f'{text}:{user}')}"

    def challenge_of(self, ticket: str, user: str) -> str | None:
        """The challenge in such a ticket, when it was made for this user."""
        text, _, signature = ticket.rpartition("::")
        match = re.fullmatch(r"PVE:!tfa!([^:]*):([0-9A-F]{8})", text)
        if not match or not hmac.compare_digest(
            self._sign(f"{text}:{user}"), signature.encode("ascii", "replace").decode()
        ):
            return None
        return unquote(match[1]) if -GRACE < time.time() - int(match[2], 16) < TICKET_LIFETIME else None

    def csrf(self, user: str, now: float | None = None) -> str:
        """The token that writing calls with a ticket need."""
        stamp = f"{int(now or time.time()):08X}"
        return f"{stamp}:{self._sign(f'csrf {stamp} {user}')}"

    def ticket_user(self, ticket: str) -> str | None:
        """The user of a good ticket, or None."""
        text, _, signature = ticket.rpartition("::")
        match = re.fullmatch(r"PVE:(.+):([0-9A-F]{8})", text)
        if not match or not hmac.compare_digest(self._sign(text).encode(), signature.encode("utf-8", "replace")):
            return None
        age = time.time() - int(match[2], 16)
        return match[1] if -GRACE < age < TICKET_LIFETIME else None

    def _csrf_ok(self, user: str, token: str) -> bool:
        stamp, _, signature = token.partition(":")
        good = self._sign(f"csrf {stamp} {user}").encode()
        return hmac.compare_digest(good, signature.encode("utf-8", "replace"))

    def enabled(self, user: str) -> bool:
        """The account exists, is enabled and not expired."""
        entry = self._cluster.users.users.get(user) if is_username(user) else None
        return bool(entry and entry.enable and not (entry.expire and entry.expire < time.time()))

    def token_user(self, value: str) -> str | None:
        """The token id of a good `id=secret`, or None."""
        name, separator, secret = value.rpartition("=")
        parts = split_token(name)
        if not separator or not parts or not self.enabled(parts[0]):
            return None
        entry = self._cluster.users.token(*parts)
        if entry is None or (entry.expire and entry.expire < time.time()):
            return None
        known = self._cluster.secrets.get(name)
        good = known is not None and hmac.compare_digest(known.encode(), secret.encode("utf-8", "replace"))
        return name if good else None

    def caller(self, request: Request, path: str) -> Caller:
        """Who sent this request. The cookie wins over the header, a ticket over a token; 401 when nobody did."""
        header = request.headers.get("authorization")
        ticket = _header_value(request.headers.get("cookie"), COOKIE) or _header_value(header, COOKIE)
        token = None if ticket else _header_value(header, TOKEN_NAME)
        if (request.method, path) in _OPEN_CALLS:
            return Caller(None, is_token=bool(token))
        if token:
            user = self.token_user(token)
            if user is None:
                raise _refused("Authentication failed!")
            return Caller(user, is_token=True)
        if not ticket:
            raise _refused("No ticket")
        user = self.ticket_user(ticket)
        if user is None or not self.enabled(user):
            raise _refused("Authentication failed!")
        if request.method != "GET":
            self._check_csrf(request, user)
        return Caller(user)

    def _check_csrf(self, request: Request, user: str) -> None:
        if not self._csrf_ok(user, request.headers.get("csrfpreventiontoken", "")):
            raise _refused("Permission denied - invalid csrf token")


def lookup_username(cluster: Cluster, user: str, *, strict: bool) -> str:
    """The account a name means: in a realm that ignores case, the first one that matches. `strict`: 500 for several."""
    name, separator, realm = user.rpartition("@")
    settings = cluster.realms.get(realm, {}) if separator and name else {}
    if settings.get("case-sensitive") in (None, 1, "1"):
        return user
    found = [known for known in cluster.users.users if known.lower() == user.lower()]
    if strict and len(found) > 1:
        raise server_error(f"ambiguous case insensitive match of username '{user}', cannot safely grant access!")
    return found[0] if found else user


def check_password(cluster: Cluster, user: str, password: str) -> str | None:
    """Why a password is refused, or None (pve-access-control Auth/PVE.pm, Auth/PAM.pm)."""
    realm = cluster.realms.get(user.rpartition("@")[2])
    if realm is None:
        return f"auth domain '{user.rpartition('@')[2]}' does not exist"
    if password in ("", "0"):
        return "no password"
    known = cluster.passwords.get(user)
    if realm["type"] == "pve":
        if known is None:
            return "no password set"
        return None if known == password else "invalid credentials"
    return None if known is not None and known == password else "Authentication failure"


def set_password(cluster: Cluster, user: str, password: str) -> None:
    """Store a password where the realm keeps it; 500 where it cannot. `user` is `name@realm`."""
    name, _, realm = user.rpartition("@")
    if realm not in cluster.realms:
        raise server_error(f"auth domain '{realm}' does not exist")
    kind = cluster.realms[realm]["type"]
    if kind not in ("pve", "pam"):
        raise server_error(f"can't set password on auth type '{kind}'")
    if kind == "pve" and not cluster.quorate:
        raise no_quorum("priv/shadow.cfg")
    if kind == "pam" and name != "root" and user not in cluster.passwords:
        raise server_error(f"change password failed: user '{name}' does not exist")
    cluster.passwords[user] = password
