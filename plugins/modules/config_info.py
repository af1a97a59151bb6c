#!/usr/bin/python
# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module pve.audit.config_info: wiring only, the work is done in module_utils/_pve/config.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: config_info
short_description: Take a snapshot of the configuration of a Proxmox VE cluster
version_added: 0.2.0
description:
  - Reads users, rights, storage, firewall, jobs, guests and the rest of the configuration through the API, and gives it
    in one canonical form, so that two snapshots can be compared by P(pve.audit.config_changes#filter).
  - Most changes of the configuration leave no task. Where the ledger (control C(PVA-LOG-09)) is not installed, two
    snapshots show what is different, though not what was changed back in between, by whom, or when.
  - Secrets are not in it. A value that is a secret by its name or form is V((hidden\)), which shows that there is one.
    What somebody wrote into a description in a form of its own cannot be known for a secret.
  - What the credential may not see, or a node did not answer, is told in RV(snapshot.coverage), and never empty.
extends_documentation_fragment:
  - pve.audit.api
  - pve.audit.api.attributes
options:
  areas:
    description:
      - The parts to read; all if left out. V(guest_configs) and V(guest_firewall) read V(guests) as well.
      - V(guests) is where each guest is. V(roles) are those that somebody made.
    type: list
    elements: str
    choices:
      - users
      - tokens
      - tfa
      - groups
      - roles
      - acl
      - realms
      - pools
      - storage
      - options
      - backup_jobs
      - realm_sync_jobs
      - ha_resources
      - ha_rules
      - ha_groups
      - replication
      - sdn_zones
      - sdn_vnets
      - sdn_subnets
      - sdn_controllers
      - sdn_ipams
      - sdn_dns
      - sdn_fabrics
      - mappings_pci
      - mappings_usb
      - mappings_dir
      - notification_endpoints
      - notification_matchers
      - metric_servers
      - cpu_models
      - firewall
      - vnet_firewall
      - guests
      - nodes
      - node_configs
      - node_firewall
      - guest_configs
      - guest_firewall
    default: []
  guests:
    description:
      - Read the configuration and the firewall of each guest. That takes a request for the one and at least four for
        the other, for each guest. With V(false) they are left out.
    type: bool
    default: true
notes:
  - A token with the role C(PVEAuditor) on C(/) sees everything but what only administrators may, which the coverage
    names.
  - Use a token. Ansible hides the password of a connection wherever it stands in a result, so that a password which is
    also a word of the configuration would spoil the digests.
  - The snapshot is not of one moment. It was begun at RV(snapshot.from), and finished at RV(snapshot.until).
seealso:
  - plugin: pve.audit.config_changes
    plugin_type: filter
  - module: pve.audit.identity_info
"""

EXAMPLES = r"""
- name: Take a snapshot
  pve.audit.config_info:
  register: config

- name: Keep it
  ansible.builtin.copy:
    content: "{{ config.snapshot | to_nice_json }}"
    dest: "/var/lib/pve-audit/config-{{ config.snapshot.from }}.json"
    mode: "0600"

- name: Who may do what, which takes some requests only
  pve.audit.config_info:
    areas: [users, tokens, tfa, groups, roles, acl, realms]
  register: rights
"""

RETURN = r"""
snapshot:
  description: The configuration.
  returned: success
  type: dict
  sample:
    format: 1
    from: "2026-11-27T06:00:00Z"
    until: "2026-11-27T06:00:04Z"
    version: 9.2.11
    cluster: lab
    areas:
      acl: {"/": {"@admins Administrator": propagate}}
      users: {"alice@pve": {enable: "1", expire: "0"}}
    digests:
      acl: 3fe3c4c1d9e1a0c14c1f2b6f6a1a3f9f7c5c0e8c0d8d1d6c9a1b7d9f0e2a4b6c
      users: 9a4b6c3fe3c4c1d9e1a0c14c1f2b6f6a1a3f9f7c5c0e8c0d8d1d6c9a1b7d9f0e
    coverage:
      - {area: users, node: null, seen: true, complete: true, unread: [], reasons: []}
      - {area: acl, node: null, seen: true, complete: true, unread: [], reasons: []}
  contains:
    format:
      description: The form of the snapshot.
      type: int
      returned: always
      sample: 1
    from:
      description: When it was begun.
      type: str
      returned: always
      sample: "2026-11-27T06:00:00Z"
    until:
      description: When it was finished.
      type: str
      returned: always
      sample: "2026-11-27T06:00:04Z"
    version:
      description: The version of Proxmox VE of the node that answered.
      type: str
      returned: always
      sample: 9.2.11
    cluster:
      description: The name of the cluster; null for a single node, or when it may not be seen.
      type: str
      returned: always
      sample: lab
    areas:
      description:
        - For each area that was seen its objects, and for each object its keys and values, all of them texts.
        - Long values are there by their beginning and a sum.
      type: dict
      returned: always
      sample: {acl: {"/": {"@admins Administrator": propagate}}}
    digests:
      description: The SHA-256 of each area.
      type: dict
      returned: always
      sample: {acl: 3fe3c4c1d9e1a0c14c1f2b6f6a1a3f9f7c5c0e8c0d8d1d6c9a1b7d9f0e2a4b6c}
    coverage:
      description:
        - What was seen of each area, and of what lies on each node.
        - C(seen) is false when nothing is known. C(unread) are objects that are there, and whose content was not seen.
        - C(reasons) each have a C(code) and a C(message). V(not_permitted), V(node_unreachable), V(timed_out),
          V(unreachable), V(server_error), V(not_an_api) and V(no_quorum) tell why it is not complete; V(not_offered)
          means that this version of Proxmox VE has no such area.
      type: list
      elements: dict
      returned: always
      sample:
        - area: node_firewall
          node: pve3
          seen: true
          complete: false
          unread: [node/pve3]
          reasons:
            - code: node_unreachable
              message: the node cannot be reached by pve1 (595 No route to host)
complete:
  description: Whether all areas that were asked for were seen whole.
  returned: success
  type: bool
  sample: true
error_code:
  description:
    - Kind of the failure, V(input), V(authentication), V(not_permitted), V(certificate), V(unreachable),
      V(timed_out), V(not_an_api) or V(server_error).
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

from ansible_collections.pve.audit.plugins.module_utils._module.wiring import api_spec, run_api_module
from ansible_collections.pve.audit.plugins.module_utils._pve.config import OPTIONS, read_config
from ansible_collections.pve.audit.plugins.module_utils._pve.session import Session


def take_snapshot(session: Session, params: dict[str, Any]) -> dict[str, Any]:
    """The module's result. Raises AuditError."""
    return read_config(session, params, time.time)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec={**api_spec(), **OPTIONS}, supports_check_mode=True)
    run_api_module(module, take_snapshot)


if __name__ == "__main__":
    main()
