# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter `csp_hash`: the hash by which a Content-Security-Policy knows an inline script or style."""

from __future__ import annotations

DOCUMENTATION = r"""
name: csp_hash
short_description: Hash an inline script or style for a Content-Security-Policy
version_added: 0.1.0
author:
  - pve.audit contributors (@pve-audit)
description:
  - Gives the source expression C('sha256-...') that lets a page run exactly this inline script or style and no other.
positional: _input
options:
  _input:
    description: The text between the tags, to the character.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: A policy for one style
  ansible.builtin.debug:
    msg: "default-src 'none'; style-src {{ lookup('ansible.builtin.file', 'report.css') | pve.audit.csp_hash }}"
"""

RETURN = r"""
_value:
  description: The source expression with its apostrophes.
  type: str
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.pve.audit.plugins.plugin_utils._render.text import csp_hash


def csp_hash_filter(value: Any) -> str:
    """See DOCUMENTATION."""
    if not isinstance(value, str):
        raise AnsibleFilterError(f"pve.audit.csp_hash: a text is needed, not {type(value).__name__}")
    return csp_hash(value)


class FilterModule:
    """Hands the filter to Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Names and functions."""
        return {"csp_hash": csp_hash_filter}
