# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An API token, addressed by its user and its name.

Proxmox VE shows the secret once, when the token is made or its secret regenerated. An update leaves alone what is
absent. [PVE::API2::User generate_token, update_token_info]
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError, NotAnApiError, RefusedError
from ansible_collections.pve.audit.plugins.module_utils._model.expiry import parse_expire
from ansible_collections.pve.audit.plugins.module_utils._model.limits import disguised_texts, text_mistakes
from ansible_collections.pve.audit.plugins.module_utils._model.names import check_name, unreachable
from ansible_collections.pve.audit.plugins.module_utils._model.texts import plain_text
from ansible_collections.pve.audit.plugins.module_utils._pve.change import (
    Change,
    Record,
    Request,
    differing,
    parameters,
    refuse,
    send,
    updated,
    with_warnings,
)
from ansible_collections.pve.audit.plugins.module_utils._pve.guards import refuse_own_token
from ansible_collections.pve.audit.plugins.module_utils._pve.session import ChangeApi
from ansible_collections.pve.audit.plugins.module_utils._pve.users import read_user


def wanted_token(params: Mapping[str, Any]) -> Record:
    """The options in Proxmox VE's names, None for what was left out. Raises InputError."""
    userid, name = check_name("user", "userid", params["userid"]), check_name("name", "name", params["name"])
    if "!" in name:
        raise InputError(f"name {name!r} is more than the name: give alice@pve as userid, and ci as name")
    comment = None if params["comment"] is None else plain_text(params["comment"])
    refuse(text_mistakes("token", {"comment": comment}))
    return {
        "userid": userid,
        "tokenid": name,
        "comment": comment,
        "expire": None if params["expire"] is None else parse_expire(params["expire"]),
        "privsep": params["privsep"],
    }


def find_token(user: Mapping[str, Any], userid: str, name: str) -> Record:
    """The token of the user, with its full name; empty when there is none."""
    found: list[Record] = [token for token in user.get("tokens", []) if token["tokenid"] == name]
    return {"userid": userid, **found[0], "full_tokenid": f"{userid}!{name}"} if found else {}


def plan_token(token: Record, wanted: Mapping[str, Any], regenerate: bool = False) -> Change:
    """Create or update the token, and give it a new secret when asked to."""
    full = f"{wanted['userid']}!{wanted['tokenid']}"
    path = ("access", "users", str(wanted["userid"]), "token", str(wanted["tokenid"]))
    fields = {name: wanted[name] for name in ("privsep", "expire", "comment")}
    if not token:
        given = {name: value for name, value in fields.items() if value not in (None, "")}
        after = {
            "userid": wanted["userid"],
            "tokenid": wanted["tokenid"],
            "full_tokenid": full,
            "privsep": True,
            "expire": 0,
            **given,
        }
        return Change({}, after, (Request(f"create the token {full}", "POST", path, parameters(given)),), ("value",))
    changes = differing(token, fields)
    if not changes and not regenerate:
        return Change(token, token)
    sent = parameters(changes) | ({"regenerate": 1} if regenerate else {})
    request = Request(f"change the token {full}", "PUT", path, sent)
    return Change(token, updated(token, changes), (request,), ("value",) if regenerate else ())


def plan_token_absent(token: Record) -> Change:
    """Delete the token."""
    if not token:
        return Change({}, {})
    path = ("access", "users", token["userid"], "token", token["tokenid"])
    return Change(token, {}, (Request(f"delete the token {token['full_tokenid']}", "DELETE", path),))


def ensure_token(
    api: ChangeApi, params: Mapping[str, Any], check_mode: bool, now: float
) -> tuple[Change, dict[str, Any]]:
    """Make the token as the options say. Raises AuditError."""
    wanted = wanted_token(params)
    absent = params["state"] == "absent"
    if not absent:
        check_name("token name", "name", wanted["tokenid"])
    userid = wanted["userid"]
    user = read_user(api, userid)
    token = find_token(user, userid, wanted["tokenid"])
    change = plan_token_absent(token) if absent else plan_token(token, wanted, params["regenerate"])
    if user and change.changed:
        refuse([unreachable(userid)])
    change = with_warnings(change, disguised_texts({} if absent else {"comment": wanted["comment"]}))
    if token and change.changed:
        refuse_own_token(api, token, change.after, params, now)
    if absent:
        send(api, change, check_mode)
        return change, {"token": {}}
    if not user and not check_mode:
        raise InputError(
            f"the token {userid}!{wanted['tokenid']} cannot be made: there is no user {userid}, create it first"
        )
    answers = _send(api, change, check_mode)
    return change, {"token": {**change.after, **_secret(answers, change)}}


def _send(api: ChangeApi, change: Change, check_mode: bool) -> list[Any]:
    try:
        return send(api, change, check_mode)
    except RefusedError as error:
        if error.status == 400 and "regenerate" in error.fields:
            raise RefusedError(
                f"cannot give {change.after['full_tokenid']} a new secret: this Proxmox VE (before access control 9.1) "
                "cannot do that in place; delete the token, make it again, and grant its roles again",
                error.status,
            ) from None
        raise


def _secret(answers: list[Any], change: Change) -> Record:
    """The secret, when this run made one."""
    if not answers or "value" not in change.secret:
        return {}
    value = answers[-1].get("value") if isinstance(answers[-1], Mapping) else None
    if not value:
        raise NotAnApiError(
            f"the token {change.after['full_tokenid']} was written, but the answer has no secret: regenerate it"
        )
    return {"value": str(value)}
