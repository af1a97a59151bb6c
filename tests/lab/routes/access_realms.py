# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""/access/domains: create, change and delete realms (pve-access-control API2/Domains.pm)."""

from __future__ import annotations

from typing import Any

from tests.lab.context import Context, Result, api
from tests.lab.errors import server_error
from tests.lab.identity import edit_realms
from tests.lab.names import split_list
from tests.lab.realms import realm_file, sync_options
from tests.lab.sections import Section, Sections
from tests.lab.usercfg_write import truthy

_DIRECTORIES = ("ad", "ldap")
_CHECK_ONLY = "'check-connection' parameter can only be set for realms of type 'ldap' or 'ad'"
# Perl's croak names the place of the call; this is the line of libpve-access-control 9.1.1.
_NO_TYPE = "cannot lookup undefined type! at /usr/share/perl5/PVE/API2/Domains.pm line 261."


def _given(context: Context, *without: str) -> dict[str, Any]:
    return {name: value for name, value in context.parameters.items() if name not in without}


def _settings(kind: str, given: Section, *, create: bool) -> Section:
    if kind in _DIRECTORIES and given.get("sync-defaults-options") is not None:
        options = sync_options(str(given["sync-defaults-options"]), drop_old=True)
        given = {**given, "sync-defaults-options": options}
    return realm_file().check(kind, given, create=create)


def _one_default(realms: Sections, settings: Section) -> None:
    if settings.get("default"):
        for realm in realms.values():
            realm.pop("default", None)


@api("POST", "/access/domains")
def create_realm(context: Context) -> Result:
    """A new realm; never one of the built-in types."""
    given = _given(context, "password", "realm", "check-connection")
    name, kind = str(context.parameters["realm"]), str(context.parameters["type"])

    def change(realms: Sections) -> None:
        if name in realms:
            raise server_error(f"domain '{name}' already exists")
        if kind in ("pam", "pve"):
            raise server_error(f"unable to create builtin type '{kind}'")
        if context.parameters.get("check-connection") is not None and kind not in _DIRECTORIES:
            raise server_error(_CHECK_ONLY)
        settings = _settings(kind, given, create=True)
        _one_default(realms, settings)
        realms[name] = settings

    edit_realms(context.cluster, "add auth server failed", change)
    return Result(None)


def _update(realm: Section, context: Context, realms: Sections) -> None:
    parameters = context.parameters
    given = _given(context, "password", "realm", "check-connection", "digest", "delete")
    kind = str(realm.get("type") or "")
    if parameters.get("check-connection") is not None and kind not in _DIRECTORIES:
        raise server_error(_CHECK_ONLY)
    remove = split_list(str(parameters.get("delete") or ""))
    if not remove and not given and parameters.get("password") is None:
        raise server_error("no options specified")
    for option in remove:
        realm.pop(option, None)
    if not kind:
        raise server_error(_NO_TYPE)
    settings = _settings(kind, given, create=False)
    _one_default(realms, settings)
    realm.update(settings)


@api("PUT", "/access/domains/{realm}")
def update_realm(context: Context) -> Result:
    """Change what is given, remove what `delete` names."""
    name, digest = str(context.parameters["realm"]), context.parameters.get("digest")

    def change(realms: Sections) -> None:
        known = context.cluster.realms_digest
        if truthy(digest) and truthy(known) and digest != known:
            raise server_error("detected modified configuration - file changed by other user? Try again.")
        _update(realms.get(name, {}), context, realms)

    edit_realms(context.cluster, "update auth server failed", change)
    return Result(None)


@api("DELETE", "/access/domains/{realm}")
def delete_realm(context: Context) -> Result:
    """Delete a realm; its users stay. The built-in ones come back at once with their defaults."""
    name = str(context.parameters["realm"])

    def change(realms: Sections) -> None:
        if name not in realms:
            raise server_error(f"authentication domain '{name}' does not exist")
        del realms[name]

    edit_realms(context.cluster, "delete auth server failed", change)
    return Result(None)
