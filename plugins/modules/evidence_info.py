#!/usr/bin/python
# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module pve.audit.evidence_info: wiring only, the work is done in module_utils/_places and _evidence/question."""

from __future__ import annotations

DOCUMENTATION = r"""
module: evidence_info
short_description: Who did what, from where, how sure that is, and what is missing
version_added: 0.2.0
description:
  - Reads tasks, access logs and journals from where you have them, joins what they saw into acts, and says of each act
    who did it, from where, how sure that is, and which lines say so. It changes nothing.
  - It never guesses. What two could have done is V(ambiguous), and both are named. The rule stands in
    C(docs/attribution.md).
  - Each answer says for each node and source what was seen (RV(coverage)), what one source has and another lacks
    (RV(gaps)), and what was not looked at.
  - Of large access logs only the lines that can decide something are parsed, so that a log of any size takes little
    memory.
extends_documentation_fragment:
  - pve.audit.api
  - pve.audit.api.attributes
options:
  from:
    description:
      - Where the evidence is.
      - With V(copy), O(path) is a folder with a folder for each node, which holds C(access.log) with its rotated files,
        C(journal.json) (of C(journalctl -o json)) or C(syslog) and C(auth.log), and C(tasks/), or a tree C(var/log) as
        on the node. This is for a look at saved logs without a cluster.
      - With V(archive), O(path) is the archive of a collector, on the host where the module runs.
      - With V(nodes), the module reads the logs of the node on which it runs, as root. The playbook
        C(pve.audit.who) runs it on each node and joins the answers.
      - With V(api), tasks and journals are read through the API. There is no access log there, so addresses are
        missing. The journals need the privilege C(Sys.Syslog).
    type: str
    choices: [archive, nodes, copy, api]
    required: true
  path:
    description: The folder of the copy or of the archive. With V(from=nodes), the root of the node.
    type: path
  nodes:
    description:
      - All addresses of each node of the cluster, a map from the name of a node to an address or a list of addresses.
        An address of a node is never the address of a person.
      - If left out, they are learned from calls that two nodes logged, and what these cannot prove is V(likely).
    type: dict
    default: {}
  people:
    description: Names of persons, a map from a user id such as V(alice@pve), or a Unix account such as V(alice@pam).
    type: dict
    default: {}
  since:
    description: Start of the interval, a duration back from now such as V(7d), a date, a time, or an epoch.
    type: str
  until:
    description: End of the interval, in the same forms.
    type: str
  timezone:
    description: The time zone of times without an offset, in the options and in lines of syslog.
    type: str
    default: UTC
  account:
    description: Only what this account, one of its tokens, or this token (V(alice@pve!laptop)) did or may have done.
    type: str
    aliases: [user]
  person:
    description: Only what this person did or may have done. An account of this name counts as well.
    type: str
  vmid:
    description: Only what was done to this guest.
    type: int
    aliases: [guest]
  object:
    description: Only what was done to this object, by its name or by a path such as V(/access/users/alice@pve).
    type: str
  address:
    description: Only what came or may have come from this address.
    type: str
    aliases: [ip]
  actions:
    description: Only these actions of the catalogue, or all below one, as V(guest.destroy) or V(access).
    type: list
    elements: str
    default: []
    aliases: [action]
  severities:
    description: Only acts of these severities.
    type: list
    elements: str
    choices: [critical, high, medium, low, info]
    default: []
    aliases: [severity]
  query:
    description:
      - A JMESPath expression over the result, which has the keys RV(acts), RV(coverage) and RV(gaps). Its answer is
        returned as RV(query_result), and RV(acts) is left out.
      - Needs jmespath where the module runs.
    type: str
  as:
    description:
      - V(found) returns what was found and not yet joined, as RV(found), for P(pve.audit.evidence#filter), which
        joins the answers of several nodes. Only O(since), O(until) and O(timezone) count then.
    type: str
    choices: [acts, found]
    default: acts
  api_host:
    description: Any node of the cluster; needed with V(from=api). Falls back to the environment variable
      E(PROXMOX_HOST).
    type: str
    required: false
  api_user:
    description: The account with its realm; needed with V(from=api). Falls back to the environment variable
      E(PROXMOX_USER).
    type: str
    required: false
notes:
  - proxmoxer and requests are needed with V(from=api) alone.
seealso:
  - plugin: pve.audit.attribute
    plugin_type: filter
  - module: pve.audit.tasks_info
"""

EXAMPLES = r"""
- name: Who destroyed guest 110, by saved logs
  pve.audit.evidence_info:
    from: copy
    path: /srv/case-17/nodes
    nodes: {pve1: 192.0.2.11, pve2: [192.0.2.12, "2001:db8::12"]}
    vmid: 110
    actions: [guest.destroy]
  register: answer

- name: What dario did in the last month, by the archive, on the collector
  pve.audit.evidence_info:
    from: archive
    path: /srv/pve-audit/archive
    account: dario@pve
    since: 30d
  delegate_to: collector

- name: The last day through the API
  pve.audit.evidence_info:
    from: api
    since: 1d
    query: "acts[?event.action=='guest.destroy'].{when: \"@timestamp\", who: user.id, guest: pve.vmid}"
"""

RETURN = r"""
acts:
  description:
    - The acts that were asked for, by time. What is not known is null.
    - All keys are those of P(pve.audit.attribute#filter). A witness also has the C(line) itself, without secrets, the
      C(file) and C(place) where it stands, and C(loginuid), where the journal has the login uid of who wrote it.
  returned: success, without O(query)
  type: list
  elements: dict
  sample:
    - "@timestamp": "2026-11-23T17:40:33Z"
      event: {id: "UPID:pve1:000005D0:0007AF88:6B047A91:qmdestroy:501:dario@pve:", action: guest.destroy,
        outcome: success}
      user: {id: dario@pve, account: dario@pve}
      person: null
      source: {ip: 10.99.77.27}
      host: {name: pve1}
      pve: {upid: "UPID:pve1:000005D0:0007AF88:6B047A91:qmdestroy:501:dario@pve:", object: "501", object_type: guest,
        vmid: 501, severity: critical, channel: gui}
      attribution:
        confidence: certain
        candidates:
          - {user: dario@pve, person: null, ip: 10.99.77.27, channel: gui}
        witnesses:
          - {node: pve1, file: pve1/access.log, place: line 97, strength: strong, line: '10.99.77.27 - dario@pve ...'}
coverage:
  description: For each node and source what was seen, as M(pve.audit.tasks_info) has it.
  returned: success
  type: list
  elements: dict
  sample:
    - node: pve1
      source: pve.access
      complete: false
      from: "2026-11-23T17:39:20Z"
      until: "2026-11-23T17:41:51Z"
      oldest: "2026-11-23T17:39:20Z"
      records: 205
      reasons:
        - {code: begins_late, message: "access.log of pve1 begins at 2026-11-23T17:39:20Z only"}
complete:
  description: Whether no row of coverage has a reason for doubt. It says nothing of sources in RV(not_looked_at).
  returned: success
  type: bool
  sample: false
gaps:
  description:
    - What one source has and another should have and lacks, lines that loggers say they lost, and silences.
    - The C(code) is V(task_removed), V(task_without_end), V(text_missing), V(start_not_logged), V(call_missing),
      V(silent), V(clock_back), V(clock_differs), V(ledger_differs), V(ledger_incomplete),
      V(ledger_unseen), or the action of the catalogue that a logger told of.
  returned: success
  type: list
  elements: dict
  sample:
    - code: task_removed
      node: pve1
      message: 1 task of pve1 ended and are not in the task index
      from: "2026-11-23T17:40:33Z"
      until: "2026-11-23T17:40:33Z"
      sources: [journal (end), tasks/index]
      upids: ["UPID:pve1:000005D0:0007AF88:6B047A91:qmdestroy:501:dario@pve:"]
agreements:
  description: For each node the interval in which two independent sources have the same tasks, and which these are.
  returned: success
  type: list
  elements: dict
  sample:
    - {node: pve1, from: "2026-11-23T17:39:21Z", until: "2026-11-23T17:41:24Z",
      sources: [journal (start), tasks/index], records: 13}
not_looked_at:
  description: For each node the sources that nobody looked at, and what only they would show.
  returned: success
  type: list
  elements: dict
  sample:
    - {node: pve1, source: pve.config, shows: what the configuration in /etc/pve was before and after a change}
since:
  description: Start of the interval, or null.
  returned: success
  type: str
  sample: "2026-11-16T17:46:10Z"
until:
  description: End of the interval, or null.
  returned: success
  type: str
  sample: "2026-11-23T17:46:10Z"
found:
  description: What was found, for P(pve.audit.evidence#filter).
  returned: with O(as=found)
  type: dict
  sample: {events: [], coverage: [], places: {}, records: [], holes: []}
query_result:
  description: The answer of O(query).
  returned: when O(query) is given
  type: raw
  sample: []
error_code:
  description: Kind of the failure, V(input) or one of those of M(pve.audit.tasks_info).
  returned: failure
  type: str
  sample: input
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.pve.audit.plugins.module_utils._module.evidence import OPTIONS, REQUIRED_IF, answer_question


def main() -> None:
    """Run the module."""
    answer_question(AnsibleModule(argument_spec=OPTIONS, required_if=REQUIRED_IF, supports_check_mode=True))


if __name__ == "__main__":
    main()
