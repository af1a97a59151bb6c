# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""/access/ticket: login by password (pve-access-control API2/AccessControl.pm)."""

from __future__ import annotations

from tests.lab.context import Context, Result, api
from tests.lab.errors import ApiError
from tests.lab.names import split_list
from tests.lab.validate import as_text


@api("GET", "/access/ticket")
def get_ticket(_context: Context) -> Result:
    """A dummy for login pages."""
    return Result(None)


def _logged_in(context: Context, user: str) -> bool:
    parameters = context.parameters
    if parameters.get("otp") is not None or parameters.get("tfa-challenge") is not None:
        return False
    return context.authenticator.password_user(user, str(parameters["password"]))


@api("POST", "/access/ticket")
def create_ticket(context: Context) -> Result:
    """A ticket, its CSRF token and the capabilities; every failure is the same 401."""
    parameters = context.parameters
    user = str(parameters["username"])
    if parameters.get("realm"):
        user = f"{user}@{parameters['realm']}"
    path, privileges = as_text(parameters, "path"), as_text(parameters, "privs")
    allowed = _logged_in(context, user)
    if allowed and path and privileges:
        allowed = context.permissions.has(user, path, *split_list(privileges))
    if not allowed:
        raise ApiError(401, "authentication failure\n")
    data: dict[str, object] = {"username": user, "cap": context.permissions.capabilities(user)}
    if not (path and privileges):
        data["ticket"] = context.authenticator.ticket(user)
        data["CSRFPreventionToken"] = context.authenticator.csrf(user)
    if context.permissions.has(user, "/", "Sys.Audit"):
        data["clustername"] = context.cluster.name
    return Result(data)
