# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The changes of users and tokens that a declaration asks for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._identity.change import (
    Change,
    Phase,
    Undeclared,
    change,
    expire_option,
)
from ansible_collections.pve.audit.plugins.module_utils._identity.plan.declaration import (
    BREAK_GLASS,
    Declaration,
    TokenWish,
    UserWish,
)
from ansible_collections.pve.audit.plugins.module_utils._model.names import ROOT
from ansible_collections.pve.audit.plugins.module_utils._model.texts import plain_text
from ansible_collections.pve.audit.plugins.module_utils._model.time import rfc3339

Found = Iterator[Change | Undeclared]
Row = Mapping[str, Any]
_DAY = 86400


def plan_users(wanted: Declaration, identity: Row, now: float) -> Found:
    """Declared accounts, accounts to be disabled, and accounts nobody declared."""
    existing = {row["userid"]: row for row in identity["users"]}
    for wish in wanted.users:
        row = existing.get(wish.userid)
        if wish.state == "absent":
            if row is not None:
                yield _delete(wish.userid)
        elif row is None:
            yield _create(wish)
        else:
            yield from _update(wish, row)
            yield from _shrink(wish, row)
    for name in wanted.shared_accounts:
        if name in existing and existing[name]["enable"]:
            yield _disable(name, f"Disable the shared account {name}.")
    declared = {wish.userid for wish in wanted.users} | set(wanted.shared_accounts) | {ROOT}
    for name, row in existing.items():
        if name not in declared:
            yield from _undeclared(name, row, wanted)


def _undeclared(name: str, row: Row, wanted: Declaration) -> Found:
    yield Undeclared("user", name, f"The user {name} is not declared{'' if row['enable'] else ', and disabled'}.")
    if not wanted.managed & {"people", "service_accounts"}:
        return
    if wanted.undeclared == "remove":
        yield _delete(name)
    elif wanted.undeclared == "disable" and row["enable"]:
        yield _disable(name, f"Disable the user {name}, who is not declared.")


def _delete(name: str) -> Change:
    options = {"userid": name, "state": "absent"}
    return change(Phase.USER_DELETE, "user", name, "delete", options, f"Delete the user {name}.")


def _disable(name: str, sentence: str) -> Change:
    options = {"userid": name, "enabled": False, "state": "present"}
    return change(Phase.USER_DISABLE, "user", name, "disable", options, sentence)


def _create(wish: UserWish) -> Change:
    options: dict[str, Any] = {"userid": wish.userid, "state": "present", "enabled": wish.state != "disabled"}
    options |= dict(wish.texts)
    if wish.kind == BREAK_GLASS:
        options.setdefault("comment", "Break-glass account: for emergencies only")
    if wish.expire is not None:
        options["expire"] = expire_option(wish.expire)
    if wish.groups is not None:
        options["groups"] = list(wish.groups)
    where = f" in the groups {', '.join(wish.groups)}" if wish.groups else ""
    made = change(Phase.USER, "user", wish.userid, "create", options, f"Create the {wish.kind} {wish.userid}{where}.")
    made["sets_password"] = wish.password is not None
    return made


def _later(wished: int, present: int) -> bool:
    return present != 0 and (wished == 0 or wished > present)


def _update(wish: UserWish, row: Row) -> Found:
    """What adds: texts, groups to join, a later expiry, enabling."""
    options: dict[str, Any] = {key: text for key, text in wish.texts if text != plain_text(row.get(key, ""))}
    said = [f"change {', '.join(options)}"] if options else []
    joined = [group for group in wish.groups or () if group not in row["groups"]]
    if joined:
        options |= {"groups": joined, "groups_append": True}
        said.append(f"join {', '.join(joined)}")
    if wish.expire is not None and _later(wish.expire, row["expire"]):
        options["expire"] = expire_option(wish.expire)
        said.append(f"expire {_when(wish.expire)}")
    if wish.state == "present" and not row["enable"]:
        options["enabled"] = True
        said.append("enable")
    if options:
        options |= {"userid": wish.userid, "state": "present"}
        yield change(Phase.USER, "user", wish.userid, "update", options, f"Update {wish.userid}: {'; '.join(said)}.")


def _shrink(wish: UserWish, row: Row) -> Found:
    """What takes away: groups to leave, a sooner expiry, disabling."""
    options: dict[str, Any] = {}
    said = []
    left = [] if wish.groups is None else [group for group in row["groups"] if group not in wish.groups]
    if left:
        options["groups"] = list(wish.groups or ())
        said.append(f"leave {', '.join(left)}")
    if wish.expire is not None and wish.expire != row["expire"] and not _later(wish.expire, row["expire"]):
        options["expire"] = expire_option(wish.expire)
        said.append(f"expire {_when(wish.expire)}")
    if options:
        options |= {"userid": wish.userid, "state": "present"}
        text = f"Update {wish.userid}: {'; '.join(said)}."
        yield change(Phase.USER_SHRINK, "user", wish.userid, "update", options, text)
    if wish.state == "disabled" and row["enable"]:
        yield _disable(wish.userid, f"Disable {wish.userid}.")


def _when(epoch: int) -> str:
    return f"at {rfc3339(epoch)}" if epoch else "never"


def plan_tokens(wanted: Declaration, identity: Row, now: float) -> Found:
    """Tokens of service accounts; those of other declared accounts and of root@pam are undeclared."""
    existing = {row["userid"]: {token["tokenid"]: token for token in row["tokens"]} for row in identity["users"]}
    for wish in wanted.users:
        if wish.state == "absent":
            continue
        found = existing.get(wish.userid, {})
        for token in wish.tokens or ():
            if token.id not in found:
                yield _new_token(wish, token, wanted, now)
            else:
                yield from _changed_token(wish, token, found[token.id], wanted, now)
    wishes = {wish.userid: wish for wish in reversed(wanted.users)}
    for owner, tokens in existing.items():
        yield from _undeclared_tokens(owner, tokens, wishes.get(owner), wanted)


def _undeclared_tokens(owner: str, tokens: Row, wish: UserWish | None, wanted: Declaration) -> Found:
    declared = _declared_tokens(owner, wish)
    if declared is None:
        return
    for name in tokens:
        if name in declared:
            continue
        full = f"{owner}!{name}"
        yield Undeclared("token", full, f"The token {full} is not declared.")
        if wanted.undeclared == "remove":
            options = {"userid": owner, "name": name, "state": "absent"}
            yield change(Phase.TOKEN_SHRINK, "token", full, "delete", options, f"Delete the token {full}.")


def _declared_tokens(owner: str, wish: UserWish | None) -> set[str] | None:
    """The names of the account's declared tokens; None when its tokens are none of the declaration's business."""
    if wish is None:
        return set() if owner == ROOT else None
    return None if wish.tokens is None or wish.state == "absent" else {token.id for token in wish.tokens}


def _new_token(wish: UserWish, token: TokenWish, wanted: Declaration, now: float) -> Change:
    """A new token gets the longest life that the policy allows, unless it is declared."""
    full = f"{wish.userid}!{token.id}"
    expire = token.expire
    if expire is None:
        expire = int(now) + wanted.token_max_days * _DAY if wanted.token_max_days else 0
    options: dict[str, Any] = {
        "userid": wish.userid,
        "name": token.id,
        "expire": expire_option(expire),
        "privsep": token.privsep is not False,
        "state": "present",
    }
    if token.comment is not None:
        options["comment"] = token.comment
    text = f"Create the token {full}, which expires {_when(expire)}."
    return change(Phase.TOKEN, "token", full, "create", options, text)


def _changed_token(wish: UserWish, token: TokenWish, row: Row, wanted: Declaration, now: float) -> Found:
    full = f"{wish.userid}!{token.id}"
    adds: dict[str, Any] = {}
    takes: dict[str, Any] = {}
    if token.comment is not None and token.comment != plain_text(row.get("comment", "")):
        adds["comment"] = token.comment
    if token.expire is not None and token.expire != row["expire"]:
        (adds if _later(token.expire, row["expire"]) else takes)["expire"] = expire_option(token.expire)
    if token.privsep is not None and token.privsep != row["privsep"]:
        (takes if token.privsep else adds)["privsep"] = token.privsep
    for phase, options in ((Phase.TOKEN, adds), (Phase.TOKEN_SHRINK, takes)):
        if options:
            text = f"Update the token {full}: change {', '.join(options)}."
            given = {"userid": wish.userid, "name": token.id, **options, "state": "present"}
            yield change(phase, "token", full, "update", given, text)
    yield from _beyond_policy(full, token, row, wanted, now)


def _beyond_policy(full: str, token: TokenWish, row: Row, wanted: Declaration, now: float) -> Found:
    """What the token has, the declaration leaves as it is, and token_policy does not allow."""
    limit = now + (wanted.token_max_days + 1) * _DAY
    if token.expire is None and wanted.token_max_days and not 0 < row["expire"] <= limit:
        text = f"The token {full} expires {_when(row['expire'])}; token_policy allows {wanted.token_max_days} days."
        yield Undeclared("token", full, text)
    if token.privsep is None and wanted.token_privsep and not row["privsep"]:
        yield Undeclared("token", full, f"The token {full} has no privilege separation, which token_policy asks for.")
