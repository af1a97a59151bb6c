# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan and the modules must mean the same object by a path, however it is written."""

from __future__ import annotations

import pytest

from ansible_collections.pve.audit.plugins.module_utils._identity.plan import declaration as identity_declaration
from ansible_collections.pve.audit.plugins.module_utils._pve import names


@pytest.mark.parametrize(
    "path", ["/", "//", "/vms", "vms", "/vms/", "//vms//100/", "/access/groups/a-b", "access/realm/pve"]
)
def test_both_name_the_same_object(path: str) -> None:
    assert identity_declaration.normal_path(path) == names.normal_path(path)
