# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""/access: users, groups, roles, ACL, realms, tokens, permissions (pve-access-control API2/*.pm): what is read."""

from __future__ import annotations

from typing import Any

from tests.lab.context import Context, Result, api
from tests.lab.errors import server_error
from tests.lab.names import split_token
from tests.lab.realms import sync_options, tfa_type
from tests.lab.roles import BUILTIN_ROLES
from tests.lab.usercfg import User
from tests.lab.validate import as_int, as_text

_SUBDIRS = ("users", "groups", "roles", "acl", "domains", "openid", "tfa", "ticket", "password")
_USER_READERS = ("User.Modify", "Sys.Audit")


@api("GET", "/access")
def access_index(_context: Context) -> Result:
    """The directory."""
    return Result([{"subdir": name} for name in _SUBDIRS])


def _user_fields(user: User) -> dict[str, Any]:
    fields: dict[str, Any] = {"enable": user.enable}
    if user.expire is not None:
        fields["expire"] = user.expire
    return {**fields, **user.texts}


@api("GET", "/access/users")
def users(context: Context) -> Result:
    """The users the caller may see, itself always; groups as a comma string and tokens as a list with `full`."""
    wanted = context.parameters.get("enabled")
    rows = []
    for name, user in sorted(context.cluster.users.users.items()):
        visible = (
            context.permissions.has_any(context.who, "/access/groups", *_USER_READERS)
            or name == context.who
            or context.permissions.member_of_allowed_group(context.who, name, list(_USER_READERS))
        )
        if visible and (wanted is None or bool(user.enable) == (wanted == "1")):
            rows.append(_user_row(context, name, user, full=as_int(context.parameters, "full", 0) == 1))
    return Result(rows)


def _user_row(context: Context, name: str, user: User, *, full: bool) -> dict[str, Any]:
    row = {**_user_fields(user), "userid": name}
    if full:
        row["groups"] = ",".join(sorted(user.groups))
        row["tokens"] = user.tokens and [{"tokenid": key, **token.info()} for key, token in sorted(user.tokens.items())]
    realm = context.cluster.realms.get(name.rpartition("@")[2])
    if realm:
        row["realm-type"] = realm["type"]
    factors = context.cluster.tfa.get(name)
    return {**row, **factors.locks()} if factors else row


@api("GET", "/access/users/{userid}")
def user_detail(context: Context) -> Result:
    """One user: groups as a list, tokens as a map or null."""
    user = context.permissions.existing_user(str(context.parameters["userid"]))
    tokens = {name: token.info() for name, token in user.tokens.items()} if user.tokens else user.tokens
    return Result({**_user_fields(user), "groups": sorted(user.groups), "tokens": tokens})


@api("GET", "/access/users/{userid}/token")
def tokens_of_user(context: Context) -> Result:
    """A user's tokens, without the secrets."""
    user = context.permissions.existing_user(str(context.parameters["userid"]))
    return Result([{"tokenid": name, **token.info()} for name, token in (user.tokens or {}).items()])


@api("GET", "/access/users/{userid}/token/{tokenid}")
def token_detail(context: Context) -> Result:
    """One token."""
    name, token = str(context.parameters["userid"]), str(context.parameters["tokenid"])
    found = (context.permissions.existing_user(name).tokens or {}).get(token)
    if found is None:
        raise server_error(f"no such token '{token}' for user '{name}'")
    return Result(found.info())


@api("GET", "/access/groups")
def groups(context: Context) -> Result:
    """The groups the caller may see; members as a comma string."""
    rows = []
    for name, group in context.cluster.users.groups.items():
        if context.permissions.has_any(context.who, f"/access/groups/{name}", *_USER_READERS, "Group.Allocate"):
            row = {"groupid": name, "users": ",".join(sorted(group.users))}
            rows.append(row if group.comment is None else {**row, "comment": group.comment})
    return Result(rows)


@api("GET", "/access/groups/{groupid}")
def group_detail(context: Context) -> Result:
    """One group; members as a list."""
    name = str(context.parameters["groupid"])
    group = context.cluster.users.groups.get(name)
    if group is None:
        raise server_error(f"group '{name}' does not exist")
    data: dict[str, Any] = {"members": list(group.users)}
    return Result(data if group.comment is None else {**data, "comment": group.comment})


@api("GET", "/access/roles")
def roles(context: Context) -> Result:
    """All roles, for everybody."""
    return Result(
        [
            {"roleid": name, "privs": ",".join(sorted(privileges)), "special": int(name in BUILTIN_ROLES)}
            for name, privileges in context.cluster.users.roles.items()
        ]
    )


@api("GET", "/access/roles/{roleid}")
def role_detail(context: Context) -> Result:
    """The privileges of one role."""
    name = str(context.parameters["roleid"])
    privileges = context.cluster.users.roles.get(name)
    if privileges is None:
        raise server_error(f"role '{name}' does not exist")
    return Result(dict.fromkeys(sorted(privileges), 1))


@api("GET", "/access/acl")
def acl(context: Context) -> Result:
    """All entries with Sys.Audit on /access, else those of paths the caller may change."""
    auditor = context.permissions.has(context.who, "/access", "Sys.Audit")
    rows: list[dict[str, Any]] = []
    for path, node in context.cluster.users.walk():
        if not auditor and not context.permissions.may_modify(context.who, path):
            continue
        for kind in ("user", "group", "token"):
            for name, entry in node.entries.get(kind, {}).items():
                rows.extend(
                    {"path": path, "type": kind, "ugid": name, "roleid": role, "propagate": flag}
                    for role, flag in entry.items()
                )
    return Result(rows)


def _realm_fields(realm: dict[str, Any]) -> dict[str, Any]:
    fields = {key: realm[key] for key in ("type", "comment") if realm.get(key)}
    if realm.get("default"):
        fields["default"] = 1
    kind = tfa_type(realm.get("tfa"))
    return {**fields, "tfa": kind} if kind else fields


@api("GET", "/access/domains")
def domains(context: Context) -> Result:
    """The realms; also without a login."""
    return Result([{"realm": name, **_realm_fields(realm)} for name, realm in context.cluster.realms.items()])


@api("GET", "/access/domains/{realm}")
def domain_detail(context: Context) -> Result:
    """One realm's settings."""
    name = str(context.parameters["realm"])
    realm = context.cluster.realms.get(name)
    if realm is None:
        raise server_error(f"domain '{name}' does not exist")
    data = {**realm, "digest": context.cluster.realms_digest}
    if name == "pam":
        data["plugin"] = "PVE::Auth::PAM"
    if realm["type"] in ("ad", "ldap") and realm.get("sync-defaults-options"):
        data["sync-defaults-options"] = sync_options(str(realm["sync-defaults-options"]), drop_old=False)
    return Result(data)


@api("GET", "/access/permissions")
def permissions(context: Context) -> Result:
    """Effective privileges of the caller or, with Sys.Audit on /access, of another user or token."""
    userid = as_text(context.parameters, "userid") or context.who
    owner = split_token(userid)
    if userid != context.who and not (owner and owner[0] == context.who):
        context.permissions.require(context.who, "/access", "Sys.Audit")
    path = as_text(context.parameters, "path")
    if path and path != "0":
        return Result({path: context.permissions.of(userid, path)})
    return Result(context.permissions.effective(userid))
