# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""On whom it depends whether somebody can log in afterwards, as far as Proxmox VE does not show it."""

from __future__ import annotations

import pytest

from ansible_collections.pve.audit.plugins.module_utils._identity.access import directory_of
from ansible_collections.pve.audit.plugins.module_utils._identity.guard.people import GuardContext, unknown_passwords
from tests.unit.plugins.module_utils._identity.identities import as_automation, as_root, working

ALICE = as_root(user="alice@pve")
# Administrators after the changes, who runs them, and of whom nobody knows whether they have a password.
CASES: list[tuple[str, GuardContext, str]] = [
    ("alice@pve bob@pve", as_root(), "alice@pve bob@pve"),
    ("alice@pve bob@pve", as_automation(), "alice@pve bob@pve"),
    ("alice@pve bob@pve", ALICE, "bob@pve"),
    # Alice's password was just tried, root's is one of Unix, a directory keeps Carol's, and Dan's is set by the plan.
    ("alice@pve bob@pve root@pam", ALICE, ""),
    ("bob@pve carol@ldap root@pam", as_root(), ""),
    ("bob@pve carol@ldap", as_root(), "bob@pve"),
    ("bob@pve dan@pve", as_root(), "bob@pve"),
    ("alice@pve bob@pve", as_automation(user="alice@pve", token="ci"), "alice@pve bob@pve"),
    ("", as_root(), ""),
]


@pytest.mark.parametrize(("after", "context", "unknown"), CASES)
def test_whose_password_is_unknown(after: str, context: GuardContext, unknown: str) -> None:
    assert unknown_passwords(directory_of(working()), after.split(), context) == unknown.split()
