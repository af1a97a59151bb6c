#!/usr/bin/python
# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module pve.audit.token: wiring only, the work is done in module_utils/_pve/tokens.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: token
short_description: Create, change or delete an API token of Proxmox VE, addressed by its name
version_added: 0.1.0
description:
  - This module does what it is told. Whether a token is still needed, it does not ask; only the one in use is safe from
    it, see O(allow_self). The guard against lock-outs of whole plans is run by the module M(pve.audit.identity_plan)
    and the role P(pve.audit.named_users#role).
  - An option that is left out stays as it is. An option that is given empty is cleared.
  - Proxmox VE shows the secret only once. It stands in RV(token.value) of the run that made it. Set C(no_log) on the
    task that registers it, and store it at once.
extends_documentation_fragment:
  - pve.audit.api
  - pve.audit.api.changes
options:
  userid:
    description: The user to whom the token belongs, for example V(alice@pve). The user must exist.
    type: str
    required: true
  name:
    description: Name of the token, for example V(ci).
    type: str
    required: true
  state:
    description: V(absent) deletes the token. Its grants go with it.
    type: str
    choices: [present, absent]
    default: present
  comment:
    description: Comment, without the spaces around it, and V(0) alone counts as empty, as Proxmox VE keeps it.
    type: str
  expire:
    description:
      - Until when the token works. V(never), a date such as V(2027-06-30) (its last second in UTC), or epoch seconds.
      - Numbers below 100000000, such as V(20270630), are refused, for they are meant as something else; 0 is V(never).
      - It works no longer than its user, in any case.
    type: str
  privsep:
    description:
      - Whether the token has only what is granted to itself (and its user), instead of all that its user may.
      - A new token is separated if this is left out.
    type: bool
  regenerate:
    description:
      - Give an existing token a new secret, and keep its grants. Who uses the old one is refused from then on.
      - This changes something in every run, so set it only for the occasion.
      - Older versions of Proxmox VE (access control before 9.1) cannot do it. The module says so and changes nothing.
    type: bool
    default: false
  allow_self:
    description:
      - Whether the token that the module itself is logged in with may be deleted or expired, or be cut down to
        privileges of its own that are not enough to take this back. Without this it is refused.
    type: bool
    default: false
notes:
  - Needed privilege is C(User.Modify) on C(/access/groups), or on a group of the user. A user may manage the own tokens
    with a login, but not with a token.
  - If the connection breaks while a token is made, it may exist and its secret is lost. Regenerate it then.
seealso:
  - module: pve.audit.user
  - module: pve.audit.acl
"""

EXAMPLES = r"""
- name: A token for the nightly backup, for one year
  pve.audit.token:
    userid: backup@pve
    name: nightly
    comment: nightly backup
    expire: 2027-11-30
    privsep: true
  register: nightly
  no_log: true

- name: Give the token an end, and touch nothing else
  pve.audit.token:
    userid: svc@pve
    name: terraform
    expire: 2027-06-30

- name: The secret was seen by somebody
  pve.audit.token:
    userid: svc@pve
    name: terraform
    regenerate: true
  register: terraform
  no_log: true
"""

RETURN = r"""
token:
  description: The token after the change, empty when there is none.
  returned: success
  type: dict
  sample:
    userid: backup@pve
    tokenid: nightly
    full_tokenid: backup@pve!nightly
    privsep: true
    expire: 1827619199
    comment: nightly backup
  contains:
    userid:
      description: The user.
      type: str
      returned: with O(state=present)
      sample: backup@pve
    tokenid:
      description: Name of the token.
      type: str
      returned: with O(state=present)
      sample: nightly
    full_tokenid:
      description: User and name, as logs and grants have it.
      type: str
      returned: with O(state=present)
      sample: backup@pve!nightly
    privsep:
      description: Whether the token has only what is granted to itself.
      type: bool
      returned: with O(state=present)
      sample: true
    expire:
      description: Epoch seconds; 0 is never.
      type: int
      returned: with O(state=present)
      sample: 1827619199
    comment:
      description: Comment.
      type: str
      returned: when there is one
      sample: nightly backup
    value:
      description: The secret. It cannot be read again.
      type: str
      returned: when this run made it
      sample: 00000000-0000-4000-8000-000000000000
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
from ansible_collections.pve.audit.plugins.module_utils._pve.tokens import ensure_token

OPTIONS: dict[str, dict[str, Any]] = {
    "userid": {"type": "str", "required": True},
    "name": {"type": "str", "required": True},
    "state": STATE,
    "comment": {"type": "str"},
    "expire": {"type": "str"},
    "privsep": {"type": "bool"},
    "regenerate": {"type": "bool", "default": False},
    "allow_self": {"type": "bool", "default": False},
}


def ensure(session: Session, params: dict[str, Any], check_mode: bool) -> tuple[Change, dict[str, Any]]:
    """The change and the result. Raises AuditError."""
    return ensure_token(session, params, check_mode, time.time())


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec={**api_spec(), **OPTIONS}, supports_check_mode=True)
    run_changing_module(module, ensure)


if __name__ == "__main__":
    main()
