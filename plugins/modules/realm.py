#!/usr/bin/python
# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module pve.audit.realm: wiring only, the work is done in module_utils/_pve/realms.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: realm
short_description: Set which second factor a realm of Proxmox VE asks for, its comment, and the default realm
version_added: 0.1.0
description:
  - A change that would lock out everybody who manages access, as far as the credential can see, is refused, see
    O(allow_lockout). Whole plans, with the break-glass account and the people behind the accounts, are guarded by the
    module M(pve.audit.identity_plan) and the role P(pve.audit.named_users#role).
  - Changes existing realms only. How a directory or an OpenID provider is reached is not touched.
  - An option that is left out stays as it is. An option that is given empty is cleared.
extends_documentation_fragment:
  - pve.audit.api
  - pve.audit.api.changes
options:
  realm:
    description: Name of the realm, for example V(pve) or V(pam).
    type: str
    required: true
  tfa:
    description:
      - The second factor that everybody in this realm must have. V(oath) is satisfied by TOTP and recovery keys only.
        Whoever has nothing but WebAuthn or U2F is asked for it, and then refused all the same.
      - Who has none yet cannot log in any more, V(root@pam) included. Let them enrol first.
    type: str
    choices: [none, oath, yubico]
  tfa_digits:
    description: Digits of a one-time password, from 6 to 8, for V(oath); Proxmox VE takes 6 if it is not set.
    type: int
  tfa_step:
    description:
      - Seconds for which a one-time password lives, at least 10, for V(oath); Proxmox VE takes 30 if it is not set.
    type: int
  tfa_yubico_id:
    description: Id at the Yubico service, needed for V(yubico).
    type: str
  tfa_yubico_key:
    description: Key at the Yubico service, needed for V(yubico). It is never shown.
    type: str
  tfa_yubico_url:
    description: Address of a Yubico service of your own.
    type: str
  comment:
    description:
      - Comment, without the spaces around it, and V(0) alone counts as empty, as Proxmox VE keeps it.
      - A built-in realm gets its original one back when this is empty.
    type: str
  default:
    description: Whether the login page offers this realm first. Only one realm can be that.
    type: bool
  allow_lockout:
    description:
      - Whether the change is made although users would be asked for a second factor that they do not have, or although
        nobody would be left who can manage access and log in, as far as the credential sees. Without this it is
        refused, in check mode it is a warning.
    type: bool
    default: false
notes:
  - Needed privilege is C(Realm.Allocate) on C(/access/realm).
"""

EXAMPLES = r"""
- name: Everybody in the realm pve needs a second factor
  pve.audit.realm:
    realm: pve
    tfa: oath
    default: true
"""

RETURN = r"""
realm:
  description: The realm after the change.
  returned: success
  type: dict
  sample:
    realm: pve
    type: pve
    comment: Proxmox VE authentication server
    default: true
    tfa: oath
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

from ansible_collections.pve.audit.plugins.module_utils._module.wiring import api_spec, run_changing_module
from ansible_collections.pve.audit.plugins.module_utils._pve.change import Change
from ansible_collections.pve.audit.plugins.module_utils._pve.lockout import OPTION
from ansible_collections.pve.audit.plugins.module_utils._pve.realms import ensure_realm
from ansible_collections.pve.audit.plugins.module_utils._pve.session import Session

OPTIONS: dict[str, dict[str, Any]] = {
    "realm": {"type": "str", "required": True},
    "tfa": {"type": "str", "choices": ["none", "oath", "yubico"]},
    "tfa_digits": {"type": "int"},
    "tfa_step": {"type": "int"},
    "tfa_yubico_id": {"type": "str"},
    "tfa_yubico_key": {"type": "str", "no_log": True},
    "tfa_yubico_url": {"type": "str"},
    "comment": {"type": "str"},
    "default": {"type": "bool"},
    "allow_lockout": OPTION,
}


def ensure(session: Session, params: dict[str, Any], check_mode: bool) -> tuple[Change, dict[str, Any]]:
    """The change and the result. Raises AuditError."""
    return ensure_realm(session, params, check_mode, time.time())


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec={**api_spec(), **OPTIONS}, supports_check_mode=True)
    run_changing_module(module, ensure)


if __name__ == "__main__":
    main()
