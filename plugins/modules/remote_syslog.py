#!/usr/bin/python
# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module pve.audit.remote_syslog: wiring only, the work is done in module_utils/_node/forward/remote_syslog.py."""

from __future__ import annotations

DOCUMENTATION = r"""
module: remote_syslog
short_description: Send the journal and the log files of a node to a collector, without losing a line
version_added: 0.2.0
description:
  - Each line is sent in RFC 5424 form with its origin as structured data (C(pveaudit@32473)). For the journal these
    are the cursor, the process, and the login uid of the person behind C(sudo); for files the inode, a fingerprint of
    the file, and the offset of the line.
  - With O(delivery=acknowledged), a small service of this collection reads the journal and the files, and moves its
    position only when the collector has acknowledged a line. Nothing is lost while the journal or the file still holds
    the line, whoever is killed and when. Lines may arrive twice, and the cursor or the offset tells which ones.
  - With O(delivery=queued), rsyslog on the node does it with a disk-assisted queue. It loses lines that are on their
    way when it is killed or restarted during an outage, and its lines carry no cursor.
  - The new configuration is validated by the program that will read it before it replaces the old one. When the
    service does not stay up with it, the old one is put back.
options:
  state:
    description:
      - With V(absent), all that this module made goes, and rsyslog is left as it was before.
      - A queue of rsyslog that still holds lines stays, with a warning.
    type: str
    choices: [present, absent]
    default: present
  delivery:
    description: Who forwards, and how much is promised.
    type: str
    choices: [acknowledged, queued]
    default: acknowledged
  targets:
    description: The collectors. Needed for O(state=present).
    type: list
    elements: dict
    default: []
    suboptions:
      host:
        description: Name or address.
        type: str
        required: true
      port:
        description: Port.
        type: int
        default: 2514
      permitted_peers:
        description: Names that the collector's certificate may carry; O(targets[].host) if left out. A V(*) stands for
          the first label.
        type: list
        elements: str
  mode:
    description:
      - With V(failover), lines go to the first collector that answers, and back to the first one after
        O(failback_seconds).
      - With V(parallel), each collector gets all lines, independently of the others.
    type: str
    choices: [failover, parallel]
    default: failover
  protocol:
    description: V(tcp) has no acknowledgements and needs O(delivery=queued).
    type: str
    choices: [relp, tcp]
    default: relp
  tls:
    description: Encrypt, and authenticate both sides by certificates. V(false) sends everything readable and
      forgeable, with a warning.
    type: bool
    default: true
  ca_path:
    description: Certificate of the authority that signed the collector's certificate. Needed for TLS.
    type: path
  cert_path:
    description: Certificate of this node. Needed for TLS. A renewed one is used from the next connection on.
    type: path
  key_path:
    description: Key of O(cert_path), without a password. Only its path is shown or stored.
    type: path
  expiry_warning_days:
    description: Warn when a certificate expires within this number of days.
    type: int
    default: 30
  node_name:
    description: Name of the node in the lines; the short host name if left out. It should be the name in O(cert_path).
    type: str
  journal:
    description: Send the journal.
    type: bool
    default: true
  journal_matches:
    description:
      - Send only entries with these fields, written as for C(journalctl). All if left out.
      - The collector can then no longer prove that none is missing.
    type: list
    elements: str
    default: []
  files:
    description: Log files to send.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the source on the collector, for example V(access.log).
        type: str
        required: true
      path:
        description:
          - Absolute path. Rotated forms beside it (C(.1), C(.2.gz), C(-20261123)) are read to their end.
          - With a shell pattern, every file that matches is read, and each is expected only to grow.
        type: path
        required: true
      tag:
        description: Program name in the lines; O(files[].name) if left out.
        type: str
  resend_seconds:
    description:
      - After each interruption, lines that were acknowledged within this time before it are sent again, because a
        collector that died may have acknowledged what it had not written to disk. Not used with O(delivery=queued).
    type: int
    default: 30
  ack_timeout:
    description: Seconds without an acknowledgement after which the connection counts as dead.
    type: int
    default: 30
  backoff_max:
    description: Longest pause in seconds between two attempts to connect. Not used with O(delivery=queued).
    type: int
    default: 60
  failback_seconds:
    description: How often to look whether the first collector is back. Not used with O(delivery=queued).
    type: int
    default: 300
  heartbeat_seconds:
    description:
      - How often to send a line of the source C(heartbeat), which says that the forwarder lives and how far it has
        come. The collector notices a node that falls silent by it. V(0) sends none. Not used with
        O(delivery=queued).
    type: int
    default: 60
  message_bytes:
    description:
      - Longest message. A longer line is sent in parts that carry V(part="1/3"). The collector has to accept this
        length; rsyslog accepts 8 KiB unless told otherwise. Not used with O(delivery=queued).
    type: int
    default: 8000
  queue:
    description: The queue of O(delivery=queued).
    type: dict
    default: {}
    suboptions:
      directory:
        description: Directory of the queue on disk.
        type: path
        default: /var/lib/pve-audit/queue
      max_disk:
        description: Most it may use there, as rsyslog writes sizes.
        type: str
        default: 1g
      size:
        description: Lines in memory.
        type: int
        default: 20000
      high_watermark:
        description: Lines in memory from which on the disk is used.
        type: int
        default: 15000
      low_watermark:
        description: Lines in memory from which on the disk is no longer used.
        type: int
        default: 2000
  verify_seconds:
    description: How long the service has to stay up with a new configuration before it counts as good.
    type: int
    default: 5
  backup:
    description: Keep a copy, with a time stamp, of each file that is replaced.
    type: bool
    default: false
  program:
    description: The programs of this collection on the node, where the role P(pve.audit.node_logging#role) puts them.
    type: path
    default: /usr/local/lib/pve-audit/pve_audit.pyz
attributes:
  check_mode:
    description: Can run in check_mode and return changed status prediction without modifying target.
    support: full
    details:
      - The candidate is validated in check mode too. When the program that validates is not installed yet, this is
        only a warning there.
  diff_mode:
    description: Returns details on what has changed, or possibly needs changing in check_mode, when in diff mode.
    support: full
  idempotent:
    description: When run twice in a row outside check mode, with the same arguments, the second invocation indicates
      no change.
    support: full
author:
  - pve.audit contributors (@pve-audit)
requirements:
  - rsyslog with rsyslog-relp and rsyslog-openssl on the node, for O(delivery=queued) only
seealso:
  - module: pve.audit.node_logging_info
"""

EXAMPLES = r"""
- name: Send the journal, the access log and the preserved task log to two collectors, the second one as a spare
  pve.audit.remote_syslog:
    targets:
      - host: collector1.example.com
      - host: collector2.example.com
    ca_path: /etc/pve-audit/tls/ca.pem
    cert_path: /etc/pve-audit/tls/cert.pem
    key_path: /etc/pve-audit/tls/key.pem
    files:
      - {name: access.log, path: /var/log/pveproxy/access.log, tag: pveproxy}
      - {name: tasks, path: "/var/log/pve-audit/tasks/*.index", tag: pve-task}

- name: Let rsyslog do it over plain syslog in TLS, for a collector that knows no RELP
  pve.audit.remote_syslog:
    delivery: queued
    protocol: tcp
    targets:
      - {host: siem.example.com, port: 6514}
    ca_path: /etc/pve-audit/tls/ca.pem
    cert_path: /etc/pve-audit/tls/cert.pem
    key_path: /etc/pve-audit/tls/key.pem
    queue:
      max_disk: 4g

- name: Send nothing any more
  pve.audit.remote_syslog:
    state: absent
"""

RETURN = r"""
files:
  description: The files that were written or removed, or would be.
  returned: success
  type: list
  elements: str
  sample: [/etc/pve-audit/forward.json, /etc/systemd/system/pve-audit-forward.service]
backup_files:
  description: Copies of the replaced files, with O(backup).
  returned: success
  type: list
  elements: str
  sample: []
service:
  description: The systemd unit that forwards, or null with O(state=absent).
  returned: success
  type: str
  sample: pve-audit-forward.service
forwarder:
  description:
    - What the forwarder last said of itself, or null. For each pipeline the connected collector, the last
      acknowledgement, the position of each source, and the last error.
  returned: success
  type: dict
  sample:
    version: 1
    program: "1.0"
    pid: 812
    node: pve1
    mode: failover
    updated: 1795475054.31
    pipelines:
      - name: failover
        connected: "collector1.example.com:2514"
        connected_since: 1795475048.25
        last_acknowledged: 1795475052.93
        acknowledged: 20002
        in_flight: 0
        last_error: null
        state_error: null
        sources:
          access.log: {lines: 12, backlog_bytes: 0, files: 1}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.pve.audit.plugins.module_utils._model.errors import AuditError
from ansible_collections.pve.audit.plugins.module_utils._module.remote_syslog_options import SPEC
from ansible_collections.pve.audit.plugins.module_utils._node.command import run
from ansible_collections.pve.audit.plugins.module_utils._node.forward.remote_syslog import System, ensure


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    try:
        result: dict[str, Any] = ensure(module.params, System(run), module.check_mode, module.backup_local)
    except AuditError as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"{error.filename}: {error.strerror}")
    for warning in result.pop("warnings"):
        module.warn(warning)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
