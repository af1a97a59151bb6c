# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which node has fallen silent, and whose heartbeat says that all is not well.

The time at which the last line of a source came is that of its open file, which only the writer changes: nothing has to
be counted while lines come in. A memory in the state directory keeps it over the closing of the day, with the name of
the forwarder's state that is known.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pve_audit.collector.quota import OWN
from pve_audit.collector.settings import Settings
from pve_audit.collector.store import DayFile, read_name
from pve_audit.files import exclusive_lock, open_regular, write_atomic
from pve_audit.settings_file import SettingsError
from pve_audit.wire import HEARTBEAT, ArchivedLine, format_seconds, parse_line, parse_number

TAIL = 64 * 1024
# A clock may be off by this many seconds, the way of a line included.
CLOCK_SECONDS = 60
LONGEST_NAME = 100
MOST = 10**12
NEVER, SILENT, RESTARTED, BEHIND, BROKEN, CLOCK = "never", "silent", "restarted", "behind", "broken", "clock"
OK, IDLE = "ok", "idle"


@dataclass(frozen=True, slots=True)
class Beat:
    """The last heartbeat. `offset`: by how many seconds the node's clock is ahead."""

    state: str
    number: int
    behind: int
    broken: tuple[str, ...]
    missing: tuple[str, ...]
    offset: float | None
    journal: str


@dataclass
class Memory:
    """What is known of one node: the last line of each source, its last heartbeat, the accepted state and journal."""

    received: dict[str, float] = field(default_factory=dict)
    own: dict[str, str] = field(default_factory=dict)
    state: str = ""
    number: int = 0
    journal: str = ""


def silence(settings: Settings, now: float, accept: list[str]) -> dict[str, Any]:
    """`rows` by node and source, `findings`, and `ok`. Nodes in `accept` may begin anew.

    Raises OSError, and SettingsError for a node in `accept` that is none.
    """
    nodes = sorted(set(settings.listeners.values()))
    if not set(accept) <= set(nodes):
        raise SettingsError(f"the settings do not know the node {min(set(accept) - set(nodes))}")
    path = Path(settings.state) / "silence.json"
    path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    findings: list[dict[str, str]] = []
    with exclusive_lock(Path(settings.state) / "silence.lock"):
        known = _load(path)
        memories = {node: known.get(node, Memory()) for node in nodes}
        for node, memory in memories.items():
            beat = _look(settings, node, memory)
            if node in accept and beat is not None:
                memory.state, memory.number, memory.journal = beat.state, beat.number, beat.journal
            found = list(_judge(settings, node, memory, beat, now))
            findings += found
            rows += _rows(node, memory, beat, found, now)
        write_atomic(path, json.dumps({node: vars(one) for node, one in memories.items()}).encode())
    return {"ok": not findings, "time": format_seconds(now), "rows": rows, "findings": findings}


def _load(path: Path) -> dict[str, Memory]:
    """What the run before knew. A file that cannot be used was not written by us: everything is then new."""
    try:
        data = json.loads(path.read_bytes())
        return {str(node): Memory(**one) for node, one in data.items()}
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise OSError(
            f"{path} cannot be used ({error}); remove it, and look whether the forwarders were wiped"
        ) from error


def _look(settings: Settings, node: str, memory: Memory) -> Beat | None:
    """Bring the memory up to date. Returns the newest heartbeat, None when the open file has none."""
    beat = None
    for source, file in _newest(Path(settings.archive) / node):
        if file.kind == "open":
            try:
                received, line = _last(file.path)
            except FileNotFoundError:
                continue  # it is being closed
            memory.received[source] = received
            memory.own[source] = line.time if line is not None else ""
            if source == HEARTBEAT and line is not None:
                beat = _beat(line, received)
        else:
            # Closing gives the file a new time; the line came before the day ended, or a little later.
            ended = datetime(file.day.year, file.day.month, file.day.day, tzinfo=UTC) + timedelta(days=1)
            memory.received.setdefault(source, ended.timestamp())
    return beat


def _newest(directory: Path) -> Iterator[tuple[str, DayFile]]:
    """For each source of the node its newest file: that of the last day, of which the open one comes last."""
    if not directory.is_dir():
        return
    for folder in sorted(path for path in directory.iterdir() if path.is_dir() and not path.is_symlink()):
        files = [file for path in folder.iterdir() if (file := read_name(path)) is not None]
        if files and folder.name != OWN:
            yield folder.name, max(files, key=lambda file: (file.day, file.kind == "open", file.part))


def _last(path: Path) -> tuple[float, ArchivedLine | None]:
    """When the last line came, and that line. Raises OSError."""
    with open(open_regular(path), "rb") as stream:
        found = os.fstat(stream.fileno())
        stream.seek(max(0, found.st_size - TAIL))
        lines = stream.read(TAIL).rstrip(b"\n").split(b"\n")
    return found.st_mtime, parse_line(lines[-1])


def _beat(line: ArchivedLine, received: float) -> Beat | None:
    """None for a line that is no heartbeat. Its words come from the node: they are bounded."""
    state, journal = (line.params.get(name, "")[:LONGEST_NAME] for name in ("state", "journal"))
    number, behind = (parse_number(line.params.get(name, ""), MOST) for name in ("beat", "behind"))
    if not state or number is None or behind is None:
        return None
    broken, missing = (
        tuple(filter(None, line.params.get(name, "")[:1000].split(","))) for name in ("broken", "missing")
    )
    try:
        offset = datetime.fromisoformat(line.time).timestamp() - received
    except (ValueError, OverflowError):
        offset = None
    return Beat(state, number, behind, broken, missing, offset, journal)


def _judge(settings: Settings, node: str, memory: Memory, beat: Beat | None, now: float) -> Iterator[dict[str, str]]:
    if not memory.received:
        yield _finding(node, "", NEVER, "never sent a line")
        return
    yield from _judge_times(settings, node, memory, now)
    if beat is None:
        if HEARTBEAT in memory.received and now - memory.received[HEARTBEAT] < settings.silence_minutes * 60:
            yield _finding(node, HEARTBEAT, BROKEN, "its last heartbeat cannot be read")
        return
    yield from _judge_beat(settings, node, memory, beat)


def _judge_times(settings: Settings, node: str, memory: Memory, now: float) -> Iterator[dict[str, str]]:
    """A node that once sent heartbeats goes on with them; of another, any line counts."""
    minutes = dict(settings.silence_sources)
    minutes[HEARTBEAT] = settings.silence_minutes
    received = dict(memory.received)
    if HEARTBEAT not in received:
        received = {"": max(received.values())}
        minutes[""] = settings.silence_minutes
    for source, last in sorted(received.items()):
        age = now - last
        if age < -CLOCK_SECONDS:
            yield _finding(node, source, CLOCK, f"its last line came at {format_seconds(last)}, which is in the future")
        elif source in minutes and age > minutes[source] * 60:
            what = source or "any source"
            yield _finding(node, source, SILENT, f"no line of {what} since {format_seconds(last)}, {_span(age)}")


def _judge_beat(settings: Settings, node: str, memory: Memory, beat: Beat) -> Iterator[dict[str, str]]:
    yield from _judge_beginnings(node, memory, beat)
    if beat.behind > settings.silence_minutes * 60:
        yield _finding(node, HEARTBEAT, BEHIND, f"its forwarder is {_span(beat.behind)} behind")
    for source in beat.broken:
        yield _finding(node, source, BROKEN, f"its forwarder cannot read the source {source}")
    told = memory.received.get(HEARTBEAT, float("inf"))
    for source in beat.missing:
        # A line that came after the heartbeat shows that the file is there by now.
        if memory.received.get(source, told) < told:
            yield _finding(node, source, BROKEN, f"the file of the source {source} is gone")
    if beat.offset is not None and abs(beat.offset) > CLOCK_SECONDS:
        way = "ahead" if beat.offset > 0 else "behind"
        yield _finding(node, HEARTBEAT, CLOCK, f"its clock is {_span(abs(beat.offset))} {way} of the collector's")


def _judge_beginnings(node: str, memory: Memory, beat: Beat) -> Iterator[dict[str, str]]:
    """Told until somebody accepts it: the forwarder has lost its state, or the journal its entries."""
    accept = f"when the cause is known: pve-audit-archive silence --accept {node}"
    memory.state = memory.state or beat.state
    memory.journal = memory.journal or beat.journal
    if beat.state != memory.state or beat.number < memory.number - 1:
        anew = "with an empty state" if beat.state != memory.state else "with an older state"
        text = f"its forwarder began anew {anew} (heartbeat {beat.number}, {memory.number} was known); {accept}"
        yield _finding(node, HEARTBEAT, RESTARTED, text)
    else:
        memory.number = max(memory.number, beat.number)
    if beat.journal and beat.journal != memory.journal:
        text = f"its journal began anew ({beat.journal}, {memory.journal} was known); {accept}"
        yield _finding(node, "journal", RESTARTED, text)


def _finding(node: str, source: str, verdict: str, message: str) -> dict[str, str]:
    return {"node": node, "source": source, "verdict": verdict, "message": message}


def _span(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} minutes"


def _rows(
    node: str, memory: Memory, beat: Beat | None, findings: list[dict[str, str]], now: float
) -> list[dict[str, Any]]:
    """Each source, and what was found of it first; only a heartbeat is `ok`, as other sources may well be quiet."""
    verdicts: dict[str, str] = {}
    for one in findings:
        verdicts.setdefault(one["source"], one["verdict"])
    rows = []
    for source in sorted({*memory.received, *verdicts}):
        last = memory.received.get(source)
        row: dict[str, Any] = {"node": node, "source": source, "verdict": verdicts.get(source, IDLE)}
        row |= {"received": None, "age_seconds": None, "own_time": memory.own.get(source) or None}
        if last is not None:
            row |= {"received": format_seconds(last), "age_seconds": round(now - last)}
        if source == HEARTBEAT and beat is not None:
            row |= {"verdict": verdicts.get(source, OK), "beat": beat.number, "state": beat.state}
            row |= {"behind_seconds": beat.behind, "clock_offset_seconds": beat.offset}
        rows.append(row)
    return rows
