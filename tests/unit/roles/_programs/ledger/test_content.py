# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is told of a change in each kind of file, and what never is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pve_audit.ledger.content import compare, holds_secrets
from pve_audit.ledger.line import node_names

DATA = Path(__file__).resolve().parents[3] / "data" / "ledger"
TOLD = yaml.safe_load((DATA / "told.yml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("row", TOLD, ids=[row["path"] for row in TOLD])
def test_a_change(row: dict[str, Any]) -> None:
    told = compare(row["path"], row.get("before", "").encode(), row.get("after", "").encode())
    expected = tuple(row.get(kind, []) for kind in ("added", "removed", "changed"))
    assert (told.added, told.removed, told.changed) == expected
    assert told.diff == []


def test_a_file_of_no_known_kind_is_a_bounded_diff() -> None:
    told = compare("vzdump.cron", b"a\n", b"b\n")
    assert told.diff == ["@@ -1,2 +1,2 @@", "-a", "+b", " "]
    many = compare("vzdump.cron", b"", b"\n".join(b"%d" % number for number in range(1000)))
    assert (len(many.diff), many.left_out) == (100, 902)
    assert len(compare("vzdump.cron", b"", b"x" * 5000).diff[-1]) < 350


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("nodes/pve1/qemu-server/100.conf", "cipassword: a\ncipassword: hunter2"),
        ("nodes/pve1/lxc/100.conf", "lxc.environment: DB_PASSWORD=hunter2"),
        ("nodes/pve1/qemu-server/100.conf", "args: -object secret,data=hunter2"),
        ("datacenter.cfg", "http_proxy: http://u:hunter2@proxy"),
        ("notifications.cfg", "webhook: w\n\turl https://x?token=hunter2"),
        ("storage.cfg.bak", "pbs: b\n\tpassword hunter2"),
        ("user.cfg.bak", "user:a@pve:1:0:::::hunter2:"),
        ("notes", "client-key hunter2"),
        ("notes", "DB_PASSWORD=hunter2"),
        ("storage.cfg", "-----BEGIN PRIVATE KEY-----\nhunter2"),
    ],
)
def test_no_secret_of_a_known_file_is_told(path: str, line: str) -> None:
    assert "hunter2" not in str(compare(path, b"", f"{line}\n".encode()))


def test_a_head_with_many_blanks_is_read_at_once() -> None:
    assert compare("storage.cfg", b"", b"a:" + b" " * 200_000 + b"x y\n").added


def test_work_grows_with_the_size_and_not_faster() -> None:
    names = ",".join(f"u{number}@pve" for number in range(20_000))
    roles = ",".join(f"r{number}" for number in range(20_000))
    told = compare("user.cfg", b"", f"acl:1:/:{names}:{roles}:\n".encode())
    assert [row[0] for row in told.added] == ["acl / (20000 names, 20000 roles)"]
    assert len(told.added[0][1]) < 400
    lines = [b"%d" % (number % 900) for number in range(100_000)]
    assert compare("x", b"\n".join(lines), b"\n".join([*lines[::-1], b"new"])).diff == ["+new"]


@pytest.mark.parametrize(
    "secret",
    [
        "$6$salt$hashhashhash",
        "7f3b1c9e-0d3a-4c55-9a53-0f0e2b1f7a10",
        "password=summer2026",
        "-----BEGIN PRIVATE KEY-----\nMIIE",
    ],
)
def test_a_secret_that_was_copied_elsewhere_is_not_told(secret: str) -> None:
    told = compare("notes.txt", b"", f"alice: {secret}\n".encode())
    assert secret.splitlines()[-1].rpartition("=")[2] not in str(told.diff)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        *(
            (path, True)
            for path in ("priv", "priv/shadow.cfg", "priv/storage/nas.pw", "nodes/pve1/priv/x", "pve-www.key")
        ),
        *(
            (path, True)
            for path in ("pve-www.key", "nodes/pve1/pve-ssl.key", "sdn/wg-keys.cfg", "shadow.cfg.bak", "token.cfg")
        ),
        *((path, False) for path in ("user.cfg", "private.txt", "nodes/pve1/pve-ssl.pem", "authkey.pub")),
    ],
)
def test_which_files_hold_secrets(path: str, expected: bool) -> None:
    assert holds_secrets(path) is expected


@given(st.sampled_from([*(row["path"] for row in TOLD), "other"]), st.binary(), st.binary())
def test_any_content_can_be_compared(path: str, before: bytes, after: bytes) -> None:
    told = compare(path, before, after)
    assert before != after or not (told.added or told.removed or told.changed or told.diff)


def test_names_of_nodes() -> None:
    nodes = b"node {\n  name: a\n  nodeid: 1\n }\n node {\n  nodeid: 2\n  name: b\n }\n node { nodeid: x }"
    text = b"nodelist {\n " + nodes + b"\n}\n\xff"
    assert node_names(text) == {1: "a", 2: "b"}
