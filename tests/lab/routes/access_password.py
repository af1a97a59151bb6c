# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PUT /access/password (pve-access-control API2/AccessControl.pm, RPCEnvironment.pm)."""

from __future__ import annotations

from tests.lab.authn import check_password, set_password
from tests.lab.context import Context, Result, api
from tests.lab.daemonlog import log_message
from tests.lab.errors import param_error, perm_error, server_error
from tests.lab.validate import as_text


def confirm(context: Context, user: str, parameter: str) -> None:
    """Before a password or second factor is changed: only root@pam changes root@pam, others give their password."""
    context.permissions.existing_user(user)
    if context.who == "root@pam":
        return
    if user == "root@pam":
        raise perm_error()
    password = as_text(context.parameters, parameter)
    if password is None:
        raise param_error({parameter: "password is required to modify user"})
    problem = check_password(context.cluster, context.who, password)
    if problem:
        raise server_error(problem)


@api("PUT", "/access/password")
def change_password(context: Context) -> Result:
    """Set a password: one's own, or another's with the rights over it; Unix passwords of others only as root@pam."""
    user = str(context.parameters["userid"])
    confirm(context, user, "confirmation-password")
    if context.who not in ("root@pam", user) and user.endswith("@pam"):
        raise perm_error()
    with context.cluster.lock:
        set_password(context.cluster, user, str(context.parameters["password"]))
    log_message(context, "root@pam", f"changed password for user '{user}'")
    return Result(None)
