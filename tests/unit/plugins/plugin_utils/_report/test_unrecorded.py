# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks that the journal of a node names are held against its task log."""

from __future__ import annotations

import gzip
from functools import cache
from pathlib import Path

import pytest

from ansible_collections.pve.audit.plugins.filter.events import events
from ansible_collections.pve.audit.plugins.module_utils._model.coverage import Coverage
from ansible_collections.pve.audit.plugins.module_utils._model.event import Event
from ansible_collections.pve.audit.plugins.plugin_utils._report.unrecorded import doubt_task_log

SCENARIOS = Path(__file__).resolve().parents[3] / "data" / "scenarios"
NODES = ("pve1", "pve2", "pve3")
DAY = range(1_795_400_000, 1_795_500_000)  # the scenarios were played in these seconds


def row(node: str, start: float | None = DAY.start, end: float = DAY.stop) -> Coverage:
    """A task log that was seen in this time."""
    return Coverage(node, start=start, end=end)


@cache
def told(scenario: str) -> tuple[Event, ...]:
    """The events of the task logs and journals of a genuine cluster."""
    found: list[Event] = []
    for node in NODES:
        folder = SCENARIOS / scenario / "nodes" / node
        lines = (folder / "tasks" / "index").read_text(encoding="utf-8").splitlines()
        journal = gzip.decompress((folder / "journal.json.gz").read_bytes()).decode().splitlines()
        found += events(lines, node=node) + events(journal, source="journal", node=node)
    return tuple(found)


def is_task(event: Event, kind: str = "") -> bool:
    """Whether it is a record of a task log, of this type."""
    return event["event"]["dataset"] == "pve.task" and kind in ("", event["pve"].get("task_type"))


@pytest.mark.parametrize("scenario", ["busy-day", "cli-and-sudo", "revenge"])
def test_every_task_that_is_cut_out_is_missed_and_no_other(scenario: str) -> None:
    everything = told(scenario)
    assert doubt_task_log([row(node) for node in NODES], everything) == [row(node) for node in NODES]
    left = [event for event in everything if not is_task(event, "qmdestroy")]
    for entry in doubt_task_log([row(node) for node in NODES], left):
        cut = sum(is_task(event, "qmdestroy") and event["host"]["name"] == entry.node for event in everything)
        [reason] = entry.reasons
        assert reason["code"] == "records_missing" and not entry.complete
        assert reason["message"].startswith(
            f"{cut} tasks of which the journal of {entry.node} tells, first at 2026-11-23T"
        )


END = 1_795_455_700
LINE = "Nov 23 17:41:40 pve1 pvedaemon[1]: <alice@pve> end task UPID:pve1:00000001:00000002:6B047A80:{}:alice@pve: OK"


@pytest.mark.parametrize(
    ("task", "entry", "missed"),
    [
        ("qmdestroy:100", row("pve1"), True),
        ("qmdestroy:100", row("pve1", None), True),
        # a time that the row does not speak of
        ("qmdestroy:100", row("pve1", END + 60), False),
        ("qmdestroy:100", row("pve1", DAY.start, END - 60), False),
        ("qmdestroy:100", Coverage("pve1"), False),
        # another node, another source
        ("qmdestroy:100", row("pve2"), False),
        ("qmdestroy:100", Coverage("pve1", "pve.access", DAY.start, DAY.stop), False),
        # the API does not show such a task
        ("imgcopy:pve1:local", row("pve1"), False),
    ],
)
def test_only_what_the_row_covers_can_be_missing(task: str, entry: Coverage, missed: bool) -> None:
    [line] = events([LINE.format(task)], node="pve1", reference=END)
    assert line["@timestamp"] == "2026-11-23T17:41:40Z" and line["pve"]["upid"].startswith("UPID:pve1")
    [judged] = doubt_task_log([entry], [line])
    assert [reason["code"] for reason in judged.reasons] == ["records_missing"] * missed
