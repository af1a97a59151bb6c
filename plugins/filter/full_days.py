# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter `full_days`: the last whole days as an interval."""

from __future__ import annotations

DOCUMENTATION = r"""
name: full_days
short_description: The last whole days of a time zone as an interval
version_added: 0.1.0
author:
  - pve.audit contributors (@pve-audit)
description:
  - Gives the interval from midnight to midnight that holds the last whole days before today.
  - Two reports made on different hours of the same day cover the same interval, and weekly reports neither overlap
    nor leave a gap.
positional: _input
options:
  _input:
    description: Number of days, from 1 to 3660.
    type: int
    required: true
  timezone:
    description: IANA name of the time zone whose midnight counts.
    type: str
    default: UTC
  now:
    description: The present time as RFC 3339 text. The controller's clock is used by default.
    type: str
"""

EXAMPLES = r"""
- name: The last seven whole days in Berlin
  ansible.builtin.debug:
    msg: "{{ 7 | pve.audit.full_days(timezone='Europe/Berlin') }}"
"""

RETURN = r"""
_value:
  description: The keys C(since) and C(until), both RFC 3339 text in UTC.
  type: dict
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.pve.audit.plugins.module_utils._model.time import rfc3339
from ansible_collections.pve.audit.plugins.plugin_utils._render.local import full_days


def full_days_filter(value: Any, timezone: str = "UTC", now: str | None = None) -> dict[str, str]:
    """See DOCUMENTATION."""
    try:
        return full_days(value, timezone, now or rfc3339(datetime.now(UTC).timestamp()))
    except ValueError as error:
        raise AnsibleFilterError(f"pve.audit.full_days: {error}") from error


class FilterModule:
    """Hands the filter to Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Names and functions."""
        return {"full_days": full_days_filter}
