#!/usr/bin/python
# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module pve.audit.login_info: wiring only, the login is tried in module_utils/_pve/session.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: login_info
short_description: Prove that an account of a Proxmox VE cluster can log in with a password
version_added: 0.1.0
description:
  - Tries one login, as the login page does, and says whether Proxmox VE accepted it. Nothing is changed.
  - Made for the account for emergencies, whose password must work on the day when nothing else does. The role
    P(pve.audit.named_users#role) asks this before it takes anything away from anybody.
  - Each try leaves its line in the logs of the cluster, as every login does. A refused one takes three seconds.
  - Where a second factor is asked for after the password, the password counts as accepted, and the second factor is not
    tried. RV(accepted=true) says only that the password was right; the second factor may be impossible all the same,
    for example because a realm with V(oath) takes no WebAuthn.
extends_documentation_fragment:
  - pve.audit.api
  - pve.audit.api.attributes
options:
  userid:
    description: The account with its realm.
    type: str
    required: true
  password:
    description: Its password.
    type: str
    required: true
author:
  - pve.audit contributors (@pve-audit)
"""

EXAMPLES = r"""
- name: Does the break-glass account work?
  pve.audit.login_info:
    userid: breakglass@pve
    password: "{{ vault_break_glass_password }}"
  register: login

- name: Say it loudly when it does not
  ansible.builtin.assert:
    that: login.accepted
"""

RETURN = r"""
userid:
  description: The account.
  returned: success
  type: str
  sample: breakglass@pve
accepted:
  description:
    - Whether Proxmox VE accepted the password. It refuses a wrong password, a disabled and an expired account alike,
      and an account without a second factor in a realm that asks for one.
    - V(true) is no proof of a whole login. A second factor that is asked for after the password is not tried.
  returned: success
  type: bool
  sample: true
error_code:
  description:
    - Kind of the failure, V(input), V(authentication), V(certificate), V(unreachable), V(timed_out), V(not_an_api) or
      V(server_error). A refused login is no failure, but V(authentication) says that the module's own login failed.
  returned: failure
  type: str
  sample: unreachable
http_status:
  description: HTTP status of the refused request, or null.
  returned: failure of a request
  type: int
  sample: 500
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._module.wiring import api_spec, run_api_module
from ansible_collections.pve.audit.plugins.module_utils._pve.session import Session

OPTIONS = {"userid": {"type": "str", "required": True}, "password": {"type": "str", "required": True, "no_log": True}}


def try_login(session: Session, params: dict[str, Any]) -> dict[str, Any]:
    """The module's result. Raises AuditError."""
    if "@" not in params["userid"]:
        raise InputError(f"userid {params['userid']!r} has no realm: write it as name@pve")
    return {"userid": params["userid"], "accepted": session.accepts_login(params["userid"], params["password"])}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec={**api_spec(), **OPTIONS}, supports_check_mode=True)
    run_api_module(module, try_login)


if __name__ == "__main__":
    main()
