#!/usr/bin/python
# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module pve.audit.user: wiring only, the work is done in module_utils/_pve/users.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: user
short_description: Create, change, disable or delete a user of Proxmox VE, without touching what is not asked for
version_added: 0.1.0
description:
  - This module does what it is told. It refuses to close the account that it is logged in with, see O(allow_self), and
    the last enabled administrator that it can see; in check mode it only warns of the latter, for an earlier task may
    have made another one. The guard against lock-outs of whole plans is run by the module
    M(pve.audit.identity_plan) and the role P(pve.audit.named_users#role).
  - An option that is left out stays as it is. A leaver is not enabled again, an expiry date is not cleared, and tokens
    stay, because only what is given is compared and sent.
  - An option that is given empty (V("") or V([])) is cleared.
  - What Proxmox VE would refuse is refused before anything is sent, in check mode, too. A new user needs a realm that
    exists and a name without letters beyond ASCII, hidden characters and mixed scripts, as Proxmox VE could neither
    change nor delete such a user later.
  - Names, mail address and comment are taken without the spaces around them, and V(0) alone counts as empty, as Proxmox
    VE keeps them.
extends_documentation_fragment:
  - pve.audit.api
  - pve.audit.api.changes
options:
  userid:
    description: The user with the realm, for example V(alice@pve). Upper and lower case are different.
    type: str
    required: true
  state:
    description:
      - V(absent) deletes the user with the tokens, second factors, group memberships and grants.
      - V(root@pam) cannot be deleted. Proxmox VE would make it again at once, enabled and without its tokens. Use
        O(enabled=false) to close it for the GUI and the API.
    type: str
    choices: [present, absent]
    default: present
  enabled:
    description:
      - Whether the user may log in. This holds for V(root@pam) as well.
      - A new user is enabled if this is left out.
    type: bool
  expire:
    description:
      - Until when the user may log in. V(never), a date such as V(2027-06-30) (its last second in UTC), or epoch
        seconds.
      - An empty text is the same as V(never).
      - Numbers below 100000000, such as V(20270630), are refused, for they are meant as something else; 0 is V(never).
    type: str
  firstname:
    description: First name.
    type: str
  lastname:
    description: Last name.
    type: str
  email:
    description: Mail address.
    type: str
  comment:
    description: Comment.
    type: str
  groups:
    description:
      - The groups of the user, all of them. Others are left. An empty list (V([]) or V("")) leaves all groups.
      - The groups must exist.
    type: list
    elements: str
  groups_append:
    description: Only join O(groups), and leave none.
    type: bool
    default: false
  password:
    description:
      - The password, for realms in which Proxmox VE keeps it. It is never shown.
      - Proxmox VE wants 8 to 64 characters.
    type: str
  update_password:
    description:
      - V(on_create) sets O(password) only when the user is made.
      - V(always) also sets it when it is not the right one. To know that, the module logs in with it, which leaves a
        login of this user in the logs, or a failed one. A second factor need not be answered for that.
      - The password of a disabled, expired or locked user cannot be tried. It is left as it is, with a warning. So is
        that of a user without a second factor (or with none that the credential may see) in a realm that asks for one,
        when it is refused, for there the right password is refused too.
      - Proxmox VE lets no API token change the password of an existing user, so V(always) needs O(api_password).
    type: str
    choices: [on_create, always]
    default: on_create
  allow_self:
    description:
      - Whether the account that the module itself is logged in with may be disabled, expired or deleted, or leave a
        group from which it has the privilege to take this back. Without this it is refused.
    type: bool
    default: false
notes:
  - Needed privileges are C(User.Modify) on C(/access/groups) (or on a group of the user), and to create or delete,
    C(Realm.AllocateUser) on C(/access/realm/REALM).
  - With the privilege on a group only, Proxmox VE wants a new user to be put into this group, and wants it named with
    each change of a member. The module names it.
seealso:
  - module: pve.audit.token
  - module: pve.audit.group
  - module: pve.audit.acl
"""

EXAMPLES = r"""
- name: Alice is an administrator until the middle of 2027
  pve.audit.user:
    userid: alice@pve
    firstname: Alice
    lastname: Archer
    email: alice@example.com
    groups: [admins]
    expire: 2027-06-30
    password: "{{ vault_alice }}"

- name: Dave left the company
  pve.audit.user:
    userid: dave@pve
    enabled: false

- name: Nobody logs in as root@pam any more
  pve.audit.user:
    userid: root@pam
    enabled: false

- name: Bob joins another group, and keeps the groups he has
  pve.audit.user:
    userid: bob@ldap
    groups: [ops]
    groups_append: true
"""

RETURN = r"""
user:
  description: The user after the change, empty when there is none.
  returned: success
  type: dict
  sample:
    userid: alice@pve
    enable: true
    expire: 1814399999
    firstname: Alice
    lastname: Archer
    email: alice@example.com
    groups: [admins]
    tokens: [cli]
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
from ansible_collections.pve.audit.plugins.module_utils._pve.session import Session
from ansible_collections.pve.audit.plugins.module_utils._pve.users import ensure_user

OPTIONS: dict[str, dict[str, Any]] = {
    "userid": {"type": "str", "required": True},
    "state": STATE,
    "enabled": {"type": "bool"},
    "expire": {"type": "str"},
    "firstname": {"type": "str"},
    "lastname": {"type": "str"},
    "email": {"type": "str"},
    "comment": {"type": "str"},
    "groups": {"type": "list", "elements": "str"},
    "groups_append": {"type": "bool", "default": False},
    "password": {"type": "str", "no_log": True},
    "update_password": {"type": "str", "choices": ["on_create", "always"], "default": "on_create", "no_log": False},
    "allow_self": {"type": "bool", "default": False},
}


def ensure(session: Session, params: dict[str, Any], check_mode: bool) -> tuple[Change, dict[str, Any]]:
    """The change and the result. Raises AuditError."""
    return ensure_user(session, params, check_mode, time.time())


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec={**api_spec(), **OPTIONS}, supports_check_mode=True)
    run_changing_module(module, ensure)


if __name__ == "__main__":
    main()
