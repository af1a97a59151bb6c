# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter `compliance`: the state of each control beside the requirements to which it contributes."""

from __future__ import annotations

DOCUMENTATION = r"""
name: compliance
short_description: Put the state of each control beside ISO 27001 and the GDPR
version_added: 0.1.0
author:
  - pve.audit contributors (@pve-audit)
description:
  - Turns the mapping of the collection (C(pve_audit_report_compliance) of the role P(pve.audit.audit_report#role)) and
    a drift report into the rows of a table.
  - What was not looked at, or too long ago, is C(not_checked) and never C(ok).
  - A mapping is no certificate. It says which requirements a control contributes to, and where the proof lies.
positional: _input, drift
options:
  _input:
    description: The mapping, with the list C(controls).
    type: dict
    required: true
  drift:
    description: The report of P(pve.audit.drift_report#filter), such as the content of C(drift.json), or its C(rows).
    type: raw
    default: []
  date:
    description: When the hosts were looked at, as RFC 3339 text. The time in the report by default.
    type: str
  performed:
    description: For controls that are runs of a playbook, the time of the last good run by control.
    type: dict
    default: {}
  max_age:
    description: What is older than this counts as not checked.
    type: str
    default: 35d
  now:
    description: The time of the table as RFC 3339 text. The controller's clock is used by default.
    type: str
"""

EXAMPLES = r"""
- name: Which controls have drifted?
  ansible.builtin.debug:
    msg: "{{ table | selectattr('state', 'equalto', 'drift') | map(attribute='control') }}"
  vars:
    drift: "{{ lookup('ansible.builtin.file', 'pve-audit-drift/drift.json') | from_json }}"
    table: "{{ pve_audit_report_compliance | pve.audit.compliance(drift, performed={'PVA-REP-01': last_report}) }}"
"""

RETURN = r"""
_value:
  description: One row for each control, in the order of the mapping.
  type: list
  elements: dict
  contains:
    control:
      description: Id of the control.
      type: str
    title:
      description: What it sees to.
      type: str
    implements:
      description: The role, playbook or filter that does it.
      type: str
    iso:
      description: Controls of ISO/IEC 27001:2022, Annex A.
      type: list
      elements: str
    gdpr:
      description: Articles of the GDPR.
      type: list
      elements: str
    state:
      description: The worst of the nodes. V(drift), V(not_checked), V(ok) or V(off).
      type: str
    nodes:
      description: The hosts with C(node) and C(state). Empty for runs of a playbook.
      type: list
      elements: dict
    evidence:
      description: What proves it.
      type: str
    date:
      description: When it was looked at, or null.
      type: str
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.pve.audit.plugins.module_utils._model.time import rfc3339
from ansible_collections.pve.audit.plugins.plugin_utils._controls.compliance import compliance_rows


def compliance_filter(
    data: Any,
    drift: Any = (),
    date: str | None = None,
    performed: Any = None,
    now: str | None = None,
    max_age: str = "35d",
) -> list[dict[str, Any]]:
    """See DOCUMENTATION."""
    clock = now or rfc3339(datetime.now(UTC).timestamp())
    for value, types, what in (
        (data, Mapping, "the input must be the mapping of the controls"),
        (drift, (Mapping, list, tuple), "drift must be a drift report or its rows"),
        (performed or {}, Mapping, "performed must be a map of controls and times"),
    ):
        if not isinstance(value, types):
            raise AnsibleFilterError(f"pve.audit.compliance: {what}, not {type(value).__name__}")
    try:
        return compliance_rows(data, drift, date=date, performed=performed or {}, now=clock, max_age=max_age)
    except ValueError as error:
        raise AnsibleFilterError(f"pve.audit.compliance: {error}") from error


class FilterModule:
    """Hands the filter to Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Names and functions."""
        return {"compliance": compliance_filter}
