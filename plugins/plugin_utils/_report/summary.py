# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report's model: events, findings and coverage added up in one pass.

No clock and no language in here: times are RFC 3339 in UTC, states and verdicts are codes that a template words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._classify.action import is_critical
from ansible_collections.pve.audit.plugins.module_utils._evidence.acts.act import unite_acts
from ansible_collections.pve.audit.plugins.module_utils._model.act import NodeAddresses
from ansible_collections.pve.audit.plugins.module_utils._model.coverage import Coverage
from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._model.event import Event, event_time, unique_events
from ansible_collections.pve.audit.plugins.module_utils._model.finding import Finding, sort_findings
from ansible_collections.pve.audit.plugins.module_utils._model.severity import (
    FINDING_SEVERITIES,
    HIGH_SEVERITIES,
    SEVERITIES,
)
from ansible_collections.pve.audit.plugins.module_utils._model.time import to_epoch, zone
from ansible_collections.pve.audit.plugins.plugin_utils._report.coverage import summarise_coverage
from ansible_collections.pve.audit.plugins.plugin_utils._report.doubts import doubt_coverage, doubts_of, unshown_damage
from ansible_collections.pve.audit.plugins.plugin_utils._report.failures import (
    REFUSING,
    Failures,
    Refusals,
    add_failure,
    add_refused,
    failure_rows,
    refused_rows,
)
from ansible_collections.pve.audit.plugins.plugin_utils._report.timeline import build_timeline
from ansible_collections.pve.audit.plugins.plugin_utils._report.unrecorded import doubt_task_log
from ansible_collections.pve.audit.plugins.plugin_utils._report.who import NOBODY, Who, behind, who_did

ROOT = "root@pam"
TASKS = "pve.task"
READS = frozenset({"api.read", "gui.read"})
_EMPTY: Mapping[str, Any] = {}


@dataclass
class _Actor:
    """What one user or token did."""

    events: int = 0
    failures: int = 0
    severities: Counter[str] = field(default_factory=Counter)
    actions: Counter[str] = field(default_factory=Counter)
    nodes: set[str] = field(default_factory=set)
    first: str = ""
    last: str = ""


@dataclass
class _Tally:
    """Everything that is counted while the events go by once."""

    tz: tzinfo
    totals: Counter[str] = field(default_factory=Counter)
    records: Counter[str] = field(default_factory=Counter)
    actors: dict[str, _Actor] = field(default_factory=dict)
    actions: dict[str, Counter[str]] = field(default_factory=dict)
    slots: Counter[tuple[int, int]] = field(default_factory=Counter)
    slot_of: dict[str, tuple[int, int]] = field(default_factory=dict)
    failures: Failures = field(default_factory=dict)
    refused: Refusals = field(default_factory=dict)
    high_severity: list[dict[str, Any]] = field(default_factory=list)
    interest: list[tuple[int, str, str, str]] = field(default_factory=list)
    who: dict[str, Who] = field(default_factory=dict)


def summarise(
    events: Iterable[Event],
    findings: Iterable[Finding],
    coverage: Sequence[Coverage],
    *,
    since: str | None,
    until: str | None,
    now: str,
    timezone: str = "UTC",
    before: Iterable[Event] = (),
    nodes: NodeAddresses | None = None,
    people: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The report's model.

    Each `event.id` is counted once, and what several sources saw of one act is one act: `totals.events` and the records
    of a source count records, all else counts acts. `since`, `until` and `now` are RFC 3339 texts
    (`since` None: from the first record on; `until` None: until `now`).
    Hours and weekdays are those of the IANA time zone `timezone`; weekday 0 is Monday.
    `before` are events around the period, which only help to tell who did something in it; `nodes` and `people` are
    those of the filter `attribute`.

    Returns a mapping with `verdict`, `period`, `totals`, `coverage`, `critical`, `who`, `behind`, `by_actor`,
    `by_action`, `by_hour`, `by_weekday`, `matrix`, `failures`, `refused`, `root`, `findings`, `timeline` and
    `upids_of_interest`; RETURN of the filter `summary` describes each.
    Raises InputError for a time or time zone that cannot be read.
    """
    tally = _Tally(zone(timezone))
    records = unique_events(events)
    tally.totals["events"] = len(records)
    tally.records.update(str(event["event"].get("dataset")) for event in records)
    ordered = sort_findings(findings)
    acts, tally.who = _acts(records, list(before), ordered, nodes, people)
    for event in acts:
        _count(tally, event)
    end = until if until is not None else now
    limits = (None if since is None else to_epoch(since), to_epoch(end))
    doubts = doubts_of(records)
    tally.totals["corrupt"] += unshown_damage(coverage, doubts)
    coverage = doubt_task_log(doubt_coverage(coverage, doubts), records)
    covered = summarise_coverage(coverage, tally.records, *limits)
    return {
        "verdict": _verdict(tally.totals["events"], len(ordered), all(entry.nothing for entry in coverage)),
        "period": {"since": since, "until": end, "generated": now, "timezone": timezone},
        "coverage": covered,
        "findings": _count_findings(ordered),
        "timeline": build_timeline(ordered, covered["nodes"], *limits, _span(tally), tally.tz),
        "upids_of_interest": _interest(tally, ordered),
        "behind": behind(ordered, tally.who),
        **_tables(tally),
    }


def _acts(
    records: list[Event],
    before: list[Event],
    findings: Iterable[Finding],
    nodes: NodeAddresses | None,
    people: Mapping[str, str] | None,
) -> tuple[list[Event], dict[str, Who]]:
    """One event for each act of the period, and who did those that are grave or behind a finding."""
    told = {event_id for finding in findings for event_id in finding.event_ids}
    outside = {event["event"].get("id") for event in before} - {event["event"].get("id") for event in records}

    def wanted(event: Event) -> bool:
        return event["event"].get("id") in told or _is_grave(event)

    united, acts = unite_acts([*records, *before], wanted, nodes, people)
    counted = [event for event in united if event["event"].get("id") not in outside] if outside else united
    return counted, {identity: who_did(act) for identity, act in acts.items() if identity not in outside}


def _is_grave(event: Event) -> bool:
    return _part(event, "pve").get("severity") in HIGH_SEVERITIES or is_critical(
        str(event["event"].get("action", "other"))
    )


def _tables(tally: _Tally) -> dict[str, Any]:
    """What the events alone say."""
    named = sum(actor.events for actor in tally.actors.values())
    matrix = [[tally.slots[(day, hour)] for hour in range(24)] for day in range(7)]
    return {
        "totals": _totals(tally),
        "critical": sorted(tally.high_severity, key=lambda row: (row["time"] or "", row["id"]), reverse=True),
        "who": dict(sorted(tally.who.items())),
        "by_actor": _by_actor(tally, named),
        "by_action": _by_action(tally),
        "by_hour": [sum(day[hour] for day in matrix) for hour in range(24)],
        "by_weekday": [sum(day) for day in matrix],
        "matrix": matrix,
        "failures": failure_rows(tally.failures),
        "refused": refused_rows(tally.refused),
        "root": _root(tally, named),
    }


def _part(event: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = event.get(name)
    return value if isinstance(value, (dict, Mapping)) else _EMPTY  # dict first: the check of an abstract class is slow


def _count(tally: _Tally, event: Event) -> None:
    head = _part(event, "event")
    event_id = str(head.get("id", ""))
    if head.get("action") in READS and head.get("outcome") != "failure":
        tally.totals["reads"] += 1
        return
    time = event.get("@timestamp")
    if isinstance(time, str):
        tally.slots[_slot(tally, event, time)] += 1
    else:
        tally.totals["undated"] += 1
    if head.get("kind") == "pipeline_error":
        tally.totals["corrupt"] += 1
        return
    _count_action(tally, event, head, str(time or ""), event_id)


def _slot(tally: _Tally, event: Event, time: str) -> tuple[int, int]:
    """(weekday, hour) in the report's zone. UTC times are looked up by minute: today's offsets are whole minutes."""
    key = time[:16] if time.endswith("Z") else time
    slot = tally.slot_of.get(key)
    if slot is None:
        if (epoch := event_time(event)) is None:
            raise InputError(f"the event's @timestamp {time!r} is not an RFC 3339 time")
        local = datetime.fromtimestamp(epoch, tally.tz)
        slot = tally.slot_of[key] = (local.weekday(), local.hour)
    return slot


def _count_action(tally: _Tally, event: Event, head: Mapping[str, Any], time: str, event_id: str) -> None:
    pve, user = _part(event, "pve"), _part(event, "user").get("id")
    action, outcome = str(head.get("action", "other")), str(head.get("outcome", "unknown"))
    severity = str(pve.get("severity", "info"))
    node = _part(event, "host").get("name")
    is_task = head.get("dataset") == TASKS
    tally.totals["tasks"] += is_task
    tally.totals["refused"] += outcome == "failure" and head.get("dataset") in REFUSING
    _count_totals(tally.totals, action, outcome, pve.get("state"), is_task)
    counts = tally.actions.get(action)
    if counts is None:
        counts = tally.actions[action] = Counter()
    for key in ("events", outcome, severity):
        counts[key] += 1
    if user is not None:
        _count_actor(tally, str(user), action, outcome, severity, node, time)
    if outcome == "failure" and is_task:
        add_failure(tally.failures, event, action, time)
    elif outcome == "failure" and head.get("dataset") in REFUSING:
        add_refused(tally.refused, event, action, time)
    high_severity = severity in HIGH_SEVERITIES or is_critical(action)
    if high_severity:
        who = tally.who.get(event_id, NOBODY)
        tally.high_severity.append(_row(event, head, pve, action, outcome, severity, who))
    if isinstance(pve.get("upid"), str) and (outcome == "failure" or high_severity):
        rank = HIGH_SEVERITIES.index(severity) if severity in HIGH_SEVERITIES else len(HIGH_SEVERITIES)
        tally.interest.append((rank, time, event_id, pve["upid"]))


def _count_totals(totals: Counter[str], action: str, outcome: str, state: object, is_task: bool) -> None:
    totals["failed"] += is_task and outcome == "failure"
    totals["warnings"] += state == "warning"
    totals["running"] += state == "running"
    totals["unknown"] += outcome == "unknown" and state != "running"
    totals["unclassified"] += action == "other"
    totals["destroyed"] += action == "guest.destroy" and outcome == "success"


def _count_actor(tally: _Tally, user: str, action: str, outcome: str, severity: str, node: object, time: str) -> None:
    actor = tally.actors.get(user)
    if actor is None:
        actor = tally.actors[user] = _Actor()
    actor.events += 1
    actor.failures += outcome == "failure"
    actor.severities[severity] += 1
    actor.actions[action] += 1
    if node is not None:
        actor.nodes.add(str(node))
    if time:
        actor.first = min(actor.first or time, time)
        actor.last = max(actor.last, time)


def _row(
    event: Event,
    head: Mapping[str, Any],
    pve: Mapping[str, Any],
    action: str,
    outcome: str,
    severity: str,
    who: Who,
) -> dict[str, Any]:
    """One line of the table of actions of high severity: flat, and every key present."""
    return {
        "id": head.get("id"),
        "time": event.get("@timestamp"),
        "actor": _part(event, "user").get("id") or who["user"],
        "person": who["person"],
        "action": action,
        "severity": severity,
        "object": pve.get("object"),
        "vmid": pve.get("vmid"),
        "node": _part(event, "host").get("name"),
        "outcome": outcome,
        "state": pve.get("state"),
        "status": pve.get("status"),
        "upid": pve.get("upid"),
        "ip": _part(event, "source").get("ip"),
        "channel": who["channel"],
        "confidence": who["confidence"],
        "candidates": who["candidates"],
    }


def _totals(tally: _Tally) -> dict[str, int]:
    names = (
        "events",
        "tasks",
        "failed",
        "refused",
        "warnings",
        "unknown",
        "running",
        "destroyed",
        "corrupt",
        "unclassified",
        "undated",
        "reads",
    )
    totals = {name: tally.totals[name] for name in names}
    totals["actors"] = len(tally.actors)
    return totals


def _by_actor(tally: _Tally, named: int) -> list[dict[str, Any]]:
    ordered = sorted(tally.actors.items(), key=lambda item: (-item[1].events, item[0]))
    return [
        {
            "actor": name,
            "events": actor.events,
            "share": round(actor.events / named, 4),
            "failures": actor.failures,
            "severities": {level: actor.severities[level] for level in SEVERITIES},
            "top_actions": [action for action, _count in actor.actions.most_common(3)],
            "nodes": sorted(actor.nodes),
            "first": actor.first or None,
            "last": actor.last or None,
        }
        for name, actor in ordered
    ]


def _by_action(tally: _Tally) -> list[dict[str, Any]]:
    rows = []
    for action, counts in sorted(tally.actions.items(), key=lambda item: (-item[1]["events"], item[0])):
        severity = next((level for level in SEVERITIES if counts[level]), "info")
        rows.append({"action": action, "severity": severity, "events": counts["events"], "failures": counts["failure"]})
    return rows


def _root(tally: _Tally, named: int) -> dict[str, Any]:
    """How much of what has a name was done as root@pam, its tokens included."""
    direct = tally.actors[ROOT].events if ROOT in tally.actors else 0
    tokens = sum(actor.events for name, actor in tally.actors.items() if name.startswith(f"{ROOT}!"))
    return {
        "events": direct + tokens,
        "tokens": tokens,
        "of": named,
        "share": round((direct + tokens) / named, 4) if named else 0.0,
    }


def _count_findings(findings: Sequence[Finding]) -> dict[str, Any]:
    counts = Counter(item.severity for item in findings)
    worst = next((level for level in FINDING_SEVERITIES if counts[level]), None)
    return {
        "total": len(findings),
        "worst": worst,
        "by_severity": {level: counts[level] for level in FINDING_SEVERITIES},
    }


def _verdict(events: int, findings: int, blind: bool) -> str:
    """One of four codes. None says that something did not happen: `coverage.sources` says what they rest on."""
    if findings:
        return "findings"
    if events:
        return "no_findings"
    return "blind" if blind else "no_events"


def _span(tally: _Tally) -> tuple[str, str] | None:
    firsts = [actor.first for actor in tally.actors.values() if actor.first]
    return (min(firsts), max(actor.last for actor in tally.actors.values())) if firsts else None


def _interest(tally: _Tally, findings: Sequence[Finding]) -> list[str]:
    """UPIDs whose log text belongs into the report: findings first, then by severity; newest first in each group."""
    wanted = {event_id: None for item in findings for event_id in item.event_ids if event_id.startswith("UPID:")}
    newest = sorted(tally.interest, key=lambda item: item[1], reverse=True)
    for _rank, _time, _event_id, upid in sorted(newest, key=lambda item: item[0]):
        wanted.setdefault(upid)
    return list(wanted)
