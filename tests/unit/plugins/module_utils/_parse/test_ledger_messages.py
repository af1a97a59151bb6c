# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines of the ledger as events: what each kind of change is called, and on what it was done."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.pve.audit.plugins.module_utils._classify.action import ACTIONS
from ansible_collections.pve.audit.plugins.module_utils._parse.ledger_messages import read_ledger

GUEST = "nodes/pve1/qemu-server/100.conf"
# event, path, added, removed, changed: action, object
LINES: list[tuple[str, str, list[Any], list[Any], list[Any], str, str]] = [
    ("modified", "user.cfg", [["user a@pve", ""], ["group g member a@pve", ""]], [], [], "access.user.create", "a@pve"),
    ("modified", "user.cfg", [], [["user a@pve", ""], ["acl / a@pve R", "x"]], [], "access.user.delete", "a@pve"),
    ("modified", "user.cfg", [["acl /vms a@pve R", "propagate"]], [], [], "access.acl.modify", "/vms"),
    ("modified", "user.cfg", [], [], [["user a@pve enable", "1", "0"]], "access.user.modify", "a@pve"),
    ("modified", "user.cfg", [["token a@pve!t", ""]], [], [], "access.token.create", "a@pve!t"),
    ("modified", "user.cfg", [["role R privilege VM.Audit", ""]], [], [], "access.role.modify", "R"),
    ("modified", "user.cfg", [], [["group g", ""]], [], "access.group.delete", "g"),
    ("modified", "user.cfg", [["pool p guest 100", ""]], [], [], "pool.modify", "p"),
    ("modified", "user.cfg", [["line x", ""]], [], [], "config.file.modify", "user.cfg"),
    ("rewritten", "user.cfg", [], [], [], "config.file.rewrite", "user.cfg"),
    ("modified", "storage.cfg", [["dir s", ""], ["dir s path", "/x"]], [], [], "storage.definition.create", "s"),
    ("modified", "storage.cfg", [], [], [["dir s content", "a", "b"]], "storage.definition.modify", "s"),
    ("modified", "domains.cfg", [], [["ad corp", ""], ["ad corp port", "1"]], [], "access.realm.delete", "corp"),
    ("created", "jobs.cfg", [["vzdump w", ""]], [], [], "backup_job.create", "w"),
    ("modified", "ha/resources.cfg", [["vm 100", ""]], [], [], "ha.resource.create", "100"),
    ("modified", "priv/shadow.cfg", [], [], [], "access.password.modify", "priv/shadow.cfg"),
    ("modified", "priv/tfa.cfg", [], [], [], "access.tfa.modify", "priv/tfa.cfg"),
    ("modified", "datacenter.cfg", [], [], [["keyboard", "de", "us"]], "cluster.options.modify", "datacenter.cfg"),
    ("created", GUEST, [["lock", "create"]], [], [], "guest.create", "100"),
    ("deleted", GUEST, [], [["memory", "1"]], [], "guest.destroy", "100"),
    ("moved", GUEST, [], [], [], "guest.migrate", "100"),
    ("modified", GUEST, [["[s1]", ""], ["[s1] memory", "1"]], [], [], "guest.snapshot.create", "100/s1"),
    ("modified", GUEST, [], [["[s1]", ""]], [], "guest.snapshot.delete", "100/s1"),
    ("modified", GUEST, [], [["[PENDING]", ""]], [["memory", "1", "2"]], "guest.config.modify", "100"),
    ("modified", "firewall/cluster.fw", [["[RULES] IN DROP", ""]], [], [], "firewall.rule.create", "[RULES] IN DROP"),
    ("modified", "firewall/100.fw", [], [["[ALIASES] a 1", ""]], [], "firewall.alias.delete", "[ALIASES] a 1"),
    ("modified", "nodes/pve1/host.fw", [], [], [["[OPTIONS] enable", "1", "0"]], "firewall.options.modify", "enable"),
    ("modified", "firewall/cluster.fw", [["[IPSET x]", ""]], [], [], "firewall.ipset.create", "x"),
    ("modified", "firewall/cluster.fw", [["[IPSET x] 10.0.0.1", ""]], [], [], "firewall.ipset.entry.create",
     "[IPSET x] 10.0.0.1"),
    ("created", "nodes/pve1/note", [], [], [], "config.file.modify", "nodes/pve1/note"),
]  # fmt: skip


@pytest.mark.parametrize(("event", "path", "added", "removed", "changed", "action", "identity"), LINES)
def test_a_change_has_its_action(
    event: str, path: str, added: list[Any], removed: list[Any], changed: list[Any], action: str, identity: str
) -> None:
    line = {"event": event, "path": path, "version": 9, "writer": 2, "node": "pve2", "mtime": 1795807698, "process": 7}
    facts = read_ledger(json.dumps({**line, "added": added, "removed": removed, "changed": changed}))
    assert facts is not None
    assert (facts.dataset, facts.action, facts.outcome, facts.user) == ("pve.config", action, "success", None)
    assert action in ACTIONS
    assert facts.extra["object"] == identity
    assert (facts.extra["file"], facts.extra["change"]) == (path, event)
    assert {key: facts.extra[key] for key in ("version", "writer", "writer_node", "writer_process", "mtime")} == {
        "version": 9, "writer": 2, "writer_node": "pve2", "writer_process": 7, "mtime": 1795807698}  # fmt: skip
    assert facts.extra.get("vmid") == (100 if path == GUEST else None)


@pytest.mark.parametrize(
    ("event", "action", "outcome"),
    [
        ("started", "logging.started", "success"),
        ("sees", "logging.started", "success"),
        ("stopped", "logging.stopped", "success"),
        ("blind", "logging.stopped", "failure"),
        ("database_replaced", "logging.messages.lost", "unknown"),
    ],
)
def test_what_the_ledger_says_of_itself(event: str, action: str, outcome: str) -> None:
    facts = read_ledger(json.dumps({"event": event, "why": "gone"}))
    assert facts is not None
    assert (facts.action, facts.outcome) == (action, outcome)
    assert bool(facts.error) == (outcome != "success")


@pytest.mark.parametrize(
    "text",
    [
        *("", "x", "[]", "{}", "[" * 100_000),
        *('{"event": 1}', '{"event": "modified"}', '{"event": "modified", "path": 1}', '{"event": "x", "path": "x"}'),
    ],
)
def test_what_is_no_line_of_the_ledger(text: str) -> None:
    assert read_ledger(text) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(["added", "removed", "changed", "writer", "node", "process", "why"]), JSON),
       st.sampled_from([line[0] for line in LINES]), st.sampled_from([line[1] for line in LINES]))  # fmt: skip
def test_forged_lines_do_no_harm(more: dict[str, Any], event: str, path: str) -> None:
    facts = read_ledger(json.dumps({"event": event, "path": path, **more}))
    assert facts is not None
    assert facts.action in ACTIONS
    assert facts.user is None
