#!/usr/bin/python
# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module pve.audit.role: wiring only, the work is done in module_utils/_pve/groups_roles.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: role
short_description: Create, change or delete a role of Proxmox VE
version_added: 0.1.0
description:
  - A change that would lock out everybody who manages access, as far as the credential can see, is refused, see
    O(allow_lockout). Whole plans, with the break-glass account and the people behind the accounts, are guarded by the
    module M(pve.audit.identity_plan) and the role P(pve.audit.named_users#role).
  - An option that is left out stays as it is.
  - Roles that are built into Proxmox VE, such as C(PVEAuditor), are never changed or deleted. That fails before
    anything is sent.
extends_documentation_fragment:
  - pve.audit.api
  - pve.audit.api.changes
options:
  roleid:
    description: Name of the role. Proxmox VE keeps names that start with V(PVE) for itself.
    type: str
    required: true
  state:
    description: V(absent) deletes the role. Who was granted it loses its privileges.
    type: str
    choices: [present, absent]
    default: present
  privs:
    description: The privileges of the role, all of them. An empty list leaves it without any.
    type: list
    elements: str
  append:
    description: Only add O(privs), and take none away.
    type: bool
    default: false
  allow_lockout:
    description:
      - Whether the change is made although nobody would be left who can manage access and log in, as far as the
        credential sees, or although the credential of the module itself could not take it back. Without this it
        is refused, in check mode it is a warning.
    type: bool
    default: false
notes:
  - Needed privilege is C(Sys.Modify) on C(/access).
seealso:
  - module: pve.audit.acl
"""

EXAMPLES = r"""
- name: May see, start and stop guests
  pve.audit.role:
    roleid: Operator
    privs: [VM.Audit, VM.PowerMgmt]

- name: And open their consoles
  pve.audit.role:
    roleid: Operator
    privs: [VM.Console]
    append: true
"""

RETURN = r"""
role:
  description: The role after the change, empty when there is none.
  returned: success
  type: dict
  sample:
    roleid: Operator
    privs: [VM.Audit, VM.PowerMgmt]
    special: false
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
from ansible_collections.pve.audit.plugins.module_utils._pve.groups_roles import ensure_role
from ansible_collections.pve.audit.plugins.module_utils._pve.lockout import OPTION
from ansible_collections.pve.audit.plugins.module_utils._pve.session import Session

OPTIONS: dict[str, dict[str, Any]] = {
    "roleid": {"type": "str", "required": True},
    "state": STATE,
    "privs": {"type": "list", "elements": "str"},
    "append": {"type": "bool", "default": False},
    "allow_lockout": OPTION,
}


def ensure(session: Session, params: dict[str, Any], check_mode: bool) -> tuple[Change, dict[str, Any]]:
    """The change and the result. Raises AuditError."""
    return ensure_role(session, params, check_mode, time.time())


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec={**api_spec(), **OPTIONS}, supports_check_mode=True)
    run_changing_module(module, ensure)


if __name__ == "__main__":
    main()
