# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The catalogue of names: closed sets, the severity rule's own examples, identities, and the page made from it."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from ansible_collections.pve.audit.plugins.module_utils._classify import action, api, tasks
from ansible_collections.pve.audit.plugins.module_utils._classify.action import (
    ACTIONS,
    action_named,
    is_critical,
    object_of,
)
from ansible_collections.pve.audit.plugins.module_utils._classify.catalogue import JOURNAL, ROWS
from ansible_collections.pve.audit.plugins.module_utils._model.severity import SEVERITIES

ROOT = Path(__file__).resolve().parents[5]
NAME = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)+")
ECS_CATEGORIES = frozenset(
    "api authentication configuration database driver email file host iam intrusion_detection library malware network"
    " package process registry session threat vulnerability web".split()
)


def test_closed_sets() -> None:
    assert len(ROWS) == len(ACTIONS), "a name stands twice"
    assert ECS_CATEGORIES >= action.CATEGORIES
    for item in (*ACTIONS.values(), action.OTHER):
        assert item.name == "other" or NAME.fullmatch(item.name)
        assert item.severity in SEVERITIES
    assert {item.category for item in ACTIONS.values()} == action.CATEGORIES
    assert {item.object_type for item in ACTIONS.values()} == action.OBJECT_TYPES
    assert all(item.known for item in ACTIONS.values())


def test_every_name_is_used() -> None:
    used = {name for _, _, name, _ in (*api.API_CALLS, *api.LEGACY_CALLS, *api.SENSITIVE_READS)}
    used |= {*tasks.TASK_ACTIONS.values(), *tasks.LEGACY_TASK_ACTIONS.values()}
    used |= {name for _, name in tasks.BY_ID.values()}
    used |= {name for name, *_ in JOURNAL}
    assert used | {"api.read", "gui.read"} == set(ACTIONS)


def test_every_name_of_the_parsers_is_known() -> None:
    """The messages of the journal are given their action where they are read."""
    room = ROOT / "plugins" / "module_utils" / "_parse"
    text = "".join(path.read_text(encoding="utf-8") for path in sorted(room.glob("*.py")))
    written = set(re.findall(r'"((?:access|config|guest|logging|node|session)\.[a-z_.]+[a-z])"', text))
    assert {name for name, *_ in JOURNAL} - written == set()
    areas = {name for name in written if f"{name}.create" in ACTIONS}  # to which the reader adds a verb
    assert written - areas - set(ACTIONS) == set()


def test_an_unknown_name_is_other() -> None:
    assert action_named("guest.nonsense") is action.OTHER
    assert (action.OTHER.name, action.OTHER.severity, action.OTHER.known) == ("other", "medium", False)
    assert action_named("guest.destroy") is ACTIONS["guest.destroy"]


EXAMPLES = {
    "critical": "guest.destroy guest.snapshot.delete guest.snapshot.rollback backup.prune storage.volume.delete"
    " node.disk.wipe node.disk.zfs.delete ceph.pool.destroy access.acl.modify access.user.create access.token.create"
    " access.password.modify access.tfa.delete access.realm.modify cluster.join cluster.node.remove node.execute"
    " node.account.create node.password.modify",
    "high": "node.reboot_or_shutdown node.console.open guest.agent.exec guest.monitor.command guest.bulk.shutdown"
    " ceph.bulk.restart firewall.rule.create firewall.options.modify"
    " logging.messages.lost backup_job.delete storage.definition.delete backup.file.download"
    " guest.migrate_to_other_cluster ha.disarm node.repository.create node.time.modify notification.matcher.delete",
    "medium": "guest.create guest.clone guest.stop guest.config.modify guest.console.open guest.migrate node.task.stop",
    "low": "guest.start backup.create guest.snapshot.create node.package.refresh replication.run",
    "info": "api.read gui.read access.login_or_renewal access.login guest.agent.query",
}


@pytest.mark.parametrize(("severity", "names"), EXAMPLES.items())
def test_severity(severity: str, names: str) -> None:
    assert {name: ACTIONS[name].severity for name in names.split()} == dict.fromkeys(names.split(), severity)


@pytest.mark.parametrize("item", ACTIONS.values(), ids=lambda item: item.name)
def test_severity_follows_the_rule(item: action.Action) -> None:
    if item.severity == "critical":
        assert is_critical(item.name)
    if item.object_type == "firewall":
        assert item.severity == "high"
    if item.name.endswith(".console.open"):
        assert item.severity in ("medium", "high")
    if item.category == "web":
        assert item.severity == "info"
    if item.object_type in ("acl", "group", "role", "tfa", "token"):
        assert item.severity == "critical"


CRITICAL = (
    "guest.destroy guest.snapshot.delete storage.volume.delete backup.prune access.user.modify access.acl.modify"
    " access.token.create access.realm.delete access.tfa.unlock access.password.modify firewall.rule.delete"
    " firewall.options.modify node.reboot_or_shutdown storage.definition.delete backup_job.delete node.disk.wipe"
    " cluster.join cluster.node.add node.console.open"
).split()
NOT_CRITICAL = (
    "guest.create guest.start guest.console.open backup.create api.read access.login_or_renewal"
    " access.realm.sync_preview other nonsense"
).split()


def test_weekly_list() -> None:
    assert [name for name in CRITICAL if not is_critical(name)] == []
    assert [name for name in NOT_CRITICAL if is_critical(name)] == []
    assert set(ACTIONS) >= action.CRITICAL_ACTIONS


IDENTITIES = [
    ("DELETE", "/nodes/pve1/qemu/100", "100"),
    ("POST", "/nodes/pve1/qemu", None),
    ("POST", "/nodes/pve1/qemu/100/snapshot", "100"),
    ("DELETE", "/nodes/pve1/lxc/100/snapshot/before", "100/before"),
    ("PUT", "/access/users/alice@pve", "alice@pve"),
    ("POST", "/access/users", None),
    ("POST", "/access/users/alice@pve/token/tok", "alice@pve!tok"),
    ("PUT", "/access/users/alice@pve/unlock-tfa", "alice@pve"),
    ("DELETE", "/access/tfa/alice@pve/totp:1", "alice@pve/totp:1"),
    ("PUT", "/access/acl", None),
    ("PUT", "/access/password", None),
    ("DELETE", "/access/domains/corp", "corp"),
    ("POST", "/cluster/jobs/realm-sync/nightly", "nightly"),
    ("DELETE", "/cluster/backup/backup-123", "backup-123"),
    ("POST", "/cluster/backup", None),
    ("DELETE", "/pools/dev", "dev"),
    ("DELETE", "/storage/nfs", "nfs"),
    ("POST", "/nodes/pve1/status", "pve1"),
    ("POST", "/nodes/pve1/termproxy", "pve1"),
    ("POST", "/nodes/pve1/services/pveproxy/restart", "pveproxy"),
    ("DELETE", "/cluster/config/nodes/pve3", "pve3"),
    ("DELETE", "/nodes/pve1/disks/zfs/tank", "tank"),
    ("PUT", "/nodes/pve1/disks/wipedisk", None),
    ("PUT", "/nodes/pve1/network/vmbr0", "vmbr0"),
    ("PUT", "/nodes/pve1/network", "pve1"),
    ("DELETE", "/nodes/pve1/storage/local/content/local:backup/vzdump-qemu-1.vma", "local:backup/vzdump-qemu-1.vma"),
    ("DELETE", "/nodes/pve1/storage/local/content/iso/x.iso", "local:iso/x.iso"),
    ("DELETE", "/nodes/pve1/storage/local/prunebackups", "local"),
    ("POST", "/nodes/pve1/storage/local/upload", None),
    ("DELETE", "/cluster/firewall/rules/0", "0"),
    ("DELETE", "/cluster/firewall/groups/web/0", "web/0"),
    ("DELETE", "/cluster/firewall/ipset/admins/10.0.0.0/8", "admins/10.0.0.0/8"),
    ("POST", "/nodes/pve1/qemu/100/firewall/rules", "100"),
    ("PUT", "/nodes/pve1/qemu/100/firewall/aliases/office", "100/office"),
    ("PUT", "/nodes/pve1/firewall/options", "pve1"),
    ("PUT", "/cluster/sdn/vnets/v1/subnets/z-10.0.0.0-24", "z-10.0.0.0-24"),
    ("PUT", "/cluster/sdn/fabrics/node/f1/pve1", "f1/pve1"),
    ("PUT", "/cluster/sdn/vnets/v1/firewall/rules/2", "v1/2"),
    ("DELETE", "/cluster/sdn/prefix-lists/lan", "lan"),
    ("POST", "/cluster/sdn/prefix-lists/lan/entries", "lan"),
    ("DELETE", "/cluster/sdn/prefix-lists/lan/entries/10", "lan/10"),
    ("POST", "/cluster/sdn/route-maps/entries", None),
    ("PUT", "/cluster/sdn/route-maps/entries/out/entry/5", "out/5"),
    ("PUT", "/cluster/qemu/custom-cpu-models/tuned", "tuned"),
    ("POST", "/cluster/qemu/custom-cpu-models", None),
    ("DELETE", "/nodes/pve1/ceph/fs/cephfs", "cephfs"),
    ("POST", "/cluster/ha/resources/vm:100/migrate", "vm:100"),
    ("DELETE", "/nodes/pve1/ceph/osd/3", "3"),
    ("DELETE", "/nodes/pve1/tasks/UPID:pve1:0:0:0:qmstart:1:root@pam:", "UPID:pve1:0:0:0:qmstart:1:root@pam:"),
    ("POST", "/nodes/pve1/vzdump", None),
    ("GET", "/nodes/pve1/qemu/100/config", None),
    ("POST", "/nonsense", None),
]


@pytest.mark.parametrize(("method", "path", "identity"), IDENTITIES)
def test_object_of(method: str, path: str, identity: str | None) -> None:
    found, params = api.classify_api(method, "/api2/json" + path)
    assert object_of(params, found) == identity


def test_the_page_is_current() -> None:
    spec = importlib.util.spec_from_file_location("generate_actions", ROOT / "docs" / "generate_actions.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.main(["--check"]) == 0, "run: python docs/generate_actions.py"
