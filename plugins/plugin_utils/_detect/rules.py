# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules over events, checked.

A rule is data:

    id, title, severity    what the finding is called; severity as in Sigma (critical, high, medium, low, informational)
    match                  field -> value, list of values (any of them) or pattern with `*`; all fields must agree.
                           A list of such maps asks for one of them
    exclude                the same, but an event that agrees in any field is left out
    outcome                success, failure or unknown, or a list of them; left out means any
    hours                  outside or inside: keep only events outside (inside) the working hours
    who                    administrators: keep only their events
    renewals               exclude: leave out logins that may have renewed a ticket
    first_seen             a field: keep only events whose value no earlier one of the account has
    type                   event_count, value_count, temporal or temporal_ordered
    timespan, group_by, condition, field, rules      as in `windows`
    lower_when             made_within and by: guests that the same account made shortly before weigh less
    told_by                ids of rules that may have told the same events
    remedy                 what to do about it, one sentence; it and the title are text, or {"en": ..., "de": ...}
    enabled                false switches the rule off
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._model.event import Event
from ansible_collections.pve.audit.plugins.module_utils._model.names import ROOT, owner_of
from ansible_collections.pve.audit.plugins.module_utils._model.severity import check_severity
from ansible_collections.pve.audit.plugins.module_utils._model.time import parse_duration
from ansible_collections.pve.audit.plugins.plugin_utils._detect.history import (
    KnownAddresses,
    first_seen,
    known_addresses,
    without_renewals,
)
from ansible_collections.pve.audit.plugins.plugin_utils._detect.hours import WorkingHours
from ansible_collections.pve.audit.plugins.plugin_utils._detect.match import (
    Predicate,
    action_filter,
    field_filters,
    hours_filter,
    who_filter,
)
from ansible_collections.pve.audit.plugins.plugin_utils._detect.windows import WindowRule, window_rule

Sieve = Callable[[list[Event], Sequence[Event]], list[Event]]
"""Takes the events that a rule kept, and all events."""

KEYS = frozenset(
    {"id", "title", "severity", "remedy", "enabled", "description", "match", "exclude", "outcome", "hours", "who"}
    | {"renewals", "first_seen", "type", "timespan", "group_by", "condition", "field", "rules", "lower_when", "told_by"}
)
_RULE_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


@dataclass(frozen=True)
class People:
    """What rules need to know of the people: who administers, and from where accounts usually come."""

    administrators: frozenset[str] = frozenset({ROOT})
    addresses: KnownAddresses = field(default_factory=KnownAddresses)


def check_people(administrators: object, addresses: object) -> People:
    """The accounts of the administrators (root@pam when none are given) and the known addresses, checked.

    Raises InputError for what is no list of accounts or no map of addresses.
    """
    names = [ROOT] if administrators is None else administrators
    if isinstance(names, str) or not isinstance(names, Sequence) or not all(isinstance(one, str) for one in names):
        raise InputError(f"administrators must be a list of accounts such as ['root@pam'], not {names!r}")
    return People(frozenset(owner_of(one) for one in names), known_addresses(addresses))


@dataclass(frozen=True)
class Lowering:
    """Guests that the same account made at most `made_within` seconds before weigh less: without them, `severity`."""

    made_within: int
    severity: str


@dataclass(frozen=True)
class DetectionRule:
    """One checked rule. `keep` judges each event alone, `sieves` those that are left in the light of the others.

    `acts` is false for actions of which the rule keeps no event.
    """

    id: str
    title: str
    severity: str
    remedy: str
    window: WindowRule
    acts: Callable[[str | None], bool]
    keep: tuple[Predicate, ...]
    sieves: tuple[Sieve, ...] = ()
    lower: Lowering | None = None
    told_by: tuple[str, ...] = ()


def check_rule(data: object, hours: WorkingHours, people: People) -> DetectionRule:
    """Check one rule given as data. Raises InputError that names the rule and the part that cannot be used."""
    if not isinstance(data, Mapping):
        raise InputError(f"a rule must be a map with id, severity, match, type, timespan and condition, not {data!r}")
    name = str(data.get("id", ""))
    if not _RULE_ID.fullmatch(name):
        raise InputError(
            f"rule id {name!r} cannot be used: give each rule an id of lower-case letters, digits, - and _"
        )
    if unknown := sorted(str(key) for key in set(data) - KEYS):
        raise InputError(f"rule {name}: unknown key {', '.join(unknown)}; a rule knows {', '.join(sorted(KEYS))}")
    try:
        window = window_rule(
            data.get("type"),
            data.get("timespan"),
            data.get("condition"),
            data.get("group_by", ()),
            data.get("field"),
            data.get("rules"),
        )
        return DetectionRule(
            id=name,
            title=_english(data.get("title"), name),
            severity=check_severity(data.get("severity")),
            remedy=_english(data.get("remedy"), ""),
            window=window,
            acts=_acts(data),
            keep=tuple(_keep(data, hours, people)),
            sieves=tuple(_sieves(data, people)),
            lower=_lowering(data.get("lower_when")),
            told_by=_told_by(data.get("told_by", ())),
        )
    except InputError as error:
        raise InputError(f"rule {name}: {error}") from None


def _acts(data: Mapping[str, Any]) -> Callable[[str | None], bool]:
    whole = action_filter(data.get("match"))
    steps = [action_filter(step.get("match")) for step in data.get("rules") or ()]
    return lambda action: whole(action) and (not steps or any(step(action) for step in steps))


def _keep(data: Mapping[str, Any], hours: WorkingHours, people: People) -> list[Predicate]:
    keep = field_filters(data)
    if data.get("hours") is not None:
        keep.append(hours_filter(data["hours"], hours))
    if data.get("who") is not None:
        keep.append(who_filter(data["who"], people.administrators))
    return keep


def _sieves(data: Mapping[str, Any], people: People) -> list[Sieve]:
    sieves: list[Sieve] = []
    if (path := data.get("first_seen")) is not None:
        if not isinstance(path, str) or not path:
            raise InputError(f"first_seen must be the name of a field such as source.ip, not {path!r}")
        sieves.append(lambda kept, _events: first_seen(kept, path, people.addresses))
    if data.get("renewals") is not None:
        if data["renewals"] != "exclude":
            raise InputError(f"renewals {data['renewals']!r} is unknown: use exclude, or leave it out")
        # After first_seen: the renewals show from where an account usually comes.
        sieves.append(without_renewals)
    return sieves


def _lowering(data: object) -> Lowering | None:
    if data is None:
        return None
    if not isinstance(data, Mapping) or not {"made_within"} <= set(data) <= {"made_within", "by", "to"}:
        raise InputError(f"lower_when must be a map with made_within, and may have by and to, not {data!r}")
    if data.get("by", "same") != "same":
        raise InputError(f"lower_when: by {data['by']!r} is unknown: use same, the account that acts")
    return Lowering(parse_duration(data["made_within"]), check_severity(data.get("to", "low")))


def _told_by(data: object) -> tuple[str, ...]:
    if isinstance(data, str) or not isinstance(data, Sequence) or not all(isinstance(one, str) for one in data):
        raise InputError(f"told_by must be a list of rule ids, not {data!r}")
    return tuple(data)


def _english(text: object, otherwise: str) -> str:
    """A rule's text, which is plain or stands there in each language, `{"en": ..., "de": ...}`."""
    found = text.get("en") if isinstance(text, Mapping) else text
    return otherwise if found is None else str(found)


def check_rules(rules: object, extra: object, hours: WorkingHours, people: People | None = None) -> list[DetectionRule]:
    """The rules to run: `rules` and `extra`, which replace rules of the same id.

    Raises InputError for a rule that cannot be used, or an id that stands twice in one list.
    """
    chosen = _rules_by_id(rules, "rules")
    chosen |= _rules_by_id([] if extra is None else extra, "extra_rules")
    checked = [check_rule(rule, hours, people or People()) for rule in chosen.values() if not _is_disabled(rule)]
    _check_links(checked)
    return checked


def _check_links(rules: list[DetectionRule]) -> None:
    """Raises InputError for a rule whose `told_by` names one that does not come before it."""
    late = {rule.id for rule in rules if rule.told_by}
    for rule in rules:
        for name in rule.told_by:
            if name in late:
                raise InputError(f"rule {rule.id}: told_by names {name!r}, which has told_by itself: name other rules")


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
