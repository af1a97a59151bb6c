# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Events that somebody made or changed by hand: no traceback, none lost, and one sentence from the filter."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.pve.audit.plugins.filter.attribute import attribute
from ansible_collections.pve.audit.plugins.module_utils._evidence.acts.join import unite_events
from ansible_collections.pve.audit.plugins.module_utils._evidence.acts.shape import mistake
from tools.attribution import SOURCES, pick, recorded

SOME = pick(recorded("revenge"), SOURCES)[::3]
JUNK = st.sampled_from([None, [], {}, "", "x", 0, -1, True, 1.5, "2026", ["x"], {"a": 1}])


@st.composite
def changed(draw: st.DrawFn) -> list[Any]:
    """Recorded events, in some of which a part or a field is something else."""
    found: list[Any] = copy.deepcopy(SOME)
    for place in draw(st.lists(st.integers(0, len(found) - 1), max_size=40)):
        event = found[place]
        part = draw(st.sampled_from(sorted(event)))
        inner = event[part]
        if isinstance(inner, dict) and inner and (part == "event" or draw(st.booleans())):
            inner[draw(st.sampled_from(sorted(inner)))] = draw(JUNK)
        elif part != "event":
            event[part] = draw(JUNK)
    return found


class Text(str):
    """A text as Ansible hands it to a filter."""


class Number(int):
    """A number likewise."""


class Map(dict[str, Any]):
    """A map likewise."""


def handed_over(value: Any) -> Any:
    """A value of kinds that Ansible has of its own."""
    if isinstance(value, dict):
        return Map({Text(key): handed_over(one) for key, one in value.items()})
    if isinstance(value, list):
        return [handed_over(one) for one in value]
    return {str: Text, int: Number}.get(type(value), lambda one: one)(value)


def test_values_of_ansible_are_joined_as_others_are() -> None:
    assert attribute(handed_over(SOME)) == attribute(SOME)
    assert unite_events(handed_over(SOME)) == unite_events(SOME)


@settings(max_examples=40, deadline=None)
@given(found=changed())
def test_nothing_breaks_and_nothing_is_lost(found: list[Any]) -> None:
    ids = {event["event"]["id"] for event in found if isinstance(event["event"].get("id"), str)}
    united = unite_events(found)
    kept = {event["event"]["id"] for event in united if isinstance(event["event"].get("id"), str)}
    kept |= {one for event in united if mistake(event) is None for one in event.get("pve", {}).get("witnesses", [])}
    assert ids <= kept
    if any(mistake(event) for event in found):
        with pytest.raises(AnsibleFilterError, match="is of the wrong type"):
            attribute(found)
    else:
        attribute(found)
