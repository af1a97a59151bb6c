#!/usr/bin/python
# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module pve.audit.node_logging_info: wiring only, the work is done in module_utils/_node/facts/logging.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: node_logging_info
short_description: How a node logs, as it is and not as it is configured
version_added: 0.2.0
description:
  - Looks at rsyslog, the access log, the forwarder, journald, logrotate, the room for logs, the clock, the preserved
    task records and auditd.
  - Changes nothing, and does not fail when a program is missing. Each part says whether it could be seen
    (C(available)), and if not, why (C(reason)).
  - Run it as root, otherwise parts cannot be seen.
options:
  parts:
    description: What to look at; everything if left out.
    type: list
    elements: str
    choices: [rsyslog, access_log, forwarder, journald, logrotate, storage, clock, tasks, auditd]
    default: []
attributes:
  check_mode:
    description: Can run in check_mode and return changed status prediction without modifying target.
    support: full
  diff_mode:
    description: Returns details on what has changed, or possibly needs changing in check_mode, when in diff mode.
    support: none
author:
  - pve.audit contributors (@pve-audit)
seealso:
  - module: pve.audit.logrotate
"""

EXAMPLES = r"""
- name: Look at the logging of a node
  pve.audit.node_logging_info:
  register: logging

- name: The logs must last for a month, and task records must be without gaps
  ansible.builtin.assert:
    that:
      - logging.storage.days_left is none or logging.storage.days_left > 30
      - logging.tasks.available and not logging.tasks.gaps
      - not logging.logrotate.doubles
      - not logging.problems
"""

RETURN = r"""
rsyslog:
  description: Whether rsyslog is there, runs, accepts its configuration and has the one of this collection.
  returned: when chosen
  type: dict
  sample: {available: true, reason: null, installed: true, version: 8.2302.0, active: true, config_valid: true,
    config_errors: [], our_config: true}
problems:
  description:
    - What keeps the chosen parts C(access_log), C(forwarder), C(journald), C(clock) and C(tasks) from holding, as
      sentences. A part that could not be looked at is among them.
  returned: always
  type: list
  elements: str
  sample: [/var/log/pveproxy/access.log is a link to /dev/null]
access_log:
  description:
    - What lies at the path of the access log of Proxmox VE (C(kind) is file, missing, link, pipe, directory, socket or
      device), its size, and when it was written last.
    - C(problems) says why nothing may be kept there, for instance that pveproxy cannot write it.
  returned: when chosen
  type: dict
  sample: {available: true, reason: null, path: /var/log/pveproxy/access.log, kind: file, size: 81920, modified:
    "2026-11-23T17:40:31Z", problems: []}
forwarder:
  description:
    - The forwarder. C(last_acknowledged) is the time of the last line that the collector confirmed (of the slowest
      target), C(queue) what waits (lines in flight, bytes of files, seconds of the journal), C(last_error) the newest
      error.
    - C(problems) are sentences, for instance that it is connected and the journal of the last minutes was not
      acknowledged.
  returned: when chosen
  type: dict
  sample: {available: true, reason: null, active: true, last_acknowledged: "2026-11-23T17:40:33Z", queue: {in_flight: 0,
    bytes: 0, behind_seconds: 0.0}, last_error: null, problems: []}
journald:
  description:
    - Settings in effect with all drop-ins, and what the journal holds (C(disk_usage) in bytes, C(oldest) entry, number
      of C(boots)).
    - C(persistent) says whether there really is a journal on disk. It is false when C(/var/log/journal) lies in memory
      (C(filesystem) is tmpfs or the like), whatever is set.
  returned: when chosen
  type: dict
  sample: {available: true, reason: null, storage: persistent, persistent: true, filesystem: ext4, problems: [],
    disk_usage: 50331648, oldest:
    "2026-08-01T00:00:07Z", boots: 4}
logrotate:
  description:
    - All policies with file and line, paths that two of them may rotate (C(doubles); logrotate then skips one), and
      files that M(pve.audit.logrotate) has taken over.
    - C(problems) are the errors that C(logrotate -d) finds, in its own words.
  returned: when chosen
  type: dict
  sample: {available: true, reason: null, policies: [], doubles: [], taken_over: {pve-audit-access:
    [/etc/logrotate.d/pve]}, problems: []}
storage:
  description:
    - Room of the file system of C(/var/log) in bytes, which C(filesystem) it is, and whether it is C(in_memory), and so
      gone after a restart.
    - C(days_left) is how long it lasts at C(bytes_per_day), the rate at which log files were finished in the last 14
      days; C(days_left_how) says how it was computed, and C(days_left_reason) why it is null.
  returned: when chosen
  type: dict
  sample: {available: true, reason: null, filesystem: ext4, in_memory: false, free: 42949672960,
    free_percent: 45.1, bytes_per_day: 5242880, days_left:
    8192.0, days_left_reason: null}
clock:
  description:
    - Whether the clock is synchronised, and what chrony measured (C(offset) in seconds).
    - C(problems) says when it is not, is more than a second off, or when nobody knows. A container has none, as its
      clock is that of the machine that runs it.
  returned: when chosen
  type: dict
  sample: {available: true, reason: null, synchronized: true, timezone: Europe/Berlin, chrony: {reference: 192.0.2.1,
    stratum: 3, offset: 0.00001}, problems: []}
tasks:
  description:
    - Preserved task records. C(up_to_date) is whether the newest line of the task index of Proxmox VE is preserved.
    - C(gaps) lists every time that the index turned faster than it was harvested.
    - C(texts_refused) counts task texts that were links, pipes or the like, and so were not kept.
    - C(problems) says when the index is empty on a node that has been up for more than two days, and when the last run
      failed, for instance since something else than an index lies in its place.
  returned: when chosen
  type: dict
  sample: {available: true, reason: null, up_to_date: true, lines: 1304, gaps: [], problems: []}
auditd:
  description: Whether the kernel lets this node audit, whether auditd runs, and how many of its rules are those of this
    collection.
  returned: when chosen
  type: dict
  sample: {available: true, reason: null, running: true, rules: 14, our_rules: 14, lost: 0}
"""

import time

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.pve.audit.plugins.module_utils._node.command import run
from ansible_collections.pve.audit.plugins.module_utils._node.facts.logging import look_at, problems_of
from ansible_collections.pve.audit.plugins.module_utils._node.facts.node import NodeSnapshot

CHOICES = ["rsyslog", "access_log", "forwarder", "journald", "logrotate", "storage", "clock", "tasks", "auditd"]


def main() -> None:
    """Run the module."""
    spec = {"parts": {"type": "list", "elements": "str", "choices": CHOICES, "default": []}}
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
    parts = look_at(NodeSnapshot(run, time.time()), module.params["parts"])
    module.exit_json(changed=False, problems=problems_of(parts), **parts)


if __name__ == "__main__":
    main()
