# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The grammar of names: users, realms, tokens, groups, roles, pools, entries of configuration files, and ACL paths.

Names are looked at before anything is asked, so that check mode and plans know what will be refused. Whether an object
of that name exists is not asked here. Sources, as of Proxmox VE 9.2: pve-access-control 9.1.1, PVE/Auth/Plugin.pm
(user_regex, realm_regex, groupname_regex, verify_username), PVE/AccessControl.pm (token_full_regex, verify_rolename,
verify_poolname, normalize_path, check_path), PVE/API2/Role.pm (create_role); pve-common, PVE/JSONSchema.pm
(CONFIGID_RE).

Two things are stricter here. A comma or semicolon in a user's name would make two names wherever Proxmox VE splits a
list [PVE::Tools split_list]. And its `[[:alnum:]]` takes a letter beyond ASCII in a path, but `user.cfg` is read back
as bytes, among which there is no such letter: the entry is dropped.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache
from typing import Literal, NamedTuple

from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._model.visible import safe_text

ROOT = "root@pam"

Kind = Literal["name", "user", "account", "realm", "token", "token name", "group", "role", "pool", "entry"]

_ACCOUNT = r"[^\s:/]+"
_REALM = r"[A-Za-z][A-Za-z0-9.\-_]+"
_PLAIN = r"[A-Za-z0-9.\-_]+"
_POOL = rf"{_PLAIN}(?:/{_PLAIN}){{0,2}}"
_USERID = re.compile(rf"({_ACCOUNT})@({_REALM})(?:!({_REALM}))?", re.ASCII)
_SEPARATOR = r",;\s\0"
_RESERVED_ROLE = "pve"


class _Grammar(NamedTuple):
    """What a name of a kind matches, what it then is, and what to write instead of one that is not."""

    pattern: str
    what: str
    advice: str


_GRAMMARS: dict[Kind, _Grammar] = {
    "name": _Grammar(rf"[^{_SEPARATOR}]+", "one name", "give it without blanks, commas and semicolons"),
    "user": _Grammar(
        rf"(?=.{{3,64}}$){_ACCOUNT}@{_REALM}",
        "the name of a user",
        "write it with the realm, for example alice@pve, without colons and slashes, in at most 64 characters",
    ),
    "account": _Grammar(
        _ACCOUNT, "a user name without its realm", "it must not be empty, nor hold blanks or any of : / , ;"
    ),
    "realm": _Grammar(
        rf"(?=.{{2,32}}$){_REALM}",
        "the name of a realm",
        "use 2 to 32 letters from A to Z, digits, dots, hyphens and underscores, a letter first",
    ),
    "token": _Grammar(
        rf"{_ACCOUNT}@{_REALM}!{_REALM}",
        "the full name of a token",
        "write it with its user, for example backup@pve!nightly",
    ),
    "token name": _Grammar(
        _REALM,
        "the name of a token",
        "use at least two letters from A to Z, digits, dots, hyphens and underscores, a letter first",
    ),
    "group": _Grammar(_PLAIN, "the name of a group", "use letters from A to Z, digits, dots, hyphens and underscores"),
    "role": _Grammar(_PLAIN, "the name of a role", "use letters from A to Z, digits, dots, hyphens and underscores"),
    "pool": _Grammar(
        _POOL,
        "the name of a pool",
        "use letters from A to Z, digits, dots, hyphens and underscores, at most three levels with / between them",
    ),
    "entry": _Grammar(
        r"[A-Za-z][A-Za-z0-9_\-]+",
        "a name that Proxmox VE takes",
        "use at least two letters from A to Z, digits, hyphens and underscores, a letter first",
    ),
}
_PATTERNS = {kind: re.compile(grammar.pattern) for kind, grammar in _GRAMMARS.items()}


def name_mistake(kind: Kind, place: str, value: str) -> str | None:
    """What is wrong with a name as a sentence that begins with its place; None when it is a name of the kind."""
    if value and not _PATTERNS["name"].fullmatch(value):
        kind = "name"
    elif _PATTERNS[kind].fullmatch(value):
        return None
    return f"{place} {value!r} is not {_GRAMMARS[kind].what}: {_GRAMMARS[kind].advice}"


def split_list(text: str) -> list[str]:
    """The names in a text, as Proxmox VE splits it."""
    return [name for name in re.split(rf"[{_SEPARATOR}]+", text) if name]


def check_name(kind: Kind, option: str, value: str) -> str:
    """The name. Raises InputError when it is none of the kind."""
    if mistake := name_mistake(kind, option, value):
        raise InputError(mistake)
    return value


def reserved_role_mistake(place: str, role: str) -> str | None:
    """Why a role of this name cannot be made although the name is well formed; None when it can."""
    if not role.lower().startswith(_RESERVED_ROLE):
        return None
    return (
        f"{place} {role!r} cannot be created: Proxmox VE keeps names that start with PVE for itself, in upper and "
        "lower case; choose another name"
    )


def new_name_mistake(kind: Kind, place: str, name: str) -> str | None:
    """Why an object must not be made under this name, although it is well formed; None when it may.

    Perl takes the name `0` for no name: a group or role of it is written, and gone when the file is read again.
    """
    shown = safe_text(name)
    if shown != name:
        return (
            f"{place} is '{shown}', which hides characters or passes for another name: "
            "use the letters a to z, digits, dots, hyphens and underscores"
        )
    if not name.isascii():
        return (
            f"{place} '{name}' has letters beyond ASCII: Proxmox VE would make it and could then neither change nor "
            "delete it, nor let anybody in with it; use the letters a to z, digits, dots, hyphens and underscores"
        )
    if name == "0" and kind in ("group", "role"):
        return f"{place} '0' cannot be used: Proxmox VE forgets a {kind} of this name at once; choose another name"
    return None


def unreachable(userid: str) -> str | None:
    """Why a user that exists cannot be changed through the API; None when it can.

    Proxmox VE encodes such a name a second time in paths and lists, and finds no user of that name.
    """
    if userid.isascii():
        return None
    return (
        f"Proxmox VE can neither change nor delete the user {safe_text(userid)} through its API, as the name has "
        "letters beyond ASCII: use pveum user modify or pveum user delete on a node"
    )


# What became of privileges that older versions had. [PVE 9.0 release notes]
_SUCCESSORS = {"VM.Monitor": ", since 9.0: use VM.GuestAgent.Audit and the others of VM.GuestAgent, and Sys.Audit"}


def unknown_privileges(place: str, names: Iterable[str], known: Collection[str]) -> Iterator[str]:
    """A mistake for each privilege that is none. `known` are all there are, empty when that is not known."""
    for name in names:
        if known and name not in known:
            yield (
                f"{place} names {safe_text(name)}, which is no privilege of this Proxmox VE{_SUCCESSORS.get(name, '')}"
            )


@lru_cache(maxsize=4096)
def split_userid(text: str) -> tuple[str, str | None, str | None]:
    """`alice@pve!ci` as name, realm and token; realm and token are None when the text has none.

    A name may hold `@` and `!`, a realm and a token may not.
    """
    match = _USERID.fullmatch(text)
    if match:
        return match[1], match[2], match[3]
    name, _at, realm = text.rpartition("@")
    return (name, realm, None) if name and re.fullmatch(_REALM, realm) else (text, None, None)


def split_token(who: str) -> tuple[str, str] | None:
    """Owner and name of `user@realm!name`, or None for what is no token."""
    name, realm, token = split_userid(who)
    return None if token is None else (f"{name}@{realm}", token)


def owner_of(who: str) -> str:
    """The user id of a user or of a token's owner."""
    return (split_token(who) or (who, ""))[0]


def realm_of(userid: str) -> str:
    """The realm of a user id; the last @ splits, as a user name may hold one."""
    return userid.rpartition("@")[2]


_WELL_FORMED_PATH = re.compile(r"/[A-Za-z0-9.\-_/]*")
_KNOWN_PATH = re.compile(
    "/"
    rf"|/access(?:/(?:groups|realm)(?:/{_PLAIN})?)?"
    rf"|/mapping(?:/{_PLAIN}){{0,2}}"
    rf"|/(?:nodes|storage)(?:/{_PLAIN})?"
    rf"|/pool(?:/{_POOL})?"
    r"|/sdn(?:/(?:dns|fabrics|ipams|prefix-lists|route-maps)(?:/[A-Za-z0-9]+)?)?"
    r"|/sdn/controllers(?:/[A-Za-z0-9_\-]+)?"
    rf"|/sdn/zones(?:/{_PLAIN}(?:/{_PLAIN}(?:/[1-9][0-9]{{0,3}})?)?)?"
    r"|/vms(?:/[1-9][0-9]{2,})?"
)


def normal_path(option: str, path: str) -> str:
    """The ACL path as Proxmox VE stores it: one slash between parts, none at the end. Raises InputError."""
    if not path.strip():
        raise InputError(f"{option} is empty: the root of all objects is /")
    stored = "/" + re.sub(r"/+", "/", path.strip()).strip("/")
    if not _WELL_FORMED_PATH.fullmatch(stored):
        raise InputError(
            f"{option} {path!r} has characters that no path has: use letters from A to Z, digits, dots, hyphens and "
            "underscores between /"
        )
    return stored


def unknown_path(option: str, path: str) -> str | None:
    """A warning when a path in normal form is none on which Proxmox VE 9.2 grants anything; None when it is one.

    Newer versions know more paths, and older ones fewer.
    """
    if _KNOWN_PATH.fullmatch(path):
        return None
    return (
        f"{option} {path!r} is none on which Proxmox VE 9.2 grants anything, and may be refused: use / or a path such "
        "as /access/groups, /mapping/pci, /nodes/pve1, /pool/lab, /sdn/zones/lab, /storage/local or /vms/100"
    )
