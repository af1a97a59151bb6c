#!/usr/bin/python
# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module pve.audit.logrotate: wiring only, the work is done in module_utils/_node/logrotate/policy.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: logrotate
short_description: One rotation policy, tried out with the whole configuration before it is used
version_added: 0.2.0
description:
  - Writes one file in C(/etc/logrotate.d).
  - The complete configuration with the new file is read by the real C(logrotate -d) first. What it refuses never takes
    the place of what works, and the message names the line.
  - A path that another file already rotates is refused, with that file and line, because logrotate would skip one of
    the two. With O(takeover) the other file is put aside instead and given back, byte by byte, with O(state=absent).
options:
  name:
    description: Name of the file in O(directory), of letters, digits, C(-) and C(_).
    type: str
    required: true
  state:
    description: With V(absent), the policy goes, and each file that it took over comes back.
    type: str
    choices: [present, absent]
    default: present
  paths:
    description: Log files, absolute, as shell patterns. Needed for O(state=present).
    type: list
    elements: str
    default: []
  frequency:
    description: How often; V(daily) unless O(size) is given. V(hourly) needs a timer that runs logrotate hourly.
    type: str
    choices: [hourly, daily, weekly, monthly, yearly]
  rotate:
    description:
      - How many rotated files are kept. V(-1) keeps all, so that only O(maxage) decides.
      - With a number, O(maxsize) may throw away files that are younger than O(maxage).
    type: int
    default: -1
  maxage:
    description: Days after which a rotated file is removed. Nothing is removed by age if left out.
    type: int
  size:
    description: Rotate when larger than this, however old. Excludes O(frequency).
    type: str
  minsize:
    description: Rotate at the time of O(frequency), but only when larger than this.
    type: str
  maxsize:
    description: Rotate also before that time when larger than this.
    type: str
  dateext:
    description: Rotated files carry the date and not a number.
    type: bool
    default: true
  dateformat:
    description: Format of the date. When logrotate runs more than once a day it must hold more than the day.
    type: str
    default: "-%Y%m%d"
  compress:
    description: Compress rotated files.
    type: bool
    default: true
  delaycompress:
    description: Leave the newest rotated file as it is, for a program that still writes to it or reads it.
    type: bool
    default: true
  compresscmd:
    description: Program that compresses; gzip if left out.
    type: path
  compressext:
    description: Ending of compressed files, for example V(.zst). Needed with another O(compresscmd) than gzip.
    type: str
  compressoptions:
    description: Options of the program.
    type: str
  create:
    description: Make the log file anew with these attributes after rotation. Not made if left out.
    type: dict
    suboptions:
      mode:
        description: Octal digits.
        type: str
        required: true
      owner:
        description: Name of the user.
        type: str
        required: true
      group:
        description: Name of the group.
        type: str
        required: true
  su:
    description: Rotate with these rights. Needed where others than root may write to the directory.
    type: dict
    suboptions:
      user:
        description: Name of the user.
        type: str
        required: true
      group:
        description: Name of the group.
        type: str
        required: true
  olddir:
    description: Directory for rotated files, on the same file system.
    type: path
  missingok:
    description: A log file that is not there is no error.
    type: bool
    default: true
  notifempty:
    description: An empty file is not rotated.
    type: bool
    default: true
  sharedscripts:
    description: Run the scripts once for all paths together.
    type: bool
    default: true
  prerotate:
    description: Lines of shell to run before rotation.
    type: list
    elements: str
    default: []
  postrotate:
    description: Lines of shell to run after rotation.
    type: list
    elements: str
    default: []
  takeover:
    description:
      - Put a file aside that rotates the same paths, if it rotates nothing else.
      - The copy lies below C(/var/lib/pve-audit/logrotate). dpkg sees a configuration file that the administrator
        removed and leaves it so on upgrades. When it comes back nevertheless, the next run puts it aside again, and
        check mode says so.
    type: bool
    default: false
  directory:
    description: Directory of the policies; the main file must include it.
    type: path
    default: /etc/logrotate.d
  config:
    description: The main file of logrotate.
    type: path
    default: /etc/logrotate.conf
attributes:
  check_mode:
    description: Can run in check_mode and return changed status prediction without modifying target.
    support: full
    details:
      - The candidate is validated in check mode too. When logrotate is not installed yet, this is only a warning there.
  diff_mode:
    description: Returns details on what has changed, or possibly needs changing in check_mode, when in diff mode.
    support: full
  idempotent:
    description: When run twice in a row outside check mode, with the same arguments, the second invocation indicates no
      change.
    support: full
author:
  - pve.audit contributors (@pve-audit)
seealso:
  - module: pve.audit.node_logging_info
"""

EXAMPLES = r"""
- name: Keep the access log of Proxmox VE for a year, in place of its own seven days
  pve.audit.logrotate:
    name: pve-audit-access
    paths: [/var/log/pveproxy/access.log]
    maxage: 365
    create: {mode: "0640", owner: www-data, group: www-data}
    postrotate:
      - /bin/systemctl try-reload-or-restart pveproxy.service
      - /bin/systemctl try-reload-or-restart spiceproxy.service
    takeover: true

- name: Give the file of Proxmox VE back
  pve.audit.logrotate:
    name: pve-audit-access
    state: absent
"""

RETURN = r"""
path:
  description: The file of the policy.
  returned: success
  type: str
  sample: /etc/logrotate.d/pve-audit-access
taken_over:
  description: Files that are put aside by this run, or would be.
  returned: success
  type: list
  elements: str
  sample: [/etc/logrotate.d/pve]
given_back:
  description: Files that came back, or would.
  returned: success
  type: list
  elements: str
  sample: []
validated:
  description: Whether logrotate read the complete configuration; V(false) when there was nothing to change.
  returned: success
  type: bool
  sample: true
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.pve.audit.plugins.module_utils._model.errors import AuditError
from ansible_collections.pve.audit.plugins.module_utils._node.command import find_program, run
from ansible_collections.pve.audit.plugins.module_utils._node.logrotate.policy import (
    LogrotatePlaces,
    PolicyPlan,
    apply_absent,
    apply_present,
    check_plan,
    plan_absent,
    plan_present,
)

TEXT = {"type": "str"}
NEEDED = {"type": "str", "required": True}
LINES = {"type": "list", "elements": "str", "default": []}
YES = {"type": "bool", "default": True}
SPEC: dict[str, dict[str, Any]] = {
    "name": NEEDED,
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "paths": LINES,
    "frequency": {"type": "str", "choices": ["hourly", "daily", "weekly", "monthly", "yearly"]},
    "rotate": {"type": "int", "default": -1},
    "maxage": {"type": "int"},
    "size": TEXT,
    "minsize": TEXT,
    "maxsize": TEXT,
    "dateext": YES,
    "dateformat": {"type": "str", "default": "-%Y%m%d"},
    "compress": YES,
    "delaycompress": YES,
    "compresscmd": {"type": "path"},
    "compressext": TEXT,
    "compressoptions": TEXT,
    "create": {"type": "dict", "options": {"mode": NEEDED, "owner": NEEDED, "group": NEEDED}},
    "su": {"type": "dict", "options": {"user": NEEDED, "group": NEEDED}},
    "olddir": {"type": "path"},
    "missingok": YES,
    "notifempty": YES,
    "sharedscripts": YES,
    "prerotate": LINES,
    "postrotate": LINES,
    "takeover": {"type": "bool", "default": False},
    "directory": {"type": "path", "default": "/etc/logrotate.d"},
    "config": {"type": "path", "default": "/etc/logrotate.conf"},
}


def ensure(module: AnsibleModule) -> dict[str, Any]:
    """PolicyPlan, validate, and do it unless in check mode. Raises AuditError."""
    params = module.params
    places = LogrotatePlaces(params["config"], params["directory"])
    present = params["state"] == "present"
    plan: PolicyPlan = (
        plan_present(params["name"], params, params["takeover"], places)
        if present
        else plan_absent(params["name"], places)
    )
    validated = bool(present and plan.contents) and _validate(plan, places, module.check_mode)
    if plan.changed and not module.check_mode:
        if present:
            apply_present(params["name"], params, plan, places)
        else:
            apply_absent(params["name"], plan, places)
    for warning in plan.warnings:
        module.warn(warning)
    return {
        "changed": plan.changed,
        "diff": plan.diff(),
        "path": plan.path,
        "taken_over": plan.take_over,
        "given_back": [path for path in plan.give_back if path in plan.contents],
        "validated": validated,
    }


def _validate(plan: PolicyPlan, places: LogrotatePlaces, check_mode: bool) -> bool:
    """Whether logrotate could be asked. Raises AuditError when it refuses, or is missing where it is needed."""
    if check_mode and find_program("logrotate") is None:
        plan.warnings.append("logrotate is not installed yet, so that the policy was not validated")
        return False
    check_plan(plan, places, run)
    return True


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    try:
        result = ensure(module)
    except AuditError as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"{error.filename}: {error.strerror}")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
