# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots of a configuration: of recordings of a genuine cluster, and of the simulated API over real TLS."""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.pve.audit.plugins.module_utils._classify.action import ACTIONS
from ansible_collections.pve.audit.plugins.module_utils._evidence.snapshots import compare
from ansible_collections.pve.audit.plugins.module_utils._model.errors import (
    ApiError,
    AuditError,
    AuthError,
    ForbiddenError,
    InputError,
    NodeUnreachableError,
    NotAnApiError,
)
from ansible_collections.pve.audit.plugins.module_utils._pve.config import read_config
from ansible_collections.pve.audit.plugins.module_utils._pve.config_areas import NAMES, Right
from ansible_collections.pve.audit.plugins.module_utils._pve.credentials import Credentials
from ansible_collections.pve.audit.plugins.module_utils._pve.session import Session
from tests.lab.simulator import Simulator, running_simulator
from tests.unit.lab.client import call

DATA = Path(__file__).resolve().parents[3] / "data" / "config"
PARAMS: dict[str, Any] = {"areas": [], "guests": True, "concurrency": 4, "total_timeout": 60}
AUDIT = dict.fromkeys("Datastore.Audit Mapping.Audit Pool.Audit SDN.Audit Sys.Audit VM.Audit".split(), True)
TOP = ("/", "/access", "/access/groups", "/nodes", "/pool", "/sdn", "/storage", "/vms")
# Of an answer that is not as it should be.
PATHS = """access_users access_tfa access_groups access_roles access_acl access_domains pools storage cluster_options
    cluster_resources cluster_status version nodes access_permissions cluster_firewall_rules cluster_firewall_aliases
    cluster_firewall_ipset cluster_firewall_groups cluster_firewall_options cluster_sdn_vnets cluster_backup
    cluster_metrics_server cluster_notifications_endpoints_smtp nodes_pve1_config""".split()
KEYS = "userid tokens entries id groupid users roleid path ugid realm poolid storage vmid node type pos name".split()
BEFORE, AFTER = 1_795_807_690.0, 1_795_807_990.5


def recording(name: str) -> dict[str, dict[str, Any]]:
    """Answers of a genuine cluster before and after what a scenario did, by path with underscores."""
    data: dict[str, dict[str, Any]] = json.loads(gzip.decompress((DATA / f"{name}.json.gz").read_bytes()))
    return data


class RecordedApi:
    """Answers from a recording; what was not recorded is empty. `refused` has errors by path, `asked` all requests."""

    user = "audit@pve"

    def __init__(self, answers: dict[str, Any], refused: dict[str, ApiError] | None = None, **other: Any) -> None:
        self.answers = {**answers, **other}
        self.refused = refused or {}
        self.asked: list[str] = []

    def get(self, *path: str, **params: Any) -> Any:
        """One GET."""
        name = "_".join(path)
        self.asked.append(name)
        if error := next((error for start, error in self.refused.items() if name.startswith(start)), None):
            raise error
        if name == "pools" and params:
            return [row for row in self.answers["pools"] if row.get("poolid") == params["poolid"]]
        return self.answers[name] if name in self.answers else self._other(path)

    def _other(self, path: tuple[str, ...]) -> Any:
        match path:
            case ("version",):
                return {"version": "9.2.11"}
            case ("nodes",):
                return [{"node": node} for node in ("pve1", "pve2", "pve3")]
            case ("access", "permissions"):
                return dict.fromkeys((*TOP, *(row["path"] for row in self.answers["access_acl"])), AUDIT)
            case ("nodes", node, "qemu", vmid, "config"):
                return self.answers["vm_configs"][f"{node}/{vmid}"]
            case (*_, "options") | ("nodes", _, "config") | ("access", "domains", _):
                return {}
            case ("pools", name):
                return next(row for row in self.answers["pools"] if str(row.get("poolid")) == name)
        return []


def snapshot(api: Any, at: float = BEFORE, **params: Any) -> dict[str, Any]:
    """The result of the module."""
    return read_config(api, PARAMS | params, lambda: at)


def rows_of(result: dict[str, Any]) -> dict[tuple[str, str | None], dict[str, Any]]:
    """Coverage by area and node."""
    return {(row["area"], row["node"]): row for row in result["snapshot"]["coverage"]}


def told(before: Any, after: Any) -> list[tuple[str, str]]:
    """Action and object of each difference."""
    return [(event["event"]["action"], event["pve"]["object"]) for event in compare(before, after)["events"]]


SILENT = [
    ("access.user.modify", "noc@pve"),
    ("access.user.create", "zed@pve"),
    ("access.token.create", "zed@pve!tk1"),
    ("access.acl.modify", "/"),
    ("firewall.alias.create", "office"),
    ("firewall.group.create", "web"),
    ("firewall.ipset.create", "admins"),
]
RECORDED: dict[str, list[tuple[str, str]]] = {
    "ledger": [
        *SILENT[:3],
        ("access.group.create", "contractors"),
        SILENT[3],
        ("pool.create", "dev"),
        ("guest.create", "1701"),
        ("guest.create", "1702"),
        *SILENT[4:],
    ],
    "silent-changes": [
        *SILENT[:4],
        ("storage.definition.create", "iso2"),
        ("backup_job.create", "weekly"),
        ("guest.create", "1701"),
        ("guest.create", "1702"),
        ("guest.create", "1703"),
        *SILENT[4:],
    ],
}


@pytest.mark.parametrize("name", RECORDED)
def test_a_recording_of_a_genuine_cluster(name: str) -> None:
    pair = recording(name)
    before, after = snapshot(RecordedApi(pair["before"])), snapshot(RecordedApi(pair["after"]), AFTER)
    result = compare(before, after)
    assert sorted(told(before, after)) == sorted(RECORDED[name])
    assert all(event["event"]["action"] in ACTIONS for event in result["events"])
    assert {event["event"]["start"] for event in result["events"]} == {before["snapshot"]["from"]}
    assert {event["event"]["end"] for event in result["events"]} == {after["snapshot"]["until"]}
    assert result["complete"] and before["complete"] and after["complete"]
    assert "changed back before 2026-11-27T19:33:11Z is invisible" in result["note"]


def test_what_an_intruder_left_behind() -> None:
    pair = recording("revenge")
    found = told(snapshot(RecordedApi(pair["before"])), snapshot(RecordedApi(pair["after"]), AFTER))
    assert sum(action == "guest.destroy" for action, _object in found) == 0  # made and destroyed in between: invisible
    assert {action for action, _object in found} == {
        "access.user.modify",
        "access.token.create",
        "access.acl.modify",
        "firewall.rule.delete",
        "guest.create",
    }


def test_order_of_what_has_none_is_no_difference() -> None:
    answers = recording("ledger")["before"]
    turned = {name: value[::-1] if isinstance(value, list) else value for name, value in answers.items()}
    turned["storage"] = [{**row, "content": "iso,images,backup,snippets,vztmpl,rootdir"} for row in turned["storage"]]
    assert told(snapshot(RecordedApi(answers)), snapshot(RecordedApi(turned), AFTER)) == []


@pytest.mark.parametrize(
    ("permissions", "area", "complete"),
    [
        (dict.fromkeys(TOP, AUDIT), "users", True),
        ({path: {"Sys.Audit": False} for path in TOP}, "users", True),
        ({path: {"Sys.Audit": False} for path in TOP}, "groups", False),
        ({"/access": {"Sys.Audit": True}}, "users", False),
        ({"/access": {"Sys.Audit": False}}, "acl", True),
        ({}, "acl", False),
        (dict.fromkeys(TOP, AUDIT), "options", True),
        ({"/access": AUDIT, "/vms": AUDIT}, "guests", True),
        ({"/access": AUDIT, "/vms": {"VM.Audit": False}}, "guests", False),
        ({"/access": AUDIT, "/": AUDIT}, "guests", False),
        ({"/vms": AUDIT}, "guests", False),
        ({"/access": AUDIT, "/vms": AUDIT, "/storage": AUDIT}, "storage", False),
        ({"/access": AUDIT, "/": AUDIT}, "mappings_pci", True),
        ({"/access": AUDIT, "/": AUDIT, "/mapping": {"VM.Audit": True}}, "mappings_pci", False),
    ],
)
def test_what_may_not_be_seen_is_told(permissions: dict[str, Any], area: str, complete: bool) -> None:
    acl = [{"path": "/storage/local", "type": "user", "ugid": "audit@pve", "roleid": "NoAccess"}]
    answers = {**recording("ledger")["before"], "access_acl": acl}
    row = rows_of(snapshot(RecordedApi(answers, access_permissions=permissions)))[area, None]
    assert row["complete"] is complete
    assert [reason["code"] for reason in row["reasons"]] == ([] if complete else ["not_permitted"])


def test_a_shortened_answer_is_not_taken() -> None:
    answers = RecordedApi(recording("ledger")["before"], access_permissions={})
    assert "options" not in snapshot(answers)["snapshot"]["areas"]


REFUSALS = {
    "cluster_backup": ForbiddenError("no", 403),
    "storage": ApiError("broken", 500),
    "cluster_sdn": ApiError("not there", 501),
    "access_domains_pve": ForbiddenError("no", 403),
    "nodes_pve3": NodeUnreachableError("no route", 595),
    "nodes_pve1_qemu_100": ForbiddenError("no", 403),
}


def test_what_was_not_answered_is_neither_empty_nor_gone() -> None:
    pair = recording("ledger")
    before = snapshot(RecordedApi(pair["before"]))
    api = RecordedApi(pair["before"], REFUSALS)
    after = snapshot(api)
    assert told(before, after) == [] and told(after, before) == []
    rows = rows_of(after)
    found = {key: (row["seen"], row["complete"], [r["code"] for r in row["reasons"]]) for key, row in rows.items()}
    assert found["backup_jobs", None] == (False, False, ["not_permitted"])
    assert found["storage", None] == (False, False, ["server_error"])
    assert found["sdn_zones", None] == (False, True, ["not_offered"])
    assert found["realms", None] == (False, False, ["not_permitted"])
    assert found["guests", None] == (True, True, [])
    assert found["node_configs", "pve3"] == (True, False, ["node_unreachable"])
    assert rows["guest_configs", "pve1"]["unread"] == ["100"]
    assert rows["guest_firewall", "pve1"]["unread"] == ["guest/100"]
    assert not after["complete"]
    not_compared = {row["area"]: row["unread"] for row in compare(before, after)["coverage"] if not row["comparable"]}
    assert {"backup_jobs", "storage", "realms", "node_configs", "node_firewall", "guest_configs"} <= set(not_compared)
    assert not_compared["node_firewall"] == ["node/pve3"]


def test_a_dead_node_is_not_waited_for_again() -> None:
    answers = recording("ledger")["before"]
    api = RecordedApi(answers, {"nodes_pve3": NodeUnreachableError("no route", 595)})
    snapshot(api, concurrency=2)
    assert sum(name.startswith("nodes_pve3") for name in api.asked) <= 2


def test_without_quorum_nothing_is_taken_for_the_state() -> None:
    pair = recording("ledger")
    stale = RecordedApi(pair["before"], cluster_status=[{"type": "cluster", "name": "lab", "quorate": 0}])
    old = snapshot(stale, AFTER)
    assert old["snapshot"]["areas"] == {} and not old["complete"]
    result = compare(snapshot(RecordedApi(pair["after"])), old)
    assert result["events"] == [] and not any(row["comparable"] for row in result["coverage"])


@pytest.mark.parametrize(("version", "asked", "missing"), [("9.2.11", "rules", "groups"), ("8.4.1", "groups", "rules")])
def test_each_version_is_asked_for_what_it_has(version: str, asked: str, missing: str) -> None:
    api = RecordedApi(recording("ledger")["before"], version={"version": version})
    found = snapshot(api)["snapshot"]
    assert f"cluster_ha_{asked}" in api.asked and f"cluster_ha_{missing}" not in api.asked
    assert found["version"] == version and f"ha_{missing}" not in {row["area"] for row in found["coverage"]}


@pytest.mark.parametrize(
    ("params", "areas"),
    [
        ({"areas": ["users", "acl"]}, {"users", "acl"}),
        ({"areas": ["guest_configs"]}, {"guests", "guest_configs"}),
        ({"guests": False}, set(NAMES) - {"guest_configs", "guest_firewall", "ha_groups"}),
        ({"areas": ["nodes"], "guests": False}, {"nodes"}),
    ],
)
def test_areas(params: dict[str, Any], areas: set[str]) -> None:
    found = snapshot(RecordedApi(recording("ledger")["before"]), **params)
    assert set(found["snapshot"]["areas"]) == areas == {row["area"] for row in found["snapshot"]["coverage"]}


def test_errors() -> None:
    answers = recording("ledger")["before"]
    with pytest.raises(InputError, match="guest_configs are read guest by guest: set guests: true"):
        snapshot(RecordedApi(answers), areas=["guest_configs"], guests=False)
    with pytest.raises(AuthError):
        snapshot(RecordedApi(answers, {"access_groups": AuthError("expired", 401)}))
    with pytest.raises(NotAnApiError):
        snapshot(RecordedApi(answers, version=[]))


def test_an_entry_without_a_name_is_no_entry() -> None:
    found = snapshot(RecordedApi(recording("ledger")["before"], storage=[{"type": "dir"}]))
    (reason,) = rows_of(found)["storage", None]["reasons"]
    assert reason == {"code": "not_an_api", "message": "storage cannot be read: an entry has no storage"}


def test_lists_that_lead_to_others() -> None:
    answers: dict[str, Any] = {
        "cluster_sdn_vnets": [{"vnet": "lan", "zone": "z", "digest": "d"}],
        "cluster_sdn_vnets_lan_subnets": [{"subnet": "z-192.0.2.0-24", "id": "z-192.0.2.0-24", "vnet": "lan"}],
        "cluster_sdn_vnets_lan_firewall_rules": [{"pos": 0, "type": "forward", "action": "DROP"}],
        "cluster_firewall_groups": [{"group": "web", "digest": "d"}],
        "cluster_firewall_groups_web": [{"pos": 0, "type": "in", "action": "ACCEPT"}],
        "cluster_firewall_ipset": [{"name": "s"}],
        "cluster_firewall_ipset_s": [{"cidr": "192.0.2.1", "nomatch": 1, "digest": "d"}],
        "cluster_metrics_server": [{"id": "m", "disable": 0}],
        "cluster_metrics_server_m": {"type": "influxdb", "token": "s3cret", "server": "192.0.2.9"},
        "cluster_notifications_endpoints_smtp": [{"name": "mail", "server": "mail.example.org"}],
        "cluster_jobs_realm-sync": [{"id": "sync", "realm": "corp", "last-run": 1, "next-run": 2}],
    }
    found = snapshot(RecordedApi({**recording("ledger")["before"], **answers}))["snapshot"]["areas"]
    assert found["sdn_subnets"] == {"z-192.0.2.0-24": {"vnet": "lan"}}
    assert found["vnet_firewall"] == {"vnet/lan options": {}, "vnet/lan rules": {"FORWARD DROP": "0"}}
    assert found["firewall"]["cluster group web"] == {"IN ACCEPT": "0"}
    assert found["firewall"]["cluster ipset s"] == {"192.0.2.1": "-nomatch 1"}
    assert found["metric_servers"] == {"m": {"server": "192.0.2.9", "token": "(hidden)", "type": "influxdb"}}
    assert found["notification_endpoints"] == {"mail": {"server": "mail.example.org", "type": "smtp"}}
    assert found["realm_sync_jobs"] == {"sync": {"realm": "corp"}}


@pytest.mark.parametrize(
    ("missing", "seen", "codes"),
    [("webhook", True, []), ("sendmail", False, ["not_offered"]), ("", False, ["not_offered"])],
)
def test_kinds_that_older_versions_do_not_have(missing: str, seen: bool, codes: list[str]) -> None:
    refused: dict[str, ApiError] = {f"cluster_notifications_endpoints_{missing}": ApiError("no such path", 501)}
    row = rows_of(snapshot(RecordedApi(recording("ledger")["before"], refused)))["notification_endpoints", None]
    assert (row["seen"], [reason["code"] for reason in row["reasons"]]) == (seen, codes)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=2), inner),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(answer=_JSON, at=st.sampled_from(PATHS))
def test_no_answer_breaks_it(answer: Any, at: str) -> None:
    seen = {"access_permissions": dict.fromkeys(TOP, AUDIT), "vm_configs": defaultdict(dict)}
    api = RecordedApi({**recording("ledger")["before"], **seen, at: answer})
    try:
        found = snapshot(api)
    except AuditError:
        return
    assert compare(found, json.loads(json.dumps(found)))["events"] == []


def test_a_right_that_is_blocked_below() -> None:
    right = Right("/vms", ("VM.Audit",))
    assert right.granted({"/vms": {"VM.Audit": True}}, {"/vmsx"})
    assert not right.granted({"/vms": {"VM.Audit": True}}, {"/vms/100"})
    assert right.granted({"/vms": {"VM.Audit": True}, "/vms/100": {"VM.Audit": False}}, {"/vms/100"})


def connect(running: Simulator, token: str) -> Session:
    """A session with a token of the simulated cluster."""
    account, _bang, name = token.partition("!")
    secret = running.cluster.secrets[token]
    place: dict[str, Any] = {"host": running.host, "port": running.port, "ca_path": str(running.ca_path)}
    return Session(Credentials(user=account, token_id=name, token_secret=secret, timeout=5.0, **place))


@pytest.fixture
def running() -> Iterator[Simulator]:
    """A simulated cluster."""
    with running_simulator(tasks_per_node=0, unauthorized_delay=0.0) as simulator:
        yield simulator


def test_the_simulated_cluster(running: Simulator) -> None:
    before = snapshot(connect(running, "audit@pve!report"))
    assert running.cluster.secrets["alice@pve!cli"] not in json.dumps(before)
    for method, path, data in (
        ("POST", "/access/users", {"userid": "eve@pve"}),
        ("PUT", "/access/acl", {"path": "/", "users": "eve@pve", "roles": "Administrator"}),
        ("DELETE", "/access/groups/team", {}),
    ):
        assert call(running, method, path, data).status == 200
    after = snapshot(connect(running, "audit@pve!report"), AFTER)
    assert told(before, after) == [
        ("access.user.create", "eve@pve"),
        ("access.group.delete", "team"),
        ("access.acl.modify", "/"),
        ("access.acl.modify", "/vms"),
    ]
    little = snapshot(connect(running, "nopriv@pve!np"), AFTER)
    assert told(after, little) == [] and told(little, after) == []
    assert not little["complete"] and rows_of(little)["users", None]["reasons"][0]["code"] == "not_permitted"
