# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Proxmox VE takes as the value of a parameter, so that a plan and a check mode know what will be refused.

The lengths and ranges are those of the API schema of Proxmox VE 9.2 (pve-access-control 9.1.1 PVE/API2/{User,Token,
Domains}.pm, pve-manager PVE/Status/*.pm), the forms those of pve-common PVE/JSONSchema.pm (email, address) and
PVE/Status/Graphite.pm (graphite-path). The names of objects stand in names.py.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple
from urllib.parse import quote

from ansible_collections.pve.audit.plugins.module_utils._model.visible import safe_text

Kind = Literal["user", "group", "token", "realm"]

LONGEST: dict[str, dict[str, int]] = {
    "user": {"firstname": 1024, "lastname": 1024, "email": 254, "comment": 2048},
    "realm": {"comment": 4096},
    "group": {},
    "token": {},
}
# A text without a limit of its own has to fit into a request. [PVE::APIServer::AnyEvent limit_max_post before 5.2.1]
_REQUEST = 60 * 1024

_EMAIL = re.compile(r"[\w+\-~]+(?:\.[\w+\-~]+)*@[a-zA-Z0-9\-]+(?:\.[a-zA-Z0-9\-]+)*")
_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9\-]*[a-zA-Z0-9])?"
_DOTTED = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_NUMBERED = re.compile(r"[0-9.]+")


PASSWORD = (8, 64)
LOCAL_TYPES = ("pam", "pve")


def password_mistakes(place: str, password: str, least: int, realm: str, realm_type: str) -> Iterator[str]:
    """Why a new account cannot get the password. Only realms of LOCAL_TYPES keep passwords; an empty type is not known.

    `least`: the shortest length that is allowed, if it is more than Proxmox VE asks for.
    """
    least, most = max(least, PASSWORD[0]), PASSWORD[1]
    if len(password) < least:
        yield f"{place} is shorter than {least} characters"
    elif len(password) > most:
        yield f"{place} is longer than the {most} characters that Proxmox VE takes"
    if realm_type not in (*LOCAL_TYPES, ""):
        yield f"{place} cannot be set: the realm {realm} keeps its passwords elsewhere"


class _Range(NamedTuple):
    """The smallest and the largest value; None is no limit."""

    least: int
    most: int | None


# The schema has 65536 for the last port, which is none.
RANGES: dict[str, _Range] = {
    "port": _Range(1, 65535),
    "mtu": _Range(512, 65536),
    "timeout": _Range(0, None),
    "max_body_size": _Range(1, None),
    "otel_timeout": _Range(1, 10),
    "otel_max_body_size": _Range(1024, None),
}
ENCODED_LONGEST = 1024


def text_mistakes(kind: Kind, texts: Mapping[str, str | None], place: str = "") -> Iterator[str]:
    """What is wrong with the texts of an object, each as a sentence that begins with its place.

    `texts` are named as the options are; one that is None or empty is left out or cleared, and always taken.
    """
    for name, text in texts.items():
        if not text:
            continue
        most = LONGEST[kind].get(name)
        if most is not None and len(text) > most:
            yield f"{place}{name} has {len(text)} characters: Proxmox VE takes at most {most}"
        elif most is None and len(quote(text)) > _REQUEST:
            yield f"{place}{name} has {len(text)} characters, which is more than fits into a request: shorten it"
        elif name == "email" and not _EMAIL.fullmatch(text):
            yield (
                f"{place}email '{safe_text(text)}' is no address that Proxmox VE takes: write it as name@example.org, "
                "with letters, digits and any of . _ + - ~ before the @"
            )


def disguised_texts(texts: Mapping[str, str | None], place: str = "") -> Iterator[str]:
    """A warning for each text that is not what it looks like, with what it really is."""
    for name, text in texts.items():
        if text and (seen := safe_text(text)) != text:
            yield f"{place}{name} holds characters that hide or pass for others: it is '{seen}'"


def number_mistake(option: str, value: Any) -> str | None:
    """Why Proxmox VE does not take the number; None when it does, or when there is no limit for it."""
    limits = RANGES.get(option)
    if limits is None or not isinstance(value, int):
        return None
    least, most = limits
    if value >= least and (most is None or value <= most):
        return None
    return f"{option} is {value}: Proxmox VE takes {f'{least} to {most}' if most else f'at least {least}'}"


def address_mistake(option: str, value: str) -> str | None:
    """Why a text is neither an address nor the name of a host; None when it is."""
    try:
        ipaddress.ip_address(value.replace("%", " "))  # an interface is no part of an address here
    except ValueError:
        if _DOTTED.fullmatch(value) and not _NUMBERED.fullmatch(value):
            return None
        return (
            f"{option} '{safe_text(value)}' is neither an IP address nor the name of a host: "
            "give it without scheme, port, path and brackets"
        )
    return None


def graphite_path_mistake(option: str, value: str) -> str | None:
    """Why a text is no path of graphite; None when it is."""
    if _DOTTED.fullmatch(value):
        return None
    return (
        f"{option} '{safe_text(value)}' is no path of graphite: "
        "use letters, digits and hyphens with dots between the parts, such as proxmox.lab"
    )
