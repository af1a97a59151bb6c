# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which lines never came: journal entries are numbered, and each line of a file says where in the file it was."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pve_audit.collector.store import day_files, open_text
from pve_audit.wire import ArchivedLine, parse_line

Runs = list[tuple[int, int]]


@dataclass(slots=True)
class Journal:
    """The numbers of one journal (`s=` of the cursor) as they came. `filtered`: the node sends a part of it only."""

    numbers: array[int] = field(default_factory=lambda: array("Q"))
    parts: dict[int, set[str]] = field(default_factory=dict)
    filtered: bool = False


@dataclass(slots=True)
class File:
    """Offset, least and greatest length of the lines of one file (by inode and fingerprint)."""

    spans: list[tuple[int, int, int]] = field(default_factory=list)
    parts: dict[int, set[str]] = field(default_factory=dict)
    paths: set[str] = field(default_factory=set)


@dataclass
class Tally:
    """All that is needed of the archive: about 8 bytes for a journal line."""

    journals: dict[tuple[str, str], Journal] = field(default_factory=dict)
    files: dict[tuple[str, str, str, str], File] = field(default_factory=dict)
    notes: list[dict[str, str]] = field(default_factory=list)
    unreadable: int = 0
    lines: int = 0

    def add(self, node: str, source: str, raw: bytes) -> None:
        """Count one archived line."""
        self.lines += 1
        line = parse_line(raw)
        if line is None:
            self.unreadable += 1
            return
        if "note" in line.params and line.place is None:
            self.notes.append({"node": node, "time": line.time, **line.params, "text": line.text[:500]})
        elif line.sequence is not None:
            self._add_entry(node, line)
        elif "offset" in line.params:
            self._add_span(node, source, line)

    def _add_entry(self, node: str, line: ArchivedLine) -> None:
        assert line.sequence is not None
        journal = self.journals.setdefault((node, line.sequence[0]), Journal())
        journal.filtered = journal.filtered or line.params.get("filtered") == "true"
        if "part" in line.params:
            journal.parts.setdefault(line.sequence[1], set()).add(line.params["part"])
        else:
            journal.numbers.append(line.sequence[1])

    def _add_span(self, node: str, source: str, line: ArchivedLine) -> None:
        offset = line.params["offset"]
        if not (offset.isascii() and offset.isdigit()):
            self.unreadable += 1
            return
        key = (node, source, line.params.get("inode", ""), line.params.get("fingerprint", ""))
        file = self.files.setdefault(key, File())
        file.paths.add(line.params.get("file", ""))
        if "part" in line.params:
            file.parts.setdefault(int(offset), set()).add(line.params["part"])
        if "part" not in line.params or "length" in line.params:
            file.spans.append((int(offset), *line.lengths))
        else:
            # Only all parts together have the length; what a part does not know it does not claim.
            file.spans.append((int(offset), 0, 1 << 40))


def missing_numbers(numbers: Iterable[int]) -> tuple[Runs, int]:
    """The runs of numbers missing between the least and the greatest, and how many came more than once."""
    missing: Runs = []
    duplicates = 0
    last: int | None = None
    for number in sorted(numbers):
        if number == last:
            duplicates += 1
        elif last is not None and number > last + 1:
            missing.append((last + 1, number - 1))
        last = number
    return missing, duplicates


def missing_bytes(spans: Iterable[tuple[int, int, int]]) -> tuple[Runs, int]:
    """Byte ranges (first, last) that no line covers, and how many lines came more than once.

    A line may have been longer in its file than it is here (`least` to `greatest`): a range is missing when even the
    greatest length does not reach the next line.
    """
    missing: Runs = []
    duplicates = 0
    start: int | None = None
    end = 0
    for offset, _least, greatest in sorted(spans):
        if offset == start:
            duplicates += 1
        elif start is not None and offset > end:
            missing.append((end, offset - 1))
        start = offset
        end = max(end, offset + greatest)
    return missing, duplicates


def missing_parts(parts: dict[int, set[str]]) -> dict[int, list[str]]:
    """For each split line the parts (`2/3`) that did not come."""
    result = {}
    for number, found in parts.items():
        total = max((int(one.partition("/")[2]) for one in found if one.partition("/")[2].isdigit()), default=0)
        lost = [f"{part}/{total}" for part in range(1, min(total, 100_000) + 1) if f"{part}/{total}" not in found]
        if lost:
            result[number] = lost
    return result


def report(tally: Tally) -> dict[str, Any]:
    """JSON-able. `complete` is false when anything is missing that the numbers show."""
    journals = [_journal(node, name, journal) for (node, name), journal in sorted(tally.journals.items())]
    files = [_file(key, file) for key, file in sorted(tally.files.items())]
    gaps = any(one["missing"] or one["missing_parts"] for one in files)
    gaps = gaps or any((one["missing"] and not one["filtered"]) or one["missing_parts"] for one in journals)
    return {
        "complete": not gaps and not tally.unreadable,
        "lines": tally.lines,
        "unreadable": tally.unreadable,
        "journals": journals,
        "files": files,
        "notes": tally.notes,
    }


def _journal(node: str, name: str, journal: Journal) -> dict[str, Any]:
    numbers = [*journal.numbers, *journal.parts]
    missing, duplicates = missing_numbers(numbers)
    return {
        "node": node,
        "journal": name,
        "lines": len(numbers),
        "first": min(numbers),
        "last": max(numbers),
        "duplicates": duplicates,
        "missing": [list(run) for run in missing],
        "missing_count": sum(end - start + 1 for start, end in missing),
        "missing_parts": {f"{number:x}": lost for number, lost in sorted(missing_parts(journal.parts).items())},
        "filtered": journal.filtered,
    }


def _file(key: tuple[str, str, str, str], file: File) -> dict[str, Any]:
    missing, duplicates = missing_bytes(_without_repeated_parts(file))
    return {
        "node": key[0],
        "source": key[1],
        "inode": key[2],
        "fingerprint": key[3],
        "paths": sorted(file.paths),
        "lines": len({span[0] for span in file.spans}),
        "first": min(span[0] for span in file.spans),
        "last": max(span[0] for span in file.spans),
        "duplicates": duplicates,
        "missing": [list(run) for run in missing],
        "missing_bytes": sum(end - start + 1 for start, end in missing),
        "missing_parts": {str(number): lost for number, lost in sorted(missing_parts(file.parts).items())},
    }


def _without_repeated_parts(file: File) -> list[tuple[int, int, int]]:
    """Parts of one line share its offset and are no duplicates of each other."""
    whole = [span for span in file.spans if span[0] not in file.parts]
    split = {span[0]: span for span in file.spans if span[0] in file.parts}
    spans = sorted([*whole, *split.values()])
    following = [*[span[0] for span in spans[1:]], 1 << 62]
    return [
        (offset, least, min(greatest, after - offset) if offset in file.parts and greatest == 1 << 40 else greatest)
        for (offset, least, greatest), after in zip(spans, following, strict=True)
    ]


def read_archive(archive: Path, nodes: set[str], since: str, until: str) -> Tally:
    """Read the days from `since` to `until` (ISO dates, empty for no limit), of all nodes when `nodes` is empty."""
    tally = Tally()
    for file in day_files(archive):
        day = file.day.isoformat()
        if (nodes and file.node not in nodes) or (since and day < since) or (until and day > until):
            continue
        try:
            with open_text(file.path) as stream:
                for raw in stream:
                    tally.add(file.node, file.source, raw)
        except FileNotFoundError:
            continue
    return tally
