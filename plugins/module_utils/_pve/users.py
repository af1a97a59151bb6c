# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A user, changed only where it is asked for.

An update sends what differs and nothing else: Proxmox VE leaves alone what is absent (`enable`, `expire`, texts), and
replaces the groups as a whole unless `append` is set. [PVE::API2::User update_user]
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._model.errors import ForbiddenError, InputError, RefusedError
from ansible_collections.pve.audit.plugins.module_utils._model.expiry import parse_expire
from ansible_collections.pve.audit.plugins.module_utils._model.limits import (
    disguised_texts,
    password_mistakes,
    text_mistakes,
)
from ansible_collections.pve.audit.plugins.module_utils._model.names import (
    ROOT,
    check_name,
    new_name_mistake,
    realm_of,
    unreachable,
)
from ansible_collections.pve.audit.plugins.module_utils._model.texts import plain_text
from ansible_collections.pve.audit.plugins.module_utils._pve.change import (
    Change,
    Record,
    Request,
    differing,
    parameters,
    read_detail,
    refuse,
    rows,
    send,
    updated,
    with_warnings,
)
from ansible_collections.pve.audit.plugins.module_utils._pve.guards import (
    is_active_record,
    last_administrator,
    refuse_own_account,
)
from ansible_collections.pve.audit.plugins.module_utils._pve.identity import with_case
from ansible_collections.pve.audit.plugins.module_utils._pve.identity_rows import (
    legacy_factors,
    realm_row,
    tfa_row,
    user_row,
)
from ansible_collections.pve.audit.plugins.module_utils._pve.session import Api, ChangeApi

TEXTS = ("firstname", "lastname", "email", "comment")
_LEFT = {
    "unproven": "{} is disabled, expired or locked, so that its password could not be tried: it was left as it is",
    "factorless": (
        "the password of {} was refused, which says nothing about it: the realm asks for a second factor, none of this "
        "user could be seen, and without one the right password is refused too; it was left as it is"
    ),
}


def read_user(api: Api, userid: str) -> Record:
    """The user as `user_row` has it, with its tokens; empty when there is none.

    Raises ForbiddenError when there is one that the credential may not see. The list comes first, for Proxmox VE does
    not find a name with letters beyond ASCII by its path.
    """
    for row in rows(api.get("access", "users", full=1), "/access/users"):
        user = user_row(row)
        if user is not None and user["userid"] == userid:
            return user
    detail = read_detail(api, ("access", "users", userid), f"the user {userid}")
    return {} if detail is None else user_row({**detail, "userid": userid}) or {}


def wanted_user(params: Mapping[str, Any]) -> Record:
    """The options in Proxmox VE's names, None for what was left out. Raises InputError."""
    groups = params["groups"]
    texts = {name: None if params[name] is None else plain_text(params[name]) for name in TEXTS}
    refuse(text_mistakes("user", texts))
    return {
        "userid": check_name("user", "userid", params["userid"]),
        "enable": params["enabled"],
        "expire": None if params["expire"] is None else parse_expire(params["expire"]),
        **texts,
        "groups": None
        if groups is None
        else sorted({check_name("group", "groups", group) for group in groups if group}),
        "groups_append": params["groups_append"],
        "password": params["password"],
        "update_password": params["update_password"],
    }


def plan_user(user: Mapping[str, Any], wanted: Mapping[str, Any]) -> Change:
    """Create or update everything but the password of an existing user."""
    userid = str(wanted["userid"])
    fields = {name: wanted[name] for name in ("enable", "expire", *TEXTS, "groups")}
    if not user:
        given = {name: value for name, value in fields.items() if value not in (None, "", [])}
        password = {} if wanted["password"] is None else {"password": wanted["password"]}
        request = Request(
            f"create the user {userid}",
            "POST",
            ("access", "users"),
            parameters({"userid": userid, **given}) | password,
            ("password",),
        )
        after = {"userid": userid, "enable": True, "expire": 0, "groups": [], **given}
        return Change({}, after, (request,), tuple(password))
    before = visible(user)
    append = wanted["groups_append"] and wanted["groups"] is not None
    if append:
        fields["groups"] = sorted({*before["groups"], *wanted["groups"]})
    changes = differing(before, fields)
    if not changes:
        return Change(before, before)
    sent = dict(changes)
    if append and "groups" in changes:
        sent |= {"groups": sorted(set(changes["groups"]) - set(before["groups"])), "append": True}
    request = Request(f"change the user {userid}", "PUT", ("access", "users", userid), parameters(sent))
    return Change(before, updated(before, changes), (request,))


def plan_user_absent(user: Mapping[str, Any], userid: str) -> Change:
    """Delete the user. Raises InputError for root@pam, which Proxmox VE would enable again and rob of its tokens."""
    if userid == ROOT:
        raise InputError(
            "root@pam cannot be deleted: Proxmox VE makes it again at once, enabled and without its tokens; "
            "use enabled: false to close it for the GUI and the API"
        )
    if not user:
        return Change({}, {})
    return Change(visible(user), {}, (Request(f"delete the user {userid}", "DELETE", ("access", "users", userid)),))


def visible(user: Mapping[str, Any]) -> Record:
    """What results and differences show of a user: no second factors, and of the tokens the names."""
    shown = ("userid", "enable", "expire", *TEXTS, "groups")
    record = {name: user[name] for name in shown if name in user}
    tokens = [token["tokenid"] for token in user.get("tokens", [])]
    return {**record, "tokens": tokens} if tokens else record


def can_log_in(user: Mapping[str, Any], now: float) -> bool:
    """Whether a right password is accepted. [PVE::AccessControl check_user_enabled]"""
    return is_active_record(user, now) and int(user.get("tfa_locked_until", 0)) <= now


def password_step(user: Mapping[str, Any], wanted: Mapping[str, Any], now: float) -> str:
    """What to do about the password of an existing user: `keep`, `try` it, `set` it, or it is `unproven`.

    An account that cannot log in refuses every password. One that the same run opens gets the password set, for it is
    changed anyway.
    """
    if wanted["password"] is None or wanted["update_password"] != "always":
        return "keep"
    if can_log_in(user, now):
        return "try"
    after = {**user, **{name: wanted[name] for name in ("enable", "expire") if wanted[name] is not None}}
    return "set" if can_log_in(after, now) else "unproven"


def try_password(api: ChangeApi, user: Mapping[str, Any], password: str) -> str:
    """Log in with it: `keep` it, `set` it, or `factorless` when a refusal says nothing about it. Raises ApiError.

    A realm that asks for a second factor refuses everybody who has none, after the password. Only Yubico's challenge
    is given without looking. [PVE::AccessControl authenticate_2nd_new_do]
    """
    userid = str(user["userid"])
    if api.accepts_login(userid, password):
        return "keep"
    required = _find_row(api, "domains", realm_row, "realm", realm_of(userid)).get("tfa")
    if required in (None, "yubico") or legacy_factors(str(user.get("keys", "")), required):
        return "set"
    try:
        factors = _find_row(api, "tfa", tfa_row, "userid", userid).get("types")
    except ForbiddenError:
        return "factorless"
    return "set" if factors else "factorless"


def _find_row(
    api: Api, name: str, reader: Callable[[Mapping[str, Any]], Record | None], key: str, value: str
) -> Record:
    """The row of a list below /access with this value; empty when there is none."""
    found = (reader(row) for row in rows(api.get("access", name), f"/access/{name}"))
    return next((row for row in found if row and row[key] == value), {})


def ensure_user(
    api: ChangeApi, params: Mapping[str, Any], check_mode: bool, now: float
) -> tuple[Change, dict[str, Any]]:
    """Make the user as the options say. Raises AuditError."""
    wanted = wanted_user(params)
    userid = wanted["userid"]
    user = read_user(api, userid)
    absent = params["state"] == "absent"
    change = plan_user_absent(user, userid) if absent else plan_user(user, wanted)
    _refuse_impossible(api, user, change, wanted)
    change = _guarded(api, user, change, params, check_mode, now)
    change = with_warnings(change, disguised_texts({} if absent else {name: wanted[name] for name in TEXTS}))
    if absent:
        send(api, change, check_mode)
        if change.changed and not check_mode:
            _check_deleted(api, userid)
        return change, {"user": {}}
    step = _password_step(api, user, wanted, now)
    _send(api, user, change, check_mode)
    if step == "set":
        change = _with_password(change, userid)
        if not check_mode:
            api.change_password(userid, wanted["password"])
    elif step in _LEFT:
        change = replace(change, warnings=(*change.warnings, _LEFT[step].format(userid)))
    return change, {"user": change.after}


def _password_step(api: ChangeApi, user: Mapping[str, Any], wanted: Mapping[str, Any], now: float) -> str:
    """What becomes of the password. Raises InputError for a change that the credential cannot make."""
    step = password_step(user, wanted, now) if user else "keep"
    if step == "try":
        step = try_password(api, user, wanted["password"])
    if step == "set" and api.uses_token:
        raise InputError(
            f"the password of {wanted['userid']} cannot be changed with an API token, Proxmox VE wants a login for "
            "that: use api_password, or update_password: on_create"
        )
    return step


def _refuse_impossible(api: Api, user: Mapping[str, Any], change: Change, wanted: Mapping[str, Any]) -> None:
    """Raises InputError for a change that Proxmox VE would not make, or that nobody could undo."""
    userid, password = str(wanted["userid"]), wanted["password"]
    if not change.changed:
        return
    if user:
        refuse([unreachable(userid)])
        return
    realm = realm_of(userid)
    found = (realm_row(row) for row in rows(api.get("access", "domains"), "/access/domains"))
    realms = {row["realm"]: row for row in found if row}
    mistakes = [new_name_mistake("user", "userid", userid)]
    if realm not in realms:
        mistakes.append(f"userid names the realm {realm}, which does not exist: {', '.join(sorted(realms))} do")
    else:
        mistakes.append(_twin_mistake(api, userid, realms[realm]))
        if password is not None:
            mistakes += password_mistakes("password", password, 0, realm, realms[realm]["type"])
    refuse(mistakes)


def _twin_mistake(api: Api, userid: str, realm: Record) -> str | None:
    """In a realm without case Proxmox VE takes a new name for the account that has it in other letters.

    Whether the realm is one may not be seen; then Proxmox VE answers. [PVE::API2::User create_user]
    """
    names = (str(row.get("userid")) for row in rows(api.get("access", "users"), "/access/users"))
    twin = next((name for name in names if name.lower() == userid.lower()), None)
    if twin is None or with_case(api, realm).get("case_sensitive", True) is not False:
        return None
    why = f"the realm {realm['realm']} does not tell upper from lower case, and there is {twin}"
    return f"userid cannot be made as {userid}: {why}"


def _send(api: ChangeApi, user: Mapping[str, Any], change: Change, check_mode: bool) -> None:
    """Whoever may change only the members of some groups has to name these groups with each change of a member.

    They are named to be joined, in which the user is already. [PVE::RPCEnvironment check_api2_permissions userid-group]
    """
    try:
        send(api, change, check_mode)
    except ForbiddenError:
        groups = ",".join(_allowed_groups(api, user))
        if not user or not groups or "groups" in change.requests[0].params:
            raise
        named = [replace(one, params={**one.params, "groups": groups, "append": 1}) for one in change.requests]
        send(api, replace(change, requests=tuple(named)))


def _allowed_groups(api: Api, user: Mapping[str, Any]) -> list[str]:
    """Groups of the user of which the credential may change the members."""
    granted = api.get("access", "permissions")
    if not isinstance(granted, Mapping):
        return []
    paths = {str(path) for path, names in granted.items() if isinstance(names, Mapping) and "User.Modify" in names}
    return [name for name in user.get("groups", ()) if f"/access/groups/{name}" in paths]


def _guarded(
    api: ChangeApi, user: Mapping[str, Any], change: Change, params: Mapping[str, Any], check_mode: bool, now: float
) -> Change:
    """The change, when nobody is locked out by it. Raises InputError.

    In check mode an earlier task may only have said that it would make another administrator, so that is a warning.
    """
    if not user or not change.changed:
        return change
    refuse_own_account(api, user, change.after, params, now)
    sentence = last_administrator(api, user, change.after, now)
    if sentence and not check_mode:
        raise InputError(sentence)
    return replace(change, warnings=(sentence,)) if sentence else change


def _with_password(change: Change, userid: str) -> Change:
    request = Request(f"set the password of {userid}", "PUT", ("access", "password"))
    return replace(change, requests=(*change.requests, request), secret=("password",))


def _check_deleted(api: ChangeApi, userid: str) -> None:
    """Proxmox VE answers 200 to root@pam even when it did not find the user. Raises RefusedError."""
    if userid == api.user:
        return
    if any(row.get("userid") == userid for row in rows(api.get("access", "users"), "/access/users")):
        raise RefusedError(
            f"cannot delete the user {userid}: Proxmox VE answered 200, but the user is still there; "
            "names with letters beyond ASCII have to be deleted with pveum on a node",
            200,
        )
