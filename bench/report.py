# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures as a table for people, as JSON for machines, and as the page docs/benchmarks.md."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

PACKAGES = ("ansible-core", "ansible", "proxmoxer", "pysigma", "pysigma-backend-sqlite")


@dataclass(frozen=True)
class Line:
    """One line of the table. `goal` empty is for information only; `met` says whether the goal is."""

    what: str
    ours: str
    other: str
    ratio: str = ""
    goal: str = ""
    met: bool = True

    @property
    def verdict(self) -> str:
        """PASS, MISS, or nothing where there is no goal."""
        return ("PASS" if self.met else "MISS") if self.goal else ""

    def cells(self) -> list[str]:
        """The columns of the table."""
        return [self.what, self.ours, self.other, self.ratio, self.goal, self.verdict]


@dataclass
class Section:
    """One comparison: its title, what it is compared with, its lines, and remarks in whole sentences."""

    title: str
    other: str
    lines: list[Line] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def table(self) -> list[list[str]]:
        """Heading and lines."""
        return [["", "pve.audit", self.other, "ratio", "goal", ""], *(line.cells() for line in self.lines)]


def machine() -> dict[str, str]:
    """What the figures depend on."""
    system = f"{platform.system()} {platform.machine()}"
    found = {"cores": str(os.cpu_count()), "python": platform.python_version(), "system": system}
    return found | {name: importlib.metadata.version(name) for name in PACKAGES}


def as_text(sections: Iterable[Section]) -> str:
    """Tables for a terminal."""
    parts = []
    for section in sections:
        rows = section.table()
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        lines.insert(1, "-" * (sum(widths) + 2 * len(widths) - 2))
        parts.append("\n".join([section.title, "", *lines, "", *section.remarks]))
    return "\n\n\n".join(parts)


def as_markdown(sections: Iterable[Section], facts: dict[str, str], when: datetime) -> str:
    """The page docs/benchmarks.md."""
    parts = [
        "# Benchmarks",
        f"Figures of {when:%Y-%m-%d}. Repeat them with `make bench`; it ends with 1 when a goal is missed.",
        "Every figure is measured in the same run as the one it is compared with, the runs take turns (A B A B), and "
        "times are medians. Memory is the peak of the largest process.",
        "Machine: " + ", ".join(f"{name} {value}" for name, value in facts.items()) + ".",
    ]
    for section in sections:
        rows = [["| " + " | ".join(row) + " |"] for row in section.table()]
        rows.insert(1, ["| --- | ---: | ---: | ---: | --- | --- |"])
        parts += [f"## {section.title}", "\n".join(row for (row,) in rows), *section.remarks]
    return "\n\n".join(parts) + "\n"


def write(sections: list[Section], results: Path, page: Path) -> None:
    """Write results.json and the page."""
    now = datetime.now(UTC)
    results.parent.mkdir(parents=True, exist_ok=True)
    data = {"when": now.isoformat(), "machine": machine(), "sections": [asdict(section) for section in sections]}
    results.write_text(json.dumps(data, indent=2) + "\n")
    page.write_text(as_markdown(sections, machine(), now))
