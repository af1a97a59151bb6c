# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""UPIDs against PVE's own decoder rules."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._model.names import split_userid
from ansible_collections.pve.audit.plugins.module_utils._parse.upid import (
    log_path,
    parse_upid,
    user_fields,
)

HEAD = "UPID:pve1:0000010A:0002BBEF:6B046DE4:"
GOOD: list[tuple[str, dict[str, Any]]] = [
    (f"{HEAD}vzdump:103:svc@pve!backup:", {"id": "103", "user": "svc@pve", "tokenid": "backup", "pid": 266}),
    (f"{HEAD}vzdump::root@pam:", {"id": "", "user": "root@pam", "tokenid": None, "starttime": 1795452388}),
    ("UPID:pve3:00047598:12A03545D:6B046032:aptupdate::root@pam:", {"node": "pve3", "pstart": 0x12A03545D}),
    ("UPID:a:0000010a:0002bbef:6b046de4:x:1:u@pve:", {"node": "a", "pid": 266, "starttime": 1795452388}),
    (f"{HEAD}imgdel:100@local-lvm:root@pam:", {"id": "100@local-lvm"}),
    (f"{HEAD}imgdel:pve1\\x3alocal:root@pam:", {"id": "pve1\\x3alocal", "object": "pve1:local"}),
    (f"{HEAD}qmcreate:日本:zoë@pve:", {"id": "日本", "user": "zoë@pve"}),
    (f"{HEAD}qmstop:1:a!b@pve:", {"user": "a!b@pve", "tokenid": None}),
    (f"{HEAD}qmstop:1:a!b@pve!t:", {"user": "a!b@pve!t", "tokenid": None}),  # a token has two letters or more
    (f"{HEAD}qmstop:1:a@b@pve!tok:", {"user": "a@b@pve", "tokenid": "tok"}),
    (f"{HEAD}qmstop:1:root:", {"user": "root", "tokenid": None}),
]
ONLY_TOLERANT: list[tuple[str, dict[str, Any]]] = [
    (f"{HEAD}imgcopy:pve1:local:root@pam:", {"id": "pve1:local", "user": "root@pam", "node": "pve1"}),
    (f"{HEAD}imgcopy:a b:root@pam!ci:", {"id": "a b", "tokenid": "ci"}),
    (f"{HEAD}imgcopy:a/b:root@pam:", {"id": "a/b"}),
    (f"{HEAD}imgcopy:::::root@pam:", {"id": ":::"}),
    ("UPID:pve1-:0000010A:0002BBEF:6B046DE4:x:1:root@pam:", {"node": "pve1-"}),
    ("UPID:pve1:0000010A:1112A03545D:6B046DE4:x:1:root@pam:", {"pstart": 0x1112A03545D}),
]
BAD: list[Any] = [
    "",
    "UPID:",
    "UPID:pve1:short:x",
    f"{HEAD}vzdump:103:root@pam",
    f"{HEAD}vzdump:103::",
    f"{HEAD}:103:root@pam:",
    "UPID:pve1:0000010G:0002BBEF:6B046DE4:vzdump:103:root@pam:",
    "UPID:pve1:0000010A:0002BBEF:6B046DE:vzdump:103:root@pam:",
    f" {HEAD}vzdump:103:root@pam:",
    f"{HEAD}vzdump:103:root@pam:\n",
    f"{HEAD}vzdump::root@p{HEAD}qmdestroy:108:bob@pve:",
    f"{HEAD}qmdestroy:10AAA3:6A48CA05:qmstop:103:carol@pve:",
    f"{HEAD}qmdestroy:1qmstop:103:carol@pve:",
    f"{HEAD}imgdel:a\0b:carol@pve:",
    "UPID:vault1:00000A31:0004F2B0:00000003:6AF81200:acme-register:corp:root@pam:",
    "UPID:vault1:00000A31:0004F2B0:00000003:6AF81200:backup:a\\x3ab:root@pam!nightly:",
    None,
    7,
    b"UPID:",
]


@pytest.mark.parametrize(("text", "want"), GOOD)
@pytest.mark.parametrize("strict", [True, False])
def test_what_pve_reads_is_read(text: str, want: dict[str, Any], strict: bool) -> None:
    upid = parse_upid(text, strict=strict)
    assert {key: getattr(upid, key) for key in want} == want
    assert upid.strict
    assert upid.upid == text


@pytest.mark.parametrize(("text", "want"), ONLY_TOLERANT)
def test_what_pve_refuses_is_read_from_both_ends(text: str, want: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="is not a UPID"):
        parse_upid(text)
    upid = parse_upid(text, strict=False)
    assert {key: getattr(upid, key) for key in want} == want
    assert not upid.strict


@pytest.mark.parametrize("text", BAD)
@pytest.mark.parametrize("strict", [True, False])
def test_anything_else_is_an_input_error(text: Any, strict: bool) -> None:
    with pytest.raises(InputError):
        parse_upid(text, strict=strict)


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize(
    "task",
    [
        "0000000000000003:6AF81200:aptupdate::",
        "00000003:6AF81200:syncjob:remote:store1:ns:",
        "00000003:6AF81200:reader:store1:host/web1:",
    ],
)
def test_other_products_are_named(task: str, strict: bool) -> None:
    """Also those whose id PVE would not take: none is a task of 1970 whose type is a number."""
    with pytest.raises(InputError, match="Proxmox Backup Server"):
        parse_upid(f"UPID:vault1:00000A31:0004F2B0:{task}root@pam:", strict=strict)


def test_log_lies_below_the_last_digit_of_the_start() -> None:
    text = f"{HEAD}vzdump::root@pam:"
    assert log_path(parse_upid(text)) == f"/var/log/pve/tasks/4/{text}"


@pytest.mark.parametrize(
    ("text", "want", "account"),
    [
        ("alice@pve!ci", ("alice", "pve", "ci"), "alice@pve"),
        ("alice@pve", ("alice", "pve", None), "alice@pve"),
        ("a@b@pve", ("a@b", "pve", None), "a@b@pve"),
        ("a!b@pve!ci", ("a!b", "pve", "ci"), "a!b@pve"),
        ("evil user=root@pam", ("evil user=root", "pam", None), "evil user=root@pam"),
        ("root", ("root", None, None), "root"),
        ("@pve", ("@pve", None, None), "@pve"),
        ("", ("", None, None), ""),
    ],
)
def test_user_ids(text: str, want: tuple[str, str | None, str | None], account: str) -> None:
    assert split_userid(text) == want
    fields = user_fields(text)
    assert (fields["id"], fields["name"], fields.get("domain"), fields["account"]) == (text, want[0], want[1], account)
