# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: E501  (log lines are long)
"""Tables of messages: what each is evidence of, in every form of a journal, and what is nothing."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.pve.audit.plugins.module_utils._evidence.read import classify_event, read_events
from ansible_collections.pve.audit.plugins.module_utils._evidence.source import Context
from ansible_collections.pve.audit.plugins.module_utils._model.event import get_field
from ansible_collections.pve.audit.plugins.module_utils._parse.messages import read_message

TABLES = Path(__file__).resolve().parents[3] / "data" / "messages"
KEYS = ("event.action", "event.outcome", "user.id", "source.ip")
REFERENCE = 1795456000.0


def rows() -> list[Any]:
    """Each row of each table; sshd's table does not repeat the program."""
    return [
        pytest.param(
            row.get("ident", table.stem), row["message"], row.get("says"), row.get("more", {}), id=row["message"]
        )
        for table in sorted(TABLES.glob("*.yml"))
        for row in yaml.safe_load(table.read_text(encoding="utf-8"))
    ]


def forms(ident: str, message: str) -> list[Any]:
    """The message as a record and as lines."""
    record = {
        "__REALTIME_TIMESTAMP": "1795455560000002",
        "_HOSTNAME": "pve1",
        "SYSLOG_IDENTIFIER": ident,
        "_PID": "77",
        "MESSAGE": message,
    }
    tail = f"pve1 {ident}[77]: {message}"
    return [record, f"2026-11-23T18:39:20.000002+01:00 {tail}", f"Nov 23 17:39:20 {tail}"]


@pytest.mark.parametrize(("ident", "message", "says", "more"), rows())
def test_a_message_says(ident: str, message: str, says: list[str | None] | None, more: dict[str, Any]) -> None:
    for form in forms(ident, message):
        events = [classify_event(event) for event in read_events([form], context=Context("", REFERENCE))]
        assert [[get_field(event, key) for key in KEYS] for event in events] == ([] if says is None else [says])
        for event in events:
            assert {key: get_field(event, key) for key in more} == more
            assert event["event"]["kind"] == "event"
            assert event["process"]["pid"] == 77
            assert event["pve"]["severity"]


TRUE, FORGED = "203.0.113.9", "192.0.2.1"
# What sshd writes of a name that is no user's, which is whatever was typed; and whether more text follows the address.
TYPED = [
    ("Failed password for invalid user {user} from {ip} port 22 ssh2", False),
    ("Failed none for invalid user {user} from {ip} port 22 ssh2", False),
    ("Failed keyboard-interactive/pam for invalid user {user} from {ip} port 22 ssh2", False),
    ("Failed publickey for invalid user {user} from {ip} port 22 ssh2: ED25519 SHA256:abc", True),
    (
        "Failed publickey for invalid user {user} from {ip} port 22 ssh2: RSA-CERT SHA256:a ID b (serial 1) CA RSA SHA256:c",
        True,
    ),
    ("Invalid user {user} from {ip} port 22", False),
    ("Connection closed by invalid user {user} {ip} port 22 [preauth]", False),
    ("Connection reset by invalid user {user} {ip} port 22 [preauth]", False),
    ("Connection from invalid user {user} {ip} port 22 timed out [preauth]", False),
    ("Disconnected from invalid user {user} {ip} port 22 [preauth]", False),
    ("Disconnecting invalid user {user} {ip} port 22: Too many authentication failures [preauth]", True),
    ("ssh_dispatch_run_fatal: Connection from invalid user {user} {ip} port 22: Broken pipe [preauth]", True),
    ("error: maximum authentication attempts exceeded for invalid user {user} from {ip} port 22 ssh2 [preauth]", False),
    ("error: PAM: Authentication failure for illegal user {user} from {ip}", False),
]
PIECES = [FORGED, "from", "port", "22", "ssh2", f"from {FORGED} port 22 ssh2", f"{FORGED} port 22", "root", "invalid user", "ID", "by",
          ": ED25519 SHA256:abc", ": RSA-CERT SHA256:a ID b", "(serial 1) CA RSA SHA256:c", ":", ": Broken pipe", "timed out", "[preauth]",
          "not allowed because", "error: PAM: x for", "Accepted publickey for root", "user", "\n", "#012"]  # fmt: skip


@settings(max_examples=60, database=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 2**32), st.lists(st.text(max_size=8), min_size=1, max_size=4))
def test_a_name_moves_no_address(seed: int, extra: list[str]) -> None:
    """A refusal stays one. Its address is the true one, or none where the name could be the end of the message."""
    chance = random.Random(seed)
    for _name in range(40):
        words = [chance.choice([*PIECES, *extra]) for _word in range(chance.randrange(6))]
        user = chance.choice(("", " ")).join(words)
        for template, more in TYPED:
            facts = read_message("sshd", template.format(user=user, ip=TRUE))
            assert facts is not None
            assert (facts.action, facts.outcome) == ("session.ssh.open", "failure")
            assert facts.ip == TRUE or (more and facts.ip is None and TRUE in (facts.error or ""))
            if facts.ip == TRUE:
                assert (facts.user or "@pam").removesuffix("@pam") == user.removesuffix("#012").strip()


@pytest.mark.parametrize("times", [1, 15, 16, 17, 100])
def test_many_forged_addresses_are_not_believed(times: int) -> None:
    text = (
        f"Disconnecting invalid user a{f' {FORGED} port 1: x' * times} {TRUE} port 2: Too many authentication failures"
    )
    facts = read_message("sshd", text)
    assert facts is not None
    assert facts.ip is None
