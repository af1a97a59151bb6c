# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Name what an event means: action, object, severity and guest, from the catalogue in `classify/`."""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._classify.action import Action, object_of
from ansible_collections.pve.audit.plugins.module_utils._classify.api import classify_api
from ansible_collections.pve.audit.plugins.module_utils._classify.tasks import classify_task
from ansible_collections.pve.audit.plugins.module_utils._model.event import Event, get_field

# A task names its guest as 100, as vm:100 where the HA manager starts it, as 100@store for a volume or backups of the
# guest, and as 100-scsi0>101-scsi1 for a disk that moves.
_PLAIN_VMID = re.compile(r"[1-9]\d{2,8}", re.ASCII)
_VMID = re.compile(r"(?:(?:vm|ct)[:/])?([1-9]\d{2,8})(?:[@-].+)?", re.DOTALL)

# What the parsers of journal lines name themselves; the catalogue knows tasks and API calls only.
_PARSED_ACTIONS = {
    "access.authenticate": ("authentication", "user", "info"),
    "session.ssh.open": ("session", "session", "low"),
    "session.ssh.close": ("session", "session", "info"),
    "session.task.start": ("process", "task", "info"),
    "session.task.end": ("process", "task", "info"),
    "session.open": ("session", "session", "info"),
    "session.console.login": ("session", "session", "medium"),
    "session.sudo.command": ("process", "session", "medium"),
}


def classify_event(event: Event) -> Event:
    """Add action, category, object_type, severity and vmid to a parsed event, in place, and return it.

    What the catalogue does not know becomes the action `other` and stays visible. Lines that could not be parsed are
    left as they are: they have no meaning to name.
    """
    facts: dict[str, Any] = event.setdefault("pve", {})
    about: dict[str, Any] = event["event"]
    if about.get("kind") == "pipeline_error":
        return event
    if "task_type" in facts:
        _name(event, classify_task(facts["task_type"], facts.get("object", "")))
        _task_vmid(facts)
    elif about.get("dataset") == "pve.access":
        method, path = get_field(event, "http.request.method"), get_field(event, "url.path")
        action, params = classify_api(method or "", path or "")
        _name(event, action)
        if (identity := object_of(params, action)) is not None:
            facts["object"] = identity
        if _PLAIN_VMID.fullmatch(params.get("vmid", "")):
            facts["vmid"] = int(params["vmid"])
    elif (parsed := _PARSED_ACTIONS.get(about.get("action", ""))) is not None:
        about["category"], facts["object_type"], facts["severity"] = [parsed[0]], parsed[1], parsed[2]
    return event


def _name(event: Event, action: Action) -> None:
    event["event"]["action"] = action.name
    event["event"]["category"] = [action.category]
    event["pve"]["object_type"] = action.object_type
    event["pve"]["severity"] = action.severity


def _task_vmid(facts: dict[str, Any]) -> None:
    """A numeric id is a guest only where the object is one: a storage or a pool may be called 100 as well."""
    identity = facts.get("object", "")
    match = _VMID.fullmatch(identity)
    if match and (facts["object_type"] in ("guest", "snapshot", "volume", "ha") or "@" in identity):
        facts["vmid"] = int(match[1])
