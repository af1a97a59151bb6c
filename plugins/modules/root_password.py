#!/usr/bin/python
# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module pve.audit.root_password: wiring only, the work is done in module_utils/_node/sshd/root_password.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: root_password
short_description: Set the shared password of root from a vault, or lock it when others can become root
version_added: 0.1.0
description:
  - The hash is never shown, not in the difference either, and is handed to C(chpasswd) on its standard input, where no
    list of processes shows it.
  - Root is locked only when enough other administrators can log in with a key and become root without a password. sshd,
    the account database and sudo themselves are asked, on this node. In check mode, where they may not be there yet,
    a warning says what is missing.
  - Login with a key, also between the nodes of a cluster, is not touched. Logins of C(root@pam) with a password to the
    web interface, the console and the rescue shell end.
options:
  state:
    description: What becomes of the password.
    type: str
    choices: [set, locked]
    required: true
  hash:
    description: The hash as of crypt(5), beginning with C($y$) or C($6$), for O(state=set). It also unlocks.
    type: str
  administrators:
    description: The accounts to try out for O(state=locked).
    type: list
    elements: str
    default: []
  minimum:
    description: How many of them must be able to become root. At least one.
    type: int
    default: 2
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
requirements:
  - sudo and OpenSSH on the node, for O(state=locked)
seealso:
  - module: pve.audit.sshd_config
"""
EXAMPLES = r"""
- name: Give root the password that lies in the vault
  pve.audit.root_password:
    state: set
    hash: "{{ vaulted_root_hash }}"

- name: Lock it
  pve.audit.root_password:
    state: locked
    administrators: [alice, bob]
"""

RETURN = r""" # """

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.pve.audit.plugins.module_utils._model.errors import AuditError, InputError
from ansible_collections.pve.audit.plugins.module_utils._node.command import run
from ansible_collections.pve.audit.plugins.module_utils._node.sshd.root_password import Machine, ensure, feed

SPEC: dict[str, Any] = {
    "state": {"type": "str", "choices": ["set", "locked"], "required": True},
    "hash": {"type": "str", "no_log": True},
    "administrators": {"type": "list", "elements": "str", "default": []},
    "minimum": {"type": "int", "default": 2},
}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True, required_if=[("state", "set", ["hash"])])
    try:
        if module.params["minimum"] < 1:
            raise InputError("minimum must be at least 1: somebody has to be able to become root")
        result = ensure(module.params, Machine(run, feed), module.check_mode)
    except AuditError as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"{error.filename}: {error.strerror}")
    for warning in result.pop("warnings"):
        module.warn(warning)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
