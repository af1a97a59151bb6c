# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which names of fields and actions in a rule are let pass, and that the list of fields is whole."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.pve.audit.plugins.filter.anomalies import shipped_rules
from ansible_collections.pve.audit.plugins.module_utils._classify.action import ACTIONS
from ansible_collections.pve.audit.plugins.module_utils._model.event import Event
from ansible_collections.pve.audit.plugins.plugin_utils._detect.names import FIELDS, check_names
from tests.unit.tools.test_sigma import flat, known

OWN: Event = {"event": {"action": "guest.destory"}, "pve": {"vmdi": 100}}


@pytest.mark.parametrize(
    ("rule", "events"),
    [
        ({}, []),
        ({"match": None, "group_by": None, "rules": None}, []),
        ({"match": {"event.action": ["guest.destroy", "backup.*", "*"]}, "group_by": "user.account"}, []),
        ({"match": {"event.code": 1, "acme.ticket": 2}, "field": "acme.owner"}, []),
        ({"match": {"event.action": "acme.door.open"}}, []),
        ({"match": {"event.action": "guest.destory"}, "field": "pve.vmdi"}, [OWN]),
        *[(rule, []) for rule in shipped_rules()],
    ],
)
def test_names_that_pass(rule: dict[str, Any], events: list[Event]) -> None:
    check_names(rule, events, ACTIONS)


@pytest.mark.parametrize("name", ["examples", "revenge", "busy-day", "cli-and-sudo"])
def test_no_field_of_the_recordings_is_missing(name: str) -> None:
    assert {field for event in known(name) for field, _value in flat(event)} <= FIELDS
