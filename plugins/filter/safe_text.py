# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter `safe_text`: invisible and direction-changing characters are spelled out."""

from __future__ import annotations

DOCUMENTATION = r"""
name: safe_text
short_description: Spell out control, invisible and direction-changing characters
version_added: 0.1.0
author:
  - pve.audit contributors (@pve-audit)
description:
  - Makes text from a log safe to look at. A line break is shown as C(\\n), an escape as C(\\x1b), a right-to-left
    override as C(\\u202e).
  - It does not escape for HTML. Add the filter P(ansible.builtin.e#filter) of Jinja after it.
positional: _input
options:
  _input:
    description: The text. A number is taken as its text, and nothing as the empty text.
    type: raw
    required: true
  multiline:
    description: Whether line breaks and tabs stay as they are, for a log text.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: A cell of an HTML table
  ansible.builtin.debug:
    msg: "<td>{{ event.user.id | pve.audit.safe_text | e }}</td>"
"""

RETURN = r"""
_value:
  description: The text with nothing hidden in it.
  type: str
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.pve.audit.plugins.module_utils._model.visible import safe_text


def safe_text_filter(value: Any, multiline: bool = False) -> str:
    """See DOCUMENTATION."""
    if isinstance(value, (list, tuple, dict, bytes)):
        raise AnsibleFilterError(f"pve.audit.safe_text: a text is needed, not {type(value).__name__}")
    return safe_text(value, multiline=bool(multiline))


class FilterModule:
    """Hands the filter to Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Names and functions."""
        return {"safe_text": safe_text_filter}
