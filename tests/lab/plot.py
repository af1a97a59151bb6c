# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The story the seeded data tells: who did what, and when. Times are UTC and hang on `now` only.

- Weekdays: alice@pve and bob@ldap work from 8 to 18; svc@pve!backup saves everything at night;
  several people share root@pam from the console and the GUI; iac@pve!terraform makes and destroys exactly five guests.
- One night: dario@pve opens a console, deletes snapshots and backups, takes away the protections and destroys
  ten guests on three nodes within three minutes.
- Another night the backup storage was down: ten backups fail within ten minutes.
- ops@pve opens guest consoles in the night.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

DAY = 86400
BURST_GUESTS = tuple(range(110, 120))
TERRAFORM_GUESTS = tuple(range(900, 905))
ATTACKER = "dario@pve"
BACKUP = "svc@pve!backup"
TERRAFORM = "iac@pve!terraform"
STORAGE_DOWN = (
    "could not activate storage 'backup': backup: error fetching datastores - 500 Can't connect to 192.0.2.40:8007"
    " (No route to host)"
)
FAILURES = {
    "qmstart": "start failed: QEMU exited with code 1",
    "vzstart": "startup for container '205' failed",
    "qmstop": "VM quit/powerdown failed - got timeout",
    "qmshutdown": "VM quit/powerdown failed - got timeout",
    "qmigrate": "migration problems",
    "qmsnapshot": "snapshot feature is not available",
    "vzsnapshot": "snapshot feature is not available",
    "vzdump": "job errors",
    "vncproxy": "connection timed out",
    "qmclone": "clone failed: unable to create image: got lock timeout - aborting command",
}


@dataclass(frozen=True, slots=True)
class Act:
    """One task to be: `node` is the node's number, `end` is None while it runs."""

    node: int
    start: int
    end: int | None
    kind: str
    ident: str
    user: str
    status: str | None = "OK"


def midnight(now: int) -> int:
    """The start of today."""
    return now - now % DAY


def night_of_the_burst(now: int) -> int:
    """02:00 of the newest night whose burst is over for an hour at least."""
    start = midnight(now) + 2 * 3600
    return start if now >= start + 2 * 3600 else start - DAY


def _is_weekday(moment: int) -> bool:
    return (moment // DAY + 3) % 7 < 5


def last_weekday(now: int) -> int:
    """The start of the newest weekday that has ended."""
    day = midnight(now) - DAY
    while not _is_weekday(day):
        day -= DAY
    return day


def burst(now: int, nodes: int) -> Iterator[Act]:
    """The night of dario@pve; ten successful destructions within 150 seconds."""
    base = night_of_the_burst(now)
    spread = min(3, nodes)
    yield Act(0, base + 250, base + 480, "vncshell", "", ATTACKER)
    for step, guest in enumerate(BURST_GUESTS):
        node = step % spread
        if step < 6:
            start = base + 540 + 11 * step
            yield Act(node, start, start + 4, "qmdelsnapshot", str(guest), ATTACKER)
            start = base + 620 + 13 * step
            yield Act(node, start, start + 3, "imgdel", f"{guest}@backup", ATTACKER)
        start = base + 710 + 3 * step
        yield Act(node, start, start + 1, "qmconfig", str(guest), ATTACKER)
        start = base + 745 + 3 * step
        yield Act(node, start, start + 2, "qmstop", str(guest), ATTACKER)
        start = base + 785 + 16 * step
        yield Act(node, start, start + 5, "qmdestroy", str(guest), ATTACKER)
    start = base + 950
    yield Act(0, start, start + 1, "qmdestroy", "120", ATTACKER, "VM 120 is running - destroy failed")


def terraform(now: int, nodes: int) -> Iterator[Act]:
    """Exactly five made and exactly five destroyed, each within ten minutes, on the last weekday."""
    base = last_weekday(now) + 14 * 3600
    for step, guest in enumerate(TERRAFORM_GUESTS):
        start = base + 40 * step
        yield Act(step % nodes, start, start + 20, "qmcreate", str(guest), TERRAFORM)
        start = base + 3600 + 30 * step
        yield Act(step % nodes, start, start + 6, "qmdestroy", str(guest), TERRAFORM)


def storage_down(now: int, nodes: int) -> Iterator[Act]:
    """Ten backups that fail one after the other, three nights before the burst."""
    base = night_of_the_burst(now) - 3 * DAY - 3600
    for step in range(10):
        start = base + 50 * step
        yield Act(step % nodes, start, start + 31, "vzdump", str(100 + step), BACKUP, STORAGE_DOWN)


def night_consoles(now: int, nodes: int) -> Iterator[Act]:
    """Guest consoles of ops@pve late in the evening and early in the morning."""
    base = midnight(now)
    for back, hour, guest in ((1, 23, 101), (2, 3, 102), (4, 22, 103), (6, 1, 101)):
        start = base - back * DAY + hour * 3600 + 40 * 60
        if start < now - 3600:
            yield Act(back % nodes, start, start + 900, "vncproxy", str(guest), "ops@pve")


def running(now: int, nodes: int) -> Iterator[Act]:
    """What is going on just now."""
    yield Act(0, now - 420, None, "vzdump", "104", BACKUP, None)
    yield Act(1 % nodes, now - 35, None, "qmigrate", "105", "alice@pve", None)


def fixed_acts(now: int, nodes: int) -> list[Act]:
    """All acts that are always there."""
    makers = (burst, terraform, storage_down, night_consoles, running)
    return [act for make in makers for act in make(now, nodes)]


# kind, share, seconds at least, seconds at most
_WORK = {
    "alice@pve": (("qmstart", 6, 1, 5), ("qmshutdown", 4, 5, 60), ("qmsnapshot", 4, 2, 20), ("qmconfig", 5, 1, 2),
                  ("vncproxy", 5, 20, 1200), ("qmigrate", 2, 20, 400), ("qmclone", 2, 30, 300)),
    "bob@ldap": (("vzstart", 5, 1, 5), ("vzstop", 3, 1, 9), ("vzsnapshot", 3, 1, 9), ("vncproxy", 3, 20, 900),
                 ("vzreboot", 2, 5, 20)),
    "root@pam": (("vncshell", 5, 30, 1800), ("qmstart", 3, 1, 5), ("qmreboot", 2, 5, 40), ("srvrestart", 1, 1, 4),
                 ("resize", 1, 1, 3), ("download", 1, 20, 300)),
}  # fmt: skip
_IDS = {"srvrestart": "pveproxy", "download": "debian-13.iso", "vncshell": ""}


def _work(rng: random.Random, node: int, day: int, user: str) -> Act:
    kinds = _WORK[user]
    kind, _, low, high = rng.choices(kinds, [entry[1] for entry in kinds])[0]
    start = day + rng.randrange(8 * 3600, 18 * 3600)
    ident = _IDS.get(kind, str(rng.randrange(200, 215) if kind.startswith("vz") else rng.randrange(100, 110)))
    status = "OK"
    chance = rng.random()
    if chance < 0.03 and kind in FAILURES:
        status = FAILURES[kind]
    elif chance < 0.05:
        status = f"WARNINGS: {rng.randrange(1, 4)}"
    return Act(node, start, start + rng.randint(low, high), kind, ident, user, status)


def _nightly(rng: random.Random, node: int, day: int) -> Act:
    start = day + rng.randrange(3600, 4 * 3600)
    status = "OK" if rng.random() < 0.97 else rng.choice(("job errors", "WARNINGS: 1"))
    return Act(node, start, start + rng.randint(40, 2400), "vzdump", str(rng.randrange(100, 110)), BACKUP, status)


def daily(node: int, now: int, days: int) -> Iterator[Act]:
    """What every node that runs does each day, the newest first."""
    for back in range(days):
        start = midnight(now) - back * DAY + 4 * 3600 + (node * 137 + back * 311) % 1800
        if start + 9 < now - 60:
            yield Act(node, start, start + 9, "aptupdate", "", "root@pam")


def filler(rng: random.Random, node: int, now: int, days: int) -> Iterator[Act]:
    """Ordinary acts on one node without end, spread evenly over the last `days` days."""
    today = midnight(now)
    users = list(_WORK)
    while True:
        day = today - rng.randrange(days) * DAY
        chance = rng.random()
        if chance < 0.4:
            act = _nightly(rng, node, day)
        elif _is_weekday(day):
            act = _work(rng, node, day, rng.choices(users, (5, 3, 3))[0])
        else:
            continue
        if act.end is not None and act.end < now - 60:
            yield act
