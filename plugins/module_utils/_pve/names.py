# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names as Proxmox VE takes them, looked at before anything is asked, so that check mode knows what will be refused.

Whether an object of that name exists is not asked here. Every function gives the name, or raises InputError.
Sources: PVE/Auth/Plugin.pm, PVE/AccessControl.pm (verify_*, check_path), PVE/JSONSchema.pm (pve-configid).
"""

from __future__ import annotations

import re

from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._pve.change import checked_name

ROOT = "root@pam"

_REALM = r"[A-Za-z][A-Za-z0-9.\-_]+"
_USER = re.compile(rf"[^\s:/]+@{_REALM}")
_TOKEN_NAME = re.compile(_REALM)
_TOKEN = re.compile(rf"[^\s:/]+@{_REALM}!{_REALM}")
_SIMPLE = re.compile(r"[A-Za-z0-9.\-_]+")
_CONFIG = re.compile(r"[A-Za-z][A-Za-z0-9_\-]+")
_PERL_PATH = re.compile(r"[\w.\-/]+")
_RESERVED_ROLE = "pve"

# Perl's [[:alnum:]] knows letters beyond ASCII.
_PART, _LETTERS = r"[\w.\-]+", r"[^\W_]+"
_ACL_PATH = re.compile(
    "/"
    rf"|/access(/(groups|realm)(/{_PART})?)?"
    rf"|/mapping(/{_PART}){{0,2}}"
    rf"|/(nodes|storage)(/{_PART})?"
    r"|/pool(/[A-Za-z0-9.\-_]+){0,3}"
    rf"|/sdn(/(dns|fabrics|ipams|prefix-lists|route-maps)(/{_LETTERS})?)?"
    r"|/sdn/controllers(/[\w\-]+)?"
    rf"|/sdn/zones(/{_PART}(/{_PART}(/[1-9][0-9]{{0,3}})?)?)?"
    r"|/vms(/[1-9][0-9]{2,})?"
)


def user_name(option: str, value: str) -> str:
    """A user with its realm."""
    if not _USER.fullmatch(checked_name(option, value)) or not 3 <= len(value) <= 64:
        raise InputError(
            f"{option} {value!r} is not the name of a user: write it with the realm, for example alice@pve, without "
            "colons and slashes, in at most 64 characters"
        )
    return value


def group_name(option: str, value: str) -> str:
    """A group."""
    return _simple(option, value, "group")


def role_name(option: str, value: str) -> str:
    """A role that is or may become."""
    return _simple(option, value, "role")


def _simple(option: str, value: str, what: str) -> str:
    if not _SIMPLE.fullmatch(checked_name(option, value)):
        raise InputError(
            f"{option} {value!r} is not the name of a {what}: use letters from A to Z, digits, dots, hyphens and "
            "underscores"
        )
    return value


def new_role_name(option: str, value: str) -> str:
    """A role that does not exist yet. [PVE::API2::Role create_role]"""
    if role_name(option, value).lower().startswith(_RESERVED_ROLE):
        raise InputError(
            f"{option} {value!r} cannot be created: Proxmox VE keeps names that start with PVE for itself, in upper "
            "and lower case; choose another name"
        )
    return value


def token_name(option: str, value: str) -> str:
    """The name of a token, without its user."""
    if not _TOKEN_NAME.fullmatch(checked_name(option, value)):
        raise InputError(
            f"{option} {value!r} is not the name of a token: use at least two letters from A to Z, digits, dots, "
            "hyphens and underscores, a letter first"
        )
    return value


def full_token_name(option: str, value: str) -> str:
    """A token with its user."""
    if not _TOKEN.fullmatch(checked_name(option, value)):
        raise InputError(
            f"{option} {value!r} is not the full name of a token: write it with its user, for example "
            "backup@pve!nightly"
        )
    return value


def config_name(option: str, value: str) -> str:
    """An entry of a configuration file, such as a metric server."""
    if not _CONFIG.fullmatch(checked_name(option, value)):
        raise InputError(
            f"{option} {value!r} is not a name that Proxmox VE takes: use at least two letters from A to Z, digits, "
            "hyphens and underscores, a letter first"
        )
    return value


def normal_path(path: str) -> str:
    """The path as Proxmox VE stores it. [PVE::AccessControl normalize_path]"""
    if not path.strip():
        raise InputError("path is empty: the root of all objects is /")
    stored = "/" + re.sub(r"/+", "/", path.strip()).strip("/")
    if not _PERL_PATH.fullmatch(stored):
        raise InputError(f"path {path!r} has characters that no path has: use letters, digits, dots, - and _ between /")
    return stored


def grantable_path(path: str) -> str:
    """The same, for a path on which something may be granted. [PVE::AccessControl check_path]"""
    stored = normal_path(path)
    if not _ACL_PATH.fullmatch(stored):
        raise InputError(
            f"path {path!r} is none on which Proxmox VE grants anything: use / or a path such as /access/groups, "
            "/mapping/pci, /nodes/pve1, /pool/lab, /sdn/zones/lab, /storage/local or /vms/100"
        )
    return stored
