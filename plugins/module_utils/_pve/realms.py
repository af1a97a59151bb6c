# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The second factor that a realm asks for, its comment, and which realm the login page offers first.

Only existing realms are changed. An update leaves alone what is absent; what is cleared is named in `delete`.
[PVE::API2::Domains update, PVE::Auth::Plugin tfa_format]
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._model.limits import disguised_texts, text_mistakes
from ansible_collections.pve.audit.plugins.module_utils._model.names import check_name
from ansible_collections.pve.audit.plugins.module_utils._model.texts import plain_text
from ansible_collections.pve.audit.plugins.module_utils._pve.change import (
    Change,
    Record,
    Request,
    parameters,
    read_detail,
    refuse,
    rows,
    send,
    with_warnings,
)
from ansible_collections.pve.audit.plugins.module_utils._pve.identity_rows import as_bool
from ansible_collections.pve.audit.plugins.module_utils._pve.lockout import guarded
from ansible_collections.pve.audit.plugins.module_utils._pve.session import Api, ChangeApi

# Proxmox VE puts these back when the comment of a built-in realm is empty. [PVE::Auth::Plugin parse_config]
_OWN_COMMENTS = {"pam": "Linux PAM standard authentication", "pve": "Proxmox VE authentication server"}

# Our option -> the key in the property string, for each kind of second factor.
_TFA_OPTIONS = {
    "oath": {"tfa_digits": "digits", "tfa_step": "step"},
    "yubico": {"tfa_yubico_id": "id", "tfa_yubico_key": "key", "tfa_yubico_url": "url"},
}
_TFA_DEFAULTS = {"digits": "6", "step": "30"}
_TFA_LIMITS = {"tfa_digits": (6, 8, "from 6 to 8"), "tfa_step": (10, math.inf, "at least 10")}
_SECRET = "tfa_yubico_key"


def read_realm(api: Api, realm: str) -> Record:
    """The realm's whole configuration. Raises InputError when there is none, ForbiddenError when it may not be read."""
    known = sorted(str(row.get("realm")) for row in rows(api.get("access", "domains"), "/access/domains"))
    if realm not in known:
        raise InputError(
            f"there is no realm {realm}, only {', '.join(known)}: this module changes existing realms and makes none"
        )
    detail = read_detail(api, ("access", "domains", realm), f"the realm {realm}")
    if detail is None:
        raise InputError(f"the realm {realm} has just gone: run again")
    return {**detail, "realm": realm}


def parse_tfa(text: str) -> dict[str, str]:
    """The parts of `type=oath,digits=6`."""
    pairs = (part.partition("=") for part in text.split(",") if part.strip())
    return {name.strip(): value.strip() for name, _equals, value in pairs}


def wanted_tfa(current: Mapping[str, str], wanted: Mapping[str, Any]) -> dict[str, str]:
    """The parts of the second factor after the change. Raises InputError for options that do not go together."""
    given = {name: wanted[name] for table in _TFA_OPTIONS.values() for name in table if wanted[name] is not None}
    kind = current.get("type", "none") if wanted["tfa"] is None else wanted["tfa"]
    _check_tfa_options(kind, given)
    if kind == "none":
        return {}
    tfa = dict(current) if current.get("type") == kind else {"type": kind}
    for name, value in given.items():
        part, text = _TFA_OPTIONS[kind][name], str(value)
        if not text:
            tfa.pop(part, None)
        elif tfa.get(part, _TFA_DEFAULTS.get(part)) != text:
            tfa[part] = text
    if kind == "yubico" and not (tfa.get("id") and tfa.get("key")):
        raise InputError("the second factor yubico needs tfa_yubico_id and tfa_yubico_key, or nobody could log in")
    return tfa


def _check_tfa_options(kind: str, given: Mapping[str, Any]) -> None:
    if wrong := sorted(set(given) - set(_TFA_OPTIONS.get(kind, {}))):
        raise InputError(f"{', '.join(wrong)} cannot be used with the second factor {kind!r} of this realm")
    for name, (least, most, limits) in _TFA_LIMITS.items():
        if name in given and not least <= given[name] <= most:
            raise InputError(f"{name} must be {limits}, not {given[name]}")
    for name, value in given.items():
        if re.search(r"[,\s]", str(value)):
            raise InputError(f"{name} must not have commas or blanks")


def visible(config: Mapping[str, Any], tfa: Mapping[str, str]) -> Record:
    """What results and differences show of a realm; the key of the Yubico service is left out."""
    record: Record = {"realm": config["realm"], "type": config.get("type", "")}
    if config.get("comment"):
        record["comment"] = config["comment"]
    record |= {"default": as_bool(config.get("default")), "tfa": tfa.get("type", "none")}
    for name, part in _TFA_OPTIONS.get(tfa.get("type", ""), {}).items():
        if part in tfa and name != _SECRET:
            record[name] = int(tfa[part]) if tfa[part].isdecimal() and name in ("tfa_digits", "tfa_step") else tfa[part]
    return record


def plan_realm(config: Mapping[str, Any], wanted: Mapping[str, Any]) -> Change:
    """Change what is given and differs. Raises InputError for options that do not go together."""
    current = parse_tfa(str(config.get("tfa") or ""))
    tfa = wanted_tfa(current, wanted)
    edits = _edits(config, wanted, current, tfa)
    before = visible(config, current)
    if not edits:
        return Change(before, before)
    params = parameters({name: value for name, value in edits.items() if value})
    if cleared := [name for name, value in edits.items() if not value]:
        params["delete"] = ",".join(cleared)
    if config.get("digest"):
        params["digest"] = config["digest"]
    realm = str(config["realm"])
    request = Request(f"change the realm {realm}", "PUT", ("access", "domains", realm), params, ("tfa",))
    secret = (_SECRET,) if tfa.get("key") and tfa.get("key") != current.get("key") else ()
    return Change(before, visible({**config, **edits}, tfa), (request,), secret)


def _edits(
    config: Mapping[str, Any], wanted: Mapping[str, Any], current: Mapping[str, str], tfa: Mapping[str, str]
) -> Record:
    """The new values of the keys that differ; an empty one is cleared."""
    edits: Record = {}
    if wanted["comment"] is not None:
        comment = plain_text(wanted["comment"]) or _OWN_COMMENTS.get(str(config.get("type")), "")
        if comment != (config.get("comment") or ""):
            edits["comment"] = comment
    if wanted["default"] is not None and wanted["default"] != as_bool(config.get("default")):
        edits["default"] = wanted["default"]
    if tfa != current:
        edits["tfa"] = _tfa_text(tfa) if tfa else ""
    return edits


def _tfa_text(tfa: Mapping[str, str]) -> str:
    """The property string, the kind first."""
    return ",".join(f"{name}={tfa[name]}" for name in ("type", *sorted(set(tfa) - {"type"})))


def ensure_realm(
    api: ChangeApi, params: Mapping[str, Any], check_mode: bool, now: float
) -> tuple[Change, dict[str, Any]]:
    """Make the settings of the realm as the options say. Raises AuditError."""
    comment = {"comment": params["comment"] and plain_text(params["comment"])}
    refuse(text_mistakes("realm", comment))
    change = plan_realm(read_realm(api, check_name("name", "realm", params["realm"])), params)
    change = with_warnings(change, disguised_texts(comment))
    change = guarded(api, change, "realm", {**params, "state": "present"}, check_mode, now)
    send(api, change, check_mode)
    return change, {"realm": change.after}
