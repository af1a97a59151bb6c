# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""/access/tfa: second factors (pve-access-control API2/TFA.pm, API2/User.pm).

TOTP and recovery keys can be added; a WebAuthn, U2F or Yubico entry needs a device and comes from a test's fixture.
"""

from __future__ import annotations

import secrets
import time
import uuid
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.lab.context import Context, Result, api
from tests.lab.errors import ApiError, server_error
from tests.lab.identity import edit_users, locked
from tests.lab.names import verify_username
from tests.lab.realms import tfa_type
from tests.lab.routes.access_password import confirm
from tests.lab.tfa import TfaEntry, TfaUser, totp_passes
from tests.lab.usercfg import UserConfig
from tests.lab.validate import as_int, as_text

_READERS = ("User.Modify", "Sys.Audit")
_NOT_ARRAY = "Not an ARRAY reference at /usr/share/perl5/PVE/API2/User.pm line 640."


@api("GET", "/access/users/{userid}/tfa")
def user_tfa(context: Context) -> Result:
    """What the realm asks for, and the kinds of factors the user has (`multiple`) or the oldest kind of them."""
    name = str(context.parameters["userid"])
    realm = context.cluster.realms.get(verify_username(name)[2])
    if realm is None:
        raise server_error(f"auth domain '{verify_username(name)[2]}' does not exist")
    kind = tfa_type(realm.get("tfa"))
    data: dict[str, Any] = {"realm": kind} if kind else {}
    factors = context.cluster.tfa.get(name)
    if as_int(context.parameters, "multiple", 0):
        kinds = factors.kinds() if factors else []
        if "recovery" in kinds:
            raise server_error(_NOT_ARRAY)
        data["user"] = kinds
    elif factors and factors.entries:
        data["user"] = factors.legacy_type()
    return Result(data)


@api("GET", "/access/tfa")
def tfa(context: Context) -> Result:
    """All users with second factors that the caller may see, itself always."""
    permissions, who = context.permissions, context.who
    everybody = permissions.has_any(who, "/access/groups", *_READERS)
    return Result(
        [
            {"userid": name, "entries": factors.infos(), **factors.locks()}
            for name, factors in list(context.cluster.tfa.items())
            if everybody or name == who or permissions.member_of_allowed_group(who, name, list(_READERS))
        ]
    )


@api("GET", "/access/tfa/{userid}")
def tfa_of_user(context: Context) -> Result:
    """A user's second factors; none for an unknown user."""
    factors = context.cluster.tfa.get(str(context.parameters["userid"]))
    return Result(factors.infos() if factors else [])


@api("GET", "/access/tfa/{userid}/{id}")
def tfa_entry(context: Context) -> Result:
    """One second factor; 404 when there is none."""
    factors = context.cluster.tfa.get(str(context.parameters["userid"]))
    entry = factors.find(str(context.parameters["id"])) if factors else None
    if entry is None:
        raise ApiError(404, f"No such tfa entry '{context.parameters['id']}'\n")
    return Result(entry.info())


def _mark(context: Context, user: str, *, enabled: bool) -> None:
    """The user's `keys` say whether there are second factors."""

    def change(config: UserConfig) -> None:
        config.users[user].texts["keys"] = "x" if enabled else ""

    edit_users(context.cluster, "enabling TFA for the user failed", change)


def _entry(context: Context, user: str, name: str) -> tuple[TfaUser, TfaEntry]:
    factors = context.cluster.tfa.get(user)
    entry = factors.find(name) if factors else None
    if factors is None or entry is None:
        raise server_error("no such entry")
    return factors, entry


@api("DELETE", "/access/tfa/{userid}/{id}")
def delete_tfa(context: Context) -> Result:
    """Remove a second factor; others than root@pam give their password."""
    user = str(context.parameters["userid"])
    confirm(context, user, "password")
    with locked(context.cluster, "priv/tfa.cfg"):
        factors, entry = _entry(context, user, str(context.parameters["id"]))
        left = [known for known in factors.entries if known is not entry]
        tfa_now = dict(context.cluster.tfa)
        if left:
            recovery = [] if entry.type == "recovery" else factors.recovery
            tfa_now[user] = TfaUser(left, recovery, factors.totp_locked, factors.locked_until)
        else:
            del tfa_now[user]
        context.cluster.tfa = tfa_now
    if not left:
        _mark(context, user, enabled=False)
    return Result(None)


@api("PUT", "/access/tfa/{userid}/{id}")
def update_tfa(context: Context) -> Result:
    """Change description or enable flag. Recovery keys have neither."""
    user = str(context.parameters["userid"])
    confirm(context, user, "password")
    with locked(context.cluster, "priv/tfa.cfg"):
        _, entry = _entry(context, user, str(context.parameters["id"]))
        if entry.type == "recovery":
            raise server_error("no such entry")
        description, enable = as_text(context.parameters, "description"), context.parameters.get("enable")
        entry.description = entry.description if description is None else description
        entry.enable = entry.enable if enable is None else enable == "1"
    return Result(None)


def _new_totp(parameters: dict[str, Any]) -> TfaEntry:
    if parameters.get("challenge") is not None:
        raise server_error("'challenge' parameter is invalid for 'totp' entries")
    if parameters.get("description") is None:
        raise server_error("'description' is required for new entries")
    if parameters.get("totp") is None or parameters.get("value") is None:
        raise server_error("'totp' type requires both 'totp' and 'value' parameters")
    values = parse_qs(urlsplit(str(parameters["totp"])).query)
    secret = (values.get("secret") or [""])[0]
    if not totp_passes(secret, str(parameters["value"])):
        raise server_error("failed to verify TOTP challenge")
    entry = TfaEntry(str(uuid.uuid4()), "totp", str(parameters["description"]), int(time.time()))
    entry.secret = secret
    return entry


def _new_recovery(factors: TfaUser, parameters: dict[str, Any]) -> tuple[TfaEntry, list[str]]:
    if any(parameters.get(name) is not None for name in ("totp", "value", "challenge")):
        raise server_error("generating recovery tokens does not allow additional parameters")
    if factors.find("recovery"):
        raise server_error("user already has recovery keys")
    keys = ["-".join(secrets.token_hex(2) for _ in range(4)) for _ in range(10)]
    return TfaEntry("recovery", "recovery", created=int(time.time())), keys


@api("POST", "/access/tfa/{userid}")
def add_tfa(context: Context) -> Result:
    """Add a TOTP entry (checked against `value`) or ten recovery keys."""
    user, kind = str(context.parameters["userid"]), str(context.parameters["type"])
    confirm(context, user, "password")
    with locked(context.cluster, "priv/tfa.cfg"):
        _mark(context, user, enabled=True)
        factors = context.cluster.tfa.get(user, TfaUser())
        keys: list[str] = []
        if kind == "totp":
            entry = _new_totp(context.parameters)
        elif kind == "recovery":
            entry, keys = _new_recovery(factors, context.parameters)
        else:
            raise server_error(f"the simulator has no device for '{kind}'")
        recovery = [*keys] if keys else factors.recovery
        changed = TfaUser([*factors.entries, entry], [*recovery], factors.totp_locked, factors.locked_until)
        context.cluster.tfa = {**context.cluster.tfa, user: changed}
    answer: dict[str, Any] = {"id": entry.id}
    return Result({**answer, "recovery": keys} if keys else answer)
