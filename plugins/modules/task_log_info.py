#!/usr/bin/python
# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module pve.audit.task_log_info: wiring only, the work is done in module_utils/_pve/tasklog.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: task_log_info
short_description: Read the whole log text of Proxmox VE tasks
version_added: 0.1.0
description:
  - Reads the log text of tasks, all pages of it, not the first 50 lines.
  - A node deletes the texts of tasks that its task log has forgotten. Such a text is reported as missing, never as
    empty.
  - The API serves UTF-8 byte by byte, as V(Ã¤) for V(ä). Each line that is valid UTF-8 as a whole is put together
    again, every other line is left as it came.
extends_documentation_fragment:
  - pve.audit.api
  - pve.audit.api.attributes
options:
  upids:
    description:
      - Task ids (UPIDs), for example from M(pve.audit.tasks_info).
      - What is no UPID has a reason in its entry of RV(logs). The module fails when none of them is one.
      - When the cluster has no node of the name that a UPID has, because the node was renamed, all nodes are asked for
        the text.
    type: list
    elements: str
    required: true
  max_lines:
    description: Fetch at most this many lines of each log. A log that is cut is reported as not complete.
    type: int
    default: 100000
notes:
  - The privilege C(Sys.Audit) on the node is needed for tasks of others.
seealso:
  - module: pve.audit.tasks_info
"""

EXAMPLES = r"""
- name: Find the failed tasks of today
  pve.audit.tasks_info:
    since: 1d
    statuses: [error]
  register: failed

- name: Read what they said
  pve.audit.task_log_info:
    upids: "{{ failed.tasks | map(attribute='upid') }}"
  register: texts

- name: Show the last line of each
  ansible.builtin.debug:
    msg: "{{ item.upid }} {{ item.lines | last | default(item.reason) }}"
  loop: "{{ texts.logs }}"
  loop_control:
    label: "{{ item.upid }}"
"""

RETURN = r"""
logs:
  description: One entry for each UPID, in the order given, each once.
  returned: success
  type: list
  elements: dict
  sample:
    - upid: "UPID:pve1:00000103:0002B9EA:6B046DDF:qmstart:101:svc@pve!backup:"
      lines:
        - "TASK ERROR: KVM virtualisation configured, but not available."
      complete: true
      reason: null
  contains:
    upid:
      description: The task id.
      type: str
      returned: always
      sample: "UPID:pve1:00000103:0002B9EA:6B046DDF:qmstart:101:svc@pve!backup:"
    lines:
      description: The lines of the log.
      type: list
      elements: str
      returned: always
      sample: ["TASK OK"]
    complete:
      description: Whether the whole text was read.
      type: bool
      returned: always
      sample: true
    reason:
      description: Why the text is missing or cut, or null.
      type: str
      returned: always
      sample: the log text is no longer on the node
complete:
  description: Whether every text was read whole.
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

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.pve.audit.plugins.module_utils._module.wiring import api_spec, run_api_module
from ansible_collections.pve.audit.plugins.module_utils._pve.session import Session
from ansible_collections.pve.audit.plugins.module_utils._pve.tasklog import OPTIONS, collect_logs


def read_logs(session: Session, params: dict[str, Any]) -> dict[str, Any]:
    """The module's result. Raises AuditError."""
    logs = collect_logs(
        session,
        params["upids"],
        max_lines=params["max_lines"],
        seconds=params["total_timeout"],
        workers=params["concurrency"],
    )
    return {"logs": logs, "complete": all(log["complete"] for log in logs)}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec={**api_spec(), **OPTIONS}, supports_check_mode=True)
    run_api_module(module, read_logs)


if __name__ == "__main__":
    main()
