# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter pve.audit.config_changes: type check, one pure call, translated error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.pve.audit.plugins.module_utils._evidence.snapshots import compare

DOCUMENTATION = r"""
name: config_changes
short_description: Say what is different between two snapshots of a configuration
version_added: 0.2.0
author: pve.audit contributors (@pve-audit)
description:
  - Compares two snapshots of M(pve.audit.config_info), and gives each difference as an event with the action of the
    catalogue, as P(pve.audit.events#filter) gives them for lines of the ledger.
  - What was changed and changed back between the snapshots is invisible, and nobody is named. The ledger (control
    C(PVA-LOG-09)) sees each change as it is made.
  - What one of the snapshots did not see is not compared, and not taken for deleted or new. The coverage says so.
  - Of a secret a snapshot shows whether it is set. That it became another one is not seen.
positional: after
options:
  _input:
    description: The earlier snapshot, RV(pve.audit.config_info#module:snapshot) or the whole result of the module.
    type: dict
    required: true
  after:
    description: The later snapshot.
    type: dict
    required: true
seealso:
  - module: pve.audit.config_info
  - plugin: pve.audit.events
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show what was changed since the snapshot of last week
  ansible.builtin.debug:
    msg: "{{ lookup('ansible.builtin.file', 'last-week.json') | from_json | pve.audit.config_changes(now) }}"
  vars:
    now: "{{ config.snapshot }}" # of pve.audit.config_info
"""

RETURN = r"""
_value:
  description: What is different.
  type: dict
  sample:
    events:
      - event:
          id: "snapshot:5c0e6cf1b7f4f0e9a1a3d0a2b1c4d5e6"
          kind: event
          dataset: pve.config
          action: access.acl.modify
          category: [iam]
          outcome: success
          start: "2026-11-20T06:00:00Z"
          end: "2026-11-27T06:00:04Z"
        pve:
          object: /
          object_type: acl
          severity: critical
          area: acl
          change: modified
          keys_added: [["acl / zed@pve Administrator", "propagate"]]
          time_note: at some time from 2026-11-20T06:00:00Z to 2026-11-27T06:00:04Z
    coverage:
      - area: acl
        comparable: true
        unread: []
        reasons: []
    complete: true
    from: "2026-11-20T06:00:00Z"
    until: "2026-11-27T06:00:04Z"
    note: What was changed after 2026-11-20T06:00:00Z and changed back before 2026-11-27T06:00:04Z is invisible here.
  contains:
    events:
      description:
        - One event for each object that came, went or changed, with C(pve.keys_added), C(pve.keys_removed) and
          C(pve.keys_changed) as the ledger tells them; C(pve.keys_left_out) counts keys behind the first 100.
        - They have no C(@timestamp), as nobody knows the moment. C(event.start) and C(event.end) are its bounds.
        - When the number of a guest belongs to another one now, of another type or made at another time, these are two
          events, C(guest.destroy) and C(guest.create).
      type: list
      elements: dict
      sample: []
    coverage:
      description:
        - For each area whether both snapshots saw all of it. Where they did not, only what both saw was compared.
        - C(unread) are objects that are there, and whose content one of them did not see.
      type: list
      elements: dict
      sample: [{area: users, comparable: true, unread: [], reasons: []}]
    complete:
      description: Whether all areas could be compared.
      type: bool
      sample: true
    from:
      description: When the first snapshot was begun.
      type: str
      sample: "2026-11-20T06:00:00Z"
    until:
      description: When the second snapshot was finished.
      type: str
      sample: "2026-11-27T06:00:04Z"
    note:
      description: What two snapshots cannot show.
      type: str
      sample: What was changed after 2026-11-20T06:00:00Z and changed back in between is invisible here.
"""


def config_changes(before: object, after: object) -> dict[str, Any]:
    """See DOCUMENTATION. Raises AnsibleFilterError with one sentence."""
    try:
        return compare(before, after)
    except ValueError as error:
        raise AnsibleFilterError(f"pve.audit.config_changes: {error}") from error


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name and function."""
        return {"config_changes": config_changes}
