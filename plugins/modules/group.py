#!/usr/bin/python
# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module pve.audit.group: wiring only, the work is done in module_utils/_pve/groups_roles.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: group
short_description: Create, change or delete a group of Proxmox VE
version_added: 0.1.0
description:
  - A change that would lock out everybody who manages access, as far as the credential can see, is refused, see
    O(allow_lockout). Whole plans, with the break-glass account and the people behind the accounts, are guarded by the
    module M(pve.audit.identity_plan) and the role P(pve.audit.named_users#role).
  - Who is a member stands with the user, see O(pve.audit.user#module:groups). This module never touches it.
  - An option that is left out stays as it is. An option that is given empty is cleared.
extends_documentation_fragment:
  - pve.audit.api
  - pve.audit.api.changes
options:
  groupid:
    description: Name of the group.
    type: str
    required: true
  state:
    description: V(absent) deletes the group, also when it has members. Its grants go with it.
    type: str
    choices: [present, absent]
    default: present
  comment:
    description: Comment, without the spaces around it, and V(0) alone counts as empty, as Proxmox VE keeps it.
    type: str
  allow_lockout:
    description:
      - Whether the change is made although nobody would be left who can manage access and log in, as far as the
        credential sees, or although the credential of the module itself could not take it back. Without this it
        is refused, in check mode it is a warning.
    type: bool
    default: false
notes:
  - Needed privilege is C(Group.Allocate) on C(/access/groups).
seealso:
  - module: pve.audit.user
  - module: pve.audit.acl
"""

EXAMPLES = r"""
- name: A group for those who operate the guests
  pve.audit.group:
    groupid: operators
    comment: may start and stop guests
"""

RETURN = r"""
group:
  description: The group after the change, empty when there is none.
  returned: success
  type: dict
  sample:
    groupid: operators
    comment: may start and stop guests
    users: [alice@pve]
error_code:
  description:
    - Kind of the failure, V(input), V(refused), V(authentication), V(not_permitted), V(certificate), V(unreachable),
      V(timed_out), V(node_unreachable), V(not_an_api) or V(server_error).
  returned: failure
  type: str
  sample: refused
http_status:
  description: HTTP status of the refused request, or null.
  returned: failure of a request
  type: int
  sample: 500
"""

import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.pve.audit.plugins.module_utils._module.wiring import STATE, api_spec, run_changing_module
from ansible_collections.pve.audit.plugins.module_utils._pve.change import Change
from ansible_collections.pve.audit.plugins.module_utils._pve.groups_roles import ensure_group
from ansible_collections.pve.audit.plugins.module_utils._pve.lockout import OPTION
from ansible_collections.pve.audit.plugins.module_utils._pve.session import Session

OPTIONS: dict[str, dict[str, Any]] = {
    "groupid": {"type": "str", "required": True},
    "state": STATE,
    "comment": {"type": "str"},
    "allow_lockout": OPTION,
}


def ensure(session: Session, params: dict[str, Any], check_mode: bool) -> tuple[Change, dict[str, Any]]:
    """The change and the result. Raises AuditError."""
    return ensure_group(session, params, check_mode, time.time())


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec={**api_spec(), **OPTIONS}, supports_check_mode=True)
    run_changing_module(module, ensure)


if __name__ == "__main__":
    main()
