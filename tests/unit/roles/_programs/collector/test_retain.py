# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deleting by the policy, and clocks that are wrong: the collector's, those of some nodes, and all of them."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pve_audit.collector import check, close, manifest, retain
from pve_audit.collector.attributes import set_attribute
from pve_audit.collector.clocks import node_clocks
from pve_audit.collector.settings import Settings
from tests.unit.roles._programs.collector.conftest import LINE, NOW

Make = Callable[..., Path]
DAY = 86400
RIGHT = {"pve1": NOW, "pve2": NOW - 100, "pve3": NOW + 100}


def idle(_path: Path) -> bool:
    return False


@pytest.fixture
def old(settings: Settings, day: Make) -> Settings:
    """Twelve closed days, of which eight are older than the policy of four."""
    settings = replace(settings, retention_days=4, retention_minimum_days=2, retention_kept_days=2)
    for number in range(11, 23):
        day(f"2026-11-{number}")
    close.close_days(settings, NOW, idle)
    return settings


def close_at(settings: Settings, day: Make, name: str) -> None:
    """A day that was closed while the clock was wrong."""
    day(name)
    close.close_days(settings, datetime.fromisoformat(name).replace(tzinfo=UTC).timestamp() + 2 * DAY, idle)


def november(first: int, last: int) -> list[str]:
    return [f"2026-11-{number}" for number in range(first, last + 1)]


def test_only_what_is_older_than_the_policy_is_deleted_a_few_days_a_run(old: Settings) -> None:
    dry = retain.retain(old, NOW, RIGHT, dry_run=True)
    assert [one["day"] for one in dry.files] == november(11, 17)
    assert check.verify(old, NOW)["files"] == 12
    gone = retain.retain(old, NOW, RIGHT)
    assert ([one["day"] for one in gone.files], gone.waiting) == (november(11, 17), ["2026-11-18"])
    result = check.verify(old, NOW)
    assert result["ok"] and (result["files"], result["deleted"]) == (5, 7)
    told = [one for one in manifest.read_entries(old.manifest)[0] if one["kind"] == "deleted"]
    assert [(one["day"], one["reason"]) for one in told] == [(day, "older than 4 days") for day in november(11, 17)]
    again = retain.retain(old, NOW, RIGHT)
    assert ([one["day"] for one in again.files], again.waiting) == (["2026-11-18"], [])
    assert retain.retain(old, NOW, RIGHT) == retain.Retained()


AHEAD = NOW + 400 * DAY


@pytest.mark.parametrize(
    ("now", "clocks"),
    [
        (AHEAD, RIGHT),
        (AHEAD, {"pve1": AHEAD, "pve2": AHEAD}),  # everybody jumped, but nothing was closed since
        (NOW + 3 * DAY, RIGHT),
        (NOW - 2 * DAY, RIGHT),
        (NOW, {}),
        (NOW, {"pve1": None}),
        (NOW, {"pve1": NOW, "pve2": NOW - 2 * DAY}),
        (NOW, {"pve1": NOW, "pve2": NOW - 2 * DAY, "pve3": None}),
        (NOW, {"pve1": NOW, "pve2": float("inf"), "pve3": -1e300}),
    ],
)
def test_a_wrong_clock_deletes_nothing_and_says_so(old: Settings, now: float, clocks: dict[str, float | None]) -> None:
    Path(old.rejected, "2026-11-01.jsonl").write_text("{}")
    with pytest.raises(retain.RetainError, match="is the clock right"):
        retain.retain(old, now, clocks)
    assert check.verify(old, NOW)["files"] == 12
    assert len(list(Path(old.rejected).iterdir())) == 1


def test_a_clock_that_was_set_far_back_deletes_nothing(old: Settings) -> None:
    assert retain.retain(old, NOW - 30 * DAY, RIGHT) == retain.Retained()


def test_days_that_a_wrong_clock_made_do_not_make_others_old(old: Settings, day: Make) -> None:
    """The nodes are right: nothing goes. They lie as well: what goes is limited by the days that were really seen."""
    close_at(old, day, "2027-12-27")
    with pytest.raises(retain.RetainError, match="2026-11-23T12:00:00Z"):
        retain.retain(old, AHEAD, RIGHT)
    lying = {"pve1": AHEAD, "pve2": AHEAD}
    gone = [one["day"] for _ in range(5) for one in retain.retain(old, AHEAD, lying).files]
    assert gone == november(11, 19)


def test_a_clock_that_was_set_right_again_goes_on(old: Settings, day: Make) -> None:
    close_at(old, day, "2027-12-27")
    day("2027-12-28")
    assert node_clocks(Path(old.archive), NOW) == {"pve1": datetime(2026, 11, 20, 10, tzinfo=UTC).timestamp()}
    assert [one["day"] for one in retain.retain(old, NOW, RIGHT).files] == november(11, 17)


def test_days_on_which_the_archive_did_not_grow_do_not_count(old: Settings, day: Make) -> None:
    now = NOW + 6 * DAY
    close_at(old, day, "2026-11-28")
    assert [one["day"] for one in retain.retain(old, now, {"pve1": now}).files] == november(11, 17)
    assert retain.retain(old, now, {"pve1": now}).files[-1]["day"] == "2026-11-19"


def test_retention_refuses_what_is_too_young(old: Settings) -> None:
    with pytest.raises(retain.RetainError, match="less than the minimum of 2 days"):
        retain.retain(old, NOW, RIGHT, days=1)
    assert check.verify(old, NOW)["files"] == 12


def test_the_newest_days_of_each_source_stay_however_old(old: Settings, day: Make) -> None:
    for name in november(11, 13):
        day(name, node="gone")
    close.close_days(old, NOW, idle)
    assert [one["day"] for one in retain.retain(old, NOW, RIGHT).files if "gone/" in one["file"]] == ["2026-11-11"]


def test_old_lists_of_rejected_lines_are_deleted_a_few_a_run(old: Settings) -> None:
    for name in november(1, 21)[:20]:
        Path(old.rejected, f"{name}.jsonl").write_text("{}")
    assert len(retain.retain(old, NOW, RIGHT).rejected) == 7
    assert len(list(Path(old.rejected).iterdir())) == 13


def test_a_damaged_manifest_deletes_nothing(old: Settings) -> None:
    lines = old.manifest.read_bytes().splitlines(keepends=True)
    set_attribute(old.manifest, "none")
    old.manifest.write_bytes(b"".join(lines[1:]))
    with pytest.raises(retain.RetainError, match="damaged"):
        retain.retain(old, NOW, RIGHT)


class CrashError(BaseException):
    """The power is cut."""


def test_a_deletion_that_a_crash_cut_short_is_finished(old: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(retain, "_unlink", lambda *_: (_ for _ in ()).throw(CrashError()))
        with pytest.raises(CrashError):
            retain.retain(old, NOW, RIGHT)
    result = check.verify(old, NOW)
    assert result["ok"] and next(one["message"] for one in result["notes"]).startswith("is to be deleted")
    retain.retain(old, NOW, RIGHT)
    assert check.verify(old, NOW)["notes"] == []


def write(settings: Settings, name: str, times: list[str], node: str = "pve1", source: str = "journal") -> Path:
    path = Path(settings.archive, node, source, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    line = LINE.format(node=node, source=source, more="", text="x" * 20)
    content = "".join(line.replace("2026-11-20T10:00:00Z", time) + "\n" for time in times).encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def at(*when: int) -> float:
    return datetime(*when, tzinfo=UTC).timestamp()  # type: ignore[misc, arg-type]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ([("2026-11-23.log", ["2026-11-23T11:00:00Z", "2026-11-23T10:00:00Z"])], at(2026, 11, 23, 11)),
        ([("2026-11-22.log.gz", ["2026-11-22T11:00:00Z"])], at(2026, 11, 22, 11)),
        ([("2026-11-23.log", ["-"])], None),
        ([("2026-11-23.log", ["9999-99-99T99:99:99Z"])], None),
        ([("2026-11-23.log", ["9" * 60_000])], None),
        ([("2026-11-23.log", ["2026-11-23T10:00:00"])], None),
        ([("2026-11-22.log", ["2026-11-22T01:00:00Z"]), ("2027-12-27.log", ["-"])], at(2026, 11, 22, 1)),
    ],
)
def test_what_time_a_node_says(settings: Settings, files: list[tuple[str, Any]], expected: float | None) -> None:
    for name, times in files:
        write(settings, name, times)
    assert node_clocks(Path(settings.archive), NOW) == {"pve1": expected}


def test_nodes_that_left_and_broken_files_say_nothing(settings: Settings) -> None:
    write(settings, "2026-11-20.log", ["2026-11-20T11:00:00Z"], "gone")
    write(settings, "2026-11-23.log", ["2026-11-23T11:00:00Z"], "pve2")
    write(settings, "2026-11-22.log.gz", ["2026-11-22T11:00:00Z"]).write_bytes(b"\x1f\x8bbroken")
    assert node_clocks(Path(settings.archive), NOW) == {"pve1": None, "pve2": at(2026, 11, 23, 11)}
