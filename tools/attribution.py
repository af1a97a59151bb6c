# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How often attribution is right: ``python -m tools.attribution`` writes the figures into docs/attribution.md.

``--check`` only compares. The figures are made from recordings of a genuine cluster, for which every action is known.
"""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from tools.paths import ROOT

sys.path.insert(0, str(ROOT / ".build" / "collections"))

from ansible_collections.pve.audit.plugins.filter.events import events
from ansible_collections.pve.audit.plugins.module_utils._evidence.acts.act import join_acts
from ansible_collections.pve.audit.plugins.module_utils._model.act import Act
from ansible_collections.pve.audit.plugins.module_utils._model.event import Event, event_time, get_field

RECORDINGS = ROOT / "tests" / "unit" / "data" / "scenarios"
TARGET = ROOT / "docs" / "attribution.md"
NAMES = ("revenge", "busy-day", "cli-and-sudo", "silent-changes")
NODES = {f"pve{number}": [f"10.99.77.1{number}", f"fd99:77::1{number}"] for number in (1, 2, 3)}
BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"

SOURCES = ("tasks", "access", "journal")
PLACES: dict[str, tuple[str, ...]] = {
    "all sources": SOURCES,
    "tasks and access.log": ("tasks", "access"),
    "tasks and journal": ("tasks", "journal"),
    "tasks": ("tasks",),
}
KINDS = {
    "gui": "task, by a ticket",
    "token": "task, by a token",
    "sudo": "task, by sudo",
    "root": "task, by root on a node",
    "silent": "call without a task",
    "refused": "call that was refused",
    "login": "login",
    "login_failed": "login that failed",
    "ticket_renewal": "renewal of a ticket",
}


class Part(NamedTuple):
    """The events of one source of one node."""

    node: str
    source: str
    events: tuple[Event, ...]


@cache
def recorded(name: str) -> tuple[Part, ...]:
    """The events of a recording, in parts."""
    return tuple(
        Part(folder.name, source, tuple(_read(folder, source)))
        for folder in sorted((RECORDINGS / name / "nodes").iterdir())
        for source in SOURCES
    )


def _read(folder: Path, source: str) -> list[Event]:
    if source == "journal":
        file = folder / "journal.json.gz"
        text = gzip.decompress(file.read_bytes()).decode() if file.exists() else ""
        return events([json.loads(line) for line in text.splitlines()], source="journal", node=folder.name)
    if source == "access":
        return events((folder / "access.log").read_text().splitlines(), source="access", node=folder.name)
    return events((folder / "tasks" / "index").read_text().splitlines(), source="task", node=folder.name)


def truth(name: str) -> list[dict[str, Any]]:
    """What was really done: one row for each action, of those that leave a trace of their own."""
    rows = [json.loads(line) for line in (RECORDINGS / name / "truth.jsonl").read_text().splitlines()]
    return [row | {"label": label} for row in rows if (label := _label(row)) is not None]


def _label(row: Mapping[str, Any]) -> str | None:
    if row["upid"]:
        return {"gui_ticket": "gui", "api_token": "token", "cli_ssh_sudo": "sudo", "cli_root": "root"}[row["channel"]]
    if row["method"] not in ("POST", "PUT", "DELETE"):
        return None
    if row["kind"] in KINDS:
        return str(row["kind"])
    return "silent" if row["outcome"] == "OK" else "refused"


def pick(parts: Iterable[Part], sources: Iterable[str]) -> list[Event]:
    """The events of some sources."""
    wanted = set(sources)
    return [event for part in parts if part.source in wanted for event in part.events]


COLUMNS = (
    "actions",
    "certain",
    "likely",
    "account only",
    "ambiguous",
    "unknown",
    "no act",
    "wrong certain",
    "wrong likely",
)


class Score(NamedTuple):
    """What an act says of an action: one of COLUMNS but the first, and whether its candidates hold the right one."""

    says: str
    named: bool


def score(
    rows: Iterable[dict[str, Any]], found: list[Event], acts: list[Act]
) -> Iterator[tuple[dict[str, Any], Score]]:
    """Each action with what its act says of it."""
    known = {event["event"]["id"]: event for event in found if "id" in event["event"]}
    by_upid = {act["pve"]["upid"]: act for act in acts if act["pve"]["upid"]}
    others = [act for act in acts if not act["pve"]["upid"]]
    used: set[int] = set()
    for row in rows:
        act = by_upid.get(row["upid"]) if row["upid"] else _find(row, others, known, used)
        if act is not None:
            used.add(id(act))
        yield row, Score("no act", False) if act is None else _judge(row, act)


def _find(row: dict[str, Any], acts: list[Act], known: Mapping[str, Event], used: set[int]) -> Act | None:
    """The act of an action without a task: a login by its user and time, a call by its words and time."""
    near = [act for act in acts if id(act) not in used and _near(row, act)]
    near = [act for act in near if act["user"]["id"] in (row["actor"], None)]
    if row["label"] in ("login", "login_failed", "ticket_renewal"):
        near = [
            act for act in near if "login" in str(act["event"]["action"]) and act["host"]["name"] == row["entry_node"]
        ]
    else:
        words = (row["method"], row["path"].partition("?")[0])
        near = [act for act in near if _words(known.get(str(act["event"]["id"]))) == words]
    return min(near, key=lambda act: not _judge(row, act).named, default=None)


def _near(row: dict[str, Any], act: Act) -> bool:
    time = event_time(act) or 0.0
    return bool(row["t_start"] // 1000 <= time <= row["t_end"] / 1000 + 1)


def _words(event: Event | None) -> tuple[Any, Any] | None:
    return None if event is None else (get_field(event, "http.request.method"), get_field(event, "url.path"))


def _judge(row: dict[str, Any], act: Act) -> Score:
    """Who and where from. The address of a command may be unknown, the person behind sudo may not."""
    candidates, confidence = act["attribution"]["candidates"], act["attribution"]["confidence"]
    command = row["label"] in ("sudo", "root")
    people = [
        one["person"] == row["os_user"] if row["label"] == "sudo" else one["user"] == row["actor"] for one in candidates
    ]
    places = [one["ip"] == row["client_ip"] or (command and one["ip"] is None) for one in candidates]
    named = any(person and place for person, place in zip(people, places, strict=True))
    if confidence in ("ambiguous", "unknown") or named:
        return Score(confidence, named)
    if people == [True] and candidates[0]["ip"] is None:
        return Score("account only", named)
    return Score(f"wrong {confidence}", named)


def figures(sources: Iterable[str]) -> dict[str, dict[str, int]]:
    """For each kind of action how many there were, and what was said of how many."""
    counts: dict[str, dict[str, int]] = {label: dict.fromkeys(COLUMNS, 0) for label in KINDS}
    for name in NAMES:
        found = pick(recorded(name), sources)
        for row, said in score(truth(name), found, join_acts(found, NODES)):
            counts[row["label"]]["actions"] += 1
            counts[row["label"]][said.says] += 1
    return counts


def table() -> Iterator[str]:
    """The figures as Markdown."""
    for place, sources in PLACES.items():
        yield from (
            "",
            f"With {place}:",
            "",
            f"| what was done | {' | '.join(COLUMNS)} |",
            "|---" * (len(COLUMNS) + 1) + "|",
        )
        for label, count in figures(sources).items():
            yield f"| {KINDS[label]} | {' | '.join(str(number) for number in count.values())} |"
    yield ""


def main(arguments: list[str]) -> int:
    """Write the page, or compare."""
    page = TARGET.read_text(encoding="utf-8")
    head, _begin, rest = page.partition(BEGIN)
    _old, _end, tail = rest.partition(END)
    new = "\n".join([head + BEGIN, *table(), END]) + tail
    if arguments == ["--check"]:
        return int(new != page)
    TARGET.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
