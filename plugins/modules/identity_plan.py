#!/usr/bin/python
# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module pve.audit.identity_plan: wiring only; _identity/plan/build.py plans, _identity/guard/lockout.py guards."""

from __future__ import annotations

DOCUMENTATION = r"""
module: identity_plan
short_description: Plan the changes to declared users, groups, roles and tokens, and prove that nobody is locked out
version_added: 0.1.0
description:
  - Compares a declaration with what is on a Proxmox VE cluster, and returns the changes between them in a safe order.
    First comes all that adds, then second factors of realms, then all that takes away. It changes nothing itself.
  - A key that is left out of the declaration is left untouched on the object.
  - Then it plays the changes through, and fails when any state on the way would lock people out. At the end there must
    be two administrators who can log in, besides the break-glass account, at least one of them in a realm of type
    C(pam) or C(pve). The break-glass account must work. Whoever is asked for a second factor must have one. The
    credential in use must be good until after the last change.
  - As soon as the plan takes anything away, only people of the declaration count, C(root@pam), and the user who has
    logged in here with a password. The owner of a token in use counts only as one of the declared people. Any other
    account may belong to a program. At least one of the administrators who are left must not expire within 90 days.
  - An administrator has all privileges of the role C(Administrator) on V(/) and below it. Whoever has less on
    V(/access), or on the path of a group or realm below it, by C(NoAccess) or a lesser role on that path, does not
    count, nor does whoever has nothing on V(/nodes), V(/vms) or V(/storage). Entries on single guests, nodes and
    storages do not matter.
  - Nor does a name count that another account has in upper or lower case, in a realm that does not tell them apart, as
    Proxmox VE then lets neither in, nor one with letters beyond ASCII, with hidden characters, or of mixed scripts.
  - What Proxmox VE will refuse is a mistake of the declaration, before anything is changed, such as the form of an
    address, the length of a text, an unknown privilege, a missing realm, or a group named C(0).
  - The role C(pve.audit.named_users) makes the changes with M(pve.audit.role), M(pve.audit.group), M(pve.audit.user),
    M(pve.audit.acl), M(pve.audit.token) and M(pve.audit.realm).
extends_documentation_fragment:
  - pve.audit.api
  - pve.audit.api.attributes
options:
  declaration:
    description: Who shall exist, and with which permissions.
    type: dict
    required: true
    suboptions:
      realm:
        description: The realm of accounts that name none. V(pve) if left out.
        type: str
      people:
        description: Accounts of people. They have permissions through groups only.
        type: list
        elements: dict
        suboptions:
          id:
            description: Name without the realm.
            type: str
            required: true
          realm: &realm
            description: Realm of the account.
            type: str
          firstname:
            description: First name.
            type: str
          lastname:
            description: Last name.
            type: str
          email:
            description: E-mail address.
            type: str
          comment: &comment
            description: Comment.
            type: str
          expire: &expire
            description: When it ends, as V(never), a date (its last second in UTC) or epoch seconds.
            type: str
          groups: &groups
            description: The groups of the account, all of them.
            type: list
            elements: str
          state:
            description:
              - V(present) enables an account that is disabled. If left out, a new account is enabled, and one that
                exists stays as it is.
            type: str
            choices: [present, disabled, absent]
          password: &password
            description: Password of a new account. It is checked for its length and nowhere returned.
            type: str
          unix:
            description: Whether the person gets a Unix account on every node.
            type: bool
          ssh_keys:
            description: Keys of the Unix account; not looked at here.
            type: list
            elements: str
          sudo:
            description: Whether the Unix account may use sudo; not looked at here.
            type: bool
      groups:
        description: Groups and their permissions.
        type: list
        elements: dict
        suboptions:
          id:
            description: Name of the group.
            type: str
            required: true
          comment: *comment
          roles: &grants
            description: Permissions, all of them.
            type: list
            elements: dict
            suboptions:
              path:
                description:
                  - Path, such as V(/) or V(/vms/100).
                  - A well-formed path that is not known as one on which Proxmox VE grants anything is a warning, as
                    Proxmox VE may refuse it.
                type: str
                required: true
              role:
                description: Role that exists or is declared.
                type: str
                required: true
              propagate:
                description: Whether it holds below the path as well. V(true) if left out.
                type: bool
      roles:
        description: Roles of your own.
        type: list
        elements: dict
        suboptions:
          id:
            description: Name of the role.
            type: str
            required: true
          privs:
            description: Its privileges, all of them.
            type: list
            elements: str
      service_accounts:
        description: Accounts of programs. They log in with tokens and never count as people.
        type: list
        elements: dict
        suboptions:
          id:
            description: Name without the realm.
            type: str
            required: true
          realm: *realm
          comment: *comment
          expire: *expire
          groups: *groups
          roles: *grants
          tokens:
            description: Tokens of the account, all of them.
            type: list
            elements: dict
            suboptions:
              id:
                description: Name of the token.
                type: str
                required: true
              comment: *comment
              expire: *expire
              privsep:
                description: Privilege separation. A new token has it if left out.
                type: bool
              roles: *grants
      break_glass:
        description: The account for emergencies. It is enabled, never expires, and is Administrator on V(/).
        type: dict
        suboptions:
          id:
            description: Name without the realm.
            type: str
            required: true
          realm: *realm
          comment: *comment
          password: *password
          unix:
            description: Whether it gets a Unix account on every node.
            type: bool
      shared_accounts:
        description: User ids that are disabled for GUI and API, such as V(root@pam).
        type: list
        elements: str
      undeclared:
        description:
          - What happens to what is not declared. V(report) only names it. V(disable) disables users. V(remove) deletes
            users, tokens of declared accounts and of C(root@pam), permissions of declared objects, groups, and roles.
            A group or role that the declaration names anywhere is kept, and only reported.
          - Users, groups and roles are only touched when the declaration has people or service accounts, groups, and
            roles. C(root@pam) itself is never touched by this. V(report) if left out.
        type: str
        choices: [report, disable, remove]
      token_policy:
        description: What tokens must be like.
        type: dict
        suboptions:
          max_days:
            description: Longest life in days, 0 for any. V(365) if left out. A new token without C(expire) gets it.
            type: int
          privsep:
            description: Whether privilege separation is required. V(true) if left out.
            type: bool
      password_policy:
        description: What passwords of new accounts must be like.
        type: dict
        suboptions:
          min_length:
            description: Shortest length. V(12) if left out; Proxmox VE itself asks for 8.
            type: int
      tfa_realms:
        description: Realms that ask for a second factor, as name and V(oath), V(yubico) or V(none).
        type: dict
  nodes:
    description:
      - >-
        Unix accounts of the nodes, as V({"pve1": {"unix_users": {"alice": {"usable_password": true}}}}).
      - An account of the realm C(pam) counts only where this shows it with a usable password on every node given.
        Without this it does not count, even when it is new and gets a password, as Proxmox VE sets the password on one
        node only. C(root@pam) counts when nothing is given.
    type: dict
    default: {}
  directory_users:
    description:
      - User ids, such as V(carol@ldap), of people whom the directories behind realms are known to have. Proxmox VE
        cannot ask a directory for somebody, and keeps accounts of people whom it has lost.
      - When this is given, nobody else of a realm that is not of type C(pam) or C(pve) counts as an administrator. When
        it is empty, all declared people count but those who are new. A warning says so when it depends on them whether
        somebody can log in.
    type: list
    elements: str
    default: []
  root_locked:
    description:
      - Whether the Unix password of root will be locked after the changes. Then C(root@pam) cannot log in any more. It
        counts neither as an administrator nor as the break-glass account, and may not be the credential in use with
        its password.
    type: bool
    default: false
  fail_on_lockout:
    description: Fail when somebody would be locked out. With V(false) it is only returned.
    type: bool
    default: true
  min_hours_left:
    description:
      - Whoever expires within so many hours does not count as an administrator. The default is a week, so that there is
        time to notice.
    type: int
    default: 168
  break_glass_min_days:
    description: The break-glass account must not expire within so many days.
    type: int
    default: 90
notes:
  - Reading needs C(Sys.Audit) on C(/access). That is not enough to plan with, as the credential must have the
    privileges for the changes too.
  - Nothing is planned from a node without quorum. Whether it has one is seen with C(Sys.Audit) on V(/); with less, at
    least half of the nodes offline counts as none.
  - Nobody can see whether an account of the realm C(pve) that exists has a password. It is taken to have one.
seealso:
  - module: pve.audit.identity_info
"""

EXAMPLES = r"""
- name: Plan named administrators instead of root@pam
  pve.audit.identity_plan:
    declaration:
      people:
        - id: alice
          firstname: Alice
          lastname: Archer
          email: alice@lab.test
          groups: [admins]
          password: "{{ vault_alice }}"
        - id: bob
          groups: [admins]
          expire: 2027-06-30
          password: "{{ vault_bob }}"
      groups:
        - id: admins
          roles:
            - path: /
              role: Administrator
      break_glass:
        id: breakglass
        password: "{{ vault_breakglass }}"
      shared_accounts: [root@pam]
  register: plan

- name: Show what would be done
  ansible.builtin.debug:
    msg: "{{ plan.changes | map(attribute='sentence') }}"
"""

RETURN = r"""
changes:
  description: The changes, in the order in which they must be made.
  returned: success, and when somebody would be locked out
  type: list
  elements: dict
  sample:
    - phase: 3
      object: user
      id: alice@pve
      action: create
      options: {userid: alice@pve, state: present, enabled: true, groups: [admins]}
      sets_password: true
      sentence: Create the person alice@pve in the groups admins.
      control: PVA-IDN-03
  contains:
    control:
      description: The control of the role C(pve.audit.named_users) that the change belongs to.
      type: str
      returned: always
      sample: PVA-IDN-03
    phase:
      description: The step of the order, from 1 to 14.
      type: int
      returned: always
      sample: 3
    object:
      description: V(role), V(group), V(user), V(acl), V(token) or V(realm). The module of this name makes the change.
      type: str
      returned: always
      sample: user
    id:
      description: What is changed.
      type: str
      returned: always
      sample: alice@pve
    action:
      description: V(create), V(update), V(disable), V(delete), V(grant) or V(revoke).
      type: str
      returned: always
      sample: create
    options:
      description: Options for the module, without connection and secrets.
      type: dict
      returned: always
      sample: {userid: alice@pve, state: present, enabled: true, groups: [admins]}
    sets_password:
      description: Whether a password is declared for the new user.
      type: bool
      returned: when a user is created
      sample: true
    sentence:
      description: The change in words.
      type: str
      returned: always
      sample: Create the person alice@pve in the groups admins.
undeclared:
  description:
    - What exists and is not declared, each with C(object), C(id), C(sentence) and C(control).
    - Also what should be changed and cannot be. Proxmox VE can neither change nor delete a user whose name has letters
      beyond ASCII. The sentence says what to do, and the rest of the plan is made.
  returned: success, and when somebody would be locked out
  type: list
  elements: dict
  sample:
    - object: user
      id: dave@pve
      sentence: The user dave@pve is not declared, and disabled.
      control: PVA-IDN-03
lockouts:
  description: Who would be locked out, and by what. Empty when the plan is safe.
  returned: success, and when somebody would be locked out
  type: list
  elements: dict
  sample:
    - rule: administrators
      who: [root@pam]
      sentence: >-
        After change 9 (Disable the shared account root@pam) root@pam would be no administrator who can log in any more,
        and only alice@pve would be left; 2 are needed besides the break-glass account.
      change: 8
  contains:
    rule:
      description:
        - V(administrators), V(local-administrator), V(break-glass), V(second-factor), V(credential) or V(not-visible).
      type: str
      returned: always
      sample: administrators
    who:
      description: User ids, or the name of the credential.
      type: list
      elements: str
      returned: always
      sample: [root@pam]
    sentence:
      description: What would happen.
      type: str
      returned: always
      sample: "At the end the break-glass account breakglass@pve is disabled."
    change:
      description: Index in RV(changes) of the change that does it, or null.
      type: int
      returned: always
      sample: 8
administrators_before:
  description: Administrators who can log in now, without the break-glass account.
  returned: success
  type: list
  elements: str
  sample: [root@pam]
administrators_after:
  description:
    - Administrators who can log in after the changes, without the break-glass account. Whether an account of a realm of
      type C(pve) that was there before has a password is not shown by the API. When it depends on such accounts, and
      somebody else stops to be one, a warning names them.
  returned: success
  type: list
  elements: str
  sample: [alice@pve, bob@pve]
mistakes:
  description: Mistakes of the declaration, one sentence each, with the place.
  returned: failure of the declaration
  type: list
  elements: str
  sample: ["people[1].groups names the group ops, which neither exists nor is declared in groups"]
error_code:
  description:
    - V(lockout) when somebody would be locked out, V(input) for mistakes of the declaration, V(no_quorum) when the node
      that was asked has no quorum, so that what it says may be old, and otherwise as for M(pve.audit.tasks_info).
  returned: failure
  type: str
  sample: lockout
http_status:
  description: HTTP status of the refused request, or null.
  returned: failure of a request
  type: int
  sample: 401
"""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.pve.audit.plugins.module_utils._identity.access import directory_of
from ansible_collections.pve.audit.plugins.module_utils._identity.guard.lockout import administrators_of, find_lockouts
from ansible_collections.pve.audit.plugins.module_utils._identity.guard.people import (
    GuardContext,
    check_nodes,
    unknown_passwords,
    unproven,
)
from ansible_collections.pve.audit.plugins.module_utils._identity.plan.build import DeclarationError, plan_identity
from ansible_collections.pve.audit.plugins.module_utils._identity.plan.controls import control_of
from ansible_collections.pve.audit.plugins.module_utils._identity.plan.declaration import PERSON, SERVICE, Declaration
from ansible_collections.pve.audit.plugins.module_utils._module.identity_options import plan_options
from ansible_collections.pve.audit.plugins.module_utils._module.wiring import api_spec, run_api_module
from ansible_collections.pve.audit.plugins.module_utils._pve.identity import (
    own_privileges,
    read_identity,
    refuse_without_quorum,
)
from ansible_collections.pve.audit.plugins.module_utils._pve.session import Api


def context_of(params: dict[str, Any], wanted: Declaration, now: float) -> GuardContext:
    """What the guard must know of the options. Raises InputError for facts of another shape."""
    check_nodes(params["nodes"])
    token = params["api_token_id"]
    return GuardContext(
        user=params["api_user"],
        token=str(token).rpartition("!")[2] if token else None,
        now=now,
        break_glass=wanted.break_glass,
        services=wanted.of_kind(SERVICE),
        people=wanted.of_kind(PERSON),
        nodes=params["nodes"],
        root_locked=params["root_locked"],
        min_hours_left=params["min_hours_left"],
        break_glass_min_days=params["break_glass_min_days"],
        directory_users=frozenset(params["directory_users"]) or None,
    )


def plan(api: Api, params: dict[str, Any], now: float, warn: Callable[[str], None]) -> dict[str, Any]:
    """The module's result. Raises AuditError."""
    identity = read_identity(api)
    refuse_without_quorum(identity)
    changes, undeclared, wanted, warnings = plan_identity(identity, params["declaration"], now)
    for warning in warnings:
        warn(warning)
    changes = [{**item, "control": control_of(item, wanted)} for item in changes]
    # The cluster may call the account by other letters than the option does, where upper and lower case are the same.
    context = replace(context_of(params, wanted, now), user=api.user, own=own_privileges(api))
    before, after = administrators_of(identity, changes, context)
    if relied := unproven(directory_of(identity), after, context):
        warn(
            f"whether somebody can log in afterwards depends on {', '.join(relied)}, and nothing tells whether the "
            "directory behind the realm still has them: name those whom it has in directory_users"
        )
    if set(before) - set(after) and (relied := unknown_passwords(directory_of(identity), after, context)):
        warn(
            f"whether somebody can log in afterwards depends on {', '.join(relied)}, and Proxmox VE does not show who "
            "has a password: let each of them log in once before"
        )
    return {
        "changes": changes,
        "undeclared": [{**item, "control": control_of(item, wanted)} for item in undeclared],
        "lockouts": [lockout.as_dict() for lockout in find_lockouts(identity, changes, context)],
        "administrators_before": before,
        "administrators_after": after,
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec={**api_spec(), **plan_options()}, supports_check_mode=True)

    def call(api: Api, params: dict[str, Any]) -> dict[str, Any]:
        try:
            result = plan(api, params, time.time(), module.warn)
        except DeclarationError as error:
            module.fail_json(msg=str(error), error_code="input", mistakes=error.mistakes)
            raise
        if result["lockouts"] and params["fail_on_lockout"]:
            sentences = " ".join(lockout["sentence"] for lockout in result["lockouts"])
            module.fail_json(msg=f"Nothing was changed. {sentences}", error_code="lockout", **result)
        return result

    run_api_module(module, call)


if __name__ == "__main__":
    main()
