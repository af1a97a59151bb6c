# Copyright: (c) 2026, pve.audit contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One change as one line of JSON, and the sums of files whose content is not told. Pure but for the random key."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pve_audit.ledger.content import Difference, compare, holds_secrets
from pve_audit.ledger.tree import Change, Entry, Step

LONGEST = 16_000
_NODE = re.compile(r"^\s*(name|nodeid):\s*(\S+)\s*$", re.MULTILINE)


@dataclass(frozen=True)
class Sums:
    """SHA-256 of a file; of one with secrets in it, keyed, so that nobody can try passwords against the sum.

    The key is made from a secret that all nodes of the cluster have, so that their ledgers can be compared.
    """

    key: bytes

    def __call__(self, path: str, data: bytes) -> str:
        if holds_secrets(path):
            return "keyed:" + hmac.new(self.key, data, hashlib.sha256).hexdigest()[:32]
        return hashlib.sha256(data).hexdigest()


def line_of(change: Change, step: Step, names: Mapping[int, str], unseen: bool = False) -> str:
    """The line. Keys are absent where there is nothing to say. `unseen`: nobody looked while it happened."""
    difference = None if change.directory else _difference(change)
    record: dict[str, Any] = {
        "event": change.kind,
        "path": change.path,
        "version": change.version,
        "since": step.since,
        "mtime": change.mtime or None,
        "writer": change.writer,
        "node": names.get(change.writer) if change.writer is not None else None,
        "process": change.process,
        "from": change.moved_from or None,
        "directory": change.directory or None,
        "sum": _sum(change.after),
        "sum_before": _sum(change.before),
        "incomplete": step.unexplained or None,
        "unseen": unseen or None,
    }
    record |= _told(difference) if difference else {}
    text = _dumped(record)
    if len(text) > LONGEST:
        shortened = {key: value for key, value in record.items() if key not in ("added", "removed", "changed", "diff")}
        text = _dumped({**shortened, "left_out": sum(len(record.get(key, ())) for key in _LISTS)})
    return text


def _sum(entry: Entry | None) -> str | None:
    return (entry.digest or None) if entry is not None else None


_LISTS = ("added", "removed", "changed", "diff")


def note_of(event: str, **facts: Any) -> str:
    """A line about the ledger itself: that it began, stopped, or could not look."""
    return _dumped({"event": event, **facts})


def node_names(corosync: bytes) -> dict[int, str]:
    """Node id and name, from corosync.conf."""
    found: dict[int, str] = {}
    for block in re.findall(r"node\s*\{([^}]*)\}", corosync.decode("utf-8", "replace")):
        facts = dict(_NODE.findall(block))
        if facts.get("nodeid", "").isdecimal() and "name" in facts:
            found[int(facts["nodeid"])] = facts["name"]
    return found


def _difference(change: Change) -> Difference | None:
    before, after = (None if one is None else one.unpacked() for one in (change.before, change.after))
    if holds_secrets(change.path) or (change.before is not None and before is None):
        return None
    return compare(change.path, before, after)


def _told(difference: Difference) -> dict[str, Any]:
    told: dict[str, Any] = {name: rows for name in _LISTS if (rows := getattr(difference, name))}
    if difference.left_out:
        told["left_out"] = difference.left_out
    return told


def _dumped(record: Mapping[str, Any]) -> str:
    known = {key: value for key, value in record.items() if value is not None}
    return json.dumps(known, ensure_ascii=True, separators=(",", ":"))
