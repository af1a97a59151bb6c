#!/usr/bin/python
# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module pve.audit.tasks_info: wiring only, the work is done in module_utils/_pve/tasks.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: tasks_info
short_description: List the tasks of all nodes of a Proxmox VE cluster, completely
version_added: 0.1.0
description:
  - Reads the whole task log of every node, not the first 50 records, and says for each node how complete that is.
  - A node keeps only about the last 500 to 2,000 finished tasks. What is older is gone, and this module says so.
  - A task log proves only what it holds. Where it begins after O(since), is empty, or lacks what the cluster knows from
    elsewhere, the answer is not complete, whether the node is new, was quiet, or somebody removed records.
  - Tasks that B(ran) in the interval are returned, also those that started before it.
  - Reboots, user and permission changes, firewall rules and most other changes are not tasks. An empty list does not
    mean that none of those happened.
extends_documentation_fragment:
  - pve.audit.api
  - pve.audit.api.attributes
options:
  nodes:
    description: Names of the nodes to ask; all nodes of the cluster if left out.
    type: list
    elements: str
    default: []
  types:
    description: Task types to return, for example V(qmdestroy) and V(vzdestroy); all if left out.
    type: list
    elements: str
    default: []
  users:
    description:
      - Accounts to return, each as V(alice@pve) (with all tokens of the account), V(alice@pve!ci) (only this token), or
        V(alice) (in any realm).
      - Upper and lower case are different, as in Proxmox VE.
    type: list
    elements: str
    default: []
  vmid:
    description:
      - Return only tasks of this guest, also those that name it as V(vm:100) or V(100@local).
      - A backup job over several guests is one task without a guest, so it is not found this way.
    type: int
  statuses:
    description:
      - Return only tasks in these states. V(ok) and V(warning) succeeded; V(unknown) ended, but nobody knows how.
    type: list
    elements: str
    choices: [ok, warning, error, unknown, running]
    default: []
  since:
    description:
      - Start of the interval, as a duration back from now (V(7d), V(36h), V(2w)), a date (V(2026-11-01), its first
        second), a time (V(2026-11-01T08:00:00Z)) or an epoch.
      - A time that the clocks of O(timezone) show twice, or never, is read so that the interval is longer, with a
        warning.
      - Everything that is still there if left out. RV(coverage[].from) then says how far back that is, and
        RV(coverage[].complete) says of the time before only whether something shows that there was more.
    type: str
  until:
    description: End of the interval, written like O(since); now if left out.
    type: str
  timezone:
    description: IANA name of the time zone for dates and times without an offset in O(since) and O(until).
    type: str
    default: UTC
  running:
    description: V(true) returns only running tasks, V(false) only finished ones; both if left out.
    type: bool
  query:
    description:
      - A JMESPath expression over the result, which has the keys RV(tasks) and RV(coverage). Its answer is returned as
        RV(query_result), and RV(tasks) is left out, so that only a small answer travels through Ansible.
      - An expression that finds nothing on the whole result is tried on the list of tasks, so V([].upid) works as well.
    type: str
  strict:
    description:
      - Fail when the answer is not complete. The sentence names every node and the reason.
      - Fail also when one of O(types) or O(users) is likely to be misspelt, because nobody knows it and another one is
        written much alike. Without O(strict) that is a warning.
      - Needs O(since), unless only running tasks are asked for.
    type: bool
    default: false
  accept:
    description:
      - Reasons that do not make O(strict) fail, because you know why. They stay in RV(coverage).
      - V(begins_late) for nodes that are new, V(gap) for nodes that were off, or where C(pve-daily-update.timer)
        is, V(ring_turned) for busy nodes.
    type: list
    elements: str
    choices: [begins_late, gap, ring_turned]
    default: []
  known_oldest:
    description:
      - What an earlier answer had in RV(coverage[].oldest), by the name of the node.
      - When the task log of a node begins later now although it has never been full, records were removed, and the
        answer is not complete. A node without an entry, and one that is not asked, is not judged by this.
    type: dict
    default: {}
requirements:
  - jmespath, for O(query)
notes:
  - A read-only token with the privilege C(Sys.Audit) on C(/nodes) (role C(PVEAuditor) on C(/)) is enough. Without it,
    Proxmox VE shows only the token's own tasks; the module then reports RV(coverage) as V(not_permitted).
  - The rare record whose id holds a colon or a blank stands in the node's file, and Proxmox VE does not show it. The
    filter P(pve.audit.events#filter) reads it from the file.
seealso:
  - module: pve.audit.task_log_info
  - plugin: pve.audit.events
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Who destroyed which guest in the last 7 days
  pve.audit.tasks_info:
    since: 7d
    types: [qmdestroy, vzdestroy]
  register: destroyed

- name: The same as a small table, and fail when it cannot be complete
  pve.audit.tasks_info:
    since: 7d
    types: [qmdestroy, vzdestroy]
    strict: true
    query: "tasks[].{guest: id, who: user, token: tokenid, node: node, start: starttime, status: status}"
  register: table

- name: The same every week, with new nodes, and held against the answer of last week
  pve.audit.tasks_info:
    since: 7d
    strict: true
    accept: [begins_late]
    known_oldest: "{{ last_week.coverage | items2dict(key_name='node', value_name='oldest') }}"

- name: What runs right now
  pve.audit.tasks_info:
    running: true

- name: Everything that alice or one of her tokens did to guest 100 on two nodes in November
  pve.audit.tasks_info:
    nodes: [pve1, pve2]
    users: [alice@pve]
    vmid: 100
    since: 2026-11-01
    until: 2026-12-01
    timezone: Europe/Berlin
"""

RETURN = r"""
tasks:
  description: The tasks, newest start first, each UPID once. Left out when O(query) is given.
  returned: success, without O(query)
  type: list
  elements: dict
  sample:
    - upid: "UPID:pve1:000005E3:0007C336:6B047AC4:qmdestroy:510:dario@pve:"
      node: pve1
      pid: 1507
      pstart: 508726
      starttime: 1795455684
      endtime: 1795455684
      type: qmdestroy
      id: "510"
      user: dario@pve
      tokenid: null
      status: OK
      state: ok
  contains:
    upid:
      description: The unique task id.
      type: str
      returned: always
      sample: "UPID:pve1:000005E3:0007C336:6B047AC4:qmdestroy:510:dario@pve:"
    node:
      description: The node on which the task ran.
      type: str
      returned: always
      sample: pve1
    pid:
      description: Process id of the worker.
      type: int
      returned: always
      sample: 1507
    pstart:
      description: Start of the process in clock ticks since boot.
      type: int
      returned: always
      sample: 508726
    starttime:
      description: Start as epoch seconds.
      type: int
      returned: always
      sample: 1795455684
    endtime:
      description: End as epoch seconds.
      type: int
      returned: when the task has ended
      sample: 1795455684
    type:
      description: Task type.
      type: str
      returned: always
      sample: qmdestroy
    id:
      description: What the task worked on, mostly the number of a guest; may be empty.
      type: str
      returned: always
      sample: "510"
    user:
      description: The account, without the token.
      type: str
      returned: always
      sample: dario@pve
    tokenid:
      description: Name of the API token, or null.
      type: str
      returned: always
      sample: terraform
    status:
      description: Final status as Proxmox VE has it; V(RUNNING) while the task runs.
      type: str
      returned: when the node recorded one
      sample: OK
    state:
      description: The status in one word.
      type: str
      returned: always
      sample: ok
query_result:
  description: The answer of O(query).
  returned: when O(query) is given
  type: raw
  sample: ["UPID:pve1:000005E3:0007C336:6B047AC4:qmdestroy:510:dario@pve:"]
coverage:
  description: For each node, what was really seen.
  returned: success
  type: list
  elements: dict
  sample:
    - node: pve2
      source: pve.task
      complete: false
      from: "2026-11-20T04:11:09Z"
      until: "2026-11-23T17:46:10Z"
      oldest: "2026-11-20T04:11:09Z"
      records: 1304
      reasons:
        - code: ring_turned
          message: the task log of pve2 reaches back to 2026-11-20T04:11:09Z only, older records are overwritten
  contains:
    node:
      description: Name of the node.
      type: str
      returned: always
      sample: pve2
    source:
      description: What was read; always V(pve.task) here.
      type: str
      returned: always
      sample: pve.task
    complete:
      description: Whether everything that ran in the interval was seen.
      type: bool
      returned: always
      sample: false
    from:
      description:
        - Start of the interval that was seen, O(since) or the end of the oldest task that the node still knows. Null
          means that nothing can be relied on, or, with O(running), that it does not matter.
      type: str
      returned: always
      sample: "2026-11-20T04:11:09Z"
    until:
      description: End of the interval that was seen, or null.
      type: str
      returned: always
      sample: "2026-11-23T17:46:10Z"
    oldest:
      description: End of the oldest finished task that the node still knows, or null.
      type: str
      returned: always
      sample: "2026-11-20T04:11:09Z"
    records:
      description: Number of task records the node showed, before filtering.
      type: int
      returned: always
      sample: 1304
    damaged:
      description: Number of these records that cannot be read, or not whole. The report counts them too.
      type: int
      returned: when there are some
      sample: 2
    reasons:
      description:
        - Why it is not complete, empty when it is. Each has a C(code) and a C(message), a sentence.
        - V(begins_late) is a task log that begins after O(since) and was never full. V(ring_turned) is one that was, so
          that older records are overwritten. V(empty) is one without any finished task.
        - V(records_missing) means that it lacks tasks which C(/cluster/tasks) lists, or what O(known_oldest) knew.
        - V(gap) means that a node recorded nothing for more than 30 hours, although each day in which it runs has a
          task C(aptupdate). It was off, or records were removed.
        - V(future) means that O(until) has not come yet.
        - V(not_permitted), V(node_unreachable), V(timed_out), V(unreachable) and V(server_error) tell why there is no
          answer, V(corrupt_records) that some records are damaged.
      type: list
      elements: dict
      returned: always
      sample:
        - code: node_unreachable
          message: the node cannot be reached by pve1 (595 No route to host)
complete:
  description:
    - Whether every node that was asked was seen whole. It does not depend on O(accept).
  returned: success
  type: bool
  sample: false
since:
  description: Start of the interval, or null for everything that is still there.
  returned: success
  type: str
  sample: "2026-11-16T17:46:10Z"
until:
  description: End of the interval.
  returned: success
  type: str
  sample: "2026-11-23T17:46:10Z"
error_code:
  description:
    - Kind of the failure, V(input), V(incomplete), V(authentication), V(not_permitted), V(certificate),
      V(unreachable), V(timed_out), V(not_an_api) or V(server_error).
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

from ansible_collections.pve.audit.plugins.module_utils._classify.tasks import LEGACY_TASK_ACTIONS, TASK_ACTIONS
from ansible_collections.pve.audit.plugins.module_utils._module.wiring import api_spec, run_api_module
from ansible_collections.pve.audit.plugins.module_utils._pve.session import Session
from ansible_collections.pve.audit.plugins.module_utils._pve.tasks_query import OPTIONS, query_tasks


def list_tasks(session: Session, params: dict[str, Any]) -> dict[str, Any]:
    """The module's result. Raises AuditError."""
    return query_tasks(session, params, time.time, (*TASK_ACTIONS, *LEGACY_TASK_ACTIONS))


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec={**api_spec(), **OPTIONS}, supports_check_mode=True)
    run_api_module(module, list_tasks)


if __name__ == "__main__":
    main()
