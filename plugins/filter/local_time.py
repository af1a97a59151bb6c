# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter `local_time`: an instant in the reader's time zone."""

from __future__ import annotations

DOCUMENTATION = r"""
name: local_time
short_description: Show an instant in a time zone
version_added: 0.1.0
author:
  - pve.audit contributors (@pve-audit)
description:
  - Shows an RFC 3339 time in an IANA time zone, with its offset.
positional: _input, timezone
options:
  _input:
    description: The time. Nothing gives the empty text.
    type: str
    required: true
  timezone:
    description: IANA name of the time zone.
    type: str
    default: UTC
  layout:
    description: Layout as for strftime. C(%:z) is the offset with a colon.
    type: str
    default: "%Y-%m-%d %H:%M:%S %:z"
"""

EXAMPLES = r"""
- name: Gives 2026-11-23 18:40:33 +01:00
  ansible.builtin.debug:
    msg: "{{ '2026-11-23T17:40:33Z' | pve.audit.local_time('Europe/Berlin') }}"
"""

RETURN = r"""
_value:
  description: The time as text.
  type: str
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.pve.audit.plugins.plugin_utils._render.local import LAYOUT, local_time


def local_time_filter(value: Any, timezone: str = "UTC", layout: str = LAYOUT) -> str:
    """See DOCUMENTATION."""
    try:
        return local_time(value, timezone, layout)
    except ValueError as error:
        raise AnsibleFilterError(f"pve.audit.local_time: {error}") from error


class FilterModule:
    """Hands the filter to Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Names and functions."""
        return {"local_time": local_time_filter}
