# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation shared by all modules that talk to the API."""

from __future__ import annotations


class ModuleDocFragment:
    """The connection options, and the attributes of reading and of changing API modules."""

    DOCUMENTATION = r"""
options:
  api_host:
    description:
      - Host name or address of any node of the cluster, without C(https://) and path.
      - Falls back to the environment variable E(PROXMOX_HOST).
    type: str
    required: true
  api_port:
    description:
      - Port of the API.
      - Falls back to the environment variable E(PROXMOX_PORT).
    type: int
    default: 8006
  api_user:
    description:
      - The account with its realm, for example V(audit@pve).
      - Falls back to the environment variable E(PROXMOX_USER).
    type: str
    required: true
  api_password:
    description:
      - Password of the account. An API token is better, see O(api_token_id).
      - An account with a second factor cannot log in with a password here.
      - Falls back to the environment variable E(PROXMOX_PASSWORD).
    type: str
  api_token_id:
    description:
      - Name of the API token, for example V(report). The full form V(audit@pve!report) is accepted too.
      - Falls back to the environment variable E(PROXMOX_TOKEN_ID).
    type: str
  api_token_secret:
    description:
      - Secret of the API token. It is never logged.
      - Falls back to the environment variable E(PROXMOX_TOKEN_SECRET).
    type: str
  validate_certs:
    description:
      - Whether the server's certificate must be valid.
      - V(false) lets anybody on the way read the token; set O(ca_path) instead.
      - Falls back to the environment variable E(PROXMOX_VALIDATE_CERTS).
    type: bool
    default: true
  ca_path:
    description:
      - File with the CA that signed the server's certificate; on a node this is C(/etc/pve/pve-root-ca.pem).
      - Falls back to the environment variable E(PROXMOX_CA_PATH).
    type: path
  request_timeout:
    description: Seconds to wait for the answer to one request.
    type: int
    default: 15
  total_timeout:
    description:
      - Seconds for all requests together. Nodes that have not answered by then are reported as V(timed_out).
    type: int
    default: 300
  concurrency:
    description: How many requests run at the same time.
    type: int
    default: 8
requirements:
  - python >= 3.11
  - proxmoxer >= 2.0
  - requests
author:
  - pve.audit contributors (@pve-audit)
"""

    ATTRIBUTES = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying target.
    support: full
    details:
      - This module never changes anything, so check mode gives the same answer.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff
      mode.
    support: N/A
    details:
      - This module never changes anything.
  action_group:
    description: Use C(group/pve.audit.api) in C(module_defaults) to set the connection options for all API modules at
      once.
    support: full
    membership:
      - pve.audit.api
"""

    CHANGES = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying target.
    support: full
    details:
      - Other objects that are named, such as a group that an earlier task would have made, are not looked up, so that a
        whole play can be tried. Proxmox VE refuses them when it is really written.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff
      mode.
    support: full
    details:
      - Only what changes is shown. Secrets are mentioned, never shown.
  action_group:
    description: Use C(group/pve.audit.api) in C(module_defaults) to set the connection options for all API modules at
      once.
    support: full
    membership:
      - pve.audit.api
"""
