# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter pve.audit.anomalies: type check, one pure call, translated error."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from ansible.errors import AnsibleFilterError

from ansible_collections.pve.audit.plugins.module_utils._classify.action import ACTIONS
from ansible_collections.pve.audit.plugins.module_utils._evidence.acts.addresses import read_nodes
from ansible_collections.pve.audit.plugins.module_utils._evidence.acts.join import unite_events
from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._model.event import Event, require_events
from ansible_collections.pve.audit.plugins.plugin_utils._detect.anomalies import find_anomalies
from ansible_collections.pve.audit.plugins.plugin_utils._detect.hours import working_hours as check_hours
from ansible_collections.pve.audit.plugins.plugin_utils._detect.names import check_names
from ansible_collections.pve.audit.plugins.plugin_utils._detect.rules import check_people, check_rules

DOCUMENTATION = r"""
name: anomalies
short_description: Judge events by rules and return findings
version_added: 0.1.0
author: pve.audit contributors (@pve-audit)
description:
  - Runs rules over events. Rules are data; each filters events and then looks for windows as
    P(pve.audit.windows#filter) does.
  - The shipped rules stand in C(plugins/plugin_utils/_detect/rules.yml) of the collection, in the form of O(rules).
    They count what an account did with all its tokens (C(user.account)), and what all accounts did together.
  - A finding of a rule with O(rules[].told_by) that tells nothing but what findings of the named rules told at their
    full severity is left out, and weighs V(LOW) when its condition does not hold without that. It names them in
    RV(_value[].related).
positional: rules
options:
  _input:
    description: Events, made with P(pve.audit.events#filter).
    type: list
    elements: dict
    required: true
  rules:
    description: The rules to run; the shipped ones if left out.
    type: list
    elements: dict
    suboptions: &rule
      id:
        description: Name of the rule, of lower-case letters, digits, C(-) and C(_).
        type: str
        required: true
      title:
        description: What a finding is called, as text, or as a mapping with the keys V(en) and V(de).
        type: raw
      severity:
        description: V(critical), V(high), V(medium), V(low) or V(informational).
        type: str
        required: true
      match:
        description: Fields and values that must all agree. A value may be a list (any of them) or have C(*) in it. A
          list of such mappings asks for one of them.
        type: raw
      exclude:
        description: As C(match), but an event that agrees in any field is left out.
        type: dict
      outcome:
        description: V(success), V(failure), V(unknown), or a list of them.
        type: raw
      hours:
        description: Keep only events V(outside) or V(inside) O(working_hours).
        type: str
        choices: [outside, inside]
      type:
        description: As in P(pve.audit.windows#filter).
        type: str
        choices: [event_count, value_count, temporal, temporal_ordered]
        required: true
      field:
        description: As in P(pve.audit.windows#filter).
        type: str
      timespan:
        description: As in P(pve.audit.windows#filter).
        type: str
        required: true
      group_by:
        description: As in P(pve.audit.windows#filter).
        type: list
        elements: str
      condition:
        description: As in P(pve.audit.windows#filter).
        type: dict
      rules:
        description: As in P(pve.audit.windows#filter); for V(temporal) and V(temporal_ordered).
        type: list
        elements: dict
      who:
        description: Keep only events of O(administrators), whatever token they used.
        type: str
        choices: [administrators]
      renewals:
        description: With V(exclude), leave out the successful logins that may have renewed a ticket, which have one of
          the same account and address at most two hours before them and no failed one between.
        type: str
        choices: [exclude]
      first_seen:
        description: A field such as V(source.ip). Keep only events with a value of it that no earlier event of the
          same account has, and that is not one of O(known_addresses). The first value of an account is taken for the
          usual one, unless O(known_addresses) names the account.
        type: str
      lower_when:
        description: Guests that the account made itself not long before weigh less. When the condition does not hold
          without them, the finding has the severity C(to). The task of a clone does not name the new guest, so clones
          are never new.
        type: dict
        suboptions:
          made_within:
            description: How long before, for example V(1d).
            type: str
            required: true
          by:
            description: Who made them.
            type: str
            choices: [same]
            default: same
          to:
            description: The severity then, never above that of the rule.
            type: str
            default: low
      told_by:
        description: Ids of rules that may have told the same events.
        type: list
        elements: str
      remedy:
        description: What to do about it, one sentence, as text or as a mapping with the keys V(en) and V(de).
        type: raw
      description:
        description: Why the rule exists.
        type: str
      enabled:
        description: V(false) switches the rule off.
        type: bool
        default: true
  extra_rules:
    description: Rules to add. A rule with the id of an earlier one replaces it; with C(enabled) V(false) it only
      takes it away.
    type: list
    elements: dict
    default: []
    suboptions: *rule
  administrators:
    description: The accounts of the administrators, for rules with C(who).
    type: list
    elements: str
    default: [root@pam]
  known_addresses:
    description: Addresses and networks from which accounts are known to come, by account, and for V(*) those of
      everybody; for rules with C(first_seen).
    type: dict
  nodes:
    description: As in P(pve.audit.windows#filter).
    type: dict
  working_hours:
    description: As C(hours) of P(pve.audit.outside_hours#filter); for rules with C(hours).
    type: raw
  timezone:
    description: IANA name of the time zone of the working hours.
    type: str
    default: UTC
seealso:
  - plugin: pve.audit.windows
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Findings of the shipped rules
  ansible.builtin.set_fact:
    findings: "{{ tasks | pve.audit.events | pve.audit.anomalies(timezone='Europe/Berlin') }}"

- name: Two is a crowd for the production guests, and nobody cares about failed bursts
  ansible.builtin.set_fact:
    findings: "{{ events | pve.audit.anomalies(extra_rules=more) }}"
  vars:
    more:
      - id: production-deletion
        title: Production guests deleted
        severity: critical
        match:
          event.action: guest.destroy
          pve.vmid: ["1*"]
        outcome: success
        type: value_count
        field: pve.vmid
        timespan: 1h
        group_by: [user.account]
        condition:
          gte: 2
      - id: failed-task-burst
        enabled: false

- name: Logins of administrators at night, and from addresses that are not theirs
  ansible.builtin.set_fact:
    findings: >-
      {{ (tasks + access_lines + journal_lines) | pve.audit.events
         | pve.audit.anomalies(administrators=['root@pam', 'lena@pve'], timezone='Europe/Berlin',
                               known_addresses={'lena@pve': ['192.0.2.7'], '*': ['198.51.100.0/24']},
                               nodes={'pve1': ['192.0.2.11'], 'pve2': ['192.0.2.12']}) }}
"""

RETURN = r"""
_value:
  description: Findings, worst first.
  type: list
  elements: dict
  sample:
    - id: mass-guest-deletion-3a5f0c9be112
      rule: mass-guest-deletion
      title: Mass guest deletion
      severity: CRITICAL
      type: value_count
      sentence: "dario@pve: Mass guest deletion: 10 within 1 min 4 s (501, 504) on pve1, pve2, pve3."
      start: "2026-11-23T17:40:33Z"
      end: "2026-11-23T17:41:37Z"
      count: 10
      total: 10
      values: [501, 504]
      group: {user.account: dario@pve}
      nodes: [pve1, pve2, pve3]
      event_ids: ["UPID:pve1:000005D0:0007AF88:6B047A91:qmdestroy:501:dario@pve:"]
      actors: [dario@pve]
      young: 0
      unknown: 0
      related: []
      remedy: Ask the person behind the account at once.
  contains:
    id:
      description: Stable id, the same for the same rule, group and first event.
      type: str
      sample: mass-guest-deletion-3a5f0c9be112
    rule:
      description: Id of the rule.
      type: str
      sample: mass-guest-deletion
    title:
      description: Title of the rule.
      type: str
      sample: Mass guest deletion
    severity:
      description: V(CRITICAL), V(HIGH), V(MEDIUM), V(LOW) or V(INFO).
      type: str
      sample: CRITICAL
    type:
      description: Type of the rule.
      type: str
      sample: value_count
    sentence:
      description: The finding in one sentence.
      type: str
      sample: "dario@pve: Mass guest deletion: 10 within 1 min 4 s (501, 504) on pve1, pve2, pve3."
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
      description: Distinct values of the rule's field; empty for V(event_count).
      type: list
      sample: [501, 504]
    group:
      description: The values of the C(group_by) fields.
      type: dict
      sample: {user.account: dario@pve}
    nodes:
      description: Nodes on which it happened.
      type: list
      elements: str
      sample: [pve1]
    event_ids:
      description: The C(event.id) of the events.
      type: list
      elements: str
      sample: ["UPID:pve1:000005D0:0007AF88:6B047A91:qmdestroy:501:dario@pve:"]
    actors:
      description: The users and tokens that did it.
      type: list
      elements: str
      sample: [dario@pve]
    young:
      description: Number of the guests that the same account had made shortly before, as the rule's C(lower_when) says.
      type: int
      sample: 0
    unknown:
      description: Number of the events of which no log tells whether they worked.
      type: int
      sample: 0
    related:
      description: The RV(_value[].id) of findings that tell some of the same events.
      type: list
      elements: str
      sample: []
    remedy:
      description: What to do about it.
      type: str
      sample: Ask the person behind the account at once.
"""


@cache
def shipped_rules() -> list[dict[str, Any]]:
    """The rules of the collection, as data."""
    file = Path(__file__).parents[1] / "plugin_utils" / "_detect" / "rules.yml"
    rules: list[dict[str, Any]] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return rules


def anomalies(
    events: object,
    rules: object = None,
    extra_rules: object = None,
    working_hours: object = None,
    timezone: str = "UTC",
    administrators: object = None,
    known_addresses: object = None,
    nodes: object = None,
) -> list[dict[str, Any]]:
    """See DOCUMENTATION. Raises AnsibleFilterError with one sentence."""
    try:
        hours = check_hours(working_hours, timezone)
        people = check_people(administrators, known_addresses)
        chosen = check_rules(shipped_rules() if rules is None else rules, extra_rules, hours, people)
        acts = unite_events(require_events(events), read_nodes(nodes))
        _check_spelling(rules, acts)
        _check_spelling(extra_rules, acts)
        found = find_anomalies(acts, chosen)
        return [finding.as_dict() for finding in found]
    except ValueError as error:
        raise AnsibleFilterError(f"pve.audit.anomalies: {error}") from error


def _check_spelling(rules: object, acts: list[Event]) -> None:
    """Refuse a user's rule that asks for a misspelt field or action. The rules are checked otherwise."""
    for rule in rules if isinstance(rules, (list, tuple)) else ():
        try:
            check_names(rule, acts, ACTIONS)
        except InputError as error:
            raise InputError(f"rule {rule.get('id')}: {error}") from None


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name and function."""
        return {"anomalies": anomalies}
