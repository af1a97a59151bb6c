# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writing calls for one node: services, disks, Ceph, network, certificates, packages.

Data only. A row is ``(method, path template, action, leaves a task)``; the last is None where it depends on the
body of the request.
"""

from __future__ import annotations

from ansible_collections.pve.audit.plugins.module_utils._classify.call import Call

CALLS: tuple[Call, ...] = (
    ("POST", "/nodes/{node}/apt/repositories", "node.repository.modify", False),
    ("PUT", "/nodes/{node}/apt/repositories", "node.repository.create", False),
    ("POST", "/nodes/{node}/apt/update", "node.package.refresh", True),
    ("DELETE", "/nodes/{node}/ceph/fs/{name}", "ceph.fs.destroy", True),
    ("POST", "/nodes/{node}/ceph/fs/{name}", "ceph.fs.create", True),
    ("POST", "/nodes/{node}/ceph/init", "ceph.init", False),
    ("DELETE", "/nodes/{node}/ceph/mds/{name}", "ceph.mds.destroy", True),
    ("POST", "/nodes/{node}/ceph/mds/{name}", "ceph.mds.create", True),
    ("DELETE", "/nodes/{node}/ceph/mgr/{id}", "ceph.mgr.destroy", True),
    ("POST", "/nodes/{node}/ceph/mgr/{id}", "ceph.mgr.create", True),
    ("DELETE", "/nodes/{node}/ceph/mon/{monid}", "ceph.mon.destroy", True),
    ("POST", "/nodes/{node}/ceph/mon/{monid}", "ceph.mon.create", True),
    ("POST", "/nodes/{node}/ceph/osd", "ceph.osd.create", True),
    ("DELETE", "/nodes/{node}/ceph/osd/{osdid}", "ceph.osd.destroy", True),
    ("POST", "/nodes/{node}/ceph/osd/{osdid}/in", "ceph.osd.in", False),
    ("POST", "/nodes/{node}/ceph/osd/{osdid}/out", "ceph.osd.out", False),
    ("POST", "/nodes/{node}/ceph/osd/{osdid}/scrub", "ceph.osd.scrub", False),
    ("POST", "/nodes/{node}/ceph/pool", "ceph.pool.create", True),
    ("DELETE", "/nodes/{node}/ceph/pool/{name}", "ceph.pool.destroy", True),
    ("PUT", "/nodes/{node}/ceph/pool/{name}", "ceph.pool.modify", True),
    ("POST", "/nodes/{node}/ceph/restart", "node.service.restart", True),
    ("POST", "/nodes/{node}/ceph/restart-bulk", "ceph.bulk.restart", True),
    ("POST", "/nodes/{node}/ceph/start", "node.service.start", True),
    ("POST", "/nodes/{node}/ceph/stop", "node.service.stop", True),
    ("DELETE", "/nodes/{node}/certificates/acme/certificate", "node.certificate.revoke", True),
    ("POST", "/nodes/{node}/certificates/acme/certificate", "node.certificate.order", True),
    ("PUT", "/nodes/{node}/certificates/acme/certificate", "node.certificate.renew", True),
    ("DELETE", "/nodes/{node}/certificates/custom", "node.certificate.delete", False),
    ("POST", "/nodes/{node}/certificates/custom", "node.certificate.upload", False),
    ("PUT", "/nodes/{node}/config", "node.config.modify", False),
    ("POST", "/nodes/{node}/disks/directory", "node.disk.directory.create", True),
    ("DELETE", "/nodes/{node}/disks/directory/{name}", "node.disk.directory.delete", True),
    ("POST", "/nodes/{node}/disks/initgpt", "node.disk.init", True),
    ("POST", "/nodes/{node}/disks/lvm", "node.disk.lvm.create", True),
    ("DELETE", "/nodes/{node}/disks/lvm/{name}", "node.disk.lvm.delete", True),
    ("POST", "/nodes/{node}/disks/lvmthin", "node.disk.lvmthin.create", True),
    ("DELETE", "/nodes/{node}/disks/lvmthin/{name}", "node.disk.lvmthin.delete", True),
    ("PUT", "/nodes/{node}/disks/wipedisk", "node.disk.wipe", True),
    ("POST", "/nodes/{node}/disks/zfs", "node.disk.zfs.create", True),
    ("DELETE", "/nodes/{node}/disks/zfs/{name}", "node.disk.zfs.delete", True),
    ("PUT", "/nodes/{node}/dns", "node.dns.modify", False),
    ("POST", "/nodes/{node}/execute", "node.execute", None),
    ("PUT", "/nodes/{node}/firewall/options", "firewall.options.modify", False),
    ("POST", "/nodes/{node}/firewall/rules", "firewall.rule.create", False),
    ("DELETE", "/nodes/{node}/firewall/rules/{pos}", "firewall.rule.delete", False),
    ("PUT", "/nodes/{node}/firewall/rules/{pos}", "firewall.rule.modify", False),
    ("POST", "/nodes/{node}/hosts", "node.hosts.modify", False),
    ("DELETE", "/nodes/{node}/network", "node.network.revert", False),
    ("POST", "/nodes/{node}/network", "node.network.create", False),
    ("PUT", "/nodes/{node}/network", "node.network.apply", True),
    ("DELETE", "/nodes/{node}/network/{iface}", "node.network.delete", False),
    ("PUT", "/nodes/{node}/network/{iface}", "node.network.modify", False),
    ("POST", "/nodes/{node}/replication/{id}/schedule_now", "replication.run", False),
    ("POST", "/nodes/{node}/services/{service}/reload", "node.service.reload", True),
    ("POST", "/nodes/{node}/services/{service}/restart", "node.service.restart", True),
    ("POST", "/nodes/{node}/services/{service}/start", "node.service.start", True),
    ("POST", "/nodes/{node}/services/{service}/stop", "node.service.stop", True),
    ("POST", "/nodes/{node}/spiceshell", "node.console.open", True),
    ("POST", "/nodes/{node}/status", "node.reboot_or_shutdown", False),
    ("DELETE", "/nodes/{node}/subscription", "node.subscription.delete", False),
    ("POST", "/nodes/{node}/subscription", "node.subscription.refresh", False),
    ("PUT", "/nodes/{node}/subscription", "node.subscription.modify", False),
    ("DELETE", "/nodes/{node}/tasks/{upid}", "node.task.stop", False),
    ("POST", "/nodes/{node}/termproxy", "node.console.open", True),
    ("PUT", "/nodes/{node}/time", "node.time.modify", False),
    ("POST", "/nodes/{node}/vncshell", "node.console.open", True),
    ("POST", "/nodes/{node}/wakeonlan", "node.wake", False),
)
