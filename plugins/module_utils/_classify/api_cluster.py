# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writing calls below /cluster, without networks, firewall and bulk actions.

Data only. A row is ``(method, path template, action, leaves a task)``; the last is None where it depends on the
body of the request.
"""

from __future__ import annotations

from ansible_collections.pve.audit.plugins.module_utils._classify.call import Call

CALLS: tuple[Call, ...] = (
    ("POST", "/cluster/acme/account", "acme.account.create", True),
    ("DELETE", "/cluster/acme/account/{name}", "acme.account.delete", True),
    ("PUT", "/cluster/acme/account/{name}", "acme.account.modify", True),
    ("POST", "/cluster/acme/plugins", "acme.plugin.create", False),
    ("DELETE", "/cluster/acme/plugins/{id}", "acme.plugin.delete", False),
    ("PUT", "/cluster/acme/plugins/{id}", "acme.plugin.modify", False),
    ("POST", "/cluster/backup", "backup_job.create", False),
    ("DELETE", "/cluster/backup/{id}", "backup_job.delete", False),
    ("PUT", "/cluster/backup/{id}", "backup_job.modify", False),
    ("PUT", "/cluster/ceph/flags", "ceph.flags.modify", True),
    ("PUT", "/cluster/ceph/flags/{flag}", "ceph.flags.modify", False),
    ("POST", "/cluster/ceph/restart-bulk", "ceph.bulk.restart", True),
    ("POST", "/cluster/config", "cluster.create", True),
    ("POST", "/cluster/config/join", "cluster.join", True),
    ("DELETE", "/cluster/config/nodes/{node}", "cluster.node.remove", False),
    ("POST", "/cluster/config/nodes/{node}", "cluster.node.add", False),
    ("POST", "/cluster/ha/groups", "ha.group.create", False),
    ("DELETE", "/cluster/ha/groups/{group}", "ha.group.delete", False),
    ("PUT", "/cluster/ha/groups/{group}", "ha.group.modify", False),
    ("POST", "/cluster/ha/resources", "ha.resource.create", False),
    ("DELETE", "/cluster/ha/resources/{sid}", "ha.resource.delete", False),
    ("PUT", "/cluster/ha/resources/{sid}", "ha.resource.modify", False),
    ("POST", "/cluster/ha/resources/{sid}/migrate", "ha.resource.migrate", False),
    ("POST", "/cluster/ha/resources/{sid}/relocate", "ha.resource.relocate", False),
    ("POST", "/cluster/ha/rules", "ha.rule.create", False),
    ("DELETE", "/cluster/ha/rules/{rule}", "ha.rule.delete", False),
    ("PUT", "/cluster/ha/rules/{rule}", "ha.rule.modify", False),
    ("POST", "/cluster/ha/status/arm-ha", "ha.arm", False),
    ("POST", "/cluster/ha/status/disarm-ha", "ha.disarm", False),
    ("DELETE", "/cluster/jobs/realm-sync/{id}", "job.realm_sync.delete", False),
    ("POST", "/cluster/jobs/realm-sync/{id}", "job.realm_sync.create", False),
    ("PUT", "/cluster/jobs/realm-sync/{id}", "job.realm_sync.modify", False),
    ("POST", "/cluster/mapping/dir", "mapping.dir.create", False),
    ("DELETE", "/cluster/mapping/dir/{id}", "mapping.dir.delete", False),
    ("PUT", "/cluster/mapping/dir/{id}", "mapping.dir.modify", False),
    ("POST", "/cluster/mapping/pci", "mapping.pci.create", False),
    ("DELETE", "/cluster/mapping/pci/{id}", "mapping.pci.delete", False),
    ("PUT", "/cluster/mapping/pci/{id}", "mapping.pci.modify", False),
    ("POST", "/cluster/mapping/usb", "mapping.usb.create", False),
    ("DELETE", "/cluster/mapping/usb/{id}", "mapping.usb.delete", False),
    ("PUT", "/cluster/mapping/usb/{id}", "mapping.usb.modify", False),
    ("DELETE", "/cluster/metrics/server/{id}", "metric_server.delete", False),
    ("POST", "/cluster/metrics/server/{id}", "metric_server.create", False),
    ("PUT", "/cluster/metrics/server/{id}", "metric_server.modify", False),
    ("POST", "/cluster/notifications/endpoints/gotify", "notification.endpoint.create", False),
    ("DELETE", "/cluster/notifications/endpoints/gotify/{name}", "notification.endpoint.delete", False),
    ("PUT", "/cluster/notifications/endpoints/gotify/{name}", "notification.endpoint.modify", False),
    ("POST", "/cluster/notifications/endpoints/sendmail", "notification.endpoint.create", False),
    ("DELETE", "/cluster/notifications/endpoints/sendmail/{name}", "notification.endpoint.delete", False),
    ("PUT", "/cluster/notifications/endpoints/sendmail/{name}", "notification.endpoint.modify", False),
    ("POST", "/cluster/notifications/endpoints/smtp", "notification.endpoint.create", False),
    ("DELETE", "/cluster/notifications/endpoints/smtp/{name}", "notification.endpoint.delete", False),
    ("PUT", "/cluster/notifications/endpoints/smtp/{name}", "notification.endpoint.modify", False),
    ("POST", "/cluster/notifications/endpoints/webhook", "notification.endpoint.create", False),
    ("DELETE", "/cluster/notifications/endpoints/webhook/{name}", "notification.endpoint.delete", False),
    ("PUT", "/cluster/notifications/endpoints/webhook/{name}", "notification.endpoint.modify", False),
    ("POST", "/cluster/notifications/matchers", "notification.matcher.create", False),
    ("DELETE", "/cluster/notifications/matchers/{name}", "notification.matcher.delete", False),
    ("PUT", "/cluster/notifications/matchers/{name}", "notification.matcher.modify", False),
    ("POST", "/cluster/notifications/targets/{name}/test", "notification.target.test", False),
    ("PUT", "/cluster/options", "cluster.options.modify", False),
    ("POST", "/cluster/qemu/custom-cpu-models", "cpu_model.create", False),
    ("DELETE", "/cluster/qemu/custom-cpu-models/{cputype}", "cpu_model.delete", False),
    ("PUT", "/cluster/qemu/custom-cpu-models/{cputype}", "cpu_model.modify", False),
    ("POST", "/cluster/replication", "replication.create", False),
    ("DELETE", "/cluster/replication/{id}", "replication.delete", False),
    ("PUT", "/cluster/replication/{id}", "replication.modify", False),
)
