# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where things lie in a checkout. Everything that `make` writes is below `.build`."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / ".build"
LOGS = BUILD / "logs"
COLLECTIONS = BUILD / "collections"
LINK = COLLECTIONS / "ansible_collections" / "pve" / "audit"


def link_collection() -> Path:
    """Make the checkout visible to Ansible as `pve.audit` without installing it; returns the collections path."""
    LINK.parent.mkdir(parents=True, exist_ok=True)
    if LINK.resolve() != ROOT:
        LINK.unlink(missing_ok=True)
        LINK.symlink_to(ROOT, target_is_directory=True)
    return COLLECTIONS
