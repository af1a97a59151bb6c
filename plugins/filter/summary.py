# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter `summary`: events, findings and coverage become the report's model."""

from __future__ import annotations

DOCUMENTATION = r"""
name: summary
short_description: Add up events, findings and coverage for a report
version_added: 0.1.0
author:
  - pve.audit contributors (@pve-audit)
description:
  - Turns a list of events, the findings in them and the coverage of the nodes into one mapping with everything a
    report shows.
  - An event that occurs twice (the same C(event.id)) is counted once.
  - Verdicts, actions, sources and reasons are codes; only the report words them.
  - A source of evidence was looked at on the nodes of which O(coverage) has a row. What is not there was not seen in
    these sources; of the others the summary says in C(coverage.sources.not_looked_at) what they would show.
positional: _input
options:
  _input:
    description: Events, as the filter P(pve.audit.events#filter) makes them.
    type: list
    elements: dict
    required: true
  findings:
    description: Findings, as the filter P(pve.audit.anomalies#filter) makes them. One of another shape is refused.
    type: list
    elements: dict
    default: []
  coverage:
    description:
      - The RV(pve.audit.tasks_info#module:coverage) of the module that collected the tasks, and rows of the same form
        for other sources (C(source) is V(pve.task), V(pve.access), V(pve.auth), V(linux.auth) or V(pve.config)).
      - Without it nothing is known about what was seen, and the summary says that it is incomplete.
    type: list
    elements: dict
    default: []
  since:
    description: Start of the period as RFC 3339 text. Without it the period starts with the first record.
    type: str
  until:
    description: End of the period as RFC 3339 text. Without it the period ends now.
    type: str
  now:
    description: The time of the report as RFC 3339 text. The controller's clock is used by default.
    type: str
  timezone:
    description: IANA name of the time zone in which hours and weekdays are counted.
    type: str
    default: UTC
  before:
    description:
      - Events around the period, such as the login before it. They are not counted, and only help to tell who did
        something in the period.
    type: list
    elements: dict
    default: []
    version_added: 0.2.0
  nodes:
    description: All addresses of each node of the cluster, as for P(pve.audit.attribute#filter).
    type: dict
    version_added: 0.2.0
  people:
    description: Names of persons, as for P(pve.audit.attribute#filter).
    type: dict
    version_added: 0.2.0
seealso:
  - plugin: pve.audit.events
    plugin_type: filter
  - plugin: pve.audit.anomalies
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Collect the tasks of a week
  pve.audit.tasks_info:
    since: 7d
  register: collected

- name: Say who did most
  vars:
    events: "{{ collected.tasks | pve.audit.events }}"
    summary: "{{ events | pve.audit.summary(coverage=collected.coverage, since=collected.since, until=collected.until,
                                            timezone='Europe/Berlin') }}"
  ansible.builtin.debug:
    msg: "{{ summary.verdict }}: {{ summary.by_actor | map(attribute='actor') | first | default('nobody') }}"
"""

RETURN = r"""
_value:
  description: The report's model.
  type: dict
  contains:
    verdict:
      description:
        - V(findings), V(no_findings) (no rule found anything in the records), V(no_events) (there is no record) or
          V(blind) (nothing was seen of any source).
        - It speaks of the records alone. What these rest on is in C(coverage.sources), and no code says that something
          did not happen.
      type: str
    period:
      description: C(since) (null when unbounded), C(until), C(generated) and C(timezone).
      type: dict
    totals:
      description:
        - Counts of the records that were given, so C(0) is unknown where a source was not seen. C(events), C(tasks),
          C(failed), C(warnings), C(unknown) and C(running) ones, C(refused) attempts, and C(reads), which count nowhere
          else.
        - Guests C(destroyed), C(corrupt) lines, C(unclassified) actions, events without a time (C(undated)) and
          C(actors).
      type: dict
    coverage:
      description:
        - C(complete), C(nodes) (the coverage rows, each with the parts C(missing)), C(gaps) (one for each node, source
          and reason), C(seen) and C(sources).
        - C(complete) speaks of the sources that were looked at.
        - C(seen) is the interval that was seen of all rows, or null.
        - C(sources.looked_at) has for each source C(complete), C(nodes), C(incomplete) (the nodes that were not seen
          whole), C(from), C(until) and C(records).
        - C(sources.not_looked_at) has for each source C(nodes) (empty when it was looked at nowhere), C(records),
          C(shows) (what it would show) and C(look) (how to look at it).
      type: dict
    critical:
      description:
        - What was of severity critical or high, newest first, as flat rows.
        - C(person), C(ip), C(channel), C(confidence) and C(candidates) say who did it, from where and how sure that is,
          as P(pve.audit.attribute#filter) does; C(candidates) are names with the address where one is known.
      type: list
      elements: dict
    who:
      description: The same of these and of the events behind findings, by C(event.id).
      type: dict
    behind:
      description: By the id of a finding, all C(candidates), and how many of its acts are of which C(confidence).
      type: dict
    by_actor:
      description: One row for each user or token with C(events), C(share), C(failures), C(severities),
        C(top_actions), C(nodes), C(first), C(last).
      type: list
      elements: dict
    by_action:
      description: One row for each action with C(events), C(failures) and its C(severity).
      type: list
      elements: dict
    by_hour:
      description: Events in each of the 24 hours of the day.
      type: list
      elements: int
    by_weekday:
      description: Events on each of the seven weekdays, Monday first.
      type: list
      elements: int
    matrix:
      description: Events by weekday (Monday first) and hour.
      type: list
      elements: list
    failures:
      description: Failed tasks grouped by action and reason. Reasons that differ in numbers only are one row.
      type: list
      elements: dict
    refused:
      description:
        - Attempts that were refused, which leave no task, grouped by C(actor) (null when the source does not name it),
          C(ip) and C(action), with C(count), C(reasons), C(objects), C(nodes), C(first) and C(last).
      type: list
      elements: dict
    root:
      description: What was done as root@pam with its tokens. C(events), C(tokens), C(of) and C(share).
      type: dict
    findings:
      description: C(total), C(worst) and C(by_severity).
      type: dict
    timeline:
      description: Findings and missing intervals as fractions of the period, with ticks for an axis.
      type: dict
    upids_of_interest:
      description: UPIDs whose log text belongs into a report. Those of findings first, then by severity, then failures.
      type: list
      elements: str
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.pve.audit.plugins.module_utils._evidence.acts.addresses import read_nodes, read_people
from ansible_collections.pve.audit.plugins.module_utils._model.coverage import Coverage
from ansible_collections.pve.audit.plugins.module_utils._model.event import require_events
from ansible_collections.pve.audit.plugins.module_utils._model.finding import Finding
from ansible_collections.pve.audit.plugins.module_utils._model.shape import read_list
from ansible_collections.pve.audit.plugins.module_utils._model.time import rfc3339
from ansible_collections.pve.audit.plugins.plugin_utils._report.summary import summarise


def summary_filter(
    events: Any,
    findings: Any = (),
    coverage: Any = (),
    since: str | None = None,
    until: str | None = None,
    now: str | None = None,
    timezone: str = "UTC",
    before: Any = (),
    nodes: object = None,
    people: object = None,
) -> dict[str, Any]:
    """See DOCUMENTATION."""
    clock = now or rfc3339(datetime.now(UTC).timestamp())
    try:
        return summarise(
            require_events(events),
            read_list(findings, "findings", Finding.from_dict),
            read_list(coverage, "coverage", Coverage.from_dict),
            since=since or None,
            until=until or None,
            now=clock,
            timezone=timezone,
            before=require_events(before),
            nodes=read_nodes(nodes),
            people=read_people(people),
        )
    except ValueError as error:
        raise AnsibleFilterError(f"pve.audit.summary: {error}") from error


class FilterModule:
    """Hands the filter to Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Names and functions."""
        return {"summary": summary_filter}
