# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""API calls: every writing call of PVE's list is known, paths are read as PVE reads them, tasks and calls agree."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ansible_collections.pve.audit.plugins.module_utils._classify.action import ACTIONS, OTHER
from ansible_collections.pve.audit.plugins.module_utils._classify.api import (
    API_CALLS,
    LEGACY_CALLS,
    SENSITIVE_READS,
    classify_api,
    classify_call,
    leaves_task,
)
from ansible_collections.pve.audit.plugins.module_utils._classify.tasks import BY_ID, TASK_ACTIONS, classify_task
from tools import catalogue

DATA = Path(__file__).parent / "data"
SCHEMA = Path(__file__).parents[3] / "data" / "schema" / "api-9.2.json.gz"
WRITES = catalogue.writing_calls(catalogue.read(SCHEMA))
# In the web interface of pve-manager 9.2.11 (www/manager6/sdn), and not in the schema, which had pve-network 1.3.0.
NEWER = {
    *((verb, "/cluster/sdn/prefix-lists/{id}") for verb in ("PUT", "DELETE")),
    *((verb, "/cluster/sdn/prefix-lists/{id}/entries/{url_seq}") for verb in ("PUT", "DELETE")),
    *((verb, "/cluster/sdn/route-maps/entries/{route-map-id}/entry/{order}") for verb in ("PUT", "DELETE")),
    ("POST", "/cluster/sdn/prefix-lists"),
    ("POST", "/cluster/sdn/prefix-lists/{id}/entries"),
    ("POST", "/cluster/sdn/route-maps/entries"),
}
TEMPLATES = sorted({(method, path) for method, path, _ in WRITES} | NEWER)
TRUTH: list[tuple[str, str, str, str | None, str]] = [
    tuple(row) for row in json.loads((DATA / "truth-kinds.json").read_text(encoding="utf-8"))
]
PARAMETER = re.compile(r"\{([\w-]+)\}")


def test_complete_and_not_stale() -> None:
    rows = Counter((method, path) for method, path, _, _ in (*API_CALLS, *LEGACY_CALLS, *SENSITIVE_READS))
    assert max(rows.values()) == 1, "a call stands twice"
    assert len(WRITES) == 328
    assert list(catalogue.lacking(WRITES)) == []
    assert set(catalogue.beyond(WRITES)) == NEWER


@pytest.mark.parametrize(("method", "template"), TEMPLATES)
def test_every_call_is_known(method: str, template: str) -> None:
    values = {name: f"v-{name}" for name in PARAMETER.findall(template)}
    path = PARAMETER.sub(lambda match: values[match[1]], template)
    for prefix in ("", "/api2/json", "/api2/extjs", "/api2/html", "/api2/text"):
        found, params = classify_api(method, f"{prefix}{path}?x=1")
        assert found.known
        assert found.name not in ("api.read", "gui.read")
        assert params == values


def test_no_template_is_shadowed() -> None:
    """A literal wins over a parameter; as long as no place has both with the same method, none can hide the other."""
    literal: set[tuple[str, ...]] = set()
    parameter: set[tuple[str, ...]] = set()
    for _, path, _, _ in (*API_CALLS, *LEGACY_CALLS, *SENSITIVE_READS):
        parts = path.strip("/").split("/")
        for position, part in enumerate(parts):
            above = tuple("{}" if other.startswith("{") else other for other in parts[:position])
            (parameter if part.startswith("{") else literal).add(above)
    assert not literal & parameter


N100 = {"node": "pve1", "vmid": "100"}
VOLUME = "local:backup/vzdump-qemu-100-2026_11_23-02_13_05.vma.zst"
LOCAL = {"node": "pve1", "storage": "local"}
PATHS: list[tuple[str, str, str, dict[str, str]]] = [
    ("DELETE", "/api2/extjs/nodes/pve1/qemu/100?purge=1", "guest.destroy", N100),
    ("delete", "/api2/json/nodes/pve1/lxc/100/", "guest.destroy", N100),
    ("DELETE", "/nodes/pve1/qemu/100", "guest.destroy", N100),
    ("DELETE", "nodes/pve1/qemu/100", "guest.destroy", N100),
    ("DELETE", "/api2/json//nodes///pve1/qemu/100//", "guest.destroy", N100),
    ("DELETE", "//api2/json/nodes/pve1/qemu/100", "guest.destroy", N100),
    ("DELETE", "https://pve1:8006/api2/json/nodes/pve1/qemu/100", "guest.destroy", N100),
    ("DELETE", "//pve1/api2/json/nodes/pve1/qemu/100", "guest.destroy", N100),
    ("DELETE", "/api2/json/nodes%2Fpve1%2Fqemu%2F100", "guest.destroy", N100),
    ("DELETE", "/%61pi2/json/nodes/pve1/%71emu/100", "guest.destroy", N100),
    ("DELETE", "/api2/json/nodes/pve1/qemu/100#fragment", "guest.destroy", N100),
    ("DELETE", "/api2/json/nodes/pve1/qemu/100?x=/../../status", "guest.destroy", N100),
    ("DELETE", "/api2/json/nodes/pve1/qemu/100%3Fx", "guest.destroy", {"node": "pve1", "vmid": "100?x"}),
    ("DELETE", "/api2/json/nodes/pve1/qemu/%zz%", "guest.destroy", {"node": "pve1", "vmid": "%zz%"}),
    ("DELETE", "/api2/json/access/users/%ff%fe@pve", "access.user.delete", {"userid": "\ufffd\ufffd@pve"}),
    ("DELETE", "/api2/json/access/users/a%252Fb@pve", "access.user.delete", {"userid": "a%2Fb@pve"}),
    ("PUT", "/api2/json/access/users/alice%40pve", "access.user.modify", {"userid": "alice@pve"}),
    ("PUT", "/api2/json/access/users/zo%C3%AB@pve", "access.user.modify", {"userid": "zoë@pve"}),
    ("DELETE", f"/nodes/pve1/storage/local/content/{VOLUME}", "storage.volume.delete", {**LOCAL, "volume": VOLUME}),
    ("DELETE", f"/nodes/pve1/storage/local/content/{quote(VOLUME, safe='')}", "storage.volume.delete",
     {**LOCAL, "volume": VOLUME}),
    ("DELETE", "/nodes/pve1/storage/local/content/iso/x.iso/", "storage.volume.delete",
     {**LOCAL, "volume": "iso/x.iso"}),
    ("POST", "/nodes/pve1/storage/local/content", "storage.volume.create", LOCAL),
    ("DELETE", "/cluster/firewall/ipset/admins/10.0.0.0/8", "firewall.ipset.entry.delete",
     {"name": "admins", "cidr": "10.0.0.0/8"}),
    ("DELETE", "/cluster/firewall/ipset/admins/10.0.0.0%2F8", "firewall.ipset.entry.delete",
     {"name": "admins", "cidr": "10.0.0.0/8"}),
    ("DELETE", "/cluster/firewall/ipset/admins", "firewall.ipset.delete", {"name": "admins"}),
    ("DELETE", "/api2/json/nodes/pve1/tasks/UPID%3Apve1%3A0000A%3A0B%3A0C%3Aqmstart%3A100%3Asvc%40pve%21tok%3A",
     "node.task.stop", {"node": "pve1", "upid": "UPID:pve1:0000A:0B:0C:qmstart:100:svc@pve!tok:"}),
    ("POST", "/api2/json/nodes/pve1/status", "node.reboot_or_shutdown", {"node": "pve1"}),
    ("POST", "/api2/extjs/access/ticket", "access.login_or_renewal", {}),
    ("POST", "/nodes/network/network", "node.network.create", {"node": "network"}),
    ("DELETE", "/cluster/qemu/custom-cpu-models/tuned", "cpu_model.delete", {"cputype": "tuned"}),
    ("PUT", "/cluster/sdn/prefix-lists/lan/entries/10", "sdn.prefix_list.entry.modify", {"id": "lan", "url_seq": "10"}),
    ("DELETE", "/cluster/sdn/route-maps/entries/out/entry/5", "sdn.route_map.entry.delete",
     {"route-map-id": "out", "order": "5"}),
    ("GET", "/api2/json/nodes/pve1/qemu/100", "api.read", {}),
    ("HEAD", "/api2/json", "api.read", {}),
    ("GET", "/api2", "api.read", {}),
    ("GET", "https://pve1:8006/api2/json/version", "api.read", {}),
    ("GET", "/nodes/pve1/tasks", "api.read", {}),
    ("GET", "/api2/json/nosuch", "api.read", {}),
    ("GET", "/api2/json/nodes/pve1/qemu/100/agent/file-read?file=/etc/shadow", "guest.agent.file.read", N100),
    ("GET", "/api2/json/nodes/pve1/storage/pbs/file-restore/download?filepath=L2V0Yw", "backup.file.download",
     {"node": "pve1", "storage": "pbs"}),
    ("GET", "/", "gui.read", {}),
    ("GET", "", "gui.read", {}),
    ("GET", "/?console=kvm&novnc=1", "gui.read", {}),
    ("GET", "/pve2/js/pvemanagerlib.js?ver=9.1", "gui.read", {}),
    ("GET", "/novnc/app.js", "gui.read", {}),
    ("GET", "/xtermjs/main.js", "gui.read", {}),
    ("GET", "/favicon.ico", "gui.read", {}),
    ("GET", "/api2x/json", "gui.read", {}),
    ("PUT", "/api2/json/nodes/pve1/tasks", "other", {}),
    ("PUT", "/api2/json/access/ticket", "other", {}),
    ("POST", "/api2/json/nosuch", "other", {}),
    ("DELETE", "/api2/json/nodes/pve1/qemu/100/nosuch", "other", {}),
    ("DELETE", "/api2/nodes/pve1/qemu/100", "other", {}),
    ("DELETE", "/api2/json/nodes/pve1/qemu/100/../101", "other", {}),
    ("POST", "/", "other", {}),
    ("TRACE", "/api2/json/nodes/pve1/tasks", "other", {}),
    ("", "", "other", {}),
    ("-", "-", "other", {}),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "name", "params"), PATHS)
def test_path(method: str, path: str, name: str, params: dict[str, str]) -> None:
    found, got = classify_api(method, path)
    assert (found.name, got) == (name, params)
    assert found.known == (name != "other")


CALLS = [
    ("DELETE", "/access/users/a%2Ftoken%2Fb@pve", None, "access.user.delete", {"userid": "a%2Ftoken%2Fb@pve"}),
    ("DELETE", "/api2/json/access/users/what?@pve", None, "access.user.delete", {"userid": "what?@pve"}),
    ("DELETE", "/api2/json/access/users/a#b@pve", None, "access.user.delete", {"userid": "a#b@pve"}),
    ("DELETE", "/api2/extjs/nodes/pve1/qemu/100", "purge=1&poolid=x", "guest.destroy", N100),
    ("DELETE", "/api2/json/pools", "poolid=dev%2Fweb", "pool.delete", {"poolid": "dev/web"}),
    ("DELETE", "/api2/json/pools", None, "pool.delete", {}),
    ("DELETE", "/api2/json/pools/dev", "poolid=x", "pool.delete", {"poolid": "dev"}),
    ("DELETE", "/api2/json/nodes/pve1/storage/local/prunebackups", "type=qemu&vmid=100&prune-backups=keep-last%3D1",
     "backup.prune", {**LOCAL, "vmid": "100"}),
    ("GET", "/api2/json/nodes/pve1/storage/pbs/file-restore/download", "volume=backup%2Fvm%2F100&filepath=Lw",
     "backup.file.download", {"node": "pve1", "storage": "pbs", "volume": "backup/vm/100"}),
    ("POST", "/api2/json/pools", "poolid=dev", "pool.create", {}),
    ("GET", "/api2/json/version", "%zz=%ff&&=", "api.read", {}),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "query", "name", "params"), CALLS)
def test_call_of_an_event(method: str, path: str, query: str | None, name: str, params: dict[str, str]) -> None:
    found, got = classify_call(method, path, query)
    assert (found.name, got) == (name, params)


SAME = [
    ("qmdestroy", "DELETE /nodes/{n}/qemu/{v}"),
    ("vzdestroy", "DELETE /nodes/{n}/lxc/{v}"),
    ("qmcreate", "POST /nodes/{n}/qemu"),
    ("vzcreate", "POST /nodes/{n}/lxc"),
    ("qmclone", "POST /nodes/{n}/qemu/{v}/clone"),
    ("vzclone", "POST /nodes/{n}/lxc/{v}/clone"),
    ("qmconfig", "POST /nodes/{n}/qemu/{v}/config"),
    ("qmmove", "POST /nodes/{n}/qemu/{v}/move_disk"),
    ("move_volume", "POST /nodes/{n}/lxc/{v}/move_volume"),
    ("resize", "PUT /nodes/{n}/lxc/{v}/resize"),
    ("resize", "PUT /nodes/{n}/qemu/{v}/resize"),
    ("qmigrate", "POST /nodes/{n}/qemu/{v}/migrate"),
    ("vzmigrate", "POST /nodes/{n}/lxc/{v}/migrate"),
    ("hamigrate", "POST /nodes/{n}/lxc/{v}/migrate"),
    ("qmsnapshot", "POST /nodes/{n}/qemu/{v}/snapshot"),
    ("vzsnapshot", "POST /nodes/{n}/lxc/{v}/snapshot"),
    ("qmdelsnapshot", "DELETE /nodes/{n}/qemu/{v}/snapshot/{s}"),
    ("vzdelsnapshot", "DELETE /nodes/{n}/lxc/{v}/snapshot/{s}"),
    ("qmrollback", "POST /nodes/{n}/qemu/{v}/snapshot/{s}/rollback"),
    ("vzrollback", "POST /nodes/{n}/lxc/{v}/snapshot/{s}/rollback"),
    *((f"{kind}{verb}", f"POST /nodes/{{n}}/{path}/{{v}}/status/{verb}")
      for kind, path in (("qm", "qemu"), ("vz", "lxc"))
      for verb in ("start", "stop", "shutdown", "reboot", "suspend", "resume")),
    ("qmreset", "POST /nodes/{n}/qemu/{v}/status/reset"),
    ("qmpause", "POST /nodes/{n}/qemu/{v}/status/suspend"),
    ("hastart", "POST /nodes/{n}/qemu/{v}/status/start"),
    ("hastop", "POST /nodes/{n}/qemu/{v}/status/stop"),
    ("qmtemplate", "POST /nodes/{n}/qemu/{v}/template"),
    ("vztemplate", "POST /nodes/{n}/lxc/{v}/template"),
    ("qmtunnel", "POST /nodes/{n}/qemu/{v}/mtunnel"),
    ("vzmtunnel", "POST /nodes/{n}/lxc/{v}/mtunnel"),
    ("vncproxy", "POST /nodes/{n}/qemu/{v}/vncproxy"),
    ("vncproxy", "POST /nodes/{n}/lxc/{v}/termproxy"),
    ("spiceproxy", "POST /nodes/{n}/lxc/{v}/spiceproxy"),
    ("vncshell", "POST /nodes/{n}/vncshell"),
    ("vncshell", "POST /nodes/{n}/termproxy"),
    ("spiceshell", "POST /nodes/{n}/spiceshell"),
    ("vzdump", "POST /nodes/{n}/vzdump"),
    ("imgdel", "DELETE /nodes/{n}/storage/{s}/content/{c}"),
    ("imgcopy", "POST /nodes/{n}/storage/{s}/content/{c}"),
    ("prunebackups", "DELETE /nodes/{n}/storage/{s}/prunebackups"),
    ("download", "POST /nodes/{n}/storage/{s}/download-url"),
    ("download", "POST /nodes/{n}/aplinfo"),
    ("ociregistrypull", "POST /nodes/{n}/storage/{s}/oci-registry-pull"),
    ("pbs-download", "GET /nodes/{n}/storage/{s}/file-restore/download"),
    ("startall", "POST /nodes/{n}/startall"),
    ("stopall", "POST /nodes/{n}/stopall"),
    ("suspendall", "POST /nodes/{n}/suspendall"),
    ("migrateall", "POST /nodes/{n}/migrateall"),
    *((f"bulk-{verb}", f"POST /cluster/bulk-action/guest/{verb}")
      for verb in ("start", "shutdown", "suspend", "migrate")),
    *((f"srv{verb}", f"POST /nodes/{{n}}/services/{{s}}/{verb}") for verb in ("start", "stop", "restart", "reload")),
    *((f"srv{verb}", f"POST /nodes/{{n}}/ceph/{verb}") for verb in ("start", "stop", "restart")),
    *((f"cephcreate{kind}", f"POST /nodes/{{n}}/ceph/{kind}/{{x}}") for kind in ("mds", "mgr", "mon")),
    *((f"cephdestroy{kind}", f"DELETE /nodes/{{n}}/ceph/{kind}/{{x}}")
      for kind in ("mds", "mgr", "mon", "osd", "pool")),
    ("cephcreateosd", "POST /nodes/{n}/ceph/osd"),
    ("cephcreatepool", "POST /nodes/{n}/ceph/pool"),
    ("cephsetpool", "PUT /nodes/{n}/ceph/pool/{x}"),
    ("cephfscreate", "POST /nodes/{n}/ceph/fs/{x}"),
    ("cephdestroyfs", "DELETE /nodes/{n}/ceph/fs/{x}"),
    ("cephsetflags", "PUT /cluster/ceph/flags"),
    *((f"{task}create", f"POST /nodes/{{n}}/disks/{path}") for task, path in (
        ("dir", "directory"), ("lvm", "lvm"), ("lvmthin", "lvmthin"), ("zfs", "zfs"))),
    *((f"{task}remove", f"DELETE /nodes/{{n}}/disks/{path}/{{x}}") for task, path in (
        ("dir", "directory"), ("lvm", "lvm"), ("lvmthin", "lvmthin"), ("zfs", "zfs"))),
    ("diskinit", "POST /nodes/{n}/disks/initgpt"),
    ("wipedisk", "PUT /nodes/{n}/disks/wipedisk"),
    ("aptupdate", "POST /nodes/{n}/apt/update"),
    ("acmenewcert", "POST /nodes/{n}/certificates/acme/certificate"),
    ("acmerenew", "PUT /nodes/{n}/certificates/acme/certificate"),
    ("acmerevoke", "DELETE /nodes/{n}/certificates/acme/certificate"),
    ("acmeregister", "POST /cluster/acme/account"),
    ("acmeupdate", "PUT /cluster/acme/account/{x}"),
    ("acmerefresh", "PUT /cluster/acme/account/{x}"),
    ("acmedeactivate", "DELETE /cluster/acme/account/{x}"),
    ("auth-realm-sync", "POST /access/domains/{r}/sync"),
    ("clustercreate", "POST /cluster/config"),
    ("clusterjoin", "POST /cluster/config/join"),
    ("reloadnetworkall", "PUT /cluster/sdn"),
]  # fmt: skip


@pytest.mark.parametrize(("task_type", "call"), SAME)
def test_task_and_call_have_one_name(task_type: str, call: str) -> None:
    method, path = call.split(" ")
    assert classify_task(task_type) is classify_api(method, path)[0]
    assert leaves_task(method, path) is True


SAME_BY_ID = [
    ("srvreload", "networking", "PUT /nodes/pve1/network"),
    ("srvrestart", "cluster-mon", "POST /cluster/ceph/restart-bulk"),
    ("srvrestart", "pve-1-osd", "POST /nodes/pve-1/ceph/restart-bulk"),
    ("srvrestart", "mon.pve-mon", "POST /nodes/pve-mon/ceph/restart"),
    ("srvrestart", "osd.3", "POST /nodes/pve1/ceph/restart"),
    ("srvrestart", "pveproxy", "POST /nodes/pve1/services/pveproxy/restart"),
]


@pytest.mark.parametrize(("task_type", "task_id", "call"), SAME_BY_ID)
def test_task_and_call_have_one_name_by_its_id(task_type: str, task_id: str, call: str) -> None:
    method, path = call.split(" ")
    assert classify_task(task_type, task_id) is classify_api(method, path)[0]


ONE_SIDE = {
    "access.realm.sync_preview": "a dry run is the call of a sync, whose body says dry-run",
    "guest.file.pull": "pct pull, a command of the node",
    "guest.file.push": "pct push, a command of the node",
    "guest.migrate_to_other_cluster": "runs as qmigrate or vzmigrate, like a migration inside the cluster",
    "guest.mount": "pct mount, a command of the node",
    "guest.restore": "is called like a creation, whose body names the archive",
    "guest.unmount": "pct unmount, a command of the node",
    "storage.volume.upload": "runs as imgcopy, like the copy of a volume",
}
"""Actions that only a task or only a call shows although both are there, and why."""


def test_no_task_without_a_call_and_no_call_without_its_task() -> None:
    """One action is one row of the catalogue: what both sides name alike has one severity."""
    types = {*TASK_ACTIONS.values(), *(name for _, name in BY_ID.values())}
    calls = {name for _, _, name, leaves in (*API_CALLS, *SENSITIVE_READS) if leaves}
    assert types ^ calls == set(ONE_SIDE)


def test_leaves_task_of_reads_and_unknown_calls() -> None:
    assert leaves_task("GET", "/api2/json/version") is False
    assert leaves_task("GET", "/") is False
    assert leaves_task("POST", "/nosuch") is None


KINDS = {
    "acl.modify": "access.acl.modify",
    "backup_job.modify": "backup_job.create backup_job.modify",
    "console": "guest.console.open",
    "firewall.modify": "firewall.alias.create firewall.alias.modify firewall.group.create firewall.ipset.create"
    " firewall.ipset.delete firewall.ipset.entry.create firewall.options.modify firewall.rule.create"
    " firewall.rule.delete firewall.rule.modify",
    "group.modify": "access.group.create access.group.delete",
    "guest.backup": "backup.create",
    "guest.bulk": "guest.bulk.migrate guest.bulk.shutdown guest.bulk.start guest.bulk.suspend",
    "guest.clone": "guest.clone",
    "guest.config": "guest.config.modify",
    "guest.create": "guest.create",
    "guest.destroy": "guest.destroy",
    "guest.migrate": "guest.migrate",
    "guest.snapshot": "guest.snapshot.create",
    "guest.start": "guest.start",
    "ha.modify": "ha.resource.create",
    "login": "access.login_or_renewal",
    "login_failed": "access.login_or_renewal",
    "mapping.modify": "mapping.dir.create",
    "metrics.modify": "metric_server.create metric_server.delete",
    "node.config": "node.config.modify node.dns.modify",
    "options.modify": "cluster.options.modify",
    "password.change": "access.password.modify",
    "pool.modify": "pool.create pool.delete pool.modify",
    "realm.modify": "access.realm.create access.realm.delete access.realm.modify job.realm_sync.create",
    "role.modify": "access.role.create access.role.delete access.role.modify",
    "storage.modify": "storage.definition.create storage.definition.modify",
    "ticket_renewal": "access.login_or_renewal",
    "token.create": "access.token.create",
    "token.delete": "access.token.delete",
    "token.modify": "access.token.modify",
    "user.create": "access.user.create",
    "user.delete": "access.user.delete",
    "user.modify": "access.user.modify",
}


def test_recorded_kinds() -> None:
    """Requests recorded on a genuine cluster, with the word the recorder had for each."""
    names: dict[str, set[str]] = {}
    for method, path, kind, task_type, _ in TRUTH:
        found = classify_api(method, path)[0]
        names.setdefault(kind, set()).add(found.name)
        if task_type is not None:
            assert classify_task(task_type) is found
            assert leaves_task(method, path) is True
        else:
            assert leaves_task(method, path) is False
    assert names == {kind: set(text.split()) for kind, text in KINDS.items()}


METHODS = st.sampled_from(["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS"]) | st.text()
PARTS = st.sampled_from(
    ["api2", "json", "nodes", "pve1", "qemu", "100", "storage", "content", "%", "%2F", "%ff", "..", "", ":", "?", "#"]
) | st.text(max_size=8)


@given(METHODS, st.text() | st.lists(PARTS).map("/".join))
@example("DELETE", "\ud800/\udfff%ed%a0%80")
@example("DELETE", "http://[::1/api2/json")
def test_never_raises(method: str, path: str) -> None:
    found, params = classify_api(method, path)
    assert found is OTHER or found is ACTIONS[found.name]
    assert all(isinstance(value, str) and value for value in params.values())
    assert classify_call(method, path, path)[0] is ACTIONS.get(classify_call(method, path)[0].name, OTHER)
    assert leaves_task(method, path) in (True, False, None)


@given(st.sampled_from(TEMPLATES), st.data())
def test_values_survive_encoding(write: tuple[str, str], data: st.DataObject) -> None:
    """Whatever stands in a parameter comes out as it was, and never changes what the call is."""
    method, template = write
    text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/"), min_size=1)
    values = {name: data.draw(text) for name in PARAMETER.findall(template)}
    path = PARAMETER.sub(lambda match: quote(values[match[1]], safe=""), template)
    plain = classify_api(method, template)[0]
    assert classify_api(method, "/api2/json" + path) == (plain, values)
    decoded = PARAMETER.sub(lambda match: values[match[1]], template)
    assert classify_call(method, "/api2/json" + decoded) == (plain, values)
