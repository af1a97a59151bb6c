# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two snapshots compared: every single change is told once, what was not seen is not told, and nothing is made up."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.pve.audit.plugins.filter.attribute import attribute
from ansible_collections.pve.audit.plugins.filter.config_changes import FilterModule
from ansible_collections.pve.audit.plugins.module_utils._classify.action import ACTIONS
from ansible_collections.pve.audit.plugins.module_utils._evidence.snapshot_events import AREAS
from ansible_collections.pve.audit.plugins.module_utils._parse.config_rows import Objects, digest_of
from ansible_collections.pve.audit.plugins.module_utils._pve.config_areas import NAMES

config_changes = FilterModule().filters()["config_changes"]
T1, T2 = "2026-11-20T06:00:00Z", "2026-11-27T06:00:00Z"
Areas = dict[str, Objects]


def snapshot(areas: Areas, at: str = T1, rows: list[dict[str, Any]] | None = None, **other: Any) -> dict[str, Any]:
    """A snapshot that saw these areas whole, but for what `rows` say of theirs."""
    given = {row["area"] for row in rows or []}
    whole: list[dict[str, Any]] = [
        {"area": name, "node": None, "complete": True, "unread": [], "reasons": []} for name in areas
    ]
    return {
        "format": 1,
        "from": at,
        "until": at,
        "version": "9.2.11",
        "cluster": "lab",
        "areas": areas,
        "digests": {name: digest_of(objects) for name, objects in areas.items()},
        "coverage": [row for row in whole if row["area"] not in given] + (rows or []),
        **other,
    }


def told(before: Areas, after: Areas) -> list[tuple[str, str, str]]:
    """Area, action and object of each difference."""
    events = config_changes(snapshot(before), snapshot(after, T2))["events"]
    return [(event["pve"]["area"], event["event"]["action"], event["pve"]["object"]) for event in events]


def test_all_areas_are_compared() -> None:
    assert set(AREAS) == set(NAMES)


# Area, object, action without its verb, and object of the event, where these are not the usual ones.
NAMED = [
    ("users", "a@pve", "access.user", "a@pve"),
    ("tokens", "a@pve!ci", "access.token", "a@pve!ci"),
    ("tfa", "a@pve/1", "access.tfa", "a@pve/1"),
    ("groups", "g", "access.group", "g"),
    ("roles", "R", "access.role", "R"),
    ("realms", "corp", "access.realm", "corp"),
    ("pools", "lab/sub", "pool", "lab/sub"),
    ("storage", "local", "storage.definition", "local"),
    ("backup_jobs", "nightly", "backup_job", "nightly"),
    ("realm_sync_jobs", "sync", "job.realm_sync", "sync"),
    ("ha_resources", "vm:100", "ha.resource", "vm:100"),
    ("ha_rules", "r", "ha.rule", "r"),
    ("ha_groups", "g", "ha.group", "g"),
    ("replication", "100-0", "replication", "100-0"),
    ("sdn_zones", "z", "sdn.zone", "z"),
    ("sdn_vnets", "v", "sdn.vnet", "v"),
    ("sdn_subnets", "z-192.0.2.0-24", "sdn.subnet", "z-192.0.2.0-24"),
    ("sdn_controllers", "c", "sdn.controller", "c"),
    ("sdn_ipams", "i", "sdn.ipam", "i"),
    ("sdn_dns", "d", "sdn.dns", "d"),
    ("sdn_fabrics", "f", "sdn.fabric", "f"),
    ("mappings_pci", "gpu", "mapping.pci", "gpu"),
    ("mappings_usb", "key", "mapping.usb", "key"),
    ("mappings_dir", "d", "mapping.dir", "d"),
    ("notification_endpoints", "mail", "notification.endpoint", "mail"),
    ("notification_matchers", "all", "notification.matcher", "all"),
    ("metric_servers", "m", "metric_server", "m"),
    ("cpu_models", "custom", "cpu_model", "custom"),
    ("firewall", "cluster alias office", "firewall.alias", "office"),
    ("guest_firewall", "guest/100 alias office", "firewall.alias", "100/office"),
]


@pytest.mark.parametrize(("area", "name", "action", "named"), NAMED)
def test_each_area(area: str, name: str, action: str, named: str) -> None:
    one, other = {area: {name: {"k": "1"}}}, {area: {name: {"k": "2"}}}
    assert told({area: {}}, one) == [(area, f"{action}.create", named)]
    assert told(one, {area: {}}) == [(area, f"{action}.delete", named)]
    assert told(one, other) == [(area, f"{action}.modify", named)]
    assert {f"{action}.{verb}" for verb in ("create", "delete", "modify")} <= set(ACTIONS)


GUEST = {"guests": {"100": {"node": "pve1", "type": "qemu"}}}
RULES = {"IN DROP": "0", "IN ACCEPT -source 192.0.2.1": "1"}
TURNED = {"IN ACCEPT -source 192.0.2.1": "0", "IN DROP": "1"}
META = "creation-qemu=10.1.2,ctime="


def _firewall(name: str, items: dict[str, str] | None, area: str = "firewall") -> Areas:
    return {area: {} if items is None else {name: items}}


OPTIONS = _firewall("cluster options", {})


def _config(made: str, **items: str) -> Areas:
    return {**GUEST, "guest_configs": {"100": {"meta": f"{META}{made}", **items}}}


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ({"acl": {}}, {"acl": {"/": {"a@pve R": "propagate"}}}, ["access.acl.modify /"]),
        ({"acl": {"/vms": {"a@pve R": "propagate"}}}, {"acl": {}}, ["access.acl.modify /vms"]),
        ({"acl": {"/": {"a@pve R": "propagate"}}}, {"acl": {"/": {"a@pve R": "here only"}}}, ["access.acl.modify /"]),
        ({"options": {"o": {}}}, {"options": {"o": {"keyboard": "de"}}}, ["cluster.options.modify o"]),
        ({"guests": {}}, GUEST, ["guest.create 100"]),
        (GUEST, {"guests": {}}, ["guest.destroy 100"]),
        (GUEST, {"guests": {"100": {"node": "pve2", "type": "qemu"}}}, ["guest.migrate 100"]),
        (GUEST, {"guests": {"100": {"node": "pve1", "type": "lxc"}}}, ["guest.destroy 100", "guest.create 100"]),
        (_config("1"), _config("1", onboot="1"), ["guest.config.modify 100"]),
        (_config("1"), _config("2", onboot="1"), ["guest.destroy 100", "guest.create 100"]),
        ({"nodes": {"a": {}}}, {"nodes": {"a": {}, "b": {}}}, ["cluster.node.add b"]),
        ({"nodes": {"a": {}, "b": {}}}, {"nodes": {"a": {}}}, ["cluster.node.remove b"]),
        ({"node_configs": {"a": {}}}, {"node_configs": {"a": {"description": "x"}}}, ["node.config.modify a"]),
        (_firewall("cluster rules", {}), _firewall("cluster rules", RULES), ["firewall.rule.create cluster"]),
        (_firewall("cluster rules", RULES), _firewall("cluster rules", {}), ["firewall.rule.delete cluster"]),
        (_firewall("cluster rules", RULES), _firewall("cluster rules", TURNED), ["firewall.rule.modify cluster"]),
        (
            _firewall("cluster rules", {"IN DROP": "0"}),
            _firewall("cluster rules", {"IN ACCEPT": "0"}),
            ["firewall.rule.modify cluster"],
        ),
        (OPTIONS, _firewall("cluster options", {"enable": "0"}), ["firewall.options.modify cluster"]),
        (_firewall("cluster group web", None), _firewall("cluster group web", RULES), ["firewall.group.create web"]),
        (_firewall("cluster group web", {}), _firewall("cluster group web", RULES), ["firewall.rule.create web"]),
        (_firewall("cluster ipset s", {}), _firewall("cluster ipset s", None), ["firewall.ipset.delete s"]),
        (
            _firewall("cluster ipset s", {}),
            _firewall("cluster ipset s", {"192.0.2.1": ""}),
            ["firewall.ipset.entry.create s"],
        ),
        (
            _firewall("node/pve1 rules", {}, "node_firewall"),
            _firewall("node/pve1 rules", RULES, "node_firewall"),
            ["firewall.rule.create pve1"],
        ),
        (
            _firewall("vnet/lan rules", {}, "vnet_firewall"),
            _firewall("vnet/lan rules", RULES, "vnet_firewall"),
            ["firewall.rule.create lan"],
        ),
        (
            _firewall("guest/100 options", {}, "guest_firewall"),
            _firewall("guest/100 options", {"enable": "1"}, "guest_firewall"),
            ["firewall.options.modify 100"],
        ),
        # What comes and goes with its guest is not told beside it.
        (
            {"guests": {}, "guest_configs": {}, "guest_firewall": {}},
            {**_config("1"), "guest_firewall": {"guest/100 rules": RULES, "guest/100 alias a": {"cidr": "192.0.2.1"}}},
            ["guest.create 100"],
        ),
        (
            {"nodes": {}, "node_firewall": {}},
            {"nodes": {"b": {}}, "node_firewall": {"node/b rules": RULES}},
            ["cluster.node.add b"],
        ),
    ],
)
def test_what_is_told(before: Areas, after: Areas, found: list[str]) -> None:
    assert [f"{action} {name}" for _area, action, name in told(before, after)] == found
    assert {action for _area, action, _name in told(before, after)} <= set(ACTIONS)


def test_a_rule_before_others_moves_none() -> None:
    after = {"OUT DROP": "0", "IN DROP": "1", "IN ACCEPT -source 192.0.2.1": "2"}
    (event,) = config_changes(
        snapshot(_firewall("cluster rules", RULES)), snapshot(_firewall("cluster rules", after), T2)
    )["events"]
    assert event["pve"]["keys_added"] == [["[RULES] OUT DROP", ""]] and "keys_changed" not in event["pve"]


def test_the_shape_of_an_event() -> None:
    before, after = snapshot({"users": {"a@pve": {"enable": "1"}}}), snapshot({"users": {"a@pve": {"enable": "0"}}}, T2)
    (event,) = config_changes(before, after)["events"]
    assert event["pve"] == {
        "object": "a@pve",
        "object_type": "user",
        "severity": "critical",
        "area": "users",
        "change": "modified",
        "keys_changed": [["user a@pve enable", "1", "0"]],
        "time_note": f"at some time from {T1} to {T2}",
    }
    assert event["event"].pop("id").startswith("snapshot:")
    assert event["event"] == {
        "kind": "event",
        "dataset": "pve.config",
        "action": "access.user.modify",
        "category": ["iam"],
        "outcome": "success",
        "start": T1,
        "end": T2,
    }
    assert "@timestamp" not in event and "user" not in event


def test_as_an_act_it_names_nobody() -> None:
    (act,) = attribute(config_changes(snapshot({"users": {}}), snapshot({"users": {"a@pve": {}}}, T2))["events"])
    assert (act["person"], act["@timestamp"], act["attribution"]["confidence"]) == (None, None, "unknown")
    assert [witness["file"] for witness in act["attribution"]["witnesses"]] == ["snapshot"]


def test_many_keys_are_counted() -> None:
    many = {f"k{number}": "1" for number in range(150)}
    (event,) = config_changes(snapshot({"storage": {}}), snapshot({"storage": {"s": many}}, T2))["events"]
    assert len(event["pve"]["keys_added"]) == 100 and event["pve"]["keys_left_out"] == 51


def _row(area: str, code: str, unread: list[str], node: str | None = None) -> dict[str, Any]:
    reasons = [{"code": code, "message": "because"}]
    return {"area": area, "node": node, "complete": False, "unread": unread, "reasons": reasons}


HALF: list[tuple[str, Areas, Areas, dict[str, Any]]] = [
    ("users", {"users": {"a@pve": {}}}, {"users": {}}, _row("users", "not_permitted", [])),
    ("users", {"users": {"a@pve": {}}}, {}, _row("users", "timed_out", [])),
    (
        "node_firewall",
        {"node_firewall": {"node/b alias x": {}}},
        {"node_firewall": {}},
        _row("node_firewall", "timed_out", ["node/b"], "b"),
    ),
    (
        "guest_firewall",
        {"guest_firewall": {"guest/9 ipset x": {}}},
        {"guest_firewall": {}},
        _row("guest_firewall", "timed_out", ["guest/9"]),
    ),
]


@pytest.mark.parametrize(("area", "whole", "half", "row"), HALF)
def test_what_one_did_not_see_is_not_told(area: str, whole: Areas, half: Areas, row: dict[str, Any]) -> None:
    for before, after in (
        (snapshot(whole), snapshot(half, T2, [row])),
        (snapshot(half, T1, [row]), snapshot(whole, T2)),
    ):
        result = config_changes(before, after)
        assert result["events"] == [] and result["complete"] is False
        (told,) = result["coverage"]
        assert (told["area"], told["comparable"], told["unread"]) == (area, False, row["unread"])
        assert told["reasons"][0]["code"] == "not_comparable" and "because" in told["reasons"][0]["message"]


def test_an_area_that_was_not_asked_for_is_not_told() -> None:
    result = config_changes(snapshot({"users": {}, "acl": {}}), snapshot({"users": {}}, T2))
    assert result["events"] == []
    assert {row["area"]: row["comparable"] for row in result["coverage"]} == {"users": True, "acl": False}


def test_what_both_saw_of_a_half_is_compared() -> None:
    row = _row("users", "not_permitted", [])
    before = snapshot({"users": {"a@pve": {"enable": "1"}}}, T1, [row])
    after = snapshot({"users": {"a@pve": {"enable": "0"}, "b@pve": {}}}, T2, [row])
    result = config_changes(before, after)
    assert [event["pve"]["object"] for event in result["events"]] == ["a@pve"]
    assert result["coverage"][0]["reasons"][0]["message"].startswith(
        "users: both snapshots: each did not see all of it"
    )


def test_an_update_of_proxmox_ve_is_said() -> None:
    note = config_changes(snapshot({}), snapshot({}, T2, version="9.3.1"))["note"]
    assert "became 9.3.1, it was 9.2.11" in note and f"changed back before {T2} is invisible" in note


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ([], snapshot({}), "the first value must be a snapshot of pve.audit.config_info, not list"),
        (snapshot({}), None, "after must be a snapshot of pve.audit.config_info, not NoneType"),
        ({}, snapshot({}), "the first snapshot has format None, not 1"),
        (snapshot({}, cluster="other"), snapshot({}), "the snapshots are of two clusters, other and lab"),
        (snapshot({}, T2), snapshot({}), "is later than the second"),
        (
            snapshot({}),
            snapshot({"acl": {}}, digests={}),
            "the area acl does not have the digest that was taken with it",
        ),
        (snapshot({}), snapshot({}, digests={"acl": "x"}), "the area acl does not have the digest"),
        ({**snapshot({}), "areas": []}, snapshot({}), "has no map areas"),
        ({**snapshot({}), "areas": {"acl": []}}, snapshot({}), "the area acl is not a map of objects"),
        (snapshot({}, coverage={}), snapshot({}), "has no list coverage"),
        (snapshot({}, until="soon"), snapshot({}), "until is not an RFC 3339 time"),
    ],
)
def test_what_is_no_snapshot(before: Any, after: Any, message: str) -> None:
    with pytest.raises(AnsibleFilterError) as failure:
        config_changes(before, after)
    text = str(failure.value)
    assert text.startswith("pve.audit.config_changes: ") and message in text and "\n" not in text


_NAMES = st.text("ab/@!. 1", min_size=1, max_size=6)
_ITEMS = st.dictionaries(_NAMES, st.text(max_size=4), max_size=4)
_PLAIN = [area for area, *_rest in NAMED if not area.endswith("firewall")]
_ANY = st.dictionaries(st.sampled_from(_PLAIN), st.dictionaries(_NAMES, _ITEMS, max_size=4), min_size=1, max_size=4)


@given(areas=_ANY)
def test_the_same_is_no_difference(areas: Areas) -> None:
    again = json.loads(json.dumps(snapshot(areas, T2)))
    result = config_changes({"snapshot": snapshot(areas), "complete": True}, {"snapshot": again})
    assert result["events"] == [] and result["complete"] and result["note"]


@given(areas=_ANY, data=st.data())
def test_any_single_change_is_told_and_nothing_else(areas: Areas, data: st.DataObject) -> None:
    changed: Areas = json.loads(json.dumps(areas))
    area = data.draw(st.sampled_from(sorted(areas)))
    name = data.draw(st.sampled_from(sorted(areas[area])) | _NAMES if areas[area] else _NAMES)
    now = data.draw(st.none() | _ITEMS)
    if now is None:
        changed[area].pop(name, None)
    else:
        changed[area][name] = now
    expected = [] if changed == areas else [(area, name)]
    assert [(where, what) for where, _action, what in told(areas, changed)] == expected
    assert [(where, what) for where, _action, what in told(changed, areas)] == expected


@given(before=_ANY, after=_ANY)
def test_each_event_has_an_id_of_its_own(before: Areas, after: Areas) -> None:
    first, second = snapshot(before), snapshot(after, T2)
    ids = [event["event"]["id"] for event in config_changes(first, second)["events"]]
    assert len(set(ids)) == len(ids)
    assert ids == [event["event"]["id"] for event in config_changes(first, second)["events"]]
