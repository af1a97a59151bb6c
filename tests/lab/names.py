# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The forms of user, realm, token and path names (pve-access-control Auth/Plugin.pm, AccessControl.pm)."""

from __future__ import annotations

import re

REALM = r"[A-Za-z][A-Za-z0-9.\-_]+"
USER = r"[^\s:/]+"
_USERNAME = re.compile(rf"({USER})@({REALM})", re.ASCII)
_TOKEN = re.compile(rf"(({USER})@({REALM}))!({REALM})", re.ASCII)
_SIMPLE = re.compile(r"[A-Za-z0-9.\-_]+")
_PATH = re.compile(r"[A-Za-z0-9.\-_/]+")


class BadName(ValueError):
    """A name PVE would refuse; the text is PVE's."""


def verify_username(name: str) -> tuple[str, str, str]:
    """`name@realm` as (whole, name, realm), or BadName with PVE's text."""
    if len(name) < 3:
        raise BadName(f"user name '{name}' is too short")
    if len(name) > 64:
        raise BadName(f"user name '{name}' is too long ({len(name)} > 64)")
    match = _USERNAME.fullmatch(name)
    if not match:
        raise BadName(f"value '{name}' does not look like a valid user name")
    return name, match[1], match[2]


def is_username(name: str) -> bool:
    """True for a well-formed `name@realm`."""
    return 3 <= len(name) <= 64 and _USERNAME.fullmatch(name) is not None


def split_token(name: str) -> tuple[str, str] | None:
    """`name@realm!token` as (user, token), or None."""
    match = _TOKEN.fullmatch(name)
    return (match[1], match[4]) if match else None


def is_simple_name(name: str) -> bool:
    """A group or role name."""
    return _SIMPLE.fullmatch(name) is not None


def normalize_path(path: str) -> str | None:
    """An ACL path with one leading slash and none at its end; None when it holds other characters."""
    if not path:
        return None
    path = re.sub(r"/+", "/", path).removesuffix("/") or "/"
    if not path.startswith("/"):
        path = f"/{path}"
    return path if _PATH.fullmatch(path) else None


def split_list(text: str) -> list[str]:
    """PVE's list form: separated by commas, semicolons, spaces or NULs (pve-common Tools.pm)."""
    return [part for part in re.split(r"[,;\0\s]+", text.strip()) if part]
