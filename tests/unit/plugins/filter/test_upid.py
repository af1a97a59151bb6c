# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter pve.audit.upid."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.pve.audit.plugins.filter.upid import FilterModule, upid

TEXT = "UPID:pve1:0000010A:0002BBEF:6B046DE4:vzdump:103:svc@pve!backup:"
PARTS = {
    "upid": TEXT,
    "node": "pve1",
    "pid": 266,
    "pstart": 179183,
    "starttime": 1795452388,
    "start": "2026-11-23T16:46:28Z",
    "type": "vzdump",
    "id": "103",
    "user": "svc@pve",
    "tokenid": "backup",
    "strict": True,
    "log_path": f"/var/log/pve/tasks/4/{TEXT}",
}
COLON = "UPID:pve1:0000010A:0002BBEF:6B046DE4:imgcopy:pve1:local:root@pam:"


@pytest.mark.parametrize(
    ("value", "want"),
    [(TEXT, PARTS), ([TEXT], [PARTS]), ((TEXT, TEXT), [PARTS, PARTS]), (iter([TEXT]), [PARTS]), ([], [])],
)
def test_parts(value: Any, want: Any) -> None:
    assert upid(value) == want


def test_an_id_with_a_colon_is_read_on_request() -> None:
    parts = upid(COLON, strict=False)
    assert isinstance(parts, dict)
    assert (parts["id"], parts["strict"]) == ("pve1:local", False)


WRONG: list[tuple[Any, str]] = [
    ("UPID:", "is not a UPID"),
    (COLON, "is not a UPID"),
    (None, "a UPID is text, not NoneType"),
    ({}, "not dict"),
    (b"UPID:", "not bytes"),
    ([TEXT, 7], "item 2 of the list: a UPID is text, not int"),
    ([TEXT, "x" * 500], "item 2 of the list"),
]


@pytest.mark.parametrize(("value", "sentence"), WRONG)
def test_wrong_input_gives_one_sentence(value: Any, sentence: str) -> None:
    with pytest.raises(AnsibleFilterError, match=r"^pve\.audit\.upid: ") as error:
        upid(value)
    assert sentence in str(error.value)
    assert len(str(error.value)) < 400


def test_the_filter_has_its_name() -> None:
    assert FilterModule().filters() == {"upid": upid}
