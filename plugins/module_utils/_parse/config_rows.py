# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of the API as objects with keys and values: canonical, so that equal configurations are equal, without secrets.

Values are texts. A value that is a secret by its name or by its form is HIDDEN, so that it shows whether there is one,
and not which. What says how something is doing, and not how it is set, is left out.
[PVE::Storage, PVE::Firewall, PVE::Notify, PVE::API2::AccessControl]
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._parse.redact import redact

Items = dict[str, str]
Objects = dict[str, Items]
Rows = Sequence[Mapping[str, Any]]

HIDDEN = "(hidden)"
_LONGEST, _SHOWN = 1000, 300
_SECRET_KEY = re.compile(
    r"pass(?:word|wd|phrase)?$|pw$|secret|tokens?$|credential|private|(?:api|client|access|encryption|master)[-_]?key$"
    r"|keyring|^keys?$|hmac|psk|cookie|^env$|^header$|^body$|^data$",
    re.IGNORECASE,
)
_SECRET_HASH = re.compile(r"\$(?:1|5|6|7|y|2[abxy]|argon2\w*)\$\S+")
_PEM = re.compile(r"-----BEGIN [^-]*PRIVATE KEY-----.*?(?:-----END [^-]*-----|\Z)", re.DOTALL)
# The secret of a token looks like any other UUID: hidden where somebody may have written anything.
_UUID = re.compile(r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b", re.IGNORECASE)
_HAS_UUIDS = re.compile(r"vmgenid|smbios\d*|.*uuid.*|(?:scsi|sata|ide|virtio|mp|rootfs|unused|efidisk|tpmstate)\d*|id")
_URL = re.compile(r"([a-z][a-z0-9+.-]*://)(?:[^/@\s]*@)?([^/?#\s]*)[/?#]?(.*)", re.IGNORECASE | re.DOTALL)
# Lists without an order, which Proxmox VE prints in any.
_SETS = frozenset({"content", "nodes", "exclude", "privs", "groups", "users", "resources", "peers", "exitnodes"})
# How it is doing, or made of something else.
_STATE = frozenset(
    "digest pos ipversion next-run last-run last-run-state last-run-upid last-run-endtime error errors checks pending "
    "lock allowed-tags realm-type totp-locked tfa-locked-until special lock-token".split()
)


def text_of(key: str, value: Any) -> str:
    """The value of a key as a text."""
    if _SECRET_KEY.search(key):
        return HIDDEN if value not in ("", None) else ""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, Mapping):
        return shown(json.dumps({str(name): text_of(str(name), one) for name, one in value.items()}, sort_keys=True))
    if isinstance(value, list):
        return shown("\n".join(sorted(text_of("", one) for one in value)))
    text = str(value)
    if key in _SETS:
        text = ",".join(sorted(words(text)))
    text = redact(_SECRET_HASH.sub(HIDDEN, _PEM.sub(HIDDEN, text)))
    return shown(text if _HAS_UUIDS.fullmatch(key) else _UUID.sub(HIDDEN, text))


def shown(text: str) -> str:
    """A long text by its beginning, and a sum that differs when the rest does."""
    if len(text) <= _LONGEST:
        return text
    digest = hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()
    return f"{text[:_SHOWN]} and {len(text) - _SHOWN} more characters (SHA-256 {digest})"


def words(text: str) -> list[str]:
    """The parts of a list in one text."""
    return [one for one in re.split(r"[,; \0]+", text) if one]


def items_of(row: Mapping[str, Any], drop: Collection[str] = ()) -> Items:
    """The keys of one row that are set, sorted. Proxmox VE shows some that are not set as an empty text."""
    found = {str(key): value for key, value in row.items() if key not in _STATE and key not in drop}
    texts = {key: text_of(key, found[key]) for key in sorted(found) if found[key] is not None}
    return {key: text for key, text in texts.items() if text}


def keyed(name: str, *drop: str) -> Callable[[Rows], Objects]:
    """Rows that are named by one of their keys."""
    return lambda rows: {identity(row, name): items_of(row, (name, *drop)) for row in rows}


def identity(row: Mapping[str, Any], key: str) -> str:
    """The name of a row. Raises InputError when it has none."""
    value = row.get(key)
    if value is None or isinstance(value, (dict, list)) or not str(value):
        raise InputError(f"an entry has no {key}")
    return str(value)


def users(rows: Rows) -> Objects:
    """Users without their tokens, and without their groups, which know their members themselves."""
    return keyed("userid", "tokens", "groups")(rows)


def tokens(rows: Rows) -> Objects:
    """The tokens that the list of users holds."""
    found: Objects = {}
    for row in rows:
        given = row.get("tokens")
        if isinstance(given, Mapping):
            given = [{**entry, "tokenid": name} for name, entry in given.items() if isinstance(entry, Mapping)]
        for token in _entries(given):
            found[f"{identity(row, 'userid')}!{identity(token, 'tokenid')}"] = items_of(token, ("tokenid",))
    return found


def factors(rows: Rows) -> Objects:
    """Second factors: of which type, and what their owner calls them."""
    return {
        f"{identity(row, 'userid')}/{identity(entry, 'id')}": items_of(entry, ("id",))
        for row in rows
        for entry in _entries(row.get("entries"))
    }


def _entries(value: object) -> Rows:
    """A list within a row; nothing when it is left out. Raises InputError."""
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(entry, Mapping) for entry in value):
        raise InputError("a list within an entry is none")
    return value


def groups(rows: Rows) -> Objects:
    """Groups with one key a member."""
    return _with_members(rows, "groupid", "users", "member")


def roles(rows: Rows) -> Objects:
    """Roles with one key a privilege. Those that come with Proxmox VE change with it alone."""
    own = [row for row in rows if str(row.get("special") or 0) == "0"]
    return _with_members(own, "roleid", "privs", "privilege")


def _with_members(rows: Rows, name: str, many: str, one: str) -> Objects:
    return {
        identity(row, name): {
            **items_of(row, (name, many)),
            **{f"{one} {member}": "" for member in sorted(words(_joined(row.get(many))))},
        }
        for row in rows
    }


def _joined(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value or "")


def acl(rows: Rows) -> Objects:
    """Rights by path, written as user.cfg has them: `@group Role`, `alice@pve Role`."""
    found: Objects = {}
    for row in sorted(rows, key=lambda row: (str(row.get("ugid")), str(row.get("roleid")))):
        who = f"{'@' if row.get('type') == 'group' else ''}{identity(row, 'ugid')} {identity(row, 'roleid')}"
        below = str(row.get("propagate", 1)) not in ("0", "False")
        found.setdefault(identity(row, "path"), {})[who] = "propagate" if below else "here only"
    return found


def members(detail: Mapping[str, Any]) -> Items:
    """A pool with one key a guest and a storage."""
    found = {}
    for row in _entries(detail.get("members")):
        kind, key = ("storage", "storage") if row.get("type") == "storage" else ("guest", "vmid")
        found[f"{kind} {identity(row, key)}"] = ""
    return {**items_of(detail, ("poolid", "members")), **dict(sorted(found.items()))}


def endpoints(rows: Rows) -> Objects:
    """Where notifications go. The path of an address may be the whole secret, as that of a chat."""
    found = keyed("name")(rows)
    for items in found.values():
        for key in ("url", "server"):
            if (match := _URL.fullmatch(items.get(key, ""))) is not None:
                items[key] = f"{match[1]}{match[2]}{f'/{HIDDEN}' if match[3] else ''}"
    return found


def rules(rows: Rows) -> Items:
    """Rules of a firewall as texts, each with its place."""
    found: Items = {}
    for place, row in enumerate(sorted(rows, key=_position)):
        parts = items_of(row, ("type", "action", "comment"))
        text = " ".join([f"{row.get('type', '')} {row.get('action', '')}".upper(), *_options(parts)])
        if comment := row.get("comment"):
            text += f" # {text_of('comment', comment)}"
        again = sum(key == text or key.startswith(f"{text} (again ") for key in found) if text in found else 0
        found[f"{text} (again {again})" if again else text] = str(place)
    return found


def _position(row: Mapping[str, Any]) -> int:
    place = str(row.get("pos", 0))
    if not (place.isascii() and place.isdigit() and len(place) < 10):
        raise InputError("a rule has no place")
    return int(place)


def _options(items: Items) -> Iterable[str]:
    return (f"-{key} {value}" for key, value in items.items())


def entries(rows: Rows) -> Items:
    """Members of a set of addresses."""
    return {identity(row, "cidr"): "".join(_options(items_of(row, ("cidr",)))) for row in rows}


def guests(rows: Rows) -> Objects:
    """Where each guest is. Its other values here are not there while its node is off."""
    return {identity(row, "vmid"): {"node": identity(row, "node"), "type": identity(row, "type")} for row in rows}


def digest_of(objects: Mapping[str, Mapping[str, str]]) -> str:
    """The SHA-256 of an area, in hex: of its JSON with sorted keys."""
    plain = {str(name): {str(key): str(value) for key, value in items.items()} for name, items in objects.items()}
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
