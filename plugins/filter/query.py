# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter pve.audit.query: one call of JMESPath, translated error."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.pve.audit.plugins.module_utils._query.expression import search

DOCUMENTATION = r"""
name: query
short_description: Search data with a JMESPath expression
version_added: 0.1.0
author: pve.audit contributors (@pve-audit)
description:
  - Runs a JMESPath expression over data, for example over events or over the result of M(pve.audit.tasks_info).
  - A field name with dots or C(@) in it is written in double quotes inside the expression.
positional: expression
options:
  _input:
    description: Any data.
    type: raw
    required: true
  expression:
    description: The JMESPath expression.
    type: str
    required: true
requirements:
  - jmespath
"""

EXAMPLES = r"""
- name: Who destroyed what, as a small table
  ansible.builtin.debug:
    msg: "{{ events | pve.audit.query(expression) }}"
  vars:
    expression: >-
      [?event.action=='guest.destroy'].{when: "@timestamp", who: user.id, guest: pve.vmid, node: host.name}
"""

RETURN = r"""
_value:
  description: What the expression finds, or null.
  type: raw
  sample: [{"when": "2026-11-23T17:40:33Z", "who": "dario@pve", "guest": 501, "node": "pve1"}]
"""


def plain(data: Any) -> Any:
    """Data without Ansible's own string and container types, which the type checks of JMESPath's functions refuse."""
    if isinstance(data, Mapping):
        return {plain(key): plain(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [plain(value) for value in data]
    return str(data) if isinstance(data, str) else data


def query(data: object, expression: object) -> Any:
    """See DOCUMENTATION. Raises AnsibleFilterError with one sentence."""
    try:
        return search(plain(expression))(plain(data))
    except ValueError as error:
        raise AnsibleFilterError(f"pve.audit.query: {error}") from error


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name and function."""
        return {"query": query}
