# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How fast lines become events, for information: nothing comparable reads these files."""

from __future__ import annotations

from pathlib import Path

from bench.measure import typical
from bench.report import Line, Section
from bench.windows import seconds, worker

LINES = 100_000


def parse_section(_folder: Path, rounds: int) -> Section:
    """Both parsers."""
    usages = [worker("bench.parse_lines", str(LINES)) for _round in range(rounds)]
    memory = Line("peak memory, lines included", f"{typical(usages).memory:.0f} MiB", "")
    rates = [
        Line(what, f"{LINES / seconds(usages, name):,.0f} lines/s", "")
        for what, name in (("access.log to events", "access"), ("task index to events", "index"))
    ]
    remark = f"{LINES:,} lines each, on one core; for information, without a goal."
    return Section("Parsing", "", [*rates, memory], [remark])
