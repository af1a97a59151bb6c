# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The realms of domains.cfg (pve-access-control Auth/*.pm)."""

from __future__ import annotations

import hashlib
from functools import cache
from urllib.parse import unquote_to_bytes

from tests.lab.propstrings import PROPERTY_FORMATS, parse_property_string, truth
from tests.lab.schema import load_schema
from tests.lab.sections import SectionFile, Sections, options_of
from tests.lab.usercfg_write import encode_text

_LOCAL = "default comment tfa"
_DIRECTORY = (
    "bind_dn password port secure sslversion default comment tfa verify capath cert certkey filter sync_attributes"
    " user_classes group_dn group_name_attr group_filter group_classes sync-defaults-options mode case-sensitive"
    " server2"
)
_OPENID = (
    "issuer-url! client-id! client-key autocreate username-claim= groups-claim groups-autocreate groups-overwrite"
    " prompt scopes acr-values audiences default comment query-userinfo"
)
DEFAULTS = {
    "pve": "Proxmox VE authentication server",
    "pam": "Linux PAM standard authentication",
}
_OLD_SYNC = (("full", "entry;properties"), ("purge", "acl"))


@cache
def realm_file() -> SectionFile:
    """The options of each type of realm."""
    found = load_schema().find("POST", "/access/domains")
    types = {
        "pve": _LOCAL,
        "pam": _LOCAL,
        "ldap": f"server1! base_dn! user_attr! {_DIRECTORY}",
        "ad": f"server1! domain! base_dn user_attr {_DIRECTORY}",
        "openid": _OPENID,
    }
    return SectionFile({name: options_of(words) for name, words in types.items()}, found[0].properties if found else {})


def parse_realms(text: str) -> Sections:
    """The realms; `pam` and `pve` are always there, and at most one is the default."""
    realms = realm_file().parse(text)
    default = False
    for realm in realms.values():
        if realm.get("default"):
            if default:
                del realm["default"]
            default = True
        if realm.get("comment"):
            realm["comment"] = unquote_to_bytes(realm["comment"].encode("latin-1")).decode("utf-8", "replace")
    for name, comment in DEFAULTS.items():
        realm = realms.setdefault(name, {})
        realm["type"] = name
        realm["comment"] = realm.get("comment") or comment
    return realms


def render_realms(realms: Sections) -> str:
    """The text of domains.cfg."""
    encoded = {
        name: {**realm, "comment": encode_text(realm["comment"])} if realm.get("comment") else realm
        for name, realm in realms.items()
    }
    return realm_file().render(encoded)


def digest_of(text: str) -> str:
    """The digest PVE gives for a file."""
    return hashlib.sha1(text.encode("latin-1", "replace")).hexdigest()


def tfa_type(value: object) -> str | None:
    """The type of a realm's `tfa` (`yubico` or `oath`), or None."""
    if not value:
        return None
    return parse_property_string(PROPERTY_FORMATS["pve-tfa-config"], str(value)).get("type")


def sync_options(text: str, *, drop_old: bool) -> str:
    """`sync-defaults-options` with the old `full` and `purge` as `remove-vanished`."""
    values = parse_property_string(PROPERTY_FORMATS["realm-sync-options"], text)
    if "remove-vanished" not in values:
        parts = [new for old, new in _OLD_SYNC if truth(values.get(old, "0")) == "1"]
        if parts:
            values["remove-vanished"] = ";".join(parts)
    if drop_old:
        for old, _ in _OLD_SYNC:
            values.pop(old, None)
    return ",".join(f"{name}={value}" for name, value in sorted(values.items()))
