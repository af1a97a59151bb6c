# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""/access/ticket: login by password and second factor (pve-access-control API2/AccessControl.pm)."""

from __future__ import annotations

import json

from tests.lab.authn import check_password, lookup_username
from tests.lab.context import Context, Result, api
from tests.lab.daemonlog import log_failure, log_message
from tests.lab.errors import ApiError
from tests.lab.http import compact
from tests.lab.names import normalize_path, split_list
from tests.lab.realms import tfa_type
from tests.lab.usercfg_write import truthy
from tests.lab.validate import as_text


class _Refused(Exception):
    """Why a login fails; only the journal gets to know."""


@api("GET", "/access/ticket")
def get_ticket(_context: Context) -> Result:
    """A dummy for login pages."""
    return Result(None)


def _realm_kind(context: Context, user: str) -> str | None:
    """The kind of second factor that the user's realm demands."""
    wanted = tfa_type(context.cluster.realms[user.rpartition("@")[2]].get("tfa"))
    return "totp" if wanted == "oath" else wanted


def _check_kind(kind: str, response: str) -> None:
    given, separator, _ = response.partition(":")
    if not given or not separator:
        raise _Refused("bad otp response")
    if given not in ("recovery", kind):
        raise _Refused(f"realm requires {kind} authentication")


def _challenge(context: Context, user: str, answered: str | None) -> dict[str, object] | None:
    """The challenge that was answered, or what this user is asked for."""
    if answered is not None:
        known = context.authenticator.challenge_of(answered, user)
        if known is None:
            raise _Refused("bad ticket")
        return dict(json.loads(known))
    factors = context.cluster.tfa.get(user)
    challenge = factors.challenge() if factors else None
    if challenge is None and _realm_kind(context, user):
        raise _Refused("missing required 2nd keys")
    return challenge


def _second_factor(context: Context, user: str, response: str | None, answered: str | None) -> str | None:
    """The challenge that is still to be answered, or None."""
    kind = _realm_kind(context, user)
    if kind == "yubico" and answered is None:
        factors = context.cluster.tfa.get(user)
        left = (factors.challenge() or {}).get("recovery") if factors else None
        return compact({"yubico": True, "recovery": left} if left else {"yubico": True})
    if kind and response is not None:
        _check_kind(kind, response)
    challenge = _challenge(context, user, answered)
    if response is None:
        return None if challenge is None else compact(challenge)
    if challenge is None:
        raise _Refused("no such challenge")
    with context.cluster.lock:
        factors = context.cluster.tfa.get(user)
        if factors is None or not factors.passes(response):
            raise _Refused("failed 2nd factor")
    return None


def _authenticate(context: Context, user: str) -> str | None:
    """Password, or the answer to a challenge given before; the challenge that is left."""
    parameters = context.parameters
    password, answered = str(parameters["password"]), as_text(parameters, "tfa-challenge")
    if truthy(answered):
        return _second_factor(context, user, password, answered)
    problem = check_password(context.cluster, user, password)
    if problem:
        raise _Refused(problem)
    return _second_factor(context, user, as_text(parameters, "otp"), None)


def _create(context: Context, user: str) -> dict[str, object]:
    parameters = context.parameters
    password, answered = str(parameters["password"]), parameters.get("tfa-challenge")
    if parameters.get("otp") is not None and answered is not None:
        raise _Refused("TFA response should be in 'password', not 'otp' when 'tfa-challenge' is set")
    challenge = None
    if answered is not None or context.authenticator.ticket_user(password) not in (user, "root@pam"):
        challenge = _authenticate(context, user)
    authenticator = context.authenticator
    data: dict[str, object] = {"username": user, "CSRFPreventionToken": authenticator.csrf(user)}
    if challenge is not None:
        return {**data, "ticket": authenticator.challenge_ticket(challenge, user), "NeedTFA": 1}
    return {**data, "ticket": authenticator.ticket(user)}


def _verify(context: Context, user: str, path: str, privileges: str) -> dict[str, object]:
    """Only tell whether the user may do this."""
    normal = normalize_path(path)
    if normal is None:
        raise _Refused(f"invalid path - {path}")
    if context.authenticator.ticket_user(str(context.parameters["password"])) != user:
        _authenticate(context, user)
    wanted = split_list(privileges)
    if not wanted or not context.permissions.has(user, normal, *wanted):
        raise _Refused(f"no permission ({path}, {privileges})")
    return {"username": user}


def _log_in(context: Context, user: str) -> dict[str, object]:
    try:
        known = context.permissions.existing_user(user)
    except ApiError as error:
        raise _Refused(error.message.rstrip("\n")) from error
    if not context.authenticator.enabled(user):
        raise _Refused(f"user '{user}' {'access expired' if known.enable else 'is disabled'}")
    path, privileges = as_text(context.parameters, "path"), as_text(context.parameters, "privs")
    if path and privileges and truthy(path) and truthy(privileges):
        return _verify(context, user, path, privileges)
    return _create(context, user)


@api("POST", "/access/ticket")
def create_ticket(context: Context) -> Result:
    """A ticket, its CSRF token and the capabilities, or a second factor's challenge; every failure is the same 401."""
    user = str(context.parameters["username"])
    if truthy(context.parameters.get("realm")):
        user = f"{user}@{context.parameters['realm']}"
    user = lookup_username(context.cluster, user, strict=True)
    try:
        data = _log_in(context, user)
    except _Refused as reason:
        log_failure(context, user, str(reason))
        raise ApiError(401, "authentication failure\n") from reason
    if "NeedTFA" not in data:
        data["cap"] = context.permissions.capabilities(user)
    if context.permissions.has(user, "/", "Sys.Audit"):
        data["clustername"] = context.cluster.name
    log_message(context, "root@pam", f"successful auth for user '{user}'")
    return Result(data)
