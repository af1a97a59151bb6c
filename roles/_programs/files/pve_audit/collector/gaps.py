# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which lines never came: journal entries are numbered, and each line of a file says where in the file it was."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set
from itertools import groupby
from pathlib import Path
from typing import Any

from pve_audit.collector.settings import Settings
from pve_audit.collector.store import DamagedError, DayFile, day_files, read_lines
from pve_audit.collector.streams import EXAMPLES, JOURNAL, Key, Runs, Stream
from pve_audit.collector.tally import MOST_STREAMS, Tally

MOST_FINDINGS = 1000
Finding = dict[str, Any]


def find_gaps(settings: Settings, archive: Path, nodes: set[str], since: str, until: str) -> dict[str, Any]:
    """The report on the days from `since` to `until` (ISO dates, empty for no limit), of all nodes if `nodes` is empty.

    JSON-able. `complete` is true only when there is no finding. Earlier days are read as far as is needed to know where
    the streams were, and nothing of them is reported.
    """
    wanted = nodes or set(settings.listeners.values())
    found = [file for file in day_files(archive) if not nodes or file.node in nodes]
    tallies = (
        read_source(list(files), node, source, source in settings.partial.get(node, ()), since, until)
        for (node, source), files in groupby(found, key=lambda file: (file.node, file.source))
    )
    return report(tallies, wanted)


def read_source(
    files: list[DayFile], node: str, source: str, partial: bool = False, since: str = "", until: str = ""
) -> Tally:
    """All files of one source."""
    files.sort(key=lambda file: (file.day, file.kind == "open", file.part))
    tally = _read(
        (file for file in files if since <= file.day.isoformat() and (not until or file.day.isoformat() <= until)),
        Tally(node, source, partial),
    )
    earlier = [file for file in files if file.day.isoformat() < since]
    for _day, before in groupby(reversed(earlier), key=lambda file: file.day):
        if not tally.unexplained():
            break
        tally.learn(_read(reversed(list(before)), Tally(node, source, partial)))
    return tally


def _read(files: Iterable[DayFile], tally: Tally) -> Tally:
    growing = False
    for file in files:
        growing = file.kind == "open"
        name = f"{file.node}/{file.source}/{file.path.name}"
        try:
            for number, raw in enumerate(read_lines(file.path), 1):
                if raw.endswith(b"\n") or not growing:  # else it is being written
                    tally.add(raw, name, number)
        except FileNotFoundError:
            continue  # it was closed or deleted meanwhile
        except DamagedError as error:
            tally.damaged.append((name, str(error)[:200]))
    tally.finish(growing)
    return tally


def report(tallies: Iterable[Tally], wanted: Set[str] = frozenset()) -> dict[str, Any]:
    """What was found in all sources, which are held one at a time; each node in `wanted` should have sent a line."""
    result: dict[str, Any] = {"lines": 0, "unreadable": 0, "journals": [], "files": [], "notes": [], "broken": []}
    findings: list[Finding] = []
    count = 0
    heard = set()
    for tally in tallies:
        heard |= {tally.node} if tally.lines else set()
        result["lines"] += tally.lines
        result["unreadable"] += tally.broken
        result["notes"] += tally.notes
        result["broken"] += tally.broken_at
        for found in (*_of_lines(tally), *_of_streams(tally, result["journals"], result["files"])):
            count += 1
            findings += [found] if len(findings) < MOST_FINDINGS else []
    silent = [_finding(node, "", "silent", "no line of it is there") for node in sorted(wanted - heard)]
    count += len(silent)
    findings = silent + findings
    return {"complete": not count, **result, "findings": findings, "findings_count": count}


def _finding(node: str, source: str, kind: str, message: str) -> Finding:
    return {"node": node, "source": source, "kind": kind, "message": message}


def _of_lines(tally: Tally) -> Iterator[Finding]:
    """What is wrong with files, or with lines that belong to no journal and no file."""

    def finding(kind: str, message: str) -> Finding:
        return _finding(tally.node, tally.source, kind, message)

    for name, why in tally.damaged:
        yield finding("damaged", f"{name} cannot be read to its end: {why}")
    if tally.broken:
        first = tally.broken_at[0]
        place = f"the first is line {first['line']} of {first['file']}: {first['why']}"
        yield finding("broken", f"{tally.broken} lines cannot be used; {place}")
    if tally.left_out:
        yield finding(
            "many", f"{tally.left_out} lines are of more than {MOST_STREAMS} journals or files: not looked at"
        )
    for note in tally.notes:
        yield finding("note", f"at {note['time']} {note['note']}: {note['text']}")
    if tally.noted > len(tally.notes):
        yield finding("note", f"and {tally.noted - len(tally.notes)} more such notes")
    if tally.unnumbered and not tally.partial:
        yield finding(
            "unnumbered", f"{tally.unnumbered} lines have no number: nothing shows whether others are missing"
        )
    if tally.filtered and not tally.partial:
        yield finding("filtered", f"{tally.filtered} lines say that they were filtered, and the settings do not")


def _of_streams(tally: Tally, journals: list[Finding], files: list[Finding]) -> Iterator[Finding]:
    """Adds a row for each journal and file, and yields what is wrong with it."""
    others = tally.earlier
    for key, stream in tally.streams.items():
        if key.kind == JOURNAL:
            row = _journal(tally, key, stream)
            journals.append(row)
            yield from _start_of_journal(tally, key, stream, others)
            others = True
        else:
            stream.begin = stream.begin or 0
            row = _file(tally, key, stream)
            files.append(row)
        yield from _wrong(tally, key, stream, row)


def _start_of_journal(tally: Tally, key: Key, stream: Stream, others: bool) -> Iterator[Finding]:
    if stream.begin is not None or tally.partial:
        return
    if others:
        text = "it is another journal than before: what came last in the other one, and first in this, cannot be told"
        yield _finding(tally.node, tally.source, "new", f"journal {key.name}, from entry {stream.least:x}: {text}")
    elif stream.least > 1:
        text = f"it begins with entry {stream.least:x}: what was before never came"
        yield _finding(tally.node, tally.source, "begin", f"journal {key.name}: {text}")


def _wrong(tally: Tally, key: Key, stream: Stream, row: Finding) -> Iterator[Finding]:
    form = "x" if key.kind == JOURNAL else "d"
    name = f"journal {key.name}" if key.kind == JOURNAL else f"{stream.path} ({' '.join(key[1:]).strip()})"
    what = "entries" if key.kind == JOURNAL else "bytes"
    count = row.get("missing_count", row.get("missing_bytes"))
    if row["missing"] and not (tally.partial and key.kind == JOURNAL):
        runs = ", ".join(f"{start:{form}}-{end:{form}}" for start, end in row["missing"][:EXAMPLES])
        yield _finding(tally.node, tally.source, "missing", f"{name}: {count} {what} are missing: {runs}")
    if stream.unfinished:
        lost = "; ".join(f"{place} {', '.join(parts[:3])}" for place, parts in row["missing_parts"].items())
        yield _finding(tally.node, tally.source, "parts", f"{name}: {stream.unfinished} lines lack parts: {lost}")
    if row["altered"]:
        places = ", ".join(f"{place:{form}}" for place in row["altered_at"])
        text = f"{row['altered']} lines came again with another text: {places}"
        yield _finding(tally.node, tally.source, "altered", f"{name}: {text}")


def _row(tally: Tally, stream: Stream, form: str) -> tuple[Finding, Runs]:
    runs = stream.examine()
    lost = {f"{place:{form}}": parts for place, parts in sorted((stream.lost_parts or {}).items())}
    return {
        "node": tally.node,
        "source": tally.source,
        "lines": len(stream.at) - runs.duplicates + stream.repeated,
        "first": stream.least,
        "last": max(stream.at),
        "duplicates": runs.duplicates,
        "missing": [list(run) for run in runs.missing],
        "missing_parts": lost,
        "altered": runs.altered,
        "altered_at": runs.altered_at,
    }, runs


def _journal(tally: Tally, key: Key, stream: Stream) -> Finding:
    row, runs = _row(tally, stream, "x")
    return {**row, "journal": key.name, "missing_count": runs.missing_count, "filtered": tally.partial}


def _file(tally: Tally, key: Key, stream: Stream) -> Finding:
    row, runs = _row(tally, stream, "d")
    named = {"fingerprint": key.name, "inode": key.second} if key.kind != "path" else {"fingerprint": "", "inode": ""}
    return {**row, **named, "paths": [stream.path], "missing_bytes": runs.missing_count}
