# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said of a forwarder that runs, stands still, has no connection, cannot read, or sends nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.pve.audit.plugins.module_utils._node.command import Outcome
from ansible_collections.pve.audit.plugins.module_utils._node.facts import forwarder as forwarder_state
from ansible_collections.pve.audit.plugins.module_utils._node.facts import logging as logging_state
from tests.unit.plugins.module_utils._node.facts.test_logging import NOW, node, put


def pipeline(**changes: Any) -> dict[str, Any]:
    """A pipeline that is well."""
    sources = {"journal": {"cursor": "s=a;i=1", "behind_seconds": 0.0}, "access.log": {"backlog_bytes": 0}}
    return {"name": "failover", "connected": "c:1", "last_acknowledged": NOW, "sources": sources, **changes}


def entry_of(ago: float) -> Outcome:
    return Outcome(0, json.dumps({"__REALTIME_TIMESTAMP": str(int((NOW - ago) * 1e6))}))


REFUSED = {"refused": [{"path": "/var/log/pveproxy/access.log", "why": "is not a regular file"}]}
FORWARDERS: list[tuple[dict[str, Any], float, dict[str, Outcome], str]] = [
    (pipeline(), 1, {"sh -c": Outcome(0, "")}, ""),
    (pipeline(), 1, {"sh -c": entry_of(20)}, ""),
    (pipeline(), 1, {"sh -c": entry_of(301)}, "the journal since 2026-11-18T11:01:39Z was not acknowledged"),
    (pipeline(sources={}), 1, {"sh -c": entry_of(301)}, ""),
    (pipeline(), 61, {"sh -c": Outcome(0, "")}, "has not renewed its status for 61 seconds"),
    (pipeline(), 1, {"systemctl show": Outcome(0, "ActiveState=failed\n")}, "does not run"),
    (pipeline(connected=None, last_error={"message": "no route"}), 1, {}, "no connection to a collector: no route"),
    (pipeline(sources={"tasks": {"error": "it hangs"}}), 1, {}, "cannot read the source tasks: it hangs"),
    (pipeline(sources={"access.log": REFUSED}), 1, {}, "access.log is not a regular file"),
]


@pytest.mark.parametrize(("status", "age", "programs", "problem"), FORWARDERS)
def test_a_forwarder_that_sends_nothing(
    tmp_path: Path, status: dict[str, Any], age: float, programs: dict[str, Outcome], problem: str
) -> None:
    put(tmp_path, "/run/pve-audit/forward.json", json.dumps({"updated": NOW - age, "pipelines": [status]}))
    found = logging_state.look_at(node(tmp_path, (), **programs), ["forwarder"])
    problems = logging_state.problems_of(found)
    assert len(problems) == bool(problem)
    assert problem in "".join(problems)


def test_forwarder_with_two_targets(tmp_path: Path) -> None:
    sources = {"journal": {"behind_seconds": 3.5}, "access.log": {"backlog_bytes": 100, "files": 1}}
    slow = {"name": "b", "last_acknowledged": NOW - 60, "in_flight": 2, "sources": sources}
    slow["last_error"] = {"time": NOW - 5, "message": "refused"}
    fast = {"name": "a", "last_acknowledged": NOW, "in_flight": 1, "sources": {}, "last_error": None}
    put(tmp_path, "/run/pve-audit/forward.json", json.dumps({"updated": NOW, "pipelines": [fast, slow]}))
    found = forwarder_state.forwarder(node(tmp_path))
    assert found["last_acknowledged_seconds_ago"] == 60
    assert found["queue"] == {"in_flight": 3, "bytes": 100, "behind_seconds": 3.5}
    assert found["last_error"]["message"] == "refused"


@pytest.mark.parametrize("text", ["", "{", "[]"])
def test_forwarder_status_that_cannot_be_read(tmp_path: Path, text: str) -> None:
    put(tmp_path, "/run/pve-audit/forward.json", text)
    assert forwarder_state.forwarder(node(tmp_path))["available"] is False
