#!/usr/bin/python
# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module pve.audit.identity_info: wiring only; _pve/identity.py reads, _identity/rules/findings.py judges."""

from __future__ import annotations

DOCUMENTATION = r"""
module: identity_info
short_description: List users, groups, roles, permissions, realms and tokens, and what is wrong with them
version_added: 0.1.0
description:
  - Reads who there is on a Proxmox VE cluster and what they may do, and judges it by the rules below.
  - Every finding has an id that stays the same from run to run, a severity, the object, a sentence and a remedy.
  - What the credential may not see, and what no events cover, is in RV(not_checked). It is never called clean.
  - The rules are V(shared-account), V(concurrent-addresses), V(root-share), V(inactive-user), V(user-without-email),
    V(user-without-name), V(user-without-second-factor), V(expired-but-enabled), V(external-without-expiry),
    V(user-of-missing-realm), V(twin-by-case), V(disguised-name), V(unchangeable-account), V(direct-grant),
    V(too-many-administrators), V(hidden-administrator), V(acl-of-missing-object), V(member-of-missing-user),
    V(realm-without-second-factor), V(guest-of-leaver), V(token-without-expiry),
    V(token-without-privilege-separation), V(unused-token) and V(root-token).
extends_documentation_fragment:
  - pve.audit.api
  - pve.audit.api.attributes
options:
  policy:
    description: Limits and lists for the rules.
    type: dict
    default: {}
    suboptions:
      shared_patterns:
        description:
          - Regular expressions for names of shared accounts, such as V(admin), V(test), V(operator), V(support), V(noc)
            and V(it). They must match the whole name before the V(@), in upper or lower case.
          - If left out, a list of such names in common spellings is used.
        type: list
        elements: str
      concurrency_window:
        description:
          - An account was used from several addresses at once when one address was seen, then another, and then the
            first again within this time. V(10m) if left out.
        type: str
      cluster_addresses:
        description: Addresses of nodes and proxies, which are nobody's own. Those the cluster names are added.
        type: list
        elements: str
      root_share_percent:
        description: So many percent of the tasks may name C(root@pam) as their author. V(10) if left out.
        type: int
      root_share_min_actions:
        description: With fewer tasks than this their share says nothing. V(20) if left out.
        type: int
      inactive_days:
        description: Users and tokens that were not used for so many days are reported. V(90) if left out.
        type: int
      external_groups:
        description: Members of these groups are external.
        type: list
        elements: str
      external_realms:
        description: Users of these realms are external.
        type: list
        elements: str
      external_patterns:
        description: Regular expressions for whole user ids, such as V(ext-.*@pve).
        type: list
        elements: str
      external_email_domains:
        description: Users with e-mail addresses of these domains are external.
        type: list
        elements: str
      max_administrators:
        description:
          - So many accounts may do everything. Break-glass accounts do not count. V(5) if left out.
          - An administrator is who is enabled, not expired, and has all privileges of the role C(Administrator) on C(/)
            and below it. Who has not, but can get them without help, is reported as V(hidden-administrator).
        type: int
      service_accounts:
        description: User ids of which no name, address, login or second factor is expected.
        type: list
        elements: str
      break_glass:
        description: User ids of which no name, address or login is expected.
        type: list
        elements: str
      disabled_rules:
        description: Rules that are not to be run.
        type: list
        elements: str
      severities:
        description: Other severities, as rule and severity.
        type: dict
  events:
    description:
      - Events of tasks and access logs, made with P(pve.audit.events#filter). They tell who was active, from where, and
        who made which guest.
    type: list
    elements: dict
    default: []
  logins_since:
    description:
      - From this time on O(events) hold every login on every node. It is a date, a time, an epoch, or a duration back
        from now. Nothing is said about inactive users without it.
    type: str
  access_since:
    description:
      - From this time on O(events) hold every line of the access logs of every node. Nothing is said about unused
        tokens without it. It stands for O(logins_since) as well.
    type: str
  timezone:
    description: IANA name of the time zone for O(logins_since) and O(access_since) without an offset.
    type: str
    default: UTC
notes:
  - A read-only token with the role C(PVEAuditor) on C(/) is enough.
  - Names and comments are what people typed, and hostile until they are escaped.
seealso:
  - module: pve.audit.identity_plan
  - plugin: pve.audit.events
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Judge the accounts of the cluster
  pve.audit.identity_info:
    policy:
      external_email_domains: [contractor.example]
      service_accounts: [backup@pve]
  register: identity

- name: Show what is wrong
  ansible.builtin.debug:
    msg: "{{ identity.findings | map(attribute='sentence') }}"

- name: Read the tasks of the last four weeks
  pve.audit.tasks_info:
    since: 4w
  register: tasks

- name: Judge also who does what as root, and whose guests are left behind
  pve.audit.identity_info:
    events: "{{ tasks | pve.audit.events }}"
"""

RETURN = r"""
identity:
  description: What was read.
  returned: success
  type: dict
  sample:
    users:
      - userid: alice@pve
        enable: true
        expire: 0
        email: alice@lab.test
        firstname: Alice
        lastname: Archer
        comment: first admin
        groups: [admins, ops]
        tokens: [{tokenid: cli, privsep: false, expire: 0}]
        tfa: [totp]
        realm_type: pve
    groups: [{groupid: admins, comment: cluster admins, users: [alice@pve]}]
    roles: [{roleid: LogReader, privs: [Sys.Audit, Sys.Syslog], special: false}]
    acl: [{path: /, type: group, ugid: admins, roleid: Administrator, propagate: true}]
    realms: [{realm: pve, type: pve, default: false, tfa: null, tfa_visible: true}]
    coverage: {acl: {complete: true, reasons: []}}
  contains:
    users:
      description:
        - Users with their groups and tokens. C(expire) is in epoch seconds, 0 is never. C(tfa) lists the kinds of
          second factor and is null when it may not be seen. C(totp_locked) and C(tfa_locked_until) are there for users
          who are locked after wrong codes.
      type: list
      elements: dict
      returned: always
      sample: [{userid: bob@pve, enable: false, expire: 0, groups: [], tokens: [], tfa: null, realm_type: pve}]
    groups:
      description: Groups with their members.
      type: list
      elements: dict
      returned: always
      sample: [{groupid: ops, users: [alice@pve, bob@ldap]}]
    roles:
      description: Roles with their privileges; C(special) are those of Proxmox VE itself.
      type: list
      elements: dict
      returned: always
      sample: [{roleid: LogReader, privs: [Sys.Audit, Sys.Syslog], special: false}]
    acl:
      description: Permissions.
      type: list
      elements: dict
      returned: always
      sample: [{path: /vms/100, type: group, ugid: ops, roleid: PVEVMAdmin, propagate: false}]
    realms:
      description:
        - Realms, with the kind of second factor they ask for, or null. Those of type C(ad) and C(ldap) have
          C(case_sensitive), null when it may not be seen.
      type: list
      elements: dict
      returned: always
      sample:
        - realm: ldap
          type: ldap
          comment: corp directory
          default: false
          tfa: null
          tfa_visible: true
          case_sensitive: true
    coverage:
      description:
        - For C(users), C(groups), C(roles), C(acl), C(realms), C(tfa) and C(tokens), whether they were seen whole, and
          why not. Asked through a node without quorum, none of them is complete (code V(no_quorum)).
      type: dict
      returned: always
      sample:
        acl:
          complete: false
          reasons:
            - code: not_permitted
              message: "the credential has no Sys.Audit on /access: it does not see all permissions"
findings:
  description: What is wrong, worst first.
  returned: success
  type: list
  elements: dict
  sample:
    - id: root-token-0f3f5c2e9a11
      rule: root-token
      title: Token of root@pam
      severity: HIGH
      object: root@pam!ansible
      object_type: token
      sentence: The token root@pam!ansible belongs to root@pam and may do everything.
      remedy: Give the automation an account of its own with a token, and delete this one.
  contains:
    id:
      description: The same for the same rule and object in every run.
      type: str
      returned: always
      sample: root-token-0f3f5c2e9a11
    rule:
      description: The rule.
      type: str
      returned: always
      sample: root-token
    title:
      description: What such a finding is called.
      type: str
      returned: always
      sample: Token of root@pam
    severity:
      description: V(CRITICAL), V(HIGH), V(MEDIUM), V(LOW) or V(INFO).
      type: str
      returned: always
      sample: HIGH
    object:
      description: What it is about.
      type: str
      returned: always
      sample: root@pam!ansible
    object_type:
      description: V(user), V(token), V(group), V(acl), V(realm), V(guest) or V(cluster).
      type: str
      returned: always
      sample: token
    sentence:
      description: What is wrong.
      type: str
      returned: always
      sample: The token root@pam!ansible belongs to root@pam and may do everything.
    remedy:
      description: What to do about it.
      type: str
      returned: always
      sample: Give the automation an account of its own with a token, and delete this one.
not_checked:
  description: Rules that have no whole answer, and why. A rule may be here and have findings among what could be seen.
  returned: success
  type: list
  elements: dict
  sample:
    - rule: unused-token
      title: Token that nothing uses
      reason: the events given do not hold the access logs of the last 90 days
summary:
  description:
    - Counts. A number is null, unknown, when the credential does not see all that it counts, or when the answer may be
      old (RV(identity.coverage)).
    - C(administrators) are accounts that may do everything, C(hidden_administrators) those that can make themselves
      one. Whether an account has a password is not shown by the API, so that each may be one that nobody logs in to.
  returned: success
  type: dict
  sample:
    users: 11
    enabled_users: 10
    disabled_users: 1
    groups: 3
    roles: 19
    acl: 12
    realms: 3
    tokens: 12
    administrators: 2
    hidden_administrators: 1
    findings: 24
    by_severity: {CRITICAL: 0, HIGH: 3, MEDIUM: 12, LOW: 9, INFO: 0}
    not_checked: 5
    complete: true
administrators:
  description:
    - Active accounts that may do everything, and those that can give themselves that right, of what could be seen.
    - The accounts that the option O(pve.audit.anomalies#filter:administrators) of the rules means.
  returned: success
  type: list
  elements: str
  sample: [alice@pve, root@pam]
error_code:
  description: Kind of the failure, as for M(pve.audit.tasks_info).
  returned: failure
  type: str
  sample: authentication
http_status:
  description: HTTP status of the refused request, or null.
  returned: failure of a request
  type: int
  sample: 401
"""

import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.pve.audit.plugins.module_utils._identity.activity import Activity
from ansible_collections.pve.audit.plugins.module_utils._identity.rules.findings import find_identity_findings
from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._model.event import require_events
from ansible_collections.pve.audit.plugins.module_utils._model.time import parse_instant, zone
from ansible_collections.pve.audit.plugins.module_utils._module.identity_options import info_options
from ansible_collections.pve.audit.plugins.module_utils._module.wiring import api_spec, run_api_module
from ansible_collections.pve.audit.plugins.module_utils._pve.identity import read_cluster_addresses, read_identity
from ansible_collections.pve.audit.plugins.module_utils._pve.session import Api


def _since(params: dict[str, Any], option: str, now: float) -> float | None:
    """What events are said to be whole from then on: of two meanings of a time the later, which claims less."""
    try:
        tz = zone(params["timezone"])
        return None if params[option] is None else parse_instant(params[option], now=now, tz=tz, latest=True)
    except InputError as error:
        raise InputError(f"{option}: {error}") from None


def assess_identity(api: Api, params: dict[str, Any], now: float) -> dict[str, Any]:
    """The module's result. Raises AuditError."""
    events = require_events(params["events"])
    logins, access = (_since(params, option, now) for option in ("logins_since", "access_since"))
    identity = read_identity(api)
    addresses = read_cluster_addresses(api) if events else None
    activity = Activity(events, logins, access, None if addresses is None else frozenset(addresses))
    found = find_identity_findings(identity, now, params["policy"], activity)
    return {"identity": identity, **found._asdict()}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec={**api_spec(), **info_options()}, supports_check_mode=True)
    run_api_module(module, lambda session, params: assess_identity(session, params, time.time()))


if __name__ == "__main__":
    main()
