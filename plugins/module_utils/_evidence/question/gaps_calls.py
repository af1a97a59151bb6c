# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gaps that calls show: an access log that lacks what was done, or what another node passed on; tasks without a
record; clocks that differ.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from statistics import median
from typing import NamedTuple

from ansible_collections.pve.audit.plugins.module_utils._evidence.acts.lines import named_node
from ansible_collections.pve.audit.plugins.module_utils._evidence.found import ACTIVE, INDEX, Found
from ansible_collections.pve.audit.plugins.module_utils._evidence.question.gap import Gap, new_gap, spans_of
from ansible_collections.pve.audit.plugins.module_utils._model.act import Act
from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._model.event import Event, event_time, get_field
from ansible_collections.pve.audit.plugins.module_utils._parse.upid import parse_upid

_ROOT = "root@pam"
_MOST = 50  # UPIDs that one gap names
_STAY = ("/firewall", "vncproxy", "termproxy", "spiceproxy", "vncshell", "spiceshell")
"""Calls of guests and consoles that the entry node does not pass on, or answers itself."""
_ENOUGH = 3  # pairs of lines that tell of a clock


def find_call_gaps(found: Found, acts: Iterable[Act]) -> list[Gap]:
    """All gaps that calls show. `acts` are joined from all events of `found`."""
    joined = list(acts)
    known = {identity: event for event in found.events if (identity := event["event"].get("id"))}
    passed = [pair for act in joined for pair in _passed_on(act, known)]
    return [
        *_calls_missing(found, joined),
        *_twins_missing(found, passed),
        *_clocks(passed),
        *_tasks_missing(found, joined, known),
    ]


def _calls_missing(found: Found, acts: Iterable[Act]) -> Iterator[Gap]:
    """What only a call can have done, where each node's access.log was seen and none has the call.

    Only root@pam works without a call: commands, the scheduler and the cluster itself are that account's.
    """
    spans = spans_of(found, "pve.access")
    nodes = {row.node for row in found.coverage}
    if not spans or set(spans) != nodes:
        return
    lacking: dict[str, list[Act]] = defaultdict(list)
    for act in acts:
        time = event_time(act)
        inside = time is not None and all(span.holds(time) for span in spans.values())
        if (
            inside
            and _needs_call(act)
            and not any(one["file"] == "access.log" for one in act["attribution"]["witnesses"])
        ):
            lacking[act["host"]["name"] or ""].append(act)
    for node, group in lacking.items():
        times = [time for act in group if (time := event_time(act)) is not None]
        count = f"{len(group)} act{'s' if len(group) > 1 else ''}"
        what = f"{count} of {node} can only come from a call, and no access.log has it"
        upids = [str(act["pve"]["upid"]) for act in group if act["pve"]["upid"]]
        yield new_gap("call_missing", node, what, times, ["access.log"], upids=upids[:_MOST])


def _needs_call(act: Act) -> bool:
    """A task, or a login through the API, of another account than root@pam."""
    user, action = act["user"]["account"], str(act["event"]["action"])
    login = action.startswith("access.login") and act["event"]["outcome"] == "success"
    return user not in (None, _ROOT) and bool(act["pve"]["upid"] or login)


class _Passed(NamedTuple):
    """A call that `entry` passed on to `target`, with the times of both lines; None for one that is not there."""

    entry: str
    target: str
    time: float
    other: float | None


def _passed_on(act: Act, known: Mapping[str, Event]) -> Iterator[_Passed]:
    """The successful writes of an act that came in on another node than the one they name."""
    lines = [event for one in act["attribution"]["witnesses"] if (event := known.get(one["place"])) is not None]
    lines = [event for event in lines if event["event"].get("dataset") == "pve.access"]
    for event in lines:
        path, entry = get_field(event, "url.path") or "", get_field(event, "host.name") or ""
        target, time = named_node(path), event_time(event)
        status = get_field(event, "http.response.status_code") or 0
        if not entry or target in (None, entry, "localhost") or time is None or not 200 <= status < 300:
            continue
        if event["event"].get("outcome") == "failure" or any(word in path for word in _STAY):
            continue
        twin = next((one for one in lines if get_field(one, "host.name") == target), None)
        yield _Passed(entry, str(target), time, None if twin is None else event_time(twin))


def _twins_missing(found: Found, passed: list[_Passed]) -> Iterator[Gap]:
    """A node passed calls on, and the log of the other one, which was looked at, does not have them."""
    rows = {row.node: row for row in found.coverage if row.source == "pve.access"}
    spans = spans_of(found, "pve.access")
    lacking: dict[str, list[_Passed]] = defaultdict(list)
    for pair in passed:
        row, span = rows.get(pair.target), spans.get(pair.target)
        if row is None or pair.other is not None or any(one["code"] == "no_file" for one in row.reasons):
            continue
        if span is None or span.holds(pair.time) or pair.time > span.end:
            lacking[pair.target].append(pair)
    for node, pairs in lacking.items():
        entries = ", ".join(sorted({pair.entry for pair in pairs}))
        count = f"{len(pairs)} call{'s' if len(pairs) > 1 else ''}"
        message = f"{entries} passed {count} on to {node}, and its access.log has none of them"
        yield new_gap("call_missing", node, message, [pair.time for pair in pairs], ["access.log"])


def _clocks(passed: list[_Passed]) -> Iterator[Gap]:
    """The second line of a passed call is written in the second of the first, or in the one before."""
    apart: dict[tuple[str, str], list[_Passed]] = defaultdict(list)
    for pair in passed:
        if pair.other is not None:
            apart[pair.entry, pair.target].append(pair)
    for (entry, target), pairs in apart.items():
        middle = median(pair.time - (pair.other or 0.0) for pair in pairs)
        if len(pairs) >= _ENOUGH and not 0 <= middle <= 1:
            message = f"the clocks of {entry} and {target} differ by about {abs(middle):g} s"
            yield new_gap("clock_differs", target, message, [pair.time for pair in pairs], ["access.log"])


def _starts(found: Found, node: str) -> tuple[float, float] | None:
    """When the oldest and the youngest task of a node's index started; with the list of active tasks, no bound."""
    starts = []
    for text in found.records[node, INDEX]:
        with suppress(InputError):
            starts.append(parse_upid(text, strict=False).starttime)
    newest = float("inf") if (node, ACTIVE) in found.records else max(starts, default=0)
    return (min(starts), newest) if starts else None


def _tasks_missing(found: Found, acts: list[Act], known: Mapping[str, Event]) -> Iterator[Gap]:
    """A call was answered with a task, and no record knows that task, while the index has older and younger ones."""
    starts = {node: _starts(found, node) for node, source in found.records if source == INDEX}
    lacking: dict[str, list[float]] = defaultdict(list)
    for act in acts:
        event = known.get(str(act["event"]["id"]))
        time = event_time(act)
        if event is None:
            continue
        node = named_node(get_field(event, "url.path") or "") or get_field(event, "host.name") or ""
        span = starts.get(node)
        if act["pve"]["upid"] or time is None or not span or not get_field(event, "pve.accepted"):
            continue
        if span[0] < time < span[1]:
            lacking[node].append(time)
    for node, times in lacking.items():
        count = f"{len(times)} call{'s' if len(times) > 1 else ''}"
        message = f"{count} to {node} started a task that no record knows"
        yield new_gap("task_removed", node, message, times, ["access.log", INDEX])
