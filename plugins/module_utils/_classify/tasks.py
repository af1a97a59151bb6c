# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Task types: the sixth field of a UPID, and what each of them is.

PVE knows a type only as the first argument of ``fork_worker`` (RESTEnvironment.pm); the web interface has a label for
most of them (pve-manager ``www/manager6/Utils.js``, proxmox-widget-toolkit ``src/Utils.js``). Both are gathered here.
Types are case-sensitive.

A task can say less than the call that started it: an upload runs as ``imgcopy``, a restore is posted like a creation,
a guest under HA is shut down by ``hastop``. ``docs/actions.md`` shows both sides.
"""

from __future__ import annotations

import re

from ansible_collections.pve.audit.plugins.module_utils._classify.action import ACTIONS, OTHER, Action

TASK_ACTIONS: dict[str, str] = {
    "acmedeactivate": "acme.account.delete",
    "acmenewcert": "node.certificate.order",
    "acmerefresh": "acme.account.modify",
    "acmeregister": "acme.account.create",
    "acmerenew": "node.certificate.renew",
    "acmerevoke": "node.certificate.revoke",
    "acmeupdate": "acme.account.modify",
    "aptupdate": "node.package.refresh",
    "auth-realm-sync": "access.realm.sync",
    "auth-realm-sync-test": "access.realm.sync_preview",
    "bulk-migrate": "guest.bulk.migrate",
    "bulk-shutdown": "guest.bulk.shutdown",
    "bulk-start": "guest.bulk.start",
    "bulk-suspend": "guest.bulk.suspend",
    "cephcreatemds": "ceph.mds.create",
    "cephcreatemgr": "ceph.mgr.create",
    "cephcreatemon": "ceph.mon.create",
    "cephcreateosd": "ceph.osd.create",
    "cephcreatepool": "ceph.pool.create",
    "cephdestroyfs": "ceph.fs.destroy",
    "cephdestroymds": "ceph.mds.destroy",
    "cephdestroymgr": "ceph.mgr.destroy",
    "cephdestroymon": "ceph.mon.destroy",
    "cephdestroyosd": "ceph.osd.destroy",
    "cephdestroypool": "ceph.pool.destroy",
    "cephfscreate": "ceph.fs.create",
    "cephsetflags": "ceph.flags.modify",
    "cephsetpool": "ceph.pool.modify",
    "clustercreate": "cluster.create",
    "clusterjoin": "cluster.join",
    "dircreate": "node.disk.directory.create",
    "dirremove": "node.disk.directory.delete",
    "diskinit": "node.disk.init",
    "download": "storage.volume.download",
    "hamigrate": "guest.migrate",
    "hashutdown": "guest.shutdown",
    "hastart": "guest.start",
    "hastop": "guest.stop",
    "imgcopy": "storage.volume.copy",
    "imgdel": "storage.volume.delete",
    "lvmcreate": "node.disk.lvm.create",
    "lvmremove": "node.disk.lvm.delete",
    "lvmthincreate": "node.disk.lvmthin.create",
    "lvmthinremove": "node.disk.lvmthin.delete",
    "migrateall": "guest.bulk.migrate",
    "move_volume": "guest.disk.move",
    "ociregistrypull": "storage.volume.download",
    "pbs-download": "backup.file.download",
    "prunebackups": "backup.prune",
    "pull_file": "guest.file.pull",
    "push_file": "guest.file.push",
    "qmclone": "guest.clone",
    "qmconfig": "guest.config.modify",
    "qmcreate": "guest.create",
    "qmdelsnapshot": "guest.snapshot.delete",
    "qmdestroy": "guest.destroy",
    "qmigrate": "guest.migrate",
    "qmmove": "guest.disk.move",
    "qmpause": "guest.suspend",
    "qmreboot": "guest.reboot",
    "qmreset": "guest.reset",
    "qmrestore": "guest.restore",
    "qmresume": "guest.resume",
    "qmrollback": "guest.snapshot.rollback",
    "qmshutdown": "guest.shutdown",
    "qmsnapshot": "guest.snapshot.create",
    "qmstart": "guest.start",
    "qmstop": "guest.stop",
    "qmsuspend": "guest.suspend",
    "qmtemplate": "guest.template.convert",
    "qmtunnel": "guest.tunnel.open",
    "reloadnetworkall": "sdn.apply",
    "resize": "guest.disk.resize",
    "spiceproxy": "guest.console.open",
    "spiceshell": "node.console.open",
    "srvreload": "node.service.reload",
    "srvrestart": "node.service.restart",
    "srvstart": "node.service.start",
    "srvstop": "node.service.stop",
    "startall": "guest.bulk.start",
    "stopall": "guest.bulk.shutdown",
    "suspendall": "guest.bulk.suspend",
    "termproxy": "node.console.open",
    "unknownimgdel": "storage.volume.delete",
    "vncproxy": "guest.console.open",
    "vncshell": "node.console.open",
    "vzclone": "guest.clone",
    "vzcreate": "guest.create",
    "vzdelsnapshot": "guest.snapshot.delete",
    "vzdestroy": "guest.destroy",
    "vzdump": "backup.create",
    "vzmigrate": "guest.migrate",
    "vzmount": "guest.mount",
    "vzmtunnel": "guest.tunnel.open",
    "vzreboot": "guest.reboot",
    "vzrestore": "guest.restore",
    "vzresume": "guest.resume",
    "vzrollback": "guest.snapshot.rollback",
    "vzshutdown": "guest.shutdown",
    "vzsnapshot": "guest.snapshot.create",
    "vzstart": "guest.start",
    "vzstop": "guest.stop",
    "vzsuspend": "guest.suspend",
    "vztemplate": "guest.template.convert",
    "vzumount": "guest.unmount",
    "wipedisk": "node.disk.wipe",
    "zfscreate": "node.disk.zfs.create",
    "zfsremove": "node.disk.zfs.delete",
}
"""Every task type and the name of its action."""

LEGACY_TASK_ACTIONS: dict[str, str] = {
    "bulkmigrate": "guest.bulk.migrate",
    "bulkshutdown": "guest.bulk.shutdown",
    "bulkstart": "guest.bulk.start",
    "bulksuspend": "guest.bulk.suspend",
}
"""Spellings of older sources (pve-manager API2/Cluster/BulkAction/Guest.pm) that logs may still hold."""

_ALL: dict[str, str] = {**TASK_ACTIONS, **LEGACY_TASK_ACTIONS}

BY_ID: dict[str, tuple[re.Pattern[str], str]] = {
    "srvreload": (re.compile("networking"), "node.network.apply"),
    "srvrestart": (re.compile(r"[A-Za-z0-9-]+-(?:mon|mgr|mds|osd)"), "ceph.bulk.restart"),
    "termproxy": (re.compile(r"(?s).+"), "guest.console.open"),
}
"""Types whose id tells more when all of it matches.

Applying a network runs as the reload of a service (pve-manager API2/Network.pm). Restarting all daemons of one kind, on
a node or in the cluster, is `pve1-osd` or `cluster-mon`; a single one has a dot, `mon.pve1` (API2/Ceph.pm,
API2/Cluster/Ceph.pm). A terminal of a guest has its number.
"""


def classify_task(task_type: str, task_id: str = "") -> Action:
    """The action of a task type, made precise by the UPID's id where that helps; ``OTHER`` for a type nobody knows."""
    precise = BY_ID.get(task_type)
    name = precise[1] if precise and precise[0].fullmatch(task_id) else _ALL.get(task_type)
    return OTHER if name is None else ACTIONS[name]
