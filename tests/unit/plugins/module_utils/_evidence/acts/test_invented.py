# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Invented clusters in which much happens at once: shared accounts and addresses, root in browsers and in shells.

The clocks, the lags and the lengths are those that recordings of a genuine cluster show.
"""

from __future__ import annotations

import random
from collections import defaultdict
from datetime import UTC, datetime
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.pve.audit.plugins.filter.events import events
from ansible_collections.pve.audit.plugins.module_utils._evidence.acts.act import join_acts
from ansible_collections.pve.audit.plugins.module_utils._model.event import Event, get_field

START = 1_795_435_200
NODES = {"pve1": "10.0.0.1", "pve2": "10.0.0.2", "pve3": "10.0.0.3"}
PEOPLE = [
    ("ann@pve", "192.0.2.1"),
    ("ops@pve", "192.0.2.1"),
    ("ops@pve", "192.0.2.3"),
    ("ops@pve", "192.0.2.4"),
    ("ci@pve!t", "192.0.2.5"),
    ("ci@pve!t", "192.0.2.6"),
    ("root@pam", "192.0.2.7"),
    ("root@pam", "192.0.2.8"),
]
SHELLS = [None, ("tess", "1004"), ("carl", "1005")]
CALLS = {
    "qmdestroy": "DELETE /api2/{form}/nodes/{node}/qemu/{vmid}",
    "qmcreate": "POST /api2/{form}/nodes/{node}/qemu",
    "qmstart": "POST /api2/{form}/nodes/{node}/qemu/{vmid}/status/start",
}
ENVELOPES = {"extjs": 23, "json": 11}
Who = tuple[str, str | None]


class Invented:
    """What happened, the files that tell of it, and who did what: by UPID, and by node and line of access.log."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.access: dict[str, list[tuple[float, str]]] = defaultdict(list)
        self.journal: dict[str, list[tuple[float, str, str, dict[str, str]]]] = defaultdict(list)
        self.tasks: dict[str, list[str]] = defaultdict(list)
        self.did: dict[str, Who] = {}
        self.sent: dict[tuple[str, str], set[Who]] = defaultdict(set)
        span = self.random.choice([3, 6, 20, 60])
        for node in NODES:
            for name, uid in filter(None, SHELLS):
                text = f"pam_unix(sshd:session): session opened for user {name}(uid={uid}) by (uid=0)"
                self.journal[node].append((0.0, "sshd", text, {"_PID": uid}))
        for number in range(self.random.randrange(3, 40)):
            self.act(self.random.random() * span, 100 + number)

    def act(self, time: float, pid: int) -> None:
        """Something that somebody does."""
        what, node = self.random.random(), self.random.choice(list(NODES))
        kind, vmid = self.random.choice(list(CALLS)), self.random.choice([100, 101, 102, 1000, 1001])
        who = self.random.choice(PEOPLE)
        if what < 0.6:
            upid = self.task(time, node, pid, kind, vmid, who)
            self.journal[node].append((time + 0.05, "pvedaemon", f"<{who[0]}> starting task {upid}", {"_PID": "7"}))
            self.call(time, node, CALLS[kind], vmid, who, len(upid))
        elif what < 0.7:
            self.call(time, node, CALLS[kind], vmid, who, self.random.randrange(94, 226))
        elif what < 0.8:
            self.call(time, node, "PUT /api2/extjs/nodes/{node}/qemu/{vmid}/config", vmid, who, 2)
        else:
            self.command(time, node, pid, kind, vmid)

    def task(self, time: float, node: str, pid: int, kind: str, vmid: int, who: Who, user: str = "") -> str:
        """A task in the index."""
        second = START + int(time)
        upid = f"UPID:{node}:{pid:08X}:0007AF88:{second:08X}:{kind}:{vmid}:{user or who[0]}:"
        self.tasks[node].append(f"{upid} {second + 1:08X} OK")
        self.did[upid] = who
        return upid

    def command(self, time: float, node: str, pid: int, kind: str, vmid: int) -> None:
        """A command of root at the console, or of somebody by sudo."""
        shell = self.random.choice(SHELLS)
        upid = self.task(time, node, pid, kind, vmid, (f"{shell[0]}@pam" if shell else "root@pam", None), "root@pam")
        fields = {"_PID": str(pid)} | ({"_AUDIT_LOGINUID": shell[1]} if shell else {})
        if shell:
            text = f"{shell[0]} : PWD=/ ; USER=root ; COMMAND=/usr/sbin/qm {kind[2:]} {vmid}"
            self.journal[node].append((time - 0.6, "sudo", text, fields))
        self.journal[node].append((time + 0.05, "qm", f"<root@pam> starting task {upid}", fields))

    def call(self, time: float, node: str, call: str, vmid: int, who: Who, length: int) -> None:
        """A call through any node, with its second line where it was passed on."""
        entry, form = self.random.choice(list(NODES)), self.random.choice(list(ENVELOPES))
        words = call.format(form=form, node=node, vmid=vmid)
        answered = time + self.random.random() * 0.9
        for where, client, when in [
            (node, NODES[entry], answered),
            (entry, who[1], answered + self.random.random() * 0.2),
        ]:
            if where == entry and client != who[1]:
                continue  # nothing was passed on
            clock = datetime.fromtimestamp(START + int(when), UTC).strftime("%d/%m/%Y:%H:%M:%S +0000")
            line = f'{client} - {who[0]} [{clock}] "{words} HTTP/1.1" 200 {length + ENVELOPES[form]}'
            self.access[where].append((when, line))
            self.sent[where, line].add(who)

    def parts(self) -> list[list[Event]]:
        """The events of each file."""
        found = []
        for node in NODES:
            found.append(events([line for _time, line in sorted(self.access[node])], source="access", node=node))
            found.append(events(self.tasks[node], source="task", node=node))
            rows = enumerate(sorted(self.journal[node], key=lambda row: row[0]))
            found.append(events([_record(node, number, *row) for number, row in rows], source="journal"))
        return found


def _record(node: str, number: int, time: float, program: str, message: str, fields: dict[str, str]) -> dict[str, Any]:
    stamp = {"__REALTIME_TIMESTAMP": str(round((START + time) * 1_000_000)), "__CURSOR": f"s={node};b=1;i={number}"}
    return {"SYSLOG_IDENTIFIER": program, "MESSAGE": message, "_HOSTNAME": node, **stamp, **fields}


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 1_000_000), missing=st.sets(st.integers(0, 8)), given_nodes=st.booleans())
def test_nobody_is_named_wrongly(seed: int, missing: set[int], given_nodes: bool) -> None:
    """With all files each act is right, or ambiguous with the right one among its candidates; without some, none is
    wrong and certain."""
    invented = Invented(seed)
    found = [event for number, part in enumerate(invented.parts()) if number not in missing for event in part]
    lines = {event["event"]["id"]: event for event in found}
    for act in join_acts(found, {node: [one] for node, one in NODES.items()} if given_nodes else None):
        said = [(one["user"], one["ip"]) for one in act["attribution"]["candidates"]]
        confidence, upid = act["attribution"]["confidence"], act["pve"]["upid"]
        line = lines.get(str(act["event"]["id"]))
        if upid:
            assert confidence != "certain" or said == [invented.did[upid]]
            assert missing or (invented.did[upid] in said and confidence in ("certain", "likely", "ambiguous"))
        elif line is not None and line["event"]["dataset"] == "pve.access" and confidence == "certain":
            key = (str(get_field(line, "host.name")), line["event"]["original"])
            assert said[0] in invented.sent[key]
