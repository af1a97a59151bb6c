# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The outcomes as a Markdown table. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tests.lab.faults.cases import Outcome

HEAD = (
    "case",
    "messages",
    "in the journals",
    "arrived",
    "lost",
    "twice, recognisable",
    "twice, not recognisable",
    "seconds",
)


def row(outcome: Outcome) -> list[str]:
    """Nodes beside each other, as in `0 / 0`."""
    counts = outcome.counts.values()

    def both(values: Iterable[int]) -> str:
        return " / ".join(f"{value:,}" for value in values)

    name = f"{outcome.case} ({outcome.note})" if outcome.note else outcome.case
    return [
        name,
        f"{outcome.wanted:,} each",
        both(outcome.journal.values()),
        both(one["distinct"] for one in counts),
        both(outcome.lost.values()),
        both(one["repeated"] for one in counts),
        both(one["unmarked"] for one in counts),
        f"{outcome.seconds:.0f}",
    ]


def markdown(outcomes: Sequence[Outcome]) -> str:
    """The table."""
    rows = [list(HEAD), ["---"] * len(HEAD), *map(row, outcomes)]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in rows)


def failures(outcomes: Sequence[Outcome]) -> list[str]:
    """What breaks the promise of acknowledged delivery, one sentence each."""
    found: list[str] = []
    for outcome in outcomes:
        found.extend(f"{outcome.case}: {sentence}" for sentence in outcome.wrong)
        for node, lost in outcome.lost.items():
            if lost:
                found.append(f"{outcome.case}: {lost} lines of {node} are lost")
            if outcome.journal[node] != outcome.wanted:
                found.append(f"{outcome.case}: {node} has {outcome.journal[node]} in its journal")
            if outcome.counts[node]["unmarked"]:
                found.append(f"{outcome.case}: duplicates of {node} cannot be recognised")
    return found
