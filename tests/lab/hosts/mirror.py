# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Debian mirror of this machine, read from its own apt."""

from __future__ import annotations

import re

from tests.lab.hosts.errors import LabError
from tests.lab.hosts.machine import KEYRING
from tests.lab.hosts.run import run

_RELEASE = re.compile(r"'(?P<base>\S+)/dists/(?P<suite>[a-z]+)(?P<part>-security|-updates)?/InRelease'")
_OPTIONS = ("Acquire::Check-Valid-Until", "Acquire::Check-Date", "Acquire::http::Proxy", "Acquire::https::Proxy")


def sources(suite: str, uris: str | None = None) -> list[str]:
    """The lines of a sources.list for a Debian suite, on the mirrors that this machine uses for its own.

    :param uris: what `apt-get --print-uris update` prints.
    :raises LabError: this machine has no Debian mirror.
    """
    found: dict[str, str] = {}
    for match in _RELEASE.finditer(uris if uris is not None else run("apt-get", "--print-uris", "update")):
        if "/debian" in match["base"]:
            found.setdefault(match["part"] or "", match["base"])
    if "" not in found:
        raise LabError("the apt sources of this machine name no Debian mirror to build hosts from")
    return [f"deb [signed-by={KEYRING}] {base} {suite}{part} main" for part, base in sorted(found.items())]


def apt_options() -> list[str]:
    """The settings of this machine's apt that decide whether it reaches and believes the mirror."""
    dump = run("apt-config", "dump")
    lines = (line for line in dump.splitlines() if line.split(" ", 1)[0] in _OPTIONS)
    return [line for line in lines if not line.endswith('"";')]
