# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter `pseudonymize`: names leave a report, and only the key brings them back."""

from __future__ import annotations

DOCUMENTATION = r"""
name: pseudonymize
short_description: Put pseudonyms in place of names, addresses and tokens
version_added: 0.1.0
author:
  - pve.audit contributors (@pve-audit)
description:
  - Rewrites nested data of any kind, such as events, findings or a whole summary, for readers who may not see names.
  - The names of users and tokens, e-mail addresses and IP addresses become pseudonyms, in their fields and in every
    text in which they occur as whole words, such as C(event.original), C(url.path) and the sentence of a finding.
  - The same name has the same pseudonym under the same key and scope in all fields that hold people and in UPIDs, and
    no two names share one. In free text, paths and objects it has another one in each text, since a reader may have
    written the text himself to learn whose pseudonym is whose. Without the key a pseudonym tells nothing but a class of
    length (up to 9 bytes, up to 25, and so on). P(pve.audit.reveal#filter) gives the data back as they were.
  - The cipher is AES-SIV (RFC 5297) of the Python package C(cryptography), which ansible-core brings.
  - This is pseudonymisation, not anonymity. Times, guests and nodes stay, and who knows the cluster may still tell who
    acted. The data remain personal data.
requirements:
  - cryptography >= 37 with OpenSSL 3, on the controller
positional: _input, key
options:
  _input:
    description: The data. What is not text stays as it is.
    type: raw
    required: true
  key:
    description: The key, a text of at least 16 characters that cannot be guessed. Make a random one, for example with
      C(openssl rand -base64 32), and keep it in a vault. It is never part of the result or of a message.
    type: str
    required: true
  keep_realm:
    description: Whether realms stay readable.
    type: bool
    default: true
  names:
    description: More names to hide, such as full names that stand in comments only.
    type: list
    elements: str
    default: []
  keep:
    description: Accounts that name no person and stay readable. The names of their tokens are hidden.
    type: list
    elements: str
    default: ["root@pam"]
  scope:
    description: Any text, such as the month. Another scope gives other pseudonyms under the same key, so that reports
      cannot be joined.
    type: str
    default: ""
seealso:
  - plugin: pve.audit.reveal
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Write the findings without names
  ansible.builtin.copy:
    dest: findings.json
    content: "{{ findings | pve.audit.pseudonymize(vaulted_key, scope='2026-11') | to_nice_json }}"
    mode: "0640"
"""

RETURN = r"""
_value:
  description: The data with pseudonyms, which look like C(psn-) and at least 52 letters and digits.
  type: raw
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.plugin_utils._pseudonyms.pseudonym import Cipher
from ansible_collections.pve.audit.plugins.plugin_utils._pseudonyms.pseudonymize import pseudonymize


def _names(value: Any, option: str) -> list[str]:
    if isinstance(value, (str, bytes, Mapping)) or not hasattr(value, "__iter__"):
        raise InputError(f"{option} must be a list of names, not {type(value).__name__}")
    return [str(name) for name in value]


def pseudonymize_filter(
    value: Any,
    key: Any,
    keep_realm: bool = True,
    names: Any = (),
    keep: Any = ("root@pam",),
    scope: str = "",
) -> Any:
    """See DOCUMENTATION."""
    try:
        return pseudonymize(
            value,
            Cipher(key, str(scope)),
            keep_realm=bool(keep_realm),
            names=_names(names, "names"),
            keep=_names(keep, "keep"),
        )
    except ValueError as error:
        raise AnsibleFilterError(f"pve.audit.pseudonymize: {error}") from None


class FilterModule:
    """Hands the filter to Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Names and functions."""
        return {"pseudonymize": pseudonymize_filter}
