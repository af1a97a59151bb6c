#!/usr/bin/python
# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module pve.audit.sshd_config: wiring only, the work is done in module_utils/_node/sshd/change.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: sshd_config
short_description: Root over SSH with a key only, and only from known addresses, without locking anybody out
version_added: 0.1.0
description:
  - Writes one file, C(/etc/ssh/sshd_config.d/00-pve-audit.conf), and reloads sshd. The first value wins
    there, so that whatever is read before this file and decides the same things is refused, with its file and line.
  - C(PermitRootLogin) becomes C(prohibit-password) and never C(no), because migration, replication and consoles between
    nodes of a cluster need root.
  - Before anything is changed, the real C(sshd -t) reads the complete configuration with the new file, and C(sshd -T)
    says that root is let in with a key from each of O(root_addresses) and from nowhere else, and that the login of the
    running session would still be let in. Otherwise the module fails with one sentence.
  - The change is then on trial. A timer of systemd undoes it after O(confirm_seconds), and so does a reboot, unless
    O(state=confirmed) is called. Do that over a new connection.
options:
  state:
    description:
      - With V(absent), the file goes, on the same terms.
      - With V(confirmed), the change that is on trial is kept. It is an error when it was undone already, and no change
        when there is none.
    type: str
    choices: [present, absent, confirmed]
    default: present
  root_addresses:
    description:
      - Addresses and networks, IPv4 and IPv6, from which root may log in. Those of all nodes of the cluster must be
        among them, those of the migration network too. Needed for O(state=present).
      - A network must not have host bits, as sshd asks for.
      - The rule is for all accounts with uid 0. A peer without an address (vsock) is refused.
    type: list
    elements: str
    default: []
  settings:
    description:
      - Other settings by keyword, such as C(LogLevel), C(MaxAuthTries) or C(PasswordAuthentication). A list becomes
        several words.
      - C(PermitRootLogin), C(DenyUsers), C(Match) and C(Include) are not taken.
      - A C(Match) block elsewhere that has another value for root, for the account of the session or for one of
        O(accounts) is an error.
    type: dict
    default: {}
  accounts:
    description: Accounts for which O(settings) must hold too.
    type: list
    elements: str
    default: []
  confirm_seconds:
    description: How long the change is on trial. V(0) keeps it at once, which nothing can undo.
    type: int
    default: 120
  connection_user:
    description: The account that must stay able to log in. By default that of the SSH session in which the module runs,
      also through sudo.
    type: str
  connection_address:
    description: The address from which it must stay able to log in. By default that of the session.
    type: str
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
  - OpenSSH 9.2 or newer, and systemd, on the node
seealso:
  - module: pve.audit.authorized_keys
  - module: pve.audit.root_password
"""
EXAMPLES = r"""
- name: Let root in from the nodes of the cluster and from the management network
  pve.audit.sshd_config:
    root_addresses: [192.0.2.11, 192.0.2.12, 192.0.2.13, "2001:db8:1::/64"]
    settings:
      LogLevel: VERBOSE

- name: Log in anew
  ansible.builtin.meta: reset_connection

- name: Prove that one can
  ansible.builtin.wait_for_connection:
    timeout: 60

- name: Keep it
  pve.audit.sshd_config:
    state: confirmed
"""

RETURN = r"""
path:
  description: The file.
  returned: success
  type: str
  sample: /etc/ssh/sshd_config.d/00-pve-audit.conf
pending:
  description: Whether a change is on trial now and will be undone unless it is confirmed.
  returned: success
  type: bool
  sample: true
proofs:
  description: What C(sshd -T) said of each login that was tried, with C(user), C(address), C(allowed) and C(reason).
  returned: success
  type: list
  elements: dict
  sample:
    - {user: root, address: 192.0.2.11, allowed: true, reason: ""}
    - {user: root, address: 203.0.113.113, allowed: false, reason: DenyUsers names it}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.pve.audit.plugins.module_utils._model.errors import AuditError, InputError
from ansible_collections.pve.audit.plugins.module_utils._node.command import run
from ansible_collections.pve.audit.plugins.module_utils._node.sshd.change import Host, ensure

SPEC: dict[str, Any] = {
    "state": {"type": "str", "choices": ["present", "absent", "confirmed"], "default": "present"},
    "root_addresses": {"type": "list", "elements": "str", "default": []},
    "settings": {"type": "dict", "default": {}},
    "accounts": {"type": "list", "elements": "str", "default": []},
    "confirm_seconds": {"type": "int", "default": 120},
    "connection_user": {"type": "str"},
    "connection_address": {"type": "str"},
}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    try:
        if module.params["confirm_seconds"] < 0:
            raise InputError(f"confirm_seconds must not be negative: {module.params['confirm_seconds']}")
        result = ensure(module.params, Host(run), module.check_mode)
    except AuditError as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"{error.filename}: {error.strerror}")
    for warning in result.pop("warnings"):
        module.warn(warning)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
