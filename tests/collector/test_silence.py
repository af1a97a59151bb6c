# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A heartbeat on its whole way: sent with a certificate, written by rsyslogd's writer, judged by the command."""

from __future__ import annotations

import time

from pve_audit.wire import Message, encode
from tests.collector.conftest import Collector
from tests.collector.relp import Relp


def beat(number: int, state: str, ahead: float = 0.0) -> bytes:
    params = {"state": state, "beat": str(number), "every": "60", "behind": "0", "broken": "", "missing": ""}
    return encode(Message("pve1", "heartbeat", "{}", int((time.time() + ahead) * 1e6), params=params), 8000)[0]


def test_what_a_heartbeat_says_is_noticed(collector: Collector) -> None:
    def found(*words: str) -> list[tuple[str, str]]:
        said = collector.run_tool("silence", *words)
        return [(one["node"], one["verdict"]) for one in said["findings"]]

    never = ("pve2", "never")
    assert found() == [("pve1", "never"), never]
    session = Relp(collector.ports["relp-pve1"], collector.pki, "pve1")
    session.log(beat(1, "aa"))
    assert found() == [never]
    session.log(beat(2, "aa", ahead=3600))
    assert found() == [("pve1", "clock"), never]
    session.log(beat(1, "bb"))
    assert found() == [("pve1", "restarted"), never]
    assert found("--accept", "pve1") == [never]
    assert not collector.run_tool("gaps", "--node", "pve2")["complete"]
    assert not any(collector.refused().values())
