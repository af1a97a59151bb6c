#!/usr/bin/python
# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module pve.audit.authorized_keys: wiring only, the work is done in module_utils/_node/authorized_keys.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: authorized_keys
short_description: Exactly the declared SSH keys, for all accounts of a node at once
version_added: 0.1.0
description:
  - Writes C(~/.ssh/authorized_keys) of each account, and removes C(~/.ssh/authorized_keys2), which sshd reads as well.
    Any other key goes.
  - All below a home is done with the rights of its owner, so that a link there leads nowhere that the owner could not
    write to. Links are refused, not followed.
  - Every key of every account is checked before the first file is touched.
options:
  accounts:
    description: The accounts. In check mode, one that does not exist yet is passed over.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the account.
        type: str
        required: true
      keys:
        description: Lines of public keys, with options if need be. An empty list takes all keys away.
        type: list
        elements: str
      without:
        description: Instead of O(accounts[].keys), keys that must not be there. All other lines stay as they are. For
          root, whose file is a link into C(/etc/pve) on a node, the link is followed.
        type: list
        elements: str
attributes:
  check_mode:
    description: Can run in check_mode and return changed status prediction without modifying target.
    support: full
  diff_mode:
    description: Returns details on what has changed, or possibly needs changing in check_mode, when in diff mode.
    support: full
  idempotent:
    description: When run twice in a row outside check mode, with the same arguments, the second invocation indicates no
      change.
    support: full
author:
  - pve.audit contributors (@pve-audit)
seealso:
  - module: pve.audit.sshd_config
"""
EXAMPLES = r"""
- name: Give Alice one key, and take all from Bob
  pve.audit.authorized_keys:
    accounts:
      - name: alice
        keys: ["{{ lookup('ansible.builtin.file', 'keys/alice.pub') }}"]
      - name: bob
        keys: []

- name: Make sure that nobody is root with Bob's key
  pve.audit.authorized_keys:
    accounts:
      - name: root
        without: ["{{ lookup('ansible.builtin.file', 'keys/bob.pub') }}"]
"""

RETURN = r"""
accounts:
  description: The accounts whose keys were changed, or would be.
  returned: success
  type: list
  elements: str
  sample: [alice]
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.pve.audit.plugins.module_utils._model.errors import AuditError
from ansible_collections.pve.audit.plugins.module_utils._node.authorized_keys import ensure

SPEC: dict[str, Any] = {
    "accounts": {
        "type": "list",
        "elements": "dict",
        "required": True,
        # Public keys are no secret.
        "no_log": False,
        "options": {
            "name": {"type": "str", "required": True},
            "keys": {"type": "list", "elements": "str", "no_log": False},
            "without": {"type": "list", "elements": "str"},
        },
        "mutually_exclusive": [("keys", "without")],
        "required_one_of": [("keys", "without")],
    }
}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    try:
        result = ensure(module.params["accounts"], module.check_mode)
    except AuditError as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"{error.filename}: {error.strerror}")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
