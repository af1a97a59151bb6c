# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter `to_csv`: rows become CSV that a spreadsheet may open."""

from __future__ import annotations

DOCUMENTATION = r"""
name: to_csv
short_description: Write rows as CSV in which nothing is taken for a formula
version_added: 0.1.0
author:
  - pve.audit contributors (@pve-audit)
description:
  - Writes CSV after RFC 4180. Each row is one line, and lines end in CR LF.
  - Log text is hostile. Control characters and line breaks are spelled out, and an apostrophe stands before all
    that a spreadsheet program would calculate, also after characters that some program takes for a separator.
positional: _input
options:
  _input:
    description: Rows. Nested mappings such as events will do.
    type: list
    elements: dict
    required: true
  columns:
    description: Headings and the dotted path of the field below each. A list of paths uses the paths as headings.
    type: raw
    required: true
  delimiter:
    description: The character between fields. One of comma, semicolon, tab and bar.
    type: str
    default: ","
  header:
    description: Whether the first line holds the headings.
    type: bool
    default: true
"""

EXAMPLES = r"""
- name: Keep the events as CSV
  ansible.builtin.copy:
    content: "{{ events | pve.audit.to_csv(columns={'time': '@timestamp', 'actor': 'user.id'}) }}"
    dest: ./events.csv
    mode: "0640"
"""

RETURN = r"""
_value:
  description: The CSV text.
  type: str
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.plugin_utils._render.csv import render_csv


def _columns(value: Any) -> dict[str, str]:
    if isinstance(value, Mapping):
        return {str(heading): path for heading, path in value.items()}
    if isinstance(value, (list, tuple)):
        return {str(path): path for path in value}
    raise InputError(f"columns must be a mapping or a list, not {type(value).__name__}")


def to_csv_filter(rows: Any, columns: Any, delimiter: str = ",", header: bool = True) -> str:
    """See DOCUMENTATION."""
    try:
        if isinstance(rows, (str, bytes, Mapping)) or not hasattr(rows, "__iter__"):
            raise InputError(f"a list of rows is needed, not {type(rows).__name__}")
        return render_csv(rows, _columns(columns), delimiter=delimiter, header=bool(header))
    except ValueError as error:
        raise AnsibleFilterError(f"pve.audit.to_csv: {error}") from error


class FilterModule:
    """Hands the filter to Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Names and functions."""
        return {"to_csv": to_csv_filter}
