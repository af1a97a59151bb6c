# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A made-up week for the tests of the report: gaps, findings, failures, and people who type the worst into every field.

`build()` gives the facts that the role's templates read; `render()` renders them through the real ansible-playbook.
"""

from __future__ import annotations

import json
import random
import subprocess
from pathlib import Path
from typing import Any

from ansible_collections.pve.audit.plugins.filter.anomalies import shipped_rules
from ansible_collections.pve.audit.plugins.module_utils._identity.rules.findings import find_identity_findings
from ansible_collections.pve.audit.plugins.module_utils._model.coverage import Coverage
from ansible_collections.pve.audit.plugins.module_utils._model.time import rfc3339, to_epoch
from ansible_collections.pve.audit.plugins.module_utils._parse.upid import user_fields
from ansible_collections.pve.audit.plugins.plugin_utils._detect.anomalies import find_anomalies
from ansible_collections.pve.audit.plugins.plugin_utils._detect.hours import working_hours
from ansible_collections.pve.audit.plugins.plugin_utils._detect.rules import check_rules
from ansible_collections.pve.audit.plugins.plugin_utils._report.summary import summarise
from tests.playbook import run_playbook

NOW = "2026-11-23T18:00:00Z"
SINCE = "2026-11-16T18:00:00Z"
DAY = 86400

HOSTILE = (
    "<script>alert(1)</script>",
    "{{ 7*7 }}{% raw %}",
    "\"><img src=x onerror=alert(2)>'",
    "line one\nline two\r\n| cell | <b>bold</b> |",
    "\x1b[2J\x07bell \u202egnp.exe \u200bhidden",
    "</script></textarea></pre></title></details><h1>out</h1>",
    "=cmd|' /C calc'!A0",
    "[link](javascript:alert(3)) `code` **bold** http://evil.example @everyone",
)

PEOPLE = {"dario@pve": "Dario", "lena@pve": HOSTILE[0]}

_ACTIONS = (
    ("vzdump", "backup.create", "low"),
    ("qmstart", "guest.start", "low"),
    ("qmshutdown", "guest.shutdown", "medium"),
    ("qmsnapshot", "guest.snapshot.create", "low"),
    ("vncproxy", "guest.console.open", "medium"),
    ("qmigrate", "guest.migrate", "medium"),
    ("qmcreate", "guest.create", "medium"),
    ("qmdestroy", "guest.destroy", "critical"),
)
_USERS = ("lena@pve", "paul@pve", "iac@pve!terraform", "backup@pve!nightly", "root@pam", "noc@pve", "dario@pve")


def _task(
    number: int, at: float, user: str, kind: tuple[str, str, str], node: str, vmid: str, status: str
) -> dict[str, Any]:
    task_type, action, severity = kind
    upid = f"UPID:{node}:{number:08X}:{number:08X}:{int(at):08X}:{task_type}:{vmid}:{user}:"
    state = (
        "ok"
        if status == "OK"
        else "warning"
        if status.startswith("WARNINGS")
        else "running"
        if status == "RUNNING"
        else "error"
    )
    outcome = {"error": "failure", "running": "unknown"}.get(state, "success")
    pve: dict[str, Any] = {
        "upid": upid,
        "task_type": task_type,
        "status": status,
        "state": state,
        "severity": severity,
        "object_type": "guest",
    }
    if vmid:
        pve["object"] = vmid
    if vmid.isdigit():
        pve["vmid"] = int(vmid)
    return {
        "@timestamp": rfc3339(at),
        "event": {"id": upid, "kind": "event", "dataset": "pve.task", "action": action, "outcome": outcome},
        "user": user_fields(user),
        "host": {"name": node},
        "pve": pve,
    }


def build_events(extra: int = 0, *, complete: bool = False) -> list[Any]:
    """About 320 events, newest first; `extra` more of the harmless kind. One is damaged unless `complete`."""
    dice, start = random.Random(7), to_epoch(SINCE)
    events = []
    for number in range(300 + extra):
        day, hour = dice.randrange(7), min(23, max(0, int(dice.gauss(13, 3))))
        at = start + day * DAY + ((hour - 18) % 24) * 3600 + dice.randrange(3600)
        kind = dice.choices(_ACTIONS, weights=(30, 18, 8, 12, 10, 6, 5, 1))[0]
        user = "backup@pve!nightly" if kind[0] == "vzdump" else dice.choice(_USERS)
        status = dice.choices(("OK", "WARNINGS: 1", f"VM {100 + number} is locked (backup)"), weights=(20, 1, 1))[0]
        events.append(_task(number, at, user, kind, f"pve{dice.randint(1, 3)}", str(dice.randint(100, 140)), status))
    burst = to_epoch("2026-11-22T01:12:00Z")
    events += [
        _task(900 + i, burst + 17 * i, "dario@pve", _ACTIONS[7], f"pve{i % 3 + 1}", str(501 + i), "OK")
        for i in range(10)
    ]
    events.append(_task(940, burst + 60, "lena@pve", _ACTIONS[7], "pve1", "540", "OK"))
    night = to_epoch("2026-11-21T02:00:00Z")
    events += [_task(950 + i, night + i, text, _ACTIONS[7], "pve1", text, text) for i, text in enumerate(HOSTILE)]
    events.append(_task(990, to_epoch(NOW) - 300, "lena@pve", _ACTIONS[5], "pve2", "120", "RUNNING"))
    broken = {
        "id": "corrupt:1",
        "kind": "pipeline_error",
        "dataset": "pve.task",
        "outcome": "unknown",
        "original": "UPID:pve1:" + HOSTILE[0],
    }
    if not complete:
        events.append(
            {"event": broken, "error": {"message": "the line is not a task index line"}, "host": {"name": "pve1"}}
        )
    return sorted(events, key=lambda event: str(event.get("@timestamp", "")), reverse=True)


def build_coverage(complete: bool) -> list[Coverage]:
    """Three nodes seen whole; unless `complete`, one with a turned ring and one offline besides."""
    since, now = to_epoch(SINCE), to_epoch(NOW)
    rows = [Coverage(f"pve{i}", start=since, end=now, oldest=since, records=100) for i in (1, 2, 3)]
    if not complete:
        oldest = "2026-11-18T09:30:00Z"
        rows[2].start = rows[2].oldest = to_epoch(oldest)
        rows[2].add_reason("ring_turned", f"the node has kept nothing that ended before {oldest}")
        rows.append(Coverage("pve4"))
        rows[3].add_reason("node_offline", "the cluster says that the node is offline " + HOSTILE[0])
    return rows


def build_blind() -> list[Coverage]:
    """One node, of which nothing was seen."""
    return [Coverage("pve1", reasons=[{"code": "node_offline", "message": "the node is offline"}])]


def build_refused() -> tuple[list[Any], list[Coverage]]:
    """Refused calls of the access log, a read, and coverage that holds this log for one of three nodes."""
    rows = [*build_coverage(complete=True), Coverage("pve1", "pve.access", to_epoch(SINCE), to_epoch(NOW))]
    calls: list[Any] = [
        {
            "@timestamp": rfc3339(to_epoch(NOW) - 60 * number),
            "event": {"id": f"access:{number}", "kind": "event", "dataset": "pve.access", "action": action,
                      "outcome": "success" if action == "api.read" else "failure"},
            "user": {"id": "mallory@pve"},
            "source": {"ip": "192.0.2.66"},
            "host": {"name": "pve1"},
            "http": {"response": {"status_code": 403}},
            "pve": {"severity": "info", "object": HOSTILE[0]},
        }
        for number, action in enumerate(("access.user.modify", "access.user.modify", "api.read"))
    ]  # fmt: skip
    return calls, rows


def build_identities(complete: bool, *, blind: bool = False) -> dict[str, Any]:
    """Who is who, with hostile names and, unless `complete`, a rule that could not be checked. `blind`: none could."""
    hidden = {"code": "not_permitted", "message": f"the credential may not see second factors {HOSTILE[0]}"}
    kinds = ("users", "groups", "roles", "acl", "realms", "tfa", "tokens")
    unseen = kinds if blind else () if complete else ("tfa",)
    identity = {
        "users": [
            {"userid": "root@pam", "enable": True, "expire": 0, "groups": [], "tokens": [], "tfa": []},
            {"userid": f"{HOSTILE[0]}@pve", "enable": True, "expire": 1, "groups": [], "tokens": [], "tfa": []},
        ],
        "groups": [],
        "roles": [{"roleid": "Administrator", "privs": ["Permissions.Modify", "Sys.Modify"], "special": True}],
        "acl": [
            {"path": "/", "type": "user", "ugid": f"{HOSTILE[0]}@pve", "roleid": "Administrator", "propagate": True}
        ],
        "realms": [
            {"realm": name, "type": name, "default": False, "tfa": None, "tfa_visible": True} for name in ("pam", "pve")
        ],
        "coverage": {
            kind: {"complete": kind not in unseen, "reasons": [hidden] if kind in unseen else []} for kind in kinds
        },
    }
    return find_identity_findings(identity, to_epoch(NOW), {})._asdict()


def build_controls() -> list[dict[str, Any]]:
    """Rows of the table of controls, one in each state."""
    return [
        {
            "control": f"PVA-LOG-0{number}",
            "title": HOSTILE[0] if number == 1 else "The clock is right",
            "implemented_by": "node_logging",
            "iso": ["8.15", "5.28"],
            "gdpr": ["32"],
            "state": state,
            "nodes": [{"node": f"pve{node}", "state": state} for node in (1, 2, 3)],
            "evidence": "drift.json",
            "date": None if state == "not_checked" else NOW,
        }
        for number, state in enumerate(("ok", "drift", "off", "not_checked"), 1)
    ]


def build(
    *, complete: bool = False, empty: bool = False, blind: bool = False, refused: bool = False, extra: int = 0
) -> dict[str, Any]:
    """The facts that the templates read."""
    events = [] if empty or blind else build_events(extra, complete=complete)
    rows = build_blind() if blind else build_coverage(complete)
    if refused:
        events, rows = build_refused()
    found = find_anomalies(events, check_rules(shipped_rules(), None, working_hours(None, "Europe/Berlin")))
    summary = summarise(events, found, rows, since=SINCE, until=NOW, now=NOW, timezone="Europe/Berlin", people=PEOPLE)
    texts = [f"step {i}: removing volume local-lvm:vm-{i}-disk-0" for i in range(80)]
    logs = [
        {
            "upid": upid,
            "lines": [*HOSTILE, *texts, "TASK OK"],
            "complete": number != 1,
            "reason": None if number != 1 else "timed out",
        }
        for number, upid in enumerate(summary["upids_of_interest"][:25])
    ]
    return {
        "pve_audit_report_events": events,
        "pve_audit_report_findings": [finding.as_dict() for finding in found],
        "pve_audit_report_summary": summary,
        "pve_audit_report_logs": logs,
        "pve_audit_report_identities": {} if empty else build_identities(complete, blind=blind),
        "pve_audit_report_controls": [] if empty or blind else build_controls(),
        "pve_audit_report_files": [],
    }


PLAYBOOK = """
- hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - ansible.builtin.slurp:
        src: "{{ sample_file }}"
      register: slurped
    - ansible.builtin.set_fact:
        pve_audit_report_events: "{{ (slurped.content | b64decode | from_json).pve_audit_report_events }}"
        pve_audit_report_findings: "{{ (slurped.content | b64decode | from_json).pve_audit_report_findings }}"
        pve_audit_report_summary: "{{ (slurped.content | b64decode | from_json).pve_audit_report_summary }}"
        pve_audit_report_logs: "{{ (slurped.content | b64decode | from_json).pve_audit_report_logs }}"
        pve_audit_report_identities: "{{ (slurped.content | b64decode | from_json).pve_audit_report_identities }}"
        pve_audit_report_controls: "{{ (slurped.content | b64decode | from_json).pve_audit_report_controls }}"
        pve_audit_report_files: []
    - ansible.builtin.include_role:
        name: pve.audit.audit_report
        tasks_from: "{{ part }}"
      loop: [preflight, render, result]
      loop_control:
        loop_var: part
"""


def render(directory: Path, facts: dict[str, Any], **variables: Any) -> subprocess.CompletedProcess[str]:
    """Render the facts with the role's own tasks. The values arrive as a module's result, as in real life."""
    directory.mkdir(parents=True, exist_ok=True)
    sample = directory / "sample.json"
    sample.write_text(json.dumps(facts), encoding="utf-8")
    play = directory / "play.yml"
    play.write_text(PLAYBOOK, encoding="utf-8")
    extra = {
        "sample_file": str(sample),
        "pve_audit_report_output_dir": str(directory),
        "pve_audit_report_timezone": "Europe/Berlin",
    }
    shown = {"ANSIBLE_SHOW_CUSTOM_STATS": "1"}
    return run_playbook(play, directory, "-e", json.dumps({**extra, **variables}), environment=shown)
