# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter pve.audit.events: type check, one pure call, translated error."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.pve.audit.plugins.module_utils._evidence.read import classify_event, read_events
from ansible_collections.pve.audit.plugins.module_utils._evidence.registry import CHOICES
from ansible_collections.pve.audit.plugins.module_utils._evidence.source import Context
from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._model.event import Event
from ansible_collections.pve.audit.plugins.module_utils._model.time import parse_instant, zone

DOCUMENTATION = r"""
name: events
short_description: Turn tasks, access log lines and journal lines into events
version_added: 0.1.0
author: pve.audit contributors (@pve-audit)
description:
  - Every item becomes one event in the shape of the Elastic Common Schema, with who, what, when, where from, and the
    outcome. Actions and severities are those of the catalogue of this collection.
  - The items may be mixed. They are tasks (records of the API, or the result of M(pve.audit.tasks_info)), lines of a
    node's task index or of its list of active tasks, lines of C(/var/log/pveproxy/access.log), records of
    C(journalctl -o json), read or as the text of its lines, and lines of the journal or of syslog. Lines of the
    collector's archive, RFC 5424 and lines with a priority in front are read as what they carry.
  - An event is there once for each C(event.id). For a task this is its UPID, and a finished task replaces the same
    task still running. Other ids are a hash of node and line, so that collecting twice never counts twice.
  - On a full disk records of the task log are cut and run together in one line. Each stump is such an event and names
    nobody; a whole record behind a stump is an event of its own, whose C(pve.recovered) is C(true). What ran into a
    line of C(access.log) or of the journal is not recovered, because whoever made a call chooses what stands there.
  - A line that cannot be read is not dropped. It is an event whose C(event.kind) is C(pipeline_error). Journal lines
    that tell of no login, session, command, changed account or changed guest give no event, and neither do empty lines.
  - What journald, rsyslog, auditd and sshd say about messages that they lost, about damaged or removed journals, and
    about their own stops are events of the dataset C(linux.log). C(pve.lost) is how many messages, C(pve.log) which log
    lacks them, V(journal), V(audit), or V(syslog) for the copy that is handed to rsyslog.
  - The actor of a changed password is not known from the journal. Proxmox VE signs that line with V(root@pam) whoever
    it was, and it names no one for changes of the node's own accounts.
  - A changed guest (C(update VM 100) in the journal) has its new values in C(pve.change). That line is written before
    the change is, so its outcome is C(unknown).
  - An SSH login with a key has the key's fingerprint in C(pve.key_fingerprint), and with a certificate also
    C(pve.key_id) and C(pve.ca_fingerprint). C(pve.uid) is the numeric user of a session or of a new account.
    C(pve.repeated) tells how often rsyslog saw the same message.
  - Secrets in query strings, command lines and messages are replaced by C(REDACTED).
options:
  _input:
    description:
      - A list of tasks, lines or records, or the whole result of M(pve.audit.tasks_info).
      - Events that are in the list already stay as they are.
    type: raw
    required: true
  source:
    description: What the lines are. With V(auto) each line tells by its shape.
    type: str
    choices: [auto, task, access, archive, journal]
    default: auto
  node:
    description: The node of lines that do not name one, as those of C(access.log).
    type: str
    default: ""
  reference:
    description:
      - When the lines were collected, as an epoch or as in V(2026-11-23T17:40:33Z). Lines of the traditional syslog
        form have no year. They lie in the newest year that is not later than this time and a day.
      - The default is now.
    type: raw
  timezone:
    description: The time zone of lines that have no offset, as a name such as V(Europe/Berlin).
    type: str
    default: UTC
notes:
  - Cut text at line feeds alone, as the example does. C(splitlines) and C(stdout_lines) also cut at other characters,
    which anybody can type into a user name, and what follows them would be a line of its own.
  - A call of the web interface (C(/api2/extjs)) that was refused stands with status 200 in C(access.log). The length of
    the answer tells a refusal from a success, except for calls that answer with a body (tokens, storage definitions,
    consoles), whose outcome is C(unknown).
  - A status of 200 on a call that starts a task is no success of the task. Such an event has the outcome C(unknown) and
    C(pve.accepted); the task tells how it ended.
  - A failed login gives one event of the dataset C(pve.auth), and for a user of the realm C(pam) one more of the
    dataset C(linux.auth) in which PAM tells the same.
seealso:
  - module: pve.audit.tasks_info
  - plugin: pve.audit.windows
    plugin_type: filter
  - plugin: pve.audit.anomalies
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Read the tasks of the last week
  pve.audit.tasks_info:
    since: 7d
  register: result

- name: Show who destroyed a guest
  ansible.builtin.debug:
    msg: >-
      {{ result | pve.audit.events | selectattr('event.action', 'eq', 'guest.destroy') | map(attribute='user.id') }}

- name: Read the access log of this node
  ansible.builtin.slurp:
    src: /var/log/pveproxy/access.log
  register: log

- name: Show the calls that matter
  ansible.builtin.debug:
    msg: >-
      {{ (log.content | b64decode).split('\n')
         | pve.audit.events(source='access', node=ansible_facts.hostname)
         | selectattr('event.kind', 'eq', 'event')
         | selectattr('pve.severity', 'in', ['high', 'critical']) }}
"""

RETURN = r"""
_value:
  description: The events, in the order of the input.
  type: list
  elements: dict
  sample:
    - "@timestamp": "2026-11-23T17:40:33Z"
      event:
        id: "UPID:pve1:000005D0:0007AF88:6B047A91:qmdestroy:501:dario@pve:"
        kind: event
        dataset: pve.task
        action: guest.destroy
        category: [configuration]
        outcome: success
      user: {id: dario@pve, account: dario@pve, name: dario, domain: pve}
      host: {name: pve1}
      pve: {task_type: qmdestroy, status: OK, state: ok, vmid: 501, object: "501", severity: critical}
"""


def events(
    items: object, source: object = "auto", node: object = "", reference: object = None, timezone: object = "UTC"
) -> list[Event]:
    """See DOCUMENTATION. Raises AnsibleFilterError with one sentence."""
    try:
        if source not in CHOICES:
            raise InputError(f"source {source!r} is unknown: use one of {', '.join(CHOICES)}")
        found = read_events(_items(items), str(source), _context(node, reference, timezone))
        return [classify_event(event) for event in found]
    except ValueError as error:
        raise AnsibleFilterError(f"pve.audit.events: {error}") from error


def _context(node: object, reference: object, timezone: object) -> Context:
    if not isinstance(node, str):
        raise InputError(f"node is a name, not {type(node).__name__}")
    tz = zone(str(timezone))
    now = time.time()
    return Context(node, now if reference is None else parse_instant(reference, now=now, tz=tz), tz)


def _items(value: object) -> Iterable[Any]:
    if isinstance(value, Mapping):
        value = next((value[key] for key in ("tasks", "data") if isinstance(value.get(key), list)), value)
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
        raise InputError(f"a list of tasks, lines or records is needed, not {type(value).__name__}")
    return value


class FilterModule:
    """Ansible filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name to function."""
        return {"events": events}
