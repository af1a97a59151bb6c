# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules over events, and the findings they make.

A rule is data:

    id, title, severity    what the finding is called; severity as in Sigma (critical, high, medium, low, informational)
    match                  field -> value, list of values (any of them) or pattern with `*`; all fields must agree
    exclude                the same, but an event that agrees in any field is left out
    outcome                success, failure or unknown, or a list of them; left out means any
    hours                  outside or inside: keep only events outside (inside) the working hours
    type                   event_count or value_count
    timespan, group_by, condition, field      as in `windows`
    remedy                 what to do about it, one sentence; it and the title are text, or {"en": ..., "de": ...}
    enabled                false switches the rule off
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._model.event import OUTCOMES, Event, event_time, field_getter
from ansible_collections.pve.audit.plugins.module_utils._model.finding import Finding, finding_id, sort_findings
from ansible_collections.pve.audit.plugins.module_utils._model.severity import check_severity
from ansible_collections.pve.audit.plugins.module_utils._model.time import human_duration, to_epoch
from ansible_collections.pve.audit.plugins.module_utils._model.window import Window
from ansible_collections.pve.audit.plugins.plugin_utils._detect.hours import WorkingHours
from ansible_collections.pve.audit.plugins.plugin_utils._detect.windows import (
    WindowRule,
    find_windows,
    window_rule,
)

Predicate = Callable[[Event], bool]

_KEYS = frozenset(
    {"id", "title", "severity", "match", "exclude", "outcome", "hours", "remedy", "enabled", "description"}
    | {"type", "timespan", "group_by", "condition", "field"}
)
_RULE_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_LISTED_VALUES = 20


@dataclass(frozen=True)
class DetectionRule:
    """One checked rule."""

    id: str
    title: str
    severity: str
    remedy: str
    window: WindowRule
    keep: tuple[Predicate, ...]


def matcher(fields: object, option: str = "match", any_field: bool = False) -> Predicate:
    """A test for `{"event.action": ["guest.destroy", "backup.*"]}`; every field must agree, or any with `any_field`.

    Values are compared as text, so 100 and "100" are equal; `*` stands for any run of characters, and a lone `*` for
    any value at all. Raises InputError when `fields` is not such a map.
    """
    if not isinstance(fields, Mapping) or not fields:
        raise InputError(
            f"{option} must be a map of fields and values such as {{'event.action': 'guest.destroy'}}, not {fields!r}"
        )
    tests = [_field_test(str(path), wanted) for path, wanted in fields.items()]
    decide = any if any_field else all
    return lambda event: decide(test(event) for test in tests)


def _field_test(path: str, wanted: object) -> Predicate:
    values = wanted if isinstance(wanted, Sequence) and not isinstance(wanted, str) else [wanted]
    texts = [str(value) for value in values]
    plain = frozenset(text for text in texts if "*" not in text)
    patterns = [re.compile(".*".join(map(re.escape, text.split("*"))), re.DOTALL) for text in texts if "*" in text]
    get = field_getter(path)

    def agrees(event: Event) -> bool:
        value = get(event)
        if value is None:
            return False
        text = str(value)
        return text in plain or any(pattern.fullmatch(text) for pattern in patterns)

    return agrees


def outcome_filter(outcome: object) -> Predicate:
    """A test for one outcome or a list of outcomes. Raises InputError for a word that is no outcome."""
    wanted = frozenset(
        [outcome] if isinstance(outcome, str) else outcome if isinstance(outcome, Sequence) else [outcome]
    )
    if not wanted or not wanted <= frozenset(OUTCOMES):
        raise InputError(f"outcome {outcome!r} is unknown: use one or more of {', '.join(OUTCOMES)}")
    return lambda event: event["event"].get("outcome") in wanted


def _hours_filter(side: object, hours: WorkingHours) -> Predicate:
    if side not in ("outside", "inside"):
        raise InputError(f"hours {side!r} is unknown: use outside or inside")
    wanted = side == "inside"

    def agrees(event: Event) -> bool:
        time = event_time(event)
        return time is not None and hours.contains(time) is wanted

    return agrees


def check_rule(data: object, hours: WorkingHours) -> DetectionRule:
    """Check one rule given as data. Raises InputError that names the rule and the part that cannot be used."""
    if not isinstance(data, Mapping):
        raise InputError(f"a rule must be a map with id, severity, match, type, timespan and condition, not {data!r}")
    name = str(data.get("id", ""))
    if not _RULE_ID.fullmatch(name):
        raise InputError(
            f"rule id {name!r} cannot be used: give each rule an id of lower-case letters, digits, - and _"
        )
    if unknown := sorted(str(key) for key in set(data) - _KEYS):
        raise InputError(f"rule {name}: unknown key {', '.join(unknown)}; a rule knows {', '.join(sorted(_KEYS))}")
    try:
        keep = [matcher(data["match"])] if data.get("match") is not None else []
        if data.get("exclude") is not None:
            excluded = matcher(data["exclude"], "exclude", any_field=True)
            keep.append(lambda event: not excluded(event))
        if data.get("outcome") is not None:
            keep.append(outcome_filter(data["outcome"]))
        if data.get("hours") is not None:
            keep.append(_hours_filter(data["hours"], hours))
        window = window_rule(
            data.get("type"), data.get("timespan"), data.get("condition"), data.get("group_by", ()), data.get("field")
        )
        severity = check_severity(data.get("severity"))
    except InputError as error:
        raise InputError(f"rule {name}: {error}") from None
    return DetectionRule(
        name, _english(data.get("title"), name), severity, _english(data.get("remedy"), ""), window, tuple(keep)
    )


def _english(text: object, otherwise: str) -> str:
    """A rule's text, which is plain or stands there in each language, `{"en": ..., "de": ...}`."""
    found = text.get("en") if isinstance(text, Mapping) else text
    return otherwise if found is None else str(found)


def check_rules(rules: object, extra: object, hours: WorkingHours) -> list[DetectionRule]:
    """The rules to run: `rules` and `extra`, which replace rules of the same id.

    Raises InputError for a rule that cannot be used, or an id that stands twice in one list.
    """
    chosen = _rules_by_id(rules, "rules")
    chosen |= _rules_by_id([] if extra is None else extra, "extra_rules")
    return [check_rule(rule, hours) for rule in chosen.values() if not _is_disabled(rule)]


def _rules_by_id(rules: object, option: str) -> dict[str, Any]:
    """Id -> rule as data; one without an id stands under its place, for the message that refuses it."""
    if not isinstance(rules, Sequence) or isinstance(rules, str):
        raise InputError(f"{option} must be a list of rules, not {rules!r}")
    ids = [str(rule.get("id", "")) if isinstance(rule, Mapping) else "" for rule in rules]
    if twice := sorted({name for name in ids if name and ids.count(name) > 1}):
        raise InputError(f"rule id {twice[0]!r} stands twice: give each rule its own id")
    return {name or f"{option} {place}": rule for place, (name, rule) in enumerate(zip(ids, rules, strict=True))}


def _is_disabled(rule: object) -> bool:
    return isinstance(rule, Mapping) and rule.get("enabled", True) is False


def find_anomalies(events: Sequence[Event], rules: Iterable[DetectionRule]) -> list[Finding]:
    """The findings of all rules, worst first."""
    findings: list[Finding] = []
    for rule in rules:
        kept = [event for event in events if all(test(event) for test in rule.keep)]
        findings.extend(_finding(rule, window) for window in find_windows(kept, rule.window))
    return sort_findings(findings)


def _finding(rule: DetectionRule, window: Window) -> Finding:
    nodes = sorted({str(event["host"]["name"]) for event in window.events if event.get("host", {}).get("name")})
    return Finding(
        id=finding_id(rule.id, window.group, window.start),
        rule=rule.id,
        title=rule.title,
        severity=rule.severity,
        type=rule.window.type,
        sentence=_sentence(rule, window, nodes),
        start=window.start,
        end=window.end,
        count=window.count,
        total=window.total,
        values=window.values,
        group=window.group,
        nodes=nodes,
        event_ids=window.event_ids,
        remedy=rule.remedy,
    )


def _sentence(rule: DetectionRule, window: Window, nodes: list[str]) -> str:
    """`dario@pve: Mass guest deletion: 10 within 1 min 44 s (501, 504, ...) on pve1, pve2.`"""
    who = ", ".join(str(value) for value in window.group.values() if value is not None)
    length = to_epoch(window.end) - to_epoch(window.start)
    number = len(window.values) if rule.window.field else window.total
    when = f" within {human_duration(length)}" if length else ""
    shown = [str(value) for value in window.values[:_LISTED_VALUES]]
    more = len(window.values) - len(shown)
    listed = f" ({', '.join(shown)}{f' and {more} more' if more else ''})" if shown else ""
    where = f" on {', '.join(nodes)}" if nodes else ""
    return f"{who + ': ' if who else ''}{rule.title}: {number}{when}{listed}{where}."
