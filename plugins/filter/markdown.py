# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter `markdown`: text from a log becomes harmless Markdown."""

from __future__ import annotations

DOCUMENTATION = r"""
name: markdown
short_description: Escape text for Markdown
version_added: 0.1.0
author:
  - pve.audit contributors (@pve-audit)
description:
  - Makes any text one line of Markdown that shows the text and does nothing else. It is safe inside tables.
  - HTML, links, images, mentions, emphasis, code and table bars lose their meaning. Line breaks, control characters
    and characters that
    change the reading direction are spelled out.
positional: _input
options:
  _input:
    description: The text. A number is taken as its text, and nothing as the empty text.
    type: raw
    required: true
"""

EXAMPLES = r"""
- name: Show who did it
  ansible.builtin.debug:
    msg: "| {{ event.user.id | pve.audit.markdown }} | {{ event.pve.status | pve.audit.markdown }} |"
"""

RETURN = r"""
_value:
  description: The escaped text.
  type: str
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.pve.audit.plugins.plugin_utils._render.markdown import escape_markdown


def markdown_filter(value: Any) -> str:
    """See DOCUMENTATION."""
    if isinstance(value, (list, tuple, dict, bytes)):
        raise AnsibleFilterError(f"pve.audit.markdown: a text is needed, not {type(value).__name__}")
    return escape_markdown(value)


class FilterModule:
    """Hands the filter to Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Names and functions."""
        return {"markdown": markdown_filter}
