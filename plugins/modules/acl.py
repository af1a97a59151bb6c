#!/usr/bin/python
# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module pve.audit.acl: wiring only, the work is done in module_utils/_pve/acl.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: acl
short_description: Grant a role on a path of Proxmox VE to a user, a group or a token, or take it back
version_added: 0.1.0
description:
  - A change that would lock out everybody who manages access, as far as the credential can see, is refused, see
    O(allow_lockout). Whole plans, with the break-glass account and the people behind the accounts, are guarded by the
    module M(pve.audit.identity_plan) and the role P(pve.audit.named_users#role).
  - One task is one grant. All other grants stay as they are.
  - An option that is left out stays as it is.
extends_documentation_fragment:
  - pve.audit.api
  - pve.audit.api.changes
options:
  path:
    description:
      - The path, for example V(/) or V(/vms/100).
      - A well-formed path that is not known as one on which Proxmox VE grants anything is a warning, as Proxmox VE may
        refuse it.
    type: str
    required: true
  type:
    description: Who gets it.
    type: str
    choices: [user, group, token]
    required: true
  ugid:
    description:
      - Name of the user (V(alice@pve)), the group (V(admins)) or the token (V(backup@pve!nightly)).
      - The user V(root@pam) is always Administrator. Proxmox VE stores no grant for it, so O(state=present) is refused.
    type: str
    required: true
  roleid:
    description: Name of the role.
    type: str
    required: true
  state:
    description: V(absent) takes the grant back, whether it reaches further or not.
    type: str
    choices: [present, absent]
    default: present
  propagate:
    description:
      - Whether the grant reaches the objects below the path.
      - A new grant does if this is left out.
    type: bool
  allow_lockout:
    description:
      - Whether the change is made although nobody would be left who can manage access and log in, as far as the
        credential sees, or although the credential of the module itself could not take it back. Without this it
        is refused, in check mode it is a warning.
    type: bool
    default: false
notes:
  - Needed privilege is C(Permissions.Modify) on the path. With C(VM.Allocate), C(Datastore.Allocate) or
    C(Pool.Allocate) on a guest, storage or pool, one may give away there what one has.
  - A token with privilege separation has what is granted to it B(and) to its user.
seealso:
  - module: pve.audit.role
  - module: pve.audit.group
"""

EXAMPLES = r"""
- name: The group of the administrators may do everything
  pve.audit.acl:
    path: /
    type: group
    ugid: admins
    roleid: Administrator

- name: A direct grant goes
  pve.audit.acl:
    path: /
    type: user
    ugid: svc@pve
    roleid: PVEAdmin
    state: absent
"""

RETURN = r"""
acl:
  description: The grant after the change, empty when there is none.
  returned: success
  type: dict
  sample:
    path: /
    type: group
    ugid: admins
    roleid: Administrator
    propagate: true
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
from ansible_collections.pve.audit.plugins.module_utils._pve.acl import ensure_acl
from ansible_collections.pve.audit.plugins.module_utils._pve.change import Change
from ansible_collections.pve.audit.plugins.module_utils._pve.lockout import OPTION
from ansible_collections.pve.audit.plugins.module_utils._pve.session import Session

OPTIONS: dict[str, dict[str, Any]] = {
    "path": {"type": "str", "required": True},
    "type": {"type": "str", "choices": ["user", "group", "token"], "required": True},
    "ugid": {"type": "str", "required": True},
    "roleid": {"type": "str", "required": True},
    "state": STATE,
    "propagate": {"type": "bool"},
    "allow_lockout": OPTION,
}


def ensure(session: Session, params: dict[str, Any], check_mode: bool) -> tuple[Change, dict[str, Any]]:
    """The change and the result. Raises AuditError."""
    return ensure_acl(session, params, check_mode, time.time())


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec={**api_spec(), **OPTIONS}, supports_check_mode=True)
    run_changing_module(module, ensure)


if __name__ == "__main__":
    main()
