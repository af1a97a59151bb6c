# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The first word of the command line chooses the program; only that one is imported."""

from __future__ import annotations

import sys
from importlib import import_module

PROGRAMS = {
    "collector": "pve_audit.collector.cli",
    "disk-guard": "pve_audit.disk_guard",
    "forward": "pve_audit.forward.service",
    "ledger": "pve_audit.ledger.follow",
    "preserve": "pve_audit.preserve.cli",
}


def main(arguments: list[str]) -> int:
    """Run a program with the rest of the arguments. Returns its exit status, 2 for a word that is none of them."""
    name = arguments[0] if arguments else ""
    if name not in PROGRAMS:
        print(f"say which program: {', '.join(PROGRAMS)}", file=sys.stderr)
        return 2
    return int(import_module(PROGRAMS[name]).main(arguments[1:]))
