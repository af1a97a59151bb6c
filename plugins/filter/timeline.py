# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter pve.audit.timeline: type check, one pure call, translated error."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._model.time import zone
from ansible_collections.pve.audit.plugins.plugin_utils._render.timeline import render_timeline

DOCUMENTATION = r"""
name: timeline
short_description: Show who did what as text that is read in ten seconds
version_added: 0.2.0
author: pve.audit contributors (@pve-audit)
description:
  - Makes text of the answer of M(pve.audit.evidence_info). For each act it says when, what, who, from where, and how
    sure that is, with the deciding lines below; at the end, gaps and what was not seen.
  - Text from logs is made harmless for a terminal, as P(pve.audit.safe_text#filter) does.
positional: title
options:
  _input:
    description: The answer.
    type: dict
    required: true
  title:
    description: What was asked for.
    type: str
    default: Who did what
  timezone:
    description: The time zone of the times, as a name such as V(Europe/Berlin).
    type: str
    default: UTC
seealso:
  - module: pve.audit.evidence_info
"""

EXAMPLES = r"""
- name: Show who destroyed guest 110
  ansible.builtin.debug:
    msg: "{{ (answer | pve.audit.timeline('guest 110', timezone='Europe/Berlin')).splitlines() }}"
"""

RETURN = r"""
_value:
  description: The text, which ends with a line feed.
  type: str
"""

_KEYS = ("acts", "coverage", "complete", "gaps", "agreements", "not_looked_at")


def timeline(answer: object, title: object = "Who did what", timezone: object = "UTC") -> str:
    """See DOCUMENTATION. Raises AnsibleFilterError with one sentence."""
    try:
        if not isinstance(answer, Mapping) or not all(key in answer for key in _KEYS):
            raise InputError(f"the answer of pve.audit.evidence_info is needed, with {', '.join(_KEYS)}")
        return render_timeline(answer, str(title), zone(str(timezone)), str(timezone))
    except (KeyError, TypeError, AttributeError):
        raise AnsibleFilterError("pve.audit.timeline: the answer is not as pve.audit.evidence_info gave it") from None
    except ValueError as error:
        raise AnsibleFilterError(f"pve.audit.timeline: {error}") from error


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name and function."""
        return {"timeline": timeline}
