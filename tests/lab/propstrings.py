# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`key=value,key=value` parameters (pve-common JSONSchema.pm parse_property_string)."""

from __future__ import annotations

import re
from typing import Any

Format = dict[str, dict[str, Any]]
_VANISHED = r"(?:(?:(?:acl|properties|entry);)*(?:acl|properties|entry))|none"
PROPERTY_FORMATS: dict[str, Format] = {
    "pve-tfa-config": {
        "type": {"type": "string", "enum": ["yubico", "oath"]},
        "id": {"type": "string", "optional": 1},
        "key": {"type": "string", "optional": 1},
        "url": {"type": "string", "optional": 1},
        "digits": {"type": "integer", "minimum": 6, "maximum": 8, "optional": 1},
        "step": {"type": "integer", "minimum": 10, "optional": 1},
    },
    "realm-sync-options": {
        "scope": {"type": "string", "enum": ["users", "groups", "both"], "optional": 1},
        "remove-vanished": {"type": "string", "pattern": _VANISHED, "optional": 1},
        "full": {"type": "boolean", "optional": 1},
        "enable-new": {"type": "boolean", "optional": 1},
        "purge": {"type": "boolean", "optional": 1},
    },
}


class BadProperties(ValueError):
    """The text is PVE's, without its last line break."""


def truth(text: str) -> str:
    """PVE's spellings of true and false as 1 and 0; anything else as it is."""
    if re.fullmatch(r"1|on|yes|true", text, re.IGNORECASE):
        return "1"
    return "0" if re.fullmatch(r"0|off|no|false", text, re.IGNORECASE) else text


def parse_property_string(form: Format, text: str) -> dict[str, str]:
    """The values by name; BadProperties for what cannot be split. The values themselves are not checked."""
    result: dict[str, str] = {}
    for part in text.split(","):
        if not part.strip():
            continue
        match = re.fullmatch(r"([^=]+)=(.+)", part, re.DOTALL)
        if match:
            name, value = match[1], match[2]
            if name in result:
                raise BadProperties(f"duplicate key in comma-separated list property: {name}")
            if name not in form:
                raise BadProperties(f"invalid key in comma-separated list property: {name}")
            result[name] = truth(value) if form[name].get("type") == "boolean" else value
        elif "=" in part:
            raise BadProperties("missing key in comma-separated list property")
        else:
            raise BadProperties("value without key, but schema does not define a default key")
    return result
