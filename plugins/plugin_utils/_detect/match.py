# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests of one event: by fields, outcome, time of day and actor. A rule is made of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._model.event import OUTCOMES, Event, event_time, field_getter
from ansible_collections.pve.audit.plugins.plugin_utils._detect.hours import WorkingHours

Predicate = Callable[[Event], bool]

ACCOUNT = "user.account"
_ACTION = "event.action"


def matcher(fields: object, option: str = "match", any_field: bool = False) -> Predicate:
    """A test for `{"event.action": ["guest.destroy", "backup.*"]}`; every field must agree, or any with `any_field`.

    Values are compared as text, so 100 and "100" are equal; `*` stands for any run of characters, and a lone `*` for
    any value at all. A list of such maps asks for one of them. Raises InputError when `fields` is neither.
    """
    if isinstance(fields, list) and fields:
        choices = [matcher(one, option, any_field) for one in fields]
        return lambda event: any(agrees(event) for agrees in choices)
    if not isinstance(fields, Mapping) or not fields:
        raise InputError(
            f"{option} must be a map of fields and values such as {{'event.action': 'guest.destroy'}}, not {fields!r}"
        )
    tests = [_field_test(str(path), wanted) for path, wanted in fields.items()]
    if len(tests) == 1:
        return tests[0]
    decide = any if any_field else all
    return lambda event: decide(test(event) for test in tests)


def _field_test(path: str, wanted: object) -> Predicate:
    values = wanted if isinstance(wanted, Sequence) and not isinstance(wanted, str) else [wanted]
    texts = [str(value) for value in values]
    plain = frozenset(text for text in texts if "*" not in text)
    patterns = [text.split("*") for text in texts if "*" in text]
    get = field_getter(path)

    def agrees(event: Event) -> bool:
        value = get(event)
        if value is None:
            return False
        text = str(value)
        return text in plain or any(_fits(text, pieces) for pieces in patterns)

    return agrees


def _fits(text: str, pieces: Sequence[str]) -> bool:
    """Whether the pieces stand in the text in this order, the first at its start and the last at its end.

    In linear time: as a regular expression, a pattern with three stars takes the cube of a hostile line's length.
    """
    head, *middle, tail = pieces
    if not text.startswith(head):
        return False
    place = len(head)
    for piece in middle:
        place = text.find(piece, place)
        if place < 0:
            return False
        place += len(piece)
    return len(text) - len(tail) >= place and text.endswith(tail)


def action_filter(fields: object) -> Callable[[str | None], bool]:
    """A test of `event.action` alone, true for every action that `matcher(fields)` may let pass."""
    choices = fields if isinstance(fields, list) else [fields]
    tests = [_field_test(_ACTION, one[_ACTION]) for one in choices if isinstance(one, Mapping) and _ACTION in one]
    if len(tests) < len(choices):
        return lambda _action: True
    return lambda action: action is not None and any(test({"event": {"action": action}}) for test in tests)


def outcome_filter(outcome: object) -> Predicate:
    """A test for one outcome or a list of outcomes. Raises InputError for a word that is no outcome."""
    wanted = frozenset(
        [outcome] if isinstance(outcome, str) else outcome if isinstance(outcome, Sequence) else [outcome]
    )
    if not wanted or not wanted <= frozenset(OUTCOMES):
        raise InputError(f"outcome {outcome!r} is unknown: use one or more of {', '.join(OUTCOMES)}")
    return lambda event: event["event"].get("outcome") in wanted


def field_filters(data: Mapping[str, Any]) -> list[Predicate]:
    """The tests that `match`, `exclude` and `outcome` of a rule or step ask for. Raises InputError."""
    keep = [matcher(data["match"])] if data.get("match") is not None else []
    if data.get("exclude") is not None:
        excluded = matcher(data["exclude"], "exclude", any_field=True)
        keep.append(lambda event: not excluded(event))
    if data.get("outcome") is not None:
        keep.append(outcome_filter(data["outcome"]))
    return keep


def hours_filter(side: object, hours: WorkingHours) -> Predicate:
    """A test for events outside or inside the working hours. Raises InputError for another word."""
    if side not in ("outside", "inside"):
        raise InputError(f"hours {side!r} is unknown: use outside or inside")
    wanted = side == "inside"

    def agrees(event: Event) -> bool:
        time = event_time(event)
        return time is not None and hours.contains(time) is wanted

    return agrees


def who_filter(who: object, administrators: Collection[str]) -> Predicate:
    """A test for events of administrators, whatever token they used. Raises InputError for another word."""
    if who != "administrators":
        raise InputError(f"who {who!r} is unknown: use administrators")
    account_of = field_getter(ACCOUNT)
    return lambda event: account_of(event) in administrators
