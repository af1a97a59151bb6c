# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables of messages: what each is evidence of, in every form of a journal, and what is nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.pve.audit.plugins.module_utils._evidence.read import classify_event, read_events
from ansible_collections.pve.audit.plugins.module_utils._evidence.source import Context
from ansible_collections.pve.audit.plugins.module_utils._model.event import get_field

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
