# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter pve.audit.attribute: type check, one pure call, translated error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.pve.audit.plugins.module_utils._evidence.acts.act import join_acts
from ansible_collections.pve.audit.plugins.module_utils._evidence.acts.addresses import read_nodes, read_people
from ansible_collections.pve.audit.plugins.module_utils._model.act import Act
from ansible_collections.pve.audit.plugins.module_utils._model.event import require_events

DOCUMENTATION = r"""
name: attribute
short_description: Say who really did it, from where, and how sure that is
version_added: 0.1.0
author: pve.audit contributors (@pve-audit)
description:
  - Joins events of all sources to acts. A task, its call in C(access.log), the second line of a call that a node passed
    on to another one, and the lines of the journal are one act with several witnesses.
  - It never guesses. What two could have done is V(ambiguous), and both are named.
  - The rule, its limits, and how often it is right on recordings of a genuine cluster stand in C(docs/attribution.md).
  - Lines that only read, what loggers say of themselves, and lines that could not be read are no acts.
positional: nodes
options:
  _input:
    description: Events, made with P(pve.audit.events#filter); those of all nodes and of all sources together.
    type: list
    elements: dict
    required: true
  nodes:
    description:
      - All addresses of each node of the cluster, a map from the name of a node to an address or a list of addresses.
        An address of a node is never the address of a person.
      - If left out, the addresses are learned from calls that both nodes logged. What these cannot prove is V(likely)
        instead of V(certain).
    type: dict
  people:
    description:
      - Names of persons, a map from a user id such as V(alice@pve), from a Unix account such as V(alice@pam), or from
        the fingerprint of an SSH key such as V(SHA256:Dj9a...), which names who came in as root.
      - The account of a command behind sudo is its own name if left out. The name of an account is not used for its
        tokens, which programs hold; name the person of a token as V(alice@pve!laptop).
    type: dict
seealso:
  - plugin: pve.audit.events
    plugin_type: filter
  - plugin: pve.audit.windows
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show who destroyed guests, from where, and how sure that is
  ansible.builtin.debug:
    msg: >-
      {{ events | pve.audit.attribute(nodes={'pve1': '192.0.2.11', 'pve2': ['192.0.2.12', '2001:db8::12']})
         | selectattr('event.action', 'eq', 'guest.destroy') }}
"""

RETURN = r"""
_value:
  description: The acts, by time. What is not known is null.
  type: list
  elements: dict
  sample:
    - "@timestamp": "2026-11-23T17:52:31Z"
      event:
        id: "UPID:pve3:000006E4:12A0EB9C1:6B047D5F:qmdestroy:1818:root@pam:"
        action: guest.destroy
        outcome: success
      user: {id: root@pam, account: root@pam}
      person: tessa
      source: {ip: 10.99.77.39}
      host: {name: pve3}
      pve:
        upid: "UPID:pve3:000006E4:12A0EB9C1:6B047D5F:qmdestroy:1818:root@pam:"
        object: "1818"
        object_type: guest
        vmid: 1818
        severity: critical
        channel: cli_sudo
      attribution:
        confidence: certain
        candidates:
          - {user: tessa@pam, person: tessa, ip: 10.99.77.39, channel: cli_sudo}
        witnesses:
          - {node: pve3, file: journal, place: "s=321;i=4baf;b=03c", strength: strong}
  contains:
    event:
      description:
        - C(id) of the event that tells most, C(action) of the catalogue, C(outcome).
        - A login is C(access.login); C(access.login_or_renewal) where the browser may only have renewed its
          ticket, or the second factor was still to come.
      type: dict
      sample:
        id: "UPID:pve3:000006E4:12A0EB9C1:6B047D5F:qmdestroy:1818:root@pam:"
        action: guest.destroy
        outcome: success
    user:
      description: The user as Proxmox VE recorded it, C(id) with a token, C(account) without. It is V(root@pam) for all
        commands on a node; the candidates name who was behind it.
      type: dict
      sample: {id: root@pam, account: root@pam}
    person:
      description: The person, where one is known and the confidence is V(certain) or V(likely).
      type: str
      sample: tessa
    source:
      description: C(ip) is the client's address under the same condition, never that of a node.
      type: dict
      sample: {ip: 10.99.77.39}
    pve:
      description:
        - UPID, object and its type, guest, severity, and the way it was done.
        - The C(channel) is V(gui) (any call with a ticket), V(api_token), V(cli_sudo), V(cli_root), V(ssh_root), V(ha),
          V(scheduler), V(cluster_internal) or V(unknown).
      type: dict
      sample: {vmid: 1818, channel: cli_sudo}
    attribution:
      description:
        - The C(confidence) is V(certain) when the lines leave one candidate, V(likely) when there is one but a line
          that would prove it is missing, V(ambiguous) when there are several, and V(unknown) when no line tells.
        - C(candidates) are all who could have done it. C(witnesses) are the lines, each with its node, file, place
          (cursor, UPID or the id of its event) and strength, V(strong) when it names the act itself.
      type: dict
      sample: {confidence: certain, candidates: [{user: tessa@pam, person: tessa, ip: 10.99.77.39, channel: cli_sudo}]}
"""


def attribute(events: object, nodes: object = None, people: object = None) -> list[Act]:
    """See DOCUMENTATION. Raises AnsibleFilterError with one sentence."""
    try:
        return join_acts(require_events(events), read_nodes(nodes), read_people(people))
    except ValueError as error:
        raise AnsibleFilterError(f"pve.audit.attribute: {error}") from error


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name and function."""
        return {"attribute": attribute}
