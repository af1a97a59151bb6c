# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter pve.audit.outside_hours: type check, one pure call, translated error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.pve.audit.plugins.module_utils._model.event import Event, require_events
from ansible_collections.pve.audit.plugins.plugin_utils._detect import hours as hours_of_work

DOCUMENTATION = r"""
name: outside_hours
short_description: Keep the events outside working hours
version_added: 0.1.0
author: pve.audit contributors (@pve-audit)
description:
  - Returns the events that happened outside working hours, in the order given.
  - A span includes its start and excludes its end. A span over midnight belongs to the day it starts on. On a holiday
    no span starts. Spans are wall-clock times of the time zone, also when daylight-saving time begins or ends.
positional: hours
options:
  _input:
    description: Events, made with P(pve.audit.events#filter).
    type: list
    elements: dict
    required: true
  hours:
    description:
      - The working hours, a map with C(days) (V(mon) to V(sun)), C(spans) (such as V(07:00-19:00), V(22:00-06:00),
        V(00:00-24:00)) and C(holidays) (dates), or a list of such maps for different weekdays.
      - Monday to Friday, 07:00-19:00, if left out.
    type: raw
  timezone:
    description: IANA name of the time zone.
    type: str
    default: UTC
"""

EXAMPLES = r"""
- name: What happened at night or at the weekend
  ansible.builtin.debug:
    msg: >-
      {{ events | pve.audit.outside_hours(timezone='Europe/Berlin',
                  hours={'days': ['mon', 'tue', 'wed', 'thu', 'fri'], 'spans': ['07:00-12:00', '13:00-19:00'],
                         'holidays': ['2026-12-25']}) }}
"""

RETURN = r"""
_value:
  description: The events outside the working hours.
  type: list
  elements: dict
  sample: [{"@timestamp": "2026-11-22T02:13:05Z", "event": {"action": "guest.destroy"}}]
"""


def outside_hours(events: object, hours: object = None, timezone: str = "UTC") -> list[Event]:
    """See DOCUMENTATION. Raises AnsibleFilterError with one sentence."""
    try:
        return hours_of_work.outside_hours(require_events(events), hours_of_work.working_hours(hours, timezone))
    except ValueError as error:
        raise AnsibleFilterError(f"pve.audit.outside_hours: {error}") from error


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name and function."""
        return {"outside_hours": outside_hours}
