# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two snapshots of a configuration: what is different, as events with the actions of the catalogue.

A snapshot says what is, not who made it so, nor when: an event has the times of the two snapshots as its bounds, and no
time of its own. What one of them did not see is never taken for deleted or new.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.pve.audit.plugins.module_utils._evidence.snapshot_events import (
    AREAS,
    CREATED,
    DELETED,
    MODIFIED,
    Change,
    are_rules,
    event_of,
    head_of,
    key_of,
    part_of,
    shown_of,
)
from ansible_collections.pve.audit.plugins.module_utils._evidence.snapshot_shape import Snapshot
from ansible_collections.pve.audit.plugins.module_utils._model.errors import InputError
from ansible_collections.pve.audit.plugins.module_utils._parse.config_rows import Items, Objects

# What comes and goes with a guest or a node is told by these alone.
_OWNERS = {"guest_configs": "guests", "guest_firewall": "guests", "node_configs": "nodes", "node_firewall": "nodes"}
_OF_GUESTS = ("guest_configs", "guest_firewall")
_CREATION = re.compile(r"\bctime=(\d+)", re.ASCII)


def compare_snapshots(before: Snapshot, after: Snapshot) -> dict[str, Any]:
    """The events, what could not be compared, and what two snapshots cannot show.

    Raises InputError for snapshots of two clusters, and for those in the wrong order.
    """
    if before.cluster and after.cluster and before.cluster != after.cluster:
        raise InputError(f"the snapshots are of two clusters, {before.cluster} and {after.cluster}")
    if before.start > after.start:
        raise InputError(f"the first snapshot ({before.start}) is later than the second ({after.start}): exchange them")
    events = [event_of(change, before, after) for change in _changes(before, after)]
    coverage = list(_coverage(before, after))
    return {
        "events": events,
        "coverage": coverage,
        "complete": all(row["comparable"] for row in coverage),
        "from": before.start,
        "until": after.end,
        "note": _note(before, after),
    }


def _note(before: Snapshot, after: Snapshot) -> str:
    text = (
        f"What was changed after {before.start} and changed back before {after.end} is invisible here, and so is a "
        "secret that became another one. Two snapshots tell neither who made a change nor when."
    )
    if before.version != after.version:
        text += f" Proxmox VE became {after.version}, it was {before.version}: what came with it is among the changes."
    return text


def _changes(before: Snapshot, after: Snapshot) -> Iterator[Change]:
    for area in AREAS:
        if area not in before.areas or area not in after.areas:
            continue
        old, new = before.areas[area], after.areas[area]
        for name in sorted(old.keys() | new.keys()):
            if _is_another_guest(area, name, before, after):
                yield from _replaced(area, name, old, new)
                continue
            change = _difference(area, name, old.get(name), new.get(name))
            if change is not None and _is_told(change, before, after):
                yield change


def _is_another_guest(area: str, name: str, before: Snapshot, after: Snapshot) -> bool:
    """Whether the number of the guest belongs to another one now: of another type, or made at another time."""
    if area not in ("guests", *_OF_GUESTS):
        return False
    vmid = part_of(name)[0].rpartition("/")[2]
    was, now = (snapshot.areas.get("guests", {}).get(vmid, {}) for snapshot in (before, after))
    made = [_made(snapshot.areas.get("guest_configs", {}).get(vmid, {})) for snapshot in (before, after)]
    of_another_type = bool(was and now) and was.get("type") != now.get("type")
    return of_another_type or (None not in made and made[0] != made[1])


def _made(config: Items) -> str | None:
    """When a virtual machine was made. A restore of its own backup keeps that. [PVE::QemuServer::MetaInfo]"""
    found = _CREATION.search(config.get("meta", ""))
    return found[1] if found else None


def _replaced(area: str, name: str, old: Objects, new: Objects) -> Iterator[Change]:
    """The end of the one and the beginning of the other, which the list of guests alone tells."""
    if area != "guests":
        return
    for change in (_difference(area, name, old.get(name), None), _difference(area, name, None, new.get(name))):
        if change is not None:
            yield change


def _difference(area: str, name: str, old: Items | None, new: Items | None) -> Change | None:
    if old == new:
        return None
    kind = CREATED if old is None else DELETED if new is None else MODIFIED
    before, after = old or {}, new or {}
    added = [
        [key_of(area, name, key), shown_of(area, name, after[key])] for key in sorted(after.keys() - before.keys())
    ]
    removed = [
        [key_of(area, name, key), shown_of(area, name, before[key])] for key in sorted(before.keys() - after.keys())
    ]
    changed = [[key_of(area, name, key), before[key], after[key]] for key in _different(area, name, before, after)]
    if kind != MODIFIED and (head := head_of(area, name)):
        (added if kind == CREATED else removed).insert(0, [head, ""])
    if not (added or removed or changed):
        return None
    return Change(area, name, kind, added, removed, changed)


def _different(area: str, name: str, old: Items, new: Items) -> list[str]:
    """Keys with another value. Rules have their place for a value, and only those that were moved are different."""
    both = old.keys() & new.keys()
    if not are_rules(area, name):
        return sorted(key for key in both if old[key] != new[key])
    was, now = (sorted(both, key=lambda key: int(items[key])) for items in (old, new))
    return sorted(key for key, other in zip(was, now, strict=True) if key != other)


def _is_told(change: Change, before: Snapshot, after: Snapshot) -> bool:
    """Whether both snapshots could have seen the object, and nothing else tells the same."""
    if change.kind == MODIFIED:
        return True
    owner = _OWNERS.get(change.area)
    if owner is not None and _owner_differs(owner, change, before, after):
        return False
    if change.area in ("guest_configs", "node_configs"):
        return False
    unseeing = before if change.kind == CREATED else after
    return unseeing.would_show(change.area, change.name)


def _owner_differs(owner: str, change: Change, before: Snapshot, after: Snapshot) -> bool:
    """Whether the guest or node itself came or went, or is known to one snapshot alone."""
    name = part_of(change.name)[0].rpartition("/")[2]
    known: list[Objects | None] = [snapshot.areas.get(owner) for snapshot in (before, after)]
    return any(objects is not None and name not in objects for objects in known)


def _coverage(before: Snapshot, after: Snapshot) -> Iterator[dict[str, Any]]:
    """For each area whether all of it was compared, and why not."""
    for area in AREAS:
        if not any(one.knows(area) and one.offers(area) for one in (before, after)):
            continue
        lacks = {word: one.lacks(area) for word, one in (("first", before), ("second", after))}
        why = [f"the {word} snapshot {text}" for word, text in lacks.items() if text]
        if len(why) == 2 and len(set(lacks.values())) == 1:
            why = [f"both snapshots: each {lacks['first']}"]
        unread = sorted({*before.unread(area), *after.unread(area)})
        yield {
            "area": area,
            "comparable": not why,
            "unread": unread,
            "reasons": [{"code": "not_comparable", "message": f"{area}: {'; '.join(why)}"}] if why else [],
        }


def require_mapping(value: object, what: str) -> Mapping[str, Any]:
    """A snapshot, also as the result of the module that has it. Raises InputError."""
    if isinstance(value, Mapping) and isinstance(value.get("snapshot"), Mapping):
        value = value["snapshot"]
    if not isinstance(value, Mapping):
        raise InputError(f"{what} must be a snapshot of pve.audit.config_info, not {type(value).__name__}")
    return value


def compare(before: object, after: object) -> dict[str, Any]:
    """What is different between two results of `config_info`. Raises InputError."""
    first, second = require_mapping(before, "the first value"), require_mapping(after, "after")
    return compare_snapshots(Snapshot.read(first, "the first snapshot"), Snapshot.read(second, "the second snapshot"))
