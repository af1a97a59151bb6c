# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter `spot_sample`: the monthly question "was this really you?", for a sample of what each person did."""

from __future__ import annotations

DOCUMENTATION = r"""
name: spot_sample
short_description: Draw a sample of what each person did, as questions
version_added: 0.1.0
author:
  - pve.audit contributors (@pve-audit)
description:
  - Draws a stratified sample of actions for each person, and says how much of what they did it covers. The strata of a
    person are severity class and action.
  - The same seed and the same events give the same sample, whatever the order of the events. Draw a new seed for each
    sample, so that nobody can know before what will be asked.
  - What a token did is asked of its owner. What a shared account did is asked of its contact.
positional: _input, seed
options:
  _input:
    description:
      - Events, made with P(pve.audit.events#filter), or acts of P(pve.audit.attribute#filter) and
        M(pve.audit.evidence_info). What root did is asked of the account behind it where an act has only one.
    type: list
    elements: dict
    required: true
  seed:
    description: Any text. It is kept in the result, so that the sample can be drawn again.
    type: str
    required: true
  size:
    description: How many actions of a person are asked about, besides those of O(always). One of each stratum comes
      first, the gravest strata before the others.
    type: int
    default: 5
  always:
    description: Severity classes of which every action is asked about.
    type: list
    elements: str
    default: [critical]
  always_limit:
    description: How many actions of O(always) a person is asked about at most. V(0) means all.
    type: int
    default: 50
  min_severity:
    description: Actions below this severity class are not asked about. V(info) would include what only reads.
    type: str
    choices: [info, low, medium, high, critical]
    default: low
  contacts:
    description: Who answers for an account or a token. The keys are accounts and tokens, the values are people.
    type: dict
    default: {}
  shared:
    description: Accounts that name no person. Those of them without a contact are listed in C(statistics.unassigned).
    type: list
    elements: str
    default: ["root@pam"]
  deadline:
    description: How long people have for an answer.
    type: str
    default: 14d
  coverage:
    description: The RV(pve.audit.tasks_info#module:coverage) of the module that collected the tasks.
    type: list
    elements: dict
    default: []
  since:
    description: Start of the period as RFC 3339 text.
    type: str
  until:
    description: End of the period as RFC 3339 text.
    type: str
  now:
    description: The time of the questions as RFC 3339 text. The controller's clock is used by default.
    type: str
"""

EXAMPLES = r"""
- name: Draw ten questions for each person
  ansible.builtin.set_fact:
    questions: "{{ events | pve.audit.spot_sample(seed, size=10, coverage=collected.coverage) }}"
  vars:
    events: "{{ collected.tasks | pve.audit.events }}"
    seed: "{{ lookup('ansible.builtin.password', '/dev/null', length=24) }}"
"""

RETURN = r"""
_value:
  description: The questions and what they cover. P(pve.audit.spot_answers#filter) takes it.
  type: dict
  contains:
    schema:
      description: V(pve.audit.spot_check/1).
      type: str
    seed:
      description: The seed.
      type: str
    made:
      description: When the questions were made.
      type: str
    deadline:
      description: Until when they are to be answered.
      type: str
    period:
      description: C(since) and C(until).
      type: dict
    complete:
      description: Whether all of the period was seen. It is false when no coverage was given.
      type: bool
    options:
      description: The options, as they were used.
      type: dict
    questions:
      description: The questions, with C(id), C(event_id), C(person), C(asked), C(user), C(time), C(action),
        C(severity), C(object), C(object_type), C(vmid), C(node), C(ip), C(outcome), C(status) and C(sentence). What is
        not known is absent.
      type: list
      elements: dict
    asked:
      description: Who has to answer, with C(asked), C(file) (a harmless file name), C(questions) (how many) and
        C(persons) (the accounts they are about).
      type: list
      elements: dict
    people:
      description: What each person did and how much of it is asked about, with C(person), C(acted), C(sampled),
        C(share) and the same for each of the C(strata).
      type: list
      elements: dict
    statistics:
      description: All people together, C(left_out) (actions that are C(harmless), by C(nobody) known, or
        C(unreadable)), and C(unassigned) (shared accounts without a contact).
      type: dict
    digest:
      description: SHA-256 of all the rest. The record of answers begins with it.
      type: str
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.pve.audit.plugins.module_utils._model.coverage import Coverage
from ansible_collections.pve.audit.plugins.module_utils._model.event import require_events
from ansible_collections.pve.audit.plugins.module_utils._model.shape import read_list
from ansible_collections.pve.audit.plugins.module_utils._model.time import rfc3339
from ansible_collections.pve.audit.plugins.plugin_utils._spot_check.sample import SampleOptions, draw_sample


def spot_sample_filter(
    events: Any,
    seed: Any,
    coverage: Any = (),
    since: str | None = None,
    until: str | None = None,
    now: str | None = None,
    **options: Any,
) -> dict[str, Any]:
    """See DOCUMENTATION."""
    clock = now or rfc3339(datetime.now(UTC).timestamp())
    try:
        return draw_sample(
            require_events(events),
            str(seed or ""),
            SampleOptions(**options),
            now=clock,
            since=since or None,
            until=until or None,
            coverage=read_list(coverage, "coverage", Coverage.from_dict),
        )
    except (ValueError, TypeError) as error:
        raise AnsibleFilterError(f"pve.audit.spot_sample: {error}") from error


class FilterModule:
    """Hands the filter to Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Names and functions."""
        return {"spot_sample": spot_sample_filter}
