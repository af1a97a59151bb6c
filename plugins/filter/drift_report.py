# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter `drift_report`: what a run in check mode would have changed, as rows, a table and JUnit XML."""

from __future__ import annotations

DOCUMENTATION = r"""
name: drift_report
short_description: Turn the results of a run in check mode into a drift report
version_added: 0.2.0
author:
  - pve.audit contributors (@pve-audit)
description:
  - Each control of each host is V(ok), V(drift), V(unknown) or V(off). What was not looked at is never called V(ok).
  - The playbook C(pve.audit.drift) collects what goes in.
positional: _input
options:
  _input:
    description:
      - One mapping for each host that was reached, with C(node), C(unreachable) and the list C(checks).
      - A check has an C(id), a C(state) (C(checked), C(failed) or C(off)), a C(message), and the registered C(results)
        of the tasks by name.
    type: list
    elements: dict
    required: true
  expected:
    description: Every host that should have been looked at, with C(node) and its C(controls) (C(id) and C(title)).
    type: list
    elements: dict
    required: true
  now:
    description: The time of the report as RFC 3339 text. The controller's clock is used by default.
    type: str
"""

EXAMPLES = r"""
- name: Say what has drifted
  ansible.builtin.debug:
    msg: "{{ (records | pve.audit.drift_report(expected)).table }}"
  vars:
    expected: [{node: pve1, controls: [{id: PVA-LOG-01, title: The journal is on disk}]}]
    records:
      - node: pve1
        checks:
          - {id: PVA-LOG-01, state: checked, message: "", results: {settings: {changed: true, path: /etc/x}}}
"""

RETURN = r"""
_value:
  description: The report.
  type: dict
  contains:
    generated:
      description: When the report was made.
      type: str
    verdict:
      description: One of C(no_drift), C(drift), C(drift_incomplete) and C(no_drift_incomplete).
      type: str
    counts:
      description: How many rows are C(ok), C(drift), C(unknown) and C(off).
      type: dict
    nodes:
      description: The hosts.
      type: list
      elements: str
    controls:
      description: C(id) and C(title) of each control.
      type: list
      elements: dict
    rows:
      description: One for each host and control, with C(node), C(control), C(title), C(state), C(reason), C(message)
        and C(changes) (C(what), C(task), C(diff)).
      type: list
      elements: dict
    table:
      description: The report as lines for a terminal.
      type: list
      elements: str
    junit:
      description: The report as JUnit XML.
      type: str
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.pve.audit.plugins.module_utils._model.time import rfc3339
from ansible_collections.pve.audit.plugins.plugin_utils._controls.drift import compare
from ansible_collections.pve.audit.plugins.plugin_utils._controls.drift_page import junit, table


def drift_report_filter(records: Any, expected: Any, now: str | None = None) -> dict[str, Any]:
    """See DOCUMENTATION."""
    for value, name in ((records, "the input"), (expected, "expected")):
        if not isinstance(value, (list, tuple)):
            raise AnsibleFilterError(f"pve.audit.drift_report: {name} must be a list, not {type(value).__name__}")
    try:
        report = compare(records, expected, now or rfc3339(datetime.now(UTC).timestamp()))
    except ValueError as error:
        raise AnsibleFilterError(f"pve.audit.drift_report: {error}") from error
    return {**report, "table": table(report), "junit": junit(report)}


class FilterModule:
    """Hands the filter to Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Names and functions."""
        return {"drift_report": drift_report_filter}
