# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each change belongs to one control."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.pve.audit.plugins.module_utils._identity.plan.controls import control_of
from ansible_collections.pve.audit.plugins.module_utils._identity.plan.declaration import read_declaration

WANTED = read_declaration(
    {
        "people": [{"id": "alice"}],
        "service_accounts": [{"id": "backup"}],
        "break_glass": {"id": "glass"},
        "shared_accounts": ["root@pam"],
    },
    [],
)


def grant(ugid: str) -> dict[str, Any]:
    return {"object": "acl", "id": "/ x", "options": {"ugid": ugid}}


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ({"object": "user", "id": "root@pam", "action": "disable", "options": {"userid": "root@pam"}}, "PVA-IDN-01"),
        ({"object": "user", "id": "glass@pve", "options": {}}, "PVA-IDN-02"),
        (grant("glass@pve"), "PVA-IDN-02"),
        ({"object": "user", "id": "alice@pve", "options": {}}, "PVA-IDN-03"),
        ({"object": "user", "id": "stranger@pve"}, "PVA-IDN-03"),
        ({"object": "group", "id": "admins", "options": {}}, "PVA-IDN-03"),
        ({"object": "role", "id": "Operator", "options": {}}, "PVA-IDN-04"),
        (grant("admins"), "PVA-IDN-04"),
        (grant("backup@pve!nightly"), "PVA-IDN-05"),
        (grant("backup@pve"), "PVA-IDN-05"),
        ({"object": "user", "id": "backup@pve", "options": {}}, "PVA-IDN-05"),
        ({"object": "token", "id": "alice@pve!mine", "options": {}}, "PVA-IDN-05"),
        ({"object": "realm", "id": "pve", "options": {}}, "PVA-IDN-06"),
    ],
)
def test_control_of(item: dict[str, Any], expected: str) -> None:
    assert control_of(item, WANTED) == expected
