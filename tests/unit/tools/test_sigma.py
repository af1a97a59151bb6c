# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Sigma rules: current, valid, and finding what the filter finds, as pySigma's SQLite backend runs them."""

from __future__ import annotations

import gzip
import json
import re
import sqlite3
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from sigma.backends.sqlite import sqliteBackend
from sigma.backends.sqlite.runtime import execute_plan
from sigma.collection import SigmaCollection

from ansible_collections.pve.audit.plugins.filter.events import events
from ansible_collections.pve.audit.plugins.module_utils._evidence.acts.join import unite_events
from ansible_collections.pve.audit.plugins.module_utils._model.event import Event, event_time
from ansible_collections.pve.audit.plugins.module_utils._model.time import rfc3339_us
from ansible_collections.pve.audit.plugins.plugin_utils._detect.anomalies import find_anomalies
from ansible_collections.pve.audit.plugins.plugin_utils._detect.hours import working_hours
from ansible_collections.pve.audit.plugins.plugin_utils._detect.rules import check_rules
from tests.unit.plugins.plugin_utils._detect.test_access_rules import CASES as ACCESS_CASES
from tests.unit.plugins.plugin_utils._detect.test_anomalies import CASES
from tools import sigma

SCENARIOS = Path(__file__).parents[1] / "data" / "scenarios"
RULES = {rule["id"]: rule for rule in sigma.load()}

# A group as the values of its fields, and the ids of its events.
Group = tuple[tuple[str, ...], frozenset[str]]


def recorded(scenario: str) -> list[Event]:
    """The acts of all sources of a recorded scenario."""
    found = []
    for node in ("pve1", "pve2", "pve3"):
        folder = SCENARIOS / scenario
        found += events(json.loads((folder / "api" / f"nodes_{node}_tasks.json").read_text())["data"])
        if (log := folder / "nodes" / node / "access.log").is_file():
            found += events(log.read_text().splitlines(), source="access", node=node)
        with gzip.open(folder / "nodes" / node / "journal.json.gz", "rt") as journal:
            found += events([json.loads(line) for line in journal], source="journal", node=node)
    return unite_events(found)


def examples() -> list[Event]:
    """The acts of all examples of the rules, each half a year after the one before."""
    made: list[Event] = []
    given = [case[1] for case in CASES] + [events(case[1], node="pve1") for case in ACCESS_CASES]
    for number, seen in enumerate(given):
        for event in unite_events(seen):
            later = datetime.fromisoformat(event["@timestamp"]) + timedelta(days=180 * number)
            identity = f"{number} {event['event']['id']}"
            stamp = rfc3339_us(int(later.timestamp() * 1_000_000))
            made.append({**event, "@timestamp": stamp, "event": {**event["event"], "id": identity}})
    return made


@cache
def known(name: str) -> list[Event]:
    """The events under this name."""
    return examples() if name == "examples" else recorded(name)


def flat(event: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """The fields of an event, by their dotted names."""
    for key, value in event.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{path}{key}.")
        elif not isinstance(value, list):
            yield f"{path}{key}", value


@cache
def table(name: str) -> tuple[sqlite3.Connection, list[str]]:
    """The events as a table, and their ids in order."""
    rows = [dict(flat(event)) for event in known(name)]
    fields = sorted({field for row in rows for field in row})
    connection = sqlite3.connect(":memory:")
    columns = ", ".join(f'"{field}"' for field in ["timestamp", *fields])
    connection.execute(f"CREATE TABLE logs ({columns})")
    marks = ",".join("?" * (len(fields) + 1))
    times = [event_time(event) for event in known(name)]
    values = [[time, *map(row.get, fields)] for time, row in zip(times, rows, strict=True)]
    connection.executemany(f"INSERT INTO logs VALUES ({marks})", values)
    return connection, [row["event.id"] for row in rows]


@cache
def plan(rule: str) -> Any:
    """What the backend makes of the file of a rule: the steps of its last correlation."""
    collection = SigmaCollection.from_yaml((sigma.TARGET / f"{rule}.yml").read_text())
    made = json.loads(sqliteBackend(timestamp_format="unix").convert(collection, output_format="zircolite"))
    return [one["correlation_plan"] for one in made if "correlation_plan" in one][-1]


def by_sigma(rule: str, name: str) -> list[Group]:
    """The groups that Sigma's rule finds; alerts of one group that share an event are one."""
    connection, ids = table(name)
    alerts, _diagnostics = execute_plan(connection, plan(rule), include_events=False)
    merged: dict[tuple[str, ...], list[set[str]]] = {}
    for alert in alerts:
        group = tuple(str(alert["group_keys"][field]) for field in RULES[rule].get("group_by", ()))
        seen = {ids[int(event.partition(":")[2]) - 1] for event in alert["event_ids"]}
        groups = merged.setdefault(group, [])
        for other in [one for one in groups if one & seen]:
            groups.remove(other)
            seen |= other
        groups.append(seen)
    return sorted(((group, frozenset(seen)) for group, sets in merged.items() for seen in sets), key=repr_group)


def by_filter(rule: str, name: str) -> list[Group]:
    """The groups that the filter finds, without what Sigma cannot express."""
    bare = {key: value for key, value in RULES[rule].items() if key not in sigma.NOT_EXPRESSED}
    found = find_anomalies(known(name), check_rules([bare], None, working_hours()))
    groups = [(tuple(str(value).lower() for value in one.group.values()), frozenset(one.event_ids)) for one in found]
    return sorted((group for group in groups if "none" not in group[0]), key=repr_group)


def repr_group(group: Group) -> str:
    """A group as text, to sort by."""
    return f"{group[0]} {sorted(group[1])}"


def test_the_files_are_current() -> None:
    assert sigma.main(["--check"]) == 0, "run: python -m tools.sigma"


def test_the_command_writes_them(tmp_path: Path) -> None:
    (tmp_path / "of-yesterday.yml").touch()
    assert sigma.main(["--check"], tmp_path) == 1
    assert sigma.main([], tmp_path) == 0
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(f"{rule}.yml" for rule in RULES)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("name", ["examples", "revenge", "busy-day", "cli-and-sudo"])
def test_sigma_finds_what_the_filter_finds(rule: str, name: str) -> None:
    sigmas, ours = by_sigma(rule, name), by_filter(rule, name)
    if RULES[rule]["type"] == "temporal_ordered":
        # Sigma shows one event for each step of the order, the filter all that were there.
        assert [group for group, _events in sigmas] == [group for group, _events in ours]
        assert all(some <= every for (_, some), (_, every) in zip(sigmas, ours, strict=True))
    else:
        assert sigmas == ours
    assert ours or name != "examples"


@pytest.mark.parametrize("rule", RULES)
def test_what_sigma_cannot_say_is_said(rule: str) -> None:
    *_bases, correlation = yaml.safe_load_all((sigma.TARGET / f"{rule}.yml").read_text())
    unsaid = {key: RULES[rule][key] for key in sigma.NOT_EXPRESSED if key in RULES[rule]}
    assert correlation.get("pve_audit", {}).get("not_expressed", {}) == unsaid
    assert correlation.get("falsepositives", []) == [sigma.NOT_EXPRESSED[key] for key in unsaid]


def test_every_key_of_a_rule_is_in_sigma_or_named_as_lost() -> None:
    said = set("id title severity remedy description match exclude outcome type timespan group_by condition".split())
    said |= {"field", "rules"}
    assert {key for rule in RULES.values() for key in rule} <= said | set(sigma.NOT_EXPRESSED)


def test_ids_names_and_titles_are_unique() -> None:
    documents = [one for file in sigma.TARGET.glob("*.yml") for one in yaml.safe_load_all(file.read_text())]
    for key in ("id", "name", "title"):
        assert len({one[key] for one in documents}) == len(documents)
    assert all(re.fullmatch(r"[a-z_0-9]+", one["name"]) for one in documents)


def test_a_timespan_that_sigma_does_not_know_is_refused() -> None:
    with pytest.raises(ValueError, match="Sigma does not know the timespan '1h30m'"):
        sigma.documents({**RULES["new-token"], "timespan": "1h30m"})
