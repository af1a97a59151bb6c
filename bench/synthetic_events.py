# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The seeded events that both window programs judge: who destroyed which guest when. The same for the same number."""

from __future__ import annotations

import random
from collections.abc import Iterator

Deed = tuple[int, str, int | None, str]  # epoch seconds, user, guest (None is not a guest), id
Found = tuple[str, int, int, int, list[str]]  # user, first and last second, peak, ids of the events: one finding

TIMESPAN = 600
MORE_THAN = 5
USERS = 200
DAYS = 90
BURST_EVERY = 500

_START = 1_790_000_000
# Seconds after the first: the edges of the rule, then plain bursts and one that many windows overlap.
_BURSTS = (
    (0, 1, 2, 3, 4),
    (0, 1, 2, 3, 4, 5),
    (0, 1, 2, 3, 4, TIMESPAN),
    (0, 1, 2, 3, 4, TIMESPAN + 1),
    (7, 7, 7, 7, 7, 7),
    tuple(range(0, 150, 15)),
    tuple(range(0, 2400, 60)),
)


def synthetic_events(count: int) -> Iterator[Deed]:
    """Deeds in no order of time: single ones of 200 users in 90 days, and bursts among them."""
    rng = random.Random(count)
    waiting: list[tuple[int, str, int | None]] = []
    for number in range(count):
        if number % BURST_EVERY == 0:
            waiting.extend(_burst(rng))
        if waiting:
            second, user, guest = waiting.pop()
        else:
            second, user = _START + rng.randrange(DAYS * 86400), f"user{rng.randrange(USERS)}@pve"
            guest = None if rng.random() < 0.01 else rng.randrange(100, 5000)
        yield second, user, guest, f"UPID:pve{number % 32}:{number:08X}:{second:08X}:qmdestroy:{guest}:{user}:"


def _burst(rng: random.Random) -> list[tuple[int, str, int | None]]:
    start, user = _START + rng.randrange(DAYS * 86400), f"user{rng.randrange(USERS)}@pve"
    first = rng.randrange(100, 5000)
    return [(start + later, user, first + step) for step, later in enumerate(rng.choice(_BURSTS))]
