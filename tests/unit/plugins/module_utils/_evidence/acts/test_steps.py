# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Twice as many events are about twice the work, also when they all come at once."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ansible_collections.pve.audit.plugins.filter.events import events
from ansible_collections.pve.audit.plugins.module_utils._evidence.acts.join import unite_events
from ansible_collections.pve.audit.plugins.module_utils._model.event import Event
from tests.steps import count_steps

START = 1_795_435_200
LINE = '192.0.2.7 - {user} [23/11/2026:12:{minute:02}:{second:02} +0000] "{call} HTTP/1.1" 200 {length}'


def a_day(count: int) -> list[Event]:
    """Guests destroyed through two nodes, one each second."""
    access: dict[str, list[str]] = {"pve1": [], "pve2": []}
    tasks = []
    for number in range(count):
        upid = f"UPID:pve2:{number:08X}:0007AF88:{START + number:08X}:qmdestroy:{100 + number}:ann@pve:"
        tasks.append(f"{upid} {START + number:08X} OK")
        call = f"DELETE /api2/json/nodes/pve2/qemu/{100 + number}"
        minute, second = divmod(number, 60)
        line = LINE.format(user="ann@pve", minute=minute, second=second, call=call, length=len(upid) + 11)
        access["pve1"].append(line)
        access["pve2"].append(line.replace("192.0.2.7", "10.0.0.1"))
    return [
        *events(tasks),
        *(event for node, lines in access.items() for event in events(lines, source="access", node=node)),
    ]


def an_attack(count: int) -> list[Event]:
    """Passwords tried at one account, twenty in each second, told by pvedaemon, by PAM and by access.log."""
    records = []
    lines = []
    for number in range(count):
        minute, second = divmod(number // 20, 60)
        stamp = (START + number // 20) * 1_000_000 + number % 20
        texts = (
            "authentication failure; rhost=192.0.2.7 user=root@pam msg=Authentication failure",
            "pam_unix(proxmox-ve-auth:auth): authentication failure; logname= uid=0 euid=0 rhost=192.0.2.7 user=root",
        )
        records += [
            {"SYSLOG_IDENTIFIER": "pvedaemon", "_HOSTNAME": "pve1", "MESSAGE": text, "__REALTIME_TIMESTAMP": str(stamp)}
            | {"__CURSOR": f"{number} {place}"}
            for place, text in enumerate(texts)
        ]
        lines.append(
            LINE.format(user="-", minute=minute, second=second, call="POST /api2/extjs/access/ticket", length=77)
        )
    return events(records, source="journal") + events(lines, source="access", node="pve1")


@pytest.mark.parametrize("make", [a_day, an_attack])
def test_work_grows_with_the_number_of_events(make: Callable[[int], list[Event]]) -> None:
    few, many = make(60), make(480)
    assert len(unite_events(many)) == 8 * len(unite_events(few))
    ratio = count_steps(lambda: unite_events(many)) / count_steps(lambda: unite_events(few))
    assert ratio < 10
