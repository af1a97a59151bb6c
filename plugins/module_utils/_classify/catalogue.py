# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The names: every action this collection knows, once, with what it acts on, how grave it is, and its ECS category.

Data only. A row is ``(name, object_type, severity, category)``; the rule for the severity stands in ``action.py``.
Task types (``tasks.py``), API calls (``api_*.py``) and the journal's messages refer to these names, so one act cannot
have two severities.
"""

from __future__ import annotations

Row = tuple[str, str, str, str]

_CONFIG = "configuration"


def _changes(area: str, object_type: str, severities: tuple[str, str, str], category: str = _CONFIG) -> tuple[Row, ...]:
    """The three rows ``area.create``, ``area.modify`` and ``area.delete`` with their severities in that order."""
    verbs = ("create", "modify", "delete")
    pairs = zip(verbs, severities, strict=True)
    return tuple((f"{area}.{verb}", object_type, severity, category) for verb, severity in pairs)


_GRANTS = ("critical", "critical", "critical")
_PROTECTS = ("medium", "high", "high")
_GUARDS = ("high", "high", "high")
_ORDINARY = ("medium", "medium", "medium")
_ROUTINE = ("low", "low", "low")

ACCESS: tuple[Row, ...] = (
    ("access.login", "user", "info", "authentication"),
    ("access.login.begin", "realm", "info", "authentication"),
    ("access.login_or_renewal", "user", "info", "authentication"),
    ("access.ticket.verify", "user", "info", "authentication"),
    ("access.acl.modify", "acl", "critical", "iam"),
    ("access.password.modify", "user", "critical", "iam"),
    ("access.realm.sync", "realm", "high", "iam"),
    ("access.realm.sync_preview", "realm", "low", "iam"),
    ("access.tfa.unlock", "tfa", "critical", "iam"),
    *_changes("access.group", "group", _GRANTS, "iam"),
    *_changes("access.realm", "realm", _GRANTS, "iam"),
    *_changes("access.role", "role", _GRANTS, "iam"),
    *_changes("access.tfa", "tfa", _GRANTS, "iam"),
    *_changes("access.token", "token", _GRANTS, "iam"),
    *_changes("access.user", "user", _GRANTS, "iam"),
    *_changes("job.realm_sync", "realm", _GRANTS, "iam"),
    *_changes("pool", "pool", ("medium", "high", "high"), "iam"),
)

CLUSTER: tuple[Row, ...] = (
    ("cluster.create", "cluster", "critical", _CONFIG),
    ("cluster.join", "cluster", "critical", _CONFIG),
    ("cluster.node.add", "node", "critical", _CONFIG),
    ("cluster.node.remove", "node", "critical", _CONFIG),
    ("cluster.options.modify", "cluster", "high", _CONFIG),
    *_changes("acme.account", "certificate", _ORDINARY),
    *_changes("acme.plugin", "certificate", _ORDINARY),
    *_changes("backup_job", "backup_job", _PROTECTS),
    ("ha.arm", "ha", "medium", _CONFIG),
    ("ha.disarm", "ha", "high", _CONFIG),
    *_changes("ha.group", "ha", _ORDINARY),
    *_changes("ha.resource", "ha", _PROTECTS),
    ("ha.resource.migrate", "ha", "medium", "host"),
    ("ha.resource.relocate", "ha", "medium", "host"),
    *_changes("ha.rule", "ha", _ORDINARY),
    *_changes("mapping.dir", "mapping", _ORDINARY),
    *_changes("mapping.pci", "mapping", _ORDINARY),
    *_changes("mapping.usb", "mapping", _ORDINARY),
    *_changes("cpu_model", "cpu_model", _ORDINARY),
    *_changes("metric_server", "metric_server", _PROTECTS),
    *_changes("notification.endpoint", "notification", _PROTECTS),
    *_changes("notification.matcher", "notification", _PROTECTS),
    ("notification.target.test", "notification", "low", "process"),
    *_changes("replication", "replication", _PROTECTS),
    ("replication.run", "replication", "low", "process"),
)

NETWORK: tuple[Row, ...] = (
    *_changes("firewall.alias", "firewall", _GUARDS),
    *_changes("firewall.ipset.entry", "firewall", _GUARDS),
    *_changes("firewall.rule", "firewall", _GUARDS),
    ("firewall.group.create", "firewall", "high", _CONFIG),
    ("firewall.group.delete", "firewall", "high", _CONFIG),
    ("firewall.ipset.create", "firewall", "high", _CONFIG),
    ("firewall.ipset.delete", "firewall", "high", _CONFIG),
    ("firewall.options.modify", "firewall", "high", _CONFIG),
    ("sdn.apply", "sdn", "high", _CONFIG),
    ("sdn.lock.acquire", "sdn", "low", _CONFIG),
    ("sdn.lock.release", "sdn", "low", _CONFIG),
    ("sdn.rollback", "sdn", "medium", _CONFIG),
    *_changes("sdn.controller", "sdn", _ORDINARY),
    *_changes("sdn.dns", "sdn", _ORDINARY),
    *_changes("sdn.fabric", "sdn", _ORDINARY),
    *_changes("sdn.fabric.node", "sdn", _ORDINARY),
    *_changes("sdn.ip", "sdn", _ORDINARY),
    *_changes("sdn.ipam", "sdn", _ORDINARY),
    *_changes("sdn.prefix_list", "sdn", _ORDINARY),
    *_changes("sdn.prefix_list.entry", "sdn", _ORDINARY),
    *_changes("sdn.route_map.entry", "sdn", _ORDINARY),
    *_changes("sdn.subnet", "sdn", _ORDINARY),
    *_changes("sdn.vnet", "sdn", _ORDINARY),
    *_changes("sdn.zone", "sdn", _ORDINARY),
)

CEPH: tuple[Row, ...] = (
    ("ceph.bulk.restart", "ceph", "high", "process"),
    ("ceph.flags.modify", "ceph", "high", _CONFIG),
    ("ceph.fs.create", "ceph", "medium", _CONFIG),
    ("ceph.fs.destroy", "ceph", "critical", _CONFIG),
    ("ceph.init", "ceph", "medium", _CONFIG),
    ("ceph.mds.create", "ceph", "medium", _CONFIG),
    ("ceph.mds.destroy", "ceph", "high", _CONFIG),
    ("ceph.mgr.create", "ceph", "medium", _CONFIG),
    ("ceph.mgr.destroy", "ceph", "high", _CONFIG),
    ("ceph.mon.create", "ceph", "medium", _CONFIG),
    ("ceph.mon.destroy", "ceph", "high", _CONFIG),
    ("ceph.osd.create", "ceph", "medium", _CONFIG),
    ("ceph.osd.destroy", "ceph", "critical", _CONFIG),
    ("ceph.osd.in", "ceph", "medium", _CONFIG),
    ("ceph.osd.out", "ceph", "high", _CONFIG),
    ("ceph.osd.scrub", "ceph", "low", "process"),
    ("ceph.pool.create", "ceph", "medium", _CONFIG),
    ("ceph.pool.destroy", "ceph", "critical", _CONFIG),
    ("ceph.pool.modify", "ceph", "high", _CONFIG),
)

GUEST: tuple[Row, ...] = (
    ("guest.create", "guest", "medium", _CONFIG),
    ("guest.clone", "guest", "medium", _CONFIG),
    ("guest.destroy", "guest", "critical", _CONFIG),
    ("guest.restore", "guest", "high", _CONFIG),
    ("guest.config.modify", "guest", "medium", _CONFIG),
    ("guest.cloudinit.regenerate", "guest", "low", _CONFIG),
    ("guest.template.convert", "guest", "medium", _CONFIG),
    ("guest.disk.move", "guest", "medium", _CONFIG),
    ("guest.disk.resize", "guest", "medium", _CONFIG),
    ("guest.disk.unlink", "guest", "critical", _CONFIG),
    ("guest.migrate", "guest", "medium", "host"),
    ("guest.migrate_to_other_cluster", "guest", "high", "host"),
    ("guest.tunnel.open", "guest", "medium", "network"),
    ("guest.vmstate.modify", "guest", "low", "process"),
    ("guest.start", "guest", "low", "host"),
    ("guest.stop", "guest", "medium", "host"),
    ("guest.shutdown", "guest", "medium", "host"),
    ("guest.reboot", "guest", "medium", "host"),
    ("guest.reset", "guest", "medium", "host"),
    ("guest.suspend", "guest", "medium", "host"),
    ("guest.resume", "guest", "low", "host"),
    ("guest.bulk.migrate", "guest", "high", "host"),
    ("guest.bulk.shutdown", "guest", "high", "host"),
    ("guest.bulk.start", "guest", "medium", "host"),
    ("guest.bulk.suspend", "guest", "high", "host"),
    ("guest.snapshot.create", "snapshot", "low", _CONFIG),
    ("guest.snapshot.modify", "snapshot", "low", _CONFIG),
    ("guest.snapshot.delete", "snapshot", "critical", _CONFIG),
    ("guest.snapshot.rollback", "snapshot", "critical", _CONFIG),
    ("guest.console.open", "guest", "medium", "session"),
    ("guest.key.send", "guest", "medium", "process"),
    ("guest.monitor.command", "guest", "high", "process"),
    ("guest.agent.command", "guest", "high", "process"),
    ("guest.agent.exec", "guest", "high", "process"),
    ("guest.agent.file.read", "guest", "high", "file"),
    ("guest.agent.file.write", "guest", "high", "file"),
    ("guest.agent.freeze", "guest", "medium", "process"),
    ("guest.agent.password.modify", "guest", "high", "iam"),
    ("guest.agent.query", "guest", "info", "process"),
    ("guest.agent.thaw", "guest", "low", "process"),
    ("guest.agent.trim", "guest", "low", "process"),
    ("guest.file.pull", "guest", "high", "file"),
    ("guest.file.push", "guest", "high", "file"),
    ("guest.mount", "guest", "medium", "file"),
    ("guest.unmount", "guest", "low", "file"),
)

NODE: tuple[Row, ...] = (
    ("node.config.modify", "node", "medium", _CONFIG),
    ("node.console.open", "node", "high", "session"),
    ("node.dns.modify", "node", "medium", _CONFIG),
    ("node.execute", "node", "critical", "process"),
    ("node.hosts.modify", "node", "medium", _CONFIG),
    ("node.reboot_or_shutdown", "node", "high", "host"),
    ("node.time.modify", "node", "high", _CONFIG),
    ("node.wake", "node", "low", "host"),
    ("node.task.stop", "task", "medium", "process"),
    ("node.certificate.delete", "certificate", "high", _CONFIG),
    ("node.certificate.order", "certificate", "medium", _CONFIG),
    ("node.certificate.renew", "certificate", "low", _CONFIG),
    ("node.certificate.revoke", "certificate", "high", _CONFIG),
    ("node.certificate.upload", "certificate", "high", _CONFIG),
    ("node.disk.directory.create", "disk", "medium", _CONFIG),
    ("node.disk.directory.delete", "disk", "critical", _CONFIG),
    ("node.disk.lvm.create", "disk", "medium", _CONFIG),
    ("node.disk.lvm.delete", "disk", "critical", _CONFIG),
    ("node.disk.lvmthin.create", "disk", "medium", _CONFIG),
    ("node.disk.lvmthin.delete", "disk", "critical", _CONFIG),
    ("node.disk.zfs.create", "disk", "medium", _CONFIG),
    ("node.disk.zfs.delete", "disk", "critical", _CONFIG),
    ("node.disk.init", "disk", "critical", _CONFIG),
    ("node.disk.wipe", "disk", "critical", _CONFIG),
    ("node.network.apply", "network", "high", _CONFIG),
    *_changes("node.network", "network", _ORDINARY),
    ("node.network.revert", "network", "low", _CONFIG),
    ("node.package.refresh", "package", "low", "package"),
    ("node.repository.create", "package", "high", "package"),
    ("node.repository.modify", "package", "high", "package"),
    ("node.service.reload", "service", "medium", "process"),
    ("node.service.restart", "service", "high", "process"),
    ("node.service.start", "service", "medium", "process"),
    ("node.service.stop", "service", "high", "process"),
    ("node.subscription.delete", "node", "medium", _CONFIG),
    ("node.subscription.modify", "node", "low", _CONFIG),
    ("node.subscription.refresh", "node", "low", _CONFIG),
)

STORAGE: tuple[Row, ...] = (
    ("backup.create", "guest", "low", "file"),
    ("backup.file.download", "volume", "high", "file"),
    ("backup.prune", "storage", "critical", "file"),
    *_changes("storage.definition", "storage", ("medium", "high", "high")),
    ("storage.volume.copy", "volume", "medium", "file"),
    ("storage.volume.create", "volume", "medium", "file"),
    ("storage.volume.delete", "volume", "critical", "file"),
    ("storage.volume.download", "volume", "low", "file"),
    ("storage.volume.modify", "volume", "medium", "file"),
    ("storage.volume.upload", "volume", "medium", "file"),
)

JOURNAL: tuple[Row, ...] = (
    ("access.authenticate", "user", "info", "authentication"),
    ("config.file.modify", "cluster", "medium", _CONFIG),
    ("config.file.rewrite", "cluster", "info", _CONFIG),
    ("logging.journal.damaged", "service", "high", "host"),
    ("logging.journal.removed", "service", "medium", "host"),
    ("logging.messages.lost", "service", "high", "host"),
    ("logging.started", "service", "info", "host"),
    ("logging.stopped", "service", "medium", "host"),
    *_changes("node.account", "user", _GRANTS, "iam"),
    *_changes("node.group", "group", _GRANTS, "iam"),
    ("node.password.modify", "user", "critical", "iam"),
    ("session.console.login", "session", "medium", "session"),
    ("session.open", "session", "info", "session"),
    ("session.ssh.close", "session", "info", "session"),
    ("session.ssh.open", "session", "low", "session"),
    ("session.sudo.command", "session", "medium", "process"),
    ("session.task.end", "task", "info", "process"),
    ("session.task.start", "task", "info", "process"),
)
"""What no task and no call means: the parser of messages names these itself."""

READS: tuple[Row, ...] = (
    ("api.read", "other", "info", "web"),
    ("gui.read", "other", "info", "web"),
)

ROWS: tuple[Row, ...] = (*ACCESS, *CLUSTER, *NETWORK, *CEPH, *GUEST, *NODE, *STORAGE, *JOURNAL, *READS)
