# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Misspelt names in rules: a field or action that does not exist is never seen, and nobody would know."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._model.event import Event, get_field
from ansible_collections.pve.audit.plugins.plugin_utils._detect.match import action_filter

_ACTION = "event.action"
FIELDS = frozenset(
    """@timestamp error.message event.action event.category event.dataset event.end event.id event.kind event.original
    event.outcome event.start host.name http.request.method http.response.body.bytes http.response.status_code
    process.command_line process.executable process.name process.pid process.working_directory pve.accepted
    pve.audit_session pve.change pve.channel pve.continued pve.credential pve.cursor pve.key_fingerprint
    pve.key_type pve.leader pve.log pve.login pve.loginuid pve.lost pve.member pve.method pve.object pve.object_type
    pve.person pve.recovered pve.repeated pve.session pve.severity pve.state pve.status pve.target_user
    pve.task_type pve.time_note pve.token pve.tty pve.uid pve.upid pve.vmid pve.witnesses source.ip url.path
    url.query user.account user.domain user.id user.name""".split()
)


def check_names(rule: Mapping[str, Any], events: Sequence[Event], actions: Collection[str]) -> None:
    """Refuse a rule that asks for something that no event has and that is like a name that exists.

    `actions` are those of the catalogue. A name that is like none may come from elsewhere, and is let pass.
    Raises InputError with the name that was meant.
    """
    for field in dict.fromkeys(_fields(rule)):
        if field not in FIELDS and (meant := _meant(field, FIELDS)) and _is_nowhere(field, events):
            raise InputError(f"{field!r} is no field of any event, did you mean {meant}?")
    for action in dict.fromkeys(_actions(rule)):
        known = any(map(action_filter({_ACTION: action}), actions))
        if not known and (meant := _meant(action, actions)) and not _is_done(action, events):
            raise InputError(f"{action!r} is the action of no event, did you mean {meant}?")


def _meant(name: str, known: Collection[str]) -> str | None:
    """The known name that is so like this one that it was meant; `event.code` is none of our fields, and no mistake."""
    return next(iter(get_close_matches(name, sorted(known), n=1, cutoff=0.85)), None)


def _parts(rule: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The rule and its steps, as far as they have the right shape: what has not is refused elsewhere."""
    steps = rule.get("rules")
    yield from (one for one in (rule, *(steps if isinstance(steps, list) else ())) if isinstance(one, Mapping))


def _matches(part: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for key in ("match", "exclude"):
        value = part.get(key)
        yield from (one for one in (value if isinstance(value, list) else [value]) if isinstance(one, Mapping))


def _fields(rule: Mapping[str, Any]) -> Iterator[str]:
    for part in _parts(rule):
        for fields in _matches(part):
            yield from map(str, fields)
        names = part.get("group_by", ())
        names = [names] if isinstance(names, str) else names if isinstance(names, (list, tuple)) else []
        yield from (name for name in (*names, part.get("field"), part.get("first_seen")) if isinstance(name, str))


def _actions(rule: Mapping[str, Any]) -> Iterator[str]:
    for part in _parts(rule):
        for fields in _matches(part):
            wanted = fields.get(_ACTION, [])
            yield from (str(one) for one in (wanted if isinstance(wanted, (list, tuple)) else [wanted]))


def _is_nowhere(field: str, events: Sequence[Event]) -> bool:
    return all(get_field(event, field) is None for event in events)


def _is_done(action: str, events: Sequence[Event]) -> bool:
    agrees = action_filter({_ACTION: action})
    return any(agrees(event["event"].get("action")) for event in events)
