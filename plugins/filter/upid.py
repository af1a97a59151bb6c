# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter pve.audit.upid: type check, one pure call, translated error."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._model.time import rfc3339
from ansible_collections.pve.audit.plugins.module_utils._parse.upid import log_path, parse_upid

DOCUMENTATION = r"""
name: upid
short_description: Take a UPID apart
version_added: 0.1.0
author: pve.audit contributors (@pve-audit)
description:
  - Returns the parts of a UPID, the name Proxmox VE gives to a worker task.
  - A UPID tells who started what, where and when, but not how it ended.
options:
  _input:
    description: A UPID, or a list of them.
    type: raw
    required: true
  strict:
    description:
      - With V(true), refuse what the decoder of Proxmox VE itself refuses, such as an id with a colon in it. The API
        does not show such tasks, but the files of a node hold them.
      - With V(false), such a UPID is read from both ends, and its RV(_value.strict) is V(false).
    type: bool
    default: true
notes:
  - A UPID of Proxmox Backup Server or Datacenter Manager has one number more and is refused, and so are two UPIDs that
    ran together on a full disk.
seealso:
  - plugin: pve.audit.events
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show who started a task
  ansible.builtin.debug:
    msg: "{{ ('UPID:pve1:0000010A:0002BBEF:6B046DE4:vzdump:103:svc@pve!backup:' | pve.audit.upid).user }}"

- name: Show when the tasks of a list were started
  ansible.builtin.debug:
    msg: "{{ result.tasks | map(attribute='upid') | pve.audit.upid | map(attribute='start') }}"
"""

RETURN = r"""
_value:
  description: The parts; a list of such dictionaries for a list.
  type: dict
  sample:
    upid: "UPID:pve1:0000010A:0002BBEF:6B046DE4:vzdump:103:svc@pve!backup:"
    node: pve1
    pid: 266
    pstart: 179183
    starttime: 1795452388
    start: "2026-11-23T16:46:28Z"
    type: vzdump
    id: "103"
    user: svc@pve
    tokenid: backup
    strict: true
    log_path: "/var/log/pve/tasks/4/UPID:pve1:0000010A:0002BBEF:6B046DE4:vzdump:103:svc@pve!backup:"
  contains:
    upid:
      description: The UPID itself.
      type: str
      sample: "UPID:pve1:0000010A:0002BBEF:6B046DE4:vzdump:103:svc@pve!backup:"
    node:
      description: The node the task ran on.
      type: str
      sample: pve1
    pid:
      description: The process.
      type: int
      sample: 266
    pstart:
      description: When the process started, in clock ticks since the node's boot.
      type: int
      sample: 179183
    starttime:
      description: When the task started, in seconds since 1970.
      type: int
      sample: 1795452388
    start:
      description: When the task started, RFC 3339 in UTC.
      type: str
      sample: "2026-11-23T16:46:28Z"
    type:
      description: The type of the task.
      type: str
      sample: vzdump
    id:
      description: What the task was about, often a guest; may be empty.
      type: str
      sample: "103"
    user:
      description: The user and realm, without the token.
      type: str
      sample: svc@pve
    tokenid:
      description: The name of the API token, or null.
      type: str
      sample: backup
    strict:
      description: False when the decoder of Proxmox VE would refuse this UPID.
      type: bool
      sample: true
    log_path:
      description: The file with the task's log text on its node.
      type: str
      sample: "/var/log/pve/tasks/4/UPID:pve1:0000010A:0002BBEF:6B046DE4:vzdump:103:svc@pve!backup:"
"""


def upid(value: object, strict: bool = True) -> dict[str, Any] | list[dict[str, Any]]:
    """See DOCUMENTATION. Raises AnsibleFilterError with one sentence."""
    try:
        if isinstance(value, str):
            return _parts(value, strict)
        if isinstance(value, (bytes, Mapping)) or not isinstance(value, Iterable):
            raise InputError(f"a UPID is text, not {type(value).__name__}")
        return [_numbered(number, item, strict) for number, item in enumerate(value, 1)]
    except ValueError as error:
        raise AnsibleFilterError(f"pve.audit.upid: {error}") from error


def _numbered(number: int, item: Any, strict: bool) -> dict[str, Any]:
    try:
        return _parts(item, strict)
    except InputError as error:
        raise InputError(f"item {number} of the list: {error}") from None


def _parts(text: Any, strict: bool) -> dict[str, Any]:
    parts = parse_upid(text, strict=strict)
    return {
        "upid": parts.upid,
        "node": parts.node,
        "pid": parts.pid,
        "pstart": parts.pstart,
        "starttime": parts.starttime,
        "start": rfc3339(parts.starttime),
        "type": parts.type,
        "id": parts.id,
        "user": parts.user,
        "tokenid": parts.tokenid,
        "strict": parts.strict,
        "log_path": log_path(parts),
    }


class FilterModule:
    """Ansible filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name to function."""
        return {"upid": upid}
