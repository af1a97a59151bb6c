# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of the API in one form: secrets, order, and what is no configuration."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._parse import config_rows
from ansible_collections.pve.audit.plugins.module_utils._parse.config_rows import HIDDEN, items_of, text_of

SECRET = "hunter2-8f3c"
UUID = "1b4e28ba-2fa1-11d2-883f-0016d3cca427"
KEY = f"-----BEGIN OPENSSH PRIVATE KEY-----\n{SECRET}\n-----END OPENSSH PRIVATE KEY-----"


@pytest.mark.parametrize(
    "key",
    "password bind_password bindpw pw cipassword passphrase token api-token secret client-key encryption-key keyring "
    "key keys smtp_password credential credentials hmac psk cookie env header body apikey private-key".split(),
)
@pytest.mark.parametrize("value", [SECRET, [SECRET], {"a": SECRET}])
def test_secrets_by_name(key: str, value: Any) -> None:
    assert items_of({key: value}) == {key: HIDDEN}
    assert SECRET not in json.dumps(items_of({"nested": {key: value}, "listed": [{key: value}]}))


@pytest.mark.parametrize(
    ("key", "value", "shown"),
    [
        ("description", f"login with password={SECRET} please", "login with password=REDACTED please"),
        ("comment", f"https://admin:{SECRET}@host/", "https://admin:REDACTED@host/"),
        ("description", f"the token is {UUID}", f"the token is {HIDDEN}"),
        ("comment", "$6$salt$abcdefghijk", HIDDEN),
        ("sshkeys", f"{KEY}\nssh-ed25519 AAAA", f"{HIDDEN}\nssh-ed25519 AAAA"),
        ("args", f"-object secret,id=s,data={SECRET} -device x,password={SECRET}", None),
        ("vmgenid", UUID, UUID),
        ("smbios1", f"uuid={UUID}", f"uuid={UUID}"),
        ("scsi0", f"zfs:vm-1-disk-0,serial={UUID}", f"zfs:vm-1-disk-0,serial={UUID}"),
        ("ciuser", "admin", "admin"),
        ("tokenid", "ci", "ci"),
    ],
)
def test_secrets_by_form(key: str, value: str, shown: str | None) -> None:
    text = text_of(key, value)
    assert text == shown if shown is not None else f"password={SECRET}" not in text


def test_where_notifications_go() -> None:
    rows = [
        {"name": "chat", "type": "webhook", "url": f"https://hooks.example.org/services/{SECRET}", "secret": [SECRET]},
        {"name": "push", "type": "gotify", "server": "https://push.example.org", "header": [f"name=a,value={SECRET}"]},
    ]
    assert config_rows.endpoints(rows) == {
        "chat": {"type": "webhook", "url": f"https://hooks.example.org/{HIDDEN}", "secret": HIDDEN},
        "push": {"type": "gotify", "server": "https://push.example.org", "header": HIDDEN},
    }


@pytest.mark.parametrize(
    ("row", "items"),
    [
        ({"b": 1, "a": True, "c": None, "d": ""}, {"a": "1", "b": "1"}),
        ({"content": "iso,backup", "nodes": "b a"}, {"content": "backup,iso", "nodes": "a,b"}),
        ({"tags": "b;a"}, {"tags": "b;a"}),
        ({"map": ["node=b", "node=a"]}, {"map": "node=a\nnode=b"}),
        ({"migration": {"type": "secure", "network": "192.0.2.0/24"}}, None),
        ({"digest": "x", "next-run": 1, "lock": "backup", "state": "started"}, {"state": "started"}),
    ],
)
def test_one_form(row: dict[str, Any], items: dict[str, str] | None) -> None:
    expected = {"migration": '{"network": "192.0.2.0/24", "type": "secure"}'} if items is None else items
    assert items_of(row) == expected
    assert items_of(dict(reversed(row.items()))) == expected


def test_long_values_are_short_and_still_differ() -> None:
    one, other = (text_of("description", "x" * 5000 + end) for end in "ab")
    assert len(one) < 500 and one != other and one.startswith("x" * 300 + " and 4701 more characters")


def test_rules_of_a_firewall() -> None:
    rows = [
        {"pos": 1, "type": "in", "action": "ACCEPT", "enable": 1, "source": "192.0.2.1", "comment": "x", "digest": "d"},
        {"pos": 0, "type": "group", "action": "web", "ipversion": 4},
        {"pos": 2, "type": "group", "action": "web"},
        {"pos": 3, "type": "group", "action": "web"},
    ]
    assert config_rows.rules(rows) == {
        "GROUP WEB": "0",
        "IN ACCEPT -enable 1 -source 192.0.2.1 # x": "1",
        "GROUP WEB (again 1)": "2",
        "GROUP WEB (again 2)": "3",
    }


@pytest.mark.parametrize(
    ("shape", "rows", "objects"),
    [
        (
            config_rows.users,
            [{"userid": "a@pve", "enable": 1, "keys": SECRET, "tokens": [], "groups": "g", "realm-type": "pve"}],
            {"a@pve": {"enable": "1", "keys": HIDDEN}},
        ),
        (
            config_rows.tokens,
            [{"userid": "a@pve", "tokens": {"ci": {"privsep": 0}}}, {"userid": "b@pve", "tokens": [{"tokenid": "x"}]}],
            {"a@pve!ci": {"privsep": "0"}, "b@pve!x": {}},
        ),
        (
            config_rows.factors,
            [{"userid": "a@pve", "entries": [{"id": "1", "type": "totp"}]}],
            {"a@pve/1": {"type": "totp"}},
        ),
        (config_rows.factors, [{"userid": "a@pve"}, {"userid": "b@pve", "entries": None}], {}),
        (
            config_rows.groups,
            [{"groupid": "g", "users": "b@pve,a@pve"}],
            {"g": {"member a@pve": "", "member b@pve": ""}},
        ),
        (config_rows.groups, [{"groupid": "g", "users": ["a@pve"]}], {"g": {"member a@pve": ""}}),
        (
            config_rows.roles,
            [{"roleid": "R", "privs": "VM.Audit", "special": 0}, {"roleid": "PVEAdmin", "privs": "X", "special": 1}],
            {"R": {"privilege VM.Audit": ""}},
        ),
        (
            config_rows.acl,
            [
                {"path": "/", "type": "group", "ugid": "g", "roleid": "R", "propagate": 1},
                {"path": "/", "type": "user", "ugid": "a@pve", "roleid": "R", "propagate": "0"},
            ],
            {"/": {"@g R": "propagate", "a@pve R": "here only"}},
        ),
    ],
)
def test_shapes(shape: Any, rows: list[dict[str, Any]], objects: dict[str, dict[str, str]]) -> None:
    assert shape(rows) == objects


def test_members_of_a_pool() -> None:
    detail = {
        "poolid": "p",
        "comment": "c",
        "members": [{"type": "storage", "storage": "s"}, {"type": "qemu", "vmid": 9}],
    }
    assert config_rows.members(detail) == {"comment": "c", "guest 9": "", "storage s": ""}


@pytest.mark.parametrize("row", [{}, {"storage": None}, {"storage": ""}, {"storage": []}])
def test_a_row_without_a_name(row: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="an entry has no storage"):
        config_rows.keyed("storage")([row])


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(
    row=st.dictionaries(st.text(max_size=8), _JSON, max_size=5), name=st.sampled_from(["password", "x-secret", "token"])
)
def test_any_row_is_read_and_keeps_its_secrets(row: dict[str, Any], name: str) -> None:
    items = items_of({**row, name: SECRET, "deep": {"more": [{name: SECRET}]}})
    assert SECRET not in json.dumps(items) and items[name] == HIDDEN
    assert all(isinstance(text, str) and text for text in items.values())
    assert len(config_rows.digest_of({"one": items})) == 64
