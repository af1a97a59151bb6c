# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of the access lists in one shape.

Lists and details differ: groups are a comma string or an array, tokens a list, a map or null, booleans 0, 1, absent
or a string. Names and comments are kept as they are; they are hostile text. A row without its name is None.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._model.names import split_list

Row = dict[str, Any]
_NEW_STYLE_KEYS = re.compile(r"x(!.*)?", re.DOTALL)
# PVE/AccessControl.pm normalize_totp_secret
_TOTP_KEY = re.compile(r"v2-0x[0-9a-fA-F]+|v2-[A-Z2-7=]+|[A-Z2-7=]{16}|[A-Fa-f0-9]{40}")


def as_bool(value: object) -> bool:
    """Perl's truth: 0, "0", "" and absent are false."""
    return str(value) not in ("0", "", "None", "False")


def as_int(value: object) -> int:
    """A whole number; what is none counts as 0."""
    text = str(value).strip()
    return int(text) if re.fullmatch(r"-?[0-9]{1,18}", text) else 0


def as_names(value: object) -> list[str]:
    """Names of a comma string, an array, or a map; sorted."""
    if isinstance(value, str):
        return sorted(set(split_list(value)))
    if isinstance(value, Mapping):
        return sorted(str(name) for name, flag in value.items() if as_bool(flag))
    if isinstance(value, (list, tuple)):
        return sorted({str(name) for name in value})
    return []


def _texts(row: Mapping[str, Any], *names: str) -> Row:
    """The text fields that are set and not empty."""
    return {name: str(row[name]) for name in names if row.get(name) not in (None, "")}


def user_row(row: Mapping[str, Any]) -> Row | None:
    """A user; `keys` holds the old second factors until they are judged, and must not leave this room."""
    if not row.get("userid"):
        return None
    user: Row = {
        "userid": str(row["userid"]),
        "enable": as_bool(row.get("enable")),
        "expire": max(0, as_int(row.get("expire"))),
        **_texts(row, "email", "firstname", "lastname", "comment"),
        "groups": as_names(row.get("groups")),
        "tokens": _tokens(row.get("tokens")),
        "keys": str(row.get("keys") or ""),
        "totp_locked": as_bool(row.get("totp-locked")),
        "tfa_locked_until": as_int(row.get("tfa-locked-until")),
    }
    if row.get("realm-type"):
        user["realm_type"] = str(row["realm-type"])
    return user


def _tokens(value: object) -> list[Row]:
    if isinstance(value, Mapping):
        value = [{**info, "tokenid": name} for name, info in value.items() if isinstance(info, Mapping)]
    if not isinstance(value, list):
        return []
    return sorted(
        (
            {
                "tokenid": str(row["tokenid"]),
                "privsep": as_bool(row.get("privsep")),
                "expire": max(0, as_int(row.get("expire"))),
                **_texts(row, "comment"),
            }
            for row in value
            if isinstance(row, Mapping) and row.get("tokenid")
        ),
        key=lambda token: str(token["tokenid"]),
    )


def group_row(row: Mapping[str, Any]) -> Row | None:
    """A group; members stand in `users` of the list and in `members` of the detail."""
    if not row.get("groupid"):
        return None
    members = row.get("users") if row.get("users") is not None else row.get("members")
    return {"groupid": str(row["groupid"]), **_texts(row, "comment"), "users": as_names(members)}


def role_row(row: Mapping[str, Any]) -> Row | None:
    """A role."""
    if not row.get("roleid"):
        return None
    return {"roleid": str(row["roleid"]), "privs": as_names(row.get("privs")), "special": as_bool(row.get("special"))}


def acl_row(row: Mapping[str, Any]) -> Row | None:
    """One role that one user, group or token has on one path."""
    if not all(row.get(name) for name in ("path", "ugid", "roleid")) or row.get("type") not in (
        "user",
        "group",
        "token",
    ):
        return None
    return {
        **{name: str(row[name]) for name in ("path", "type", "ugid", "roleid")},
        "propagate": as_bool(row.get("propagate")),
    }


def realm_row(row: Mapping[str, Any]) -> Row | None:
    """A realm. The list shows the kind of second factor to everybody (Domains.pm index)."""
    if not row.get("realm"):
        return None
    return {
        "realm": str(row["realm"]),
        "type": str(row.get("type") or ""),
        **_texts(row, "comment"),
        "default": as_bool(row.get("default")),
        "tfa": str(row["tfa"]) if row.get("tfa") else None,
        "tfa_visible": True,
    }


def tfa_row(row: Mapping[str, Any]) -> Row | None:
    """The kinds of second factor of one user; one that is switched off does not count."""
    if not row.get("userid"):
        return None
    entries = row.get("entries")
    types = {
        str(entry["type"])
        for entry in (entries if isinstance(entries, list) else [])
        if isinstance(entry, Mapping) and entry.get("type") and as_bool(entry.get("enable", 1))
    }
    return {
        "userid": str(row["userid"]),
        "types": sorted(types),
        "totp_locked": as_bool(row.get("totp-locked")),
        "tfa_locked_until": as_int(row.get("tfa-locked-until")),
    }


def legacy_factors(keys: str, required: str | None) -> list[str]:
    """What old keys in user.cfg are good for: only a realm that asks for a second factor looks at them.

    Source: PVE/AccessControl.pm add_old_keys_to_realm_tfa.
    """
    if not keys or _NEW_STYLE_KEYS.fullmatch(keys) or required is None:
        return []
    names = as_names(keys)
    if required == "yubico":
        return ["yubico"] if names else []
    return ["totp"] if any(_TOTP_KEY.fullmatch(name) for name in names) else []
