# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Acts out of groups of events, in the shape that users get."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from ansible_collections.pve.audit.plugins.module_utils._evidence.acts.groups import Group
from ansible_collections.pve.audit.plugins.module_utils._evidence.acts.join import (
    find_groups,
    only_tasks,
    unite_groups,
)
from ansible_collections.pve.audit.plugins.module_utils._evidence.acts.shape import mistake, require_joinable
from ansible_collections.pve.audit.plugins.module_utils._model.act import (
    CERTAIN,
    LIKELY,
    Act,
    Candidate,
    NodeAddresses,
    Witness,
)
from ansible_collections.pve.audit.plugins.module_utils._model.event import Event, get_field, unique_events
from ansible_collections.pve.audit.plugins.module_utils._model.names import ROOT, owner_of
from ansible_collections.pve.audit.plugins.module_utils._parse.facts import LINUX_LOG

_FILES = {"pve.task": "tasks/index", "pve.access": "access.log", "pve.auth": "journal", "linux.auth": "journal"}
_FILES |= {"pve.config": "journal"}
_KEPT = ("upid", "object", "object_type", "vmid", "severity")


def join_acts(
    events: Iterable[Event], nodes: NodeAddresses | None = None, people: Mapping[str, str] | None = None
) -> list[Act]:
    """The acts of classified events, in order of time: who did each, from where, how sure, and which lines say so.

    Reads, what loggers say of themselves, and lines that could not be read are no acts. `people` are the names of
    persons by user id, by Unix account of the realm pam, or by the fingerprint of an SSH key; a token stands for its
    own name only, since a program uses it. Raises InputError for an event of a wrong shape.
    """
    unique = unique_events(events)
    require_joinable(unique)
    groups = find_groups(unique, nodes)
    acts = [_act(group, people or {}) for group in groups if not _is_note(group.lead)]
    return sorted(acts, key=lambda act: (act["@timestamp"] or "", str(act["event"]["id"])))


def unite_acts(
    events: Iterable[Event],
    wanted: Callable[[Event], bool],
    nodes: NodeAddresses | None = None,
    people: Mapping[str, str] | None = None,
) -> tuple[list[Event], dict[str, Act]]:
    """What `unite_events` gives, and the acts of the events that are wanted, by the id that stands there.

    Where there are tasks alone, nothing is joined, and the work is that of the wanted ones.
    """
    unique = unique_events(events)
    if only_tasks(unique):
        united = unique
        groups = find_groups([event for event in unique if wanted(event) and mistake(event) is None], nodes)
    else:
        united, groups = unite_groups(unique, nodes)
    return united, {
        str(group.lead["event"]["id"]): _act(group, people or {})
        for group in groups
        if "id" in group.lead["event"] and (wanted(group.lead) or any(wanted(event) for event in group.members))
    }


def _is_note(event: Event) -> bool:
    """True for what a logger or the ledger says of itself."""
    return event["event"].get("dataset") == LINUX_LOG or event["event"].get("action", "").startswith("logging.")


def _act(group: Group, people: Mapping[str, str]) -> Act:
    lead = group.lead
    about, facts = lead["event"], lead.get("pve", {})
    named = group.graver or lead
    by_key = people.get(group.key or "") if lead["event"].get("outcome") != "failure" else None
    candidates = [_with_person(one, people, by_key, alone=len(group.candidates) == 1) for one in group.candidates]
    sure = group.confidence in (CERTAIN, LIKELY)
    user = get_field(lead, "user.id") or _common([one["user"] for one in candidates])
    return {
        "@timestamp": lead.get("@timestamp"),
        "event": {
            "id": about.get("id"),
            "action": group.renamed or named["event"].get("action"),
            "outcome": about.get("outcome", "unknown"),
        },
        "user": {"id": user, "account": None if user is None else owner_of(user)},
        "person": _common([one["person"] for one in candidates]) if sure else None,
        "source": {"ip": _common([one["ip"] for one in candidates]) if sure else None},
        "host": {"name": get_field(lead, "host.name")},
        "pve": {key: facts.get(key) for key in _KEPT}
        | {"severity": named.get("pve", {}).get("severity")}
        | {"object": facts.get("object", group.object), "channel": _channel(candidates)},
        "attribution": {
            "confidence": group.confidence,
            "candidates": candidates,
            "witnesses": [_witness(event, group) for event in _evidence(group)],
        },
    }


def _with_person(candidate: Candidate, people: Mapping[str, str], by_key: str | None, *, alone: bool) -> Candidate:
    """An account of its own says more than a key; root is whose key came in."""
    key = by_key if candidate["user"] in (None, ROOT) or alone else None
    person = people.get(candidate["user"] or "") or candidate["person"] or key
    return {**candidate, "person": person}


def _common(values: list[str | None]) -> str | None:
    """The value that all have, else None."""
    return values[0] if values and len(set(values)) == 1 else None


def _channel(candidates: list[Candidate]) -> str:
    return _common([one["channel"] for one in candidates]) or "unknown"


def _evidence(group: Group) -> list[Event]:
    """All lines of the act and those that tell who did it, each once."""
    return list({id(event): event for event in (*group.members, *group.support)}.values())


def _witness(event: Event, group: Group) -> Witness:
    about = event["event"]
    place = get_field(event, "pve.cursor") or about.get("id") or ""
    return {
        "node": get_field(event, "host.name") or "",
        "file": "snapshot" if place.startswith("snapshot:") else _FILES.get(about.get("dataset", ""), "events"),
        "place": place,
        "strength": "strong" if id(event) in group.strong else "weak",
    }
