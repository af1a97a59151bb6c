# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter pve.audit.windows: type check, one pure call, translated error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.pve.audit.plugins.module_utils._classify.action import ACTIONS
from ansible_collections.pve.audit.plugins.module_utils._evidence.acts.addresses import read_nodes
from ansible_collections.pve.audit.plugins.module_utils._evidence.acts.join import unite_events
from ansible_collections.pve.audit.plugins.module_utils._model.event import require_events
from ansible_collections.pve.audit.plugins.plugin_utils._detect.match import matcher, outcome_filter
from ansible_collections.pve.audit.plugins.plugin_utils._detect.names import check_names
from ansible_collections.pve.audit.plugins.plugin_utils._detect.windows import find_windows, window_rule

DOCUMENTATION = r"""
name: windows
short_description: Find time windows in which too much (or too little) happened
version_added: 0.1.0
author: pve.audit contributors (@pve-audit)
description:
  - Slides a window over events and returns where the number of events, or of distinct values of a field, meets a
    condition, or where several kinds of things happened together or in an order. The words are those of the Sigma
    correlation rules.
  - A window is every interval that ends at the time of an event and is O(timespan) long; both ends belong to it.
    Exactly five in ten minutes are not more than five, six are, also when they are exactly ten minutes apart.
  - Windows that meet the condition and share an event are one result, with the true start and end.
  - What several sources saw of one act counts once, such as a task, the call that started it, the line of the node to
    which the call was passed on, and the line of the journal. Events with the same C(event.id) count once. Events
    without a time are left out. A missing O(group_by) field is a group of its own, with the value null. For
    V(value_count), events without the field are left out.
positional: type
options:
  _input:
    description: Events, made with P(pve.audit.events#filter).
    type: list
    elements: dict
    required: true
  type:
    description: What is counted, V(event_count) for events, V(value_count) for distinct values of O(field),
      V(temporal) for the different O(rules) that something met. V(temporal_ordered) asks that all of O(rules) were met
      one after the other; of two events at the same instant each may be the first.
    type: str
    choices: [event_count, value_count, temporal, temporal_ordered]
    default: event_count
  field:
    description: The field whose distinct values V(value_count) counts, for example V(pve.vmid).
    type: str
  timespan:
    description: Length of the window, for example V(90s), V(10m), V(36h), V(7d), or a number of seconds.
    type: str
    required: true
  group_by:
    description: Fields that tell groups apart, for example V(user.account); each group is judged on its own. None means
      all together.
    type: list
    elements: str
    default: []
  condition:
    description: Comparisons that must all hold, with the keys V(gt), V(gte), V(lt), V(lte), V(eq) and whole numbers.
      Without it V(temporal) asks for all of O(rules); V(temporal_ordered) always does, and takes none.
    type: dict
  rules:
    description: The steps of V(temporal) and V(temporal_ordered), two or more. The events of a window that is found are
      those of its steps.
    type: list
    elements: dict
    suboptions:
      name:
        description: What the step is called in RV(_value[].values).
        type: str
        required: true
      match:
        description: As O(match).
        type: raw
      exclude:
        description: As O(match), but an event that agrees in any field is left out.
        type: dict
      outcome:
        description: As O(outcome).
        type: raw
      condition:
        description: As O(condition). With it the step is met at each event that makes its number of events, or of
          values of C(field), meet the condition; without it at each event.
        type: dict
      type:
        description: What a step with C(condition) counts.
        type: str
        choices: [event_count, value_count]
        default: event_count
      field:
        description: The field whose distinct values the step counts.
        type: str
      timespan:
        description: Length of the step's own window; O(timespan) if left out.
        type: str
  match:
    description: Keep only events whose fields have these values; a value may be a list (any of them) or have C(*) in
      it. A list of such mappings asks for one of them.
    type: raw
  outcome:
    description: Keep only events with this outcome (V(success), V(failure), V(unknown)), or one of a list.
    type: raw
  nodes:
    description: All addresses of each node of the cluster, as in P(pve.audit.attribute#filter). If left out, they are
      learned from calls that both nodes logged.
    type: dict
notes:
  - C(user.account) is the account with all its API tokens (V(iac@pve)), C(user.id) tells the tokens apart
    (V(iac@pve!janitor)), C(user.name) (V(iac)) takes the accounts of all realms together.
seealso:
  - plugin: pve.audit.anomalies
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Who destroyed more than 5 guests within 10 minutes
  ansible.builtin.debug:
    msg: >-
      {{ tasks | pve.audit.events
         | pve.audit.windows(type='value_count', field='pve.vmid', timespan='10m', group_by=['user.account'],
                             condition={'gt': 5}, match={'event.action': 'guest.destroy'}, outcome='success') }}

- name: Who changed a backup job and then destroyed three guests
  ansible.builtin.debug:
    msg: >-
      {{ events | pve.audit.windows(type='temporal_ordered', timespan='1h', group_by=['user.account'], rules=steps) }}
  vars:
    steps:
      - name: backup job changed
        match: {event.action: [backup_job.modify, backup_job.delete]}
      - name: three guests destroyed
        match: {event.action: guest.destroy}
        type: value_count
        field: pve.vmid
        condition: {gte: 3}
"""

RETURN = r"""
_value:
  description: The windows found, by start.
  type: list
  elements: dict
  sample:
    - group: {user.account: dario@pve}
      start: "2026-11-23T17:40:33Z"
      end: "2026-11-23T17:41:37Z"
      count: 10
      total: 10
      values: [501, 504, 505, 506, 507, 508, 509, 510, 511, 512]
      event_ids: ["UPID:pve1:000005D0:0007AF88:6B047A91:qmdestroy:501:dario@pve:"]
  contains:
    group:
      description: The values of the O(group_by) fields.
      type: dict
      sample: {user.account: dario@pve}
    start:
      description: Time of the first event.
      type: str
      sample: "2026-11-23T17:40:33Z"
    end:
      description: Time of the last event.
      type: str
      sample: "2026-11-23T17:41:37Z"
    count:
      description: The highest count in a single window.
      type: int
      sample: 10
    total:
      description: Number of events from start to end.
      type: int
      sample: 10
    values:
      description: The distinct values from start to end, in order of first appearance, or the names of the steps; empty
        for V(event_count).
      type: list
      sample: [501, 504]
    event_ids:
      description: The C(event.id) of these events.
      type: list
      elements: str
      sample: ["UPID:pve1:000005D0:0007AF88:6B047A91:qmdestroy:501:dario@pve:"]
"""


def windows(
    events: object,
    type: object = "event_count",
    field: object = None,
    timespan: object = None,
    group_by: object = (),
    condition: object = None,
    match: object = None,
    outcome: object = None,
    rules: object = None,
    nodes: object = None,
) -> list[dict[str, Any]]:
    """See DOCUMENTATION. Raises AnsibleFilterError with one sentence."""
    try:
        kept = unite_events(require_events(events), read_nodes(nodes))
        check_names({"match": match, "group_by": group_by, "field": field, "rules": rules}, kept, ACTIONS)
        rule = window_rule(type, timespan, condition, group_by, field, rules)
        tests = [] if match is None else [matcher(match)]
        tests += [] if outcome is None else [outcome_filter(outcome)]
        kept = [event for event in kept if all(test(event) for test in tests)]
        return [window.as_dict() for window in find_windows(kept, rule)]
    except ValueError as error:
        raise AnsibleFilterError(f"pve.audit.windows: {error}") from error


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name and function."""
        return {"windows": windows}
