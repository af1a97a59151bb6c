# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter `reveal`: pseudonyms become names again, for who has the key."""

from __future__ import annotations

DOCUMENTATION = r"""
name: reveal
short_description: Put the names back in place of pseudonyms
version_added: 0.1.0
author:
  - pve.audit contributors (@pve-audit)
description:
  - Gives back what P(pve.audit.pseudonymize#filter) was given.
  - It also takes a single pseudonym, or any text in which pseudonyms occur.
  - A pseudonym of another key or scope is an error.
requirements:
  - cryptography >= 37 with OpenSSL 3, on the controller
positional: _input, key
options:
  _input:
    description: The data.
    type: raw
    required: true
  key:
    description: The key with which the pseudonyms were made.
    type: str
    required: true
  scope:
    description: The scope with which the pseudonyms were made.
    type: str
    default: ""
seealso:
  - plugin: pve.audit.pseudonymize
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Say who it was
  ansible.builtin.debug:
    msg: "{{ finding.sentence | pve.audit.reveal(vaulted_key, scope='2026-11') }}"
"""

RETURN = r"""
_value:
  description: The data with names.
  type: raw
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.pve.audit.plugins.plugin_utils._pseudonyms.pseudonym import Cipher
from ansible_collections.pve.audit.plugins.plugin_utils._pseudonyms.pseudonymize import reveal


def reveal_filter(value: Any, key: Any, scope: str = "") -> Any:
    """See DOCUMENTATION."""
    try:
        return reveal(value, Cipher(key, str(scope)))
    except ValueError as error:
        raise AnsibleFilterError(f"pve.audit.reveal: {error}") from None


class FilterModule:
    """Hands the filter to Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Names and functions."""
        return {"reveal": reveal_filter}
